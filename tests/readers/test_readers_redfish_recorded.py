"""Every recorded Redfish resource and BIOS output: recognised by one reader, read as before, and with nothing in the record that the
recording does not say. What sushy reads of the same resources is the same.

After a change that is meant: `CROWBAR_GOLDEN=write pytest tests/readers/test_readers_redfish_recorded.py`, and read the difference of the
two golden files.
"""

from __future__ import annotations

import hashlib
import html
import json
import os
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redfish_recordings import ALL, TREES, Recording, absent, known

from engine.parts import Parts
from engine.readers import redfish_tree
from engine.readers.redfish_formats import ROWS
from engine.readers.redfish_json import kind_of
from engine.readers.report import Refused

FOLDER = Path(__file__).parent
DIGESTS, RECORDS = FOLDER / "redfish_digests.txt", FOLDER / "redfish_trees.json"
WRITE = os.environ.get("CROWBAR_GOLDEN") == "write"
GIB = 1 << 30
OUR_WORDS = {"Dell", "HPE", "HP", "Supermicro"}
"""Makers that a tool is for, where its output does not name them."""


def read(one: Recording) -> Parts | Refused:
    name = next(name for name, row in ROWS.items() if row[2](one.text))
    try:
        return ROWS[name][1](one.text)
    except Refused as refusal:
        return refusal


@absent
def test_each_is_recognised_by_one_reader() -> None:
    bad = [(one.name, names) for one in ALL if len(names := [name for name, row in ROWS.items() if row[2](one.text)]) != 1]
    assert not bad


def digest(found: Parts | Refused) -> str:
    said = f"refused {found}".encode() if isinstance(found, Refused) else msgspec.json.encode(found, order="deterministic")
    return hashlib.sha256(said).hexdigest()[:8]


@known
def test_each_is_read_as_before() -> None:
    """A line for each folder: what its recordings give, four octets each, in the order of their names."""
    lines: dict[str, list[str]] = {}
    refused = 0
    for one in sorted(ALL):
        found = read(one)
        refused += isinstance(found, Refused)
        lines.setdefault(one.name.partition("/")[0], []).append(digest(found))
    assert refused <= 15, "more is refused than the answers that tell of errors and orders"
    now = "".join(f"{folder} {len(found)} {''.join(found)}\n" for folder, found in sorted(lines.items()))
    if WRITE:
        DIGESTS.write_text(now)
    before = dict(line.rsplit(" ", 1) for line in DIGESTS.read_text().splitlines())
    changed = []
    for folder, found in lines.items():
        known = before[f"{folder} {len(found)}"]
        names = sorted(one.name for one in ALL if one.name.startswith(f"{folder}/"))
        changed += [name for at, name in enumerate(names) if known[at * 8 : at * 8 + 8] != found[at]]
    assert not changed


def plain(said: str) -> str:
    return re.sub(r"[^0-9a-z]", "", said.lower())


def texts(found: Any) -> list[str]:
    """The texts of a record that a report must say itself."""
    out: list[str] = []
    for part in (found.system, found.board, found.chassis, found.tpm, *found.processors, *found.dimms, *found.drives, *found.controllers):
        if part is not None:
            out += [part.vendor, part.model, part.number, part.serial]
    for part in (*found.volumes, *found.ports, *found.cards, *found.supplies):
        out += [part.vendor, part.model, part.number, part.serial]
    out += [one.wwn for one in (*found.drives, *found.volumes)] + [one.mac for one in (*found.ports, *found.bmcs)]
    out += [one.version for one in found.firmware] + [one.address for one in found.bmcs] + [one.name for one in found.readings]
    out += [one.text for one in found.log] + [one.chassis for one in found.heard] + [one.port for one in found.heard]
    return [one for one in out if one and one not in OUR_WORDS]


@absent
def test_no_record_says_what_its_recording_does_not() -> None:
    bad = []
    for one in ALL:
        found = read(one)
        if isinstance(found, Refused):
            continue
        source = plain(json.dumps(json.loads(one.text), ensure_ascii=False) if one.text.lstrip()[:1] == "{" else html.unescape(one.text))
        bad += [(one.name, said) for said in texts(found) if plain(said) not in source and not re.fullmatch(r"(power|sensor) \d+", said)]
        bad += [(one.name, setting.name) for setting in found.settings if plain(re.split("[|.]", setting.name)[-1]) not in source]
        bad += [(one.name, setting.name) for setting in found.settings if setting.type == "password" and setting.value is not None]
    assert not bad


def bodies(kind: str) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for one in ALL:
        try:
            body = json.loads(one.text)
        except ValueError:
            continue
        if isinstance(body, dict) and kind_of(body) == kind and "error" not in body:
            found.append((one.name, body))
    return found


def record(body: dict[str, Any]) -> Parts:
    return ROWS["redfish"][1](json.dumps(body))


@absent
def test_memory_is_what_the_modules_say() -> None:
    seen = bodies("Memory")
    for name, body in seen:
        (dimm,) = record(body).dimms
        capacity = body.get("CapacityMiB") or body.get("NonVolatileSizeMiB") or 0
        assert dimm.size in ((capacity << 20) * dimm.present, round(capacity * 1.048576) << 20), name
        assert dimm.size % (GIB // 2) == 0, name
        assert dimm.present == (body["Status"]["State"] != "Absent"), name
        assert dimm.serial == (str(body.get("SerialNumber") or "").strip() if dimm.present else ""), name
    assert len(seen) > 100


@absent
def test_drives_are_what_they_say() -> None:
    for kind in ("Drive", "HpSmartStorageDiskDrive", "HpeSmartStorageDiskDrive"):
        for name, body in bodies(kind):
            (drive,) = record(body).drives
            whole = body.get("CapacityBytes") or body.get("CapacityLogicalBlocks", 0) * (body.get("BlockSizeBytes") or 0)
            assert drive.size == whole, name
            assert drive.health == {"OK": "ok", "Critical": "failed"}[body["Status"]["Health"]] or body.get("FailurePredicted"), name
            assert drive.medium == str(body.get("MediaType") or "").lower(), name


class Connector:
    """A service with one resource, as sushy asks for it."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.content = json.dumps(body)
        self.headers: dict[str, str] = {}
        self.status_code = 200

    def get(self, **_: Any) -> Connector:
        return self

    def json(self) -> Any:
        return json.loads(self.content)


@absent
@pytest.mark.parametrize("kind", ["ComputerSystem", "Drive", "Processor", "Volume"])
def test_as_sushy_reads_it(kind: str) -> None:
    """OpenStack's library reads the same sizes, counts and names."""
    pytest.importorskip("sushy", reason="sushy is not installed (pip install sushy)")
    from sushy import exceptions
    from sushy.resources.system import processor, system
    from sushy.resources.system.storage import drive, volume

    classes = {"ComputerSystem": system.System, "Drive": drive.Drive, "Processor": processor.Processor, "Volume": volume.Volume}
    compared = 0
    for name, body in bodies(kind):
        try:
            theirs = classes[kind](Connector(body), str(body.get("@odata.id")))
        except (exceptions.SushyError, KeyError, AttributeError, ValueError):
            continue
        ours = record(body)
        compared += same(kind, name, theirs, ours)
    assert compared > 5


def same(kind: str, name: str, theirs: Any, ours: Parts) -> int:
    if kind == "ComputerSystem":
        assert ours.system is not None
        assert ours.system.model == str(theirs.json.get("Model") or "").strip(), name
        assert ours.power == (
            theirs.power_state.value.lower() if theirs.power_state and theirs.power_state.value in ("On", "Off") else ""
        ), name
        if theirs.memory_summary and theirs.memory_summary.size_gib:
            size = theirs.memory_summary.size_gib
            assert ours.memory == (size * GIB if size % 8 == 0 else 0), name
    elif kind == "Drive":
        (drive,) = ours.drives
        assert (drive.size, drive.model) == (theirs.capacity_bytes or 0, (theirs.model or "").strip()), name
    elif kind == "Processor" and ours.processors:
        (one,) = ours.processors
        assert (one.cores, one.threads) == (theirs.total_cores or 0, theirs.total_threads or 0), name
    elif kind == "Volume" and ours.volumes:
        (one_volume,) = ours.volumes
        assert one_volume.size == theirs.capacity_bytes, name
        if theirs.raid_type is not None:
            assert one_volume.level == theirs.raid_type.value.lower(), name
    return 1


# -- whole machines --


def summary(found: Parts) -> dict[str, Any]:
    """What one can compare with the machine's data sheet; no serial numbers."""
    here = [one for one in found.dimms if one.present]
    return {
        "system": f"{found.system.vendor} {found.system.model}" if found.system else "",
        "chassis": f"{found.chassis.kind} {found.chassis.model}" if found.chassis else "",
        "power": found.power,
        "boot": f"{found.boot_mode} secure={found.secure_boot} tpm={found.tpm_version}",
        "memory": f"{found.memory / GIB:g} GiB in {len(here)} of {len(found.dimms)} slots, {found.slots} told",
        "dimms": sorted(
            {f"{one.vendor} {one.number} {one.size // GIB} GiB {one.type}-{one.speed}/{one.rated} ecc={one.ecc}" for one in here}
        ),
        "processors": sorted(f"{one.place}: {one.model} {one.cores}/{one.threads} {one.mhz}" for one in found.processors),
        "controllers": sorted(f"{one.place}: {one.model} {one.firmware} {one.mode} {one.cache >> 20} MiB" for one in found.controllers),
        "drives": sorted(
            f"{one.place}: {one.model} {one.size} {one.protocol} {one.medium} of {one.controller!r} in {one.volume!r} {one.health} {one.wear}"
            for one in found.drives
        ),
        "volumes": sorted(f"{one.place}: {one.level} {one.size} {one.state} of {', '.join(one.members)}" for one in found.volumes),
        "ports": sorted(f"{one.place}: {one.kind} {one.speed}/{one.fastest} link={one.link} {one.firmware}" for one in found.ports),
        "cards": sorted(f"{one.place}: {one.kind} {one.vendor} {one.model} {one.id}" for one in found.cards),
        "supplies": sorted(f"{one.place}: {one.model} {one.watts} W {one.health}" for one in found.supplies),
        "firmware": sorted(f"{one.part} {one.place}: {one.version}" for one in found.firmware),
        "bmcs": sorted(f"{one.place}: {one.source} vlan={one.vlan} address={bool(one.address)}" for one in found.bmcs),
        "counts": {name: len(getattr(found, name)) for name in ("readings", "log", "heard", "settings", "odd")},
    }


@known
def test_whole_machines() -> None:
    """The golden file was compared with the recordings by eye. Its ends are what a person would look at first."""
    now = {name: summary(redfish_tree.read_tree(tree)) for name, tree in sorted(TREES.items())}
    if WRITE:
        RECORDS.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert now == json.loads(RECORDS.read_text(encoding="utf-8"))
    assert len(now) == 11
