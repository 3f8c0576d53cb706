"""What a joined machine does not take from the engine. It was installed by others and works: it has only the system stage, and the engine
changes neither its disks nor the network by which it reaches it.

A requirement that such a machine meets by itself counts as met: it is installed, and it has its address.
"""

from __future__ import annotations

from ...definitions import RoleDef
from ...model import SSH_PORT, Kind, Node
from ..roles.attributes import admin_network
from ..world.view import View
from .network_roles import network_of

FLAG = "joined"
"""The flag of discovery roles that look at joined machines too, over SSH."""
JIG = "script"
"""What carries out their roles there that run in sledgehammer elsewhere."""


def why_not(view: View, role: RoleDef) -> str:
    """Why a joined machine does not have that role. Empty: it may."""
    if FLAG in role.flags:
        return ""
    if not view.catalog.in_system(role.stage):
        return f"it has no stage {role.stage}"
    if network_of(role.name) and network_of(role.name) == admin_network(view):
        return "the engine leaves the network alone by which it reaches the machine"
    return ""


def jig_of(node: Node, role: RoleDef) -> str:
    """Name of the jig that carries out a role on a node."""
    return JIG if node.kind is Kind.JOINED and role.jig_kind.serves == "memory" else role.jig


def ssh_at(node: Node) -> str:
    """Address of a joined machine's SSH server; with the port, if that is not the usual one."""
    return node.address if node.ssh_port == SSH_PORT else f"{node.address}:{node.ssh_port}"
