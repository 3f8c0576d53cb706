"""Edits of single deployments, read and checked like a whole plan. `core.plan.proposals` decides about them."""

from __future__ import annotations

from msgspec.structs import replace

from .. import reasons
from ..core.plan.diff import Diff, diff_proposals, refused_diff
from ..core.plan.proposed import definition_in, proposed_plan
from ..core.world.world import World
from ..plan import DeploymentDef, Plan, Rule
from ..reasons import Reason
from . import plan_file
from .mistakes import PlanError
from .plan_deployments import read_deployment

MISTAKES = 20
"""Most mistakes in a reason."""
LONGEST = 63
"""Of a deployment's name."""


def edited(world: World, deployment: str, text: str, filename: str) -> DeploymentDef | Reason:
    """The definition in a text. Deployments that are only proposed may be its parent too."""
    if world.plan is None:
        return reasons.no_plan()
    known = {*world.plan.deployments, *(name for name, one in world.proposals.items() if one.wanted is not None), deployment}
    try:
        return read_deployment(text, filename, deployment, world.plan, sorted(known), world.base)
    except PlanError as error:
        return bad_plan(error, filename)


def as_in_revision(world: World, deployment: str, number: int) -> DeploymentDef | Reason | None:
    """The definition that a revision has. None: it does not have that deployment."""
    found = world.revisions.get(number)
    if found is None:
        return reasons.unknown_thing(what="revision", name=str(number)[:20], nearest=str(max(world.revisions, default=0)))
    return definition_in(found, deployment)


def refused(world: World, names: tuple[str, ...]) -> Reason | None:
    """Why the plan with these edits is no usable plan. A deployment may stand elsewhere in it, where no edit shows."""
    plan = proposed_plan(world, names)
    if isinstance(plan, Reason):
        return plan
    try:
        plan_file.read(plan_file.write(_outline(plan)), "plan", world.base)
    except PlanError as error:
        return bad_plan(error, "with these edits")
    return None


def _outline(plan: Plan) -> Plan:
    """The plan without what no edit of a deployment can make wrong. On a large rack that is nearly all of its text, and seconds."""
    rules: list[Rule] = []
    for rule in plan.rules:
        bare = replace(rule, match={}, name="", attributes={}, roles={})
        if bare not in (Rule(), *rules):
            rules.append(bare)
    return replace(plan, racks=(), machines=(), versions=None, rules=tuple(rules))


def diff_edits(world: World, names: tuple[str, ...]) -> Diff:
    """What a commit of the waiting edits of these deployments would change."""
    reason = refused(world, names)
    return refused_diff(world, reason) if reason is not None else diff_proposals(world, names)


def bad_plan(error: PlanError, name: str) -> Reason:
    told = "; ".join(str(mistake) for mistake in error.mistakes[:MISTAKES])
    return reasons.bad_plan(name=name[:200], message=told)
