"""What the barclamp `discovery` told of a machine: one typed record, decoded here and nowhere else.

Three roles of it tell: `inventory`, `lldp` and `bmc-discover`. A machine is not believed. A field that is not what the barclamp promises
counts as not told, and an entry of a list that cannot be used is left out. Neither costs the others anything, and `odd` tells of both.

Fields are decoded when they are asked for, since most who ask want one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TypeVar

from msgspec import Struct, ValidationError, convert
from msgspec.structs import fields

from ... import reasons
from ...definitions import Json
from ...model import NodeId
from ...reasons import Reason
from ..world.view import View
from .disks import Disk, Medium, each_once, entries
from .neighbours import Neighbour
from .optics import Optics

BARCLAMP = "discovery"
ROLES = ("inventory", "lldp", "bmc-discover")
"""Those that tell, and no two of them the same."""
REPORTS = "hardware"
"""Attribute of what a machine is made of, in short. The record is in files (`engine.store.hardware`)."""

Record = TypeVar("Record", bound=Struct)


class Nic(Struct, frozen=True, kw_only=True):
    """A network port."""

    name: str = ""
    mac: str = ""
    speed: int = 0
    """Mbit/s; 0: without a link."""
    fastest: int = 0
    """Mbit/s of the fastest supported mode. 0: the driver does not report it, or an older version wrote it down."""
    link: bool = False
    driver: str = ""
    pci: str = ""
    """Empty: on another bus."""
    type: str = ""
    """Empty: Ethernet."""
    optics: Optics | None = None
    """What its module measures. None: no module, one of copper, or one that measures nothing."""


class Channel(Struct, frozen=True, kw_only=True):
    """A LAN channel of a BMC."""

    channel: int | None = None
    address: str = ""
    mac: str = ""


class FoundBmc(Struct, frozen=True, kw_only=True):
    """The BMC as the machine itself sees it. Without an address it has none that answers."""

    address: str = ""
    mac: str = ""
    clock_off: int | None = None
    """Seconds by which its clock is ahead of the node's; None: it does not tell the time."""
    channels: tuple[Channel, ...] = ()


class PartsTold(Struct, frozen=True, kw_only=True):
    """What a machine is made of, in short."""

    digest: str = ""
    """Another one as soon as something changes that lasts."""
    facts: dict[str, str] = {}
    changes: tuple[str, ...] = ()
    """Since the look before, in words; what is gone comes first."""
    gone: int = 0
    """How many of them say that something is gone."""
    odd: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    """Reports that could not be read, each with the reason."""
    reports: int = 0


class Inventory:
    """`gave`: what roles of the barclamp gave, by the names of its attributes."""

    def __init__(self, gave: Mapping[str, Json]) -> None:
        self._gave = gave

    def told(self, name: str) -> bool:
        """Is there anything under this name?"""
        return name in self._gave

    @cached_property
    def vendor(self) -> str:
        return self._text("vendor")

    @cached_property
    def product(self) -> str:
        return self._text("product")

    @cached_property
    def firmware(self) -> str:
        """`bios` or `efi`."""
        return self._text("firmware")

    @cached_property
    def memory_mb(self) -> int:
        return self._number("memory-mb")

    @cached_property
    def cpus(self) -> int:
        return self._number("cpus")

    @cached_property
    def kexec(self) -> bool:
        return self._gave.get("kexec") is True

    @cached_property
    def entries(self) -> tuple[Disk, ...]:
        """Of `disks`, as they were told: one with several paths may have several."""
        return tuple(entries(self._gave.get("disks")))

    @cached_property
    def disks(self) -> tuple[Disk, ...]:
        """Each once."""
        return tuple(each_once(self.entries))

    @cached_property
    def media(self) -> tuple[Medium, ...]:
        return self._records("media", Medium)

    @cached_property
    def nics(self) -> tuple[Nic, ...]:
        return self._records("nics", Nic)

    @cached_property
    def ethernet(self) -> tuple[Nic, ...]:
        """The Ethernet ports. InfiniBand has its own cables, and would shift the numbers of the plan's links."""
        return tuple(nic for nic in self.nics if not nic.type)

    @cached_property
    def neighbours(self) -> tuple[Neighbour, ...]:
        return self._records("neighbours", Neighbour)

    @cached_property
    def bmc(self) -> FoundBmc:
        return (lenient(self._gave["bmc"], FoundBmc) if "bmc" in self._gave else None) or FoundBmc()

    @cached_property
    def parts(self) -> PartsTold:
        return (lenient(self._gave[REPORTS], PartsTold) if REPORTS in self._gave else None) or PartsTold()

    @cached_property
    def odd(self) -> tuple[Reason, ...]:
        """What is not as the barclamp promises, each with its name."""
        out = []
        for name, kind in _PROMISED.items():
            value = self._gave.get(name)
            if name not in self._gave:
                continue
            try:
                convert(value, kind)
            except ValidationError as error:
                out.append(reasons.odd_inventory(barclamp=BARCLAMP, field=name, message=str(error)[:160]))
        return tuple(out)

    def _text(self, name: str) -> str:
        value = self._gave.get(name)
        return value if isinstance(value, str) else ""

    def _number(self, name: str) -> int:
        value = self._gave.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else 0

    def _records(self, name: str, kind: type[Record]) -> tuple[Record, ...]:
        value = self._gave.get(name)
        return tuple(one for item in (value if isinstance(value, list) else ()) if (one := lenient(item, kind)) is not None)


_PROMISED: dict[str, object] = {
    "vendor": str,
    "product": str,
    "firmware": str,
    "memory-mb": int,
    "cpus": int,
    "kexec": bool,
    "disks": list[Disk],
    "media": list[Medium],
    "nics": list[Nic],
    "neighbours": list[Neighbour],
    "bmc": FoundBmc,
    REPORTS: PartsTold,
}
"""Name -> type of a field."""

_NOTHING = Inventory({})


def inventory_of(view: View, node: NodeId) -> Inventory:
    """What its discovery told last. Of a machine that was not discovered: nothing."""
    roles = (view.node_roles.get((node, name)) for name in ROLES)
    gave = [role.gave for role in roles if role is not None and role.gave]
    if not gave:
        return _NOTHING
    return Inventory(gave[0] if len(gave) == 1 else {name: value for one in gave for name, value in one.items()})


def lenient(item: Json, kind: type[Record]) -> Record | None:
    """The record, without the fields that do not fit; None where it cannot be one even so."""
    try:
        return convert(item, kind)
    except ValidationError:
        if not isinstance(item, dict):
            return None
    fit = {}
    for field in fields(kind):
        if field.name in item:
            try:
                convert(item[field.name], field.type)
            except ValidationError:
                continue
            fit[field.name] = item[field.name]
    try:
        return convert(fit, kind)
    except ValidationError:
        return None
