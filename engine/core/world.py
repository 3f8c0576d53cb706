"""The world: everything that the engine knows, as one immutable value, readable from any thread without a lock.

Tables are persistent maps (a changed entry costs 2 to 4 us at any size; a copied dict costs milliseconds at 20,000 entries).
Indexes beside them are derived: `work` keeps them as records change, `World.load` builds them anew, and tests compare the two.
Some are memory rather than functions of the tables: `queues` and `touched`, rebuilt by touching everything, and `full`, by looking.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar, cast

from immutables import Map
from msgspec import Struct, convert

from ..definitions import Catalog
from ..model import (
    KEYS,
    Allocation,
    Deployment,
    Key,
    Lease,
    Mac,
    Meta,
    Node,
    NodeId,
    NodeRole,
    Revision,
    Row,
    Sighting,
    Value,
)
from ..plan import Plan
from .network_roles import network_roles
from .ordered import Ordered

K = TypeVar("K", contravariant=True)
V = TypeVar("V", covariant=True)


class Table(Protocol[K, V]):
    """What a persistent map and its working copy have in common."""

    def get(self, key: K, /) -> V | None: ...
    def __getitem__(self, key: K, /) -> V: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __len__(self) -> int: ...


class View(Protocol):
    """What pure functions read: a `World`, or the working copy of one."""

    @property
    def catalog(self) -> Catalog: ...
    @property
    def plan(self) -> Plan | None: ...
    @property
    def meta(self) -> Meta: ...
    @property
    def nodes(self) -> Table[NodeId, Node]: ...
    @property
    def node_roles(self) -> Table[Key, NodeRole]: ...
    @property
    def sightings(self) -> Table[Mac, Sighting]: ...
    @property
    def leases(self) -> Table[str, Lease]: ...
    @property
    def allocations(self) -> Table[str, Allocation]: ...
    @property
    def attributes(self) -> Table[tuple[str, str, str], Value]: ...
    @property
    def deployments(self) -> Table[str, Deployment]: ...
    @property
    def revisions(self) -> Table[int, Revision]: ...
    @property
    def roles_of(self) -> Table[NodeId, tuple[Key, ...]]: ...
    @property
    def children(self) -> Table[Key, tuple[Key, ...]]: ...
    @property
    def bound(self) -> Table[str, Ordered]: ...
    @property
    def names(self) -> Table[str, NodeId]: ...
    @property
    def macs(self) -> Table[Mac, NodeId]: ...
    @property
    def uuids(self) -> Table[str, NodeId]: ...
    @property
    def serials(self) -> Table[str, NodeId]: ...
    @property
    def lease_of(self) -> Table[Mac, str]: ...
    @property
    def address_of(self) -> Table[tuple[NodeId, str], str]: ...
    @property
    def nonces(self) -> Table[str, str]: ...
    @property
    def values_of(self) -> Table[str, tuple[tuple[str, str, str], ...]]: ...
    @property
    def stale(self) -> Table[Key, bool]: ...
    @property
    def wishes(self) -> Table[str, int]: ...
    @property
    def running(self) -> Table[str, int]: ...
    @property
    def holders(self) -> Table[NodeId, Key]: ...
    @property
    def queues(self) -> Table[str, Ordered]: ...


class World(Struct, frozen=True, kw_only=True):
    base: Catalog
    """What the barclamps say."""
    catalog: Catalog
    """The same with the roles that the plan's networks make."""
    plan: Plan | None = None
    meta: Meta = Meta()
    nodes: Map[NodeId, Node] = Map()
    node_roles: Map[Key, NodeRole] = Map()
    sightings: Map[Mac, Sighting] = Map()
    leases: Map[str, Lease] = Map()
    allocations: Map[str, Allocation] = Map()
    attributes: Map[tuple[str, str, str], Value] = Map()
    deployments: Map[str, Deployment] = Map()
    revisions: Map[int, Revision] = Map()
    # -- indexes
    roles_of: Map[NodeId, tuple[Key, ...]] = Map()
    """Node -> its node roles, sorted."""
    children: Map[Key, tuple[Key, ...]] = Map()
    bound: Map[str, Ordered] = Map()
    """Role -> node roles of it."""
    names: Map[str, NodeId] = Map()
    macs: Map[Mac, NodeId] = Map()
    uuids: Map[str, NodeId] = Map()
    """Canonical UUID -> node; the other byte order is tried by `identity`."""
    serials: Map[str, NodeId] = Map()
    lease_of: Map[Mac, str] = Map()
    address_of: Map[tuple[NodeId, str], str] = Map()
    """(node, network) -> allocated address."""
    nonces: Map[str, str] = Map()
    """SHA-256 of an unclaimed nonce -> MAC of a sighting or node id."""
    values_of: Map[str, tuple[tuple[str, str, str], ...]] = Map()
    """Scope -> keys of the attribute values set in it."""
    stale: Map[Key, bool] = Map()
    """Node roles that are active and whose inputs differ from those of their last success."""
    wishes: Map[str, int] = Map()
    """`Collect.key` -> sum of the hashes of all wishes (`wishes`)."""
    wish_of: Map[tuple[Key, str], int] = Map()
    """(node role, `Collect.key`) -> what its wish adds to that sum."""
    running: Map[str, int] = Map()
    """Resource other than a node -> how many node roles hold it."""
    holders: Map[NodeId, Key] = Map()
    """Node -> its node role in transition, suspended or not: one at a time."""
    queues: Map[str, Ordered] = Map()
    """Resource that is used up -> node roles that would start but for it, by `annealer.order`."""
    touched: tuple[Key, ...] = ()
    """Node roles still to be looked at: more were touched than one step may start."""
    released: tuple[str, ...] = ()
    """Resources with free places that were not handed on yet, for the same cause."""
    full: tuple[tuple[str, float], ...] = ()
    """Network -> engine time until which its pool is known to have nothing free, so that it is not searched for each who asks."""

    @classmethod
    def new(cls, catalog: Catalog) -> World:
        """The world of a store that was just made."""
        return cls(base=catalog, catalog=catalog)

    @classmethod
    def load(cls, catalog: Catalog, tables: Mapping[str, Mapping[Any, Row]]) -> World:
        """The world of these tables (`model.TABLES`; keys as `model.KEYS` says), its indexes built anew. Time: about 25 us a
        node role."""
        from .work import Work  # the working copy keeps the indexes: loading is putting every record once

        revisions = cast(Mapping[int, Revision], tables.get("revisions", {}))
        plan = convert(revisions[max(revisions)].plan, Plan) if revisions else None
        full = network_roles(catalog, plan) if plan else catalog
        work = Work(cls(base=catalog, catalog=full, plan=plan))
        work.loading = True
        for table in KEYS:
            for row in tables.get(table, {}).values():
                work.put(row)
        work.load_ends()
        return work.finish(keep_touched=False)

    def node_named(self, name: str) -> Node | None:
        """By name, first label of it, or id."""
        found = self.names.get(name) or (name if name in self.nodes else None)
        return self.nodes[found] if found else None


def open_roles(view: View, node: NodeId) -> list[NodeRole]:
    """Node roles of the node that are in transition, suspended ones included."""
    key = view.holders.get(node)
    return [] if key is None else [view.node_roles[key]]
