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
from .summary import servers
from .why import Why


class DeploymentView(Struct, frozen=True, kw_only=True):
    name: str
    parent: str
    depth: int
    state: str
    roles: int
    done: int
    error: int
    proposed: int
    holder: str
    """The node role that holds it up: `os-install on node-3`. Empty: none does."""
    why: Why | None
    wants: tuple[tuple[str, str], ...]
    """The roles that the plan binds, and their nodes in the plan's words."""
    owned_nodes: int = 0
    """Allocated nodes that it owns itself."""
    owned_networks: tuple[str, ...] = ()


class RevisionView(Struct, frozen=True, kw_only=True):
    number: int
    who: str
    at: float
    current: bool


class PlanPage(Struct, frozen=True, kw_only=True):
    site: str
    domain: str
    expect: int
    within: float
    approve: str
    allocate: str
    deployments: tuple[DeploymentView, ...]
    revisions: tuple[RevisionView, ...]
    """Newest first."""
    text: str
    """YAML, as `crowbar plan save` writes it. Empty: no plan is committed."""


def revision_text(revision: Revision) -> str:
    """The plan of a revision as YAML."""
    return write(convert(revision.plan, Plan))


def deployed(world: World, deployment: str = "") -> list[str]:
    """Names of the allocated servers that this deployment or one below it owns, or has a role on, in the order in which nodes are shown.
    Empty: all."""

    def belongs(node: Node) -> bool:
        used = (world.node_roles[key].deployment for key in world.roles_of.get(node.id, ()))
        return not deployment or any(deployment in world.above.get(one, ()) for one in (node.deployment, *used))

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
    owned = Counter(node.deployment for node in servers(world) if node.allocated)
    networks = sorted(plan.networks.values(), key=lambda one: one.name) if plan is not None else []
    out: list[DeploymentView] = []

    def grow(parent: str, depth: int) -> None:
        if depth > 16:  # a tree by construction; a damaged store must not hang a screen
            return
        for name in sorted(d.name for d in world.deployments.values() if d.parent == parent):
            mine = counts.get(name, Counter())
            wanted = plan.deployments.get(name) if plan is not None else None
            wants = tuple((role, ", ".join(on)) for role, on in wanted.roles.items()) if wanted is not None else ()
            out.append(
                DeploymentView(
                    name=name,
                    parent=parent,
                    depth=depth,
                    state=states[name].state,
                    holder=" on ".join(part for part in (states[name].role, states[name].node.split(".")[0]) if part),
                    why=states[name].why,
                    roles=mine["roles"],
                    done=mine["done"],
                    error=mine["error"],
                    proposed=mine["proposed"],
                    wants=wants,
                    owned_nodes=owned[name],
                    owned_networks=tuple(one.name for one in networks if one.deployment == name),
                )
            )
            grow(name, depth + 1)

    grow("", 0)
    last = max((r.number for r in world.revisions.values()), default=0)
    revisions = sorted(world.revisions.values(), key=lambda r: -r.number)
    return PlanPage(
        site=plan.site.name if plan is not None else "",
        domain=plan.site.domain if plan is not None else "",
        expect=plan.expect.nodes if plan is not None else 0,
        within=plan.expect.within if plan is not None else 0.0,
        approve=plan.approve.wipe if plan is not None else "",
        allocate=plan.allocate if plan is not None else "",
        deployments=tuple(out),
        revisions=tuple(RevisionView(number=r.number, who=r.who, at=r.at, current=r.number == last) for r in revisions),
        text=write(plan) if plan is not None else "",
    )
