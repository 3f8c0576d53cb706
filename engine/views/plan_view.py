"""The current plan: deployments and their progress, revisions, and the plan's own text. Pure."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct, convert

from ..core.roles.derive import done
from ..core.world.world import World
from ..files.plan_write import write
from ..model import Node, Revision, State
from ..plan import Plan
from .deployments import deployment_states
from .proposals import ProposalView, waiting_edits
from .revisions import RevisionView, revision_views
from .summary import servers
from .why import Why

REVISIONS = 50
"""Most revisions of a page."""


class DeploymentView(Struct, frozen=True, kw_only=True):
    name: str
    parent: str
    depth: int
    state: str
    runs: str
    """The word for what is committed: another one than `state` only while an edit waits."""
    roles: int
    done: int
    error: int
    proposed: int
    holder: str
    """The node role that holds it up: `os-install on node-3`. Empty: none does."""
    why: Why | None
    wants: tuple[tuple[str, str], ...]
    """The roles that the plan binds, and their nodes in the plan's words."""


class PlanPage(Struct, frozen=True, kw_only=True):
    site: str
    domain: str
    expect: int
    within: float
    approve: str
    allocate: str
    deployments: tuple[DeploymentView, ...]
    edits: tuple[ProposalView, ...]
    """Edits that wait to be committed."""
    revisions: tuple[RevisionView, ...]
    """Newest first, at most REVISIONS."""
    text: str
    """YAML, as `crowbar plan save` writes it. Empty: no plan is committed."""


def revision_text(revision: Revision) -> str:
    """The plan of a revision as YAML."""
    return write(convert(revision.plan, Plan))


def deployed(world: World, deployment: str = "") -> list[str]:
    """Names of the allocated servers with a role in that deployment or below it, in the order in which nodes are shown. Empty: in any."""

    def belongs(node: Node) -> bool:
        roles = (world.node_roles[key] for key in world.roles_of.get(node.id, ()))
        return not deployment or any(deployment in world.above.get(one.deployment, ()) for one in roles)

    return [node.name for node in servers(world) if node.allocated and belongs(node)]


def plan_page(world: World) -> PlanPage:
    plan = world.plan
    states = deployment_states(world)
    counts: dict[str, Counter[str]] = {}
    for role in world.node_roles.values():
        mine = counts.setdefault(role.deployment, Counter())
        if role.state is State.PROPOSED:
            mine["proposed"] += 1
            continue
        mine["roles"] += 1
        mine["done"] += done(world, role)
        mine["error"] += role.state is State.ERROR
    out: list[DeploymentView] = []

    def grow(parent: str, depth: int) -> None:
        if depth > 16:  # a tree by construction; a damaged store must not hang a screen
            return
        for name in sorted(one.name for one in states.values() if one.parent == parent):
            mine = counts.get(name, Counter())
            wanted = plan.deployments.get(name) if plan is not None else None
            wants = tuple((role, ", ".join(on)) for role, on in wanted.roles.items()) if wanted is not None else ()
            out.append(
                DeploymentView(
                    name=name,
                    parent=parent,
                    depth=depth,
                    state=states[name].state,
                    runs=states[name].runs,
                    holder=" on ".join(part for part in (states[name].role, states[name].node.split(".")[0]) if part),
                    why=states[name].why,
                    roles=mine["roles"],
                    done=mine["done"],
                    error=mine["error"],
                    proposed=mine["proposed"],
                    wants=wants,
                )
            )
            grow(name, depth + 1)

    grow("", 0)
    return PlanPage(
        site=plan.site.name if plan is not None else "",
        domain=plan.site.domain if plan is not None else "",
        expect=plan.expect.nodes if plan is not None else 0,
        within=plan.expect.within if plan is not None else 0.0,
        approve=plan.approve.wipe if plan is not None else "",
        allocate=plan.allocate if plan is not None else "",
        deployments=tuple(out),
        edits=waiting_edits(world),
        revisions=revision_views(world, REVISIONS),
        text=write(plan) if plan is not None else "",
    )
