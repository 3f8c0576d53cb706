"""The working copy of a world: the only place that changes records.

Whoever changes a record puts the new one here. The working copy keeps the indexes, remembers the changed rows (for the journal and
the tables), and remembers what the change touched: node roles for the annealer, nodes for the life-cycle. Touches follow from what
changed, so no caller can forget one.

    work = Work(world); for each event: step(work, happened); world = work.finish()

This file is over 400 lines because keeping the indexes is one subject: whoever adds one finds all places here.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple

from msgspec.structs import replace

from ..definitions import Catalog, RoleDef
from ..effects import Effect
from ..model import Allocation, Deployment, Key, Lease, Meta, Node, NodeRole, Revision, Row, Sighting, State, Value
from ..plan import Plan
from .attributes import is_stale, readers
from .derive import done, holds_limits, resources
from .entries import MAPS, enter, index, leave, matters, names, nonces
from .ordered import EMPTY, Ordered
from .wishes import collectors, weight
from .world import World

Change = tuple[str, Hashable, Row | None]
"""Table, key, and the record as it is now; None: deleted."""
Wake = tuple[float, str]
"""Engine time, and the subject that the tick shall name."""

class Checkpoint(NamedTuple):
    """A working copy as it was."""

    world: World
    rows: dict[tuple[str, Hashable], Row | None]
    effects: int
    wakes: int
    touched: dict[Key, None]
    looked: dict[str, None]
    released: dict[str, None]


class Work:
    """A mutable copy of a world, used by one thread for one batch. Reads like a world (`world.View`)."""

    nodes: Any
    node_roles: Any
    sightings: Any
    leases: Any
    allocations: Any
    attributes: Any
    deployments: Any
    revisions: Any
    roles_of: Any
    children: Any
    bound: Any
    names: Any
    macs: Any
    uuids: Any
    serials: Any
    lease_of: Any
    address_of: Any
    nonces: Any
    values_of: Any
    stale: Any
    wishes: Any
    wish_of: Any
    running: Any
    holders: Any
    queues: Any

    def __init__(self, world: World) -> None:
        self.base: Catalog = world.base
        self.catalog: Catalog = world.catalog
        self.plan: Plan | None = world.plan
        self.meta: Meta = world.meta
        self.collectors = collectors(world.catalog)
        self._open(world)
        self.at = 0.0
        self.now = 0.0
        self.rows: dict[tuple[str, Hashable], Row | None] = {}
        self.effects: list[Effect] = []
        self.wakes: list[Wake] = []
        self.touched: dict[Key, None] = dict.fromkeys(world.touched)
        self.looked: dict[str, None] = {}
        self.released: dict[str, None] = dict.fromkeys(world.released)
        """Resources that somebody gave back, or whose size changed. In order, so that equal worlds give equal plans."""
        self.free_from: dict[str, int] = {}
        """Network -> number below which no address of its range is free, as far as this working copy has looked."""
        self.full: dict[str, float] = dict(world.full)
        self.loading = False
        """Records are put as they were stored, and `load_ends` comes at the end."""
        self.loaded: dict[str, list[Key]] = {}
        self.starts = 0
        self.looks = 0
        """Node roles that this step has started, and looked at."""

    def _open(self, world: World) -> None:
        for name in MAPS:
            setattr(self, name, getattr(world, name).mutate())

    def checkpoint(self) -> Checkpoint:
        """Where `rollback` comes back to. Cheap: persistent maps share all that is the same."""
        world = self.finish()
        self._open(world)
        return Checkpoint(
            world, dict(self.rows), len(self.effects), len(self.wakes), dict(self.touched), dict(self.looked), dict(self.released)
        )

    def rollback(self, to: Checkpoint) -> None:
        """Forget everything since the checkpoint."""
        self.catalog, self.plan, self.meta = to.world.catalog, to.world.plan, to.world.meta
        self.collectors = collectors(self.catalog)
        self._open(to.world)
        self.rows, self.touched, self.looked, self.released = to.rows, to.touched, to.looked, to.released
        self.free_from.clear()
        self.full = dict(to.world.full)
        del self.effects[to.effects :]
        del self.wakes[to.wakes :]

    def all(self, table: str) -> list[Any]:
        """Every record of a table. Walks the whole table, so only for what concerns all."""
        whole = getattr(self, table).finish()
        setattr(self, table, whole.mutate())
        return list(whole.values())

    def limits(self) -> list[str]:
        """Resources that somebody waits for."""
        whole = self.queues.finish()
        self.queues = whole.mutate()
        return list(whole)

    @property
    def rest(self) -> bool:
        """More was touched than the last step may work on: a `Continue` shall follow."""
        return bool(self.touched or self.released)

    def finish(self, keep_touched: bool = True) -> World:
        """The new world. The working copy is used up."""
        return World(
            base=self.base,
            catalog=self.catalog,
            plan=self.plan,
            meta=self.meta,
            touched=tuple(self.touched) if keep_touched else (),
            released=tuple(self.released) if keep_touched else (),
            full=tuple(self.full.items()),
            **{name: getattr(self, name).finish() for name in MAPS},
        )

    def take_changes(self) -> list[Change]:
        """The rows changed since the last call, each once, as they are now."""
        out: list[Change] = [(table, key, row) for (table, key), row in self.rows.items()]
        self.rows.clear()
        return out

    # -- what follows from a change --------------------------------------------------------------------------------

    def touch(self, key: Key) -> None:
        self.touched[key] = None

    def touch_node(self, node: str) -> None:
        self.looked[node] = None
        for key in self.roles_of.get(node) or ():
            self.touched[key] = None

    def touch_children(self, key: Key) -> None:
        for child in self.children.get(key) or ():
            self.touched[child] = None

    def wake(self, now: float, subject: str) -> None:
        self.wakes.append((now, subject))

    def order(self, effect: Effect) -> None:
        self.effects.append(effect)

    # -- records ---------------------------------------------------------------------------------------------------

    def put(self, row: Row) -> None:
        match row:
            case NodeRole():
                self.put_role(row)
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
                self.restale(self.roles_of.get(row.node) or ())
            case Value():
                self.put_value(row)
            case Deployment():
                self.deployments[row.name] = row
                self.rows[("deployments", row.name)] = row
            case Revision():
                self.revisions[row.number] = row
                self.rows[("revisions", row.number)] = row
            case Meta():
                self.meta = row
                self.rows[("meta", ())] = row

    def put_node(self, new: Node) -> None:
        old: Node | None = self.nodes.get(new.id)
        if old == new:
            return
        self.nodes[new.id] = new
        self.rows[("nodes", new.id)] = new
        index(self.names, names(old), names(new), new.id)
        index(self.macs, old.macs if old else (), new.macs, new.id)
        index(self.uuids, (old.uuid,) if old else (), (new.uuid,), new.id)
        index(self.serials, (old.serial,) if old else (), (new.serial,), new.id)
        index(self.nonces, nonces(old), nonces(new), new.id)
        if old is None or matters(old) != matters(new):
            self.touch_node(new.id)
        if old is not None and old.name != new.name:
            self.restale(self.roles_of.get(new.id) or ())

    def put_role(self, new: NodeRole) -> None:
        key = new.key
        old: NodeRole | None = self.node_roles.get(key)
        if old == new:
            return
        was_done = old is not None and done(self, old)
        definition = self.catalog.roles.get(new.role)
        self.node_roles[key] = new
        self.rows[("node_roles", key)] = new
        if old is None:
            enter(self.roles_of, new.node, key)
            if self.loading:
                self.loaded.setdefault(new.role, []).append(key)
            else:
                self.bound[new.role] = (self.bound.get(new.role) or EMPTY).add(key)
        if old is None or old.parents != new.parents:
            for parent in set(old.parents if old else ()) - set(new.parents):
                leave(self.children, parent, key)
            for parent in new.parents:
                enter(self.children, parent, key)
        if definition is not None:
            had, has = old is not None and holds_limits(old), holds_limits(new)
            if had != has:
                self._count(definition, new, 1 if has else -1)
        if self.collectors and not self.loading and (old is None or (old.state is State.PROPOSED) != (new.state is State.PROPOSED)):
            self._wish(new)
        self._stale_now(new)
        self.looked[new.node] = None
        self.touched[key] = None
        if new.state is State.TRANSITION:
            self.holders[new.node] = key  # nobody can start for it, so nobody is touched
        elif self.holders.get(new.node) == key:
            del self.holders[new.node]
            self.touch_node(new.node)
        if was_done != done(self, new):
            self.touch_children(key)
        if new.gave != (old.gave if old is not None else {}):
            self.restale(self.children.get(key) or ())

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
        role: NodeRole = self.node_roles[key]
        for child in self.children.get(key) or ():
            record = self.node_roles[child]
            self.put_role(replace(record, parents=tuple(p for p in record.parents if p != key)))
        definition = self.catalog.roles.get(role.role)
        if definition is not None and holds_limits(role):
            self._count(definition, role, -1)
        for parent in role.parents:
            leave(self.children, parent, key)
        leave(self.roles_of, role.node, key)
        others = self.bound[role.role].remove(key)
        if others:
            self.bound[role.role] = others
        else:
            del self.bound[role.role]
        if self.holders.get(role.node) == key:
            del self.holders[role.node]
        self.stale.pop(key, None)
        self.children.pop(key, None)
        self.touched.pop(key, None)
        del self.node_roles[key]
        for what in self.collectors:
            self._weigh(key, what, 0)
        self.rows[("node_roles", key)] = None
        self.touch_node(role.node)

    def put_sighting(self, new: Sighting) -> None:
        old: Sighting | None = self.sightings.get(new.mac)
        if old == new:
            return
        self.sightings[new.mac] = new
        self.rows[("sightings", new.mac)] = new
        index(
            self.nonces,
            (old.boot.nonce,) if old and old.boot else (),
            (new.boot.nonce,) if new.boot else (),
            new.mac,
        )

    def put_lease(self, new: Lease) -> None:
        old: Lease | None = self.leases.get(new.address)
        if old == new:
            return
        if old is not None and old.mac != new.mac and self.lease_of.get(old.mac) == new.address:
            del self.lease_of[old.mac]
        if old is not None and new.expires < old.expires:
            self.full.clear()
        other = self.lease_of.get(new.mac)
        if other is not None and other != new.address and new.state != "declined":
            self.drop("leases", other)  # a machine has one lease at a time
        self.leases[new.address] = new
        if new.state != "declined":
            self.lease_of[new.mac] = new.address
        elif self.lease_of.get(new.mac) == new.address:
            del self.lease_of[new.mac]
        self.rows[("leases", new.address)] = new

    def put_value(self, new: Value) -> None:
        if self.attributes.get(new.key) == new:
            return
        self.attributes[new.key] = new
        enter(self.values_of, new.scope, new.key)
        self.rows[("attributes", new.key)] = new
        self.restale(readers(self, new))

    def drop(self, table: str, key: Any) -> None:
        """Delete a record of any table but `node_roles` (`drop_role`)."""
        old = getattr(self, table).pop(key, None)
        if old is None:
            return
        self.free_from.clear()
        self.full.clear()
        self.rows[(table, key)] = None
        match old:
            case Node():
                for kept, entries in (
                    (self.names, names(old)), (self.macs, old.macs), (self.uuids, (old.uuid,)),
                    (self.serials, (old.serial,)), (self.nonces, nonces(old)),
                ):  # fmt: skip
                    index(kept, entries, (), old.id)
            case Sighting():
                index(self.nonces, (old.boot.nonce,) if old.boot else (), (), old.mac)
            case Lease():
                if self.lease_of.get(old.mac) == old.address:
                    del self.lease_of[old.mac]
            case Allocation():
                if self.address_of.get((old.node, old.network)) == old.address:
                    del self.address_of[(old.node, old.network)]
                self.restale(self.roles_of.get(old.node) or ())
            case Value():
                leave(self.values_of, old.scope, old.key)
                self.restale(readers(self, old))

    # -- staleness -------------------------------------------------------------------------------------------------

    def restale(self, keys: Iterable[Key]) -> None:
        """Look again whether these node roles are stale; touch those for which it changed, and their children."""
        if self.loading:
            return
        for key in keys:
            role: NodeRole | None = self.node_roles.get(key)
            if role is None:
                continue
            if self.collectors:
                self._wish(role)
            before = key in self.stale
            self._stale_now(role)
            if before != (key in self.stale):
                self.touched[key] = None
                self.looked[key[0]] = None
                self.touch_children(key)

    def use(self, plan: Plan, catalog: Catalog) -> None:
        """Work by another plan, with the catalogue that it makes. What follows from definitions follows."""
        before, self.plan, self.catalog = self.catalog, plan, catalog
        self.full.clear()
        self.collectors = collectors(catalog)
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
                self.touch_node(role.node)
        self.released.update(dict.fromkeys(self.limits()))

    def load_ends(self) -> None:
        """All records are there: what costs less for all at once, and what needs all of them."""
        self.loading = False
        for name, keys in self.loaded.items():
            self.bound[name] = Ordered.of(sorted(keys))
        self.loaded.clear()
        roles = self.all("node_roles")
        for role in roles if self.collectors else ():
            self._wish(role)
        for role in roles:
            self._stale_now(role)

    def _wish(self, role: NodeRole) -> None:
        for what in self.collectors:
            self._weigh(role.key, what, weight(self, role, what))

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
        for name in self.collectors[what]:
            self.restale(tuple(self.bound.get(name) or ()))

    def _stale_now(self, role: NodeRole) -> None:
        if self.loading:
            return
        if is_stale(self, role):
            self.stale[role.key] = True
        else:
            self.stale.pop(role.key, None)
