"""Boots: how a machine gets from power to a hello, what was last seen of it, and what happens when the next signal does not come.

A boot is opened by a power order, or by a request from a boot ROM that no open boot expects. The ROM's retries, iPXE's and the
kernel's own DHCP belong to it. Each way has its own list of expected signals with deadlines; when one passes, the power
order is given again (new generation, so that a late answer to the old one is recognised), a bounded number of times,
and then the node has a problem.

Before a hello a boot may belong to a sighting: its deadline then gives a reason, not a power action, because nobody knows
whose power button that would be.
"""

from __future__ import annotations

from msgspec.structs import replace

from .. import reasons
from ..effects import BootNode
from ..model import Boot, Intent, Node, Sighting, Signal, Way
from ..reasons import Reason
from . import loaders
from .patience import deadline_s
from .stages import DISCOVERY, over_network, stage_named
from .work import Work
from .world import View

SIGNALS: dict[Way, tuple[tuple[Signal, float], ...]] = {
    Way.NETWORK: (
        (Signal.POWERED, 60.0),
        (Signal.DHCP, 420.0),  # memory training and option ROMs of a large server take up to seven minutes
        (Signal.LOADER, 120.0),  # a megabyte block by block over a line that loses every fifth packet takes most of it
        (Signal.SCRIPT, 60.0),
        (Signal.KERNEL, 300.0),
        (Signal.HELLO, 300.0),
    ),
    Way.INSTALLER: (
        (Signal.POWERED, 60.0),
        (Signal.DHCP, 420.0),
        (Signal.LOADER, 120.0),
        (Signal.SCRIPT, 60.0),
        (Signal.KERNEL, 300.0),
        (Signal.ANSWERS, 900.0),  # some installers fetch a gigabyte of themselves first
        (Signal.HELLO, 300.0),
    ),
    Way.DISK: ((Signal.POWERED, 60.0), (Signal.HELLO, 900.0)),
    Way.KEXEC: ((Signal.POWERED, 60.0), (Signal.HELLO, 300.0)),
    Way.OWN: ((Signal.POWERED, 60.0), (Signal.HELLO, 900.0)),
}
"""Way -> what comes, in this order, and within how many seconds after the one before, at a patience of 1."""

TRIES = 3
"""Power orders for one boot before the node has a problem."""

_ORDER = {signal: i for i, signal in enumerate(Signal)}


def expected_next(boot: Boot) -> tuple[Signal, float]:
    """The next signal and the seconds within which it must come. Nobody says `powered` of a boot that was not ordered."""
    for signal, seconds in SIGNALS[boot.way]:
        if _ORDER[signal] > _ORDER[boot.signal] and (boot.ordered or signal is not Signal.POWERED):
            return signal, seconds
    return Signal.HELLO, SIGNALS[boot.way][-1][1]


def expected(boot: Boot) -> str:
    return expected_next(boot)[0].value


def opened(w: Work, generation: int, way: Way, environment: str, ordered: bool, tries: int = 1) -> Boot:
    boot = Boot(generation=generation, way=way, environment=environment, ordered=ordered, at=w.at, deadline=0.0, tries=tries)
    return replace(boot, deadline=w.now + within(w, boot))


def within(view: View, boot: Boot) -> float:
    """Seconds within which the next expected signal must come here."""
    return deadline_s(view, expected_next(boot)[1])


def order_boot(w: Work, node: Node, environment: str, way: Way, tries: int = 1) -> None:
    """Open a boot by a power order. The order leaves after the commit, so the intent is always there before the machine asks.

    Only who asked for a fresh boot makes the intent fresh: else a node that turns out to run the right environment is left as it is."""
    generation = node.intent.generation + 1
    boot = opened(w, generation, way, environment, ordered=True, tries=tries)
    _await(w, node, boot, Intent(environment=environment, generation=generation, fresh=node.intent.fresh))
    w.order(BootNode(node=node.id, generation=generation, way=way, environment=environment, tries=tries))


def firmware_way(view: View, environment: str) -> Way:
    """How firmware gets to that environment."""
    if environment == DISCOVERY:
        return Way.NETWORK
    return Way.INSTALLER if over_network(view, environment) else Way.DISK


def unexpected(w: Work, node: Node, environment: str) -> Node:
    """It boots and no boot is open: somebody pressed a button, or the machine died. Opens a boot that nobody ordered."""
    generation = node.intent.generation + 1
    boot = opened(w, generation, firmware_way(w, environment), environment, ordered=False)
    return _await(w, node, boot, replace(node.intent, environment=environment, generation=generation))


def _await(w: Work, node: Node, boot: Boot, intent: Intent) -> Node:
    """From now on the node runs nothing until this boot's hello."""
    new = replace(
        node,
        boot=boot,
        intent=intent,
        runs="",
        alive=False,
        off=None,
        probe=0,
        missed=0,
        signal=Signal.OPENED,
        signal_at=w.at,
        since=w.at,
    )
    w.put_node(new)
    w.wake(boot.deadline, node.id)
    return new


def seen(w: Work, boot: Boot, signal: Signal) -> Boot:
    """The boot after a signal. One of a later stage is taken whatever came between; an earlier one means that the machine started
    over by itself, which counts as a try so that a loop ends."""
    again = signal is Signal.DHCP and _ORDER[boot.signal] >= _ORDER[Signal.SCRIPT]
    if _ORDER[signal] <= _ORDER[boot.signal] and not again:
        return boot
    new = replace(boot, signal=signal, at=w.at, tries=boot.tries + 1 if again else boot.tries, failure=None)
    return replace(new, deadline=w.now + within(w, new))


def restarted(w: Work, boot: Boot | None) -> Boot | None:
    """The boot as at its beginning, for a firmware that starts over with another loader. There are few of those, so that it ends."""
    if boot is None:
        return None
    new = replace(boot, signal=Signal.POWERED, at=w.at)
    return replace(new, deadline=w.now + within(w, new))


def node_signal(w: Work, node: Node, signal: Signal) -> Node:
    """Record a signal of a node's open boot; the node as it is now."""
    if node.boot is None:
        return node
    boot = seen(w, node.boot, signal)
    if boot is node.boot:
        return node
    new = replace(node, boot=boot, signal=boot.signal, signal_at=w.at)
    w.put_node(new)
    if boot.tries > TRIES and boot.tries > node.boot.tries:
        _give_up(w, new, boot)
        return w.nodes[node.id]  # type: ignore[no-any-return]
    w.wake(boot.deadline, node.id)
    return new


def failed(boot: Boot | None, why: Reason) -> Boot | None:
    """The boot with what stands in its way: what is told, in place of a signal that is missing, when its deadline has passed."""
    return replace(boot, failure=why) if boot is not None else None


def powered(w: Work, node: Node, generation: int, failure: reasons.Reason | None) -> None:
    """A power order was read back, or failed. One for an older boot says nothing any more."""
    boot = node.boot
    if boot is None or boot.generation != generation:
        return
    if failure is None:
        if boot.failure is not None:
            w.put_node(node := replace(node, boot=replace(boot, failure=None)))
        node_signal(w, node, Signal.POWERED)
        return
    w.put_node(replace(node, boot=replace(boot, failure=failure)))
    # The next try comes with the deadline: a BMC that is asked at once says the same again.


def deadline(w: Work, node: Node) -> None:
    """A wake of the node has come: if its boot's deadline has passed, try again or give up."""
    boot = node.boot
    if boot is None or boot.deadline > w.now or not node.available:
        return  # one that is not available is looked at when it is again
    if loaders.hung(w, boot):
        node = loaders.node_next(w, node, boot)
    if not may_cycle(w, node, boot):
        _give_up(w, node, boot)
        return
    # One that did not come back by itself is followed by a way that needs nothing of the running system.
    way = Way.DISK if boot.way in (Way.KEXEC, Way.OWN) else boot.way
    order_boot(w, node, boot.environment, way, tries=boot.tries + 1)


def may_cycle(view: View, node: Node, boot: Boot) -> bool:
    """May the engine give a power order again for this boot of the node?"""
    stage = stage_named(view, node.stage)
    ours = boot.ordered or (node.problem is None and stage is not None and stage.power_cycle)
    return ours and node.available and boot.tries < TRIES


def _give_up(w: Work, node: Node, boot: Boot) -> None:
    signal, _ = expected_next(boot)
    reason = boot.failure or reasons.boot_timeout(
        expected=signal.value, seconds=within(w, boot), signal=boot.signal.value, tries=boot.tries
    )
    w.put_node(replace(node, boot=None, problem=reason, runs="", alive=False, since=w.at))


# -- sightings -----------------------------------------------------------------------------------------------------


def sighting_signal(w: Work, sighting: Sighting, signal: Signal) -> Sighting:
    """The same for a machine without identity."""
    boot = sighting.boot or opened(w, 1, Way.NETWORK, DISCOVERY, ordered=False)
    boot = seen(w, boot, signal)
    told = sighting.reason if loaders.stands(boot, sighting.loaders_failed) else None
    new = replace(sighting, boot=boot, last=w.at, reason=told)
    w.put_sighting(new)
    w.wake(boot.deadline, sighting.mac)
    return new


def sighting_deadline(w: Work, sighting: Sighting) -> None:
    """Its next signal did not come: say so on the sighting."""
    boot = sighting.boot
    if boot is None or sighting.node or boot.deadline > w.now:
        return
    signal, _ = expected_next(boot)
    waits = reasons.sighting_waits(
        mac=sighting.mac, signal=boot.signal.value, expected=signal.value, seconds=within(w, boot)
    )
    if loaders.hung(w, boot):
        if not loaders.stands(boot, sighting.loaders_failed):  # else it is told already what to do
            loaders.sighting_next(w, sighting, boot)
        return
    w.put_sighting(replace(sighting, reason=boot.failure or waits))
