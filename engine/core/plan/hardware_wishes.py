"""What the roles of a node wish for its hardware: late binding downwards. The choice of a storage role makes the node's RAID `jbod`.

The wishes of all roles that the node must have are collected as values of the layer `wish`. The roles of earlier stages read them like any
other value, and carry them out. Two roles that wish different values for one attribute are refused, before anything runs. Maps of settings
(BIOS) are joined: they conflict only where one setting has two values. A rule or an operator overrides a wish for a node.

What no role can carry out, a machine has or not: its disks. A node that lacks what a role wants is refused in the same place. A role that
has succeeded is not asked again: a disk that fails later must not bar every other commit.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from ... import reasons
from ...definitions import Catalog, Json
from ...model import Node, Value
from ...plan import Rule
from ...reasons import Reason
from ..hardware.inventory import inventory_of
from ..world.view import View
from ..world.work import Work
from .rules import facts, failed, word

JOINED = frozenset({"bios-wanted"})
"""Attributes whose value is a map of independent settings."""
DECIDES = ("rule", "operator")
"""Layers that override a wish for a node."""
Wishes = dict[str, tuple[Json, str]]
"""Attribute -> the wished value, and the roles that wish it."""


def put_wishes(w: Work, node: Node, roles: Iterable[str]) -> Reason | None:
    """Makes the layer `wish` of a node that of these roles. A reason: two of them wish different things, or the machine lacks something."""
    wishing = sorted(w.catalog.wishing.intersection(roles))
    if not wishing and not any(key[0] == "wish" for key in w.values_of.get(node.id) or ()):
        return None
    lacks = lacking(w, node, wishing)
    if lacks is not None:
        return lacks
    mine = w.values_of.get(node.id) or ()
    found = collected(w.catalog, node, wishing, {name for layer, _, name in mine if layer in DECIDES})
    if isinstance(found, Reason):
        return found
    for key in mine:
        if key[0] == "wish" and key[2] not in found:
            w.drop("attributes", key)
    for attribute, (value, who) in found.items():
        w.put_value(Value(layer="wish", scope=node.id, name=attribute, value=value, who=who))
    return None


def lacking(view: View, node: Node, roles: Iterable[str]) -> Reason | None:
    """What one of these roles wants of the machine, and its discovery did not find."""
    wanting = [role for role in roles if view.catalog.roles[role].machine and not _succeeded(view, node, role)]
    if not wanting or not inventory_of(view, node.id).told("disks"):
        return None
    known = facts(view, node)
    for role in wanting:
        for one in failed(Rule(match=view.catalog.roles[role].machine), known):
            return reasons.machine_lacks(node=node.name, role=role, fact=one.fact, wanted=one.words, seen=word(known[one.fact]))
    return None


def _succeeded(view: View, node: Node, role: str) -> bool:
    record = view.node_roles.get((node.id, role))
    return record is not None and record.succeeded


def collected(catalog: Catalog, node: Node, roles: Iterable[str], decided: Container[str] = ()) -> Wishes | Reason:
    """The wishes of these roles together. `decided`: attributes that somebody has set for the node, so that no wish counts."""
    out: Wishes = {}
    for role in sorted(catalog.wishing.intersection(roles)):
        for attribute, value in catalog.roles[role].hardware.items():
            if attribute in decided:
                continue
            have, who = out.get(attribute, (value, ""))
            joined = _joined(attribute, have, value)
            if joined is None:
                return reasons.wishes_conflict(
                    node=node.name, role=role, what=attribute, value=str(value)[:60], other=who, instead=str(have)[:60]
                )
            out[attribute] = (joined, f"{who}, {role}" if who else role)
    return out


def _joined(attribute: str, one: Json, other: Json) -> Json:
    """Both wishes as one. None: they contradict each other."""
    if one == other:
        return one
    if attribute not in JOINED or any(one[key] != other[key] for key in one.keys() & other.keys()):
        return None
    return {**one, **other}
