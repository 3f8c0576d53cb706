"""What Nagios looks at: each committed node role whose role has checks, with the address of its node. This is a wish like any other
(`core.roles.wishes`), so `monitor-server` runs again when one comes, changes or goes.

A switch is no host: it has neither SSH nor NRPE. A node without an address on the admin network is none yet."""

from __future__ import annotations

from collections.abc import Callable

from ...checks import CHECK_KINDS, Check
from ...definitions import Json
from ...model import SSH_PORT, Kind, Node, NodeRole
from ..world.view import View
from .commands import arguments, on_node
from .names import command_name

MONITORED = "monitored"
"""The attribute under which a role collects all that is to be checked. No role has to want it: `checks` is enough."""


def monitored(view: View, role: NodeRole, network: str, value: Callable[[str], Json]) -> Json:
    """`{address, here, deployment, checks}` of a node role. `network`: the name of the admin network. `value`: the committed value of an
    attribute. `here`: it is the admin node. A check is `[name, kind, arguments, command line on the node, command of NRPE]`. None: nothing
    is checked."""
    definition, node = view.catalog.roles.get(role.role), view.nodes.get(role.node)
    if definition is None or node is None or not definition.checks:
        return None
    address = _address(view, node, network)
    if not address:
        return None
    domain = view.plan.site.domain if view.plan is not None else ""
    made = [check for check in definition.checks if all(value(name) == wanted for name, wanted in check.when.items())]
    if not made:
        return None
    checks = [_check(role.role, check, domain) for check in made]
    ssh: dict[str, Json] = {"ssh": node.ssh_port} if node.ssh_port != SSH_PORT else {}
    return {"address": address, "here": node.kind is Kind.ADMIN, "deployment": role.deployment, "checks": checks, **ssh}


def _address(view: View, node: Node, network: str) -> str:
    match node.kind:
        case Kind.ADMIN:
            return view.plan.site.admin.address if view.plan is not None else ""
        case Kind.DEVICE:
            return ""
        case Kind.JOINED:
            return view.address_of.get((node.id, network)) or node.address
        case _:
            return view.address_of.get((node.id, network)) or ""


def _check(role: str, check: Check, domain: str) -> list[str]:
    if CHECK_KINDS[check.kind].on_node:
        return [check.name, check.kind, "", " ".join(filter(None, on_node(check))), command_name(role, check.name)]
    return [check.name, check.kind, arguments(check, domain), "", ""]
