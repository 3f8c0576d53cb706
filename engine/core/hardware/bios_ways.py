"""By which way a machine's BIOS is set: one table, and the choice for a machine. Pure.

The best way of a product comes first. A way that the machine does not offer is passed over; a BMC that should and does not answer is a
failure, and not a reason for another way.
"""

from __future__ import annotations

import fnmatch
from typing import Literal

from msgspec import Struct

from ...definitions import Json
from ...model import NodeId
from ..world.view import View

ROLE, REPORT = "bios-bmc", "bios-report"
"""The role that sets a BIOS by the node's BMC, and the attribute in which it reports."""
BiosWay = Literal["redfish", "kernel"]
"""`redfish`: the BMC, by `Bios/Settings`. `kernel`: firmware-attributes, in band (role `bios-configure`)."""


class BiosWays(Struct, frozen=True, kw_only=True):
    products: tuple[str, ...]
    """Patterns of maker and model; upper and lower case are the same."""
    ways: tuple[BiosWay, ...]
    """The best one first."""
    seen: str
    """Evidence."""


WAYS = (
    BiosWays(
        products=("Dell* PowerEdge *", "HP* ProLiant *", "Hewlett* ProLiant *", "Lenovo ThinkSystem *", "Supermicro *"),
        ways=("redfish", "kernel"),
        seen="recorded trees: their BMCs have Bios with a registry and a place for settings (test_readers_redfish_recorded.py)",
    ),
    BiosWays(
        products=("Dell* OptiPlex *", "Dell* Precision *", "Dell* Latitude *", "Dell* XPS *"),
        ways=("kernel",),
        seen="drivers/platform/x86/dell/dell-wmi-sysman of the kernel; these machines have no BMC",
    ),
    BiosWays(
        products=("Lenovo ThinkStation *", "Lenovo ThinkCentre *", "Lenovo ThinkPad *"),
        ways=("kernel",),
        seen="drivers/platform/x86/think-lmi.c of the kernel; these machines have no BMC",
    ),
    BiosWays(
        products=("HP* EliteDesk *", "HP* ProDesk *", "HP* Z? *", "HP* EliteBook *"),
        ways=("kernel",),
        seen="drivers/platform/x86/hp/hp-bioscfg of the kernel; these machines have no BMC",
    ),
    BiosWays(products=("*",), ways=("redfish", "kernel"), seen="no server's BIOS is known to have a driver in the kernel"),
)
"""The first row that fits counts."""


def ways_of(vendor: str, product: str, asked: str = "auto") -> tuple[BiosWay, ...]:
    """The ways that are tried, in this order. `asked`: `auto`, or the only one."""
    if asked == "redfish":
        return ("redfish",)
    if asked == "kernel":
        return ("kernel",)
    name = f"{vendor} {product}".strip().lower()
    return next(row.ways for row in WAYS if any(fnmatch.fnmatchcase(name, one.lower()) for one in row.products))


def way_taken(view: View, node: NodeId) -> Json:
    """The attribute `bios-by`: `redfish` if the node's BMC carries its settings out, so that nobody else does."""
    role = view.node_roles.get((node, ROLE))
    told = role.gave.get(REPORT) if role is not None else None
    return "redfish" if isinstance(told, dict) and told.get("way") == "redfish" else "kernel"
