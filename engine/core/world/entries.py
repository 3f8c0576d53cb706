"""Entries of the world's indexes: which fields of a record are indexed, and how entries are added and removed. Only `work` uses it.

An index is a map from an owner to one key, or to a sorted tuple of keys. Most tuples are short: the roles of a node, the children of a
node role. A tuple for a role or an attribute that all n nodes have is long, and each addition copies n references.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from ...model import Key, Kind, Node, NodeId
from ..hardware.port_table import ROLE as PORTS
from ..plan.network_roles import network_of
from .view import View

if TYPE_CHECKING:
    from immutables import MapMutation

Owner = TypeVar("Owner")
Entry = TypeVar("Entry", bound=str | tuple[str, ...])
"""Ids, keys of node roles, and keys of attribute values: what the indexes hold."""


def of_links(view: View, node: NodeId) -> list[Key]:
    """The node roles that read what the node's links are: those of its networks, and those of its switches."""
    return [*(key for key in view.roles_of.get(node) or () if network_of(key[1])), *switches_of(view, node)]


def switches_of(view: View, node: NodeId) -> list[Key]:
    """The roles that set up the ports of the node's switches. Of the admin node, which is the engine's own way: those of all switches."""
    every = view.bound.get(PORTS)
    if not every:
        return []
    there = view.nodes.get(node)
    if there is not None and there.kind is Kind.ADMIN:
        return list(every)
    roles = (view.node_roles.get(key) for key in view.roles_of.get(node) or ())
    return sorted({parent for role in roles if role is not None for parent in role.parents if parent[1] == PORTS})


def matters(node: Node) -> tuple[object, ...]:
    """The fields of a node that blockers and the life-cycle look at."""
    return (
        node.stage,
        node.runs,
        node.boot_id,
        node.boot is None,
        node.alive,
        node.confirmed,
        node.available,
        node.allocated,
        node.hold,
        node.off,
        node.problem,
        node.intent,
        node.backward,
        node.bmc and node.bmc.address,
        node.confirmed,
    )


def index(entries: MapMutation[str, str], old: Iterable[str], new: Iterable[str], owner: str) -> None:
    """One entry -> one owner. Where two nodes claim one entry the later one has it; the earlier does not take it away."""
    for entry in set(old) - set(new):
        if entry and entries.get(entry) == owner:
            del entries[entry]
    for entry in new:
        if entry and entries.get(entry) != owner:
            entries[entry] = owner


def enter(entries: MapMutation[Owner, tuple[Entry, ...]], owner: Owner, key: Entry) -> None:
    have: tuple[Entry, ...] = entries.get(owner) or ()
    i = bisect_left(have, key)
    if i == len(have) or have[i] != key:
        entries[owner] = (*have[:i], key, *have[i:])


def leave(entries: MapMutation[Owner, tuple[Entry, ...]], owner: Owner, key: Entry) -> None:
    have: tuple[Entry, ...] = entries.get(owner) or ()
    i = bisect_left(have, key)
    if i == len(have) or have[i] != key:
        return
    if len(have) > 1:
        entries[owner] = have[:i] + have[i + 1 :]
    else:
        del entries[owner]


def regroup(entries: MapMutation[str, tuple[str, ...]], old: str, new: str, owner: str) -> None:
    """Moves the owner from the group of one value to that of another: value -> its owners, sorted. Empty: no group."""
    if old == new:
        return
    if old:
        leave(entries, old, owner)
    if new:
        enter(entries, new, owner)


def names(node: Node | None) -> tuple[str, ...]:
    return () if node is None else (node.name, node.name.split(".")[0])


def bmcs(node: Node | None) -> tuple[str, ...]:
    return () if node is None or node.bmc is None else (node.bmc.address,)


def nonces(node: Node | None) -> tuple[str, ...]:
    if node is None:
        return ()
    return (node.boot.nonce if node.boot else "", node.rumour.nonce if node.rumour else "", node.claim)
