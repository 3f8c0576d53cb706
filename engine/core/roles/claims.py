"""Whether a machine may receive what is secret. A nonce and TLS prove nothing about the machine that shows them, so secrets wait.

A claim is the hello of an environment in memory. Its machine is trusted once the node's BMC or an operator confirmed that claim, or if the
plan says that the site trusts its network. An installed system is trusted by the credential of its installation, because only a trusted
claim received that.

What waits: a role that reads a secret, a role that installs a system (its task holds the credential, and its result the host key), and a
role that destroys data. A stranger in the machine's place could report that it wiped the disks, which still hold their data.
"""

from __future__ import annotations

from msgspec.structs import replace

from ... import reasons
from ...definitions import RoleDef
from ...model import Kind, Node, NodeRole
from ...reasons import Reason
from ..world.view import View
from ..world.work import Work
from .stages import over_network

CREDENTIAL = "credential"
"""The attribute that holds the credential of the installed system."""


def trusted(view: View, node: Node) -> bool:
    """True if secrets may go to what the node runs now."""
    if node.kind is not Kind.SERVER or node.confirmed:
        return True
    if view.plan is not None and view.plan.site.trust == "network":
        return True
    return bool(node.runs) and not node.claim and not over_network(view, node.runs)


def not_confirmed(view: View, node: Node, definition: RoleDef) -> Reason | None:
    """Why the role waits for a confirmation of the node's claim. None: it does not."""
    if definition.name not in view.catalog.needs_claim or trusted(view, node):
        return None
    return reasons.not_confirmed(node=node.name, fingerprint=node.fingerprint or "none", address=node.address or "an unknown address")


def begins(w: Work, role: NodeRole, attempt: str) -> None:
    """An attempt of a role starts: if it installs a system, its task holds a new credential."""
    if role.role in w.catalog.credentialed and (node := w.nodes.get(role.node)) is not None:
        w.put_node(replace(node, installing=attempt))


def installed(w: Work, role: NodeRole) -> None:
    """A role succeeded: if it installed a system, only the credential of that installation counts from now on."""
    if role.role in w.catalog.credentialed and (node := w.nodes.get(role.node)) is not None and node.installation != node.installing:
        w.put_node(replace(node, installation=node.installing))


def counts(view: View, node: Node, installation: str) -> bool:
    """True if the credential of that installation counts now. An attempt whose result is still open may have installed its system.
    Empty: the credential is of an earlier version, which had one for all installations of a node."""
    if not installation:
        return not node.installation and not node.installing
    if installation == node.installation:
        return True
    holder = view.holders.get(node.id)
    role = view.node_roles[holder] if holder is not None else None
    return role is not None and role.attempt == installation == node.installing
