"""The open effects of a node follow from the world. The engine orders them again after a restart, and when a node becomes available
again.

Open are:
* attempts in transition (Start)
* an ordered boot without a signal so far (BootNode). If the node's agent carries it out, it stays open until the machine gives a signal:
  `powered` only says that the order waits for the agent, in a process that may be gone. The order is for one boot_id, so an agent that
  obeyed never sees it again.
* an unanswered probe (Probe)
* an open challenge (Prove)
* an operator's power off that was not read back (SetPower)

Attempt id, boot generation and probe number make a repeated order harmless within one boot. A node may have forgotten an attempt that
was suspended: the engine asks about it, and never starts it again. A suspended attempt is not open: it waits for its node.

The next signal of an open boot may have come just before the engine ended, and been lost with it. The machine repeats it, so the boot's
deadline leaves time for that (`renewed`). Else a kill costs a machine that is on its way another boot, or its loader a bad name.
"""

from __future__ import annotations

from msgspec.structs import replace

from ...effects import BootNode, Probe, SetPower, Start
from ...events import NodeDue, RoleDue
from ...model import Boot, Node, Signal, Way
from ..boot.patience import deadline_s, pause_s
from ..boot.signals import within
from ..hardware.bmc import usable
from ..hardware.outlets import by_outlet
from ..world.view import View
from ..world.work import Work
from . import confirm, watch
from .annealer import leg_id
from .claims import not_confirmed
from .death import PROBE_AGAIN
from .transitions import runs

REPEATS_S = 60.0
"""Seconds within which a machine repeats what was not answered: a boot ROM asks again after 4, 8, 16 and 32 s (RFC 2131 section 4.1), the
agent after at most 30 s."""


def reopen(w: Work, node: Node) -> None:
    """Orders again what is open on the node, and sets its wakes again. Leaves an unavailable node alone."""
    if node.available:
        _node(w, node)
        confirm.reopen(w, w.nodes[node.id])
    for key in w.roles_of.get(node.id) or ():
        role = w.node_roles[key]
        for when in (role.retry_at, role.deadline):
            if when is not None:
                w.wake(when, RoleDue(*role.key))
        watch.reopen(w, role)
        if node.available and runs(role):
            definition = w.catalog.roles.get(role.role)
            asks = role.resumed or (definition is not None and not_confirmed(w, node, definition) is not None)
            w.order(Start(attempt=leg_id(role), node=role.node, role=role.role, action=role.action, resume=asks))


def by_agent(view: View, node: Node, boot: Boot) -> bool:
    """True if the node's own agent carries out this boot (`power_orders`). The BMC, or the outlets of a PDU, carry out the others."""
    return boot.way is Way.KEXEC or (boot.way is not Way.OWN and usable(view, node) is None and not by_outlet(view, node))


def renewed(w: Work, boot: Boot, ordered: bool = False) -> Boot:
    """The boot with time for a signal that was lost. `ordered`: its order is given again, so the time begins anew."""
    seconds = within(w, boot) if ordered else min(within(w, boot), deadline_s(w, REPEATS_S))
    return replace(boot, deadline=max(boot.deadline, w.now + seconds))


def _node(w: Work, node: Node) -> None:
    boot = node.boot
    if boot is not None:
        again = boot.ordered and (boot.signal is Signal.OPENED or (boot.signal is Signal.POWERED and by_agent(w, node, boot)))
        boot = renewed(w, boot, again)
        w.put_node(replace(node, boot=boot))
        w.wake(boot.deadline, NodeDue(node.id))
        if again:
            w.order(BootNode(node=node.id, generation=boot.generation, way=boot.way, environment=boot.environment, tries=boot.tries))
    elif node.off is not None:
        if not node.off.done:
            w.order(SetPower(node=node.id, action="soft" if node.off.soft else "off", who=node.off.who))
    elif node.probe:
        w.order(Probe(node=node.id, probe=node.probe))
    elif node.runs and not node.alive:
        w.wake(w.now + pause_s(w, PROBE_AGAIN), NodeDue(node.id))
