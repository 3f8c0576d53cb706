"""Racks as they stand: the machine in each unit and its state. Pure.

The plan says where places are and how high. Nodes report where they are (from their cables). A node without a known place is listed
beside the racks, because somebody has to find it. Switches stand where the plan's cables end; the plan gives them no unit.
"""

from __future__ import annotations

from msgspec import Struct

from ..core.hardware.topology import Topology
from ..core.plan.boxes import expectation, wrong_box
from ..core.world.world import World
from ..model import Kind
from ..reasons import sentence
from .advice import lost, short
from .summary import NodeRow, node_row, servers


class Slot(Struct, frozen=True, kw_only=True):
    unit: int
    """The lowest unit that it occupies."""
    height: int
    node: NodeRow | None
    """None: the plan has a place here, and no node was found in it."""
    wrong: str = ""
    """Why the machine is not the one that the plan expects here. Empty: it is, or the plan does not say."""
    expects: str = ""
    """What the plan expects in an empty slot, in words. Empty: nothing, or a node stands here."""
    here: bool = False
    """True if this machine, which runs the engine, stands here."""


class RackView(Struct, frozen=True, kw_only=True):
    name: str
    units: int
    slots: tuple[Slot, ...]
    """By unit, lowest first."""


class RackRoom(Struct, frozen=True, kw_only=True):
    racks: tuple[RackView, ...]
    elsewhere: tuple[NodeRow, ...]
    """Nodes without a known place."""
    unborn: tuple[str, ...]
    """MACs of machines that are not nodes yet."""
    cables: dict[str, int]
    """Check -> number of links."""
    switches: tuple[tuple[str, int], ...]
    """Name, and the ports on which a node was heard."""
    here: str = ""
    """Where this machine is plugged in, in words. Empty: the engine has not looked."""


def rack_room(world: World, links: Topology) -> RackRoom:
    rows = {n.id: node_row(world, n) for n in servers(world)}
    placed: dict[tuple[str, int], str] = {}
    for node in world.nodes.values():
        if node.kind is Kind.SERVER and node.place is not None:
            placed.setdefault((node.place.rack, node.place.unit), node.id)
    racks = []
    shown: set[str] = set()
    mine = links.here.place if links.here is not None else None
    for rack in world.plan.racks if world.plan is not None else ():
        slots = []
        for place in sorted(rack.places, key=lambda p: p.unit):
            found = placed.get((rack.name, place.unit))
            shown |= {found} if found else set()
            own = mine is not None and (mine.rack, mine.unit) == (rack.name, place.unit)
            box = wrong_box(world, world.nodes[found]) if found else None
            slots.append(
                Slot(
                    unit=place.unit,
                    height=place.height,
                    node=rows.get(found) if found else None,
                    wrong=sentence(box.reason) if box is not None else "",
                    expects=expectation(place.expects) if not found else "",
                    here=own,
                )
            )
        racks.append(RackView(name=rack.name, units=rack.units, slots=tuple(slots)))
    return RackRoom(
        racks=tuple(racks),
        elsewhere=tuple(r for k, r in rows.items() if k not in shown),
        unborn=tuple(s.mac for s in lost(world)),
        cables=dict(links.checks),
        switches=tuple((short(s.name), s.ports_seen) for s in links.switches),
        here=links.here.words if links.here is not None else "",
    )
