"""Deployments own nodes and networks: who may use them. One place decides; selectors, binding, addresses and the plan's reader ask it.

* A node belongs to one deployment (`Node.deployment`), by default the root. It serves that deployment, those above it and those below it.
  Deployments elsewhere in the tree do not select it. A node of the root serves all of them.
* A network may belong to a deployment (`Network.deployment`). Only that deployment and those below it may use it. Its role is bound in the
  deployment that owns the network. A network that nobody owns is everybody's, and its role is bound where it is used.

Decisions
* Owning limits what selectors choose, and nothing else. A role that a deployment above places on an owned node belongs to the deployment
  above, and serves all below that one, as a database does that several tenants share.
* A role reads the settings of its own deployment and of those above (`roles.attributes`). Owning a node adds no layer: otherwise the
  settings of a leaf would change roles that a deployment above has bound, and that other leaves depend on.
* If several deployments place a role on a node, or bring it in, the owner has it. So the owner's settings count for its machine.
* A node that a deployment elsewhere names (`node:NAME`) is refused. `all` and a group just leave it out.
* An address that a node has stays reserved when its owner changes: the installed system uses it until the next install.
"""

from __future__ import annotations

from collections.abc import Mapping

from ... import reasons
from ...definitions import RoleDef
from ...model import Kind, Node
from ...plan import DeploymentDef, Plan
from ...reasons import Reason
from ..world.view import View
from .network_roles import network_of

SYSTEM = "system"
"""The root of all deployments."""

Line = tuple[str, ...]
"""A deployment and those above it, up to the root."""


def line_of(deployments: Mapping[str, DeploymentDef], name: str) -> Line:
    """The line of a deployment of a plan. Ends where the plan's tree has a cycle or a gap."""
    found: dict[str, None] = {}
    while name and name not in found:
        found[name] = None
        there = deployments.get(name)
        name = "" if name == SYSTEM else there.parent if there is not None else SYSTEM
    return tuple(found)


def serves(owner: Line, deployment: Line) -> bool:
    """True if what the first deployment owns serves the second: it is the same one, or one of them is above the other."""
    return owner[0] in deployment or deployment[0] in owner


def may_use(owner: str, deployment: Line) -> bool:
    """True if a deployment may use a network of that owner. Empty: nobody owns it."""
    return not owner or owner in deployment


def unknown_owner(plan: Plan) -> Reason | None:
    """The first network or rule that names an owner which the plan does not have."""
    named = [(f"network {one.name}", one.deployment) for one in plan.networks.values()]
    named += [(f"what rule {number} matches", rule.deployment) for number, rule in enumerate(plan.rules, 1)]
    for what, owner in named:
        if owner not in ("", SYSTEM) and owner not in plan.deployments:
            return reasons.owner_unknown(what=what, deployment=owner)
    return None


def owner_of_role(view: View, role: RoleDef) -> str:
    """The deployment that owns the network of a generated role. Empty: no such role, or nobody owns the network."""
    if not role.scripts or view.plan is None:
        return ""
    network = view.plan.networks.get(network_of(role.name))
    return network.deployment if network is not None else ""


def owner_of_node(plan: Plan, node: Node, chosen: str) -> str:
    """The owner of an allocated node, by what the rules choose. A node that took another's place keeps its owner, while the plan has that
    deployment."""
    owner = node.deployment if node.pinned else chosen
    return owner if owner in plan.deployments else SYSTEM


def uses_network(view: View, node: Node, owner: str) -> bool:
    """True if the node may need an address on a network of that owner."""
    lines = view.above
    if not owner or node.kind is Kind.ADMIN:
        return True
    return serves(lines.get(node.deployment) or (node.deployment,), lines.get(owner) or (owner,))
