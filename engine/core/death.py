"""Death: what it means for a node's attempts that it went away, and how the engine finds out (probes).

A reboot that the engine ordered is not a death. An attempt on a node that died is suspended, not ended: it keeps its
node, gives back everything else, and goes on when the node is back. What the node had done in its present stage is
doubted: `verify` decides, or an idempotent role runs again. A destructive role is never doubted after its success.
"""

from __future__ import annotations

from msgspec.structs import replace

from ..definitions import HERE
from ..effects import Probe
from ..model import Node, NodeRole, State
from .derive import suspended
from .work import Work

PROBE_AGAIN = 30.0
"""Seconds between probes of a node that is lost: it may come back by itself, with its attempts."""

MISSES = 3
"""Probes in a row that must fail before a node counts as dead."""

def order_probe(w: Work, node: Node) -> None:
    """Ask whether the node is there, unless it is being asked. A node that is not available is left alone."""
    if node.probe or not node.available or node.boot is not None or node.off is not None or not node.runs:
        return
    number = node.probes + 1
    w.put_node(replace(node, probe=number, probes=number))
    w.order(Probe(node=node.id, probe=number))


def suspend(w: Work, node_id: str) -> None:
    """The node died: its attempts wait for it, and what it had done in its present stage is looked at again."""
    node: Node = w.nodes[node_id]
    for key in w.roles_of.get(node_id) or ():
        role: NodeRole = w.node_roles[key]
        definition = w.catalog.roles.get(role.role)
        if definition is None or definition.jig in HERE:
            continue
        if role.state is State.TRANSITION and not suspended(role):
            w.put_role(replace(role, resume=True, deadline=None, since=w.at))
        elif role.state is State.ACTIVE and definition.stage == node.stage and not definition.destructive:
            if definition.verify or not definition.idempotent:
                w.put_role(replace(role, recheck=True))
            else:
                w.put_role(replace(role, state=State.WAITING, since=w.at))
