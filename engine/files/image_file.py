"""Reads `image.yml` of one image's folder and the file of stages: see docs/barclamps.md for their keys."""

from __future__ import annotations

import re
from pathlib import Path

from ..boot_script import WORD
from ..definitions import ImageDef, Stage
from .mistakes import Mistakes, shown
from .spot import Spot
from .yaml_source import load

FILES: dict[str, tuple[str, ...]] = {
    "discovery": ("kernel", "initrd"),
    "system": ("root",),
    "loader": ("bios", "efi", "efi-arm64"),
}
"""Kind of image -> the uses of its files."""

OPTIONAL = ("efi-arm64",)
"""Of these, what an image may be without."""

_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_WORD_OF_STATE = re.compile(r"[a-z]+(-[a-z]+)*")
_STAGE_KEYS = ("name", "doing", "done", "runs", "gate", "power-cycle")
_STAGE_NEEDS = _STAGE_KEYS[:4]


def read_stages(file: Path, mistakes: Mistakes) -> tuple[Stage, ...]:
    """The list of stages, in the order of a server's life."""
    tree = load(file, mistakes)
    if tree is None:
        return ()
    top = Spot(tree, str(file), mistakes)
    out: list[Stage] = []
    for spot in top.fields(("stages",), ("stages",)).each("stages"):
        keys = spot.fields(_STAGE_KEYS, _STAGE_NEEDS)
        if not keys.keys() >= set(_STAGE_NEEDS):
            continue
        stage = Stage(
            name=keys["name"].name("a stage's name"),
            doing=keys["doing"].name("the name of a node's state", _WORD_OF_STATE),
            done=keys["done"].name("the name of a node's state", _WORD_OF_STATE),
            runs="installed" if keys["runs"].choice(("sledgehammer", "installed")) == "installed" else "sledgehammer",
            gate=keys["gate"].truth() if "gate" in keys else False,
            power_cycle=keys["power-cycle"].truth() if "power-cycle" in keys else True,
        )
        if any(stage.name == other.name for other in out):
            keys["name"].fail(f"stage {shown(stage.name)} is there already")
        elif stage.runs == "sledgehammer" and any(other.runs == "installed" for other in out):
            keys["runs"].fail("a stage that runs in sledgehammer cannot follow one of the installed system")
        out.append(stage)
    if not out and not mistakes.found:
        top.fail("expected at least one stage")
    return tuple(out)


def read_image(folder: Path, mistakes: Mistakes, folders: dict[str, str], images: dict[str, ImageDef]) -> None:
    """Adds the image of a folder to `images`, and its folder to `folders` under `image:NAME`."""
    file = folder / "image.yml"
    tree = load(file, mistakes)
    if tree is None:
        return
    known = ("name", "kind", "version", "arch", "description", "files", "arguments", "synthetic")
    keys = Spot(tree, str(file), mistakes).fields(known, ("name", "kind", "files"))
    if not {"name", "kind", "files"} <= keys.keys():
        return
    name = keys["name"].name("an image's name")
    if name != folder.name:
        keys["name"].fail(f"expected the name of its folder, {folder.name!r}, not {shown(name)}")
    if name in images:
        keys["name"].fail(f"image {shown(name)} is there already, in {folders['image:' + name]}")
    kind = keys["kind"].choice(tuple(FILES))
    uses = keys["files"].fields(FILES[kind], tuple(use for use in FILES[kind] if use not in OPTIONAL))
    files = {use: spot.name("a file name", _FILE, 100) for use, spot in uses.items()}
    synthetic = {}
    for made, spot in keys["synthetic"].entries().items() if "synthetic" in keys else ():
        if made not in files.values():
            spot.unknown("file", made, files.values())
        synthetic[made] = spot.size()
    argument = "a kernel argument without spaces, quotes or $"
    arguments = tuple(spot.name(argument, WORD, 200) for spot in keys.each("arguments"))
    folders["image:" + name] = str(folder)
    images[name] = ImageDef(
        name=name,
        kind="discovery" if kind == "discovery" else "system" if kind == "system" else "loader",
        version=keys["version"].name("a version without spaces", WORD) if "version" in keys else "",
        arch=keys["arch"].choice(("x86_64", "aarch64")) if "arch" in keys else "x86_64",
        description=keys.describe(),
        files=files,
        arguments=arguments,
        synthetic=synthetic,
    )
