"""The annealer: decides which node roles run now.

It works on a graph of node roles until all of them are done. It plans nothing ahead: it looks again at whatever an event touched, in the
order of the longest remaining path, and starts what nothing blocks. The cost follows the change, not the size of the rack.

Rules
* One node role per node at a time. A suspended attempt keeps its node (`resume` passes no other guard), and releases its limits.
* A time-out asks and assumes nothing: the same attempt is ordered again, and the node reports what it has.
* After `lost`, and after a death, `verify` decides. Without `verify` an idempotent role runs again, and another role waits for the
  operator.
* A destructive role runs only when approved. After its success it is never doubted and never stale.
* With `reverify`, a successful run is a claim: `verify` confirms it, or the attempt failed.

Traps (each found by a property test): only its tick lifts a retry time, never a comparison with a clock. A role that is touched while
its node is held must be touched again when the node is free. If a child is suspended on a node whose parent must verify there, the
parent goes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from msgspec.structs import replace

from ...definitions import RoleDef
from ...effects import Start
from ...events import RoleDue
from ...model import ACTIVE, ERROR, Key, Kind, NodeRole
from ..boot.patience import limit_s, pause_s
from ..world.ordered import EMPTY
from ..world.work import Work
from . import watch
from .attributes import inputs_hash
from .change import change
from .claims import begins, not_confirmed
from .death import order_probe
from .delegate_ready import not_ready
from .derive import done, leg_id, resources, size
from .guards import blockers, next_action, order
from .outcomes import ASK
from .stages import environment_of
from .transitions import Move, between_legs, claims, in_transition, runs, suspended

__all__ = ["STARTS", "anneal", "blockers", "leg_id", "start", "tick"]

STARTS = 64
"""Most node roles that one step starts, so that no step takes long."""

LOOKS = 512
"""Most node roles that one step looks at, for the same reason: about 5 ms."""


def anneal(w: Work) -> None:
    """Looks at the touched node roles and starts those that nothing blocks. What exceeds the limits of one step (`Work.starts`,
    `Work.looks`) stays touched."""
    while w.starts < STARTS and w.looks < LOOKS and (w.touched or _hand_on(w)):
        if len(w.touched) <= LOOKS - w.looks:
            batch, w.touched = w.touched, {}
        else:
            batch = dict.fromkeys(islice(w.touched, LOOKS - w.looks))
            for key in batch:
                del w.touched[key]
        w.looks += len(batch)
        ordered = sorted(_candidates(w, batch))
        for i, (_, key) in enumerate(ordered):
            if w.starts >= STARTS:
                w.touched.update(dict.fromkeys(k for _, k in ordered[i:]))
                break
            if w.holders.get(key[0], key) == key:  # else another of its node has been started
                w.starts += _consider(w, key)


def _hand_on(w: Work) -> bool:
    """Touches node roles that wait for a resource with free places, as many as there are places. Called until none is left or
    nothing is free, because something else may block a touched role by now."""
    for resource in tuple(w.released):
        queue = w.queues.get(resource)
        free = size(w, resource) - (w.running.get(resource) or 0) if queue else 0
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


def _candidates(w: Work, keys: Iterable[Key]) -> Iterator[tuple[tuple[float, str, str], Key]]:
    """Those that are worth a closer look, with their `order`. Most wait for the holder of their node or for a parent on it, which costs
    no look at either."""
    node = ""
    worth: tuple[Key, ...] = ()
    for key in keys:
        if key[0] != node:  # most of a batch belongs to one node
            node = key[0]
            holder = w.holders.get(node)
            worth = w.ready.get(node) or () if holder is None else (holder,)
        if key in worth:
            yield order(w.node_roles[key]), key


def _consider(w: Work, key: Key) -> int:
    """Starts the candidate if nothing blocks it; queues it if only a used-up resource does. Returns the number of starts. Whatever ends
    what blocks it touches the role again: its own change, its free node, a finished parent."""
    role = w.node_roles[key]
    definition = w.catalog.roles.get(role.role)
    if definition is None or role.state is ERROR or done(w, role):
        return 0
    if in_transition(role):
        return _resume(w, role, definition) if suspended(role) else 0
    found = blockers(w, role, first=True)
    if not found:
        start(w, role, definition)
        return 1
    if found[0].code == "held":
        for resource in resources(definition, role):
            if (w.running.get(resource) or 0) >= size(w, resource):
                queue = w.queues.get(resource) or EMPTY
                longer = queue.add((*order(role), key))
                if longer is not queue:
                    w.queues[resource] = longer
                break
    return 0


def _resume(w: Work, role: NodeRole, definition: RoleDef) -> int:
    """Orders a suspended attempt again if its node is back in the environment that the role needs."""
    node = w.nodes.get(role.node)
    if node is None or not node.alive or node.boot is not None or not node.available or node.problem is not None:
        return 0
    if definition.jig_kind.alive and node.runs != environment_of(w, node, definition.stage):
        return 0
    if not_confirmed(w, node, definition) is not None or (node.kind is Kind.DEVICE and not_ready(w, node, definition) is not None):
        return 0
    ask = w.now + pause_s(w, ASK)
    change(w, role, Move.RESUME, deadline=ask)
    w.wake(ask, RoleDue(*role.key))
    w.order(Start(attempt=leg_id(role), node=role.node, role=role.role, action=role.action, resume=True))
    return 1


def start(w: Work, role: NodeRole, definition: RoleDef) -> None:
    """Begins an attempt, or the next leg of one that asked to be run again."""
    action = next_action(definition, role)
    goes_on = between_legs(role)
    if goes_on:
        attempt, leg, begun = role.attempt, role.leg + 1, role.begun
    else:
        attempt, leg, begun = f"{w.meta.installation}-{w.meta.attempts + 1}", 1, w.now
    deadline = max(begun + limit_s(w, definition.timeout_s), w.now) + ASK
    fresh = not goes_on and not (action == "verify" and claims(role))  # else it is of what the first leg, or the run, was started with
    try_hash = inputs_hash(w, role) if fresh else role.try_hash
    new = change(
        w,
        role,
        Move.START,
        fresh,
        attempt=attempt,
        leg=leg,
        begun=begun,
        action=action,
        deadline=deadline,
        try_hash=try_hash,
        started=w.at if leg == 1 else role.started,
        since=w.at,
    )
    if new is None:
        return
    if not goes_on:
        w.put(replace(w.meta, attempts=w.meta.attempts + 1))
    if action == "run":
        begins(w, role, attempt)
    w.wake(deadline, RoleDue(*role.key))
    w.order(Start(attempt=leg_id(new), node=role.node, role=role.role, action=new.action))


# -- time ---------------------------------------------------------------------------------------------------------


def tick(w: Work, key: Key) -> None:
    """A wake of this node role has come."""
    role = w.node_roles.get(key)
    if role is None:
        return
    if role.retry_at is not None and role.retry_at <= w.now:
        # The failure before the retry is history now; a next leg keeps its attempt.
        begun = role.begun if role.failure is None else 0.0
        change(w, role, Move.DUE, begun=begun)
    elif role.state is ACTIVE:
        watch.tick(w, key)
    elif runs(role) and role.deadline is not None and role.deadline <= w.now:
        node = w.nodes.get(role.node)
        if node is None or not node.available:
            return  # left alone; the engine asks about it when the node is available again
        ask = w.now + pause_s(w, ASK)
        change(w, role, Move.ASK, deadline=ask)
        w.wake(ask, RoleDue(*role.key))
        order_probe(w, node)
        w.order(Start(attempt=leg_id(role), node=role.node, role=role.role, action=role.action, resume=True))
