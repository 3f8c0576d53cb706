"""The loop: takes waiting events, decides them in one batch, makes the result durable, and only then runs the effects.

One batch: stamp events, one working copy, step each, one commit, swap the world, push wakes, run effects, publish.

Rules
* Nothing leaves before the commit that records it. If the commit fails, world and store stay as they are, no effect of the batch is run,
  and the loop stops with the store's sentence (`failure`).
* An event that `step` or the store cannot process costs only itself. The events before it are committed; it is refused, kept as a dead
  letter and logged with its traceback; and the others continue. A tick for many subjects is first taken apart.
* Engine time continues from the last committed event and never goes back, whatever the wall clock does.
* A large commit is checked beside the loop, and then carried out in pieces (`aside`, `core.plan.pieces`).
* Only the loop's thread touches world, store and wakes. `world` is one reference, which any thread may read at any time.

Traps
* A step that raised spoils the working copy, so the batch starts again from the world, without that event.
* Outcomes may come from within `run_effects`, in this thread (see `inbox`).
"""

from __future__ import annotations

import gc
import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct

from ..effects import Refuse
from ..events import Commit, CommitProposals, Continue, Event, Happened, Tick, Wake
from ..model import Row
from ..reasons import engine_error
from ..requests import Request
from ..store.errors import Deposed, StoreError, Unstorable
from .aside import Aside
from .health import DeadLetter, Health
from .inbox import Inbox
from .wakes import Wakes

W = TypeVar("W")
W_co = TypeVar("W_co", covariant=True)
Change = tuple[str, Any, Row | None]

LIMIT = 128
SLICE_S = 0.005
"""A batch ends at so many events, or after so many seconds; the rest is the next batch. The replies of a batch leave together, and the
socket of a relay takes some 150 at once with its default buffer. Larger commits gain little."""
KEEP = 100_000
"""Journal rows that are kept to look back at."""
PRUNE_SLACK = 256
LETTERS = 64
LONGEST_SLEEP_S = 5.0
"""Seconds after which an idle loop checks whether its store is still the one on the disk."""

log = logging.getLogger(__name__)


class Clock(Struct, frozen=True):
    """Both in seconds: since 1970 for people, and monotonic."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


class Working(Protocol[W_co]):
    """What the loop needs from the working copy (`work.Work`)."""

    effects: list[Any]
    wakes: list[Wake]

    @property
    def rest(self) -> bool: ...
    @property
    def binds(self) -> bool: ...
    def finish(self) -> W_co: ...


class LoopStore(Protocol):
    """What the loop needs from the store."""

    @property
    def seq(self) -> int: ...
    @property
    def rows(self) -> int: ...
    def now(self) -> float: ...
    def commit(self, batch: Sequence[tuple[Happened, Sequence[Change]]]) -> int: ...
    def prune(self, keep: int) -> int: ...
    def look(self) -> None: ...


class _Poison(Exception):
    """Event `index` of the batch cannot be processed. None: one of them, unknown which."""

    def __init__(self, index: int | None, error: Exception) -> None:
        super().__init__(str(error))
        self.index = index
        self.error = error


class Loop(Generic[W]):
    """`apply(work, happened)` returns the changes of one event, and adds effects and wakes to the working copy from `work(world)`.
    The loop's thread calls `run_effects` and `publish` (also on failure, with the same seq); both must be quick. `now` is the
    world's engine time; the store's last one counts if it is later. `checks`: what is computed beside the loop (`aside`)."""

    def __init__(
        self,
        *,
        store: LoopStore,
        world: W,
        apply: Callable[[Any, Happened], Sequence[Change]],
        work: Callable[[W], Working[W]],
        run_effects: Callable[[list[Any]], None],
        publish: Callable[[int], None] = lambda _seq: None,
        checks: Callable[[W, Event], Callable[[], Event] | None] = lambda _world, _event: None,
        clock: Clock | None = None,
        inbox: Inbox | None = None,
        now: float = 0.0,
        limit: int = LIMIT,
        slice_s: float = SLICE_S,
        keep: int = KEEP,
    ) -> None:
        self.world = world
        self.inbox = inbox or Inbox()
        self.failure = ""
        """Why the loop stopped by itself, as a sentence. Empty while it works."""
        self.deposed = False
        """It stopped because another engine took the store over. Started again by itself, the two would depose each other for ever."""
        self.letters: tuple[DeadLetter, ...] = ()
        self.refused = 0
        self.events = 0
        self.batches = 0
        self._store = store
        self._apply = apply
        self._work = work
        self._run = run_effects
        self._publish = publish
        self._clock = clock or Clock()
        self._limit = limit
        self._slice_s = slice_s
        self._keep = keep
        self._last = max(now, store.now())
        self._origin = self._last - self._clock.monotonic()
        self._carried: deque[Happened] = deque()
        self._wakes = Wakes()
        self._checks = checks
        self._aside = Aside(checks, self.inbox.wake)
        self._rest = False
        self._continued = False
        """The last batch was a `Continue`. They take turns with what waits, so that a packet waits for one at most."""
        self._slowest = (0.0, "")
        self._published = store.seq
        self._stopping = False
        self._thread: threading.Thread | None = None

    # -- from any thread ----------------------------------------------------------------------------------------------

    def submit(self, event: Event, *, wait: bool = True) -> bool:
        """Passes an event in. False: refused (see `inbox.Inbox.put`)."""
        return self.inbox.put(event, wait=wait)

    def offer(self, event: Event) -> bool:
        """The same for threads that must not wait: their clients ask again."""
        return self.inbox.put(event, wait=False)

    def submit_packets(self, events: Sequence[Event]) -> int:
        """Passes packets in that arrived together. Returns how many, from the front, were accepted."""
        return self.inbox.put_packets(events)

    def now(self) -> float:
        """Engine time, in seconds: for display, never for a decision."""
        return self._origin + self._clock.monotonic()

    def health(self) -> Health:
        return Health(
            now=self.now(),
            seq=self._published,
            events=self.events,
            batches=self.batches,
            refused=self.refused,
            waiting=self.inbox.depths(),
            turned_away=dict(self.inbox.refused),
            wakes=len(self._wakes),
            slowest_s=self._slowest[0],
            slowest=self._slowest[1],
            letters=self.letters,
            failure=self.failure,
        )

    def start(self) -> None:
        """Works in its own thread from now on."""
        self._thread = threading.Thread(target=self._main, name="engine-loop", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Accepts no more packets and agent messages, works off the rest, and ends. True: it has ended. Later callers get False.
        Stop all sources of outcomes first."""
        self._stopping = True
        self.inbox.shut()
        self.inbox.wake()
        if self._thread is not None:
            self._thread.join(timeout_s)
            return not self._thread.is_alive()
        while self.turn():
            pass
        return self.inbox.close()

    # -- in the loop's thread -----------------------------------------------------------------------------------------

    def begin(self, started: Event) -> None:
        """First call after a load, before `start` or the first `turn`: records the start, whose step orders the open effects
        again. Sets `failure` if that is impossible."""
        self._carried.append(Happened(self._clock.wall(), self._stamp(), started))
        self.turn()
        if self.refused and not self.failure:
            self._fail(f"the engine cannot start: {self.letters[-1].error}; look at its log and report it")

    def turn(self) -> int:
        """Works on one batch. Returns how many events it took, 0 if none waits or the loop has failed."""
        batch = [] if self.failure else self._take()
        if not batch:
            self._beside(self._store.look)
            return 0
        many = len(batch)
        while True:
            try:
                done = self._batch(batch[:many])
                break
            except _Poison as poison:
                if many == 1 or poison.index == 0:
                    self._carried.extendleft(reversed(batch[1:]))
                    self._refuse(batch[0], poison.error)
                    return 1
                many = poison.index or many // 2
            except StoreError as error:
                self._lose(error)
                return 0
        self._carried.extendleft(reversed(batch[done:]))
        return done

    def next_wake(self) -> float | None:
        """Engine time of the next tick."""
        return self._wakes.next()

    def _take(self) -> list[Happened]:
        if self._carried:
            return [self._carried.popleft() for _ in range(min(self._limit, len(self._carried)))]
        at, now = self._clock.wall(), self._stamp()
        rest = self._rest and not self._stopping
        if rest and not (self._continued and self.inbox.waits):
            self._continued = True
            return [Happened(at, now, Continue())]
        self._continued = False
        tick = None if self._stopping else self._wakes.due(now)
        events: list[Event] = [] if tick is None else [tick]
        events += self._aside.next(self.world)
        events += self._here(self.inbox.drain(max(self._limit - len(events), 1)))
        return [Happened(at, now, event) for event in events or ([Continue()] if rest else [])]

    def _here(self, events: list[Event]) -> list[Event]:
        """Without those that are computed beside the loop. Without a thread of its own, the loop computes them itself."""
        if self._thread is None:
            checks = [(event, self._checks(self.world, event) if isinstance(event, Commit) else None) for event in events]
            return [check() if check is not None else event for event, check in checks]
        return [event for event in events if not self._aside.takes(self.world, event)]

    def _stamp(self) -> float:
        """Engine time for an event. The origin is a rounded difference: after a start `now` can be an ulp before the store's last."""
        self._last = max(self._last, self.now())
        return self._last

    def _batch(self, batch: list[Happened]) -> int:
        """Steps, commits and carries out as many of these as one slice of time allows. Returns how many. If it raises, nothing
        has changed."""
        work = self._work(self.world)
        apply, monotonic = self._apply, self._clock.monotonic
        rows: list[tuple[Happened, Sequence[Change]]] = []
        last = monotonic()
        end = last + self._slice_s
        for happened in batch:
            try:
                rows.append((happened, apply(work, happened)))
            except Exception as error:
                raise _Poison(len(rows), error) from error
            before, last = last, monotonic()
            if last - before > self._slowest[0]:
                self._slowest = (last - before, type(happened.event).__name__)
            if last >= end:
                break
        rest, binds = work.rest, work.binds
        try:
            world = work.finish()
            seq = self._store.commit(rows)
        except StoreError:
            raise
        except Unstorable as error:
            raise _Poison(error.index, error) from error
        except Exception as error:
            raise _Poison(None, error) from error
        self.world = world
        self._rest = rest
        if self._thread is not None and (binds or any(isinstance(happened.event, Commit | CommitProposals) for happened, _ in rows)):
            gc.freeze()  # what a commit binds stays: a collection over a large world takes up to half a second
        self.events += len(rows)
        self.batches += 1
        self._wakes.push(work.wakes, rows[-1][0].now)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("committed", extra={"seq": seq, "events": [type(h.event).__name__ for h, _ in rows]})
        self._effects(work.effects)
        if seq != self._published:
            self._published = seq
            self._guard("publish", self._publish, seq)
            if self._store.rows > self._keep + PRUNE_SLACK:
                self._beside(lambda: self._store.prune(self._keep))
        return len(rows)

    def _beside(self, what: Callable[[], object]) -> None:
        """An error of the store outside a batch: what was recorded stands."""
        try:
            if not self.failure:
                what()
        except StoreError as error:
            self._lose(error)

    def _effects(self, effects: list[Any]) -> None:
        if effects:
            self._guard("effects", self._run, effects)

    def _guard(self, what: str, call: Callable[[Any], None], argument: Any) -> None:
        """A callback that raises is a defect of its owner; what was decided stands."""
        try:
            call(argument)
        except Exception as error:
            log.exception("%s: a callback of the loop failed", what)
            self._bury(self._clock.wall(), self.now(), what, None, error)

    # -- what cannot be done ------------------------------------------------------------------------------------------

    def _refuse(self, happened: Happened, error: Exception) -> None:
        """Gives up this event: the world stays as if it had not come."""
        event = happened.event
        if isinstance(event, Tick) and len(event.subjects) > 1:
            self._carried.extendleft(Happened(happened.at, happened.now, Tick(subjects=(s,))) for s in reversed(event.subjects))
            return
        if isinstance(event, Continue):
            self._rest = False  # otherwise it would come again at once, forever
        name = type(event).__name__
        log.error("event %s could not be worked on and is refused", name, exc_info=error)
        self.refused += 1
        self._bury(happened.at, happened.now, name, event, error)
        request = getattr(event, "request", None)
        if isinstance(request, Request):
            self._effects([Refuse(request=request, reason=engine_error(event=name, error=_short(error)))])

    def _bury(self, at: float, now: float, what: str, event: Event | None, error: Exception) -> None:
        text = "".join(traceback.format_exception(error))
        letter = DeadLetter(at=at, now=now, what=what, event=event, error=_short(error), traceback=text[-8192:])
        self.letters = (*self.letters, letter)[-LETTERS:]

    def _lose(self, error: StoreError) -> None:
        self.deposed = isinstance(error, Deposed)
        self._fail(str(error))

    def _fail(self, sentence: str) -> None:
        log.error("the engine stops: %s", sentence)
        self.failure = sentence
        self.inbox.close()
        self._guard("publish", self._publish, self._published)  # whoever waits for a row must see the failure

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _main(self) -> None:
        try:
            gc.collect()
            gc.freeze()
            while not self.failure:
                if self.turn():
                    continue
                if self._stopping and not self._aside.busy and self.inbox.close(if_empty=True):
                    break
                self.inbox.wait(self._sleep_s())
        except BaseException as error:
            log.critical("the engine's loop ended", exc_info=error)
            self._fail(f"the engine's loop ended on a defect ({_short(error)}): look at its log and report it")
        finally:
            self.inbox.close()

    def _sleep_s(self) -> float:
        if self._carried or (self._rest and not self._stopping):
            return 0.0
        wake = self.next_wake()
        if wake is None or self._stopping:
            return LONGEST_SLEEP_S
        return min(max(wake - self.now(), 0.0), LONGEST_SLEEP_S)


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300]


__all__ = ["Change", "Clock", "Loop", "LoopStore", "Wake", "Working"]
