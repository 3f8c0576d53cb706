"""What roles reported after they wrote to a node's disks: one typed record each, decoded here and nowhere else.

The barclamp `raid` reports `volumes`, and the barclamp `os-install` reports `installed`. As in `inventory`, a field of another type counts
as not reported, and `odd_writes` names it with its barclamp.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, ValidationError, convert

from ... import reasons
from ...definitions import Json
from ...model import NodeId
from ...reasons import Reason
from ..world.view import View
from .inventory import lenient


class Volume(Struct, frozen=True, kw_only=True):
    """A volume that the node has."""

    name: str = ""
    level: str = ""
    disks: tuple[str, ...]
    """Names from the inventory."""
    size: int = 0
    """Bytes."""
    wwn: str = ""
    """Of a volume of a RAID controller, as the kernel spells it. Empty: mdadm made the volume."""
    boot: bool = False
    """It was made to boot from."""


class InstalledSystem(Struct, frozen=True, kw_only=True):
    """The system that an install wrote."""

    os: str = ""
    """Name of the system, as in `target-os`."""
    disk: str = ""
    """The kernel's name of the disk, or the name of the volume."""
    root: str = ""
    """UUID of the root file system."""
    wwn: str = ""
    serial: str = ""


_BARCLAMPS: dict[str, tuple[str, object]] = {"volumes": ("raid", list[Volume]), "installed": ("os-install", InstalledSystem)}
"""Name of an attribute -> its barclamp, and its type."""


def volumes_in(gave: Mapping[str, Json]) -> list[Volume]:
    """The volumes that a role reported. An entry without a list of disks is left out."""
    reported = gave.get("volumes")
    found = (lenient(item, Volume) for item in (reported if isinstance(reported, list) else ()))
    return [volume for volume in found if volume is not None]


def system_in(gave: Mapping[str, Json]) -> InstalledSystem | None:
    """The system that a role reported. None: it installed none."""
    return lenient(gave["installed"], InstalledSystem) if "installed" in gave else None


def volumes_of(view: View, node: NodeId) -> list[Volume]:
    """The volumes that the node's role `raid-configure` reported last."""
    role = view.node_roles.get((node, "raid-configure"))
    return volumes_in(role.gave) if role is not None else []


def odd_writes(view: View, node: NodeId) -> list[Reason]:
    """The reported values that are not of the promised type."""
    out = []
    for key in view.roles_of.get(node) or ():
        gave = view.node_roles[key].gave
        for field, (barclamp, kind) in _BARCLAMPS.items():
            if field in gave:
                try:
                    convert(gave[field], kind)
                except ValidationError as error:
                    out.append(reasons.odd_inventory(barclamp=barclamp, field=field, message=str(error)[:160]))
    return out
