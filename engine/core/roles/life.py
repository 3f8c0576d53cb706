"""The life-cycle: the only code that moves a node from stage to stage and orders its boots.

It looks at a node whenever something about it changed. It acts only if nothing is in transition or suspended on the node, no boot is
open, and the node is available, not held and without a problem. Nothing reboots without need: a stage names a suitable environment, and
a node that runs it stays as it is, unless something asked for a fresh boot (a role's reboot, a redeploy, a reinstall).
"""

from __future__ import annotations

from msgspec.structs import replace

from ... import reasons
from ...effects import Ignore, SetPower
from ...events import Bye, Missed, NodeDue, Probed
from ...model import Kind, Node, Way
from ..boot import rumour
from ..boot.boot import deadline, firmware_way, order_boot, unexpected
from ..boot.patience import pause_s
from ..hardware.bmc import usable
from ..hardware.outlets import by_outlet
from ..world.view import View
from ..world.work import Work
from .change import change_node
from .claims import trusted
from .death import MISSES, PROBE_AGAIN, order_probe, suspend, unresolved
from .derive import committed
from .guards import node_holder
from .node_moves import NodeMove
from .stages import DISCOVERY, environment_of, may_enter, over_network, stage_index, stage_named, wanted_stage
from .transitions import suspended


def advance(w: Work, node_id: str) -> None:
    """Moves the node one step further, if it can and must."""
    node = w.nodes.get(node_id)
    if node is None or node.kind is not Kind.SERVER or not node.stage:
        return
    if node.boot is not None or node.problem is not None or node.hold or node.off is not None or not node.available:
        return
    holder = node_holder(w, node_id)
    if holder is not None:
        if suspended(holder):
            _bring_back(w, node)
        return
    wanted = wanted_stage(w, node) or _home(w, node)
    if not wanted:
        if node.intent.fresh:
            _boot(w, node, environment_of(w, node, node.stage))
        return
    if wanted != node.stage and may_enter(w, node, wanted) is not None:
        if not node.intent.fresh and not has_work(w, node):
            return
        wanted = node.stage  # meanwhile the present stage continues
    if wanted != node.stage:
        backward = node.backward and not _back(w, node.stage, wanted)
        entered = change_node(w, node, NodeMove.ENTER, stage=wanted, backward=backward, since=w.at)
        if entered is None:
            return
        node = entered
    needs = environment_of(w, node, wanted)
    if not needs:
        return
    if node.intent.fresh or node.runs != needs:
        _boot(w, node, needs)
    elif node.runs == needs and not node.alive:
        _recover(w, node)


def _home(w: Work, node: Node) -> str:
    """For a node that went back to an earlier stage (reset) and has nothing left to do: the latest stage in which it has roles.
    Empty: it is there."""
    here = best = stage_index(w, node.stage) or 0
    for key in w.roles_of.get(node.id) or ():
        definition = w.catalog.roles.get(key[1])
        if definition is not None and committed(w.node_roles[key]):
            best = max(best, stage_index(w, definition.stage) or 0)
    return w.catalog.stages[best].name if best > here else ""


def has_work(w: Work, node: Node) -> bool:
    """True if a committed node role of the present stage is not done."""
    definitions = (w.catalog.roles.get(key[1]) for key in w.undone.get(node.id) or ())
    return any(definition is not None and definition.stage == node.stage for definition in definitions)


def _bring_back(w: Work, node: Node) -> None:
    """A suspended attempt waits for its node: boots it if it came up in another environment, or is known to be off. Otherwise the
    attempt is lost."""
    needs = environment_of(w, node, node.stage)
    if needs and node.runs != needs:
        until = None if trusted(w, node) else unresolved(w, node)
        if until is not None:
            w.wake(until, NodeDue(node.id))
        else:
            _boot(w, node, needs)
    elif not node.alive:
        _recover(w, node)


def _back(w: Work, here: str, there: str) -> bool:
    return (stage_index(w, there) or 0) < (stage_index(w, here) or 0)


def _boot(w: Work, node: Node, environment: str) -> None:
    order_boot(w, node, environment, way_to(w, node, environment))


def way_to(view: View, node: Node, environment: str) -> Way:
    """Sledgehammer and installers come over the network. An installed system starts by kexec if the node runs sledgehammer and can,
    by the installer's own reboot at its end, and otherwise from disk."""
    way = firmware_way(view, environment)
    if way is Way.DISK and node.alive and over_network(view, node.runs):
        if node.runs != DISCOVERY:
            return Way.OWN
        return Way.KEXEC if node.kexec else Way.DISK
    return way


def _recover(w: Work, node: Node) -> None:
    """The node is lost. Before the system stage the engine may power-cycle it, but never while a destructive attempt is unresolved."""
    stage = stage_named(w, node.stage)
    if stage is None or not stage.power_cycle or node.missed < MISSES:
        return
    until = max(filter(None, (unresolved(w, node), rumour.coming(w, node))), default=None)
    if until is not None:
        w.wake(until, NodeDue(node.id))
        return
    environment = environment_of(w, node, node.stage)
    order_boot(w, node, environment, firmware_way(w, environment))


def _ask_power(w: Work, node: Node) -> None:
    """For a lost node that may not be power-cycled (yet): asks whether its power is on. It may be cut off from us and still work."""
    stage = stage_named(w, node.stage)
    if (usable(w, node) is None and not by_outlet(w, node)) or node.kind is not Kind.SERVER or node.problem is not None or stage is None:
        return
    if not stage.power_cycle or unresolved(w, node) is not None:
        w.order(SetPower(node=node.id, action="status", who="engine"))


def found_off(w: Work, node: Node) -> None:
    """The BMC reports that a lost node is off, so nothing runs there. The engine powers it on again if it may; otherwise a person
    has to."""
    stage = stage_named(w, node.stage)
    if node.alive or node.boot is not None or node.off is not None or node.problem is not None or node.missed < MISSES:
        return
    if node.kind is not Kind.SERVER or not node.available or node.hold or stage is None:
        return
    if stage.power_cycle:
        environment = environment_of(w, node, node.stage)
        order_boot(w, node, environment, firmware_way(w, environment))
    else:
        change_node(w, node, NodeMove.FOUND_OFF, problem=reasons.found_off(node=node.name), since=w.at)


def missed(w: Work, event: Missed) -> None:
    node = w.nodes.get(event.node)
    if node is not None and node.alive:
        if event.asked and not node.missed:
            w.put_node(node := replace(node, missed=1))
        order_probe(w, node)


def probed(w: Work, event: Probed) -> None:
    """The answer of a probe. Only the present probe counts. A node is dead after MISSES in a row."""
    node = w.nodes.get(event.node)
    if node is None or node.probe != event.probe:
        return
    if event.alive:
        rumour.denied(w, node.id)
        node = w.nodes[node.id]
        other = node.kind is Kind.JOINED and event.boot_id not in ("", node.boot_id)
        if other:  # it rebooted, and nothing else tells that
            suspend(w, node.id)
            node = w.nodes[node.id]
        change_node(
            w,
            node,
            NodeMove.ANSWER,
            boot_id=event.boot_id if other else node.boot_id,
            since=node.since if node.alive and not other else w.at,
        )
        return
    # Beyond MISSES nothing follows from the count, and repeated questions to a lost node are no news.
    node = replace(node, probe=0, missed=min(node.missed + 1, MISSES))
    w.put_node(node)
    if node.missed < MISSES:
        order_probe(w, node)
        return
    if node.alive:
        change_node(w, node, NodeMove.SILENT, since=w.at, last_sign=w.now)
        suspend(w, node.id)
    w.touch_node(node.id)  # it may have been too early for a power cycle before
    _ask_power(w, w.nodes[node.id])
    w.wake(w.now + pause_s(w, PROBE_AGAIN), NodeDue(node.id))


def tick(w: Work, node: Node) -> None:
    """A wake of this node has come: a boot's deadline, or the time to ask a lost node again."""
    if node.boot is not None:
        deadline(w, node)
        return
    if node.rumour is not None:
        rumour.due(w, node)
    if node.runs and not node.alive:
        order_probe(w, w.nodes[node.id])
    else:
        w.touch_node(node.id)


def bye(w: Work, event: Bye) -> None:
    """The environment shuts down in order: known at once, without probes."""
    node = w.nodes.get(event.node)
    if node is None:
        return
    if node.boot_id != event.boot_id:
        w.order(Ignore(reason=reasons.old_boot()))
        return
    if node.boot is not None or not node.runs or node.off is not None:
        return
    node = replace(node, last_sign=w.now, notice=reasons.died(environment=node.runs))
    unexpected(w, node, environment_of(w, node, node.stage) or DISCOVERY)
    suspend(w, node.id)
