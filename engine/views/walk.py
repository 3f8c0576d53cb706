"""The walk list: each cable and each machine that a person has to move, in the order in which a person walks past it. Pure.

The order is that of racks and units, bottom first, and within a machine that of its ports; machines without a known place come last. A
step says what the engine heard and what the plan wants. A cable is moved at the switch: its other end is the port of which LLDP was heard,
so the machine itself is right. What a BMC's cable does is listed only where a relay told its port, because a BMC sends no LLDP.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ..core.hardware.port_names import natural
from ..core.hardware.topology import Link, Topology
from ..core.plan.boxes import WrongBox, wrong_boxes
from ..core.world.world import World
from ..model import Kind, Place
from .advice import short

Task = Literal["move", "plug in", "trace", "unplug", "find", "check module", "move box"]
"""What the hands do: `trace` a cable of which nothing was heard, `find` a machine whose place nobody knows, `check module` of an optical
port that reports a fault, `move box` a machine that stands where the plan expects another."""


class CableStep(Struct, frozen=True, kw_only=True):
    """One cable of one machine."""

    rack: str
    """Empty: the machine's place is not known."""
    unit: int
    """The lowest unit of the machine. 0: not known."""
    node: str
    nic: str
    """The port as the machine's kernel names it. Empty: it has none for this cable."""
    link: str
    """The port's name in the plan (`1g0`, `bmc`). Empty: the plan has no cable for it."""
    task: Task
    now: str
    """`switch:port` where the cable ends. Empty: nothing was heard. Of a machine: its place, `r1 unit 10`."""
    target: str
    """`switch:port` where the plan wants it. Empty: nowhere. Of a machine: the place that expects it. Empty: none."""
    holds: str
    """Whose cable is in the target now, `NODE LINK`. It moves too. Empty: nobody's that was heard."""
    why: str
    own: bool = False
    """True if the target is the port of this machine, which runs the engine: nobody may unplug that."""


def walk(world: World, found: Topology) -> tuple[CableStep, ...]:
    """The steps, in the order of the walk."""
    places = {short(node.name): node.place for node in world.nodes.values() if node.kind is Kind.SERVER}
    heard = {f"{link.switch}:{link.port}": link for link in found.links if link.switch}
    own = found.here.node if found.here is not None else ""
    theirs = [link for link in found.links if link.node != own]
    steps = [_step(link, task, places.get(link.node), heard, own) for link in theirs if (task := _task(link, places.get(link.node)))]
    steps += [_box(world, one) for one in wrong_boxes(world, world.nodes.values())]
    return tuple(sorted(steps, key=lambda s: (not s.rack, natural(s.rack), s.unit, s.node, natural(s.link or s.nic), s.nic)))


def _task(link: Link, place: Place | None) -> Task | None:
    if link.check == "right" or (link.check == "silent" and link.link == "bmc"):
        return "check module" if link.faulty else None
    if place is None:
        return "find"
    if link.check == "missing":
        return "plug in"
    if link.check == "silent" or not link.switch:
        return "trace"
    return "move" if link.plan else "unplug"


def _box(world: World, wrong: WrongBox) -> CableStep:
    """A machine in another's place. It moves before its cables: those are then where the plan has them."""
    to, place = wrong.belongs, wrong.place
    there = next((n for n in world.nodes.values() if to is not None and n.kind is Kind.SERVER and n.place == to), None)
    return CableStep(
        rack=place.rack,
        unit=place.unit,
        node=short(wrong.node.name),
        nic="",
        link="",
        task="move box",
        now=f"{place.rack} unit {place.unit}",
        target=f"{to.rack} unit {to.unit}" if to is not None else "",
        holds=short(there.name) if there is not None else "",
        why=f"expected {wrong.expected}, seen {wrong.seen}",
    )


def _step(link: Link, task: Task, place: Place | None, heard: dict[str, Link], own: str) -> CableStep:
    there = heard.get(link.plan)
    mine = there is not None and bool(own) and there.node == own
    told = (link.why, link.faulty)
    return CableStep(
        rack=place.rack if place is not None else "",
        unit=place.unit if place is not None else 0,
        node=link.node,
        nic=link.nic,
        link=link.link,
        task=task,
        now=f"{link.switch}:{link.port}" if link.switch else "",
        target=link.plan,
        holds=f"{there.node} {there.link or there.nic}"
        if there is not None and there is not heard.get(f"{link.switch}:{link.port}")
        else "",
        own=mine,
        why=f"{own} runs the engine: do not unplug it, correct the plan" if mine else "; ".join(one for one in told if one),
    )
