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

from itertools import islice

from msgspec.structs import replace

from ..definitions import HERE, RoleDef
from ..effects import Start
from ..model import Key, Node, NodeRole, State
from .attributes import inputs_hash
from .death import order_probe
from .derive import committed, done, resources, size
from .guards import blockers, next_action, order
from .ordered import EMPTY
from .outcomes import ASK
from .patience import pause_s
from .stages import environment_of
from .work import Work

__all__ = ["STARTS", "anneal", "blockers", "leg_id", "start", "tick"]

STARTS = 64
"""Most node roles that one step starts, so that no step takes long."""

LOOKS = 512
"""Most node roles that one step looks at, for the same cause: about 5 ms."""


def anneal(w: Work) -> None:
    """Look at what was touched and start what nothing blocks. What is over the limits of one step (`Work.starts`,
    `Work.looks`) stays touched."""
    while w.starts < STARTS and w.looks < LOOKS and (w.touched or _hand_on(w)):
        if len(w.touched) <= LOOKS - w.looks:
            batch, w.touched = w.touched, {}
        else:
            batch = dict.fromkeys(islice(w.touched, LOOKS - w.looks))
            for key in batch:
                del w.touched[key]
        w.looks += len(batch)
        ordered = sorted((order(w.node_roles[k]), k) for k in batch if k in w.node_roles)
        for i, (_, key) in enumerate(ordered):
            if w.starts >= STARTS:
                w.touched.update(dict.fromkeys(k for _, k in ordered[i:]))
                break
            w.starts += _consider(w, key)


def _hand_on(w: Work) -> bool:
    """Touch those who wait for a resource that has free places, as many as there are places. Called until nobody is left or
    nothing is free, because one who was touched may be blocked by something else by now."""
    for resource in tuple(w.released):
        queue = w.queues.get(resource)
        free = size(w, resource) - (w.running.get(resource) or 0)
        if not queue or free <= 0:
            del w.released[resource]
            continue
        while queue and free > 0:
            entry = queue.first()
            queue = queue.remove(entry)
            w.touch(entry[-1])
            free -= 1
        if queue:
            w.queues[resource] = queue
        else:
            del w.queues[resource]
    return bool(w.touched)


def _consider(w: Work, key: Key) -> int:
    """Start the node role if nothing blocks it; queue it if only a used-up resource does. Number of starts."""
    role: NodeRole = w.node_roles[key]
    definition = w.catalog.roles.get(role.role)
    if definition is None or not committed(role):
        return 0
    if role.state is State.TRANSITION:
        return _resume(w, role, definition) if role.resume else 0
    if role.node in w.holders or role.state is State.ERROR or done(w, role):
        return 0  # it is touched again when the node is free
    found = blockers(w, role, first=True)
    if not found:
        start(w, role, definition)
        return 1
    if found[0].code == "held":
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
    if definition.jig not in HERE and node.runs != environment_of(w, node, definition.stage):
        return 0
    ask = w.now + pause_s(w, ASK)
    w.put_role(replace(role, resume=False, resumed=True, deadline=ask))
    w.wake(ask, f"{role.node}/{role.role}")
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
    deadline = max(begun + definition.timeout_s, w.now) + ASK
    if goes_on or (action == "verify" and role.claimed):
        try_hash = role.try_hash  # of what the first leg, or the run that is looked at, was started with
    else:
        try_hash = inputs_hash(w, role)
    new = replace(
        role,
        state=State.TRANSITION,
        attempt=attempt,
        leg=leg,
        begun=begun,
        action=action,
        retry_at=None,
        resume=False,
        resumed=False,
        failure=None,
        deadline=deadline,
        try_hash=try_hash,
        started=w.at if leg == 1 else role.started,
        since=w.at,
    )
    w.put_role(new)
    w.wake(deadline, f"{role.node}/{role.role}")
    w.order(Start(attempt=leg_id(new), node=role.node, role=role.role, action=new.action))


# -- time ---------------------------------------------------------------------------------------------------------


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
        node: Node | None = w.nodes.get(role.node)
        if node is None or not node.available:
            return  # left alone; asked after when the node is available again
        ask = w.now + pause_s(w, ASK)
        w.put_role(replace(role, deadline=ask))
        w.wake(ask, f"{role.node}/{role.role}")
        order_probe(w, node)
        w.order(Start(attempt=leg_id(role), node=role.node, role=role.role, action=role.action, resume=True))
