"""Where the switches see a MAC, by their own tables of addresses. Pure. Weaker than LLDP: it is used where LLDP is silent, and says so.

A switch sees a MAC on the port of its cable, and on each port towards another switch that the machine spoke to. The port with the fewest
addresses is taken. Two ports that are as likely say nothing.
"""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from ...model import NodeRole
from ..world.view import View
from .inventory import lenient
from .port_table import FDB_ROLE, SeenAddress


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
        for one in rows:
            place = TablePort(switch=device.name.split(".")[0], port=one.port, age_s=one.age_s, at=role.ended, others=behind[one.port] - 1)
            found.setdefault(one.mac.lower(), []).append(place)
    out = {}
    for mac, places in found.items():
        places.sort(key=lambda one: one.others)
        if len(places) == 1 or places[0].others < places[1].others:
            out[mac] = places[0]
    return out
