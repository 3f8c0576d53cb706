"""Wishes: a role may collect the values of other node roles (DNS records, VLANs of a switch port, monitored hosts, the RAID that an
application wants).

A role with `collects: [{attribute: A, into: path}]` reads, at `path`, the value of A from every committed node role whose role wants A,
as a list of {node, role, value}. With `role: R` only from the node roles of R, for example the members of a cluster. A wish consists of
committed values only, never of gives of a parent. Otherwise two roles that read each other would run forever.

With `of: nodes` it reads what the engine computes for each node that has such a value, whatever roles the node has: the records of its
addresses, for example. The list then has {node, value}.

A check for stale collectors must not cost a look at every wish. So the world keeps a sum of the wishes' hashes for each `Collect.key`
(`attribute`, `role/attribute` or `nodes:attribute`). Adding or changing one wish changes the sum in constant time.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from msgspec import json

from ...definitions import Collect, Json, RoleDef
from ...model import Node, NodeRole
from ..monitor.hosts import MONITORED, monitored
from ..monitor.nagios import objects
from ..world.view import View
from ..world.world import World
from .attributes import admin_network, document, effective, layers, nest
from .derive import committed
from .dns_records import host_records

INTERVAL, INTERVAL_S = "monitor-interval", 20
"""The attribute that says after how many seconds Nagios looks again, and its value where no layer has one."""
_encoder = json.Encoder(order="deterministic")
_MASK = (1 << 62) - 1
OF_NODES: dict[str, Callable[[View, Node], Json]] = {"dns-hosts": lambda view, node: host_records(view, node, admin_network(view))}
"""Attribute that a role can collect from all nodes -> its value for one. None: the node has none."""


def wish(view: View, role: NodeRole, attribute: str) -> Json:
    """The node role's wish: its value without the gives of parents. None: no wish."""
    if attribute == MONITORED:
        return monitored(view, role, admin_network(view), lambda name: wish(view, role, name))
    value = None
    for layer, _, found in layers(view, role, attribute):
        if layer != "parent":
            value = found
    return value


def wishes(view: View, role: NodeRole, attribute: str) -> bool:
    """True if this node role makes a wish by that attribute."""
    definition = view.catalog.roles.get(role.role)
    return committed(role) and definition is not None and _may_wish(definition, attribute)


def _may_wish(definition: RoleDef, attribute: str) -> bool:
    """It wants the attribute. What is monitored is wished by the key `checks`."""
    return bool(definition.checks) if attribute == MONITORED else any(w.name == attribute for w in definition.wants)


def may_add(definition: RoleDef | None, key: str) -> bool:
    """True if node roles of this role can have a part in the sum of that key."""
    only, _, attribute = key.rpartition("/")
    return definition is not None and only in ("", definition.name) and _may_wish(definition, attribute)


def weight(view: View, role: NodeRole, key: str) -> int:
    """The wish's part of the sum of that key. 0: no wish."""
    if not committed(role) or not may_add(view.catalog.roles.get(role.role), key):
        return 0
    attribute = key.rpartition("/")[2]
    node = view.nodes.get(role.node)
    return _sum([node.name if node else role.node, role.role, wish(view, role, attribute)])


def weight_of_node(view: View, node: Node | None, key: str) -> int:
    """What the node's value adds to the sum of that key, which is one of `Catalog.node_collectors`. 0: it has no value."""
    value = OF_NODES[key.partition(":")[2]](view, node) if node is not None else None
    return 0 if node is None or value is None else _sum([node.name, value])


def _sum(content: Json) -> int:
    return int.from_bytes(blake2b(_encoder.encode(content), digest_size=8).digest()) & _MASK


def collected(world: World, collect: Collect) -> list[dict[str, Json]]:
    """All values of a collected attribute, by node and role. Walks them all: only for a role that is about to run."""
    if collect.of == "nodes":
        return _of_nodes(world, collect.attribute)
    return _of_roles(world, collect)


def _of_nodes(world: World, attribute: str) -> list[dict[str, Json]]:
    compute = OF_NODES[attribute]
    found = ({"node": node.name, "value": compute(world, node)} for node in world.nodes.values())
    return sorted((one for one in found if one["value"] is not None), key=lambda one: str(one["node"]))


def _of_roles(view: View, collect: Collect) -> list[dict[str, Json]]:
    out = []
    for name, definition in view.catalog.roles.items():
        if collect.role not in ("", name) or not _may_wish(definition, collect.attribute):
            continue
        for key in view.bound.get(name) or ():
            role = view.node_roles[key]
            if committed(role):
                node = view.nodes.get(role.node)
                value = wish(view, role, collect.attribute)
                out.append({"node": node.name if node else role.node, "role": name, "value": value})
    return sorted(out, key=lambda entry: (entry["node"], entry["role"]))


def task_document(world: World, role: NodeRole, opened: dict[str, Json]) -> dict[str, Json]:
    """attributes.json of a task: the inputs, and the collected values. What is monitored is collected as the lines of Nagios'
    configuration: the tool `attribute` reads many short texts faster than a long one."""
    out = document(world, role, opened)
    for collect in world.catalog.roles[role.role].collects:
        found = collected(world, collect)
        if collect.attribute == MONITORED:
            nest(out, collect.into, objects(found, int(effective(world, role, INTERVAL) or INTERVAL_S)).splitlines())
        else:
            nest(out, collect.into, found)
    return out
