"""The operator's verbs on nodes and node roles. Each gets an answer: a receipt that says what it means, or a refusal with its reason.
Both are in the journal with the operator's name."""

from __future__ import annotations

from collections.abc import Callable

from ... import reasons
from ...definitions import Json
from ...effects import RemoveKey
from ...events import Operate
from ...model import Kind, Node, NodeRole, State
from ...reasons import Reason
from ..boot.ban import ban, ban_mac, unban
from ..hardware import own_path
from ..plan.bind import allocate, bind_wanted
from ..plan.chosen import rechoose
from ..roles import confirm as proofs
from ..roles.change import change, change_node
from ..roles.death import order_probe
from ..roles.guards import busy
from ..roles.node_moves import NodeMove
from ..roles.outcomes import lost, want_fresh_boot
from ..roles.reopen import reopen
from ..roles.stages import may_enter, stage_index, wanted_stage
from ..roles.transitions import Move, doubtful, move, runs, suspended
from ..roles.watch import mendable
from ..world.view import open_roles
from ..world.work import Work
from . import light, verbs
from .acknowledge import acknowledge
from .answers import Answer, answer, find_node, node_names, unknown
from .confirm import confirm
from .forget import forget
from .install import install
from .merge import merge, replace_node, split
from .power import power


def operate(w: Work, event: Operate) -> Reason | None:
    """Carries out a verb. Returns the reason if it is refused; the caller then drops all changes."""
    node, verb = find_node(w, event.node), verbs.find(event.verb, event.role)
    if node is None and verb is not None and verb.strangers:
        done = ban_mac(w, event.node, lift=verb is verbs.UNBAN)
        if done is not None:
            return answer(w, event.request, done)
    if node is None:
        return answer(w, event.request, unknown("node", event.node, node_names(w)))
    if event.role:
        role = w.node_roles.get((node.id, event.role))
        if role is None:
            known = [k[1] for k in w.roles_of.get(node.id) or ()]
            return answer(w, event.request, unknown(f"role on {node.name} named", event.role, known))
        if verb is None:
            return answer(w, event.request, unknown("role verb", event.verb, list(verbs.OF_ROLES)))
        definition = w.catalog.roles.get(role.role)
        cut = own_path.refusal(w, node, f"{verb.name} {role.role}") if verb.cuts and definition and definition.destructive else None
        return answer(w, event.request, cut or ON_ROLES[verb](w, node, role, event.who, event.value))
    if verb is None:
        return answer(w, event.request, unknown("node verb", event.verb, list(verbs.OF_NODES)))
    cut = _cuts(w, node, verb, event.value)
    if cut is not None:
        return answer(w, event.request, cut)
    if verb.slow:
        said = power(w, node, event)
        return None if said is None else answer(w, event.request, said)
    return answer(w, event.request, ON_NODES[verb](w, node, event.who, event.value))


def _cuts(w: Work, node: Node, verb: verbs.Verb, value: Json) -> Reason | None:
    """Why the verb is refused for what the engine's own path needs. The admin node's own record has its own refusals."""
    if not verb.cuts or node.kind is Kind.ADMIN:
        return None
    if verb is not verbs.POWER:
        return own_path.refusal(w, node, verb.name)
    action = value.get("action") if isinstance(value, dict) else value
    return None if action in verbs.HARMLESS else own_path.refusal(w, node, f"power {str(action)[:20]}")


# -- verbs on nodes ------------------------------------------------------------------------------------------------


def _allocate(w: Work, node: Node, who: str, value: Json) -> Answer:
    if node.allocated:
        return reasons.illegal(verb="allocate", node=node.name, state="already allocated")
    if wanted_stage(w, node):
        return reasons.illegal(verb="allocate", node=node.name, state="not discovered yet")
    refused = allocate(w, node, who)
    return refused or f"{w.nodes[node.id].name} is allocated"


def _hold(w: Work, node: Node, who: str, value: Json) -> Answer:
    change_node(w, node, NodeMove.HOLD, since=w.at)
    return f"{node.name} is on hold: the engine starts nothing new on it"


def _release(w: Work, node: Node, who: str, value: Json) -> Answer:
    if not node.hold:
        return reasons.illegal(verb="release", node=node.name, state="not on hold")
    change_node(w, node, NodeMove.RELEASE, since=w.at)
    return f"{node.name} is no longer on hold"


def _available(w: Work, node: Node, who: str, value: Json) -> Answer:
    if node.available:
        return f"{node.name} is available"
    node = change_node(w, node, NodeMove.AVAILABLE, notice=node.notice, since=w.at) or node
    reopen(w, node)
    if node.runs and not node.alive:
        order_probe(w, node)
    return f"{node.name} is available"


def _unavailable(w: Work, node: Node, who: str, value: Json) -> Answer:
    change_node(w, node, NodeMove.UNAVAILABLE, since=w.at)
    return f"{node.name} is unavailable: the engine leaves it alone"


def _retry(w: Work, node: Node, who: str, value: Json) -> Answer:
    """Clears a problem and errors, and tries again."""
    again = 0
    if node.problem is not None:
        node = change_node(w, node, NodeMove.RETRY, since=w.at) or node
        again += 1
    for key in w.roles_of.get(node.id) or ():
        role = w.node_roles[key]
        if role.state is State.ERROR or role.retry_at is not None or mendable(role, w.catalog.roles.get(role.role)):
            _retry_role(w, node, role, who, None)
            again += 1
    again += proofs.retry(w, w.nodes[node.id])
    return f"the engine tries {node.name} again" if again else reasons.illegal(verb="retry", node=node.name, state="not failed")


def _approve(w: Work, node: Node, who: str, value: Json) -> Answer:
    """Approves what the node's committed destructive roles will destroy, and a move backward."""
    names = []
    for key in w.roles_of.get(node.id) or ():
        role = w.node_roles[key]
        definition = w.catalog.roles.get(role.role)
        if definition is not None and definition.destructive and role.state is not State.ACTIVE and not role.approved:
            change(w, role, Move.APPROVE, approved=who)
            names.append(role.role)
    wanted = wanted_stage(w, node)
    barred = may_enter(w, node, wanted) if wanted else None
    if barred is not None and barred.code == "backward":
        change_node(w, w.nodes[node.id], NodeMove.GO_BACK, backward=True)
        names.append(f"going back to stage {wanted}")
    if not names:
        return reasons.illegal(verb="approve", node=node.name, state="not waiting for an approval")
    return f"approved on {node.name}: {', '.join(names)}"


def _reset(w: Work, node: Node, who: str, value: Json) -> Answer:
    """Discovers again: all roles of the first stage run again, after a fresh boot of sledgehammer."""
    first = w.catalog.stages[0].name
    return _run_again(w, node, who, "reset", lambda stage: stage == first) or f"the engine discovers {node.name} again"


def _reinstall(w: Work, node: Node, who: str, value: Json) -> Answer:
    """All roles of the install stage and of later stages run again. The order approves what they destroy."""
    stages = [s.name for s in w.catalog.stages]
    install = next((i for i, s in enumerate(stages) if s == "install"), len(stages) - 1)
    answer = _run_again(w, node, who, "reinstall", lambda stage: (stage_index(w, stage) or 0) >= install)
    return answer or f"the engine installs {node.name} again"


def _redeploy(w: Work, node: Node, who: str, value: Json) -> Answer:
    """Everything but discovery runs again, including destructive roles."""
    first = w.catalog.stages[0].name
    return _run_again(w, node, who, "redeploy", lambda stage: stage != first) or f"the engine runs the roles of {node.name} again"


def _run_again(w: Work, node: Node, who: str, verb: str, chosen: Callable[[str], bool]) -> Reason | None:
    if node.kind is not Kind.SERVER:
        return reasons.illegal(verb=verb, node=node.name, state="not a server")
    if verb != "reset" and not node.allocated:
        return reasons.illegal(verb=verb, node=node.name, state="not allocated")
    if node.boot is not None:
        return reasons.busy(node=node.name, what="it is booting")
    running = busy(w, node)
    if running is not None:
        return running
    if verb != "reset" and w.plan is not None:
        rechoose(w, w.plan, [node])
        refused = bind_wanted(w, w.nodes[node.id])
        if refused is not None:
            return refused
    for key in w.roles_of.get(node.id) or ():
        role = w.node_roles[key]
        definition = w.catalog.roles.get(role.role)
        if definition is None or role.state is State.PROPOSED or role.role in w.catalog.left_out:
            continue
        if chosen(definition.stage):
            _fresh(w, role, who if definition.destructive else role.approved)
    _forget_attempts(w, node)
    node = w.nodes[node.id]
    change_node(w, node, NodeMove.RERUN, backward=_goes_back(w, node))
    want_fresh_boot(w, node.id)
    return None


def _forget_attempts(w: Work, node: Node) -> None:
    """A fresh boot ends what is suspended on the node; `verify` tells what became of it."""
    for role in open_roles(w, node.id):
        definition = w.catalog.roles.get(role.role)
        if definition is not None:
            lost(w, role, definition)


def _goes_back(w: Work, node: Node) -> bool:
    """An order to run a role of an earlier stage again approves the way back to it."""
    wanted = wanted_stage(w, node)
    return bool(wanted) and (stage_index(w, wanted) or 0) < (stage_index(w, node.stage) or 0)


def _fresh(w: Work, role: NodeRole, approved: str) -> None:
    """Resets the node role as if it had never run. Late outcomes of its old attempt are recognised by their id."""
    change(w, role, Move.REDEPLOY, approved=approved, since=w.at)


def _delete(w: Work, node: Node, who: str, value: Json) -> Answer:
    """Deletes the node. At its next boot it is discovered like any other. A joined machine is let go."""
    if node.id == "admin":
        return reasons.illegal(verb="delete", node=node.name, state="this machine")
    running = busy(w, node)
    if running is not None:
        return running
    if light.stays_on(node):
        return reasons.light_on(node=node.name)
    forget(w, node)
    if node.kind is not Kind.JOINED:
        return f"{node.name} is deleted"
    w.order(RemoveKey(node=node.id, name=node.name, address=node.address, port=node.ssh_port, host_key=node.host_key))
    return f"{node.name} is deleted; the engine removes its key from {node.address}, if it can be reached"


# -- verbs on node roles -------------------------------------------------------------------------------------------


def _retry_role(w: Work, node: Node, role: NodeRole, who: str, value: Json) -> Answer:
    if role.state is State.TRANSITION:
        return reasons.busy(node=node.name, what=f"{role.role} is running")
    if mendable(role, w.catalog.roles.get(role.role)):
        change(w, role, Move.MEND, since=w.at)
        return f"the engine runs {role.role} on {node.name} again"
    if role.state is not State.ERROR and role.retry_at is None and not doubtful(role):
        return reasons.illegal(verb=f"retry {role.role}", node=node.name, state=f"in state {role.state.value}")
    unverifiable = doubtful(role) and not w.catalog.roles[role.role].verify
    new = move(role, Move.RUN_ANYWAY if unverifiable else Move.RETRY, {"since": w.at})
    if isinstance(new, Reason):
        return new
    w.put_role(new)
    return f"the engine tries {role.role} on {node.name} again"


def _skip_role(w: Work, node: Node, role: NodeRole, who: str, value: Json) -> Answer:
    if runs(role):
        return reasons.busy(node=node.name, what=f"{role.role} is running")
    if suspended(role):
        want_fresh_boot(w, node.id)  # it may still run there
    new = move(role, Move.SKIP, {"since": w.at})
    if isinstance(new, Reason):
        return new
    w.put_role(new)
    return f"{role.role} on {node.name} is skipped; roles that need it continue"


def _approve_role(w: Work, node: Node, role: NodeRole, who: str, value: Json) -> Answer:
    definition = w.catalog.roles.get(role.role)
    if definition is None or not definition.destructive or role.state is State.ACTIVE:
        return reasons.illegal(verb=f"approve {role.role}", node=node.name, state="not waiting for an approval of this role")
    change(w, role, Move.APPROVE, approved=who)
    return f"{role.role} on {node.name} is approved"


def _validate_role(w: Work, node: Node, role: NodeRole, who: str, value: Json) -> Answer:
    definition = w.catalog.roles.get(role.role)
    if definition is None or not definition.validates:
        return reasons.proves_nothing(role=role.role)
    if node.kind is Kind.SERVER and (stage_index(w, definition.stage) or 0) < (stage_index(w, node.stage) or 0):
        return reasons.proves_earlier(role=role.role, node=node.name, stage=definition.stage, present=node.stage)
    if runs(role):
        return reasons.busy(node=node.name, what=f"{role.role} is running")
    new = move(role, Move.PROVE, {"since": w.at})
    if isinstance(new, Reason):
        return new
    w.put_role(new)
    return f"the engine runs {role.role} on {node.name} again"


def _redeploy_role(w: Work, node: Node, role: NodeRole, who: str, value: Json) -> Answer:
    if node.boot is not None:
        return reasons.busy(node=node.name, what="it is booting")
    running = busy(w, node)
    if running is not None:
        return running
    definition = w.catalog.roles.get(role.role)
    destructive = definition is not None and definition.destructive
    _fresh(w, role, who if destructive else role.approved)
    _forget_attempts(w, node)
    if node.kind is Kind.SERVER:
        change_node(w, w.nodes[node.id], NodeMove.GO_BACK, backward=_goes_back(w, node))
        want_fresh_boot(w, node.id)
    return f"the engine runs {role.role} on {node.name} again"


ON_NODES: dict[verbs.Verb, Callable[[Work, Node, str, Json], Answer]] = {
    verbs.ACKNOWLEDGE: acknowledge,
    verbs.ALLOCATE: _allocate,
    verbs.APPROVE: _approve,
    verbs.AVAILABLE: _available,
    verbs.BAN: ban,
    verbs.CONFIRM: confirm,
    verbs.DELETE: _delete,
    verbs.HOLD: _hold,
    verbs.INSTALL: install,
    verbs.MERGE: merge,
    verbs.REDEPLOY: _redeploy,
    verbs.REINSTALL: _reinstall,
    verbs.RELEASE: _release,
    verbs.REPLACE: replace_node,
    verbs.RESET: _reset,
    verbs.RETRY: _retry,
    verbs.SPLIT: split,
    verbs.UNAVAILABLE: _unavailable,
    verbs.UNBAN: unban,
}
ON_ROLES: dict[verbs.Verb, Callable[[Work, Node, NodeRole, str, Json], Answer]] = {
    verbs.APPROVE_ROLE: _approve_role,
    verbs.REDEPLOY_ROLE: _redeploy_role,
    verbs.RETRY_ROLE: _retry_role,
    verbs.SKIP_ROLE: _skip_role,
    verbs.VALIDATE_ROLE: _validate_role,
}
