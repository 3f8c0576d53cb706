"""Wishes: a role may collect what other node roles wish, instead of being told by hooks (DNS records, VLANs of a switch port, monitored
hosts, the RAID that an application wants).

A role with `collects: [{attribute: A, into: path}]` reads, at `path`, the value of A of every committed node role whose role wants A,
as a list of {node, role, value}; with `role: R` only of the node roles of R, as for the members of a cluster. A wish is made of
committed values only, never of what a parent gave: else two roles that read each other would run for ever.

Whether a collector is stale must not cost a look at every wish, so the world keeps a sum of the wishes' hashes for each `Collect.key`
(`attribute` or `role/attribute`); adding or changing one wish changes the sum in constant time.
"""

from __future__ import annotations

from hashlib import blake2b

from msgspec import json

from ..definitions import Catalog, Collect, Json
from ..model import NodeRole
from .attributes import document, layers, nest
from .derive import committed
from .world import View

_encoder = json.Encoder(order="deterministic")
_MASK = (1 << 62) - 1


_last: list[tuple[Catalog, dict[str, tuple[str, ...]]]] = []


def collectors(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """Key of what is collected -> roles that collect it. The last answer is remembered: every batch asks, of one catalogue."""
    if not _last or _last[0][0] is not catalog:
        _last[:] = [(catalog, _collectors(catalog))]
    return _last[0][1]


def _collectors(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    out: dict[str, tuple[str, ...]] = {}
    for role in catalog.roles.values():
        for collect in role.collects:
            out[collect.key] = (*out.get(collect.key, ()), role.name)
    return out


def wish(view: View, role: NodeRole, attribute: str) -> Json:
    """What the node role wishes: its value without what parents gave; None: nothing."""
    value = None
    for layer, _, found in layers(view, role, attribute):
        if layer != "parent":
            value = found
    return value


def wishes(view: View, role: NodeRole, attribute: str) -> bool:
    """Does this node role make a wish by that attribute?"""
    definition = view.catalog.roles.get(role.role)
    return committed(role) and definition is not None and any(w.name == attribute for w in definition.wants)


def weight(view: View, role: NodeRole, key: str) -> int:
    """What the wish adds to the sum of that key; 0: no wish."""
    only, _, attribute = key.rpartition("/")
    if only not in ("", role.role) or not wishes(view, role, attribute):
        return 0
    node = view.nodes.get(role.node)
    body = _encoder.encode([node.name if node else role.node, role.role, wish(view, role, attribute)])
    return int.from_bytes(blake2b(body, digest_size=8).digest()) & _MASK


def collected(view: View, collect: Collect) -> list[dict[str, Json]]:
    """All wishes of a collected attribute, by node and role. Walks them all: only for who is about to run."""
    out = []
    for name, definition in view.catalog.roles.items():
        if collect.role not in ("", name) or not any(w.name == collect.attribute for w in definition.wants):
            continue
        for key in view.bound.get(name) or ():
            role = view.node_roles[key]
            if committed(role):
                node = view.nodes.get(role.node)
                value = wish(view, role, collect.attribute)
                out.append({"node": node.name if node else role.node, "role": name, "value": value})
    return sorted(out, key=lambda entry: (entry["node"], entry["role"]))


def task_document(view: View, role: NodeRole, opened: dict[str, Json]) -> dict[str, Json]:
    """attributes.json of a task: the inputs, and what the role collects."""
    out = document(view, role, opened)
    for collect in view.catalog.roles[role.role].collects:
        nest(out, collect.into, collected(view, collect))
    return out
