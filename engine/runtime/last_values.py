"""Last values that are not part of the world: progress of tasks, last contact of nodes, counters.

They change often, decide nothing, and losing them in a crash costs nothing. So they are neither events nor rows. Everything is bounded,
because nodes, names and texts come from the network.

Rule: thread-safe, and no call except `snapshot` takes longer than a few microseconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from ..model import Mac, NodeId
from ..reasons import Reason

NODES = 16_384
NAMES = 1_024
TEXT = 200
"""Bounds: nodes, counters (and reasons), characters of a text."""
WINDOW_S = 10
"""Rates are means over so many whole seconds."""
OTHER = "other"
"""Counts everything under a new name when all names are used up."""

V = TypeVar("V")


class Progress(Struct, frozen=True, kw_only=True, gc=False):
    """Progress of a node's task: 0 to 100, the agent's own words, and the wall time."""

    percent: float
    text: str
    at: float


class Refusal(Struct, frozen=True, kw_only=True, gc=False):
    """The last refusal with one code, and the number of all."""

    reason: Reason
    mac: Mac
    at: float
    count: int


class Snapshot(Struct, frozen=True, kw_only=True):
    """A copy of everything at one moment. `contact` is in monotonic seconds, `rates` in counts per second."""

    at: float
    progress: dict[NodeId, Progress]
    contact: dict[NodeId, float]
    counters: dict[str, int]
    rates: dict[str, float]
    refusals: dict[str, Refusal]


class LastValues:
    """`wall` and `monotonic` are clocks in seconds."""

    def __init__(self, wall: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._lock = threading.Lock()
        self._wall = wall
        self._monotonic = monotonic
        self._progress: dict[NodeId, Progress] = {}
        self._contact: dict[NodeId, float] = {}
        self._counters: dict[str, int] = {}
        self._refusals: dict[str, Refusal] = {}
        # A ring of whole seconds, each with its counts.
        self._seconds: list[tuple[int, dict[str, int]]] = [(-1, {}) for _ in range(WINDOW_S + 1)]

    def progress(self, node: NodeId, percent: float, text: str) -> None:
        """Records the progress of this node's task. Percent outside of 0 to 100 (NaN too) becomes the nearer end; text is cut."""
        percent = min(max(percent, 0.0), 100.0) if percent == percent else 0.0
        value = Progress(percent=percent, text=text[:TEXT], at=self._wall())
        with self._lock:
            _put(self._progress, node, value, NODES)

    def contact(self, node: NodeId) -> None:
        """Records a sign of life of this node."""
        with self._lock:
            _put(self._contact, node, self._monotonic(), NODES)

    def last_contact(self, node: NodeId) -> float | None:
        """Monotonic seconds of the last contact. None: none since the start."""
        return self._contact.get(node)

    def silent(self, longer_s: float) -> list[NodeId]:
        """Nodes without contact in the last `longer_s` seconds, the longest silent first. Leaves out nodes without any contact."""
        limit = self._monotonic() - longer_s
        with self._lock:
            # `_put` keeps the order of last contact, so the search ends at the first recent one.
            out = []
            for node, at in self._contact.items():
                if at > limit:
                    break
                out.append(node)
            return out

    def finished(self, node: NodeId) -> None:
        """Its task is over: deletes its progress."""
        with self._lock:
            self._progress.pop(node, None)

    def forget(self, node: NodeId) -> None:
        """The node was deleted, or is known to be off: deletes its progress and contact."""
        with self._lock:
            self._progress.pop(node, None)
            self._contact.pop(node, None)

    def count(self, name: str, by: int = 1) -> None:
        """Adds `by` to a counter. A new name beyond the limit counts as `other`."""
        second = int(self._monotonic())
        with self._lock:
            self._count(name, by, second)

    def ignored(self, reason: Reason, mac: Mac = "") -> None:
        """Something was refused or not answered, for this reason. Counted as `ignored.CODE`."""
        at, second = self._wall(), int(self._monotonic())
        with self._lock:
            self._count(f"ignored.{reason.code}", 1, second)
            before = self._refusals.get(reason.code)
            count = before.count + 1 if before else 1
            _put(self._refusals, reason.code, Refusal(reason=reason, mac=mac, at=at, count=count), NAMES)

    def _count(self, name: str, by: int, second: int) -> None:
        name = name[:TEXT]
        if name not in self._counters and len(self._counters) >= NAMES:
            name = OTHER
        self._counters[name] = self._counters.get(name, 0) + by
        place = second % len(self._seconds)
        if self._seconds[place][0] != second:
            self._seconds[place] = (second, {})
        counts = self._seconds[place][1]
        counts[name] = counts.get(name, 0) + by

    def snapshot(self) -> Snapshot:
        """A copy for the console: about 1 ms at 5,000 nodes."""
        at, second = self._wall(), int(self._monotonic())
        with self._lock:
            sums: dict[str, int] = {}
            for when, counts in self._seconds:
                if second - WINDOW_S <= when < second:
                    for name, count in counts.items():
                        sums[name] = sums.get(name, 0) + count
            return Snapshot(
                at=at,
                progress=dict(self._progress),
                contact=dict(self._contact),
                counters=dict(self._counters),
                rates={name: count / WINDOW_S for name, count in sums.items()},
                refusals=dict(self._refusals),
            )


def _put(values: dict[str, V], key: str, value: V, limit: int) -> None:
    """Puts it last. Beyond the limit, drops the one that was put longest ago."""
    values.pop(key, None)
    values[key] = value
    if len(values) > limit:
        del values[next(iter(values))]
