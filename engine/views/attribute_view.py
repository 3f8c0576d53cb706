"""The attributes that a node's roles read or that a deployment sets: value, source and kind. Pure."""

from __future__ import annotations

from msgspec import Struct

from ..core.roles.attributes import COMPUTED, HANDLES, layers
from ..core.roles.typed import kind
from ..core.world.world import World
from ..definitions import AttributeDef, Json
from ..model import Node


class AttributeRow(Struct, frozen=True, kw_only=True):
    name: str
    value: Json
    layer: str
    """The layer that wins. Empty: none has a value."""
    by: str
    """Who or what set it."""
    own: bool
    """True if an operator set it at exactly this scope, so that it can be cleared."""
    kind: str
    """The kind of its values, in words."""
    description: str
    secret: bool
    readers: tuple[str, ...]
    """Roles that read it."""


def node_attributes(world: World, node: Node, only: str = "") -> list[AttributeRow]:
    """The attributes of a node, by name. `only`: as this role of it sees them. Leaves out what roles give each other."""
    reads: dict[str, list[str]] = {}
    for key in sorted(world.roles_of.get(node.id, ())):
        definition = world.catalog.roles.get(key[1])
        if definition is None or (only and key[1] != only):
            continue
        for want in definition.wants:
            attribute = world.catalog.attributes.get(want.name)
            if attribute is not None and not attribute.role:
                reads.setdefault(want.name, []).append(key[1])
    if not only and any("image" in names for names in reads) and "target-os" in world.catalog.attributes:
        reads.setdefault("target-os", [])
    scope = f"{node.id}/{only}" if only else node.id
    out = []
    for name, roles in sorted(reads.items(), key=lambda item: (item[0] in COMPUTED, item[0])):
        record = world.node_roles.get((node.id, roles[0])) if roles else next(iter(_roles(world, node)), None)
        if record is None:
            continue
        found = list(layers(world, record, name))
        layer, by, value = found[-1] if found else ("", "", None)
        out.append(_row(world.catalog.attributes[name], value, layer, by, ("operator", scope, name) in world.attributes, tuple(roles)))
    return out


def attribute_rows(world: World, scope: str) -> list[AttributeRow]:
    """The attributes of `NODE`, `NODE/ROLE` or `DEPLOYMENT`. Empty if that does not exist."""
    name, _, role = scope.partition("/")
    node = world.node_named(name)
    return node_attributes(world, node, role) if node is not None else deployment_attributes(world, scope)


def _roles(world: World, node: Node) -> list[Json]:
    return [world.node_roles[key] for key in sorted(world.roles_of.get(node.id, ()))]


def deployment_attributes(world: World, deployment: str) -> list[AttributeRow]:
    """The attributes that a deployment can set: all that bound roles read, with the deployment's own value or the default."""
    readers: dict[str, list[str]] = {}
    for role in sorted(world.bound):
        definition = world.catalog.roles.get(role)
        for want in definition.wants if definition is not None else ():
            readers.setdefault(want.name, []).append(role)
    out = []
    for name, roles in sorted(readers.items()):
        attribute = world.catalog.attributes.get(name)
        if attribute is None or attribute.role or name in COMPUTED:
            continue
        own = world.attributes.get(("setting", deployment, name))
        found = own or world.attributes.get(("deployment", deployment, name))
        layer, by, value = "default", attribute.barclamp, attribute.default
        if found is not None:
            layer, by, value = found.layer, found.who, found.value
        elif attribute.default is None:
            layer, by = "", ""
        out.append(_row(attribute, value, layer, by, own is not None, tuple(roles)))
    return out


def _row(attribute: AttributeDef, value: Json, layer: str, by: str, own: bool, roles: tuple[str, ...]) -> AttributeRow:
    hidden = attribute.secret or (isinstance(value, dict) and len(value) == 1 and next(iter(value)) in HANDLES)
    return AttributeRow(
        name=attribute.name,
        value=None if hidden and attribute.secret else value,
        layer=layer,
        by=by,
        own=own,
        kind=kind(attribute),
        description=attribute.description,
        secret=attribute.secret,
        readers=roles,
    )
