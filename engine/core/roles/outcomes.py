"""Outcomes: what happens to a node role when its attempt ends, asks to run again, fails, or is lost.

Rules
* A time-out asks and assumes nothing: the engine asks again about an attempt that it could not reach, and the attempt keeps its state.
* After `lost`, `verify` decides. Without `verify` an idempotent role runs again, and another role waits for the operator.
* With `reverify`, a successful run is a claim: `verify` confirms it, or the attempt failed.
* A script that says that another attempt would do harm is believed: only an operator tries again.
* Every outcome is acknowledged once it is recorded, even a late one. Otherwise the node would send it forever.
* A result that the engine would trust later counts only from a confirmed claim. Until then the node keeps it, and sends it again.
"""

from __future__ import annotations

from msgspec.structs import replace

from ... import reasons
from ...definitions import RoleDef
from ...effects import Acknowledge, Ignore
from ...events import Outcome, RoleDue
from ...model import Kind, NodeRole
from ...reasons import Reason
from ...validation import is_report
from ..boot.patience import limit_s, pause_s
from ..hardware.approvals import other_disks, shown
from ..hardware.learn import learn
from ..world.work import Work
from . import sealed, watch
from .attributes import inputs_hash
from .change import change, change_node
from .claims import installed, not_confirmed
from .death import order_probe
from .derive import leg_id
from .guards import delay, node_holder
from .node_moves import NodeMove
from .transitions import Move, claims, runs, suspended

LOOKS = frozenset({"disks", "raid-report", "raid-report-bmc"})
"""Attributes that say which disks a machine has: what a person approved before is compared with what they say."""
ASK = 30.0
"""Seconds beyond its time limit after which the engine asks about a silent attempt."""

UNREACHABLE_AGAIN = 5.0
"""Seconds after which an attempt is ordered again on a node that could not be reached and answers a probe."""


def outcome(w: Work, event: Outcome) -> None:
    """The outcome of one leg of an attempt. A leg that is not the present one is acknowledged and dropped."""
    if watch.outcome(w, event):
        return
    role = _addressee(w, event)
    if role is None:
        _late(w, event)
        return
    definition = w.catalog.roles[role.role]
    needs = role.role in w.catalog.needs_claim and definition.jig_kind.alive  # else the engine's own hands report it
    if needs and not event.unreachable and event.what != "running" and _unproven(w, role, definition):
        return
    match event.what:
        case "running":
            if runs(role):
                ask = w.now + pause_s(w, ASK)
                change(w, role, Move.ASK, deadline=ask)
                w.wake(ask, RoleDue(*role.key))
            return
        case "failed" if event.unreachable:
            if suspended(role):
                return  # already known: it waits for the node
            again = w.now + pause_s(w, UNREACHABLE_AGAIN)
            change(w, role, Move.UNREACHED, deadline=again, failure=event.failure)
            w.wake(again, RoleDue(*role.key))
            order_probe(w, w.nodes[role.node])
            return
        case "lost":
            lost(w, role, definition)
            return
        case "again":
            _again(w, role, definition, event)
        case "done":
            _succeeded(w, role, definition, event)
        case "failed":
            _failed(w, _reported(w, role, definition, event), definition, event.failure or reasons.lost(attempt=event.attempt))
    w.order(Acknowledge(attempt=event.attempt, node=event.node))
    if event.reboot and event.what in ("done", "again"):
        want_fresh_boot(w, role.node)


def _unproven(w: Work, role: NodeRole, definition: RoleDef) -> bool:
    """True if the machine that reports is not known to be the node. The node shows why its result does not count."""
    node = w.nodes[role.node]
    reason = not_confirmed(w, node, definition)
    if reason is None:
        return False
    w.order(Ignore(reason=reason))
    if node.notice != reason:
        w.put_node(replace(node, notice=reason))
    return True


def _late(w: Work, event: Outcome) -> None:
    """An attempt that is not the present one. The same outcome twice is ordinary. The node shows one of another attempt."""
    reason = reasons.late(attempt=event.attempt)
    if event.what != "lost":  # otherwise the node would send it forever
        w.order(Acknowledge(attempt=event.attempt, node=event.node))
    w.order(Ignore(reason=reason))
    node = w.nodes.get(event.node)
    attempt = event.attempt.rpartition(".")[0]
    known = any(w.node_roles[key].attempt == attempt for key in w.roles_of.get(event.node) or ())
    if node is not None and not known:
        w.put_node(replace(node, notice=reason))


def _addressee(w: Work, event: Outcome) -> NodeRole | None:
    role = node_holder(w, event.node)  # a role in transition holds its node
    return role if role is not None and leg_id(role) == event.attempt else None


def want_fresh_boot(w: Work, node_id: str) -> None:
    """The node must boot before anything else runs on it, whatever it runs now. Only servers boot."""
    node = w.nodes[node_id]
    if node.kind is Kind.JOINED:
        w.put_node(replace(node, notice=reasons.joined_reboot(node=node.name)))
    if node.kind is not Kind.SERVER:
        return
    w.put_node(replace(node, intent=replace(node.intent, fresh=True)))


def _again(w: Work, role: NodeRole, definition: RoleDef, event: Outcome) -> None:
    limit = limit_s(w, definition.timeout_s)
    if w.now >= role.begun + limit:
        _failed(w, role, definition, reasons.timed_out(role=role.role, seconds=limit))
        return
    retry_at = w.now + min(max(event.after, 0.0), 3600.0)
    change(w, role, Move.AGAIN, retry_at=retry_at, since=w.at)
    w.wake(retry_at, RoleDue(*role.key))


def _succeeded(w: Work, role: NodeRole, definition: RoleDef, event: Outcome) -> None:
    gave = {name: value for name, value in event.gives.items() if name in definition.gives}
    open_ = [name for name in gave if w.catalog.attributes[name].secret and not sealed.name_in(gave[name])]
    if open_:
        _failed(w, role, definition, reasons.bad_result(role=role.role, message=f"the secret {open_[0]} is not sealed"))
        return
    if claims(role):
        gave = {**role.gave, **gave}
    missing = [name for name in definition.gives if name not in gave]
    if missing and not (role.action == "run" and definition.reverify):
        _failed(w, role, definition, reasons.bad_result(role=role.role, message=f"it does not give {', '.join(missing)}"))
        return
    if role.action == "run" and definition.reverify:
        change(w, role, Move.CLAIM, gave=gave, since=w.at)
        return
    before = shown(w, role.node) if gave.keys() & LOOKS else None
    findings = watch.after_success(role, role.action)
    new = change(w, role, Move.SUCCEED, gave=gave, ran_hash=role.try_hash, findings=findings, ended=w.at, since=w.at)
    if new is not None:
        learn(w, new)
        installed(w, new)
        watch.begin(w, new, definition)
    if before is not None:
        other_disks(w, role.node, before)


def _reported(w: Work, role: NodeRole, definition: RoleDef, event: Outcome) -> NodeRole:
    """A role that validates reports what failed. That is kept, although the role gives nothing to others."""
    told = {name: event.gives[name] for name in definition.gives if name in event.gives and is_report(w.catalog.attributes.get(name))}
    if not told or not definition.validates:
        return role
    new = replace(role, gave={**role.gave, **told})
    w.put_role(new)
    return new


def _failed(w: Work, role: NodeRole, definition: RoleDef, failure: Reason) -> None:
    final = failure.code == "not_retried" and (role.action == "run" or inputs_hash(w, role) == role.try_hash)
    no = role.action == "verify" and failure.code in ("verify_failed", "not_retried")
    if no and not final and (not claims(role) or inputs_hash(w, role) != role.try_hash):
        # `verify` found the role not applied. That is a result, not a failure, so the role runs (again). A claim is wrong only if the same
        # was asked of it.
        change(w, role, Move.REFUTE, since=w.at)
        return
    if failure.code == "changed_by_hand" and not claims(role):
        # Applied, but for what a person did. What was run with counts as before: if the inputs differ, the role runs.
        findings = watch.by_verify(role, failure)
        new = change(w, role, Move.SUCCEED, gave=role.gave, ran_hash=role.ran_hash, findings=findings, ended=w.at, since=w.at)
        if new is not None:
            watch.begin(w, new, definition)
        return
    tries = role.tries + 1
    # A wrong claim is run again. If `verify` failed for another cause, it is tried again.
    if tries < definition.attempts and not final:
        retry_at = w.now + delay(w, definition, tries)
        change(w, role, Move.DISPROVE if no else Move.FAIL, tries=tries, failure=failure, retry_at=retry_at, ended=w.at, since=w.at)
        w.wake(retry_at, RoleDue(*role.key))
    else:
        change(w, role, Move.DISPROVE_LAST if no else Move.GIVE_UP, tries=tries, failure=failure, ended=w.at, since=w.at)
        if "quarantine" in definition.flags:
            _quarantine(w, role, tries)


def _quarantine(w: Work, role: NodeRole, tries: int) -> None:
    """The last attempt of such a role failed: nothing new starts on the node until an operator releases it."""
    node = w.nodes[role.node]
    held = change_node(w, node, NodeMove.HOLD, since=w.at)
    if held is not None:
        w.put_node(replace(held, notice=reasons.quarantined(node=node.name, role=role.role, tries=tries)))


def lost(w: Work, role: NodeRole, definition: RoleDef) -> None:
    """Nobody knows what became of the attempt: `verify` decides; otherwise an idempotent role runs again, and another waits for the
    operator."""
    change(w, role, Move.LOSE if definition.verify or not definition.idempotent else Move.LOSE_RERUN, since=w.at)
