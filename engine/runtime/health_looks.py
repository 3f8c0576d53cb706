"""Looks at the health of machines through their BMCs, again and again, and keeps what they tell.

Rhythm
* A machine is looked at every LEAST_S at most, and as seldom as its BMC is slow: a look may have SHARE of its BMC's time. A BMC that takes
  10 s for its sensors is asked every 17 minutes.
* A look that failed doubles the pause, up to LONGEST_S. A BMC that refuses the login is left alone for as long as its gate says.
* Looks yield: they begin only at an idle BMC, and end when an order for it arrives (`power.gate`). A machine that boots is not asked.
* All looks together use CPU_SHARE of a processor: each of the WORKERS pauses as long as its own work has to.

Only BMCs that the engine may use are asked. What is new is kept in files (`store.vitals`); the world gets the problems when they begin and
end (`AilmentsFound`).
"""

from __future__ import annotations

import datetime
import logging
import threading
import time
from collections.abc import Callable
from hashlib import blake2b

from msgspec.structs import replace

from ..core.hardware.ailments import judge, moment, told_of, unread
from ..core.hardware.bmc import usable
from ..core.world.world import World
from ..events import AilmentsFound, Event
from ..model import Kind, Node, NodeId
from ..power import PowerFailed, VitalsResult
from ..reasons import Reason
from ..store.vitals import VitalRecord, VitalsShelf, place_of
from ..vitals import Ailing, SeenEntry, VitalSigns

log = logging.getLogger(__name__)

LEAST_S, LONGEST_S = 300.0, 3600.0
FIRST_S = 60.0
"""Seconds within which machines are looked at for the first time. Which one when follows from its id."""
SHARE, CPU_SHARE = 0.01, 0.1
WORKERS = 4
SCAN_S = 5.0
"""Seconds between two looks for machines that are due."""
RECENT = 600
"""Kept entries of the event log by which problems are judged."""

Ask = Callable[[Node, VitalRecord | None], tuple[VitalsResult, Reason | None, str]]
"""The signs of a node's machine, why there are none, and the protocol."""


class HealthLooks:
    """`start` and `stop` once; `look` by any thread, which blocks its caller."""

    def __init__(
        self,
        *,
        world: Callable[[], World],
        ask: Ask,
        shelf: VitalsShelf,
        submit: Callable[[Event], bool],
        least_s: float = LEAST_S,
        first_s: float = FIRST_S,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`least_s`: 0 turns the looks off, except for those that are asked for."""
        self._world, self._ask, self._shelf, self._submit = world, ask, shelf, submit
        self._least_s, self._first_s, self._clock, self._wall = least_s, first_s, clock, wall
        self._due: dict[NodeId, float] = {}
        """When each machine that may be asked is looked at next."""
        self._scan_at = 0.0
        self._pause: dict[NodeId, float] = {}
        self._busy: set[NodeId] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def start(self) -> None:
        if self._least_s <= 0:
            return
        for number in range(WORKERS):
            threading.Thread(target=self._main, name=f"health-{number}", daemon=True).start()

    def stop(self) -> None:
        """Returns at once. A look under way ends by itself, and its result is dropped."""
        self._stopping.set()

    def look(self, node: Node) -> VitalRecord | None:
        """Looks now, and returns the record. None: somebody else is looking, or nothing can be kept."""
        with self._lock:
            if node.id in self._busy:
                return None
            self._busy.add(node.id)
        try:
            return self._looked(node)
        except (OSError, ValueError) as error:
            log.warning("the health of %s is not kept: %s", node.name, error)
            return None
        finally:
            with self._lock:
                self._busy.discard(node.id)

    # -- when --------------------------------------------------------------------------------------------------------

    def _main(self) -> None:
        pause = SCAN_S
        while not self._stopping.wait(pause):
            begun = time.thread_time()
            try:
                node = self._next()
                if node is not None:
                    self.look(node)
            except Exception:
                log.exception("a look at the health of a machine failed")
                node = None
            spent = time.thread_time() - begun
            pause = SCAN_S if node is None else spent * (WORKERS / CPU_SHARE - 1)

    def _next(self) -> Node | None:
        """The machine that has been due for longest. None: none is."""
        world, now = self._world(), self._clock()
        with self._lock:
            if now >= self._scan_at:
                self._scan(world, now)
            due = [(at, one) for one, at in self._due.items() if at <= now and one not in self._busy]
            while due:
                one = min(due)
                due.remove(one)
                node = world.nodes.get(one[1])
                if node is not None and self._may(world, node):
                    self._due[node.id] = now + LONGEST_S  # until the look says better
                    return node
        return None

    def _scan(self, world: World, now: float) -> None:
        """Finds the machines that may be asked. Of those that may not be any more nothing is known."""
        able: set[NodeId] = set()
        for node in world.nodes.values():
            if node.kind is Kind.SERVER and usable(world, node) is not None:
                able.add(node.id)
            elif node.ailments:
                self._tell(node.id, ())
        for gone in self._due.keys() - able:
            self._due.pop(gone)
            self._pause.pop(gone, None)
        for node_id in able - self._due.keys():
            self._due[node_id] = now + self._first_s * _share_of(node_id)
        self._scan_at = now + max(SCAN_S, (self._clock() - now) / SHARE)

    def _may(self, world: World, node: Node) -> bool:
        return node.boot is None and usable(world, node) is not None

    def _plan(self, node: NodeId, took_s: float, failed: PowerFailed | None) -> float:
        """Seconds to the next look."""
        if failed is None:
            pause = min(max(self._least_s, took_s / SHARE), LONGEST_S)
        elif failed.kind == "timeout" and not failed.retry_in_s and took_s < 1.0:
            pause = min(self._least_s, SCAN_S * 6)  # the BMC was busy with something else
        else:
            pause = min(max(self._least_s, 2 * self._pause.get(node, 0.0), failed.retry_in_s), LONGEST_S)
        with self._lock:
            self._pause[node] = pause
            self._due[node] = self._clock() + pause
        return pause

    # -- what --------------------------------------------------------------------------------------------------------

    def _looked(self, node: Node) -> VitalRecord | None:
        before = self._shelf.of(node.id)
        begun = self._clock()
        signs, _, spoken = self._ask(node, before)
        took_s, now = self._clock() - begun, self._wall()
        if self._stopping.is_set():
            return None
        known = before or VitalRecord()
        pause = self._plan(node.id, took_s, signs if isinstance(signs, PowerFailed) else None)
        if isinstance(signs, PowerFailed):
            gave_way = signs.kind == "timeout" and took_s < 1.0
            memory = known.memory if gave_way else unread(node.name, known.memory, signs.message, now)
            record = replace(known, tried=now, failed=signs.message[:200], next_s=pause, memory=memory)
        else:
            memory = judge(node.name, known.memory, signs, self._entries(node, signs, before, now), now)
            record = VitalRecord(
                at=now, tried=now, took_s=round(took_s, 2), protocol=spoken, next_s=pause, signs=replace(signs, log=()), memory=memory
            )
        self._shelf.put(node.id, record)
        self._tell(node.id, told_of(node.name, memory))
        return record

    def _entries(self, node: Node, signs: VitalSigns, before: VitalRecord | None, now: float) -> list[SeenEntry]:
        """Keeps the new entries, and returns the recent ones of all."""
        first = not place_of(before)
        log = signs.places[0].log if len(signs.places) == 1 else ""
        found = []
        for one in signs.log:
            when = moment(_stamp(one.at), signs.clock_off_s, now, first)
            found.append(SeenEntry(entry=one, seen=now, when=round(when, 1), log=log))
        self._shelf.add(node.id, found)
        return self._shelf.events(node.id)[-RECENT:]

    def _tell(self, node_id: NodeId, ailments: tuple[Ailing, ...]) -> None:
        node = self._world().nodes.get(node_id)
        if node is not None and node.ailments != ailments:
            self._submit(AilmentsFound(node=node_id, ailments=ailments))


def _stamp(at: str) -> float | None:
    """Seconds since 1970 of a date and time in ISO 8601, in UTC where it names no zone. None: it is none."""
    try:
        found = datetime.datetime.fromisoformat(at.strip().replace("Z", "+00:00"))
        return (found if found.tzinfo is not None else found.replace(tzinfo=datetime.UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _share_of(node: NodeId) -> float:
    """A number from 0 to 1 that is the node's own."""
    return int.from_bytes(blake2b(node.encode(), digest_size=4).digest(), "big") / 2**32
