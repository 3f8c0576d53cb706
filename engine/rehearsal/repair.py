"""Repairs a machine of a rehearsal by hand: what `engine.racks.repair` can remove while the rack runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from ..definitions import Json
from ..racks import RackError, RehearsalRack, connect
from ..racks.repair import SERVER


class Faulty(Struct, frozen=True, kw_only=True):
    """A machine with something to repair, or the second DHCP server."""

    name: str
    identity: frozenset[str] = frozenset()
    """Its UUID, its serial and its first MAC, in lower case."""
    what: tuple[str, ...] = ()
    """Names of its faults, or what was done to it, in words."""


def rack_beside(store: Path) -> Path:
    """The folder of a store's virtual rack, if it has one."""
    return store.with_name(store.name + ".rack")


def rack_runs(store: Path) -> bool:
    """True if the virtual rack beside the store has a process."""
    return RehearsalRack(rack_beside(store)).pid > 0


def machine_of(machines: Sequence[dict[str, Json]], identity: Iterable[str]) -> str:
    """Name of the rack's machine with this UUID, serial or one of these MACs. Empty: none."""
    known = {one.lower() for one in identity if one}
    return next((str(m["name"]) for m in machines if known & _identity(m)), "")


def faulty(store: Path) -> tuple[Faulty, ...]:
    """What a person can repair now. Raises RackError."""
    return tuple(_read(one, "faults") for one in connect(rack_beside(store)).faulty())


def repair(store: Path, identity: Iterable[str]) -> tuple[Faulty, ...]:
    """Repairs that machine. Returns what was done, for each machine that it was done to. Raises RackError if there is nothing to repair."""
    rack = connect(rack_beside(store))
    machine = machine_of(rack.faulty(), identity)
    if not machine:
        raise RackError("it has no fault that can be repaired by hand")
    return tuple(_read(one, "done") for one in rack.repair(machine))


def unplug_server(store: Path) -> tuple[Faulty, ...]:
    """Unplugs the second DHCP server. Raises RackError."""
    return tuple(_read(one, "done") for one in connect(rack_beside(store)).repair(SERVER))


def _identity(machine: dict[str, Json]) -> frozenset[str]:
    return frozenset(str(machine.get(key, "")).lower() for key in ("uuid", "serial", "mac")) - {""}


def _read(machine: dict[str, Json], key: str) -> Faulty:
    return Faulty(name=str(machine["name"]), identity=_identity(machine), what=tuple(str(word) for word in machine[key]))
