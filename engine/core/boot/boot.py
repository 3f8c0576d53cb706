"""Boots: how a machine gets from power to a hello, the last signal on that way, and what happens if the next signal does not come.

A boot is opened by a power order, or by the word of the system that ends. The ROM's retries, iPXE's DHCP and the kernel's own DHCP belong
to it. A request from a boot ROM that no open boot expects is a rumour (`rumour`). Each way has its own list of expected signals with
deadlines. When a deadline passes, the engine repeats the power order (with a new generation, so that it recognises a late answer to the
old one), a limited number of times. Then the node has a problem.

Anybody on the network can send the packets of a boot in a machine's name. So they tell where a boot is, and bring no power order nearer
and none further away: deadlines count from the boot's beginning, as if each step took all of its time. With `trust: network` each packet
counts by itself, so that a loader that hangs is found sooner.

Before a hello a boot may belong to a sighting. Its deadline then gives a reason, not a power order, because nobody knows whose power
button that would be.
"""

from __future__ import annotations

from msgspec.structs import replace

from ... import reasons
from ...effects import BootNode
from ...events import NodeDue, SightingDue
from ...model import Boot, Intent, Node, Sighting, Signal, Way
from ...reasons import Reason
from ..roles.change import change_node
from ..roles.death import unresolved
from ..roles.node_moves import NodeMove
from ..roles.stages import DISCOVERY, over_network, stage_named
from ..world.view import View
from ..world.work import Work
from . import loaders
from .signals import ORDER, believed, by, expected_next, whole, within

TRIES = 3
"""Power orders for one boot before the node has a problem."""

POWER = frozenset({"no_power", "power_failed", "refused"})
"""Reasons of power orders. A refusal of the machine itself explains more."""


def opened(w: Work, generation: int, way: Way, environment: str, ordered: bool, tries: int = 1) -> Boot:
    boot = Boot(generation=generation, way=way, environment=environment, ordered=ordered, at=w.at, since=w.now, deadline=0.0, tries=tries)
    return replace(boot, deadline=w.now + within(w, boot))


def order_boot(w: Work, node: Node, environment: str, way: Way, tries: int = 1, failure: Reason | None = None) -> None:
    """Opens a boot by a power order. The order leaves after the commit, so the intent always exists before the machine asks.
    `failure`: the obstacle of the boot that this one repeats.

    The intent is fresh only if the caller asked for a fresh boot. Otherwise a node that turns out to run the right environment is
    left alone."""
    generation = node.intent.generation + 1
    boot = replace(opened(w, generation, way, environment, ordered=True, tries=tries), failure=failure)
    intent = Intent(environment=environment, generation=generation, fresh=node.intent.fresh)
    if _await(w, node, NodeMove.BOOT, boot, intent) is None:
        return
    w.order(BootNode(node=node.id, generation=generation, way=way, environment=environment, tries=tries))


def open_generation(view: View, node: str) -> int:
    """Generation of the node's open boot; 0: none is open."""
    found = view.nodes.get(node)
    return found.boot.generation if found is not None and found.boot is not None else 0


def firmware_way(view: View, environment: str) -> Way:
    """How firmware gets to that environment."""
    if environment == DISCOVERY:
        return Way.NETWORK
    return Way.INSTALLER if over_network(view, environment) else Way.DISK


def unexpected(w: Work, node: Node, environment: str) -> None:
    """The system that runs says that it ends, and no boot is open. Opens a boot that nobody ordered."""
    generation = node.intent.generation + 1
    boot = opened(w, generation, firmware_way(w, environment), environment, ordered=False)
    _await(w, node, NodeMove.BOOT_SEEN, boot, replace(node.intent, environment=environment, generation=generation))


def _await(w: Work, node: Node, kind: NodeMove, boot: Boot, intent: Intent) -> Node | None:
    """Records that the node runs nothing until this boot's hello."""
    last_sign = w.now if node.alive else node.last_sign
    new = change_node(w, node, kind, boot=boot, intent=intent, signal_at=w.at, since=w.at, last_sign=last_sign)
    if new is not None:
        w.wake(boot.deadline, NodeDue(node.id))
    return new


def seen(w: Work, boot: Boot, signal: Signal, proven: bool = True) -> Boot:
    """The boot after a signal. A signal of a later stage is accepted whatever came between. An earlier one means that the machine
    started over by itself; if that is `proven`, it counts as a try, so that a loop ends. Else the boot's last deadline ends it."""
    again = signal is Signal.DHCP and ORDER[boot.signal] >= ORDER[Signal.SCRIPT]
    if ORDER[signal] <= ORDER[boot.signal] and not again:
        return boot
    new = replace(boot, signal=signal, at=w.at, tries=boot.tries + 1 if again and proven else boot.tries, failure=None)
    if proven or not boot.since:
        return replace(new, deadline=w.now + within(w, new))
    return replace(new, deadline=max(boot.deadline, boot.since + whole(w, boot.way) if again else by(w, new)))


def restarted(w: Work, boot: Boot | None, proven: bool = True) -> Boot | None:
    """The boot set back to its beginning, for firmware that starts over with another loader. There are few loaders, so this ends."""
    if boot is None:
        return None
    new = replace(boot, signal=Signal.POWERED, at=w.at)
    return replace(new, deadline=w.now + within(w, new) if proven else boot.deadline)


def node_signal(w: Work, node: Node, signal: Signal) -> Node:
    """Records a signal of a node's open boot. Returns the node after it."""
    if node.boot is None:
        return node
    boot = seen(w, node.boot, signal, believed(w, signal))
    if boot is node.boot:
        return node
    new = replace(node, boot=boot, signal=boot.signal, signal_at=w.at, last_sign=w.now if signal is not Signal.POWERED else node.last_sign)
    w.put_node(new)
    if boot.tries > TRIES and boot.tries > node.boot.tries:
        _give_up(w, new, boot)
        return w.nodes[node.id]
    w.wake(boot.deadline, NodeDue(node.id))
    return new


def failed(boot: Boot | None, why: Reason) -> Boot | None:
    """The boot with an obstacle, which is reported instead of the missing signal when the deadline has passed."""
    return replace(boot, failure=why) if boot is not None else None


def powered(w: Work, node: Node, generation: int, failure: reasons.Reason | None) -> None:
    """A power order was read back, or failed. Ignores one for an older boot, and a failure of a repeated order that the machine has
    already obeyed."""
    boot = node.boot
    if boot is None or boot.generation != generation:
        return
    if failure is None:
        if boot.failure is not None:
            w.put_node(node := replace(node, boot=replace(boot, failure=None)))
        node_signal(w, node, Signal.POWERED)
        return
    if boot.signal is not Signal.OPENED:
        return
    if boot.failure is None or boot.failure.code in POWER or failure.code not in POWER:
        w.put_node(replace(node, boot=replace(boot, failure=failure)))
    # The next try comes with the deadline: a BMC that is asked again at once gives the same answer.


def deadline(w: Work, node: Node) -> None:
    """A wake of the node has come: if its boot's deadline has passed, tries again or gives up."""
    boot = node.boot
    if boot is None or boot.deadline > w.now or not node.available:
        return  # an unavailable node is examined when it is available again
    until = unresolved(w, node)
    if until is not None:
        w.put_node(replace(node, boot=replace(boot, deadline=until)))
        w.wake(until, NodeDue(node.id))
        return
    if loaders.hung(w, boot):
        node = loaders.node_next(w, node, boot)
    if not may_cycle(w, node, boot):
        _give_up(w, node, boot)
        return
    # A machine that did not come back by itself gets a way that needs nothing of the running system.
    way = Way.DISK if boot.way in (Way.KEXEC, Way.OWN) else boot.way
    order_boot(w, node, boot.environment, way, tries=boot.tries + 1, failure=boot.failure)


def may_cycle(view: View, node: Node, boot: Boot) -> bool:
    """True if the engine may give another power order for this boot of the node."""
    stage = stage_named(view, node.stage)
    ours = boot.ordered or (node.problem is None and stage is not None and stage.power_cycle)
    return ours and node.available and boot.tries < TRIES


def _give_up(w: Work, node: Node, boot: Boot) -> None:
    signal, _ = expected_next(boot)
    reason = boot.failure or reasons.boot_timeout(
        expected=signal.value, seconds=within(w, boot), signal=boot.signal.value, tries=boot.tries
    )
    change_node(w, node, NodeMove.GIVE_UP, problem=reason, since=w.at, last_sign=w.now if node.alive else node.last_sign)


# -- sightings -----------------------------------------------------------------------------------------------------


def sighting_signal(w: Work, sighting: Sighting, signal: Signal) -> Sighting:
    """The same for a machine without identity."""
    boot = sighting.boot or opened(w, 1, Way.NETWORK, DISCOVERY, ordered=False)
    boot = seen(w, boot, signal)
    told = sighting.reason if loaders.stands(boot, sighting.loaders_failed) else None
    new = replace(sighting, boot=boot, last=w.at, last_sign=w.now, reason=told)
    w.put_sighting(new)
    w.wake(boot.deadline, SightingDue(sighting.mac))
    return new


def sighting_deadline(w: Work, sighting: Sighting) -> None:
    """The next signal did not come: records that on the sighting."""
    boot = sighting.boot
    if boot is None or sighting.node or boot.deadline > w.now:
        return
    signal, _ = expected_next(boot)
    waits = reasons.sighting_waits(mac=sighting.mac, signal=boot.signal.value, expected=signal.value, seconds=within(w, boot))
    if loaders.hung(w, boot):
        if not loaders.stands(boot, sighting.loaders_failed):  # otherwise the sighting already says what to do
            loaders.sighting_next(w, sighting, boot)
        return
    w.put_sighting(replace(sighting, reason=boot.failure or waits))
