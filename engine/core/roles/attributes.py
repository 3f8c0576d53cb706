"""The value of an attribute that a role sees. Layers, from the weakest to the strongest; a value replaces the one below it completely.

    default < discovery < hint < gives of parents (farthest first) < deployments from the root to the leaf, each with the plan's value
            and above that the operator's (setting) < wish (of the node's roles for its hardware)
            < rule (of the node, then of this node role) < role (this node role)
            < engine (computed) < operator

Roles read attributes and report attributes, and look nowhere else. So the hash of what a role reads tells whether it would do anything
different now (`inputs_hash`). A value that must not be stored is a *handle*, a map with one key of HANDLES. The runner opens it when the
task leaves. The hash covers the handle: a changed secret does not run a role again, and a changed image name does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import NamedTuple, cast

from msgspec import json
from msgspec.structs import asdict

from ...definitions import AttributeDef, Json
from ...model import ACTIVE, TRANSITION, Key, Node, NodeRole, Value
from ...plan import Plan
from ..hardware import san, switch_ports
from ..hardware.bios_ways import way_taken
from ..hardware.bmc_network import bmc_network_value
from ..hardware.burn_choice import WANTED as BURN_WANTED
from ..hardware.burn_choice import burn_disks
from ..hardware.burn_pairs import burn_in_peers
from ..hardware.disk_choice import install_disk, must_be_blank, raid_disks
from ..hardware.fwupd_steps import fwupd_steps
from ..hardware.wipe_choice import WANTED, wipe_disks
from ..monitor.commands import node_commands
from ..plan.network_roles import network_of
from ..world.view import View
from . import dns_records, pointer, sealed
from .network_value import counted, network_targets, network_value

LAYERS = ("default", "discovery", "hint", "parent", "deployment", "setting", "wish", "rule", "role", "engine", "operator")

OF_DEPLOYMENTS = ("deployment", "setting")
"""Layers whose scope is a deployment. All others have a node or a node role as scope."""

HANDLES = frozenset({"$secret", "$image", "$engine", "$firmware"})

KEPT: dict[str, Json] = {
    "engine-key": {"$engine": "key"},
    "credential": {"$secret": "credential"},
    "bmc-account": {"$secret": "bmc-account"},
    "node-certificate": {"$secret": "certificate"},
    "site-authority": {"$engine": "authority"},
    "san-account": {"$secret": "san-account"},
    "firmware-source": {"$firmware": "cabinets"},
    "san-accounts": {"$secret": "san-accounts"},
}
"""Attribute -> the handle of what the engine itself keeps under this name."""

DERIVED = frozenset(
    ("bios-by", "burn-in-peers", "burn-in-write-disks", "fwupd-steps", "install-disk", "network-targets", "raid-disks", "wipe-disks")
)
"""Attributes that the engine computes and that add nothing to the hash: they follow from other inputs of the same role, or only help to
verify it."""

_encoder = json.Encoder(order="deterministic")

Layer = tuple[str, str, Json]
"""Layer, source, value."""
Place = tuple[str, str]
"""Layer, and the scope whose values of that layer count. Without a scope: the value follows from other records."""
ENGINE, PARENT, DEFAULT = ("engine", ""), ("parent", ""), ("default", "")


def _places(view: View, role: NodeRole) -> tuple[Place, ...]:
    """Where a node role looks for values, strongest first. Leaves out scopes without any value: most nodes have none of their own, and a
    look at each layer of each attribute was the most expensive part of a finished role."""
    if role.node not in view.nodes:
        return (DEFAULT,)
    there, name = view.values_of.get, f"{role.node}/{role.role}"
    own, mine = (role.node,) if there(role.node) else (), (name,) if there(name) else ()
    deployments = [(layer, scope) for scope in filter(there, upwards(view, role.deployment)) for layer in ("setting", "deployment")]
    if not own and not mine:
        return (ENGINE, *deployments, PARENT, DEFAULT)
    return (
        *(("operator", scope) for scope in (*mine, *own)),
        ENGINE,
        *(("role", scope) for scope in mine),
        *(("rule", scope) for scope in mine),
        *((layer, scope) for scope in own for layer in ("rule", "wish")),
        *deployments,
        PARENT,
        *((layer, scope) for scope in own for layer in ("hint", "discovery")),
        DEFAULT,
    )


def layers(view: View, role: NodeRole, name: str) -> Iterator[Layer]:
    """Every layer that has a value of the attribute for this node role, weakest first."""
    definition = view.catalog.attributes.get(name)
    for place in reversed(_places(view, role)):
        if place is not PARENT:
            found = _strongest(view, role, name, (place,))
            if found is not None:
                yield found
        elif definition is not None:
            yield from reversed(_given(view, role, definition))


def every_layer(view: View, role: NodeRole, name: str) -> Iterator[tuple[Place, Layer | None]]:
    """Every place that could have a value of the attribute for this node role, weakest first, with the value or None. Of several parents
    that give it, the last one wins."""
    definition = view.catalog.attributes.get(name)
    mine = f"{role.node}/{role.role}"
    deployments = [(layer, scope) for scope in reversed(upwards(view, role.deployment)) for layer in ("deployment", "setting")]
    nodes = [("wish", role.node), ("rule", role.node), ("rule", mine), ("role", mine), ENGINE, ("operator", role.node), ("operator", mine)]
    for place in (DEFAULT, ("discovery", role.node), ("hint", role.node), PARENT, *deployments, *nodes):
        if place is PARENT and definition is not None:
            given = _given(view, role, definition)
            yield from ((place, one) for one in reversed(given))
            if not given:
                yield place, None
        elif place is not ENGINE or role.node in view.nodes:
            yield place, _strongest(view, role, name, (place,))


def below(view: View, role: NodeRole, name: str, place: Place) -> Layer | None:
    """The value that counts without this place and all stronger ones."""
    found = None
    for here, one in every_layer(view, role, name):
        if here == place:
            break
        found = one or found
    return found


def _strongest(view: View, role: NodeRole, name: str, places: tuple[Place, ...]) -> Layer | None:
    """What the first of these places says that has a value. No generator: Python 3.11 takes 2 us to close one that has more to say."""
    definition = view.catalog.attributes.get(name)
    for layer, scope in places:
        if scope:
            value = view.attributes.get((layer, scope, name))
            if value is not None:
                return (
                    layer,
                    f"{value.who} for {scope}" if layer == "setting" else scope if layer == "deployment" else value.who,
                    value.value,
                )
        elif layer == "engine":
            computed = engine_value(view, role, name)
            if computed is not None:
                return layer, "engine", computed
        elif definition is None:
            continue
        elif layer == "parent":
            given = _given(view, role, definition) if definition.role else ()
            if given:
                return given[0]
        elif definition.default is not None:
            return layer, definition.barclamp, definition.default
    return None


def _given(view: View, role: NodeRole, definition: AttributeDef) -> list[Layer]:
    """Gives of parents that own the attribute: the parent on the same node first, because it wins."""
    owners = [key for key in role.parents if key[1] == definition.role]
    parents = sorted(owners, key=lambda parent: (parent[0] == role.node, parent), reverse=True)
    records = [parent for key in parents if (parent := view.node_roles.get(key)) is not None]
    return [
        ("parent", f"{parent.node}/{parent.role}", parent.gave[definition.name]) for parent in records if definition.name in parent.gave
    ]


def of_node(view: View, node: Node, name: str) -> Json:
    """The value of an attribute that belongs to the node itself and to none of its roles: the strongest of the node's own layers, or
    else the whole site's. None if nobody set one."""
    own = ((layer, node.id, name) for layer in ("operator", "rule", "hint"))
    for place in (*own, ("setting", "system", name), ("deployment", "system", name)):
        found = view.attributes.get(place)
        if found is not None:
            return found.value
    return None


def effective(view: View, role: NodeRole, name: str) -> Json:
    """The value that the node role sees. None if no layer has one."""
    return _value(view, role, name, _places(view, role))


def _value(view: View, role: NodeRole, name: str, places: tuple[Place, ...]) -> Json:
    found = _strongest(view, role, name, places)
    return None if found is None else found[2]


def inputs(view: View, role: NodeRole) -> dict[str, Json]:
    """`Want.key` -> effective value of everything that the role wants, with unopened handles. Of a role that reads one place of a value,
    only that place: a change beside it leaves the hash as it is."""
    definition = view.catalog.roles.get(role.role)
    if definition is None:
        return {}
    places = _places(view, role)
    out: dict[str, Json] = {}
    for want in definition.wants:
        if want.name not in DERIVED:
            value = _value(view, role, want.name, places)
            value = counted(value) if want.name == "network" else value
            out[want.key] = pointer.at(value, want.pointer) if want.pointer else value
    for collect in definition.collects:
        out[f"wishes:{collect.key}"] = view.wishes.get(collect.key) or 0
    return out


def handles(view: View, role: NodeRole) -> dict[str, Json]:
    """Attribute -> handle, of the inputs that the runner opens. Only what the engine computes or sealed counts as a handle: a value of the
    same shape from a machine, a plan or a person is a value."""
    known = view.catalog.attributes
    definition = view.catalog.roles.get(role.role)
    wants = definition.wants if definition is not None else ()
    names = [w.name for w in wants if not w.pointer and (w.name in COMPUTED or (w.name in known and known[w.name].secret))]
    found = {name: value for name in names if is_handle(value := effective(view, role, name))}
    return {name: value for name, value in found.items() if _is_the_engines(view, role, name, value)}


def _is_the_engines(view: View, role: NodeRole, name: str, value: Json) -> bool:
    """True if the engine made this handle for this attribute: it computes it, or sealed the secret for it."""
    definition = view.catalog.attributes.get(name)
    if value == engine_value(view, role, name):
        return True
    return (
        definition is not None
        and definition.secret
        and (bool(sealed.name_in(value)) or (definition.generate and value == definition.default))
    )


def is_handle(value: Json) -> bool:
    """True if it has the shape of a handle."""
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in HANDLES


def inputs_hash(view: View, role: NodeRole) -> str:
    """16 hex digits over the inputs."""
    return blake2b(_encoder.encode(inputs(view, role)), digest_size=8).hexdigest()


def hash_of_start(role: NodeRole) -> str | None:
    """Hash of the inputs that its success, or the attempt that is open, was started with; None: it has neither."""
    return role.ran_hash if role.state is ACTIVE else role.try_hash if role.state is TRANSITION else None


def reads_the_same(old: NodeRole | None, new: NodeRole) -> bool:
    """Is the new record stale if and only if the old one was? All that both were started with, and look for inputs by, is the same."""
    if old is None or (started := hash_of_start(old)) is None or started != hash_of_start(new):
        return False
    return old.parents == new.parents and old.deployment == new.deployment


def is_stale(view: View, role: NodeRole) -> bool:
    """Its inputs differ from those that its success, or the attempt that is open, was started with. A destructive role is never stale:
    that is drift."""
    started = hash_of_start(role)
    definition = view.catalog.roles.get(role.role) if started is not None else None
    return (
        definition is not None
        and not definition.destructive
        and bool(definition.wants or definition.collects)
        and inputs_hash(view, role) != started
    )


def drift(view: View, role: NodeRole) -> bool:
    """True if a destructive role succeeded with other inputs than those of now. Only a redeploy changes that."""
    definition = view.catalog.roles.get(role.role)
    return (
        role.state is ACTIVE
        and definition is not None
        and definition.destructive
        and bool(definition.wants)
        and inputs_hash(view, role) != role.ran_hash
    )


def readers(view: View, value: Value) -> list[Key]:
    """Node roles that may see this value."""
    names = (
        (value.name, "image") if value.name in ("target-os", "install-method") else (value.name,)
    )  # the engine computes `image` from them
    roles = [r.name for r in view.catalog.roles.values() if any(want.name in names for want in r.wants)]
    if value.layer in OF_DEPLOYMENTS:
        keys = (key for role in roles for key in view.bound.get(role) or ())
        return [key for key in keys if value.scope in upwards(view, view.node_roles[key].deployment)]
    node, _, only = value.scope.partition("/")
    return [(node, role) for role in roles if only in ("", role) and (node, role) in view.node_roles]


def document(view: View, role: NodeRole, opened: dict[str, Json]) -> dict[str, Json]:
    """attributes.json: the inputs, nested by the attributes' paths. `opened` replaces values by attribute name."""
    definition = view.catalog.roles[role.role]
    out: dict[str, Json] = {}
    for want in definition.wants:
        value = opened[want.key] if want.key in opened else pointer.at(effective(view, role, want.name), want.pointer)
        attribute = view.catalog.attributes.get(want.name)
        nest(out, want.at or ((attribute.path if attribute else "") or want.name) + want.pointer, value)
    return out


def nest(out: dict[str, Json], path: str, value: Json) -> None:
    """Puts a value at a path `a/b/c` of attributes.json."""
    *above, last = path.split("/")
    place = out
    for part in above:
        place = cast(dict[str, Json], place.setdefault(part, {}))
    place[last] = value


def upwards(view: View, deployment: str) -> tuple[str, ...]:
    """From the deployment itself to the root (`system`)."""
    return view.above.get(deployment) or (deployment,)


def engine_value(view: View, role: NodeRole, name: str) -> Json:
    """Values that only the engine knows: names, addresses, and handles of what it keeps. None: not such an attribute."""
    plan = view.plan
    if plan is None:
        return None
    if name not in COMPUTED:
        # The plan keeps a sealed secret under the name of the attribute.
        definition = view.catalog.attributes.get(name) if name in plan.secrets else None
        return {"$secret": name} if definition is not None and definition.secret else None
    return KEPT[name] if name in KEPT else _COMPUTE[name](_Of(view, plan, view.nodes[role.node], role))


def _image(view: View, role: NodeRole) -> Json:
    method = effective(view, role, "install-method")
    return {"$image": effective(view, role, "target-os")} if method in (None, "image") else None


def _network(view: View, node: Node, name: str) -> Json:
    """Address, mask and router of the node on that network. None if it has none."""
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
    """Name of the network that contains the admin node's address. Empty if there is none."""
    plan = view.plan
    if plan is None:
        return ""
    if "admin" in plan.networks:
        return "admin"
    return next(iter(plan.networks), "")


def values_of_node(view: View, scope: str) -> list[Value]:
    """All values in this scope."""
    return [view.attributes[key] for key in view.values_of.get(scope) or ()]


def as_json(value: Value) -> dict[str, Json]:
    return asdict(value)


class _Of(NamedTuple):
    """Of what a value is computed."""

    view: View
    plan: Plan
    node: Node
    role: NodeRole


_COMPUTE: dict[str, Callable[[_Of], Json]] = {
    "hostname": lambda of: of.node.name.split(".")[0],
    "domain": lambda of: of.plan.site.domain,
    "admin-network": lambda of: _network(of.view, of.node, admin_network(of.view)),
    "network": lambda of: network_value(of.view, of.node, network_of(of.role.role)),
    "network-targets": lambda of: network_targets(of.view, of.node, of.role),
    "admin-address": lambda of: of.plan.site.admin.address,
    "admin-subnets": lambda of: sorted(n.subnet for n in of.plan.networks.values()),
    "dns-zones": lambda of: dns_records.zones(of.view),
    "dns-admin": lambda of: dns_records.admin_records(of.plan, of.node),
    "engine-url": lambda of: f"http://{of.plan.site.admin.address}",
    "image": lambda of: _image(of.view, of.role),
    "node-checks": lambda of: node_commands(of.view.catalog),
    "install-disk": lambda of: install_disk(of.view, of.node, of.role, effective(of.view, of.role, "root-disk")),
    "switch-ports-wanted": lambda of: switch_ports.as_json(of.view, of.node, effective(of.view, of.role, "switch-untagged")),
    "bmc-network": lambda of: bmc_network_value(of.view, of.node),
    "bios-by": lambda of: way_taken(of.view, of.node.id),
    "fwupd-steps": lambda of: fwupd_steps(of.view, of.node, effective(of.view, of.role, "firmware-wanted")),
    "raid-disks": lambda of: raid_disks(of.view, of.node, of.role, effective(of.view, of.role, "raid-wanted")),
    "san-disks-wanted": lambda of: san.disks_wanted(of.view, of.node, of.role),
    "burn-in-write-disks": lambda of: burn_disks(of.view, of.node, of.role, effective(of.view, of.role, BURN_WANTED)),
    "burn-in-peers": lambda of: burn_in_peers(of.view, of.node),
    "wipe-disks": lambda of: wipe_disks(of.view, of.node, of.role, effective(of.view, of.role, WANTED), must_be_blank(of.view, of.role)),
}
COMPUTED = frozenset({*_COMPUTE, *KEPT})
"""Attributes whose value `engine_value` computes."""
