"""Node roles that the plan does not want: those that are unbound, and those that stay, each with a reason. The preview shows both.

To unbind a role is to delete its record. Nothing is undone on the node, because a role cannot go back. Its work there goes with the next
install.

Rules
* A running role stays until its attempt ends, because its outcome would belong to nothing.
* A destructive role that has succeeded stays, because its record keeps it from writing again. So does one of which nobody knows whether it
  has: its `verify` tells.
* What a role that stays requires stays too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec.structs import replace

from ...model import Key, NodeRole
from ..roles.transitions import Move, doubtful, legal
from ..world.view import View
from ..world.work import Work

Kept = Literal["", "runs", "wrote", "needed"]
WHY: dict[Kept, str] = {
    "runs": "it is running, and goes when it is done",
    "wrote": "it wrote disks: its record keeps it from doing so again, until the node is deleted",
    "needed": "a role that stays requires it",
}
"""`NodeRole.kept` in words."""


def unbind(w: Work, loose: Iterable[Key]) -> list[Key]:
    """Unbinds these node roles, as far as they may go, and marks those that stay. Returns those that went."""
    records = {key: w.node_roles[key] for key in sorted(loose)}
    stay = _staying(w, records)
    for key, why in stay.items():
        if records[key].kept != why:
            w.put_role(replace(records[key], kept=why))
    gone = [key for key in _children_first(w, records) if key not in stay]
    for key in gone:
        w.drop_role(key)
        for value in w.values_of.get(f"{key[0]}/{key[1]}") or ():
            w.drop("attributes", value)
    return gone


def _staying(view: View, loose: dict[Key, NodeRole]) -> dict[Key, Kept]:
    stay: dict[Key, Kept] = {}
    for key, role in loose.items():
        definition = view.catalog.roles.get(role.role)
        if not legal(role, Move.UNBIND):
            stay[key] = "runs"
        elif definition is not None and definition.destructive and (role.succeeded or doubtful(role)):
            stay[key] = "wrote"
    queue = list(stay)
    for key in queue:  # grows meanwhile
        for parent in loose[key].parents:
            if parent in loose and parent not in stay and not _only_before(view, key, parent):
                stay[parent] = "needed"
                queue.append(parent)
    return stay


def _only_before(view: View, key: Key, parent: Key) -> bool:
    """True if the parent is one by order only (`precedes`), which binds nothing."""
    own, other = view.catalog.roles.get(key[1]), view.catalog.roles.get(parent[1])
    if own is None or other is None or parent[0] != key[0] or key[1] not in other.precedes:
        return False
    return not {r.role for r in view.catalog.requirements(own.name)} & {other.name, *other.provides}


def _children_first(view: View, loose: dict[Key, NodeRole]) -> list[Key]:
    order: dict[Key, None] = {}
    for root in loose:
        stack = [(root, False)]
        while stack:
            key, ready = stack.pop()
            if ready:
                order[key] = None
            elif key not in order:
                stack.append((key, True))
                stack += [(child, False) for child in view.children.get(key) or () if child in loose and child not in order]
    return list(order)
