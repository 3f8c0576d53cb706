"""The graph of node roles that a plan wants: which roles a node has, and which node roles each of them requires.

It is a function of the catalogue, the plan and the nodes: their kind, name, group, owner, place and whether they are allocated. The order
in which machines arrived, plans were committed and the engine was restarted makes no difference. `bind` makes the stored graph equal to it.

Roles of a node
* A server has the discovery roles. An allocated node has the roles that the plan places on it. The admin node has the bootstrap roles.
* Only deployments that the node serves place roles on it, its owner first. A network's role belongs to the network's owner (`owned`).
* Each role brings in what it requires and the givers of the attributes that it wants. A required abstract name means a provider of it.
* A requirement without `on` is met on the same node if the role is there. If not, and the plan places the role in the deployment or above
  it, it is met there, and waits until a node carries it. Only a role that the plan places nowhere is made on the same node.
* A joined machine has only roles of the installed system, and those that look at it. It is installed and reached, so requirements of that
  count as met (`joined`).
* A role of a stage that the site leaves out is on no node, and whoever requires it does not wait for it.
* Roles of the installed system that are not `implicit` may be met on another node. All others belong to their own machine.

Which node roles meet a requirement elsewhere
* `on: peers`, and any role with the flag `cluster`: all of them, in the deployment and above it.
* Otherwise one: of the nearest deployment that places it, the first machine by rack, unit and serial number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from msgspec import Struct

from ... import reasons
from ...definitions import On, Requirement, RoleDef
from ...model import Key, Kind, Node, NodeId
from ...reasons import Reason
from ..hardware.delegates import carrier
from ..hardware.devices import linked
from ..hardware.port_table import ROLE as SWITCH_PORTS
from ..roles.attributes import upwards
from ..world.view import View
from . import joined
from .network_roles import network_of
from .owned import SYSTEM, may_use, owner_of_role, serves
from .select import places, selects

ADMIN = "admin"
"""Id of the admin node."""
_BOUND_BY_ITSELF = {Kind.SERVER: "discovery", Kind.ADMIN: "bootstrap", Kind.JOINED: joined.FLAG}
"""Kind of node -> flag of the roles that such a node has, whatever the plan says."""


class Need(Struct, frozen=True, kw_only=True):
    """One requirement of a role, as far as it follows from the plan alone."""

    requirement: Requirement
    names: tuple[str, ...]
    """The roles that meet it."""
    here: str = ""
    """The role of the same node that meets it."""
    there: bool = False
    """True if it is met by node roles of other nodes too, or only by those."""
    whole: bool = False
    """With `there`: all of them are required, not one."""


class Own(Struct, frozen=True, kw_only=True):
    """What a node must have, without a look at any other node."""

    roles: dict[str, str]
    """Role -> its deployment."""
    needs: dict[str, tuple[Need, ...]]
    """Role -> its requirements."""


class Local(Struct, frozen=True, kw_only=True):
    """What a role requires, as far as nodes with the same roles share it."""

    parents: tuple[str, ...]
    """Roles of the same node, sorted."""
    seeks: tuple[str, ...]
    """Names that it looks for on other nodes."""
    there: tuple[Need, ...]


def machine_order(node: Node) -> tuple[str, int, str, str, str]:
    """Sort key of nodes that does not depend on their arrival: rack, unit, serial number, MAC, id."""
    place = (node.place.rack, node.place.unit) if node.place is not None else ("~", 0)
    return (*place, node.serial, node.boot_mac, node.id)


def _network_unknown(view: View, role: str, network: str) -> Reason:
    """A role requires a network that the plan does not have."""
    known = sorted(view.plan.networks) if view.plan is not None else []
    near = get_close_matches(network, known, n=1, cutoff=0.6) or known
    return reasons.network_unknown(role=role, network=network, nearest=", ".join(near[:5]) or "none")


class Shared(Struct):
    """What nodes with the same roles from the plan share. It follows from plan, barclamps and the tree of deployments, so it is kept with a
    world until one of these changes (`View.memo`)."""

    owns: dict[tuple[Kind, str, tuple[tuple[str, str], ...]], Own | Reason] = {}
    """(Kind of node, its owner, its roles without those that they require) -> all roles."""
    locals: dict[int, dict[str, Local]] = {}
    """By id of the `Own`, which `owns` keeps."""
    ranks: dict[tuple[int, Kind], dict[str, float]] = {}
    """The same, and the kind of node -> role -> its rank as far as it follows from the node (`graph.ranks_alone`)."""


SETS = 64
"""Most sets of roles that are kept: a plan may give each node other roles."""


class Wanted:
    """The wanted graph of a view. Nodes with the same roles from the plan share their result, so one rack costs a few results."""

    def __init__(self, view: View) -> None:
        self._view = view
        kept = view.memo.get("wanted")
        if kept is None or len(kept.owns) > SETS:
            kept = view.memo["wanted"] = Shared()
        self._owns = kept.owns
        self._locals = kept.locals
        self.ranks = kept.ranks

    # -- the roles of a node ---------------------------------------------------------------------------------------

    def own(self, node: Node, asked: Iterable[tuple[str, str]] = ()) -> Own | Reason:
        """The roles of a node. `asked`: (role, deployment) that other nodes require there (`on: admin`, `on: linked`). A reason: the plan
        cannot be met."""
        seeds = self._seeds(node)
        if isinstance(seeds, Reason):
            return seeds
        for role, deployment in sorted(asked):
            seeds.setdefault(role, self._home(role, deployment))
        owner = node.deployment if node.allocated and node.deployment != SYSTEM else ""
        key = (node.kind, owner, tuple(seeds.items()))
        found = self._owns.get(key)
        if found is None:
            found = self._owns[key] = self._grow(seeds, owner, node.kind)
        if isinstance(found, Reason):
            return found
        return self._conflict(node, found) or found

    def _seeds(self, node: Node) -> dict[str, str] | Reason:
        """Roles that a node has without being required by another: role -> deployment."""
        view = self._view
        flag = _BOUND_BY_ITSELF.get(node.kind, "") if node.kind is not Kind.ADMIN or view.plan is not None else ""
        out = dict.fromkeys((name for name, role in sorted(view.catalog.roles.items()) if flag and flag in role.flags), SYSTEM)
        owner, plan = upwards(view, node.deployment), view.plan if node.allocated else None
        for deployment in sorted(plan.deployments.values(), key=lambda one: one.name != owner[0]) if plan is not None else ():
            served = serves(owner, upwards(view, deployment.name))
            for role, selectors in sorted(deployment.roles.items()):
                if not any(places(view.catalog.roles.get(role), one, node) for one in selectors):
                    continue
                if served and role not in out:
                    barred = self._barred(role, role, deployment.name) or self._not_joined(node, role)
                    if barred is not None:
                        return barred
                    out[role] = self._home(role, deployment.name)
                elif not served and any(one.startswith("node:") and selects(one, node) for one in selectors):
                    return reasons.node_owned(deployment=deployment.name, role=role, node=node.name, owner=owner[0])
        return {role: deployment for role, deployment in out.items() if role not in view.catalog.left_out}

    def _home(self, role: str, deployment: str) -> str:
        """The deployment in which a role is bound that a deployment uses."""
        definition = self._view.catalog.roles.get(role)
        return (owner_of_role(self._view, definition) if definition is not None else "") or deployment

    def _barred(self, needed: str, role: str, deployment: str) -> Reason | None:
        """Why the deployment may not use the network of the needed role. `role` is the one that needs it."""
        definition = self._view.catalog.roles.get(needed)
        owner = owner_of_role(self._view, definition) if definition is not None else ""
        if may_use(owner, upwards(self._view, deployment)):
            return None
        return reasons.network_owned(role=role, network=network_of(needed), deployment=deployment, owner=owner)

    def _not_joined(self, node: Node, role: str) -> Reason | None:
        """Why a joined machine cannot have a role that the plan places on it."""
        definition = self._view.catalog.roles.get(role) if node.kind is Kind.JOINED else None
        why = joined.why_not(self._view, definition) if definition is not None else ""
        return reasons.joined_role(node=node.name, role=role, why=why) if why else None

    def _grow(self, seeds: dict[str, str], owner: str, kind: Kind) -> Own | Reason:
        """`owner`: brings in its roles before all others do. Empty: all are alike."""
        roles: dict[str, str] = dict(seeds)
        needs: dict[str, tuple[Need, ...]] = {}
        first = [role for role, deployment in seeds.items() if deployment == owner]
        for queue in (first, [role for role in seeds if role not in first]):
            for role in queue:  # grows meanwhile
                refused = self._bring_in(role, roles, needs, queue, kind)
                if refused is not None:
                    return refused
        return Own(roles=roles, needs=needs)

    def _bring_in(
        self, role: str, roles: dict[str, str], needs: dict[str, tuple[Need, ...]], queue: list[str], kind: Kind
    ) -> Reason | None:
        """Finds what meets the requirements of one role, and adds the roles that must be made for them."""
        definition = self._view.catalog.roles.get(role)
        if definition is None:
            return reasons.role_unknown(role=role)
        if (wish := self._view.catalog.unfulfilled(definition)) is not None:
            return reasons.wish_left_out(role=role, wish=wish[0], stage=wish[1])
        if definition.admin_only and kind is not Kind.ADMIN:
            return reasons.not_on_servers(role=role)
        mine = []
        for requirement in self._view.catalog.requirements(role):
            if self._left_out(requirement.role) or (kind is Kind.JOINED and self._has_by_itself(requirement.role)):
                continue
            if requirement.role == SWITCH_PORTS and kind is not Kind.SERVER:
                continue  # its port is in nobody's table
            need = self._need(definition, requirement, roles, roles[role], kind is Kind.ADMIN)
            if isinstance(need, Reason):
                return need
            mine.append(need)
            barred = self._barred(need.here or need.names[0], role, roles[role])
            if barred is not None:
                return barred
            if need.here and need.here not in roles:
                roles[need.here] = self._home(need.here, roles[role])
                queue.append(need.here)
        needs[role] = tuple(mine)
        return None

    def _need(self, definition: RoleDef, requirement: Requirement, roles: dict[str, str], deployment: str, admin: bool) -> Need | Reason:
        names = self.meets(requirement.role)
        if not names and network_of(requirement.role) and requirement.role not in self._view.catalog.roles:
            return _network_unknown(self._view, definition.name, network_of(requirement.role))
        if not names and requirement.role not in self._view.catalog.roles:
            return reasons.role_unknown(role=requirement.role)
        if not names:
            return reasons.no_provider(role=definition.name, requires=requirement.role)
        on = requirement.on
        if on in (On.ADMIN, On.LINKED, On.DELEGATE):
            one = self._one(definition, requirement, names)
            if isinstance(one, Reason):
                return one
            own = admin and on is On.ADMIN
            return Need(requirement=requirement, names=(one,), here=one if own else "", there=not own, whole=True)
        if on is On.PEERS:
            return Need(requirement=requirement, names=names, there=True, whole=True)
        here = next((name for name in names if name in roles), "")
        far = self._far(names) if on is None else names if on is On.DEPLOYMENT else ()
        whole = any("cluster" in self._view.catalog.roles[name].flags for name in far)
        if here and (not far or (on is None and not whole)):
            return Need(requirement=requirement, names=names, here=here)
        if far and self.nearest(far, deployment):
            return Need(requirement=requirement, names=far, there=True, whole=whole)
        chosen = here or self._one(definition, requirement, names)
        if isinstance(chosen, Reason):
            return chosen
        return Need(requirement=requirement, names=far or names, here=chosen, there=whole, whole=whole)

    def _one(self, definition: RoleDef, requirement: Requirement, names: tuple[str, ...]) -> str | Reason:
        """The role to make for a requirement that nothing meets."""
        if len(names) > 1 and requirement.role not in names:
            return reasons.which_provider(role=definition.name, requires=requirement.role, providers=", ".join(names))
        return requirement.role if requirement.role in names else names[0]

    def meets(self, name: str) -> tuple[str, ...]:
        """The roles that meet a requirement of that name: the role itself and its providers, without abstract ones."""
        roles = self._view.catalog.roles
        every = (name, *self._view.catalog.providers.get(name, ()))
        left_out = self._view.catalog.left_out
        return tuple(one for one in every if one in roles and one not in left_out and "abstract" not in roles[one].flags)

    def _left_out(self, name: str) -> bool:
        """True if every role that could meet a requirement of that name is of a stage that the site leaves out."""
        left_out = self._view.catalog.left_out
        every = [one for one in (name, *self._view.catalog.providers.get(name, ())) if one in left_out] if left_out else []
        return bool(every) and not self.meets(name)

    def _has_by_itself(self, name: str) -> bool:
        """True if a joined machine meets a requirement of that name without a role: it is installed, and has its address."""
        roles = self._view.catalog.roles
        every = self.meets(name)
        return bool(every) and all(joined.why_not(self._view, roles[one]) for one in every)

    def _far(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Those that may serve another node without an `on`."""
        catalog = self._view.catalog
        return tuple(one for one in names if catalog.in_system(catalog.roles[one].stage) and "implicit" not in catalog.roles[one].flags)

    def _conflict(self, node: Node, own: Own) -> Reason | None:
        for role in own.roles:
            for other in self._view.catalog.roles[role].conflicts:
                if other in own.roles:
                    return reasons.conflicts(role=role, other=other, node=node.name)
        return None

    # -- where the plan places a role --------------------------------------------------------------------------------

    def nearest(self, names: tuple[str, ...], deployment: str) -> str:
        """The nearest deployment, from this one up to the root, in which the plan places one of the roles. Empty: none does."""
        plan = self._view.plan
        for name in upwards(self._view, deployment) if plan is not None else ():
            there = plan.deployments.get(name) if plan is not None else None
            if there is not None and any(there.roles.get(role) for role in names):
                return name
            if name == SYSTEM and any("bootstrap" in self._view.catalog.roles[role].flags for role in names):
                return name
        return ""

    def _placed(self, key: Key, deployment: str) -> bool:
        """True if that deployment of the plan places the role on that node."""
        node, plan = self._view.nodes.get(key[0]), self._view.plan
        if node is None or plan is None:
            return False
        if deployment == SYSTEM and node.id == ADMIN and "bootstrap" in self._view.catalog.roles[key[1]].flags:
            return True
        there = plan.deployments.get(deployment)
        if there is None or not serves(upwards(self._view, node.deployment), upwards(self._view, deployment)):
            return False
        return any(places(self._view.catalog.roles.get(key[1]), one, node) for one in there.roles.get(key[1], ()))

    # -- requirements on other nodes -------------------------------------------------------------------------------

    def asked_of(self, node: Node, own: Own) -> Iterator[tuple[NodeId, str, str]]:
        """What a node's roles require on the admin node and on devices: (node, role, deployment)."""
        for role, needs in own.needs.items():
            for need in needs:
                if need.requirement.on is On.ADMIN and need.there:
                    yield ADMIN, need.names[0], SYSTEM
                elif need.requirement.on is On.LINKED:
                    for device in linked(self._view, node, need.requirement.kind):
                        yield device.id, need.names[0], own.roles[role]

    def parents(self, node: Node, own: Own, role: str) -> tuple[tuple[Key, ...], tuple[str, ...]]:
        """The node roles that one of its roles requires, sorted; and the names that it looks for on other nodes."""
        local = self.local(own)[role]
        here = [(node.id, parent) for parent in local.parents]
        if not local.there:
            return tuple(here), local.seeks
        found: set[Key] = set(here)
        for need in local.there:
            found.update(self._elsewhere(node, own.roles[role], need))
        found.discard((node.id, role))
        return tuple(sorted(found)), local.seeks

    def local(self, own: Own) -> dict[str, Local]:
        """Role -> what it requires, for every node with these roles."""
        found = self._locals.get(id(own))
        if found is None:
            found = self._locals[id(own)] = {role: self._local(own, role) for role in own.roles}
        return found

    def _local(self, own: Own, role: str) -> Local:
        needs, roles = own.needs[role], self._view.catalog.roles
        here = {need.here for need in needs if need.here} | {before for before in own.roles if role in roles[before].precedes}
        there = tuple(need for need in needs if need.there)
        seeks = tuple(dict.fromkeys(need.requirement.role for need in there))
        return Local(parents=tuple(sorted(here - {role})), seeks=seeks, there=there)

    def _elsewhere(self, node: Node, deployment: str, need: Need) -> Iterable[Key]:
        on = need.requirement.on
        if on is On.ADMIN:
            return [(ADMIN, need.names[0])] if ADMIN in self._view.nodes else []
        if on is On.LINKED:
            return [(device.id, need.names[0]) for device in linked(self._view, node, need.requirement.kind)]
        if on is On.DELEGATE:
            there = carrier(self._view, node)
            key = (there.id, need.names[0]) if there is not None else None
            return [key] if key is not None and key in self._view.node_roles else []
        if need.whole:
            tree = upwards(self._view, deployment)
            own = node.id if on is On.PEERS else ""
            return [key for key in self._bound(need.names) if key[0] != own and self._view.node_roles[key].deployment in tree]
        first = self._one_of(need.names, deployment)
        return [] if first is None else [first]

    def _bound(self, names: tuple[str, ...]) -> Iterator[Key]:
        for name in names:
            for key in self._view.bound.get(name) or ():
                if not self._view.node_roles[key].kept:
                    yield key

    def _one_of(self, names: tuple[str, ...], deployment: str) -> Key | None:
        """The node role that serves the deployment."""
        there = self.nearest(names, deployment)
        placed = [key for key in self._bound(names) if self._placed(key, there)]
        return min(placed, key=lambda key: (machine_order(self._view.nodes[key[0]]), key[1]), default=None)
