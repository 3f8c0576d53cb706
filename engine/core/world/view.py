"""What the engine knows, by its parts: the one list of them.

A `World` has them as immutable maps, its working copy (`work.Work`) as maps that may be changed. A pure function takes a `View`, which is
either, and reads what both can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from immutables import Map

from ...definitions import Catalog
from ...model import Allocation, Deployment, Key, Lease, Mac, Meta, Node, NodeId, NodeRole, Proposal, Revision, Sighting, Value, Watch
from ...plan import Plan
from .ordered import Ordered

if TYPE_CHECKING:
    from immutables import MapMutation

K = TypeVar("K")
V = TypeVar("V")
K_contra = TypeVar("K_contra", contravariant=True)
V_co = TypeVar("V_co", covariant=True)


class Readable(Protocol[K_contra, V_co]):
    """What a persistent map and its working copy have in common."""

    def get(self, key: K_contra, /) -> V_co | None: ...
    def __getitem__(self, key: K_contra, /) -> V_co: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __len__(self) -> int: ...


class Settled:
    """Marks a view whose maps are immutable."""

    __slots__ = ()


class Changing:
    """Marks a view whose maps may be changed."""

    __slots__ = ()


class Table(Protocol[K, V]):
    """The type of a map by whose it is. It exists for the type checker alone: an instance has the map itself under this name."""

    @overload
    def __get__(self, of: Settled, kind: object = None) -> Map[K, V]: ...
    @overload
    def __get__(self, of: Changing, kind: object = None) -> MapMutation[K, V]: ...
    @overload
    def __get__(self, of: object, kind: object = None) -> Readable[K, V]: ...


class View:
    """Tables of the store first, then indexes, which follow from them."""

    __slots__ = ()

    base: Catalog
    """What the barclamps say."""
    catalog: Catalog
    """The same with the roles that the plan's networks make."""
    plan: Plan | None
    meta: Meta
    memo: dict[str, Any]
    """What was computed of plan, barclamps and the tree of deployments alone, kept until one of them changes. It is no part of the world:
    without it, it is computed again."""
    nodes: Table[NodeId, Node]
    node_roles: Table[Key, NodeRole]
    watches: Table[Key, Watch]
    sightings: Table[Mac, Sighting]
    leases: Table[str, Lease]
    allocations: Table[str, Allocation]
    attributes: Table[tuple[str, str, str], Value]
    deployments: Table[str, Deployment]
    proposals: Table[str, Proposal]
    revisions: Table[int, Revision]
    # -- indexes
    roles_of: Table[NodeId, tuple[Key, ...]]
    """Node -> its node roles, sorted."""
    undone: Table[NodeId, tuple[Key, ...]]
    """Node -> its committed node roles that are not done, sorted. Most of a rack is done most of the time."""
    ready: Table[NodeId, tuple[Key, ...]]
    """Node -> those of `undone` that have no parent in it, sorted: of one node, only these can start."""
    children: Table[Key, tuple[Key, ...]]
    kept: Table[NodeId, tuple[Key, ...]]
    """Node -> its node roles that the plan does not want (`NodeRole.kept`), sorted."""
    seekers: Table[str, Ordered]
    """Name of a role -> node roles that look for it on other nodes (`NodeRole.seeks`)."""
    above: Table[str, tuple[str, ...]]
    """Deployment -> itself and those above it, up to the root."""
    bound: Table[str, Ordered]
    """Role -> node roles of it."""
    names: Table[str, NodeId]
    macs: Table[Mac, NodeId]
    uuids: Table[str, tuple[NodeId, ...]]
    """Canonical UUID -> the nodes that show it, sorted; the other byte order is tried by `identity`."""
    serials: Table[str, tuple[NodeId, ...]]
    strangers: Table[Mac, bool]
    """MACs of sightings that are neither a node's nor banned."""
    bmcs: Table[str, NodeId]
    """Address of a BMC -> the node that holds it."""
    lease_of: Table[Mac, str]
    declined_by: Table[Mac, tuple[str, ...]]
    """MAC -> addresses that it declined, sorted, and that were not given to others since."""
    address_of: Table[tuple[NodeId, str], str]
    """(node, network) -> allocated address."""
    nonces: Table[str, str]
    """Public half of a nonce -> MAC of a sighting or node id."""
    values_of: Table[str, tuple[tuple[str, str, str], ...]]
    """Scope -> keys of the attribute values set in it."""
    stale: Table[Key, bool]
    """Node roles whose inputs differ from those that their success, or the attempt that is open, was started with."""
    wishes: Table[str, int]
    """`Collect.key` -> sum of the hashes of all wishes (`wishes`)."""
    wish_of: Table[tuple[Key, str], int]
    """(node role, `Collect.key`) -> what its wish adds to that sum."""
    running: Table[str, int]
    """Resource other than a node -> how many node roles hold it."""
    holders: Table[NodeId, Key]
    """Node -> its node role in transition, suspended or not: one at a time."""
    queues: Table[str, Ordered]
    """Resource that is used up -> node roles that would start but for it, by `annealer.order`."""


MAPS: tuple[str, ...] = tuple(name for name, kind in View.__annotations__.items() if kind.startswith("Table["))
"""The names of the maps, tables and indexes."""


def open_roles(view: View, node: NodeId) -> list[NodeRole]:
    """Node roles of the node that are in transition, suspended ones included."""
    key = view.holders.get(node)
    return [] if key is None else [view.node_roles[key]]
