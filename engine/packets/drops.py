"""Dropped packets and ignored fields: counts by cause with the last example, and the last one of each machine.

Only in memory, without journal rows, because any stranger can cause them. Bounds: a cause is a code of `wire.faults`. Of machines that
are not nodes, MACHINES are kept, and they never push out a node.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

from ..definitions import Json
from ..wire import faults
from .names import shown

MACHINES, NODES = 128, 4096
CAUSES = 128


class Drop(Struct, kw_only=True):
    """One cause. `answered`: the packet was answered without the field."""

    protocol: str
    cause: str
    answered: bool
    fault: str
    """In words."""
    who: str
    """MAC of the last example, or its address."""
    option: int
    """Number of the DHCP option, or LLDP TLV, that was at fault. 0: none."""
    at: float
    """Wall time of the last example."""
    count: int = 0


class Drops:
    """Thread-safe. `known` says whether a MAC is a node's."""

    def __init__(self, known: Callable[[bytes], bool], wall: Callable[[], float] = time.time) -> None:
        self._known = known
        self._wall = wall
        self._lock = threading.Lock()
        self._causes: dict[tuple[str, str, bool], Drop] = {}
        self._nodes: OrderedDict[bytes, Drop] = OrderedDict()
        self._strangers: OrderedDict[bytes, Drop] = OrderedDict()

    def note(self, protocol: str, who: bytes, cause: str, option: int, answered: bool) -> str:
        """Counts one more packet of `who` (six octets of a MAC, or four of an address). Returns the fault in words."""
        fault = fault_of(protocol, cause, option, answered)
        new = Drop(protocol=protocol, cause=cause, answered=answered, fault=fault, who=shown(who), option=option, at=self._wall(), count=1)
        with self._lock:
            key = (protocol, cause, answered)
            before = self._causes.get(key)
            if before is not None or len(self._causes) < CAUSES:
                self._causes[key] = replace_count(new, before)
            machines, most = (self._nodes, NODES) if self._known(who) else (self._strangers, MACHINES)
            last = machines.pop(who, None)
            # A dropped packet is not hidden by a later one that was answered.
            machines[who] = last if answered and last is not None and not last.answered else replace_count(new, last)
            if len(machines) > most:
                machines.popitem(last=False)
        return fault

    def causes(self) -> list[dict[str, Json]]:
        """Each cause with its last example; dropped packets first, then the most frequent."""
        with self._lock:
            found = sorted(self._causes.values(), key=lambda d: (d.answered, -d.count, d.protocol, d.cause))
            return [as_json(one) for one in found]

    def machines(self) -> dict[str, Json]:
        """MAC (or address) -> the last dropped packet of the machine, and how many there were."""
        with self._lock:
            return {one.who: as_json(one) for group in (self._nodes, self._strangers) for one in group.values()}


def fault_of(protocol: str, cause: str, option: int, answered: bool) -> str:
    if not answered:
        return faults.lost(protocol, cause)
    named = f"option {option} " if option else ""
    return f"{named}{faults.odd(protocol, cause)}"


def replace_count(new: Drop, before: Drop | None) -> Drop:
    copy = Drop(**{name: getattr(new, name) for name in new.__struct_fields__})
    copy.count = before.count + 1 if before is not None and before.answered == new.answered else 1
    return copy


def as_json(drop: Drop) -> dict[str, Json]:
    return {name: getattr(drop, name) for name in drop.__struct_fields__}
