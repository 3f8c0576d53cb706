"""What waiting edits of deployments would make of the plan: each is the whole wanted definition of one deployment. Pure.

Rules
* The root `system` has attributes only. They are the plan's own.
* An edit is made on a revision. Once the plan has another definition of that deployment than that revision had, the edit is not committed:
  it would undo what somebody did meanwhile. Revisions that change other deployments do no harm.
* An edit that equals the plan's definition is none.
* A deployment that owns nodes or networks in the plan stays: these would be nobody's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import convert, json
from msgspec.structs import replace

from ... import reasons
from ...definitions import Json
from ...model import Proposal, Revision
from ...plan import DeploymentDef, Plan
from ...reasons import Reason
from ...reasons.moment import moment
from ..world.view import View
from .values import SYSTEM

NAMED = 3
"""Most things that a refusal names."""


def definition(plan: Plan, name: str) -> DeploymentDef | None:
    """The plan's definition of a deployment. None: the plan does not have it."""
    if name == SYSTEM:
        return root(plan.attributes)
    return plan.deployments.get(name)


def root(attributes: Mapping[str, Json]) -> DeploymentDef:
    """The definition of `system`."""
    return DeploymentDef(name=SYSTEM, parent="", attributes=dict(attributes))


def as_wanted(found: DeploymentDef | None) -> Json:
    """A definition as a proposal holds it, so that the two compare."""
    out: Json = json.decode(json.encode(found))
    return out


def wanted_of(proposal: Proposal) -> DeploymentDef | None:
    """The definition that a proposal wants. None: the deployment is to be deleted."""
    return None if proposal.wanted is None else convert(proposal.wanted, DeploymentDef)


def definition_in(revision: Revision, name: str) -> DeploymentDef | None:
    """A revision's definition of a deployment. It converts no other part of the plan, which may be large."""
    body = revision.plan
    part = body.get("attributes" if name == SYSTEM else "deployments") or {}
    if name == SYSTEM:
        return root(part)
    return convert(part[name], DeploymentDef) if name in part else None


def changed_since(view: View, name: str, base: int) -> Revision | None:
    """The last revision that changed the deployment, if the plan's definition is not that of revision `base`."""
    found = view.revisions.get(base)
    if view.plan is None or found is None:
        return None
    now, then = definition(view.plan, name), definition_in(found, name)
    if now == then:
        return None
    number, last = base + 1, found
    while (one := view.revisions.get(number)) is not None:
        there = definition_in(one, name)
        if there != then:
            last, then = one, there
        number += 1
    return last


def overtaken(view: View, proposal: Proposal) -> Reason | None:
    """Why the edit is not committed as it is: another revision has changed its deployment. None: none has."""
    return other_revision(view, proposal.deployment, proposal.base)


def other_revision(view: View, name: str, base: int) -> Reason | None:
    since = changed_since(view, name, base)
    if since is None:
        return None
    return reasons.deployment_changed(deployment=name, who=since.who, revision=since.number, when=moment(since.at), base=base)


def proposed_plan(view: View, names: Iterable[str]) -> Plan | Reason:
    """The present plan with the waiting edits of these deployments. A reason: they do not go together with it."""
    plan = view.plan
    if plan is None:
        return reasons.no_plan()
    deployments, attributes = dict(plan.deployments), plan.attributes
    deleted: set[str] = set()
    for name in dict.fromkeys(names):
        proposal = view.proposals.get(name)
        if proposal is None:
            return reasons.not_proposed(deployment=name)
        refused = overtaken(view, proposal)
        if refused is not None:
            return refused
        wanted = wanted_of(proposal)
        if name == SYSTEM:
            attributes = wanted.attributes if wanted is not None else attributes
        elif wanted is not None:
            deployments[name] = wanted
        else:
            deleted.add(name)
            deployments.pop(name, None)
    refused = _tree(deployments, deleted) or _owns(plan, deleted)
    return refused or replace(plan, deployments=deployments, attributes=attributes)


def _owns(plan: Plan, deleted: set[str]) -> Reason | None:
    """A deployment that still owns something in the plan would leave it to nobody."""
    for name in sorted(deleted):
        owned = [f"network {one.name}" for one in plan.networks.values() if one.deployment == name]
        owned += [f"the nodes of rule {number}" for number, rule in enumerate(plan.rules, 1) if rule.deployment == name]
        if owned:
            more = f" and {len(owned) - NAMED} more" if len(owned) > NAMED else ""
            return reasons.still_owns(deployment=name, owns=", ".join(owned[:NAMED]) + more)
    return None


def _tree(deployments: Mapping[str, DeploymentDef], deleted: set[str]) -> Reason | None:
    """Every parent is there, and nobody is an ancestor of itself."""
    for name, one in deployments.items():
        if one.parent in deleted:
            children = sorted(child for child, other in deployments.items() if other.parent == one.parent)
            return reasons.has_children(deployment=one.parent, children=", ".join(children))
        if one.parent != SYSTEM and one.parent not in deployments:
            return reasons.no_parent(deployment=name, parent=one.parent)
    for name in deployments:
        chain = [name]
        while (parent := deployments[chain[-1]].parent) not in (SYSTEM, *chain):
            chain.append(parent)
        if parent != SYSTEM:
            return reasons.parents_cycle(path=" -> ".join([*chain, parent]))
    return None
