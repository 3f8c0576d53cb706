"""The annealer: which node roles run now, and what comes of them.

It works a graph of node roles until all of it is done. Nothing is scheduled ahead: whatever an event touched is looked at again,
in the order of the longest remaining path, and what nothing blocks starts. Cost follows the change, not the size of the rack.

Rules
* One node role per node at a time. A suspended attempt keeps its node (`resume` passes no other guard), and gives back limits.
* A time-out asks, it assumes nothing: the same attempt is ordered again and the node says what it has.
* After `lost`, and after a death, `verify` decides. Without a verify an idempotent role runs again, another waits for the operator.
* A destructive role runs only when approved, is never doubted after its success, and never stale.
* With `reverify`, a run that says done is a claim: the second look makes it so, or a failed attempt.

Traps (each found by a property test before): a retry time is lifted by its tick alone, never by comparing with a clock; a role touched
while its node is held must be touched again when the node is free; a child suspended on a node whose parent must verify there goes first.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from . import reasons
from .attributes import inputs_hash
from .boot import expected
from .definitions import RoleDef
from .derive import committed, done, resources, size, suspended
from .effects import Acknowledge, Ignore, Probe, Start
from .events import Outcome
from .learn import learn
from .model import Key, Node, NodeRole, State
from .ordered import EMPTY
from .reasons import Reason
from .stages import environment_of, may_enter, wanted_stage
from .work import Work
from .world import View

STARTS = 64
"""Most node roles that one step starts, so that no step takes long."""

ASK = 30.0
"""Seconds after which the engine asks after an attempt that says nothing beyond its time-out."""

UNREACHABLE_AGAIN = 5.0
"""Seconds after which an attempt is ordered again on a node that could not be reached and answers a probe."""


def order(role: NodeRole) -> tuple[float, str, str]:
    """Sort key: longest remaining path first, then node, then role, so that equal worlds give equal plans."""
    return (-role.rank, role.node, role.role)


def blockers(view: View, role: NodeRole, first: bool = False) -> list[Reason]:
    """Why a committed node role that is not done does not run now, the most telling reason first. Empty for a candidate that
    may start. With `first` only the first one, which is cheaper."""
    out: list[Reason] = []
    for reason in _guards(view, role):
        out.append(reason)
        if first:
            break
    return out


def _guards(view: View, role: NodeRole) -> Iterator[Reason]:
    if role.state is State.PROPOSED:
        yield reasons.proposed()
        return
    definition = view.catalog.roles.get(role.role)
    if definition is None:
        yield reasons.role_unknown(role=role.role)
        return
    if role.state is State.ERROR:
        message = reasons.sentence(role.failure) if role.failure else "unknown"
        yield reasons.failed(attempt=role.tries, of=definition.attempts, message=message)
    if role.state is State.TRANSITION:
        yield reasons.suspended(attempt=role.attempt) if role.resume else reasons.in_transition(attempt=role.attempt)
        if not role.resume:
            return
    if role.recheck and not definition.verify and not definition.idempotent:
        yield reasons.unverifiable(attempt=role.attempt)
    node = view.nodes.get(role.node)
    if node is None:
        yield reasons.no_node(node=role.node)
        return
    yield from _node_guards(view, node, definition)
    if role.state is State.TRANSITION:
        return
    for key in role.parents:
        parent = view.node_roles.get(key)
        if parent is None:
            yield reasons.parent_missing(role=key[1])
        elif not done(view, parent):
            name = view.nodes[key[0]].name if key[0] in view.nodes else key[0]
            if parent.state is State.ACTIVE:
                yield reasons.stale_parent(role=key[1], node=name)
            else:
                yield reasons.parent(role=key[1], node=name, state=parent.state.value)
    if role.retry_at is not None:
        if role.failure is not None:
            yield reasons.retry(
                attempt=role.tries, message=reasons.sentence(role.failure), after=_delay(definition, role.tries)
            )
        else:
            yield reasons.again(after=0.0)
    if definition.destructive and not role.approved and next_action(definition, role) == "run":
        yield reasons.approval(node=node.name)
    holder = node_holder(view, node.id)
    if holder is not None:
        yield reasons.held(resource=f"node {node.name}", holder=holder.role)
    for resource in resources(definition, role):
        if (view.running.get(resource) or 0) >= size(view, resource):
            yield reasons.held(resource=resource, holder=f"{view.running.get(resource)} others")


def _node_guards(view: View, node: Node, definition: RoleDef) -> Iterator[Reason]:
    if not node.available:
        yield reasons.not_available(node=node.name)
    if node.hold:
        yield reasons.on_hold(node=node.name)
    if node.problem is not None:
        yield reasons.problem(node=node.name, message=reasons.sentence(node.problem))
    if node.boot is not None:
        yield reasons.booting(
            environment=node.boot.environment, signal=node.boot.signal.value, expected=expected(node.boot)
        )
    elif definition.jig in ("noop", "local"):
        pass
    else:
        needs = environment_of(view, node, definition.stage)
        if node.intent.fresh:
            yield reasons.environment(runs="the boot before", needs=f"a fresh {needs}")
        elif node.runs != needs:
            yield reasons.environment(runs=node.runs or "nothing known", needs=needs)
        elif not node.alive:
            yield reasons.unreachable(environment=node.runs)
    if definition.stage != node.stage and node.stage:
        wanted = wanted_stage(view, node)
        barred = may_enter(view, node, wanted) if wanted else None
        if barred is not None:
            yield barred
        yield reasons.stage(stage=definition.stage, present=node.stage)


def node_holder(view: View, node: str) -> NodeRole | None:
    """The node role that holds the node: in transition, suspended or not."""
    for key in view.roles_of.get(node) or ():
        role = view.node_roles[key]
        if role.state is State.TRANSITION:
            return role
    return None


def next_action(definition: RoleDef, role: NodeRole) -> str:
    return "verify" if role.recheck and definition.verify else "run"


def _delay(definition: RoleDef, tries: int) -> float:
    """Seconds before the next attempt: doubles, up to ten minutes."""
    return float(min(definition.delay_s * 2 ** max(tries - 1, 0), 600.0))


# -- starting ------------------------------------------------------------------------------------------------------


def anneal(w: Work) -> None:
    """Look at what was touched and start what nothing blocks. What is over the limit of one step stays touched."""
    started = 0
    while started < STARTS and (w.touched or _hand_on(w)):
        batch = sorted((order(w.node_roles[k]), k) for k in w.touched if k in w.node_roles)
        w.touched.clear()
        for i, (_, key) in enumerate(batch):
            if started >= STARTS:
                w.touched.update(dict.fromkeys(k for _, k in batch[i:]))
                break
            started += _consider(w, key)
    _hand_on(w)


def _hand_on(w: Work) -> bool:
    """Touch those who wait for a resource that has free places, as many as there are places. Called until nobody is left or
    nothing is free, because one who was touched may be blocked by something else by now."""
    for resource in tuple(w.released):
        queue = w.queues.get(resource)
        free = size(w, resource) - (w.running.get(resource) or 0)
        if not queue or free <= 0:
            w.released.discard(resource)
            continue
        while queue and free > 0:
            entry = queue.first()
            queue = queue.remove(entry)
            w.touch(entry[-1])
            free -= 1
        w.queues[resource] = queue
    return bool(w.touched)


def _consider(w: Work, key: Key) -> int:
    """Start the node role if nothing blocks it; queue it if only a used-up resource does. Number of starts."""
    role: NodeRole = w.node_roles[key]
    definition = w.catalog.roles.get(role.role)
    if definition is None or not committed(role):
        return 0
    if role.state is State.TRANSITION:
        return _resume(w, role, definition) if role.resume else 0
    if role.state is State.ERROR or done(w, role):
        return 0
    found = blockers(w, role, first=True)
    if not found:
        start(w, role, definition)
        return 1
    if found[0].code == "held" and node_holder(w, role.node) is None:
        for resource in resources(definition, role):
            if (w.running.get(resource) or 0) >= size(w, resource):
                w.queues[resource] = (w.queues.get(resource) or EMPTY).add((*order(role), key))
                break
    return 0


def _resume(w: Work, role: NodeRole, definition: RoleDef) -> int:
    """Order a suspended attempt again if its node is back in the environment that the role needs."""
    node = w.nodes.get(role.node)
    if node is None or not node.alive or node.boot is not None or not node.available or node.problem is not None:
        return 0
    if definition.jig not in ("noop", "local") and node.runs != environment_of(w, node, definition.stage):
        return 0
    w.put_role(replace(role, resume=False, deadline=w.now + ASK))
    w.wake(w.now + ASK, f"{role.node}/{role.role}")
    w.order(Start(attempt=leg_id(role), node=role.node, role=role.role, action=role.action, resume=True))
    return 1


def leg_id(role: NodeRole) -> str:
    return f"{role.attempt}.{role.leg}"


def start(w: Work, role: NodeRole, definition: RoleDef) -> None:
    """Begin an attempt, or the next leg of one that asked to be run again."""
    action = next_action(definition, role)
    goes_on = role.retry_at is None and role.failure is None and role.leg > 0 and role.begun > 0
    if goes_on:
        attempt, leg, begun = role.attempt, role.leg + 1, role.begun
    else:
        w.put(replace(w.meta, attempts=w.meta.attempts + 1))
        attempt, leg, begun = f"{w.meta.installation}-{w.meta.attempts}", 1, w.now
    deadline = begun + definition.timeout_s + ASK
    new = replace(
        role,
        state=State.TRANSITION,
        attempt=attempt,
        leg=leg,
        begun=begun,
        action=action,
        retry_at=None,
        resume=False,
        failure=None,
        deadline=deadline,
        try_hash=role.try_hash if action == "verify" and role.claimed else inputs_hash(w, role),
        started=w.at if leg == 1 else role.started,
        since=w.at,
    )
    w.put_role(new)
    w.wake(deadline, f"{role.node}/{role.role}")
    w.order(Start(attempt=leg_id(new), node=role.node, role=role.role, action=new.action))


def _leave(w: Work, role: NodeRole, **changes: object) -> NodeRole:
    """Take a node role out of transition (or suspend it), and pass on what it held."""
    new = replace(role, **changes)
    w.put_role(new)
    return new


# -- outcomes ------------------------------------------------------------------------------------------------------


def outcome(w: Work, event: Outcome) -> None:
    """What became of one leg of an attempt. A leg that is not the present one is acknowledged and dropped."""
    role = _addressee(w, event)
    if role is None:
        if event.what != "lost":  # else the node would tell it for ever
            w.order(Acknowledge(attempt=event.attempt, node=event.node))
        w.order(Ignore(reason=reasons.late(attempt=event.attempt)))
        return
    definition = w.catalog.roles[role.role]
    match event.what:
        case "running":
            w.put_role(replace(role, deadline=w.now + ASK))
            w.wake(w.now + ASK, f"{role.node}/{role.role}")
            return
        case "failed" if event.unreachable:
            again = w.now + UNREACHABLE_AGAIN
            w.put_role(replace(role, deadline=again, failure=event.failure))
            w.wake(again, f"{role.node}/{role.role}")
            order_probe(w, w.nodes[role.node])
            return
        case "lost":
            _lost(w, role, definition)
            return
        case "again":
            _again(w, role, definition, event)
        case "done":
            _succeeded(w, role, definition, event)
        case "failed":
            _failed(w, role, definition, event.failure or reasons.lost(attempt=event.attempt))
    w.order(Acknowledge(attempt=event.attempt, node=event.node))
    if event.reboot and event.what in ("done", "again"):
        want_fresh_boot(w, role.node)


def _addressee(w: Work, event: Outcome) -> NodeRole | None:
    attempt, _, leg = event.attempt.rpartition(".")
    for key in w.roles_of.get(event.node) or ():
        role: NodeRole = w.node_roles[key]
        if role.attempt == attempt and role.state is State.TRANSITION and str(role.leg) == leg:
            return role
    return None


def want_fresh_boot(w: Work, node_id: str) -> None:
    """The node shall boot before anything else runs on it, whatever it runs now."""
    node: Node = w.nodes[node_id]
    w.put_node(replace(node, intent=replace(node.intent, fresh=True)))


def _again(w: Work, role: NodeRole, definition: RoleDef, event: Outcome) -> None:
    if w.now >= role.begun + definition.timeout_s:
        _failed(w, role, definition, reasons.timed_out(role=role.role, seconds=definition.timeout_s))
        return
    retry_at = w.now + min(max(event.after, 0.0), 3600.0)
    _leave(w, role, state=State.WAITING, retry_at=retry_at, deadline=None, failure=None, resume=False, since=w.at)
    w.wake(retry_at, f"{role.node}/{role.role}")


def _succeeded(w: Work, role: NodeRole, definition: RoleDef, event: Outcome) -> None:
    missing = [] if event.reboot or role.claimed else [g for g in definition.gives if g not in event.gives]
    if missing and not (role.action == "run" and definition.reverify):
        _failed(w, role, definition, reasons.bad_result(role=role.role, message=f"it does not give {', '.join(missing)}"))
        return
    gave = {name: value for name, value in event.gives.items() if name in definition.gives}
    if role.action == "run" and definition.reverify:
        _leave(
            w, role, state=State.WAITING, recheck=True, claimed=True, gave=gave or role.gave, deadline=None, resume=False,
            begun=0.0, leg=0, since=w.at,
        )  # fmt: skip
        return
    _leave(
        w,
        role,
        state=State.ACTIVE,
        gave=gave or role.gave,
        ran_hash=role.try_hash,
        tries=0,
        failure=None,
        deadline=None,
        resume=False,
        recheck=False,
        claimed=False,
        approved="",
        succeeded=True,
        begun=0.0,
        leg=0,
        ended=w.at,
        since=w.at,
    )
    learn(w, w.node_roles[role.key])


def _failed(w: Work, role: NodeRole, definition: RoleDef, failure: Reason) -> None:
    if role.action == "verify" and failure.code == "verify_failed" and not role.claimed:
        # It is not so: that is an answer, not a failure. The role runs (again).
        _leave(
            w, role, state=State.WAITING, recheck=False, deadline=None, resume=False, begun=0.0, leg=0, failure=None,
            since=w.at,
        )  # fmt: skip
        return
    tries = role.tries + 1
    # A wrong claim is run again; what could not be verified for another cause is looked at again.
    recheck = role.recheck and not (role.claimed and failure.code == "verify_failed")
    common = {
        "tries": tries, "failure": failure, "deadline": None, "resume": False, "begun": 0.0, "leg": 0, "recheck": recheck,
        "claimed": role.claimed and recheck, "ended": w.at, "since": w.at,
    }  # fmt: skip
    if tries < definition.attempts:
        retry_at = w.now + _delay(definition, tries)
        _leave(w, role, state=State.WAITING, retry_at=retry_at, **common)
        w.wake(retry_at, f"{role.node}/{role.role}")
    else:
        _leave(w, role, state=State.ERROR, **common)


def _lost(w: Work, role: NodeRole, definition: RoleDef) -> None:
    """The node knows nothing of the attempt: `verify` decides, else an idempotent role runs again."""
    _leave(
        w,
        role,
        state=State.WAITING,
        recheck=definition.verify or not definition.idempotent,
        claimed=False,
        deadline=None,
        resume=False,
        begun=0.0,
        leg=0,
        failure=None,
        since=w.at,
    )


# -- time, death, probes -------------------------------------------------------------------------------------------


def tick(w: Work, key: Key) -> None:
    """A wake of this node role has come."""
    role: NodeRole | None = w.node_roles.get(key)
    if role is None:
        return
    if role.retry_at is not None and role.retry_at <= w.now:
        # The failure that the retry follows is history now; a next leg keeps its attempt.
        begun = role.begun if role.failure is None else 0.0
        w.put_role(replace(role, retry_at=None, failure=None, begun=begun))
    elif role.state is State.TRANSITION and not role.resume and role.deadline is not None and role.deadline <= w.now:
        w.put_role(replace(role, deadline=w.now + ASK))
        w.wake(w.now + ASK, f"{role.node}/{role.role}")
        order_probe(w, w.nodes[role.node])
        w.order(Start(attempt=leg_id(role), node=role.node, role=role.role, action=role.action, resume=True))


def order_probe(w: Work, node: Node) -> None:
    """Ask whether the node is there, unless it is being asked. A node that is not available is left alone."""
    if node.probe or not node.available or node.boot is not None or not node.runs:
        return
    number = node.probes + 1
    w.put_node(replace(node, probe=number, probes=number))
    w.order(Probe(node=node.id, probe=number))


def suspend(w: Work, node_id: str) -> None:
    """The node died: its attempts wait for it, and what it had done in its present stage is looked at again."""
    node: Node = w.nodes[node_id]
    for key in w.roles_of.get(node_id) or ():
        role: NodeRole = w.node_roles[key]
        definition = w.catalog.roles.get(role.role)
        if definition is None or definition.jig in ("noop", "local"):
            continue
        if role.state is State.TRANSITION and not suspended(role):
            _leave(w, role, resume=True, deadline=None, since=w.at)
        elif role.state is State.ACTIVE and definition.stage == node.stage and not definition.destructive:
            if definition.verify or not definition.idempotent:
                w.put_role(replace(role, recheck=True))
            else:
                w.put_role(replace(role, state=State.WAITING, since=w.at))
