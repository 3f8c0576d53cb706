"""What is open on a node is a function of the world: ordered again after a restart, and when a node becomes available again.

Open are: attempts in transition (Start), an ordered boot that gave no signal yet (BootNode), an unanswered probe (Probe). Attempt id,
boot generation and probe number make twice the same as once, within one boot. An attempt that was suspended may be gone from its node's
memory: it is asked after, and never started again. A suspended attempt is not open: it waits for its node.
"""

from __future__ import annotations

from ..effects import BootNode, Probe, SetPower, Start
from ..model import Node, NodeRole, Signal, State
from .annealer import leg_id
from .death import PROBE_AGAIN
from .patience import pause_s
from .work import Work


def reopen(w: Work, node: Node) -> None:
    """Order again what is open on the node, and set its wakes again. One that is not available is left alone."""
    if node.available:
        _node(w, node)
    for key in w.roles_of.get(node.id) or ():
        role: NodeRole = w.node_roles[key]
        for when in (role.retry_at, role.deadline):
            if when is not None:
                w.wake(when, f"{role.node}/{role.role}")
        if node.available and role.state is State.TRANSITION and not role.resume:
            w.order(
                Start(attempt=leg_id(role), node=role.node, role=role.role, action=role.action, resume=role.resumed)
            )


def _node(w: Work, node: Node) -> None:
    boot = node.boot
    if boot is not None:
        w.wake(boot.deadline, node.id)
        if boot.ordered and boot.signal is Signal.OPENED:
            w.order(
                BootNode(node=node.id, generation=boot.generation, way=boot.way, environment=boot.environment, tries=boot.tries)
            )
    elif node.off is not None:
        if not node.off.done:
            w.order(SetPower(node=node.id, action="soft" if node.off.soft else "off", who=node.off.who))
    elif node.probe:
        w.order(Probe(node=node.id, probe=node.probe))
    elif node.runs and not node.alive:
        w.wake(w.now + pause_s(w, PROBE_AGAIN), node.id)
