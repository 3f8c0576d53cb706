"""The nodes that a plan's selectors mean: `all`, `group:NAME`, `node:NAME`, `admin`."""

from __future__ import annotations

from ...definitions import RoleDef
from ...model import Kind, Node


def places(role: RoleDef | None, selector: str, node: Node) -> bool:
    """True if the selector places the role on the node. `all` of a role for devices means all devices of its kind, and no server."""
    if role is not None and role.jig == "device":
        return node.kind is Kind.DEVICE and node.family == role.device and (selector == "all" or selects(selector, node))
    return selects(selector, node)


def selects(selector: str, node: Node) -> bool:
    kind, _, name = selector.partition(":")
    if kind == "all":
        return node.kind is Kind.SERVER
    if kind == "group":
        return node.group == name
    if kind == "node":
        return name in (node.name, node.name.split(".")[0])
    return kind == "admin" and node.kind is Kind.ADMIN
