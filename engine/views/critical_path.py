"""The chain of node roles that a bring-up waited for, from the first to the one that ended last, beside the sum of all roles. Pure.

A role waits for the roles that it requires, and for its node, which does one thing at a time. So what it waited for last is the one of
these that ended last before it began. Between the two the node booted, or an operator, a resource or the engine was waited for.

Times are those of the last attempts. A role that ran again later stands where it ran last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..model import Key, NodeRole

CLOSE_S = 0.001
"""Times are rounded to it."""


class PathStep(NamedTuple):
    node: str
    role: str
    begins: float
    """Wall time."""
    seconds: float
    waited: float
    """Seconds between the end of the step before and this one's begin."""


class CriticalPath(NamedTuple):
    steps: tuple[PathStep, ...]
    roles: int
    """Node roles that ran, on the path or not."""
    total: float
    """Seconds of all of them."""

    @property
    def seconds(self) -> float:
        """From the begin of the first step to the end of the last."""
        return self.steps[-1].begins + self.steps[-1].seconds - self.steps[0].begins if self.steps else 0.0

    @property
    def busy(self) -> float:
        """Of these, in roles."""
        return sum(one.seconds for one in self.steps)


def critical_path(roles: Iterable[NodeRole], names: Mapping[str, str]) -> CriticalPath:
    """`names`: node -> what it is called. Costs the square of one node's roles."""
    ran = {one.key: one for one in roles if 0 < one.started <= one.ended}
    of_node: dict[str, list[Key]] = {}
    for key in ran:
        of_node.setdefault(key[0], []).append(key)
    chain: list[NodeRole] = []
    now = max(ran.values(), key=_end, default=None)
    while now is not None:
        chain.append(now)
        before = (ran[key] for key in {*now.parents, *of_node[now.node]} if key in ran)
        # Strictly earlier: two that took no time would stand before each other for ever.
        earlier = [one for one in before if one.ended <= now.started + CLOSE_S and (one.started, one.key) < (now.started, now.key)]
        now = max(earlier, key=_end, default=None)
    chain.reverse()
    steps, ended = [], chain[0].started if chain else 0.0
    for one in chain:
        waited = max(one.started - ended, 0.0)
        steps.append(PathStep(names.get(one.node, one.node), one.role, one.started, one.ended - one.started, waited))
        ended = one.ended
    return CriticalPath(tuple(steps), len(ran), sum(one.ended - one.started for one in ran.values()))


def _end(one: NodeRole) -> tuple[float, float, Key]:
    return one.ended, one.started, one.key
