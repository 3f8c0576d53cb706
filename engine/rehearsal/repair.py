"""Repairs a machine of a rehearsal: removes the faults that can be repaired while the rack runs.

Built-in faults (cables, boards, identities) stay: they need another rack.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..definitions import Json
from ..racks import RackError, connect
from ..racks.kinds import parse
from ..racks.scenario import QEMU_FAULTS

MENDED: dict[str, Json] = {
    "bmc": "",
    "drop_dhcp": 0.0,
    "drop_tftp": 0.0,
    "drop_http": 0.0,
    "drop_bmc": 0.0,
    "drop_ssh": 0.0,
    "never_calls_back": False,
    "disk_fails": False,
    "bios_lies": False,
    "raid_lies": False,
    "stall_s": 0.0,
    "work_s": 0.0,
}


def rack_beside(store: Path) -> Path:
    """The folder of a store's virtual rack, if it has one."""
    return store.with_name(store.name + ".rack")


def machine_of(machines: Sequence[dict[str, Json]], identity: Sequence[str]) -> str:
    """Name of the rack's machine with this UUID, serial or one of these MACs. Empty: none."""
    known = {one.lower() for one in identity if one}
    return next((str(m["name"]) for m in machines if known & {str(m.get(key, "")).lower() for key in ("uuid", "serial", "mac")}), "")


def mend(store: Path, identity: Sequence[str]) -> str:
    """Repairs it. Returns what was done, in words. Raises RackError."""
    rack = connect(rack_beside(store))
    machine = machine_of(rack.machines(), identity)
    if not machine:
        raise RackError("that is not a machine of the virtual rack")
    kind = parse((rack.folder / "rack.yml").read_text(encoding="utf-8")).kind
    rack.fault(machine, **mended(kind))
    return f"machine {machine} is repaired"


def mended(kind: str) -> dict[str, Json]:
    """The repairable faults of a rack of that kind, with their values after the repair."""
    return {name: value for name, value in MENDED.items() if kind != "qemu" or name in QEMU_FAULTS}
