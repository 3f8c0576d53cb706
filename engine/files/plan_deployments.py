"""The deployments of a plan, and the attribute values that plans set.

Rules
* Roles and attributes are those of the catalogue and of the plan's own networks; values must fit the attributes' schemas.
* Deployments form a tree below `system`, the root, which is not written: its attributes are the plan's own.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..core.network_roles import TEMPLATE, network_of
from ..definitions import Catalog, Json
from ..plan import DeploymentDef, Rule
from .mistakes import nearest, shown
from .spot import LABEL, NAME, Fields, Spot

ROOT = "system"
SECRET_VALUE = "a secret is a reference, {env: VARIABLE} or {file: PATH}, never the value itself"


def read_attributes(keys: Fields, catalog: Catalog) -> dict[str, Json]:
    """The values under the key `attributes`."""
    out: dict[str, Json] = {}
    for name, spot in keys["attributes"].entries().items() if "attributes" in keys else ():
        attribute = catalog.attributes.get(name)
        if attribute is None:
            spot.unknown("attribute", name, catalog.attributes)
        elif attribute.secret:
            spot.fail(f"{SECRET_VALUE}; it goes under the key 'secrets'")
        else:
            out[name] = spot.fits(attribute.schema)
    return out


def read_deployments(spot: Spot, catalog: Catalog, rules: tuple[Rule, ...]) -> dict[str, DeploymentDef]:
    """The deployments; `catalog` has the roles of the plan's networks."""
    out: dict[str, DeploymentDef] = {}
    parents: dict[str, Spot] = {}
    groups = sorted({rule.group for rule in rules if rule.group})
    every = spot.entries("a map from names to deployments")
    for name, deployment in every.items():
        if not NAME.fullmatch(name) or len(name) > 63:
            deployment.fail(f"expected a deployment's name, not {shown(name)}")
        elif name == ROOT:
            deployment.fail("system is the root of all deployments: give its attributes under the key 'attributes'")
            continue
        keys = deployment.fields(("parent", "attributes", "roles"))
        parent = keys["parent"].known("deployment", [ROOT, *every]) if "parent" in keys else ROOT
        parents[name] = keys.get("parent", deployment)
        roles = {}
        for role, where in keys["roles"].entries("a map from roles to nodes").items() if "roles" in keys else ():
            _role(where, role, catalog)
            roles[role] = _selectors(where, groups)
        attributes = read_attributes(keys, catalog)
        out[name] = DeploymentDef(name=name, parent=parent, attributes=attributes, roles=roles)
    _tree(out, parents)
    return out


def _role(spot: Spot, name: str, catalog: Catalog) -> None:
    role = catalog.roles.get(name)
    if role is None:
        usable = [one for one, definition in catalog.roles.items() if "abstract" not in definition.flags]
        spot.unknown("role", name, usable)
        return
    if "abstract" in role.flags:
        more = ": use network-NAME, with the name of a network" if name == TEMPLATE else ""
        spot.fail(f"role {name!r} is abstract and cannot be bound{more}")
        return
    missing = sorted(set(_missing(catalog, name)))
    for needed, by in missing:
        known = [one for one in map(network_of, catalog.roles) if one]
        text = f"role {by!r} requires {needed!r}, and there is no network {network_of(needed)!r}"
        spot.fail(text, nearest(network_of(needed), known))


def _missing(catalog: Catalog, name: str) -> Iterable[tuple[str, str]]:
    """Generated roles that a role requires, directly or not, and that no network makes; with the role that asks."""
    provided = {one for role in catalog.roles.values() for one in role.provides}
    todo, seen = [name], {name}
    while todo:
        by = todo.pop()
        for need in catalog.requirements(by):
            if need.role in catalog.roles:
                if need.role not in seen:
                    seen.add(need.role)
                    todo.append(need.role)
            elif need.role not in provided:
                yield need.role, by


def _selectors(spot: Spot, groups: list[str]) -> tuple[str, ...]:
    """`all`, `admin`, {group: NAME}, {node: NAME}, or a list of these."""
    value = spot.json()
    if isinstance(value, list):
        found = tuple(_selector(item, groups) for item in spot.items())
        if not found:
            spot.fail("expected at least one of all, admin, {group: NAME}, {node: NAME}")
        for i, one in enumerate(found):
            if one and one in found[:i]:
                spot.at((i,)).fail("it is in this list already")
        return found
    return (_selector(spot, groups),)


def _selector(spot: Spot, groups: list[str]) -> str:
    value = spot.json()
    if isinstance(value, dict):
        keys = spot.fields(("group", "node"))
        if len(keys) == 1 and "group" in keys:
            name = keys["group"].text("a group's name")
            if name and name not in groups:
                keys["group"].unknown("group", name, groups)
            return f"group:{name}"
        if len(keys) == 1:
            return "node:" + keys["node"].name("a node's host name", LABEL)
        if len(keys) == 2 or not value:
            spot.fail("expected either {group: NAME} or {node: NAME}")
        return ""
    if value in ("all", "admin"):
        return str(value)
    near = nearest(value, ("all", "admin")) if isinstance(value, str) else ""
    if isinstance(value, str) and value in groups:
        spot.fail(f"expected all, admin, {{group: NAME}} or {{node: NAME}}; for the group write {{group: {value}}}")
    else:
        spot.fail(f"expected all, admin, {{group: NAME}} or {{node: NAME}}, not {shown(value)}", near)
    return ""


def _tree(deployments: dict[str, DeploymentDef], parents: dict[str, Spot]) -> None:
    """No deployment is its own ancestor; a circle is told once."""
    told: set[str] = set()
    for start in deployments:
        chain = [start]
        while (parent := deployments[chain[-1]].parent if chain[-1] in deployments else ROOT) not in (ROOT, *chain):
            chain.append(parent)
        if parent == start and not told & set(chain):
            told.update(chain)
            parents[start].fail("these deployments are each other's parents: " + " -> ".join([*chain, start]))
