"""The deployments of a plan, and its attribute values.

Rules
* Roles and attributes are those of the catalogue and of the plan's own networks. Values must fit the attributes' schemas.
* Deployments form a tree below the root `system`. The root is not written in the file: its attributes are the plan's own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ..core.plan.network_roles import TEMPLATE, network_of, network_roles
from ..core.plan.owned import SYSTEM as ROOT
from ..core.plan.systems import METHOD, SYSTEM, systems
from ..core.plan.systems import no_image as without_image
from ..core.roles.attributes import COMPUTED
from ..definitions import Catalog, Json
from ..plan import DeploymentDef, Network, Plan, RoleSettings, Rule
from .element import LABEL, Element, Fields
from .mistakes import Mistakes, nearest, shown
from .plan_owners import check_owners
from .spelling import NAME
from .yaml_source import parse

MAP = "a map from names to deployments"
Places = dict[tuple[str, str], Element]
"""(Deployment, role) -> where the plan places it."""
STAGES_FILE = "put it into the store's stages.yml, or the role out of the plan"
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
        elif name in COMPUTED:
            element.fail("the engine computes this attribute for each node, so a plan cannot set it")
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
    """Why an attribute cannot have that value (`systems.no_image`), with the probable meaning. Empty: it can."""
    if without_image(catalog, name, value) is None:
        return ""
    known = systems(catalog)
    near = nearest(str(value), known)
    return f"unknown image {shown(value)}; " + (f"did you mean {near!r}?" if near else f"known: {', '.join(known)}")


def read_deployments(
    element: Element, catalog: Catalog, rules: tuple[Rule, ...], networks: Mapping[str, Network]
) -> dict[str, DeploymentDef]:
    """The deployments; `catalog` has the roles of the plan's networks."""
    out: dict[str, DeploymentDef] = {}
    parents: dict[str, Element] = {}
    every = element.entries(MAP)
    places: Places = {}
    for name, deployment in every.items():
        if not NAME.fullmatch(name) or len(name) > 63:
            deployment.fail(f"expected a deployment's name, not {shown(name)}")
        elif name == ROOT:
            deployment.fail("system is the root of all deployments: give its attributes under the key 'attributes'")
            continue
        out[name], parents[name] = _deployment(deployment, name, [ROOT, *every], catalog, rules, places)
    _tree(out, parents)
    check_owners(places, out, catalog, networks, rules)
    return out


def _deployment(
    element: Element, name: str, known: Collection[str], catalog: Catalog, rules: tuple[Rule, ...], places: Places
) -> tuple[DeploymentDef, Element]:
    """One deployment, and where its parent stands. Adds where its roles stand to `places`."""
    keys = element.fields(("parent", "attributes", "roles"))
    parent = keys["parent"].known("deployment", known) if "parent" in keys else ROOT
    groups = sorted({rule.group for rule in rules if rule.group})
    roles = {}
    for role, where in keys["roles"].entries("a map from roles to nodes").items() if "roles" in keys else ():
        _role(where, role, catalog)
        roles[role] = _selectors(where, groups)
        if role in catalog.roles and catalog.roles[role].admin_only and any(one not in ("", "admin") for one in roles[role]):
            where.fail(f"role {role!r} runs only on the admin node: write {role}: admin")
        places[name, role] = where
    attributes = read_attributes(keys, catalog)
    return DeploymentDef(name=name, parent=parent, attributes=attributes, roles=roles), keys.get("parent", element)


def read_deployment(text: str, filename: str, name: str, plan: Plan, known: Collection[str], catalog: Catalog) -> DeploymentDef:
    """One deployment in a text of its own, as it would stand under its name in `plan`. The root has only attributes. `known`: the
    deployments that may be its parent. Raises PlanError."""
    mistakes = Mistakes()
    tree = parse(text, filename, mistakes)
    mistakes.end()
    assert tree is not None
    element = Element(tree, filename, mistakes, f"deployments.{name}"[:200])
    full = network_roles(catalog, plan)
    if name == ROOT:
        keys = element.fields(("attributes",))
        found = DeploymentDef(name=ROOT, parent="", attributes=read_attributes(keys, full))
    elif not NAME.fullmatch(name) or len(name) > 63:
        element.fail(f"expected a deployment's name, not {shown(name)}")
        found = DeploymentDef(name="")
    else:
        places: Places = {}
        found, parent = _deployment(element, name, [ROOT, *known], full, plan.rules, places)
        if found.parent == name:
            parent.fail("a deployment is not its own parent")
        else:
            check_owners(places, plan.deployments | {name: found}, full, plan.networks, plan.rules)
    mistakes.end()
    return found


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
    kind, colon, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    if isinstance(value, str) and value in groups:
        element.fail(f"expected all, admin, {{group: NAME}} or {{node: NAME}}; for the group write {{group: {value}}}")
    elif colon and kind in ("group", "node"):
        element.fail(f"expected all, admin, {{group: NAME}} or {{node: NAME}}, not {shown(value)}; write {{{kind}: {name.strip()}}}")
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
