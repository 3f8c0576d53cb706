"""The role graph as a whole: cycles, and the longest remaining path of each node role.

Besides the edges from parents to children, every role of a stage comes before all roles of later stages on the same server, because a
node is in one stage at a time. Both kinds of edges are walked here, so that a deadlock through another node's stages is found when it is
made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from msgspec.structs import replace

from ... import reasons
from ...definitions import Catalog
from ...model import Key, Kind, NodeId
from ...reasons import Reason
from ..world.work import Work


class Walk:
    """The edges of the present graph, computed once per node."""

    def __init__(self, w: Work) -> None:
        self._w = w
        places = {stage.name: i for i, stage in enumerate(w.catalog.stages)}
        self._stage = {role.name: places.get(role.stage, 0) for role in w.catalog.roles.values()}
        self._later: dict[NodeId, dict[int, tuple[Key, ...]]] = {}
        self._known: dict[Key, tuple[Key, ...]] = {}

    def after(self, key: Key) -> tuple[Key, ...]:
        """Children, and on a server the roles of the next later stage that has any."""
        found = self._known.get(key)
        if found is None:
            children: tuple[Key, ...] = self._w.children.get(key) or ()
            found = self._known[key] = children + self.later(key)
        return found

    def later(self, key: Key) -> tuple[Key, ...]:
        """On a server the roles of the next later stage that has any."""
        later = self._later.get(key[0])
        if later is None:
            later = self._later[key[0]] = self._stages_of(key[0])
        return later.get(self._stage.get(key[1], 0), ())

    def _stages_of(self, node_id: NodeId) -> dict[int, tuple[Key, ...]]:
        """Stage -> the roles of the next later one, on a server."""
        node = self._w.nodes.get(node_id)
        if node is None or node.kind is not Kind.SERVER:
            return {}
        by: dict[int, list[Key]] = {}
        for key in self._w.roles_of.get(node_id) or ():
            by.setdefault(self._stage.get(key[1], 0), []).append(key)
        order = sorted(by)
        return {here: tuple(by[there]) for here, there in pairwise(order)}


def ranks_alone(catalog: Catalog, parents: Mapping[str, tuple[str, ...]], staged: bool) -> dict[str, float]:
    """Role -> its rank on a node that has these roles, as far as no role of another node requires one of them. `staged`: the stages are
    in order, as on a server. Empty: these roles are a cycle by themselves."""
    places = {stage.name: i for i, stage in enumerate(catalog.stages)}
    stage = {role: places.get(catalog.roles[role].stage, 0) if staged else 0 for role in parents}
    children: dict[str, list[str]] = {role: [] for role in parents}
    for role, above in parents.items():
        for parent in above:
            children[parent].append(role)
    try:
        order = list(TopologicalSorter(children).static_order())
    except CycleError:
        return {}
    if any(stage[child] < stage[role] for role, below in children.items() for child in below):
        return {}
    out: dict[str, float] = {}
    later = 0.0
    for place in sorted(set(stage.values()), reverse=True):
        here = [role for role in order if stage[role] == place]
        for role in here:
            out[role] = catalog.roles[role].seconds + max([later, *(out[child] for child in children[role])])
        later = max(out[role] for role in here)
    return out


def find_cycle(w: Work, walk: Walk, new: Iterable[Key]) -> Reason | None:
    """A cycle through one of the new node roles, spelled out. None: there is none. Depth first, without recursion."""
    finished: set[Key] = set()
    for root in new:
        if root in finished:
            continue
        path: list[Key] = [root]
        on_path = {root}
        stack = [iter(walk.after(root))]
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
                stack.append(iter(walk.after(child)))
    return None


def rank(w: Work, walk: Walk, new: Iterable[Key]) -> None:
    """Sets the longest remaining path, in seconds, of the new node roles and of those before them whose path got longer."""
    known: dict[Key, float] = {}
    fresh = set(new)
    for root in fresh:
        stack: list[tuple[Key, bool]] = [(root, False)]
        while stack:
            key, ready = stack.pop()
            if key in known:
                continue
            after = walk.after(key)
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
    _raise(w, walk, fresh)


def _raise(w: Work, walk: Walk, keys: Iterable[Key]) -> None:
    """Lengthen the paths of what comes before these, as far as they do get longer. A path only ever gets longer here, so the children
    that were lengthened are enough to look at: a role of the admin node has one on every node."""
    longest: dict[Key, float] = {}

    def look_before(key: Key) -> None:
        record = w.node_roles[key]
        for parent in record.parents:
            longest[parent] = max(longest.get(parent, 0.0), record.rank)

    for key in keys:
        look_before(key)
    while longest:
        key, after = longest.popitem()
        record = w.node_roles.get(key)
        definition = w.catalog.roles.get(key[1])
        if record is None or definition is None:
            continue
        value = definition.seconds + max([after, *(w.node_roles[k].rank for k in walk.later(key))])
        if value > record.rank:
            w.put_role(replace(record, rank=value))
            look_before(key)
