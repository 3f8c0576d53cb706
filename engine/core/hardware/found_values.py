"""Attributes whose values are taken from what discovery reported of a machine (`from` in a barclamp): the layer `discovery`.

They follow from what the discovery roles of the node gave last, and from the catalogue. A machine is not believed: what does not fit the
attribute's schema counts as not reported.
"""

from __future__ import annotations

from ... import reasons
from ...definitions import AttributeDef, Json
from ...effects import Ignore
from ...model import NodeId, NodeRole, Value
from ..roles import pointer
from ..roles.typed import misfit
from ..world.view import View
from ..world.work import Work

LAYER = "discovery"


def put_found(w: Work, role: NodeRole) -> None:
    """Makes the layer that of what this role of the node gave. Until it has given something, what it gave before counts."""
    for attribute in w.catalog.taken_from.get(role.role, ()):
        if attribute.source not in role.gave:
            continue
        value = found(role, attribute)
        wrong = misfit(attribute, value) if value is not None else None
        if wrong is not None:
            w.order(Ignore(reason=wrong))
        if value is None or wrong is not None:
            w.drop("attributes", (LAYER, role.node, attribute.name))
            continue
        new = Value(layer=LAYER, scope=role.node, name=attribute.name, value=value, who=role.role)
        if w.attributes.get(new.key) != new:
            w.put_value(new)


def put_all_found(w: Work) -> None:
    """The same for all nodes, after a start or a commit: the catalogue may be another one."""
    for name in w.catalog.taken_from:
        for key in w.bound.get(name) or ():
            put_found(w, w.node_roles[key])


def found(role: NodeRole, attribute: AttributeDef) -> Json:
    """The value of the attribute in what a role gave. None: it is not there."""
    return pointer.at(role.gave.get(attribute.source), attribute.pointer)


def why_not_found(view: View, node: NodeId, attribute: AttributeDef) -> str:
    """Why that layer has no value of the attribute for a node."""
    source = view.catalog.attributes.get(attribute.source)
    giver = source.role if source is not None else ""
    place = f"{attribute.source}#{attribute.pointer}" if attribute.pointer else attribute.source
    role = view.node_roles.get((node, giver))
    if role is None or attribute.source not in role.gave:
        return f"role {giver} has not reported {attribute.source} of this node, where it is taken from {place}"
    value = found(role, attribute)
    wrong = misfit(attribute, value) if value is not None else None
    return reasons.sentence(wrong) if wrong is not None else f"what role {giver} reported has nothing at {place}"
