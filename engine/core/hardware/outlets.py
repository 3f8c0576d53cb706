"""The PDU outlets that feed a machine, and how the engine reaches them. Pure.

The plan's place names them: `outlets: [pdu1/7, pdu2/7]`, one for each power supply. An outlet feeds one place. They are used only for a
machine without a BMC: a BMC knows more, and switches the machine alone.
"""

from __future__ import annotations

import re

from msgspec import Struct

from ...model import Kind, Node
from ...plan import PlaceDef, Plan
from ..roles.attributes import of_node
from ..world.view import View
from .bmc import expected
from .inventory import lenient

ATTRIBUTE = "pdu-access"
OUTLET = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}/(\d{1,4}(\.\d{1,4}){0,3}|[A-Za-z][A-Za-z0-9_-]{0,31})")
"""`PDU/OUTLET`."""


class PduAccess(Struct, frozen=True, kw_only=True):
    """An entry of `pdu-access`."""

    address: str = ""
    port: int = 0
    """0: 161 for SNMP, 443 for Redfish."""
    table: str = "apc"
    version: str = "2c"
    user: str = ""
    community: str = "pdu-community"
    """Name of a secret of the plan, as the next two."""
    password: str = "pdu-password"
    privacy: str = "pdu-privacy"


class Outlet(Struct, frozen=True, kw_only=True):
    """One outlet of a machine."""

    pdu: str
    number: str
    access: PduAccess


def place_def(plan: Plan | None, node: Node) -> PlaceDef | None:
    """The plan's place of the node. None: the plan or the place is not known."""
    for rack in plan.racks if plan is not None and node.place is not None else ():
        for one in rack.places:
            if node.place is not None and (rack.name, one.unit) == (node.place.rack, node.place.unit):
                return one
    return None


def outlets_of(view: View, node: Node) -> tuple[Outlet, ...]:
    """The outlets of the machine: those of its place, or else those that the plan's list of machines has for its serial number. Empty: none
    is known, or one of its PDUs has no address, so that not all could be switched."""
    place = place_def(view.plan, node)
    known = place.outlets if place is not None else ()
    if not known and node.kind is Kind.SERVER and view.plan is not None and view.plan.machines:
        machine = expected(view, node)
        known = machine.outlets if machine is not None else ()
    if not known or node.kind is not Kind.SERVER:
        return ()
    told = of_node(view, node, ATTRIBUTE)
    every = told if isinstance(told, dict) else {}
    out = []
    for text in known:
        pdu, _, number = text.partition("/")
        own = {**(every.get("*") or {}), **(every.get(pdu) or {})}
        access = lenient(own, PduAccess)
        if access is None or not access.address:
            return ()
        out.append(Outlet(pdu=pdu, number=number, access=access))
    return tuple(out)


def by_outlet(view: View, node: Node) -> tuple[Outlet, ...]:
    """The outlets by which the engine powers the node. Empty: it does not, because the node has a BMC, no outlets, or is not allocated."""
    return outlets_of(view, node) if node.bmc is None and node.allocated else ()
