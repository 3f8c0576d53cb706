"""Selections: the nodes that a plan's selectors mean (`all`, `group:NAME`, `node:NAME`, `admin`), and the requirements of a role."""

from __future__ import annotations

from ...definitions import Requirement, RoleDef
from ...model import Kind, Node
from ...plan import Plan
from ..world.view import View


def selects(selector: str, node: Node) -> bool:
    kind, _, name = selector.partition(":")
    if kind == "all":
        return node.kind is Kind.SERVER
    if kind == "group":
        return node.group == name
    if kind == "node":
        return name in (node.name, node.name.split(".")[0])
    return kind == "admin" and node.kind is Kind.ADMIN


def named(plan: Plan | None, node: Node) -> set[str]:
    """Roles that the plan names for this node."""
    if plan is None:
        return set()
    return {role for d in plan.deployments.values() for role, selectors in d.roles.items() if any(selects(s, node) for s in selectors)}


def requirements(view: View, definition: RoleDef) -> tuple[Requirement, ...]:
    """Its named requirements, and the owners of the attributes that it wants (without discovery facts, which exist before)."""
    out = list(definition.requires)
    named = {r.role for r in out}
    for want in definition.wants:
        attribute = view.catalog.attributes.get(want.name)
        owner = attribute.role if attribute is not None else ""
        if owner and owner != definition.name and owner not in named:
            giver = view.catalog.roles.get(owner)
            if giver is not None and "abstract" not in giver.flags:
                out.append(Requirement(role=owner))
                named.add(owner)
    return tuple(out)
