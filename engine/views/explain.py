"""Where the value of an attribute comes from: every layer with who set it, or how to set it there. Pure."""

from __future__ import annotations

from msgspec import Struct

from ..core.hardware.found_values import why_not_found
from ..core.roles import pointer, sealed
from ..core.roles.attributes import COMPUTED, KEPT, every_layer
from ..core.world.world import World
from ..definitions import AttributeDef, Json
from ..model import Node, NodeRole
from .advice import short


class LayerRow(Struct, frozen=True, kw_only=True):
    """One layer of one scope."""

    layer: str
    """From `attributes.LAYERS`."""
    scope: str
    """A deployment, a node or `NODE/ROLE`. Empty: the layer has no scope of its own."""
    by: str
    """Who or what set it. Empty: nobody did."""
    value: Json
    """With a pointer: what stands at that place, or None. Of a secret: only its handle."""
    at: float
    """Wall time in seconds at which an operator set it. 0: not known."""
    fingerprint: str
    """Of a secret that an operator set or a role gave: tells whether two are the same. Empty: it is no such secret."""
    set: bool
    """True if it has a value."""
    wins: bool
    """True if this value counts."""
    how: str
    """How to set a value there, or why that cannot be done."""
    settable: bool
    """True if a person can set a value there, by a command or in the plan."""


class Explained(Struct, frozen=True, kw_only=True):
    node: str
    role: str
    attribute: str
    pointer: str
    """The place that was asked for. Empty: the whole value."""
    value: Json
    """The value that counts, or what stands at the pointer in it. None: no layer has one."""
    layer: str
    """Its layer. Empty: no layer has a value."""
    reads: bool
    """True if the role reads the attribute."""
    layers: tuple[LayerRow, ...]
    """Weakest first."""
    ways: tuple[str, ...]
    """The ways to set a value, the widest scope first. Empty for a value that only the engine or another role makes."""


def explain_attribute(world: World, role: NodeRole, name: str, place: str = "") -> Explained:
    """`place`: a JSON pointer. Raises PointerError."""
    definition = world.catalog.attributes[name]
    node = world.nodes.get(role.node)
    label = short(node.name) if node is not None else role.node
    found = list(every_layer(world, role, name))
    last = max((i for i, (_, one) in enumerate(found) if one is not None), default=-1)
    rows = []
    for i, ((layer, scope), one) in enumerate(found):
        shown = scope.replace(role.node, label, 1) if scope.partition("/")[0] == role.node else scope
        how, settable = _how(layer, shown, definition, place)
        kept = world.attributes.get((layer, scope, name)) if one is not None else None
        if layer == "discovery" and one is None and definition.source:
            how = why_not_found(world, role.node, definition)
        rows.append(
            LayerRow(
                layer=layer,
                scope=shown,
                by=one[1] if one is not None else "",
                value=pointer.at(one[2], place) if one is not None else None,
                at=kept.at if kept is not None else 0.0,
                fingerprint=sealed.fingerprint(one[2]) if one is not None else "",
                set=one is not None,
                wins=i == last,
                how=how,
                settable=settable,
            )
        )
    reader = world.catalog.roles.get(role.role)
    return Explained(
        node=node.name if node is not None else role.node,
        role=role.role,
        attribute=name,
        pointer=place,
        value=rows[last].value if last >= 0 else None,
        layer=rows[last].layer if last >= 0 else "",
        reads=reader is not None and any(want.name == name and _meets(want.pointer, place) for want in reader.wants),
        layers=tuple(rows),
        ways=tuple(row.how for row in rows if row.settable),
    )


def _meets(read: str, place: str) -> bool:
    """True if one of the two places lies in the other."""
    return f"{read}/".startswith(f"{place}/") or f"{place}/".startswith(f"{read}/")


def layers_in_line(world: World, node: Node, role: str, name: str) -> str:
    """All layers in one line: `default raid; deployment cloud (counts); not set: discovery, hint`. Empty: the node has no such
    role."""
    record = world.node_roles.get((node.id, role))
    if record is None or name not in world.catalog.attributes:
        return ""
    rows = explain_attribute(world, record, name).layers
    parts = [f"{row.layer} {row.by}".rstrip() + (" (counts)" if row.wins else "") for row in rows if row.set]
    there = {row.layer for row in rows if row.set}
    open_ = [layer for layer in dict.fromkeys(row.layer for row in rows) if layer not in there]
    return "; ".join([*parts, f"not set: {', '.join(open_)}"] if open_ else parts)


def _how(layer: str, scope: str, attribute: AttributeDef, place: str) -> tuple[str, bool]:
    """How a value gets into that layer, and whether a person can put it there."""
    name = attribute.name
    if layer == "default":
        return f"barclamp {attribute.barclamp or 'of the attribute'} has no default for it", False
    if layer == "parent":
        giver = attribute.role
        return (f"role {giver} gives it when it is done, to the roles that require it", False) if giver else ("no role gives it", False)
    if layer == "engine":
        if attribute.secret and name not in COMPUTED:
            return f"name its source in the plan: secrets.{name}", True
        return ("the engine computes it, and cannot yet" if name in COMPUTED else "the engine does not compute it"), False
    if layer == "discovery":
        return "no barclamp takes it from what nodes report (`from`)", False
    if attribute.secret and name in KEPT:
        return "the engine makes this secret itself", False
    if name in COMPUTED and layer != "operator":
        return "the engine's value would stand above it", False
    give = "--secret-file FILE" if attribute.secret else "VALUE"
    if layer in ("hint", "role"):
        return f"crowbar set {scope} {_named(name, place)} {give} --layer {layer}", True
    if attribute.secret and layer in ("deployment", "wish", "rule"):
        return "a secret is never set here", False
    if layer == "deployment":
        where = "attributes" if scope == "system" else f"deployments.{scope}.attributes"
        return f"in the plan: {where}.{name}", True
    if layer == "wish":
        return "no role of the node wishes it of the hardware; a barclamp says that with `hardware`", False
    if layer == "rule":
        _, slash, role = scope.partition("/")
        return f"in the plan: {f'roles.{role}.' if slash else ''}attributes.{name} of a rule that matches the node", True
    return f"crowbar set {scope} {_named(name, place)} {give}", True


def _named(name: str, place: str) -> str:
    return f"'{name}#{place}'" if place else name
