"""The last packets of each machine, unchanged, in memory: the newest EACH per machine.

    put    on the service's thread: a reference to existing bytes, some microseconds
    read   from any thread, copied under the lock

Bounds: bytes and machines, separately for known machines (their MAC is a node's) and for strangers. So a flood of invented MACs pushes
out only strangers, the longest silent first. A stranger that became a node counts as known from then on. Someone who sends with the MAC
of a node still fills that node's own ring, because an unauthenticated port cannot tell the two apart.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from msgspec import Struct

from ..wire.recording import Address

EACH = 24
"""Most packets of one machine."""
STRANGERS, KNOWN = 512, 4096
STRANGERS_OCTETS, KNOWN_OCTETS = 2 << 20, 12 << 20
"""Most octets of packets. Python needs some 300 octets more for each."""
CAUSE = 300
"""Most characters of a cause."""


class Frame(Struct, gc=False):
    """One packet. `cause` comes later: why it got no answer. Empty: it got one, or may still get one. The garbage collector skips
    these: there are many, and they cannot form cycles."""

    number: int
    at: float
    kind: str
    out: bool
    who: bytes
    source: Address
    to: Address
    data: bytes
    cause: str = ""


class _Shelves:
    """The packets of known machines, or of strangers. The machine that was silent longest comes first."""

    def __init__(self, machines: int, octets: int) -> None:
        self.of: OrderedDict[bytes, deque[Frame]] = OrderedDict()
        self.machines = machines
        self.most = octets
        self.octets = 0

    def over(self) -> bool:
        return len(self.of) > self.machines or self.octets > self.most

    def add(self, shelf: deque[Frame], frame: Frame) -> None:
        if len(shelf) == EACH:
            self.octets -= len(shelf.popleft().data)
        shelf.append(frame)
        self.octets += len(frame.data)
        self.of.move_to_end(frame.who)

    def take(self, who: bytes) -> deque[Frame]:
        shelf = self.of.pop(who)
        self.octets -= sum(len(frame.data) for frame in shelf)
        return shelf


class Ring:
    """Thread-safe. `known` tells whether a MAC is a node's. It is called for a new machine, and before one is pushed out."""

    def __init__(self, known: Callable[[bytes], bool], wall: Callable[[], float] = time.time) -> None:
        self._known = known
        self._wall = wall
        self._lock = threading.Lock()
        self._number = 0
        self._nodes = _Shelves(KNOWN, KNOWN_OCTETS)
        self._strangers = _Shelves(STRANGERS, STRANGERS_OCTETS)
        self.forgotten = 0
        """Number of machines that were pushed out."""

    def put(self, kind: str, out: bool, who: bytes, source: Address, to: Address, data: bytes) -> None:
        at = self._wall()
        with self._lock:
            self._number += 1
            frame = Frame(self._number, at, kind, out, who, source, to, data)
            shelves = self._nodes
            shelf = shelves.of.get(who)
            if shelf is None:
                shelves = self._strangers
                shelf = shelves.of.get(who)
            if shelf is None:
                shelves = self._nodes if self._known(who) else self._strangers
                shelf = shelves.of[who] = deque()
            shelves.add(shelf, frame)
            if shelves.over():
                self._make_room(shelves)

    def _make_room(self, shelves: _Shelves) -> None:
        while shelves.over() and len(shelves.of) > 1:
            who = next(iter(shelves.of))
            shelf = shelves.take(who)
            if shelves is self._strangers and self._known(who):
                self._nodes.of[who] = shelf
                self._nodes.octets += sum(len(frame.data) for frame in shelf)
                continue
            self.forgotten += 1

    def cause(self, kind: str, who: bytes, text: str) -> None:
        """Records why its last packet of this kind got no answer."""
        with self._lock:
            shelf = self._nodes.of.get(who) or self._strangers.of.get(who)
            for frame in reversed(shelf or ()):
                if not frame.out and frame.kind == kind:
                    frame.cause = frame.cause or text[:CAUSE]
                    return

    def read(self, of: frozenset[bytes] | None = None, after: int = 0) -> list[Frame]:
        """The packets with a number above `after`, of these machines or (None) of all, in the order in which they came."""
        with self._lock:
            if of is None:
                shelves = [shelf for group in (self._nodes, self._strangers) for shelf in group.of.values()]
            else:
                shelves = [shelf for who in of for group in (self._nodes, self._strangers) if (shelf := group.of.get(who))]
            found = [frame for shelf in shelves if shelf and shelf[-1].number > after for frame in shelf if frame.number > after]
        return sorted(found, key=lambda frame: frame.number)

    @property
    def number(self) -> int:
        """Number of the newest packet."""
        return self._number
