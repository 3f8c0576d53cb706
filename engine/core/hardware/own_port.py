"""Where the admin node itself is: the switch port in which its own cable ends, and its place in a rack of the plan. Pure.

The engine hears LLDP on the interface that serves the rack (`Here`). The neighbour is chosen as for a server's port (`neighbours`). If the
plan has a place with a cable in that port, and no server stands there, it is the admin node's own place.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, structs

from ...model import Kind, Node, Place
from ..world.view import View
from .neighbours import CableEnd, Cables, Neighbour, heard_by_nic

ADMIN = "admin"
"""Id of the admin node."""


class OwnPort(Struct, frozen=True, kw_only=True):
    node: str
    """The first label of the admin node's name."""
    interface: str
    switch: str
    port: str
    """In the plan's spelling, if the plan knows them. Empty: nothing is heard."""
    chassis: str
    place: Place | None = None
    """None: no place of the plan has a cable there."""
    wanted: str = ""
    """Whose cable the plan wants in that port: `1g0 of node-10 in r1 unit 10`. Empty: nobody else's."""
    why: str = ""
    """Why the port is not known. Empty: it is."""

    @property
    def words(self) -> str:
        """`eno1 in tor1 swp48, r1 unit 1`."""
        if not self.switch:
            return f"{self.interface or 'this machine'}: {self.why}"
        where = f", {self.place.rack} unit {self.place.unit}" if self.place is not None else ""
        return f"{self.interface} in {self.switch} {self.port}{where}"


def own_port(view: View, nodes: Iterable[Node] = ()) -> OwnPort | None:
    """None: the engine has not looked, as in a rack without an interface. `nodes`: those that may stand in the plan's places."""
    admin = view.nodes.get(ADMIN)
    if admin is None or admin.here is None:
        return None
    here, label = admin.here, admin.name.split(".")[0]
    cables = Cables(view.plan)
    told = [Neighbour(nic=here.interface, **structs.asdict(one)) for one in here.neighbours]
    end = heard_by_nic(told, cables, frozenset(here.macs)).get(here.interface, CableEnd("", "", ""))
    if not end.switch:
        why = f"LLDP cannot be heard: {here.deaf}" if here.deaf else "no switch speaks LLDP there"
        return OwnPort(node=label, interface=here.interface, switch="", port="", chassis="", why=why)
    place, wanted = None, ""
    owner = cables.owner.get(end.cable)
    if owner is not None:
        rack, unit, link = owner
        here_too = Place(rack=rack, unit=unit)
        other = next((n for n in nodes if n.kind is Kind.SERVER and n.place == here_too), None)
        if other is None:
            place = here_too
        else:
            wanted = f"{link} of {other.name.split('.')[0]} in {rack} unit {unit}"
    return OwnPort(node=label, interface=here.interface, switch=end.switch, port=end.port, chassis=end.chassis, place=place, wanted=wanted)
