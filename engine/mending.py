"""Somebody goes to a rehearsal's machine and mends it: the faults that can be mended while the rack runs are taken away.

What is built in (cables, boards, identities) stays: that takes another rack.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .definitions import Json
from .rehearsal import RackError, connect
from .rehearsal.kinds import parse
from .rehearsal.scenario import QEMU_FAULTS

MENDED: dict[str, Json] = {
    "bmc": "", "drop_dhcp": 0.0, "drop_tftp": 0.0, "drop_http": 0.0, "drop_bmc": 0.0, "drop_ssh": 0.0, "never_calls_back": False,
    "disk_fails": False, "bios_lies": False, "raid_lies": False, "stall_s": 0.0, "work_s": 0.0,
}  # fmt: skip


def rack_beside(store: Path) -> Path:
    """Where the virtual rack of a store is, if it has one."""
    return store.with_name(store.name + ".rack")


def machine_of(machines: Sequence[dict[str, Json]], identity: Sequence[str]) -> str:
    """Name of the rack's machine that has one of these: UUID, serial, MACs; empty: none has."""
    known = {one.lower() for one in identity if one}
    return next((str(m["name"]) for m in machines if known & {str(m.get(key, "")).lower() for key in ("uuid", "serial", "mac")}), "")


def mend(store: Path, identity: Sequence[str]) -> str:
    """What was done, in words. Raises RackError."""
    rack = connect(rack_beside(store))
    machine = machine_of(rack.machines(), identity)
    if not machine:
        raise RackError("that is no machine of the virtual rack")
    kind = parse((rack.folder / "rack.yml").read_text(encoding="utf-8")).kind
    rack.fault(machine, **mended(kind))
    return f"somebody mended machine {machine}"


def mended(kind: str) -> dict[str, Json]:
    """The faults of a rack of that kind that can be mended, as they are then."""
    return {name: value for name, value in MENDED.items() if kind != "qemu" or name in QEMU_FAULTS}
