"""The working copy of a world: the only place that changes records.

Whoever changes a record puts the new one here. The working copy keeps the indexes, remembers the changed rows (for the journal and
the tables), and remembers what the change touched: node roles for the annealer, nodes for the life-cycle. Touches follow from what
changed, so no caller can forget one.

    work = Work(world); for each event: step(work, happened); world = work.finish()

Keeping the indexes is one subject: whoever adds one finds all places here.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from msgspec.structs import replace

from ...definitions import Catalog, RoleDef
from ...model import (
    Allocation,
    Deployment,
    Key,
    Lease,
    Meta,
    Node,
    NodeId,
    NodeRole,
    Proposal,
    Revision,
    Row,
    Sighting,
    State,
    Value,
    Watch,
)
from ...plan import Plan
from ..hardware.conduits import TELLERS
from ..hardware.port_table import ROLE as PORTS
from ..roles.attributes import hash_of_start, is_stale, readers, reads_the_same
from ..roles.derive import committed, done, holds_limits, resources
from ..roles.transitions import in_transition
from ..roles.wishes import may_add, weight, weight_of_node
from .draft import Change, Checkpoint, Draft
from .entries import bmcs, enter, index, leave, matters, names, nonces, of_links, regroup, switches_of
from .ordered import EMPTY, Ordered

__all__ = ["Change", "Checkpoint", "Work"]


class Work(Draft):
    """A mutable copy of a world, used by one thread for one batch."""

    # -- records ---------------------------------------------------------------------------------------------------

    def put(self, row: Row) -> None:
        match row:
            case Meta():
                other_v6 = (row.v6, row.networks) != (self.meta.v6, self.meta.networks)
                self.meta = row
                self.rows[("meta", ())] = row
                if other_v6:
                    self._weigh_nodes()
            case NodeRole() if self.loading:
                self._load_role(row)
            case NodeRole():
                self.put_role(row)
            case Watch():
                old = self.watches.get(row.key)
                if old != row:
                    self.watches[row.key] = row
                    self._changed(("watches", row.key), old, row)
            case Node():
                self.put_node(row)
            case Lease():
                self.put_lease(row)
            case Sighting():
                self.put_sighting(row)
            case Allocation():
                self.allocations[row.address] = row
                self.address_of[(row.node, row.network)] = row.address
                self.rows[("allocations", row.address)] = row
                self.restale((*(self.roles_of.get(row.node) or ()), *switches_of(self, row.node)))
                self._weigh_node(row.node)
            case Value():
                self.put_value(row)
            case Deployment() if self.deployments.get(row.name) != row:
                self.deployments[row.name] = row
                self.rows[("deployments", row.name)] = row
                self._above_now()
            case Proposal():
                self.proposals[row.deployment] = row
                self.rows[("proposals", row.deployment)] = row
            case Revision():
                self.revisions[row.number] = row
                self.rows[("revisions", row.number)] = row

    def put_node(self, new: Node) -> None:
        old = self.nodes.get(new.id)
        if old == new:
            return
        self.nodes[new.id] = new
        if old is not None and (old.probe != new.probe or old.probes != new.probes):
            self._changed(("nodes", new.id), old, new)
        else:
            self.quiet.discard(("nodes", new.id))
            self.rows[("nodes", new.id)] = new
        index(self.names, names(old), names(new), new.id)
        index(self.macs, old.macs if old else (), new.macs, new.id)
        regroup(self.uuids, old.uuid if old else "", new.uuid, new.id)
        regroup(self.serials, old.serial if old else "", new.serial, new.id)
        index(self.nonces, nonces(old), nonces(new), new.id)
        index(self.bmcs, bmcs(old), bmcs(new), new.id)
        if old is None or matters(old) != matters(new):
            self.touch_node(new.id)
        if old is not None and (old.name, old.place, old.boot_mac, old.here) != (new.name, new.place, new.boot_mac, new.here):
            self.restale((*(self.roles_of.get(new.id) or ()), *switches_of(self, new.id)))
        if old is None or old.name != new.name:
            self._weigh_node(new.id)

    def put_role(self, new: NodeRole, fresh: bool = False) -> None:
        """`fresh`: its `try_hash` was made of the inputs as they are now."""
        key = new.key
        old = self.node_roles.get(key)
        if old == new:
            return
        was_done = old is not None and done(self, old)
        node, held, holds = new.node, old is not None and holds_limits(old), holds_limits(new)
        definition = self.catalog.roles.get(new.role)
        self.node_roles[key] = new
        self.rows[("node_roles", key)] = new
        if old is None:
            self._enters(new)
        other_parents = old is None or old.parents != new.parents
        if old is None or (old.kept, old.seeks) != (new.kept, new.seeks):
            self._sought(old, new)
        if other_parents:
            self._child_of(old.parents if old is not None else (), new)
        if held != holds and definition is not None:
            self._count(definition, new, 1 if holds else -1)
        if self.collectors and (old is None or (old.state is State.PROPOSED) != (new.state is State.PROPOSED)):
            self._wish(new)
        if fresh or not reads_the_same(old, new):
            self._stale_now(new, fresh)
        is_done = self._undone_now(new)
        if other_parents and old is not None:
            self._ready_now(node, (key,))
        if not holds:  # else it runs: nothing moves its node or starts for it before it ends
            self.looked[node] = None
            if not is_done:
                self.touched[key] = None
        if in_transition(new):
            self.holders[node] = key  # nobody can start for it, so nobody is touched
        elif self.holders.get(node) == key:
            del self.holders[node]
            self.touch_node(node)
        if was_done != is_done:
            self.touch_children(key)
        if new.gave != (old.gave if old is not None else {}):
            self.restale(self.children.get(key) or ())
            self.restale(of_links(self, node) if new.role in TELLERS else ())

    def bind(self, node: NodeId, new: Sequence[NodeRole]) -> None:
        """Puts new node roles of one node, as `transitions.bound` makes them: they wait, and none is there yet. The same as `put_role` for
        each, at a third of its cost."""
        keys = [role.key for role in new]
        children: dict[Key, list[Key]] = {}
        for key, role in zip(keys, new, strict=True):
            self.node_roles[key] = self.rows[("node_roles", key)] = role
            self.bound[role.role] = (self.bound.get(role.role) or EMPTY).add(key)
            for name in role.seeks:
                self.seekers[name] = (self.seekers.get(name) or EMPTY).add(key)
            for parent in role.parents:
                children.setdefault(parent, []).append(key)
        for parent, below in children.items():
            self.children[parent] = tuple(sorted({*(self.children.get(parent) or ()), *below}))
        self.roles_of[node] = tuple(sorted((*(self.roles_of.get(node) or ()), *keys)))
        undone = {*(self.undone.get(node) or ()), *keys}
        self.undone[node] = tuple(sorted(undone))
        ready = [key for key in self.undone[node] if undone.isdisjoint(self.node_roles[key].parents)]
        if ready:
            self.ready[node] = tuple(ready)
        else:
            self.ready.pop(node, None)
        for role in new if self.collectors else ():
            self._wish(role)
        self.looked[node] = None
        self.touched.update(dict.fromkeys(keys))

    def _load_role(self, role: NodeRole) -> None:
        """The part of `put_role` that `load_ends` leaves, for a record that is not there yet."""
        self.node_roles[role.key] = role
        self._enters(role)
        self._sought(None, role)
        self._child_of((), role)
        definition = self.catalog.roles.get(role.role)
        if definition is not None and holds_limits(role):
            self._count(definition, role, 1)
        if in_transition(role):
            self.holders[role.node] = role.key

    def _enters(self, role: NodeRole) -> None:
        enter(self.roles_of, role.node, role.key)
        if self.loading:
            self.loaded.setdefault(role.role, []).append(role.key)
        else:
            self.bound[role.role] = (self.bound.get(role.role) or EMPTY).add(role.key)

    def _sought(self, old: NodeRole | None, role: NodeRole) -> None:
        (enter if role.kept else leave)(self.kept, role.node, role.key)
        for name in set(old.seeks if old is not None else ()) - set(role.seeks):
            self._unsought(name, role.key)
        for name in role.seeks:
            self.seekers[name] = (self.seekers.get(name) or EMPTY).add(role.key)

    def _unsought(self, name: str, key: Key) -> None:
        others = self.seekers[name].remove(key)
        if others:
            self.seekers[name] = others
        else:
            del self.seekers[name]

    def _child_of(self, before: tuple[Key, ...], role: NodeRole) -> None:
        for parent in set(before) - set(role.parents):
            leave(self.children, parent, role.key)
        for parent in role.parents:
            enter(self.children, parent, role.key)
        if not self.loading and self.bound.get(PORTS):
            self.restale(sorted({one for one in (*before, *role.parents) if one[1] == PORTS}))

    def _count(self, definition: RoleDef, role: NodeRole, change: int) -> None:
        for resource in resources(definition, role):
            count = (self.running.get(resource) or 0) + change
            if count:
                self.running[resource] = count
            else:
                self.running.pop(resource, None)
            if change < 0:
                self.released[resource] = None

    def drop_role(self, key: Key) -> None:
        """Forget a node role. Its children lose it as a parent."""
        role = self.node_roles[key]
        for child in self.children.get(key) or ():
            record = self.node_roles[child]
            self.put_role(replace(record, parents=tuple(p for p in record.parents if p != key)))
        definition = self.catalog.roles.get(role.role)
        if definition is not None and holds_limits(role):
            self._count(definition, role, -1)
        for parent in role.parents:
            leave(self.children, parent, key)
        leave(self.roles_of, role.node, key)
        leave(self.kept, role.node, key)
        for name in role.seeks:
            self._unsought(name, key)
        others = self.bound[role.role].remove(key)
        if others:
            self.bound[role.role] = others
        else:
            del self.bound[role.role]
        if self.holders.get(role.node) == key:
            del self.holders[role.node]
        self.stale.pop(key, None)
        leave(self.undone, role.node, key)
        leave(self.ready, role.node, key)
        self.children.pop(key, None)
        self.touched.pop(key, None)
        del self.node_roles[key]
        for what in self.collectors:
            self._weigh(key, what, 0)
        self.rows[("node_roles", key)] = None
        self.drop("watches", key)
        self.touch_node(role.node)

    def put_sighting(self, new: Sighting) -> None:
        old = self.sightings.get(new.mac)
        if old == new:
            return
        stranger = not new.node and not new.banned
        new = self._followed(("sightings", new.mac), old, new, stranger)
        self.sightings[new.mac] = new
        if stranger:
            if old is None or new.mac not in self.strangers:
                self.strangers[new.mac] = True
        elif new.mac in self.strangers:
            del self.strangers[new.mac]
        index(
            self.nonces,
            (old.boot.nonce,) if old and old.boot else (),
            (new.boot.nonce,) if new.boot else (),
            new.mac,
        )

    def put_lease(self, new: Lease) -> None:
        old = self.leases.get(new.address)
        if old == new:
            return
        if old is not None and old.state == "declined":
            leave(self.declined_by, old.mac, old.address)
        if old is not None and old.mac != new.mac and self.lease_of.get(old.mac) == new.address:
            del self.lease_of[old.mac]
        if old is not None and new.expires < old.expires:
            self.full.clear()
        other = self.lease_of.get(new.mac)
        if other is not None and other != new.address and new.state != "declined":
            self.drop("leases", other)  # a machine has one lease at a time
        new = self._followed(("leases", new.address), old, new, new.mac not in self.macs)
        self.leases[new.address] = new
        if new.state != "declined":
            self.lease_of[new.mac] = new.address
        else:
            if self.lease_of.get(new.mac) == new.address:
                del self.lease_of[new.mac]
            enter(self.declined_by, new.mac, new.address)

    def put_value(self, new: Value) -> None:
        if self.attributes.get(new.key) == new:
            return
        self.attributes[new.key] = new
        enter(self.values_of, new.scope, new.key)
        self.rows[("attributes", new.key)] = new
        self.restale(readers(self, new))

    def drop(self, table: str, key: Hashable) -> None:
        """Delete a record of any table but `node_roles` (`drop_role`)."""
        old = getattr(self, table).pop(key, None)
        if old is None:
            return
        self.free_from.clear()
        self.full.clear()
        self._gone((table, key), old)
        match old:
            case Node():
                for kept, entries in (
                    (self.names, names(old)),
                    (self.macs, old.macs),
                    (self.nonces, nonces(old)),
                    (self.bmcs, bmcs(old)),
                ):
                    index(kept, entries, (), old.id)
                regroup(self.uuids, old.uuid, "", old.id)
                regroup(self.serials, old.serial, "", old.id)
                self._weigh_node(old.id)
            case Sighting():
                index(self.nonces, (old.boot.nonce,) if old.boot else (), (), old.mac)
                self.strangers.pop(old.mac, None)
            case Lease():
                if old.state == "declined":
                    leave(self.declined_by, old.mac, old.address)
                if self.lease_of.get(old.mac) == old.address:
                    del self.lease_of[old.mac]
            case Allocation():
                if self.address_of.get((old.node, old.network)) == old.address:
                    del self.address_of[(old.node, old.network)]
                self.restale(self.roles_of.get(old.node) or ())
                self._weigh_node(old.node)
            case Value():
                leave(self.values_of, old.scope, old.key)
                self.restale(readers(self, old))
            case Deployment():
                del self.above[old.name]
                self._above_now()

    def _above_now(self) -> None:
        """Keep `above`. A deployment that came, moved or went is above others."""
        if self.loading:
            return
        self.memo = {}
        for name in [deployment.name for deployment in self.all(Deployment)]:
            chain: dict[str, None] = {}
            here = name
            while here and here not in chain:
                chain[here] = None
                found = self.deployments.get(here)
                here = found.parent if found is not None else ""
            self.above[name] = tuple(chain)

    # -- staleness -------------------------------------------------------------------------------------------------

    def restale(self, keys: Iterable[Key]) -> None:
        """Look again whether these node roles are stale; touch those for which it changed, and their children."""
        if self.loading or self.defers:
            return
        for key in keys:
            role = self.node_roles.get(key)
            if role is None:
                continue
            if self.collectors:
                self._wish(role)
            if hash_of_start(role) is None:
                continue
            before = key in self.stale
            self._stale_now(role)
            if before != (key in self.stale) and not in_transition(role):  # else it matters when the attempt ends
                self._undone_now(role)
                self.touched[key] = None
                self.looked[key[0]] = None
                self.touch_children(key)

    def use(self, plan: Plan, catalog: Catalog) -> None:
        """Work by another plan, with the catalogue that it makes. What follows from definitions follows."""
        before, self.plan, self.catalog = self.catalog, plan, catalog
        self.full.clear()
        self.collectors, self.memo = catalog.collectors, {}
        for name in sorted(before.roles.keys() | catalog.roles.keys()):
            old, new = before.roles.get(name), catalog.roles.get(name)
            if old == new:
                continue
            for key in self.bound.get(name) or ():
                role = self.node_roles[key]
                if holds_limits(role):
                    if old is not None:
                        self._count(old, role, -1)
                    if new is not None:
                        self._count(new, role, 1)
                self._stale_now(role)
                self._undone_now(role)
                self.touch_node(role.node)
        self._weigh_nodes()
        self.released.update(dict.fromkeys(self.limits()))

    def load_ends(self) -> None:
        """All records are there: what costs less for all at once, and what needs all of them."""
        self.loading = False
        self._above_now()
        for name, keys in self.loaded.items():
            self.bound[name] = Ordered.of(sorted(keys))
        loaded, self.loaded = self.loaded, {}
        for name, keys in loaded.items():
            for what in [one for one in self.collectors if may_add(self.catalog.roles.get(name), one)]:
                for key in keys:
                    self._weigh(key, what, weight(self, self.node_roles[key], what))
        self._weigh_nodes()
        for role in self.all(NodeRole):
            self._stale_now(role)
            self._undone_now(role)

    def _wish(self, role: NodeRole) -> None:
        for what in self.collectors:
            self._weigh(role.key, what, weight(self, role, what))

    def _weigh_nodes(self) -> None:
        if not self.loading and self.catalog.node_collectors:
            for node in self.all(Node):
                self._weigh_node(node.id)

    def _weigh_node(self, node: NodeId) -> None:
        """The name or an address of a node changed, or the plan: what roles collect from nodes follows."""
        if self.loading:
            return
        for what in self.catalog.node_collectors:
            self._weigh((node, ""), what, weight_of_node(self, self.nodes.get(node), what))

    def _weigh(self, key: Key, what: str, new: int) -> None:
        """A wish changed: the sum of that `Collect.key` follows, and whoever collects it may be stale by that."""
        old = self.wish_of.get((key, what)) or 0
        if old == new:
            return
        if new:
            self.wish_of[(key, what)] = new
        else:
            del self.wish_of[(key, what)]
        total = (self.wishes.get(what) or 0) + new - old
        if total:
            self.wishes[what] = total
        else:
            del self.wishes[what]
        for name in self.collectors.get(what) or self.catalog.node_collectors[what]:
            self.restale(tuple(self.bound.get(name) or ()))

    def _stale_now(self, role: NodeRole, fresh: bool = False) -> None:
        """Keep `stale`."""
        if self.loading:
            return
        key = role.key
        if not fresh and is_stale(self, role):
            self.stale[key] = True
        elif key in self.stale:
            del self.stale[key]

    def _undone_now(self, role: NodeRole) -> bool:
        """Keep `undone`, and what follows in `ready`. Is it done?"""
        is_done = done(self, role)
        if self.loading:
            return is_done
        key, left = role.key, not is_done and committed(role)
        if left != (key in (self.undone.get(role.node) or ())):
            (enter if left else leave)(self.undone, role.node, key)
            self._ready_now(role.node, (key, *(self.children.get(key) or ())))
        return is_done

    def _ready_now(self, node: NodeId, keys: Iterable[Key]) -> None:
        """Keep `ready` for these of the node: they, or one of their parents, came to `undone` or left it, or they got other parents."""
        if self.loading:
            return
        undone, ready = frozenset(self.undone.get(node) or ()), self.ready.get(node) or ()
        for key in keys:
            if key[0] == node:
                can = key in undone and undone.isdisjoint(self.node_roles[key].parents)
                if can != (key in ready):
                    (enter if can else leave)(self.ready, node, key)
