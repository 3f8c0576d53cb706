"""The readers of RAID tools on outputs of real machines: each file is parsed as its golden record says, or refused with a reason.

`recorded/raid.json` holds facts without serial numbers, and a digest of the whole record. After a wanted change, run
`CROWBAR_GOLDEN=write pytest tests/readers/test_readers_raid_recorded.py` and read the difference.
"""

from __future__ import annotations

import json
import os
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.parts import Parts
from engine.readers.raid_formats import RAID_FORMATS
from engine.readers.report import Refused

REPO = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "recorded" / "raid.json"
WHERE = {
    "storcli": ("Naudit-pystorcli2/*", "canonical-*/storcli-*", "canonical-*/perccli-*", "netdata-*/storcli-*"),
    "megacli": ("glensc-*/t-data-megacli-*", "netdata-*/megacli-*", "redhat-cip-*/megacli_*"),
    "ssacli": ("glensc-*/t-data-hpacucli-*", "canonical-*/ssacli-*", "netdata-*/hpssa-*", "redhat-cip-*/ctrl_ld_show"),
    "cciss": ("glensc-*/t-data-cciss-*",),
    "arcconf": ("glensc-*/t-data-arcconf-*", "netdata-*/adaptecraid-*"),
    "sasircu": ("glensc-*/t-data-sas2ircu-*", "canonical-*/sas[23]ircu-*"),
    "mdadm": ("glensc-*/t-data-md*", "openstack-ironic-python-agent/MDADM_*"),
    "areca": ("redhat-cip-*/areca_*",),
}
OTHERS = ("lsscsi", "smartctl")
"""Files among them that are of other tools."""


def folder() -> Path:
    there = Path(os.environ.get("CROWBAR_RECORDED", REPO.parent / "shared" / "recorded"))
    if not there.is_dir():
        there = REPO.parent.parent / "shared" / "recorded"  # of a second work tree
    if not there.is_dir():
        pytest.skip(f"no recorded hardware at {there}")
    return there


def files() -> list[tuple[str, Path]]:
    root = folder()
    found = [(name, path) for name, globs in WHERE.items() for glob in globs for path in sorted(root.glob(glob))]
    return [
        (name, path)
        for name, path in found
        if not any(other in path.name.rpartition("-data-")[2].partition("cciss-")[2] for other in OTHERS)
    ]


def text_of(path: Path) -> str:
    return path.read_bytes().decode(errors="replace")


def facts(record: Parts) -> dict[str, Any]:
    """What a person can check against the source, without serial numbers; and a digest of everything."""
    out: dict[str, Any] = {
        "controllers": [f"{one.place} {one.model} {one.firmware} {one.mode} {one.battery} {one.health}" for one in record.controllers],
        "drives": len(record.drives),
        "sizes": sorted({one.size for one in record.drives}),
        "states": {state: sum(one.state == state for one in record.drives) for state in sorted({one.state for one in record.drives})},
        "kinds": sorted({f"{one.protocol} {one.medium}".strip() for one in record.drives}),
        "bad": [f"{one.place} {one.health} {one.note}" for one in record.drives if one.health not in ("", "ok")],
        "volumes": [f"{v.place} {v.level} {v.size} {v.state} {len(v.members)}+{len(v.spares)}" for v in record.volumes],
        "odd": list(record.odd),
        "digest": blake2b(msgspec.json.encode(record), digest_size=8).hexdigest(),
    }
    return {key: value for key, value in out.items() if value}


def read(name: str, path: Path) -> dict[str, Any]:
    try:
        return facts(RAID_FORMATS[name][1](text_of(path)))
    except Refused as refused:
        return {"refused": str(refused)}


def test_each_recorded_output_is_read_as_its_golden_record_says() -> None:
    root = folder()
    got = {str(path.relative_to(root)): read(name, path) for name, path in files()}
    if os.environ.get("CROWBAR_GOLDEN") == "write":
        lines = [f"{json.dumps(name)}: {json.dumps(value, sort_keys=True)}" for name, value in sorted(got.items())]
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    golden = json.loads(GOLDEN.read_text())
    assert golden.keys() <= got.keys(), "a recorded file is gone"
    wrong = [name for name in golden if got[name] != golden[name]]
    assert all(len(one["refused"]) >= 10 for one in got.values() if "refused" in one), "a refusal has a reason"
    assert not wrong, "\n".join(f"{name}\n  was {golden[name]}\n  is  {got[name]}" for name in wrong[:5])


def test_a_recorded_output_looks_like_one_format_only() -> None:
    for name, path in files():
        text = text_of(path)
        found = [other for other, row in RAID_FORMATS.items() if row[2](text)]
        assert found in ([name], []), f"{path.name} looks like {found}"
        if not found:
            with pytest.raises(Refused):
                RAID_FORMATS[name][1](text)


def test_line_ends_of_windows_change_nothing() -> None:
    for name, path in files():
        text = text_of(path)
        if "\r" in text:
            continue
        try:
            record = RAID_FORMATS[name][1](text)
        except Refused:
            continue
        assert RAID_FORMATS[name][1](text.replace("\n", "\r\n")) == record, path.name
