"""Key facts of the recorded reports, as the goldens in `recorded/` keep them: counts, sizes, speeds and health, no serial numbers.

`python tests/readers/recorded_facts.py` writes the goldens anew. Compare them with the reports before you commit them. Some of the reports
are of linuxhw (CC-BY-4.0).
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from engine.parts import Dimm, Drive, Parts
from engine.readers.formats import read_octets
from engine.readers.report import Refused

HERE = Path(__file__).parent
RECORDED = Path(os.environ.get("CROWBAR_RECORDED", HERE.parents[2] / "shared" / "recorded"))
GOLDENS = HERE / "recorded"
TOOLS = "cpu disk dmidecode inventory ipmitool lldp lsblk lshw net nvme smartctl other".split()
"""The first words of what INDEX.md says of a file. Reports of RAID tools, of Redfish and of BIOS settings have their own tests."""


def files() -> Iterator[tuple[str, str]]:
    """(tool, path below RECORDED), as INDEX.md lists them."""
    for line in (RECORDED / "INDEX.md").read_text(encoding="utf-8").splitlines():
        path, _, rest = line.partition(" | ")
        tool = rest.partition(":")[0]
        if tool in TOOLS and "/" in path:
            yield tool, path


def of_file(path: str) -> dict[str, Any]:
    """The facts of one report, or why it is refused."""
    try:
        name, parts = read_octets((RECORDED / path).read_bytes())
    except Refused as refused:
        return {"refused": str(refused)}
    return {"format": name, **facts(parts)}


def facts(parts: Parts) -> dict[str, Any]:
    """What a person can compare with the report. `digest` is of the whole record, so that nothing changes unseen."""
    whole = json.dumps(msgspec.to_builtins(parts), sort_keys=True)
    found = {
        "system": " ".join(filter(None, (parts.system.vendor, parts.system.model))) if parts.system else "",
        "firmware": [f"{one.part} {one.version} {one.date}".strip() for one in parts.firmware],
        "memory": parts.memory,
        "slots": parts.slots,
        "processors": counted(f"{one.model} {one.cores}/{one.threads} {one.mhz}" if one.present else "empty" for one in parts.processors),
        "dimms": counted(_dimm(one) for one in parts.dimms),
        "drives": counted(_drive(one) for one in parts.drives),
        "volumes": [f"{one.device} {one.level} {one.size} {'+'.join(one.members)}" for one in parts.volumes],
        "controllers": counted(f"{one.vendor} {one.model} {one.mode}".strip() for one in parts.controllers),
        "ports": [
            f"{one.name} {one.kind} {one.pci} {one.driver} {one.speed}/{one.fastest} {one.optic or ''}".strip() for one in parts.ports
        ],
        "cards": len(parts.cards),
        "gpus": sum(one.kind == "GPU" for one in parts.cards),
        "supplies": counted(f"{one.watts} W {one.health}".strip() if one.present else "empty" for one in parts.supplies),
        "bmcs": [f"{one.address} {one.source} {one.vlan} {len(one.address6)}" for one in parts.bmcs],
        "tpm": parts.tpm_version,
        "readings": counted(f"{one.unit} {one.health}".strip() for one in parts.readings),
        "log": [f"{one.id} {one.at} {one.health} {one.text}" for one in parts.log],
        "heard": [f"{one.nic} {one.protocol} {one.system} {one.port} {one.vlan} {one.ttl}" for one in parts.heard],
        "odd": list(parts.odd),
    }
    return {**{key: value for key, value in found.items() if value}, "digest": hashlib.sha256(whole.encode()).hexdigest()[:12]}


def counted(words: Any) -> dict[str, int]:
    return dict(Counter(words))


def _dimm(one: Dimm) -> str:
    if not one.present:
        return "empty"
    ecc = {True: " ecc", False: " no ecc", None: ""}[one.ecc]
    return f"{one.size >> 20} MiB {one.type} {one.speed}/{one.rated} {one.ranks}{ecc}"


def _drive(one: Drive) -> str:
    told = {
        "model": one.model,
        "size": one.size,
        "is": " ".join(filter(None, (one.medium, one.protocol, str(one.rpm or "")))),
        "health": one.health,
        "hours": one.hours,
        "temp": one.temperature,
        "wear": one.wear,
        "reallocated": one.reallocated,
        "pending": one.pending,
        "errors": one.media_errors,
        "link": one.link,
        "wwn": bool(one.wwn),
    }
    counts = ("hours", "temp", "wear", "reallocated", "pending", "errors")
    return ", ".join(f"{key} {value}" for key, value in told.items() if value or (key in counts and value is not None))


def write() -> None:
    GOLDENS.mkdir(exist_ok=True)
    by_tool: dict[str, dict[str, Any]] = {tool: {} for tool in TOOLS}
    for tool, path in files():
        by_tool[tool][path] = of_file(path)
    for tool, found in by_tool.items():
        lines = ",\n".join(f"{json.dumps(path)}: {json.dumps(one)}" for path, one in sorted(found.items()))
        (GOLDENS / f"{tool}.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    if not (RECORDED / "INDEX.md").exists():
        sys.exit(f"no recorded reports at {RECORDED}: set CROWBAR_RECORDED")
    write()
