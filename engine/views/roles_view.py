"""Nodes by roles, and the annealer's lists. Pure.

Cost: the letters of one node call `blockers` for its waiting roles, some 10 us each, so a console asks only for the visible rows. The
lists are exact for failed and running roles. Of the waiting roles only a limited number is divided into `todo` and `blocked`; the rest
counts as waiting.
"""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from ..core.roles.derive import committed, done, shown_state
from ..core.roles.guards import blockers, order
from ..core.roles.transitions import runs
from ..core.world.world import World
from ..model import Kind, Node, NodeRole, State
from ..reasons import sentence
from .summary import servers

LETTERS = {
    "active": "A",
    "transition": "T",
    "todo": "t",
    "blocked": "b",
    "error": "E",
    "proposed": "p",
    "skipped": "s",
}
"""Shown state -> its letter in the matrix."""
ABSENT = "."
TOLD = 200


class Column(Struct, frozen=True, kw_only=True):
    role: str
    stage: str
    nodes: int
    """Number of nodes that have it."""


class Waiting(Struct, frozen=True, kw_only=True):
    """A line of the lists."""

    node: str
    role: str
    state: str
    since: float
    sentence: str


class Lists(Struct, frozen=True, kw_only=True):
    lines: tuple[Waiting, ...]
    """Errors, transitions, todo, blocked, in this order."""
    counts: dict[str, int]
    """Shown state -> node roles; `waiting`: the undivided ones."""


def columns(world: World) -> tuple[Column, ...]:
    """Roles that any node has, in the order in which they run."""
    stages = [s.name for s in world.catalog.stages]
    found: dict[str, list[float]] = {}
    for role in world.node_roles.values():
        found.setdefault(role.role, []).append(role.rank)
    out = []
    for name, ranks in found.items():
        definition = world.catalog.roles.get(name)
        stage = definition.stage if definition is not None else ""
        out.append((stages.index(stage) if stage in stages else 99, -max(ranks), name, stage, len(ranks)))
    return tuple(Column(role=name, stage=stage, nodes=many) for _, _, name, stage, many in sorted(out))


def cells(world: World, node: str, roles: tuple[Column, ...]) -> str:
    """One letter for each column."""
    out = []
    for column in roles:
        role = world.node_roles.get((node, column.role))
        out.append(ABSENT if role is None else LETTERS.get(state_of(world, role), "?"))
    return "".join(out)


def state_of(world: World, role: NodeRole) -> str:
    """The shown state, computed as cheaply as possible."""
    waits = role.state is State.WAITING or (role.state is State.ACTIVE and not done(world, role))
    return shown_state(world, role, blocked=bool(blockers(world, role, first=True)) if waits else False)


def bearers(world: World) -> list[Node]:
    """Nodes that have roles: this machine first, then devices and joined machines by name, then servers by place and name."""
    others = [n for n in world.nodes.values() if n.kind is not Kind.SERVER and world.roles_of.get(n.id)]
    return [*sorted(others, key=lambda n: (n.kind is not Kind.ADMIN, n.name)), *servers(world)]


def lists(world: World, told: int = TOLD) -> Lists:
    counts: Counter[str] = Counter()
    errors, running, waiting = [], [], []
    for role in world.node_roles.values():
        if role.state is State.ERROR:
            errors.append(role)
        elif runs(role):
            running.append(role)
        elif committed(role) and not done(world, role):
            waiting.append(role)
        else:
            counts[role.state.value] += 1
    waiting.sort(key=order)
    lines = [_line(world, r, "error") for r in sorted(errors, key=order)]
    lines += [_line(world, r, "transition") for r in sorted(running, key=order)]
    counts["error"], counts["transition"] = len(errors), len(running)
    apart: dict[str, list[Waiting]] = {"todo": [], "blocked": []}
    for role in waiting[:told]:
        found = blockers(world, role, first=True)
        state = shown_state(world, role, blocked=bool(found))
        apart.setdefault(state, []).append(
            _line(world, role, state, sentence(found[0]) if found else "it starts as soon as a slot is free")
        )
    for state, some in apart.items():
        counts[state] += len(some)
        lines += some
    counts["waiting"] = max(len(waiting) - told, 0)
    return Lists(lines=tuple(lines), counts=dict(counts))


def _line(world: World, role: NodeRole, state: str, words: str = "") -> Waiting:
    if not words:
        found = blockers(world, role, first=True)
        words = sentence(found[0]) if found else ""
    node = world.nodes.get(role.node)
    return Waiting(node=node.name if node is not None else role.node, role=role.role, state=state, since=role.since, sentence=words)
