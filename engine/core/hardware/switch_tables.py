"""Where the switches see a MAC, by their own tables of addresses. Pure. Weaker than LLDP: it is used where LLDP is silent, and says so.

A switch sees a MAC on the port of its cable, and on each port towards another switch that the machine spoke to.

* A port behind which two nodes are is a way to other switches: it says nothing, even if no other port is known.
* Where a machine was moved, the table of its old switch may still have it. An entry whose last frame is STALE_S older than the newest one's
  does not count. Anyone can send a frame with another's MAC, but the machine's own frames keep its own entry fresh.
* The port with the fewest addresses is taken. Two ports that are as likely say nothing.
"""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from ...model import NodeRole
from ..world.view import View
from .inventory import lenient
from .port_table import FDB_ROLE, SeenAddress

STALE_S = 900.0
"""Three times the usual ageing time of a filtering database (IEEE 802.1Q table 8-11)."""


class TablePort(Struct, frozen=True, kw_only=True):
    """The port on which a switch sees a MAC."""

    switch: str
    """The first label of the device's name."""
    port: str
    age_s: int
    """Seconds since its last frame, when the table was read. -1: not reported."""
    at: float
    """Wall time at which the table was read."""
    others: int
    """How many other MACs are behind the port."""

    @property
    def seen_at(self) -> float:
        """Wall time of its last frame, at the latest."""
        return self.at - max(self.age_s, 0)

    @property
    def why(self) -> str:
        age = f", last frame {self.age_s} s before" if self.age_s >= 0 else ""
        return f"by the switch's table of addresses{age}; nothing is heard by LLDP"


def ports_of_macs(view: View) -> dict[str, TablePort]:
    """MAC -> its port, of every MAC that a switch's table shows in one likely place."""
    roles = [view.node_roles[key] for key in view.bound.get(FDB_ROLE) or ()]
    told_now = [role.gave.get(FDB_ROLE) for role in roles]
    before = view.memo.get("tables")
    if before is None or len(before[0]) != len(told_now) or any(a is not b for a, b in zip(before[0], told_now, strict=True)):
        before = view.memo["tables"] = (told_now, _read(view, roles))
    return before[1]


def _read(view: View, roles: list[NodeRole]) -> dict[str, TablePort]:
    found: dict[str, list[TablePort]] = {}
    for role in roles:
        device, told = view.nodes.get(role.node), role.gave.get(FDB_ROLE)
        if device is None or not isinstance(told, list):
            continue
        rows = [one for item in told if (one := lenient(item, SeenAddress)) is not None and one.mac and one.port]
        behind = Counter(one.port for one in rows)
        shared = _shared(view, rows)
        for one in rows:
            if one.port in shared:
                continue
            place = TablePort(switch=device.name.split(".")[0], port=one.port, age_s=one.age_s, at=role.ended, others=behind[one.port] - 1)
            found.setdefault(one.mac.lower(), []).append(place)
    return {mac: best for mac, places in found.items() if (best := _likely(places)) is not None}


def _shared(view: View, rows: list[SeenAddress]) -> set[str]:
    """The ports behind which two nodes are."""
    nodes: dict[str, set[str]] = {}
    for one in rows:
        owner = view.macs.get(one.mac.lower())
        if owner is not None:
            nodes.setdefault(one.port, set()).add(owner)
    return {port for port, owners in nodes.items() if len(owners) > 1}


def _likely(places: list[TablePort]) -> TablePort | None:
    newest = max(one.seen_at for one in places)
    fresh = sorted((one for one in places if newest - one.seen_at <= STALE_S), key=lambda one: one.others)
    return fresh[0] if len(fresh) == 1 or fresh[0].others < fresh[1].others else None
