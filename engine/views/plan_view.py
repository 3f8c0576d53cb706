"""The current plan: deployments and their progress, revisions, and the plan's own text. Pure."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from ..core.roles.derive import done
from ..core.world.world import World
from ..model import Node, Revision, State
from ..plan import from_stored
from .deployments import DeploymentState, deployment_states
from .proposals import ProposalView, waiting_edits
from .revisions import SYSTEM, RevisionView, revision_views
from .summary import servers
from .why import Why

REVISIONS = 50
"""Most revisions of a page."""
DEEPEST = 16
"""Most levels that are shown. Deployments are a tree by construction; a damaged store must not hang a screen."""


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
    edit: ProposalView | None = None
    """The edit that waits to be committed."""
    owned_nodes: int = 0
    """Allocated nodes that it owns itself."""
    owned_networks: tuple[str, ...] = ()


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
    from ..files.plan_write import write  # YAML: a console that attaches starts without it

    return write(from_stored(revision.plan))


def deployed(world: World, deployment: str = "") -> list[str]:
    """Names of the allocated servers that this deployment or one below it owns, or has a role on, in the order in which nodes are shown.
    Empty: all."""

    def belongs(node: Node) -> bool:
        used = (world.node_roles[key].deployment for key in world.roles_of.get(node.id, ()))
        return not deployment or any(deployment in world.above.get(one, ()) for one in (node.deployment, *used))

    return [node.name for node in servers(world) if node.allocated and belongs(node)]


def deployment_views(world: World) -> tuple[DeploymentView, ...]:
    """The tree, parents before their children."""
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

    shown: set[str] = set()

    def grow(one: DeploymentState, depth: int) -> None:
        if one.name in shown:
            return
        shown.add(one.name)
        mine = counts.get(one.name, Counter())
        wanted = plan.deployments.get(one.name) if plan is not None else None
        out.append(
            DeploymentView(
                name=one.name,
                parent=one.parent,
                depth=depth,
                state=one.state,
                runs=one.runs,
                holder=" on ".join(part for part in (one.role, one.node.split(".")[0]) if part),
                why=one.why,
                roles=mine["roles"],
                done=mine["done"],
                error=mine["error"],
                proposed=mine["proposed"],
                edit=one.edit,
                wants=tuple((role, ", ".join(on)) for role, on in wanted.roles.items()) if wanted is not None else (),
                owned_nodes=owned[one.name],
                owned_networks=tuple(network.name for network in networks if network.deployment == one.name),
            )
        )
        for child in states.values() if depth < DEEPEST else ():
            if child.parent == one.name:
                grow(child, depth + 1)

    for one in states.values():
        if one.parent not in states:  # the root, and an edit whose parent is not there
            grow(one, 0 if one.name == SYSTEM else 1)
    for one in states.values():  # edits that would be each other's parents
        grow(one, 1)
    return tuple(out)


def plan_page(world: World) -> PlanPage:
    from ..files.plan_write import write

    plan = world.plan
    return PlanPage(
        site=plan.site.name if plan is not None else "",
        domain=plan.site.domain if plan is not None else "",
        expect=plan.expect.nodes if plan is not None else 0,
        within=plan.expect.within if plan is not None else 0.0,
        approve=plan.approve.wipe if plan is not None else "",
        allocate=plan.allocate if plan is not None else "",
        deployments=deployment_views(world),
        edits=waiting_edits(world),
        revisions=revision_views(world, REVISIONS),
        text=write(plan) if plan is not None else "",
    )
