"""Which value of an attribute a role sees: layers, from the weakest to the strongest, a value replacing the one below it whole.

    default < discovery < hint < what parents gave (farthest first) < deployments from the root to the leaf
            < rule < role (this node role) < engine (computed) < operator

Roles read attributes and report attributes and look nowhere else, so the hash of what a role reads tells whether it would do
anything different now (`inputs_hash`). A value that must not be stored is a *handle*, a map with one key of HANDLES,
opened by the runner as the task leaves: the hash covers the handle, so a changed secret does not run a role again, and
a changed image name does.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import cast

from msgspec import json
from msgspec.structs import asdict

from ..definitions import AttributeDef, Json
from ..model import Key, Node, NodeRole, State, Value
from .world import View

LAYERS = ("default", "discovery", "hint", "parent", "deployment", "rule", "role", "engine", "operator")

HANDLES = frozenset({"$secret", "$image", "$engine"})

_encoder = json.Encoder(order="deterministic")

Layer = tuple[str, str, Json]
"""Layer, who or what set it, value."""


def layers(view: View, role: NodeRole, name: str) -> Iterator[Layer]:
    """Every layer that has a value of the attribute for this node role, weakest first."""
    definition = view.catalog.attributes.get(name)
    node = view.nodes.get(role.node)
    if definition is not None and definition.default is not None:
        yield ("default", definition.barclamp, definition.default)
    if node is None:
        return
    for layer in ("discovery", "hint"):
        found = view.attributes.get((layer, node.id, name))
        if found is not None:
            yield (layer, found.who, found.value)
    if definition is not None and definition.role:
        yield from _given(view, role, definition)
    for deployment in ancestry(view, role.deployment):
        found = view.attributes.get(("deployment", deployment, name))
        if found is not None:
            yield ("deployment", deployment, found.value)
    for layer, scope in (("rule", node.id), ("role", f"{role.node}/{role.role}")):
        found = view.attributes.get((layer, scope, name))
        if found is not None:
            yield (layer, found.who, found.value)
    computed = engine_value(view, node, role, name)
    if computed is not None:
        yield ("engine", "engine", computed)
    for scope in (node.id, f"{role.node}/{role.role}"):
        found = view.attributes.get(("operator", scope, name))
        if found is not None:
            yield ("operator", found.who, found.value)


def _given(view: View, role: NodeRole, definition: AttributeDef) -> Iterator[Layer]:
    """What parents that own the attribute gave: those on other nodes first, so that the one on the same node wins."""
    for key in sorted(role.parents, key=lambda parent: (parent[0] == role.node, parent)):
        parent = view.node_roles.get(key)
        if parent is not None and parent.role == definition.role and definition.name in parent.gave:
            yield ("parent", f"{parent.node}/{parent.role}", parent.gave[definition.name])


def of_node(view: View, node: Node, name: str) -> Json:
    """The value of an attribute that belongs to the node itself and to none of its roles: of the layers that a node has of its own the
    strongest, else that of the whole site; None where nobody set one."""
    for place in (*((layer, node.id, name) for layer in ("operator", "rule", "hint")), ("deployment", "system", name)):
        found = view.attributes.get(place)
        if found is not None:
            return found.value
    return None


def effective(view: View, role: NodeRole, name: str) -> Json:
    """The value that the node role sees; None when no layer has one."""
    value = None
    for _, _, value in layers(view, role, name):  # noqa: B007  the last one wins
        pass
    return value


def inputs(view: View, role: NodeRole) -> dict[str, Json]:
    """Attribute -> effective value of all that the role wants, handles unopened."""
    definition = view.catalog.roles.get(role.role)
    if definition is None:
        return {}
    out = {want.name: effective(view, role, want.name) for want in definition.wants}
    for collect in definition.collects:
        out[f"wishes:{collect.key}"] = view.wishes.get(collect.key) or 0
    return out


def inputs_hash(view: View, role: NodeRole) -> str:
    """16 hex digits over the inputs."""
    return blake2b(_encoder.encode(inputs(view, role)), digest_size=8).hexdigest()


def is_stale(view: View, role: NodeRole) -> bool:
    """It is active, and its inputs differ from those of its last success. A destructive role is never stale: that is drift."""
    definition = view.catalog.roles.get(role.role)
    return (
        role.state is State.ACTIVE
        and definition is not None
        and not definition.destructive
        and bool(definition.wants or definition.collects)
        and inputs_hash(view, role) != role.ran_hash
    )


def drift(view: View, role: NodeRole) -> bool:
    """A destructive role's success was started with other inputs than those of now. Only a redeploy acts on it."""
    definition = view.catalog.roles.get(role.role)
    return (
        role.state is State.ACTIVE
        and definition is not None
        and definition.destructive
        and bool(definition.wants)
        and inputs_hash(view, role) != role.ran_hash
    )


def readers(view: View, value: Value) -> list[Key]:
    """Node roles that may see this value."""
    names = (value.name, "image") if value.name in ("target-os", "install-method") else (value.name,)  # `image` is computed from them
    roles = [r.name for r in view.catalog.roles.values() if any(want.name in names for want in r.wants)]
    if value.layer == "deployment":
        keys = (key for role in roles for key in view.bound.get(role) or ())
        return [key for key in keys if value.scope in ancestry(view, view.node_roles[key].deployment)]
    node, _, only = value.scope.partition("/")
    return [(node, role) for role in roles if only in ("", role) and (node, role) in view.node_roles]


def document(view: View, role: NodeRole, opened: dict[str, Json]) -> dict[str, Json]:
    """attributes.json: the inputs, nested by the attributes' paths; `opened` replaces values by attribute name."""
    definition = view.catalog.roles[role.role]
    out: dict[str, Json] = {}
    for want in definition.wants:
        value = opened.get(want.name, effective(view, role, want.name))
        attribute = view.catalog.attributes.get(want.name)
        nest(out, want.at or (attribute.path if attribute else "") or want.name, value)
    return out


def nest(out: dict[str, Json], path: str, value: Json) -> None:
    """Put a value at a path `a/b/c` of attributes.json."""
    *above, last = path.split("/")
    place = out
    for part in above:
        place = cast(dict[str, Json], place.setdefault(part, {}))
    place[last] = value


def ancestry(view: View, deployment: str) -> list[str]:
    """From the root (`system`) to the deployment itself."""
    out: list[str] = []
    seen = deployment
    while seen and seen not in out:
        out.append(seen)
        found = view.deployments.get(seen)
        seen = found.parent if found is not None else ""
    out.reverse()
    return out


def engine_value(view: View, node: Node, role: NodeRole, name: str) -> Json:
    """What only the engine knows: names, addresses, and handles of what it keeps. None: not such an attribute."""
    plan = view.plan
    if plan is None:
        return None
    match name:
        case "hostname":
            return node.name.split(".")[0]
        case "domain":
            return plan.site.domain
        case "admin-network":
            return _network(view, node, admin_network(view))
        case "network":
            return _network(view, node, role.role.removeprefix("network-"))
        case "admin-address":
            return plan.site.admin.address
        case "admin-subnets":
            return sorted(n.subnet for n in plan.networks.values())
        case "engine-url":
            return f"http://{plan.site.admin.address}"
        case "engine-key":
            return {"$engine": "key"}
        case "image":
            method = effective(view, role, "install-method")
            return {"$image": effective(view, role, "target-os")} if method in (None, "image") else None
        case "credential":
            return {"$secret": "credential"}
        case _:
            # What the plan keeps sealed under the name of an attribute that is a secret.
            definition = view.catalog.attributes.get(name)
            return {"$secret": name} if definition is not None and definition.secret and name in plan.secrets else None


def _network(view: View, node: Node, name: str) -> Json:
    """Address, mask and router of the node on that network; None where it has none."""
    plan = view.plan
    network = plan.networks.get(name) if plan is not None else None
    address = view.address_of.get((node.id, name))
    if network is None or address is None:
        return None
    return {
        "name": name,
        "address": address,
        "mask": network.mask,
        "subnet": network.subnet,
        "router": network.router,
        "vlan": network.vlan,
    }


def admin_network(view: View) -> str:
    """Name of the network that the admin node's address lies in; empty when there is none."""
    plan = view.plan
    if plan is None:
        return ""
    if "admin" in plan.networks:
        return "admin"
    return next(iter(plan.networks), "")


def values_of_node(view: View, scope: str) -> list[Value]:
    """All values that are set in this scope."""
    return [view.attributes[key] for key in view.values_of.get(scope) or ()]


def as_json(value: Value) -> dict[str, Json]:
    return asdict(value)
