"""An operator sets or clears an attribute, or one place of it. Each order gets a receipt, or a refusal with its reason.

A value replaces the one of a weaker layer completely. So a place is set in a whole value: the one that the operator's layer has, or a copy
of the one that counts without it. The engine does that, never the client: of two operators who change two places, neither loses anything.

A secret arrives here as the name under which the engine sealed it. A value in the open is refused for an attribute that holds a secret.
"""

from __future__ import annotations

from msgspec import json

from ... import reasons
from ...definitions import AttributeDef, Json
from ...events import SetAttribute
from ...model import Deployment, Kind, Node, NodeRole, Value
from ...reasons import Reason
from ..hardware import bmc, location
from ..hardware.delegates import ACCESS
from ..hardware.devices import meet_planned
from ..hardware.san import WANTED
from ..plan.rebind import rebind
from ..plan.systems import no_image
from ..roles import pointer
from ..roles.attributes import KEPT, Layer, below, drift, is_handle, readers
from ..roles.pointer import PointerError
from ..roles.typed import misfit
from ..world.work import Work
from .answers import answer, find_node, node_names, unknown

DRIFTS = 16
"""Most node roles that are checked for drift, for one receipt."""
MOST = 256 * 1024
"""Most bytes of a value that is put together place by place, as JSON."""


def set_attribute(w: Work, event: SetAttribute) -> Reason | None:
    """Sets or clears a value, or a place of it, in a layer that operators own."""
    known = [*w.catalog.attributes, *_hints(w, event)]
    if event.name not in known:
        return answer(w, event.request, unknown("attribute", event.name, known))
    scope = _scope(w, event)
    if isinstance(scope, Reason):
        return answer(w, event.request, scope)
    layer = "setting" if event.layer == "deployment" else event.layer
    definition = w.catalog.attributes.get(event.name)
    try:
        said = (_clear if event.clear else _set)(w, event, (layer, scope, event.name), definition)
    except PointerError as error:
        said = reasons.no_place(name=event.name, pointer=event.pointer[:200], why=str(error)[:200])
    return answer(w, event.request, said)


def _set(w: Work, event: SetAttribute, key: tuple[str, str, str], definition: AttributeDef | None) -> Reason | str:
    wrong = _in_the_open(event, definition)
    if wrong is not None:
        return wrong
    layer, scope, name = key
    old = w.attributes.get(key)
    new: Json = {"$secret": event.sealed} if event.sealed else event.value
    copied = ""
    if event.pointer:
        base = (layer, old.who, old.value) if old is not None else _base(w, key)
        if isinstance(base, Reason):
            return base
        if base is not None and is_handle(base[2]):
            raise PointerError("the engine computes the whole value")
        new = pointer.put(base[2] if base is not None else None, event.pointer, new)
        if len(json.encode(new)) > MOST:
            raise PointerError(f"the whole value would have more than {MOST} bytes")
        if base is not None and old is None:
            copied = f"; the rest of the value is copied from {base[0]} {base[1]}".rstrip() + ", and later changes there do not reach it"
    if not event.sealed and is_handle(new):
        return reasons.bad_value(what=f"attribute {name}", expected="a value", value="a reference to what the engine keeps")
    if definition is not None and not event.sealed:
        wrong = misfit(definition, new, as_pointer=bool(event.pointer)) or no_image(w.catalog, name, new)
        if wrong is not None:
            return wrong
    value = Value(layer=layer, scope=scope, name=name, value=new, who=event.who, at=w.at)
    if old is None or (old.value, old.who) != (new, event.who):
        w.put_value(value)
    _take_up(w, name, scope)
    return f"{_named(event)} of {_shown_scope(w, event)} is set{copied}{_taken_up(w, value)}"


def _clear(w: Work, event: SetAttribute, key: tuple[str, str, str], _definition: AttributeDef | None) -> Reason | str:
    old = w.attributes.get(key)
    shown = _shown_scope(w, event)
    if old is None:
        return _not_set(w, event, key[1], shown)
    if not event.pointer:
        w.drop("attributes", key)
        _take_up(w, event.name, key[1])
        return f"{event.name} of {shown} is no longer set{_taken_up(w, old)}"
    definition = w.catalog.attributes.get(event.name)
    left = pointer.without(old.value, event.pointer)
    wrong = misfit(definition, left, as_pointer=True) if definition is not None else None
    if wrong is not None:
        return wrong
    new = Value(layer=key[0], scope=key[1], name=event.name, value=left, who=event.who, at=w.at)
    w.put_value(new)
    _take_up(w, event.name, key[1])
    return f"{_named(event)} of {shown} is no longer set; the rest of the value stays{_taken_up(w, new)}"


def _named(event: SetAttribute) -> str:
    return f"{event.name}#{event.pointer}" if event.pointer else event.name


def _in_the_open(event: SetAttribute, definition: AttributeDef | None) -> Reason | None:
    """Refuses a secret in the open, a secret where none belongs, and what only the engine may say."""
    secret = definition is not None and definition.secret
    if secret and event.pointer:
        raise PointerError("a secret is one text")
    if secret and event.name in KEPT:
        return reasons.made_secret(name=event.name)
    if secret and not event.sealed:
        return reasons.secret_value(name=event.name)
    if event.sealed and not secret:
        return reasons.not_a_secret(name=event.name)
    return None


def _base(w: Work, key: tuple[str, str, str]) -> Layer | Reason | None:
    """The value that counts where the operator's layer has none yet."""
    layer, scope, name = key
    if layer == "setting":
        return below(w, NodeRole(node="-", role="", deployment=scope), name, (layer, scope))
    node, _, only = scope.partition("/")
    mine = [w.node_roles[one] for one in readers(w, Value(layer=layer, scope=scope, name=name, value=None))]
    if not mine:
        mine = [w.node_roles[one] for one in (w.roles_of.get(node) or ())[:1] if only in ("", one[1])]
    seen = {role.role: below(w, role, name, (layer, scope)) for role in mine}
    values = [one[2] if one is not None else None for one in seen.values()]
    if any(value != values[0] for value in values):
        return reasons.which_value(name=name, scope=scope.replace(node, w.nodes[node].name, 1), roles=", ".join(sorted(seen)))
    return next(iter(seen.values()), None)


def _take_up(w: Work, name: str, scope: str) -> None:
    if name == location.ATTRIBUTE and scope in w.nodes:
        location.take_up(w, w.nodes[scope])
    node = w.nodes.get(scope) if name == bmc.ATTRIBUTE else None
    if node is not None:
        bmc.take_up(w, node)
    if name in [*ACCESS.values(), WANTED]:
        _relink(w)


def _relink(w: Work) -> None:
    """Other devices are there now, nodes are linked to others, or another node carries their delegates."""
    meet_planned(w)
    linkers = {key[0] for role in w.catalog.linkers for key in w.bound.get(role) or ()}
    concerned = [one for one in w.all(Node) if one.kind is Kind.DEVICE or one.id in linkers]
    before = w.checkpoint()
    if rebind(w, sorted(concerned, key=lambda one: one.id)) is not None:
        w.rollback(before)  # the plan's next commit is refused, and says why
    for one in concerned:
        w.touch_node(one.id)


def _not_set(w: Work, event: SetAttribute, scope: str, shown: str) -> Reason:
    """Why there is nothing to clear: the plan sets the value, or nobody does."""
    planned = ("deployment", scope, event.name) if event.layer == "deployment" else ("rule", scope, event.name)
    if planned in w.attributes:
        return reasons.set_by_plan(name=event.name, scope=shown)
    return reasons.unknown_thing(what="value set for", name=event.name, nearest="none")


def _hints(w: Work, event: SetAttribute) -> list[str]:
    """`NETWORK-address` is a hint for the allocation of addresses."""
    return [f"{name}-address" for name in w.plan.networks] if event.layer == "hint" and w.plan is not None else []


def _scope(w: Work, event: SetAttribute) -> str | Reason:
    """The scope by its ids: a deployment, a node, or a node role `NODE/ROLE`."""
    if event.layer == "deployment":
        names = [d.name for d in w.all(Deployment)]
        return event.scope if event.scope in names else unknown("deployment", event.scope, names)
    name, slash, role = event.scope.partition("/")
    node = find_node(w, name)
    if node is None:
        return unknown("node", name, node_names(w))
    roles = [key[1] for key in w.roles_of.get(node.id) or ()]
    if role not in roles and (slash or event.layer == "role"):
        return unknown(f"role on {node.name} named", role, roles)
    return f"{node.id}/{role}" if slash else node.id


def _shown_scope(w: Work, event: SetAttribute) -> str:
    name, slash, role = event.scope.partition("/")
    node = find_node(w, name) if event.layer != "deployment" else None
    return event.scope if node is None else f"{role} on {node.name}" if slash else node.name


def _taken_up(w: Work, value: Value) -> str:
    """The consequences, as far as the node roles that read the value show them."""
    keys = readers(w, value)
    again = sum(key in w.stale for key in keys)
    drifting = [key for key in keys[:DRIFTS] if drift(w, w.node_roles[key])]
    told = f"; {again} role{' runs' if again == 1 else 's run'} again" if again else ""
    if drifting:
        told += f"; {drifting[0][1]} is done and differs; only a redeploy changes it"
    return told or ("" if keys or value.layer == "hint" else "; no role of the rack reads it yet")
