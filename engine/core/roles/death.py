"""Death: how the engine finds out that a node went away (probes), and what that means for its attempts.

A reboot that the engine ordered is not a death. An attempt on a node that died is suspended, not ended: it keeps its node, releases
everything else, and continues when the node is back. Work that the node had finished in its present stage is doubted: `verify` decides,
or an idempotent role runs again. A destructive role is never doubted after its success.
"""

from __future__ import annotations

from msgspec.structs import replace

from ...effects import Probe
from ...model import Kind, Node, State
from ..boot.patience import limit_s
from ..hardware.delegates import carrier, devices_at
from ..world.view import open_roles
from ..world.work import Work
from .change import change
from .transitions import Move, runs

PROBE_AGAIN = 30.0
"""Seconds between probes of a lost node: it may come back by itself, with its attempts."""

MISSES = 3
"""Probes in a row that must fail before a node counts as dead."""


def look_again(w: Work, node_id: str) -> None:
    """The node booted discovery: a discovery role that failed looks again. It changes nothing, and what it looks at may answer now."""
    for key in w.roles_of.get(node_id) or ():
        role = w.node_roles[key]
        definition = w.catalog.roles.get(role.role)
        if definition is not None and "discovery" in definition.flags and role.state is State.ERROR:
            change(w, role, Move.RETRY, since=w.at)


def unresolved(w: Work, node: Node) -> float | None:
    """Engine time until which a destructive attempt on the node may still be running. None: there is none."""
    for role in open_roles(w, node.id):
        definition = w.catalog.roles.get(role.role)
        if definition is not None and definition.destructive and w.now < (end := role.begun + limit_s(w, definition.timeout_s)):
            return end
    return None


def order_probe(w: Work, node: Node) -> None:
    """Asks whether the node is there, unless a probe is open. Leaves an unavailable node alone. Of a device, the node that carries its
    delegate is asked: the device has no agent."""
    if node.kind is Kind.DEVICE:
        there = carrier(w, node)
        if there is None:
            return
        node = there
    if node.probe or not node.available or node.boot is not None or node.off is not None or not node.runs:
        return
    number = node.probes + 1
    w.put_node(replace(node, probe=number, probes=number))
    w.order(Probe(node=node.id, probe=number))


def suspend(w: Work, node_id: str) -> None:
    """The node died: suspends its attempts, and touches what it had finished in its present stage."""
    node = w.nodes[node_id]
    for key in w.roles_of.get(node_id) or ():
        role = w.node_roles[key]
        definition = w.catalog.roles.get(role.role)
        if definition is None or not definition.jig_kind.alive:
            continue
        if runs(role):
            change(w, role, Move.SUSPEND, since=w.at)
        elif role.state is State.ACTIVE and definition.stage == node.stage and not definition.destructive:
            if definition.verify or not definition.idempotent:
                change(w, role, Move.DOUBT)
            else:
                change(w, role, Move.RERUN, since=w.at)
    for device in devices_at(w, node_id):
        for role in open_roles(w, device):
            if runs(role):
                change(w, role, Move.SUSPEND, since=w.at)
