"""The inbox: events that wait for a decision, in bounded lanes.

Three lanes, by the type of the event (`LANES`): outcomes with operators and the engine's own events, then messages of agents, then
unauthenticated packets.

Rules
* A full packet or agent lane refuses and counts: the client asks again. Nothing of the first lane is dropped. A limited number of
  callers wait for room there, for a limited time. Then they get False and keep what they have (an agent keeps its outcome until it is
  acknowledged; an operator learns that the engine is busy).
* While lower lanes wait, each gets one eighth of what is taken, so a storm above starves none.
* Within a lane, events keep their order of arrival.

Trap: the loop's own thread puts outcomes too (a jig that is done at once). It would wait for itself forever, so the thread that drains
never waits. What it adds is bounded by the effects of one batch.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

from ..events import (
    AddressTaken,
    AdminSeen,
    AilmentsFound,
    Bye,
    Commit,
    CommitProposals,
    Continue,
    DhcpAsked,
    DhcpOverheard,
    Event,
    Fetched,
    Found,
    Hello,
    Join,
    KeyRemoved,
    Missed,
    Operate,
    Outcome,
    Powered,
    PowerSet,
    Probed,
    Propose,
    Proved,
    Recall,
    ScriptAsked,
    SetAttribute,
    Started,
    Tick,
)

FIRST, AGENTS, PACKETS = 0, 1, 2
NAMES = ("outcomes", "agents", "packets")

LANES: dict[type[Event], int] = {
    Outcome: FIRST,
    Powered: FIRST,
    PowerSet: FIRST,
    Probed: FIRST,
    Proved: FIRST,
    AilmentsFound: FIRST,
    Found: FIRST,
    Missed: FIRST,
    Tick: FIRST,
    Continue: FIRST,
    Started: FIRST,
    AdminSeen: FIRST,
    Commit: FIRST,
    Propose: FIRST,
    Recall: FIRST,
    Join: FIRST,
    KeyRemoved: FIRST,
    CommitProposals: FIRST,
    Operate: FIRST,
    SetAttribute: FIRST,
    Hello: AGENTS,
    Bye: AGENTS,
    ScriptAsked: PACKETS,
    DhcpAsked: PACKETS,
    DhcpOverheard: PACKETS,
    AddressTaken: PACKETS,
    Fetched: PACKETS,
}
SHARE = 8
"""A lower lane that waits gets one of so many events."""


class Inbox:
    """Thread-safe. One thread drains, any thread puts."""

    def __init__(
        self,
        *,
        outcomes: int = 8192,
        agents: int = 4096,
        packets: int = 4096,
        waiting: int = 256,
        patience_s: float = 30.0,
    ) -> None:
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._lanes: tuple[deque[Event], ...] = (deque(), deque(), deque())
        self._limits = (outcomes, agents, packets)
        self._credit = [0.0, 0.0, 0.0]
        self._max_waiting = waiting
        self._patience_s = patience_s
        self._waiting = 0
        self._asleep = False
        self._woken = False
        self._owner = 0
        self._open = [True, True, True]
        self.refused: dict[str, int] = {}
        """Type of event -> number of refused ones."""

    def put(self, event: Event, *, wait: bool = True) -> bool:
        """Accepts the event. False: it is refused and counted. `wait` False never blocks (for callers on an asyncio loop).
        Raises KeyError for a type without a lane."""
        lane = LANES[type(event)]
        with self._lock:
            queue = self._lanes[lane]
            if self._open[lane] and len(queue) >= self._limits[lane] and lane == FIRST:
                self._wait_for_room(queue, wait)
            full = len(queue) >= self._limits[lane] and not (lane == FIRST and threading.get_ident() == self._owner)
            if full or not self._open[lane]:
                name = type(event).__name__
                self.refused[name] = self.refused.get(name, 0) + 1
                return False
            queue.append(event)
            if self._asleep:
                self._work.notify()
            return True

    def put_packets(self, events: Sequence[Event]) -> int:
        """Accepts packets that arrived together, from the front, as far as there is room. Returns how many; counts the others.
        One wake for all, so that they are decided and committed together."""
        with self._lock:
            queue = self._lanes[PACKETS]
            room = max(self._limits[PACKETS] - len(queue), 0) if self._open[PACKETS] else 0
            queue.extend(events[:room])
            for event in events[room:]:
                name = type(event).__name__
                self.refused[name] = self.refused.get(name, 0) + 1
            if self._asleep and room:
                self._work.notify()
            return min(room, len(events))

    def _wait_for_room(self, queue: deque[Event], wait: bool) -> None:
        if not wait or threading.get_ident() == self._owner or self._waiting >= self._max_waiting:
            return
        self._waiting += 1
        deadline = time.monotonic() + self._patience_s
        try:
            while len(queue) >= self._limits[FIRST] and self._open[FIRST]:
                left = deadline - time.monotonic()
                if left <= 0:
                    return
                self._room.wait(left)
        finally:
            self._waiting -= 1

    def drain(self, limit: int) -> list[Event]:
        """At most `limit` events, those of higher lanes first. From now on the calling thread is the one that never waits in `put`."""
        with self._lock:
            self._owner = threading.get_ident()
            first, agents, packets = self._lanes
            total = len(first) + len(agents) + len(packets)
            if total <= limit:
                out = [*first, *agents, *packets]
                for queue in self._lanes:
                    queue.clear()
                self._credit = [0.0, 0.0, 0.0]
            else:
                out = []
                of_agents = self._share(AGENTS, limit, limit)
                of_packets = self._share(PACKETS, limit, limit - of_agents)
                _move(first, out, limit - of_agents - of_packets)
                _move(agents, out, of_agents)
                _move(packets, out, of_packets)
                for queue in self._lanes:
                    _move(queue, out, limit - len(out))
                out.sort(key=_lane_of)
            if self._waiting and len(first) < self._limits[FIRST]:
                self._room.notify_all()
            return out

    def _share(self, lane: int, limit: int, most: int) -> int:
        waiting = len(self._lanes[lane])
        if not waiting:
            self._credit[lane] = 0.0
            return 0
        # Fractions add up, so that even a limit of one event at a time is fair.
        credit = self._credit[lane] + limit / SHARE
        share = min(int(credit), waiting, most)
        self._credit[lane] = credit - share
        return share

    def wait(self, timeout_s: float) -> None:
        """Sleeps until there is an event, `wake` is called, or the time is over."""
        with self._lock:
            self._asleep = True
            try:
                if not self._woken and not any(self._lanes):
                    self._work.wait(timeout_s)
            finally:
                self._asleep = self._woken = False

    def wake(self) -> None:
        """Ends the present or the next `wait`."""
        with self._lock:
            self._woken = True
            self._work.notify()

    def shut(self) -> None:
        """From now on accepts only outcomes and operators, and drops waiting packets and agent messages: their senders ask again."""
        with self._lock:
            self._open[AGENTS] = self._open[PACKETS] = False
            self._lanes[AGENTS].clear()
            self._lanes[PACKETS].clear()

    def close(self, *, if_empty: bool = False) -> bool:
        """Closes: accepts nothing more, and sends waiting callers away. With `if_empty` only if nothing of the first lane waits.
        True: it is closed."""
        with self._lock:
            if if_empty and self._lanes[FIRST]:
                return False
            self._open = [False, False, False]
            self._room.notify_all()
            return True

    @property
    def waits(self) -> bool:
        """True if an event waits."""
        with self._lock:
            return any(self._lanes)

    def depths(self) -> dict[str, int]:
        """Lane -> number of waiting events."""
        return {name: len(queue) for name, queue in zip(NAMES, self._lanes, strict=True)}


def _move(queue: deque[Event], out: list[Event], many: int) -> None:
    for _ in range(min(many, len(queue))):
        out.append(queue.popleft())


def _lane_of(event: Event) -> int:
    return LANES[type(event)]


__all__ = ["AGENTS", "FIRST", "LANES", "NAMES", "PACKETS", "Inbox"]
