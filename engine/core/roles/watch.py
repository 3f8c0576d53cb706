"""Watching: roles with `watch` are verified that often while they are active. What people see stays `active` meanwhile.

A *look* is a `verify` that is no attempt of the role: it holds nothing, counts as no try, and changes no state while it runs. Its id is
`ATTEMPT-wNUMBER.1`, so the jigs carry it out like any other leg. The open look and the time of the next one are in `Watch`, which the
journal does not follow: a healthy rack writes no history.

| outcome of a look | what follows |
|---|---|
| applied, the same gives | nothing; findings of earlier looks go |
| applied, other gives | the role is doubted: `verify` decides as after a death, and its children follow |
| not applied | repair: the role runs again, and its failure says what was wrong |
| changed by hand | a finding; nothing is overwritten, and a retry by the operator puts it right |
| could not find out | a finding, until a look succeeds |
| node not reached, or the look is lost | the engine probes the node, and looks again |

Looks are spread over their period, and a role that was repaired in vain is looked at less and less often. Nobody looks at a node that is
on hold, unavailable, booting, not alive, or at work.
"""

from __future__ import annotations

import re
from zlib import crc32

from msgspec.structs import replace

from ... import reasons
from ...definitions import RoleDef
from ...effects import Acknowledge, Start
from ...events import Found, Outcome, RoleDue
from ...model import ACTIVE, Key, NodeRole, Watch
from ...reasons import Reason
from ..boot.patience import limit_s, pause_s
from ..world.work import Work
from .change import change
from .claims import not_confirmed
from .death import order_probe
from .derive import done
from .stages import environment_of
from .transitions import Move, doubted

ASK_S = 30.0
"""Seconds beyond its time limit after which the engine asks about a silent look."""
REST_S = 600.0
"""Most seconds between two looks at a role that was repaired again and again, unless its own period is longer."""
DOUBLINGS = 5
BY_LOOKS = frozenset({"changed_by_hand", "not_checked"})
"""Codes of the findings that looks make. Others come from outside (`Found`)."""
_ID = re.compile(r"(.+)-w([0-9]{1,15})\.1")


def is_look(attempt: str) -> bool:
    """True for the id of a look. An attempt's own id ends with a number (`INSTALLATION-NUMBER`)."""
    return _ID.fullmatch(attempt) is not None


def look_id(role: NodeRole, number: int) -> str:
    return f"{role.attempt}-w{number}.1"


def begin(w: Work, role: NodeRole, definition: RoleDef) -> None:
    """The role became active: sets its first look, somewhere in the second half of the period, so that a rack that became ready at once is
    not looked at at once."""
    old = w.watches.get(role.key)
    if not definition.watch_s or not role.attempt:
        if old is not None:
            w.drop("watches", role.key)
        return
    watch = old or Watch(node=role.node, role=role.role)
    spread = 0.5 + crc32(f"{role.node}/{role.role}".encode()) / 2**33
    _next(w, watch, _period(definition, watch) * spread)


def reopen(w: Work, role: NodeRole) -> None:
    """After a restart: asks again about an open look, and sets the wake again. A role that its barclamp did not watch before is watched
    from now on."""
    definition = w.catalog.roles.get(role.role)
    watch = w.watches.get(role.key)
    if watch is not None and watch.look:
        w.order(Start(attempt=watch.open, node=role.node, role=role.role, action="verify", resume=True))
    if role.state is ACTIVE and definition is not None and (watch is None or not definition.watch_s):
        begin(w, role, definition)
    elif watch is not None:
        w.wake(watch.due, RoleDue(*role.key))


def tick(w: Work, key: Key) -> None:
    """A wake of an active role has come: looks, if it is time and nothing speaks against it."""
    watch, role = w.watches.get(key), w.node_roles.get(key)
    if watch is None or role is None or watch.due > w.now or role.state is not ACTIVE:
        return
    definition = w.catalog.roles.get(role.role)
    node = w.nodes.get(role.node)
    if definition is None or not definition.watch_s or node is None:
        return
    if watch.look and watch.open == look_id(role, watch.look):
        if node.available:
            w.order(Start(attempt=watch.open, node=role.node, role=role.role, action="verify", resume=True))
        _put(w, replace(watch, due=w.now + pause_s(w, ASK_S)))
    elif not _may_look(w, role, definition):
        _next(w, watch, _period(definition, watch))
    else:
        number = watch.looks + 1
        new = replace(watch, look=number, looks=number, open=look_id(role, number), due=w.now + limit_s(w, definition.timeout_s) + ASK_S)
        _put(w, new)
        w.order(Start(attempt=new.open, node=role.node, role=role.role, action="verify"))


def _may_look(w: Work, role: NodeRole, definition: RoleDef) -> bool:
    node = w.nodes[role.node]
    if not done(w, role) or not node.available or node.hold or node.off is not None or node.problem is not None or node.boot is not None:
        return False
    if not definition.jig_kind.alive:
        return True
    if not node.alive or node.runs != environment_of(w, node, definition.stage) or node.id in w.holders:
        return False
    return not_confirmed(w, node, definition) is None


def outcome(w: Work, event: Outcome) -> bool:
    """The outcome of a look. False: the event is of an attempt. A look at an earlier success is acknowledged and dropped."""
    found = _ID.fullmatch(event.attempt)
    if found is None:
        return False
    key = next((key for key in w.roles_of.get(event.node) or () if _is_of(w, key, event.attempt)), None)
    if event.what == "running" and key is not None:
        _put(w, replace(w.watches[key], due=w.now + pause_s(w, ASK_S)))
        return True
    if event.what != "lost" and not event.unreachable:
        w.order(Acknowledge(attempt=event.attempt, node=event.node))
    if key is not None:
        _looked(w, w.watches[key], w.node_roles[key], event)
    return True


def _is_of(w: Work, key: Key, attempt: str) -> bool:
    watch = w.watches.get(key)
    return watch is not None and watch.look > 0 and watch.open == attempt


def _looked(w: Work, watch: Watch, role: NodeRole, event: Outcome) -> None:
    definition = w.catalog.roles.get(role.role)
    watch = replace(watch, look=0, open="")
    if definition is None or role.state is not ACTIVE or event.attempt != look_id(role, w.watches[role.key].look):
        _put(w, watch)
        return
    if not done(w, role):  # it is to run anyway, and its inputs were others when it was looked at
        _next(w, watch, _period(definition, watch))
        return
    code = event.failure.code if event.failure is not None else ""
    if event.what == "failed" and not event.unreachable:
        line = str(event.failure.fields.get("line", "")) if event.failure is not None else ""
        said = line or (reasons.sentence(event.failure) if event.failure is not None else "")
        if code == "verify_failed":
            _next(w, replace(watch, repairs=min(watch.repairs + 1, DOUBLINGS)), _period(definition, watch))
            _repair(w, role, reasons.not_applied(role=role.role, line=said))
            return
        if event.failure is not None and code == "changed_by_hand":
            _find(w, role, (*_from_outside(role), event.failure))
        else:  # that refutes nothing of what an earlier look found
            kept = (one for one in role.findings if one.code != "not_checked")
            _find(w, role, (*kept, reasons.not_checked(role=role.role, line=said)))
    elif event.what == "done":
        watch = replace(watch, repairs=0)
        _find(w, role, _from_outside(role))
        if {name: value for name, value in event.gives.items() if name in definition.gives} != role.gave:
            change(w, w.node_roles[role.key], Move.DOUBT)
    elif event.unreachable and definition.jig_kind.alive:
        order_probe(w, w.nodes[role.node])
    _next(w, watch, _period(definition, watch))


def _repair(w: Work, role: NodeRole, failure: Reason) -> None:
    change(w, role, Move.REPAIR, failure=failure, since=w.at)


def found(w: Work, event: Found) -> None:
    """Something outside of the engine found a fault of an active role, or found that it is gone."""
    role = w.node_roles.get((event.node, event.role))
    if role is not None:
        by_looks = tuple(one for one in role.findings if one.code in BY_LOOKS)
        _find(w, role, by_looks if event.finding is None or role.state is not ACTIVE else (*by_looks, event.finding))


def by_verify(role: NodeRole, failure: Reason) -> tuple[Reason, ...]:
    """The findings of a role after a `verify` that found a change by hand."""
    return (*_from_outside(role), failure)


def after_success(role: NodeRole, action: str) -> tuple[Reason, ...]:
    """The findings of a role after a success: a run and a `verify` both refute those of earlier looks."""
    return _from_outside(role) if action in ("run", "verify") else role.findings


def mendable(role: NodeRole, definition: RoleDef | None) -> bool:
    """True if a retry by the operator may put right what was found. What must not run twice is left to a redeploy."""
    return role.state is ACTIVE and bool(role.findings) and not doubted(role) and definition is not None and definition.idempotent


def _from_outside(role: NodeRole) -> tuple[Reason, ...]:
    return tuple(one for one in role.findings if one.code not in BY_LOOKS)


def _find(w: Work, role: NodeRole, findings: tuple[Reason, ...]) -> None:
    if findings != role.findings:
        w.put_role(replace(role, findings=findings))


def _period(definition: RoleDef, watch: Watch) -> float:
    return max(definition.watch_s, min(definition.watch_s * 2.0**watch.repairs, REST_S))


def _next(w: Work, watch: Watch, seconds: float) -> None:
    _put(w, replace(watch, due=w.now + seconds))


def _put(w: Work, watch: Watch) -> None:
    w.put(watch)
    w.wake(watch.due, RoleDue(watch.node, watch.role))
