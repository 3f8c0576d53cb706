"""The role graph as a whole: cycles, and the longest remaining path of each node role.

Besides the edges from parents to children, on each server every role of a stage comes before all roles of later stages, because a node is in
one stage at a time. Both are walked here, so that a deadlock through another node's stages is found when it is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from . import reasons
from .model import Key, Kind
from .reasons import Reason
from .stages import stage_index
from .work import Work


def successors(w: Work, key: Key) -> Iterator[Key]:
    """Children, and on a server the roles of the next later stage that has any."""
    yield from w.children.get(key) or ()
    node = w.nodes.get(key[0])
    if node is None or node.kind is not Kind.SERVER:
        return
    here = _stage(w, key)
    later: dict[int, list[Key]] = {}
    for other in w.roles_of.get(key[0]) or ():
        there = _stage(w, other)
        if there > here:
            later.setdefault(there, []).append(other)
    if later:
        yield from later[min(later)]


def _stage(w: Work, key: Key) -> int:
    definition = w.catalog.roles.get(key[1])
    return (stage_index(w, definition.stage) or 0) if definition is not None else 0


def find_cycle(w: Work, new: Iterable[Key]) -> Reason | None:
    """A cycle that goes through one of the new node roles, spelled out; None: there is none. Depth first, without recursion."""
    finished: set[Key] = set()
    for root in new:
        if root in finished:
            continue
        path: list[Key] = [root]
        on_path = {root}
        stack = [successors(w, root)]
        while stack:
            child = next(stack[-1], None)
            if child is None:
                stack.pop()
                last = path.pop()
                on_path.discard(last)
                finished.add(last)
            elif child in on_path:
                loop = [*path[path.index(child) :], child]
                return reasons.cycle(path=" > ".join(f"{w.nodes[n].name}/{r}" for n, r in loop))
            elif child not in finished:
                path.append(child)
                on_path.add(child)
                stack.append(successors(w, child))
    return None


def rank(w: Work, new: Iterable[Key]) -> None:
    """Set the longest remaining path, in seconds, of the new node roles and of those before them whose path got longer."""
    known: dict[Key, float] = {}
    fresh = set(new)
    for root in fresh:
        stack: list[tuple[Key, bool]] = [(root, False)]
        while stack:
            key, ready = stack.pop()
            if key in known:
                continue
            after = list(successors(w, key))
            if not ready:
                stack.append((key, True))
                stack.extend((k, False) for k in after if k in fresh and k not in known)
                continue
            definition = w.catalog.roles.get(key[1])
            own = definition.seconds if definition is not None else 0.0
            known[key] = own + max((known.get(k, w.node_roles[k].rank) for k in after), default=0.0)
    for key, value in known.items():
        record = w.node_roles[key]
        if record.rank != value:
            w.put_role(replace(record, rank=value))
    _raise(w, [p for key in fresh for p in w.node_roles[key].parents if p not in fresh])


def _raise(w: Work, keys: list[Key]) -> None:
    """Lengthen the paths of what comes before, as far as they do get longer."""
    while keys:
        key = keys.pop()
        record = w.node_roles.get(key)
        definition = w.catalog.roles.get(key[1])
        if record is None or definition is None:
            continue
        value = definition.seconds + max((w.node_roles[k].rank for k in successors(w, key)), default=0.0)
        if value > record.rank:
            w.put_role(replace(record, rank=value))
            keys.extend(record.parents)
