"""The deployments of a plan, and its attribute values.

Rules
* Roles and attributes are those of the catalogue and of the plan's own networks. Values must fit the attributes' schemas.
* Deployments form a tree below the root `system`. The root is not written in the file: its attributes are the plan's own.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..core.plan.network_roles import TEMPLATE, network_of
from ..definitions import Catalog, Json
from ..plan import DeploymentDef, RoleSettings, Rule
from .element import LABEL, NAME, Element, Fields
from .mistakes import nearest, shown

ROOT = "system"
STAGES_FILE = "put it into the store's stages.yml, or the role out of the plan"
SYSTEM, METHOD = "target-os", "install-method"
"""The attributes that choose what is installed, and how."""
SECRET_VALUE = "a secret is a reference, {env: VARIABLE} or {file: PATH}, never the value itself"


def read_attributes(keys: Fields, catalog: Catalog) -> dict[str, Json]:
    """The values under the key `attributes`."""
    out: dict[str, Json] = {}
    for name, element in keys["attributes"].entries().items() if "attributes" in keys else ():
        attribute = catalog.attributes.get(name)
        if attribute is None:
            element.unknown("attribute", name, catalog.attributes)
        elif attribute.secret:
            element.fail(f"{SECRET_VALUE}; it belongs under the key 'secrets'")
        else:
            out[name] = element.fits(attribute.schema)
            if name == SYSTEM:
                _system(element, out[name], keys["attributes"].json(), catalog)
    return out


def read_role_settings(element: Element, catalog: Catalog) -> dict[str, RoleSettings]:
    """The key `roles` of a rule. Each role must read the attributes that it is given; `catalog` has the roles of the plan's networks."""
    out: dict[str, RoleSettings] = {}
    for name, one in element.entries("a map from roles to their settings").items():
        _role(one, name, catalog)
        keys = one.fields(("attributes",), ("attributes",))
        role = catalog.roles.get(name)
        given = keys["attributes"].entries() if "attributes" in keys and role is not None else {}
        for attribute, value in given.items():
            if role is not None and attribute in catalog.attributes and attribute not in role.reads:
                value.fail(f"role {name!r} does not read attribute {shown(attribute)}", nearest(attribute, sorted(role.reads)))
        out[name] = RoleSettings(attributes=read_attributes(keys, catalog))
    return out


def _system(element: Element, value: Json, beside: Json, catalog: Catalog) -> None:
    """Refuses a system for which there is no image, or no installer for the method that stands beside it."""
    method = beside.get(METHOD) if isinstance(beside, dict) else None
    known = systems(catalog, method if isinstance(method, str) else "")
    if isinstance(value, str) and value not in known and systems(catalog):
        element.unknown(f"image for install-method {method}" if method and value in systems(catalog) else "image", value, known)


def no_image(catalog: Catalog, name: str, value: Json) -> str:
    """Why an attribute cannot have that value: it names a system without an image. Empty: it can."""
    known = systems(catalog)
    if name != SYSTEM or value in known or not known or not isinstance(value, str):
        return ""
    near = nearest(value, known)
    return f"unknown image {shown(value)}; " + (f"did you mean {near!r}?" if near else f"known: {', '.join(known)}")


def systems(catalog: Catalog, method: str = "") -> list[str]:
    """The systems that can be installed: with one method, or with any."""
    images = catalog.images.values()
    written = [image.name for image in images if image.kind == "system" and method in ("", "image")]
    return sorted({*written, *(image.installs for image in images if image.kind == "installer" and method in ("", image.method))})


def read_deployments(element: Element, catalog: Catalog, rules: tuple[Rule, ...]) -> dict[str, DeploymentDef]:
    """The deployments; `catalog` has the roles of the plan's networks."""
    out: dict[str, DeploymentDef] = {}
    parents: dict[str, Element] = {}
    groups = sorted({rule.group for rule in rules if rule.group})
    every = element.entries("a map from names to deployments")
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


def _role(element: Element, name: str, catalog: Catalog) -> None:
    role = catalog.roles.get(name)
    if role is None:
        usable = [one for one, definition in catalog.roles.items() if "abstract" not in definition.flags]
        element.unknown("role", name, usable)
        return
    if "abstract" in role.flags:
        more = ": use network-NAME, with the name of a network" if name == TEMPLATE else ""
        element.fail(f"role {name!r} is abstract and cannot be used{more}")
        return
    if name in catalog.left_out:
        element.fail(f"role {name!r} runs in stage {role.stage!r}, which this site leaves out: {STAGES_FILE}")
    if (wish := catalog.unfulfilled(role)) is not None:
        element.fail(
            f"role {name!r} wishes {wish[0]}, and this site leaves out stage {wish[1]!r}, which carries the wish out: {STAGES_FILE}"
        )
    missing = sorted(set(_missing(catalog, name)))
    for needed, by in missing:
        known = [one for one in map(network_of, catalog.roles) if one]
        text = f"role {by!r} requires {needed!r}, and there is no network {network_of(needed)!r}"
        element.fail(text, nearest(network_of(needed), known))


def _missing(catalog: Catalog, name: str) -> Iterable[tuple[str, str]]:
    """Generated roles that a role requires, directly or not, for which the plan has no network; with the role that requires them."""
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


def _selectors(element: Element, groups: list[str]) -> tuple[str, ...]:
    """`all`, `admin`, {group: NAME}, {node: NAME}, or a list of these."""
    value = element.json()
    if isinstance(value, list):
        found = tuple(_selector(item, groups) for item in element.items())
        if not found:
            element.fail("expected at least one of all, admin, {group: NAME}, {node: NAME}")
        for i, one in enumerate(found):
            if one and one in found[:i]:
                element.at((i,)).fail("this list already has it")
        return found
    return (_selector(element, groups),)


def _selector(element: Element, groups: list[str]) -> str:
    value = element.json()
    if isinstance(value, dict):
        keys = element.fields(("group", "node"))
        if len(keys) == 1 and "group" in keys:
            name = keys["group"].text("a group's name")
            if name and name not in groups:
                keys["group"].unknown("group", name, groups)
            return f"group:{name}"
        if len(keys) == 1:
            return "node:" + keys["node"].name("a node's host name", LABEL)
        if len(keys) == 2 or not value:
            element.fail("expected either {group: NAME} or {node: NAME}")
        return ""
    if value in ("all", "admin"):
        return str(value)
    near = nearest(value, ("all", "admin")) if isinstance(value, str) else ""
    if isinstance(value, str) and value in groups:
        element.fail(f"expected all, admin, {{group: NAME}} or {{node: NAME}}; for the group write {{group: {value}}}")
    else:
        element.fail(f"expected all, admin, {{group: NAME}} or {{node: NAME}}, not {shown(value)}", near)
    return ""


def _tree(deployments: dict[str, DeploymentDef], parents: dict[str, Element]) -> None:
    """Refuses a deployment that is its own ancestor. Reports each cycle once."""
    told: set[str] = set()
    for start in deployments:
        chain = [start]
        while (parent := deployments[chain[-1]].parent if chain[-1] in deployments else ROOT) not in (ROOT, *chain):
            chain.append(parent)
        if parent == start and not told & set(chain):
            told.update(chain)
            parents[start].fail("these deployments are each other's parents: " + " -> ".join([*chain, start]))
