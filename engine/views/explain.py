"""Where the value of an attribute comes from: every layer with who set it, or how to set it there. Pure."""

from __future__ import annotations

from msgspec import Struct

from ..core.roles.attributes import COMPUTED, every_layer
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
    value: Json
    """The value that counts. None: no layer has one."""
    layer: str
    """Its layer. Empty: no layer has a value."""
    reads: bool
    """True if the role reads the attribute."""
    layers: tuple[LayerRow, ...]
    """Weakest first."""
    ways: tuple[str, ...]
    """The ways to set a value, the widest scope first. Empty for a value that only the engine or another role makes."""


def explain_attribute(world: World, role: NodeRole, name: str) -> Explained:
    definition = world.catalog.attributes[name]
    node = world.nodes.get(role.node)
    label = short(node.name) if node is not None else role.node
    found = list(every_layer(world, role, name))
    last = max((i for i, (_, one) in enumerate(found) if one is not None), default=-1)
    rows = []
    for i, ((layer, scope), one) in enumerate(found):
        shown = scope.replace(role.node, label, 1) if scope.partition("/")[0] == role.node else scope
        how, settable = _how(layer, shown, definition)
        rows.append(
            LayerRow(
                layer=layer,
                scope=shown,
                by=one[1] if one is not None else "",
                value=one[2] if one is not None else None,
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
        value=rows[last].value if last >= 0 else None,
        layer=rows[last].layer if last >= 0 else "",
        reads=reader is not None and name in reader.reads,
        layers=tuple(rows),
        ways=tuple(row.how for row in rows if row.settable),
    )


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


def _how(layer: str, scope: str, attribute: AttributeDef) -> tuple[str, bool]:
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
        return "only the engine writes it, from what a node reports; nothing reports this attribute so", False
    if attribute.secret:
        return "a secret is never set here", False
    if layer in ("hint", "role"):
        return f"only a program that is attached to the engine sets it (layer {layer}); crowbar set {scope} is stronger", False
    if name in COMPUTED and layer != "operator":
        return "the engine's value would stand above it", False
    if layer == "deployment":
        place = "attributes" if scope == "system" else f"deployments.{scope}.attributes"
        return f"in the plan: {place}.{name}", True
    if layer == "wish":
        return "no role of the node wishes it of the hardware; a barclamp says that with `hardware`", False
    if layer == "rule":
        _, slash, role = scope.partition("/")
        return f"in the plan: {f'roles.{role}.' if slash else ''}attributes.{name} of a rule that matches the node", True
    return f"crowbar set {scope} {name} VALUE", True
