"""The operator's verbs on nodes and node roles. Each is answered: done, with what it means, or refused with its reason; both are in the
journal with who asked.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from msgspec.structs import replace

from .. import reasons
from ..definitions import Json
from ..effects import Accept, Refuse
from ..events import Operate, SetAttribute
from ..model import Kind, Node, NodeRole, State, Value
from ..reasons import Reason
from .attributes import drift, readers
from .ban import ban, ban_mac, unban
from .bind import allocate
from .death import order_probe
from .forget import forget
from .install import install
from .merge import merge, replace_node, split
from .outcomes import lost, want_fresh_boot
from .power_verbs import VERBS as POWER_VERBS
from .power_verbs import power
from .reopen import reopen
from .stages import may_enter, stage_index, wanted_stage
from .typed import misfit
from .work import Work
from .world import open_roles

DRIFTS = 16
"""Most node roles that are asked whether they drift, for a receipt."""
Answer = Reason | str
"""A refusal, or a receipt in words."""


def operate(w: Work, event: Operate) -> Reason | None:
    """Carry out a verb; the reason when it is refused (the caller then drops what was changed)."""
    node = find_node(w, event.node)
    if node is None and event.verb in ("ban", "unban"):
        done = ban_mac(w, event.node, lift=event.verb == "unban")
        if done is not None:
            return _answer(w, event.request, done)
    if node is None:
        return _answer(w, event.request, _unknown("node", event.node, _names(w)))
    if event.verb in POWER_VERBS and not event.role:
        said = power(w, node, event)
        return None if said is None else _answer(w, event.request, said)
    if event.role:
        role = w.node_roles.get((node.id, event.role))
        verb = ROLE_VERBS.get(event.verb)
        if role is None:
            known = [k[1] for k in w.roles_of.get(node.id) or ()]
            return _answer(w, event.request, _unknown(f"role on {node.name} named", event.role, known))
        if verb is None:
            return _answer(w, event.request, _unknown("role verb", event.verb, list(ROLE_VERBS)))
        return _answer(w, event.request, verb(w, node, role, event.who, event.value))
    node_verb = NODE_VERBS.get(event.verb)
    if node_verb is None:
        return _answer(w, event.request, _unknown("node verb", event.verb, [*NODE_VERBS, *POWER_VERBS]))
    return _answer(w, event.request, node_verb(w, node, event.who, event.value))


def set_attribute(w: Work, event: SetAttribute) -> Reason | None:
    """Set or clear a value in a layer that operators own."""
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
    if event.clear:
        if (event.layer, scope, event.name) not in w.attributes:
            return _answer(w, event.request, reasons.unknown_thing(what="value set for", name=event.name, nearest="none"))
        old = w.attributes[(event.layer, scope, event.name)]
        w.drop("attributes", (event.layer, scope, event.name))
        return _answer(w, event.request, f"{event.name} of {shown} is no longer set{_taken_up(w, old)}")
    value = Value(layer=event.layer, scope=scope, name=event.name, value=event.value, who=event.who)
    w.put_value(value)
    return _answer(w, event.request, f"{event.name} of {shown} is set{_taken_up(w, value)}")


def _hints(w: Work, event: SetAttribute) -> list[str]:
    """`NETWORK-address` is a hint for the allocation of addresses."""
    return [f"{name}-address" for name in w.plan.networks] if event.layer == "hint" and w.plan is not None else []


def _scope(w: Work, event: SetAttribute) -> str | Reason:
    """The scope by its ids: a deployment, a node, or a node role `NODE/ROLE`."""
    if event.layer == "deployment":
        names = [d.name for d in w.all("deployments")]
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
    """What comes of it, as far as the node roles that read it can tell."""
    keys = readers(w, value)
    again = sum(key in w.stale for key in keys)
    drifting = [key for key in keys[:DRIFTS] if drift(w, w.node_roles[key])]
    told = f"; {again} role{' runs' if again == 1 else 's run'} again" if again else ""
    if drifting:
        told += f"; {drifting[0][1]} is done and differs: only a redeploy acts on it"
    return told or ("" if keys or value.layer == "hint" else "; no role that is bound reads it")


def find_node(w: Work, name: str) -> Node | None:
    """By name, first label of it, or id."""
    found = w.names.get(name) or name
    return w.nodes.get(found)  # type: ignore[no-any-return]


def _names(w: Work) -> list[str]:
    return [n.name for n in w.all("nodes")]


def _unknown(what: str, name: str, known: list[str]) -> Reason:
    near = get_close_matches(name, known, n=3) or sorted(known)[:5]
    return reasons.unknown_thing(what=what, name=name, nearest=", ".join(near) or "none")


def _answer(w: Work, request: int, answer: Answer) -> Reason | None:
    if isinstance(answer, Reason):
        w.order(Refuse(request=request, reason=answer))
        return answer
    w.order(Accept(request=request, message=answer))
    return None


# -- verbs on nodes ------------------------------------------------------------------------------------------------


def _allocate(w: Work, node: Node, who: str, value: Json) -> Answer:
    if node.allocated:
        return reasons.illegal(verb="allocate", node=node.name, state="allocated already")
    if wanted_stage(w, node):
        return reasons.illegal(verb="allocate", node=node.name, state="not discovered yet")
    refused = allocate(w, node, who)
    return refused or f"{w.nodes[node.id].name} is allocated"


def _hold(w: Work, node: Node, who: str, value: Json) -> Answer:
    w.put_node(replace(node, hold=True, since=w.at))
    return f"{node.name} is on hold: nothing new starts on it"


def _release(w: Work, node: Node, who: str, value: Json) -> Answer:
    if not node.hold:
        return reasons.illegal(verb="release", node=node.name, state="not on hold")
    w.put_node(replace(node, hold=False, since=w.at))
    return f"{node.name} goes on"


def _available(w: Work, node: Node, who: str, value: Json) -> Answer:
    if node.available:
        return f"{node.name} is available"
    node = replace(node, available=True, since=w.at)
    w.put_node(node)
    reopen(w, node)
    if node.runs and not node.alive:
        order_probe(w, node)
    return f"{node.name} is available"


def _unavailable(w: Work, node: Node, who: str, value: Json) -> Answer:
    w.put_node(replace(node, available=False, since=w.at))
    return f"{node.name} is not available: the engine leaves it alone"


def _retry(w: Work, node: Node, who: str, value: Json) -> Answer:
    """Forget a problem and errors, and try again."""
    again = 0
    if node.problem is not None:
        node = replace(node, problem=None, misboots=0, missed=0, since=w.at)
        w.put_node(node)
        again += 1
    for key in w.roles_of.get(node.id) or ():
        role: NodeRole = w.node_roles[key]
        if role.state is State.ERROR or role.retry_at is not None:
            _retry_role(w, node, role, who, None)
            again += 1
    return f"{node.name} is tried again" if again else reasons.illegal(verb="retry", node=node.name, state="not failed")


def _approve(w: Work, node: Node, who: str, value: Json) -> Answer:
    """Approve what the committed destructive roles of the node will destroy, and a move backwards."""
    names = []
    for key in w.roles_of.get(node.id) or ():
        role: NodeRole = w.node_roles[key]
        definition = w.catalog.roles.get(role.role)
        if definition is not None and definition.destructive and role.state is not State.ACTIVE and not role.approved:
            w.put_role(replace(role, approved=who))
            names.append(role.role)
    wanted = wanted_stage(w, node)
    barred = may_enter(w, node, wanted) if wanted else None
    if barred is not None and barred.code == "backward":
        w.put_node(replace(w.nodes[node.id], backward=True))
        names.append(f"going back to stage {wanted}")
    if not names:
        return reasons.illegal(verb="approve", node=node.name, state="not waiting for an approval")
    return f"approved on {node.name}: {', '.join(names)}"


def _reset(w: Work, node: Node, who: str, value: Json) -> Answer:
    """Rediscover: all roles of the first stage run again, after a fresh boot of sledgehammer."""
    first = w.catalog.stages[0].name
    return _run_again(w, node, who, "reset", lambda stage: stage == first) or f"{node.name} is rediscovered"


def _reinstall(w: Work, node: Node, who: str, value: Json) -> Answer:
    """All roles of the install stage and of those after it run again; the operator's word approves what they destroy."""
    stages = [s.name for s in w.catalog.stages]
    install = next((i for i, s in enumerate(stages) if s == "install"), len(stages) - 1)
    answer = _run_again(w, node, who, "reinstall", lambda stage: (stage_index(w, stage) or 0) >= install)
    return answer or f"{node.name} is installed again"


def _redeploy(w: Work, node: Node, who: str, value: Json) -> Answer:
    """Everything but discovery runs again, what destroys included."""
    first = w.catalog.stages[0].name
    return _run_again(w, node, who, "redeploy", lambda stage: stage != first) or f"{node.name} is redeployed"


def _run_again(w: Work, node: Node, who: str, verb: str, chosen: Callable[[str], bool]) -> Reason | None:
    if node.kind is not Kind.SERVER:
        return reasons.illegal(verb=verb, node=node.name, state="not a server")
    if verb != "reset" and not node.allocated:
        return reasons.illegal(verb=verb, node=node.name, state="not allocated")
    if node.boot is not None:
        return reasons.busy(node=node.name, what="it is booting")
    running = [r for r in open_roles(w, node.id) if not r.resume]
    if running:
        return reasons.busy(node=node.name, what=f"{running[0].role} is running")
    for key in w.roles_of.get(node.id) or ():
        role: NodeRole = w.node_roles[key]
        definition = w.catalog.roles.get(role.role)
        if definition is None or role.state is State.PROPOSED:
            continue
        if chosen(definition.stage):
            w.put_role(_fresh(w, role, who if definition.destructive else role.approved))
    _forget_attempts(w, node)
    node = w.nodes[node.id]
    w.put_node(replace(node, backward=_goes_back(w, node), problem=None, misboots=0, missed=0))
    want_fresh_boot(w, node.id)
    return None


def _forget_attempts(w: Work, node: Node) -> None:
    """A fresh boot ends what is suspended on the node; what became of it, `verify` tells."""
    for role in open_roles(w, node.id):
        definition = w.catalog.roles.get(role.role)
        if definition is not None:
            lost(w, role, definition)


def _goes_back(w: Work, node: Node) -> bool:
    """Who asks for a role of an earlier stage to run again approves the way back to it."""
    wanted = wanted_stage(w, node)
    return bool(wanted) and (stage_index(w, wanted) or 0) < (stage_index(w, node.stage) or 0)


def _fresh(w: Work, role: NodeRole, approved: str) -> NodeRole:
    """The node role as if it had never run; late outcomes of its old attempt are recognised by their id."""
    return replace(
        role, state=State.WAITING, attempt="", leg=0, tries=0, begun=0.0, retry_at=None, deadline=None, failure=None, resume=False,
        recheck=False, claimed=False, approved=approved, succeeded=False, since=w.at,
    )  # fmt: skip


def _delete(w: Work, node: Node, who: str, value: Json) -> Answer:
    """Forget the node. It is discovered like any other when it boots again."""
    if node.id == "admin":
        return reasons.illegal(verb="delete", node=node.name, state="this machine")
    running = [r for r in open_roles(w, node.id) if not r.resume]
    if running:
        return reasons.busy(node=node.name, what=f"{running[0].role} is running")
    forget(w, node)
    return f"{node.name} is forgotten"


# -- verbs on node roles -------------------------------------------------------------------------------------------


def _retry_role(w: Work, node: Node, role: NodeRole, who: str, value: Json) -> Answer:
    if role.state is State.TRANSITION:
        return reasons.busy(node=node.name, what=f"{role.role} is running")
    if role.state is not State.ERROR and role.retry_at is None and not role.recheck:
        return reasons.illegal(verb=f"retry {role.role}", node=node.name, state=f"in state {role.state.value}")
    unverifiable = role.recheck and not w.catalog.roles[role.role].verify
    w.put_role(
        replace(
            role,
            state=State.WAITING if role.state is State.ERROR or unverifiable else role.state,
            tries=0,
            retry_at=None,
            failure=None,
            recheck=role.recheck and not unverifiable,
            since=w.at,
        )
    )
    return f"{role.role} on {node.name} is tried again"


def _skip_role(w: Work, node: Node, role: NodeRole, who: str, value: Json) -> Answer:
    if role.state is State.TRANSITION and not role.resume:
        return reasons.busy(node=node.name, what=f"{role.role} is running")
    if role.state is State.TRANSITION:
        want_fresh_boot(w, node.id)  # it may still run there
    w.put_role(
        replace(
            role, state=State.SKIPPED, attempt="", leg=0, begun=0.0, retry_at=None, deadline=None, failure=None, resume=False,
            recheck=False, claimed=False, since=w.at,
        )
    )  # fmt: skip
    return f"{role.role} on {node.name} is skipped: what depends on it goes on"


def _approve_role(w: Work, node: Node, role: NodeRole, who: str, value: Json) -> Answer:
    definition = w.catalog.roles.get(role.role)
    if definition is None or not definition.destructive or role.state is State.ACTIVE:
        return reasons.illegal(verb=f"approve {role.role}", node=node.name, state="not waiting for an approval of it")
    w.put_role(replace(role, approved=who))
    return f"{role.role} on {node.name} is approved"


def _redeploy_role(w: Work, node: Node, role: NodeRole, who: str, value: Json) -> Answer:
    if node.boot is not None:
        return reasons.busy(node=node.name, what="it is booting")
    running = [r for r in open_roles(w, node.id) if not r.resume]
    if running:
        return reasons.busy(node=node.name, what=f"{running[0].role} is running")
    definition = w.catalog.roles.get(role.role)
    destructive = definition is not None and definition.destructive
    w.put_role(_fresh(w, role, who if destructive else role.approved))
    _forget_attempts(w, node)
    if node.kind is Kind.SERVER:
        w.put_node(replace(w.nodes[node.id], backward=_goes_back(w, node)))
        want_fresh_boot(w, node.id)
    return f"{role.role} on {node.name} runs again"


NODE_VERBS: dict[str, Callable[[Work, Node, str, Json], Answer]] = {
    "allocate": _allocate,
    "approve": _approve,
    "available": _available,
    "ban": ban,
    "delete": _delete,
    "hold": _hold,
    "install": install,
    "merge": merge,
    "redeploy": _redeploy,
    "reinstall": _reinstall,
    "release": _release,
    "replace": replace_node,
    "reset": _reset,
    "retry": _retry,
    "split": split,
    "unavailable": _unavailable,
    "unban": unban,
}
ROLE_VERBS: dict[str, Callable[[Work, Node, NodeRole, str, Json], Answer]] = {
    "approve": _approve_role,
    "redeploy": _redeploy_role,
    "retry": _retry_role,
    "skip": _skip_role,
}
