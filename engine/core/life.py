"""The life-cycle: the only thing that moves a node from stage to stage and orders its boots.

It looks at a node whenever something about it changed, and acts only when nothing is in transition or suspended on it, no boot is open,
and the node is available, not held and without a problem. Nothing reboots without need: a stage names the environment that
will do, and a node that runs it stays as it is, unless a fresh boot was asked for (by a role's reboot, a redeploy, a reinstall).
"""

from __future__ import annotations

from msgspec.structs import replace

from .. import reasons
from ..effects import Ignore, SetPower
from ..events import Bye, Missed, Probed
from ..model import Kind, Node, NodeRole, Way
from .boot import deadline, firmware_way, order_boot, unexpected
from .death import MISSES, PROBE_AGAIN, order_probe, suspend
from .derive import committed, done, suspended
from .patience import pause_s
from .stages import DISCOVERY, environment_of, may_enter, over_network, stage_index, stage_named, wanted_stage
from .work import Work
from .world import View, open_roles


def advance(w: Work, node_id: str) -> None:
    """Take the node one move further, if it can and shall."""
    node: Node | None = w.nodes.get(node_id)
    if node is None or node.kind is not Kind.SERVER or not node.stage:
        return
    if node.boot is not None or node.problem is not None or node.hold or node.off is not None or not node.available:
        return
    in_transition = open_roles(w, node_id)
    if in_transition:
        if all(suspended(r) for r in in_transition):
            _bring_back(w, node)
        return
    wanted = wanted_stage(w, node) or _home(w, node)
    if not wanted:
        if node.intent.fresh:
            _boot(w, node, environment_of(w, node, node.stage))
        return
    if may_enter(w, node, wanted) is not None:
        if not node.intent.fresh and not has_work(w, node):
            return
        wanted = node.stage  # meanwhile the present stage goes on
    if wanted != node.stage:
        node = replace(node, stage=wanted, backward=node.backward and not _back(w, node.stage, wanted), since=w.at)
        w.put_node(node)
    needs = environment_of(w, node, wanted)
    if not needs:
        return
    if node.intent.fresh or node.runs != needs:
        _boot(w, node, needs)
    elif node.runs == needs and not node.alive:
        _recover(w, node)


def _home(w: Work, node: Node) -> str:
    """A node that went back for an earlier stage (reset) and has nothing left to do returns to the latest stage that it has
    roles of; empty: it is there."""
    here = best = stage_index(w, node.stage) or 0
    for key in w.roles_of.get(node.id) or ():
        definition = w.catalog.roles.get(key[1])
        if definition is not None and committed(w.node_roles[key]):
            best = max(best, stage_index(w, definition.stage) or 0)
    return w.catalog.stages[best].name if best > here else ""


def has_work(w: Work, node: Node) -> bool:
    """Is a committed node role of the present stage not done?"""
    for key in w.roles_of.get(node.id) or ():
        role: NodeRole = w.node_roles[key]
        definition = w.catalog.roles.get(role.role)
        if definition is not None and definition.stage == node.stage and committed(role) and not done(w, role):
            return True
    return False


def _bring_back(w: Work, node: Node) -> None:
    """A suspended attempt waits for its node: boot it if it came up in something else, or if it is known to be off; else it is lost."""
    needs = environment_of(w, node, node.stage)
    if needs and node.runs != needs:
        _boot(w, node, needs)
    elif not node.alive:
        _recover(w, node)


def _back(w: Work, here: str, there: str) -> bool:
    return (stage_index(w, there) or 0) < (stage_index(w, here) or 0)


def _boot(w: Work, node: Node, environment: str) -> None:
    order_boot(w, node, environment, way_to(w, node, environment))


def way_to(view: View, node: Node, environment: str) -> Way:
    """Sledgehammer and installers come over the network; an installed system by kexec where the node runs sledgehammer and can, by the
    installer's own reboot where one is at its end, else from disk."""
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
    until = _unresolved(w, node)
    if until is not None:
        w.wake(until, node.id)
        return
    environment = environment_of(w, node, node.stage)
    order_boot(w, node, environment, firmware_way(w, environment))


def _unresolved(w: Work, node: Node) -> float | None:
    """Engine time until which a destructive attempt on the node may still be at work; None: there is none."""
    for role in open_roles(w, node.id):
        definition = w.catalog.roles.get(role.role)
        if definition is not None and definition.destructive and w.now < role.begun + definition.timeout_s:
            return role.begun + definition.timeout_s
    return None


def _ask_power(w: Work, node: Node) -> None:
    """A lost node that may not be power-cycled (yet): is its power on at all? It may be cut off from us and be at work."""
    stage = stage_named(w, node.stage)
    if node.bmc is None or node.kind is not Kind.SERVER or node.problem is not None or stage is None:
        return
    if not stage.power_cycle or _unresolved(w, node) is not None:
        w.order(SetPower(node=node.id, action="status", who="engine"))


def found_off(w: Work, node: Node) -> None:
    """Its BMC says that a lost node is off: nothing is at work there, so it is switched on again where the engine may do that. Where it may
    not, a person has to."""
    stage = stage_named(w, node.stage)
    if node.alive or node.boot is not None or node.off is not None or node.problem is not None or node.missed < MISSES:
        return
    if node.kind is not Kind.SERVER or not node.available or node.hold or stage is None:
        return
    if stage.power_cycle:
        environment = environment_of(w, node, node.stage)
        order_boot(w, node, environment, firmware_way(w, environment))
    else:
        w.put_node(replace(node, problem=reasons.found_off(node=node.name), since=w.at))


def missed(w: Work, event: Missed) -> None:
    node = w.nodes.get(event.node)
    if node is not None and node.alive:
        order_probe(w, node)


def probed(w: Work, event: Probed) -> None:
    """The answer of a probe. Only the present probe counts; a node is dead after MISSES in a row."""
    node: Node | None = w.nodes.get(event.node)
    if node is None or node.probe != event.probe:
        return
    if event.alive:
        w.put_node(replace(node, probe=0, missed=0, alive=True, since=node.since if node.alive else w.at))
        return
    node = replace(node, probe=0, missed=node.missed + 1)
    w.put_node(node)
    if node.missed < MISSES:
        order_probe(w, node)
        return
    if node.alive:
        w.put_node(replace(node, alive=False, since=w.at))
        suspend(w, node.id)
    w.touch_node(node.id)  # it may have been too early to cycle its power before
    _ask_power(w, w.nodes[node.id])
    w.wake(w.now + pause_s(w, PROBE_AGAIN), node.id)


def tick(w: Work, node: Node) -> None:
    """A wake of this node has come: a boot's deadline, or the time to ask a lost node again."""
    if node.boot is not None:
        deadline(w, node)
    elif node.runs and not node.alive:
        order_probe(w, node)
    else:
        w.touch_node(node.id)


def bye(w: Work, event: Bye) -> None:
    """The environment goes down in order: known at once, without probes."""
    node: Node | None = w.nodes.get(event.node)
    if node is None:
        return
    if node.boot_id != event.boot_id:
        w.order(Ignore(reason=reasons.old_boot()))
        return
    if node.boot is not None or not node.runs or node.off is not None:
        return
    node = replace(node, alive=False, notice=reasons.died(environment=node.runs))
    unexpected(w, node, environment_of(w, node, node.stage) or DISCOVERY)
    suspend(w, node.id)


def rom_asked(w: Work, node: Node) -> Node:
    """A boot ROM of this node asks for an address. With no boot open, that is a death seen afterwards."""
    if node.boot is not None:
        return node
    died = bool(node.runs)
    unexpected(w, node, environment_of(w, node, node.stage) or DISCOVERY)
    if died:
        suspend(w, node.id)
    return w.nodes[node.id]  # type: ignore[no-any-return]
