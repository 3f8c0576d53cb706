"""The state of each deployment in words, and the node role that holds it up. Pure: derived from the world and never stored.

    empty      no node role of it or below it
    proposed   an edit of it waits to be committed, or it has node roles and none is committed
    committed  committed, and no role has run yet
    working    some roles are done or run
    in error   a role failed
    ready      every committed role of it and below it is done
    validated  ready, and every role of it and below it that validates (`validate: true`) is active and not stale. There is at least one
    deleted    the plan no longer has it, and some of its roles stay bound (`NodeRole.kept`)

While an edit waits, what is committed works on as if there was none. `runs` is its own word then, and it alone decides whether the rack is
done.

A deployment counts with all deployments below it: a cloud is not ready before its storage is.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nsmallest
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from .. import reasons
from ..core.plan.dropped import in_plan
from ..core.roles.derive import committed, done
from ..core.roles.guards import blockers
from ..core.roles.transitions import doubted, runs
from ..core.world.world import World
from ..model import ERROR, NodeRole, State
from ..reasons import Reason, is_elsewhere, needs_person
from .proposals import ProposalView, waiting_edits
from .why import Why, why

Word = Literal["empty", "proposed", "committed", "working", "in error", "ready", "validated", "deleted"]

LOOKS = 32
"""Most node roles of one deployment whose reasons are examined, so that a large rack costs no more than a small one."""


class DeploymentState(Struct, frozen=True, kw_only=True):
    name: str
    parent: str
    state: Word
    runs: Word
    """The word for what is committed: another one than `state` only while an edit waits."""
    edit: ProposalView | None = None
    """The edit that waits to be committed."""
    node: str = ""
    """Name of the node whose role holds it up. Empty: none does."""
    role: str = ""
    why: Why | None = None
    """Why it goes no further. None: it is validated or empty, or the role runs or is about to."""


def deployment_states(world: World) -> dict[str, DeploymentState]:
    """Name -> state, sorted by name."""
    mine: dict[str, list[NodeRole]] = {d.name: [] for d in world.deployments.values()}
    above = {d.name: d.parent for d in world.deployments.values()}
    for role in world.node_roles.values():
        place, seen = role.deployment, set[str]()
        while place and place not in seen:  # a tree by construction; a damaged store must not hang a command
            seen.add(place)
            mine.setdefault(place, []).append(role)
            place = above.get(place, "")
    out = {name: _state(world, name, above.get(name, ""), mine[name]) for name in mine}
    for edit in waiting_edits(world):
        proposal = world.proposals[edit.deployment]
        parent = "system" if proposal.wanted is None else str(proposal.wanted.get("parent", "system"))
        there = out.get(edit.deployment) or _word(edit.deployment, parent, "empty")
        out[edit.deployment] = replace(there, state="proposed", edit=edit)
    return dict(sorted(out.items()))


def _word(name: str, parent: str, word: Word) -> DeploymentState:
    return DeploymentState(name=name, parent=parent, state=word, runs=word)


def validated(states: dict[str, DeploymentState]) -> bool:
    """True if the root is validated, and each deployment directly below it that has node roles. Deeper ones count with theirs."""
    roots = {one.name for one in states.values() if not one.parent}
    asked = [one for one in states.values() if (one.name in roots or one.parent in roots) and one.runs not in ("empty", "deleted")]
    return bool(asked) and all(one.runs == "validated" for one in asked)


def _state(world: World, name: str, parent: str, roles: list[NodeRole]) -> DeploymentState:
    if not in_plan(world.plan, name) and world.plan is not None:
        return _word(name, parent, "deleted")
    ours = [role for role in roles if committed(role)]
    if not ours:
        if not roles:
            return _word(name, parent, "empty")
        return _held(world, name, parent, "proposed", min(roles, key=lambda r: r.key))
    left = [role for role in ours if not done(world, role)]
    failed = [role for role in left if role.state is ERROR]
    if failed:
        return _held(world, name, parent, "in error", min(failed, key=lambda r: r.key))
    if left:
        begun = len(left) < len(ours) or any(role.attempt or role.state is State.ACTIVE for role in left)
        return _held(world, name, parent, "working" if begun else "committed", *_worst(world, left))
    return _proved(world, name, parent, ours)


def _proved(world: World, name: str, parent: str, roles: list[NodeRole]) -> DeploymentState:
    """All of its roles are done: do they prove that it works?"""
    proofs = [role for role in roles if (found := world.catalog.roles.get(role.role)) is not None and found.validates]
    if not proofs:
        return replace(_word(name, parent, "ready"), why=why(reasons.nothing_validates(deployment=name)))
    skipped = min((role for role in proofs if role.state is State.SKIPPED), key=lambda r: r.key, default=None)
    if skipped is None:
        return _word(name, parent, "validated")
    return _held(world, name, parent, "ready", skipped, reasons.proof_skipped(role=skipped.role))


def _worst(world: World, left: list[NodeRole]) -> tuple[NodeRole, Reason | None]:
    """The role that holds a deployment up: first one that waits for a person, then one that runs or will run by itself. Roles that wait
    for others come last."""

    def near(role: NodeRole) -> tuple[bool, bool, tuple[str, str]]:
        node = world.nodes.get(role.node)
        stuck = node is not None and (node.problem is not None or node.off is not None or node.hold or not node.available)
        first = doubted(role) or runs(role) or role.key in (world.ready.get(role.node) or ())
        return not stuck, not first, role.key

    found: list[tuple[int, int, NodeRole, Reason | None]] = []
    for i, role in enumerate(nsmallest(LOOKS, left, key=near)):
        reason = None if runs(role) else next(iter(blockers(world, role, first=True)), None)
        weight = 1 if reason is None else 0 if needs_person(reason.code) else 3 if is_elsewhere(reason.code) else 2
        found.append((weight, i, role, reason))
    _, _, role, reason = min(found, key=lambda one: one[:2])
    return role, reason


def _held(world: World, name: str, parent: str, state: Word, role: NodeRole, reason: Reason | None = None) -> DeploymentState:
    node = world.nodes.get(role.node)
    told = reason if reason is not None or runs(role) else next(iter(blockers(world, role, first=True)), None)
    return DeploymentState(
        name=name,
        parent=parent,
        state=state,
        runs=state,
        node=node.name if node is not None else role.node,
        role=role.role,
        why=why(told) if told is not None else None,
    )


def waits_for_a_person(states: Iterable[DeploymentState]) -> bool:
    """True if no deployment goes on by itself."""
    moving = ("working", "committed")
    return not any(one.runs in moving and (one.why is None or not needs_person(one.why.code)) for one in states)
