"""The nodes of a rack as records for other programs: inventories, tables, scripts. Pure.

No secret is in it: neither values of attributes nor accounts, only what the fields name. Text that a machine reports (serials, names) is
bounded, and has printable characters only.
"""

from __future__ import annotations

from msgspec import Struct

from ..core.roles.attributes import effective
from ..core.roles.derive import committed
from ..core.roles.stages import node_state
from ..core.world.world import World
from ..model import Node
from .summary import machines

TEXT = 128
"""Most characters of a text. A longer one is cut."""
MACS = 64
"""Most MACs of a node."""


class ExportedNode(Struct, frozen=True, kw_only=True):
    name: str
    """The full host name."""
    state: str
    group: str
    rack: str
    place: int | None
    """The unit in the rack. None: not known."""
    serial: str
    uuid: str
    macs: tuple[str, ...]
    address: str
    """The address on the admin network; without one, the last at which the node was reached."""
    addresses: dict[str, str]
    """Network -> the address that the node keeps there."""
    bmc_address: str
    bmc_mac: str
    allocated: bool
    deployment: str
    """The deployment that owns it."""
    deployments: dict[str, tuple[str, ...]]
    """Deployment -> the node's roles in it, sorted."""
    wanted_system: str
    """The system that the node must have (`target-os`). Empty: none."""
    runs: str
    """The environment that it is known to run. Empty: off, booting or unknown."""

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of all deployments, sorted."""
        return tuple(sorted({role for roles in self.deployments.values() for role in roles}))


def exported(world: World) -> list[ExportedNode]:
    """All machines, in the order in which they are shown."""
    kept: dict[str, dict[str, str]] = {}
    for one in world.allocations.values():
        kept.setdefault(one.node, {})[one.network] = one.address
    return [_node(world, node, dict(sorted(kept.get(node.id, {}).items()))) for node in machines(world)]


def _node(world: World, node: Node, addresses: dict[str, str]) -> ExportedNode:
    bmc = node.bmc
    return ExportedNode(
        name=_bounded(node.name),
        state=node_state(world, node),
        group=_bounded(node.group),
        rack=_bounded(node.place.rack) if node.place else "",
        place=node.place.unit if node.place else None,
        serial=_bounded(node.serial),
        uuid=_bounded(node.uuid),
        macs=tuple(_bounded(mac) for mac in node.macs[:MACS]),
        address=addresses.get("admin") or _bounded(node.address),
        addresses=addresses,
        bmc_address=_bounded(bmc.address) if bmc else "",
        bmc_mac=_bounded(bmc.mac) if bmc else "",
        allocated=node.allocated,
        deployment=_bounded(node.deployment),
        deployments=_deployments(world, node),
        wanted_system=_wanted_system(world, node),
        runs=_bounded(node.runs),
    )


def _deployments(world: World, node: Node) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for key in world.roles_of.get(node.id) or ():
        role = world.node_roles[key]
        if committed(role):
            found.setdefault(role.deployment, []).append(role.role)
    return {name: tuple(sorted(roles)) for name, roles in sorted(found.items())}


def _wanted_system(world: World, node: Node) -> str:
    for name in world.catalog.readers.get("target-os", ()):
        role = world.node_roles.get((node.id, name))
        if role is not None:
            value = effective(world, role, "target-os")
            return _bounded(value) if isinstance(value, str) else ""
    return ""


def _bounded(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:TEXT])
