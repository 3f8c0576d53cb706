"""Every key of barclamp.yml and image.yml does something, or is refused: the tables of keys are walked, so a new key needs its row here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.definitions import JIGS, RoleDef
from engine.files import catalog
from engine.files.barclamp_file import NEED_A_SCRIPT, ROLE_KEYS
from engine.files.catalog import shipped_stages
from engine.files.image_file import FILES, ONLY_OF
from engine.files.mistakes import CatalogError

HEAD = (
    "barclamp: {name: a, version: 1}\nattributes: [{name: q, schema: {}}, {name: raid-wanted, schema: {}}, {name: p, schema: {}}]\nroles:\n"
)
OTHER = (
    "  - {name: y, stage: system, jig: noop, provides: [clock]}\n"
    "  - {name: z, stage: hardware, jig: agent, flags: [implicit], wants: [raid-wanted]}\n"
)
CHANGES: dict[str, tuple[str, Any]] = {
    "name": ("x", lambda r: r.name == "x"),
    "stage": ("STAGE", lambda r: r.stage in ("hardware", "system")),
    "jig": ("JIG", lambda r: r.jig in JIGS),
    "description": ("Says it.", lambda r: r.description == "Says it."),
    "requires": ("[y]", lambda r: r.requires[0].role == "y"),
    "precedes": ("[y]", lambda r: r.precedes == ("y",)),
    "provides": ("[thing]", lambda r: r.provides == ("thing",)),
    "conflicts": ("[y]", lambda r: r.conflicts == ("y",)),
    "hardware": ("{raid: jbod}", lambda r: r.hardware == {"raid-wanted": {"level": "jbod"}}),
    "wants": ("[p]", lambda r: r.reads == ("p",)),
    "gives": ("[q]", lambda r: r.gives == ("q",)),
    "collects": ("[{attribute: p, into: a/b}]", lambda r: r.collects[0].key == "p"),
    "checks": ("[{kind: tcp, port: 80}]", lambda r: (r.checks[0].name, r.checks[0].port) == ("tcp", 80)),
    "holds": ("[admin]", lambda r: r.holds == ("admin",)),
    "flags": ("[implicit]", lambda r: r.flags == {"implicit"}),
    "verify": ("true", lambda r: r.verify),
    "watch": ("20s, verify: true", lambda r: r.watch_s == 20.0),
    "reverify": ("true, verify: true", lambda r: r.reverify),
    "retry": ("{attempts: 3, delay: 7s}", lambda r: (r.attempts, r.delay_s) == (3, 7.0)),
    "timeout": ("1m", lambda r: r.timeout_s == 60.0),
    "takes": ("1m", lambda r: r.seconds == 60.0),
    "tools": ("[disks]", lambda r: r.tools == ("disks",)),
    "packages": ("{debian: [chrony]}", lambda r: r.packages == {"debian": ("chrony",)}),
    "validate": ("true", lambda r: r.validates),
    "batch": ("3", lambda r: r.batch == 3),
    "device": ("san", lambda r: r.device == "san"),
    "source": ("s", lambda r: (r.source, "from-source" in r.tools) == ("s", True)),
}
"""Key -> a value, and what the role then is."""


def read(folder: Path, text: str, *scripts: str) -> RoleDef:
    place = folder / "a"
    for script in ("z/run", *scripts):
        file = place / "roles" / script
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("bios\n" if file.name == "bmc" else "#!/bin/sh\n")
    place.mkdir(exist_ok=True)
    (place / "barclamp.yml").write_text(text)
    return catalog.read([folder], [], shipped_stages()).roles["x"]


def test_the_table_is_whole() -> None:
    assert CHANGES.keys() == set(ROLE_KEYS)


@pytest.mark.parametrize("jig", JIGS)
@pytest.mark.parametrize("key", [one for one in ROLE_KEYS if one not in ("name", "stage", "jig")])
def test_a_key_changes_the_role_or_is_refused(tmp_path: Path, key: str, jig: str) -> None:
    value, holds = CHANGES[key]
    memory = JIGS[jig].serves == "memory"
    stage = "hardware" if memory else "system"
    if key in ("requires", "precedes") and memory:
        value = value.replace("y", "z")
    role = f"  - {{name: x, stage: {stage}, jig: {jig}, {key}: {value}}}\n"
    role += "sources: [{name: s}]\n" if key == "source" else ""
    kind = JIGS[jig]
    looks = "verify" in key or key == "watch"
    scripts = [] if jig == "noop" else [f"x/{kind.files[0]}"]
    scripts += [f"x/{kind.checks}"] if scripts and kind.checks and looks else []
    scripts += [f"x/{kind.reports}"] if scripts and kind.reports and key == "gives" else []
    if key == "source":  # the shipped `about-page` has it with the barclamp that it needs
        why = "unknown barclamp 'source'" if jig == "script" else "needs the jig script, which brings the tool from-source to the node"
        with pytest.raises(CatalogError, match=why):
            read(tmp_path, HEAD + OTHER + role, *scripts)
        return
    if jig == "noop" and (key in NEED_A_SCRIPT or key == "reverify"):
        with pytest.raises(CatalogError, match=rf"jig noop runs no script, so (verify|{key}) would do nothing"):
            read(tmp_path, HEAD + OTHER + role, *scripts)
        return
    if key == "device" and jig != "device":
        with pytest.raises(CatalogError, match=f"jig {jig} acts on no device"):
            read(tmp_path, HEAD + OTHER + role, *scripts)
        return
    if key == "watch" and memory:
        with pytest.raises(CatalogError, match="that runs in sledgehammer, is not watched"):
            read(tmp_path, HEAD + OTHER + role, *scripts)
        return
    if key == "batch" and not kind.batches:
        with pytest.raises(CatalogError, match=rf"jig {jig} runs once for each node, so batch would do nothing"):
            read(tmp_path, HEAD + OTHER + role, *scripts)
        return
    if key == "packages" and memory:
        with pytest.raises(CatalogError, match="which installs nothing: name the package in the image's recipe"):
            read(tmp_path, HEAD + OTHER + role, *scripts)
        return
    if key == "packages" and kind.batches:
        with pytest.raises(CatalogError, match="require a role of the jig script that has these packages"):
            read(tmp_path, HEAD + OTHER + role, *scripts)
        return
    if key in ("requires", "precedes") and memory:
        assert getattr(read(tmp_path, HEAD + OTHER + role, *scripts), key)
        return
    found = read(tmp_path, HEAD + OTHER + role, *scripts)
    assert holds(found)
    plain = read(tmp_path, HEAD + OTHER + f"  - {{name: x, stage: {stage}, jig: {jig}}}\n", *scripts[:1]) if not looks else None
    assert plain != found


IMAGE = {
    "discovery": "files: {kernel: k, initrd: i}",
    "system": "files: {root: r}",
    "installer": "files: {kernel: k, initrd: i}\ninstalls: debian-12\nmethod: preseed\nanswers: {preseed.cfg: p}",
    "loader": "files: {bios: b, efi: e}",
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize(("key", "value"), [("arguments", "[quiet]"), ("mirror", "http://a.example/x")])
def test_a_key_of_an_image_is_used_by_its_kind_or_refused(tmp_path: Path, kind: str, key: str, value: str) -> None:
    place = tmp_path / "images" / "i"
    place.mkdir(parents=True)
    (place / "p").write_text("")
    (place / "image.yml").write_text(f"name: i\nkind: {kind}\n{IMAGE[kind]}\n{key}: {value}\n")
    if kind in ONLY_OF[key]:
        assert getattr(catalog.read([], [tmp_path / "images"], shipped_stages()).images["i"], key)
    else:
        with pytest.raises(CatalogError, match=f"uses '{key}', so it would do nothing here"):
            catalog.read([], [tmp_path / "images"], shipped_stages())
