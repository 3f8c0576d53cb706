"""Outcomes: what becomes of a node role when its attempt ends, asks to be run again, fails, or is lost.

Rules
* A time-out asks, it assumes nothing: an attempt that could not be reached is asked after again, and stays what it is.
* After `lost` `verify` decides. Without a verify an idempotent role runs again, another waits for the operator.
* With `reverify`, a run that says done is a claim: the second look makes it so, or a failed attempt.
* Every outcome is acknowledged once it is recorded, late ones too: else the node would tell it for ever.
"""

from __future__ import annotations

from msgspec.structs import replace

from .. import reasons
from ..definitions import RoleDef
from ..effects import Acknowledge, Ignore
from ..events import Outcome
from ..model import Kind, Node, NodeRole, State
from ..reasons import Reason
from .attributes import inputs_hash
from .death import order_probe
from .guards import delay
from .learn import learn
from .patience import pause_s
from .work import Work

ASK = 30.0
"""Seconds after which the engine asks after an attempt that says nothing beyond its time-out."""

UNREACHABLE_AGAIN = 5.0
"""Seconds after which an attempt is ordered again on a node that could not be reached and answers a probe."""


def outcome(w: Work, event: Outcome) -> None:
    """What became of one leg of an attempt. A leg that is not the present one is acknowledged and dropped."""
    role = _addressee(w, event)
    if role is None:
        _late(w, event)
        return
    definition = w.catalog.roles[role.role]
    match event.what:
        case "running":
            if not role.resume:
                ask = w.now + pause_s(w, ASK)
                w.put_role(replace(role, deadline=ask))
                w.wake(ask, f"{role.node}/{role.role}")
            return
        case "failed" if event.unreachable:
            if role.resume:
                return  # known already: it waits for the node
            again = w.now + pause_s(w, UNREACHABLE_AGAIN)
            w.put_role(replace(role, deadline=again, failure=event.failure))
            w.wake(again, f"{role.node}/{role.role}")
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
            _failed(w, role, definition, event.failure or reasons.lost(attempt=event.attempt))
    w.order(Acknowledge(attempt=event.attempt, node=event.node))
    if event.reboot and event.what in ("done", "again"):
        want_fresh_boot(w, role.node)


def _late(w: Work, event: Outcome) -> None:
    """An attempt that is not the present one. The same outcome told twice is ordinary; one of another attempt is shown on the node."""
    reason = reasons.late(attempt=event.attempt)
    if event.what != "lost":  # else the node would tell it for ever
        w.order(Acknowledge(attempt=event.attempt, node=event.node))
    w.order(Ignore(reason=reason))
    node: Node | None = w.nodes.get(event.node)
    attempt = event.attempt.rpartition(".")[0]
    known = any(w.node_roles[key].attempt == attempt for key in w.roles_of.get(event.node) or ())
    if node is not None and not known:
        w.put_node(replace(node, notice=reason))


def _addressee(w: Work, event: Outcome) -> NodeRole | None:
    attempt, _, leg = event.attempt.rpartition(".")
    for key in w.roles_of.get(event.node) or ():
        role: NodeRole = w.node_roles[key]
        if role.attempt == attempt and role.state is State.TRANSITION and str(role.leg) == leg:
            return role
    return None


def want_fresh_boot(w: Work, node_id: str) -> None:
    """The node shall boot before anything else runs on it, whatever it runs now. Only servers are booted."""
    node: Node = w.nodes[node_id]
    if node.kind is not Kind.SERVER:
        return
    w.put_node(replace(node, intent=replace(node.intent, fresh=True)))


def _again(w: Work, role: NodeRole, definition: RoleDef, event: Outcome) -> None:
    if w.now >= role.begun + definition.timeout_s:
        _failed(w, role, definition, reasons.timed_out(role=role.role, seconds=definition.timeout_s))
        return
    retry_at = w.now + min(max(event.after, 0.0), 3600.0)
    w.put_role(
        replace(role, state=State.WAITING, retry_at=retry_at, deadline=None, failure=None, resume=False, since=w.at)
    )
    w.wake(retry_at, f"{role.node}/{role.role}")


def _succeeded(w: Work, role: NodeRole, definition: RoleDef, event: Outcome) -> None:
    gave = {name: value for name, value in event.gives.items() if name in definition.gives}
    if role.claimed:
        gave = {**role.gave, **gave}
    missing = [name for name in definition.gives if name not in gave]
    if missing and not (role.action == "run" and definition.reverify):
        _failed(w, role, definition, reasons.bad_result(role=role.role, message=f"it does not give {', '.join(missing)}"))
        return
    if role.action == "run" and definition.reverify:
        w.put_role(
            replace(
                role, state=State.WAITING, recheck=True, claimed=True, gave=gave, failure=None, deadline=None, resume=False, begun=0.0,
                leg=0, since=w.at,
            )
        )  # fmt: skip
        return
    new = replace(
        role, state=State.ACTIVE, gave=gave, ran_hash=role.try_hash, tries=0, failure=None, deadline=None, resume=False, recheck=False,
        claimed=False, approved="", succeeded=True, begun=0.0, leg=0, ended=w.at, since=w.at,
    )  # fmt: skip
    w.put_role(new)
    learn(w, new)


def _failed(w: Work, role: NodeRole, definition: RoleDef, failure: Reason) -> None:
    no = role.action == "verify" and failure.code == "verify_failed"
    if no and (not role.claimed or inputs_hash(w, role) != role.try_hash):
        # It is not so: that is an answer, not a failure. The role runs (again). A claim is wrong only if the same was asked of it.
        w.put_role(
            replace(
                role, state=State.WAITING, recheck=False, claimed=False, deadline=None, resume=False, begun=0.0, leg=0, failure=None,
                since=w.at,
            )
        )  # fmt: skip
        return
    tries = role.tries + 1
    # A wrong claim is run again; what could not be verified for another cause is looked at again.
    recheck = role.recheck and not no
    common = {
        "tries": tries, "failure": failure, "deadline": None, "resume": False, "begun": 0.0, "leg": 0, "recheck": recheck,
        "claimed": role.claimed and recheck, "ended": w.at, "since": w.at,
    }  # fmt: skip
    if tries < definition.attempts:
        retry_at = w.now + delay(w, definition, tries)
        w.put_role(replace(role, state=State.WAITING, retry_at=retry_at, **common))
        w.wake(retry_at, f"{role.node}/{role.role}")
    else:
        w.put_role(replace(role, state=State.ERROR, **common))


def lost(w: Work, role: NodeRole, definition: RoleDef) -> None:
    """Nobody knows what became of the attempt: `verify` decides, else an idempotent role runs again, another waits for the operator."""
    w.put_role(
        replace(
            role, state=State.WAITING, recheck=definition.verify or not definition.idempotent, claimed=False, deadline=None, resume=False,
            begun=0.0, leg=0, failure=None, since=w.at,
        )
    )  # fmt: skip
