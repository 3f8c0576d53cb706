"""The edits of deployments that wait to be committed. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ..core.plan.dropped import in_plan
from ..core.plan.proposed import overtaken
from ..core.world.world import World
from ..model import Proposal
from .why import Why, why

Edit = Literal["new", "changed", "deleted"]


class ProposalView(Struct, frozen=True, kw_only=True):
    deployment: str
    what: Edit
    """What a commit would make of the deployment."""
    who: str
    at: float
    """Wall time in seconds."""
    base: int
    """The revision on which the edit was made."""
    why: Why | None
    """Why it cannot be committed as it is: another revision changed the deployment. None: none did."""


def waiting_edits(world: World) -> tuple[ProposalView, ...]:
    """Sorted by name."""
    return tuple(waiting_edit(world, one) for _, one in sorted(world.proposals.items()))


def waiting_edit(world: World, one: Proposal) -> ProposalView:
    what: Edit = "deleted" if one.wanted is None else "changed" if in_plan(world.plan, one.deployment) else "new"
    reason = overtaken(world, one)
    found = why(reason) if reason is not None else None
    return ProposalView(deployment=one.deployment, what=what, who=one.who, at=one.at, base=one.base, why=found)
