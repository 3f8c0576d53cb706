"""Entries of the world's indexes: what of a record is indexed, and how entries come and go. Used by the working copy alone.

An index is a map from an owner to one key, or to a sorted tuple of keys. Tuples are short (the roles of a node, the
children of a node role), except those of a role or an attribute that all nodes have: adding to one of n costs n
references copied.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

from ..model import Node

MAPS = (
    "nodes", "node_roles", "sightings", "leases", "allocations", "attributes", "deployments", "revisions",
    "roles_of", "children", "bound", "names", "macs", "uuids", "serials", "lease_of", "address_of", "nonces", "values_of",
    "stale", "wishes", "wish_of", "running", "holders", "queues",
)  # fmt: skip
"""The maps of a world, tables and indexes."""


def matters(node: Node) -> tuple[object, ...]:
    """The fields of a node that blockers and the life-cycle look at."""
    return (
        node.stage, node.runs, node.boot_id, node.boot is None, node.alive, node.available, node.allocated, node.hold,
        node.off, node.problem, node.intent, node.backward, node.bmc is None,
    )  # fmt: skip


def index(entries: Any, old: Iterable[str], new: Iterable[str], owner: str) -> None:
    """One entry -> one owner. Where two nodes claim one entry the later one has it; the earlier does not take it away."""
    for entry in set(old) - set(new):
        if entry and entries.get(entry) == owner:
            del entries[entry]
    for entry in new:
        if entry and entries.get(entry) != owner:
            entries[entry] = owner


def enter(entries: Any, owner: Any, key: Any) -> None:
    have = entries.get(owner) or ()
    i = bisect_left(have, key)
    if i == len(have) or have[i] != key:
        entries[owner] = (*have[:i], key, *have[i:])


def leave(entries: Any, owner: Any, key: Any) -> None:
    rest = tuple(k for k in entries.get(owner) or () if k != key)
    if rest:
        entries[owner] = rest
    else:
        entries.pop(owner, None)


def names(node: Node | None) -> tuple[str, ...]:
    return () if node is None else (node.name, node.name.split(".")[0])


def nonces(node: Node | None) -> tuple[str, ...]:
    return () if node is None else (node.boot.nonce if node.boot else "", node.claim)
