"""The SANs of a node, and the LUNs that they expose to it. Pure.

A node wants LUNs by `san-wanted`. The SAN's role `san-luns` collects these wishes, makes and exposes the LUNs, and gives what each node
must know of its own. A node reads only its own rows, so a LUN of another node does not make its role run again.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...definitions import Json
from ...model import Node, NodeRole
from ..world.view import View
from .delegates import planned

ROLE, DISK_ROLE = "san-luns", "san-disk"
"""The role of the SAN's delegate, and that of the node (barclamp `san`)."""
WANTED = "san-wanted"
MAX_ROWS = 256


def sans_of(view: View, node: Node) -> set[str]:
    """Ids of the SANs from which the node wants LUNs, in any value that its role may see."""
    known = planned(view, "san")
    first = next(iter(known), "")
    names = {(one.get("san") or first) for value in _values(view, node) for one in value if isinstance(one, dict)}
    return {known[name] for name in names if name in known}


def served(view: View, san: Node) -> tuple[Node, ...]:
    """The nodes that have role `san-disk` and want a LUN of this SAN. Its delegate may be on a node, which must learn no more."""
    nodes = (view.nodes.get(key[0]) for key in view.bound.get(DISK_ROLE) or ())
    return tuple(one for one in nodes if one is not None and san.id in sans_of(view, one))


def wants_luns(view: View, node: Node) -> bool:
    """True if the node wants a LUN, of whatever SAN."""
    return any(_values(view, node))


def _values(view: View, node: Node) -> Iterator[list[Json]]:
    """The strongest value of the node itself; without one, those of the deployments whose role the node may have."""
    own = (("operator", f"{node.id}/{DISK_ROLE}"), ("operator", node.id), ("role", f"{node.id}/{DISK_ROLE}"), ("rule", node.id))
    for layer, scope in own:
        found = view.attributes.get((layer, scope, WANTED))
        if found is not None:
            if isinstance(found.value, list):
                yield found.value
            return
    deployments = view.plan.deployments.values() if view.plan is not None else ()
    scopes = dict.fromkeys(scope for one in deployments if DISK_ROLE in one.roles for scope in view.above.get(one.name) or (one.name,))
    for scope in (*scopes, "system"):
        for layer in ("setting", "deployment"):
            found = view.attributes.get((layer, scope, WANTED))
            if found is not None and isinstance(found.value, list):
                yield found.value


def disks_wanted(view: View, node: Node, role: NodeRole) -> Json:
    """The attribute `san-disks-wanted`: the node's rows of what its SANs give."""
    label, out = node.name.split(".")[0], []
    for key in role.parents:
        parent = view.node_roles.get(key) if key[1] == ROLE else None
        told = parent.gave.get(ROLE) if parent is not None else None
        rows = told.get("luns") if isinstance(told, dict) else None
        san = view.nodes[key[0]].name.split(".")[0] if key[0] in view.nodes else key[0]
        out += [{**row, "san": san} for row in rows if isinstance(row, dict) and row.get("node") == label] if isinstance(rows, list) else []
    rows = sorted(out, key=lambda row: (str(row["san"]), str(row.get("name"))))[:MAX_ROWS]
    return {"disks": [{key: value for key, value in row.items() if key != "node"} for row in rows]}
