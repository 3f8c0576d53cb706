"""Reads `image.yml` of one image's folder. docs/barclamps.md explains the keys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from ..definitions import BOOT_WORD, ImageDef
from .element import Element
from .mistakes import Mistakes, shown
from .yaml_source import load

_LOADERS = ("efi-arm64", "bios-second", "efi-second", "efi-signed", "efi-grub", "efi-arm64-grub")
FILES: dict[str, tuple[str, ...]] = {
    "discovery": ("kernel", "initrd"),
    "system": ("root",),
    "installer": ("kernel", "initrd", "live"),
    "loader": ("bios", "efi", *_LOADERS),
}
"""Kind of image -> the uses of its files."""

_KINDS: dict[str, Literal["discovery", "system", "installer", "loader"]] = {
    "discovery": "discovery",
    "system": "system",
    "installer": "installer",
    "loader": "loader",
}

OPTIONAL = (*_LOADERS, "live")
"""Those that are optional."""

METHODS = ("preseed", "autoinstall", "kickstart")
"""Ways in which a distribution's own installer takes answers."""
_INSTALLER = ("installs", "method", "answers")
ONLY_OF = {"arguments": ("discovery", "installer"), "mirror": ("installer",)}
"""Key -> the kinds of images that use it."""
_INSTALLER_ALSO = ("mirror",)
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MIRROR = re.compile(r"https?://[A-Za-z0-9]([A-Za-z0-9.-]{0,253}[A-Za-z0-9])?(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*")
_ARGUMENT = re.compile(r"([A-Za-z0-9_./:=,@+%~-]|\{(answers|image|mirror)\})+")
"""For an installer: the engine replaces these by the URLs of the answers, of the image's files, and of the packages."""


def read_image(folder: Path, mistakes: Mistakes, folders: dict[str, str], images: dict[str, ImageDef]) -> None:
    """Adds the image of a folder to `images`, and its folder to `folders` under `image:NAME`."""
    file = folder / "image.yml"
    tree = load(file, mistakes)
    if tree is None:
        return
    known = ("name", "kind", "version", "arch", "description", "files", "arguments", "synthetic", *_INSTALLER, *_INSTALLER_ALSO)
    keys = Element(tree, str(file), mistakes).fields(known, ("name", "kind", "files"))
    if not {"name", "kind", "files"} <= keys.keys():
        return
    name = keys["name"].name("an image's name")
    if name != folder.name:
        keys["name"].fail(f"expected the name of its folder, {folder.name!r}, not {shown(name)}")
    if name in images:
        keys["name"].fail(f"image {shown(name)} already exists, in {folders['image:' + name]}")
    kind = keys["kind"].choice(tuple(FILES))
    uses = keys["files"].fields(FILES[kind], tuple(use for use in FILES[kind] if use not in OPTIONAL))
    files = {use: element.name("a file name", _FILE, 100) for use, element in uses.items()}
    synthetic = {}
    for made, element in keys["synthetic"].entries().items() if "synthetic" in keys else ():
        if made not in files.values():
            element.unknown("file", made, files.values())
        synthetic[made] = element.size()
    argument = "a kernel argument without spaces, quotes or $"
    pattern = _ARGUMENT if kind == "installer" else BOOT_WORD
    arguments = tuple(element.name(argument, pattern, 200) for element in keys.each("arguments"))
    for key in _INSTALLER:
        if (key in keys) != (kind == "installer"):
            keys.get(key, keys["kind"]).fail(f"an installer needs {key!r}, and only an installer may have it")
    for key, kinds in ONLY_OF.items():
        if key in keys and kind not in kinds:
            keys[key].fail(f"only an image of kind {' or '.join(kinds)} uses {key!r}, so it would do nothing here")
    answers = {}
    for served, element in keys["answers"].entries().items() if "answers" in keys else ():
        if not _FILE.fullmatch(served):
            element.fail("expected a file name as the key")
        answers[served] = element.name("the file name of a template", _FILE, 100)
        if not any(place.is_file() for place in answer_templates(folder, answers[served])):
            element.fail(f"there is no template {shown(answers[served])} in the image's folder, nor in images/answers")
    folders["image:" + name] = str(folder)
    images[name] = ImageDef(
        name=name,
        kind=_KINDS[kind],
        version=keys["version"].name("a version without spaces", BOOT_WORD) if "version" in keys else "",
        arch=keys["arch"].choice(("x86_64", "aarch64")) if "arch" in keys else "x86_64",
        description=keys.describe(),
        files=files,
        arguments=arguments,
        synthetic=synthetic,
        installs=keys["installs"].name("the name of a system") if "installs" in keys else "",
        method=keys["method"].choice(METHODS) if "method" in keys else "",
        answers=answers,
        mirror=keys["mirror"].name("a URL", _MIRROR, 300) if "mirror" in keys else "",
    )


def answer_templates(folder: Path, name: str) -> tuple[Path, ...]:
    """Folders in which the template of an answers file may be: the image's own folder, then `images/answers`."""
    return folder / name, Path(__file__).resolve().parents[2] / "images" / "answers" / name
