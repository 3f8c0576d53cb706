"""The nodes that a plan's selectors mean: `all`, `group:NAME`, `node:NAME`, `admin`."""

from __future__ import annotations

from ...model import Kind, Node


def selects(selector: str, node: Node) -> bool:
    kind, _, name = selector.partition(":")
    if kind == "all":
        return node.kind is Kind.SERVER
    if kind == "group":
        return node.group == name
    if kind == "node":
        return name in (node.name, node.name.split(".")[0])
    return kind == "admin" and node.kind is Kind.ADMIN
