"""The operator's verbs on nodes and node roles. Each gets an answer: a receipt that says what it means, or a refusal with its reason.
Both are in the journal with the operator's name."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from ... import reasons
from ...definitions import Json
from ...effects import Accept, Refuse
from ...events import Operate, SetAttribute
from ...model import Deployment, Kind, Node, NodeRole, State, Value
from ...reasons import Reason
from ...requests import Request
from ..boot.ban import ban, ban_mac, unban
from ..hardware import bmc
from ..plan.bind import allocate
from ..plan.chosen import put_role_attributes, rechoose
from ..plan.rebind import rebind
from ..roles import confirm as proofs
from ..roles.attributes import drift, readers
from ..roles.change import change, change_node
from ..roles.death import order_probe
from ..roles.guards import busy
from ..roles.node_moves import NodeMove
from ..roles.outcomes import lost, want_fresh_boot
from ..roles.reopen import reopen
from ..roles.stages import may_enter, stage_index, wanted_stage
from ..roles.transitions import Move, doubtful, move, runs, suspended
from ..roles.typed import misfit
from ..world.view import open_roles
from ..world.work import Work
from . import verbs
from .confirm import confirm
from .forget import forget
from .install import install
from .merge import merge, replace_node, split
from .power import power

DRIFTS = 16
"""Most node roles that are checked for drift, for one receipt."""
Answer = Reason | str
"""A refusal, or a receipt in words."""


def operate(w: Work, event: Operate) -> Reason | None:
    """Carries out a verb. Returns the reason if it is refused; the caller then drops all changes."""
    node, verb = find_node(w, event.node), verbs.find(event.verb, event.role)
    if node is None and verb is not None and verb.strangers:
        done = ban_mac(w, event.node, lift=verb is verbs.UNBAN)
        if done is not None:
            return _answer(w, event.request, done)
    if node is None:
        return _answer(w, event.request, _unknown("node", event.node, _names(w)))
    if event.role:
        role = w.node_roles.get((node.id, event.role))
        if role is None:
            known = [k[1] for k in w.roles_of.get(node.id) or ()]
            return _answer(w, event.request, _unknown(f"role on {node.name} named", event.role, known))
        if verb is None:
            return _answer(w, event.request, _unknown("role verb", event.verb, list(verbs.OF_ROLES)))
        return _answer(w, event.request, ON_ROLES[verb](w, node, role, event.who, event.value))
    if verb is None:
        return _answer(w, event.request, _unknown("node verb", event.verb, list(verbs.OF_NODES)))
    if verb.slow:
        said = power(w, node, event)
        return None if said is None else _answer(w, event.request, said)
    return _answer(w, event.request, ON_NODES[verb](w, node, event.who, event.value))


def set_attribute(w: Work, event: SetAttribute) -> Reason | None:
    """Sets or clears a value in a layer that operators own."""
    known = [*w.catalog.attributes, *_hints(w, event)]
    if event.name not in known:
        return _answer(w, event.request, _unknown("attribute", event.name, known))
    scope = _scope(w, event)
    if isinstance(scope, Reason):
        return _answer(w, event.request, scope)
    definition = w.catalog.attributes.get(event.name)
    if definition is not None and definition.secret:
        return _answer(w, event.request, reasons.secret_value(name=event.name))
    wrong = misfit(definition, event.value) if definition is not None and not event.clear else None
    if wrong is not None:
        return _answer(w, event.request, wrong)
    shown = _shown_scope(w, event)
    layer = "setting" if event.layer == "deployment" else event.layer
    if event.clear:
        old = w.attributes.get((layer, scope, event.name))
        if old is None:
            return _answer(w, event.request, _not_set(w, event, scope, shown))
        w.drop("attributes", old.key)
        _take_up_bmc(w, event.name, scope)
        return _answer(w, event.request, f"{event.name} of {shown} is no longer set{_taken_up(w, old)}")
    value = Value(layer=layer, scope=scope, name=event.name, value=event.value, who=event.who)
    w.put_value(value)
    _take_up_bmc(w, event.name, scope)
    return _answer(w, event.request, f"{event.name} of {shown} is set{_taken_up(w, value)}")


def _take_up_bmc(w: Work, name: str, scope: str) -> None:
    node = w.nodes.get(scope) if name == bmc.ATTRIBUTE else None
    if node is not None:
        bmc.take_up(w, node)


def _not_set(w: Work, event: SetAttribute, scope: str, shown: str) -> Reason:
    """Why there is nothing to clear: the plan sets the value, or nobody does."""
    planned = ("deployment", scope, event.name) if event.layer == "deployment" else ("rule", scope, event.name)
    if planned in w.attributes:
        return reasons.set_by_plan(name=event.name, scope=shown)
    return reasons.unknown_thing(what="value set for", name=event.name, nearest="none")


def _hints(w: Work, event: SetAttribute) -> list[str]:
    """`NETWORK-address` is a hint for the allocation of addresses."""
    return [f"{name}-address" for name in w.plan.networks] if event.layer == "hint" and w.plan is not None else []


def _scope(w: Work, event: SetAttribute) -> str | Reason:
    """The scope by its ids: a deployment, a node, or a node role `NODE/ROLE`."""
    if event.layer == "deployment":
        names = [d.name for d in w.all(Deployment)]
        return event.scope if event.scope in names else _unknown("deployment", event.scope, names)
    name, slash, role = event.scope.partition("/")
    node = find_node(w, name)
    if node is None:
        return _unknown("node", name, _names(w))
    roles = [key[1] for key in w.roles_of.get(node.id) or ()]
    if role not in roles and (slash or event.layer == "role"):
        return _unknown(f"role on {node.name} named", role, roles)
    return f"{node.id}/{role}" if slash else node.id


def _shown_scope(w: Work, event: SetAttribute) -> str:
    name, slash, role = event.scope.partition("/")
    node = find_node(w, name) if event.layer != "deployment" else None
    return event.scope if node is None else f"{role} on {node.name}" if slash else node.name


def _taken_up(w: Work, value: Value) -> str:
    """The consequences, as far as the node roles that read the value show them."""
    keys = readers(w, value)
    again = sum(key in w.stale for key in keys)
    drifting = [key for key in keys[:DRIFTS] if drift(w, w.node_roles[key])]
    told = f"; {again} role{' runs' if again == 1 else 's run'} again" if again else ""
    if drifting:
        told += f"; {drifting[0][1]} is done and differs; only a redeploy changes it"
    return told or ("" if keys or value.layer == "hint" else "; no role of the rack reads it yet")


def find_node(w: Work, name: str) -> Node | None:
    """Finds a node by its name, the first label of it, or its id."""
    found = w.names.get(name) or name
    return w.nodes.get(found)


def _names(w: Work) -> list[str]:
    return [n.name for n in w.all(Node)]


def _unknown(what: str, name: str, known: list[str]) -> Reason:
    near = get_close_matches(name, known, n=3) or sorted(known)[:5]
    return reasons.unknown_thing(what=what, name=name, nearest=", ".join(near) or "none")


def _answer(w: Work, request: Request | None, answer: Answer) -> Reason | None:
    if isinstance(answer, Reason):
        w.order(Refuse(request=request, reason=answer))
        return answer
    w.order(Accept(request=request, message=answer))
    return None


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
        if role.state is State.ERROR or role.retry_at is not None:
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
        choices = rechoose(w, w.plan, [node])
        refused = rebind(w, [w.nodes[node.id]])
        if refused is not None:
            return refused
        put_role_attributes(w, choices)
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
    """Deletes the node. At its next boot it is discovered like any other."""
    if node.id == "admin":
        return reasons.illegal(verb="delete", node=node.name, state="this machine")
    running = busy(w, node)
    if running is not None:
        return running
    forget(w, node)
    return f"{node.name} is deleted"


# -- verbs on node roles -------------------------------------------------------------------------------------------


def _retry_role(w: Work, node: Node, role: NodeRole, who: str, value: Json) -> Answer:
    if role.state is State.TRANSITION:
        return reasons.busy(node=node.name, what=f"{role.role} is running")
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
}
