"""Follows attempts that run detached on a host: start, poll, copy the log, report the outcome. The jigs `script` (host behind SSH) and
`local` (this machine) use it, each with its own channel.

A few threads follow a thousand attempts: no thread waits. Each followed attempt gets a *turn* now and then in a worker. Between turns it
lies in a heap, sorted by time.

* Poll interval: an eighth of the attempt's age, 0.05 s to 5 s. So the end of a short task is seen at once, a long task costs next to
  nothing, and an outcome is late by an eighth at most.
* A turn: start or ask; copy the new part of the log (bounded while the task runs, so that one chatty task does not occupy a worker);
  then wait for the next turn, or report.
* One outcome per order. An order for a leg that is already followed replaces the former order; a turn that is under way notices this and
  stays silent. A resumed leg that runs is reported once as `running`, then followed.
* Exceptions of a channel: `ChannelLost` carries the reason, reported as `failed, unreachable`, and following ends. The engine then
  probes the node and orders again. A role that cannot be packed is a failure of the role.
* If the engine's lane is full, the outcome is offered again after 0.2 s.
* `acknowledge` is a best-effort call to the host by a worker. If it fails, a record stays on the host, which bounds these itself. With
  `acks_wait` it waits up to ACK_S for the next start on that node, which takes it along. `close` delivers what waits.
* A start stays with its task for up to PATIENCE_S, so a short task is one call. If more turns wait than there are workers, it does not.

The node enforces the time limit. Trap: only the channel's own time-outs free a worker that waits for a silent host, so they must be
shorter than our patience.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Protocol

from .. import reasons
from ..events import Outcome
from ..model import NodeId
from ..reasons import Reason
from . import Submit
from .cause import clean
from .leg_report import Seen
from .logs import Logs
from .order import Order
from .outcome import failed, not_reached, outcome
from .task_tar import TaskTarError, task_tar

ACK_S = 1.0
PATIENCE_S = 1
MAX_ACKED = 64
"""Most acknowledgements that a start takes along."""
CLOSE_S = 10.0
POLL_LEAST_S = 0.05
POLL_MOST_S = 5.0
FULL_S = 0.2
CHUNK = 64 * 1024
CHUNKS_A_TURN = 16
MAX_CHUNKS = 1024
"""Most bytes of a log in all, as the node keeps."""

Progress = Callable[[NodeId, str, int, str], None]
"""Node, attempt, percent, text."""

log = logging.getLogger(__name__)


def ignore_progress(_node: NodeId, _attempt: str, _percent: int, _text: str) -> None:
    """Ignores progress."""


class ChannelLost(Exception):
    """The host could not be reached, or its answer was invalid. Nothing is known of the attempt."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reasons.sentence(reason))
        self.reason = reason


class Channel(Protocol):
    """The `attempt` tool of the order's host. Every call may block for a bounded time and may raise ChannelLost."""

    def begin(self, order: Order, task: bytes, timeout_s: int, patience_s: int, acked: Sequence[str]) -> Seen:
        """`attempt start` with the tar on its standard input: its state when it has ended or after `patience_s`, and its first output. It
        acknowledges the attempts `acked` of the same host, unless it is `unstarted`."""

    def look(self, order: Order, offset: int) -> Seen:
        """`attempt wait ID 0 OFFSET`: its state, and at most CHUNK of its output from this byte."""

    def read_log(self, order: Order, offset: int) -> bytes:
        """`attempt log`: at most CHUNK from this byte."""

    def forget(self, order: Order) -> None:
        """`attempt ack`."""


class _Job:
    __slots__ = ("begun", "chunks", "first", "offset", "order", "ready", "told_running")

    def __init__(self, order: Order, now: float) -> None:
        self.order = order
        self.first = True
        self.begun = now
        self.offset = 0
        self.chunks = 0
        self.told_running = False
        self.ready: Outcome | None = None
        """An outcome that is not reported yet."""


class Detached:
    """Follows attempts over `channel`. Calls `progress(node, attempt, percent, text)` when a turn finds something new."""

    def __init__(
        self,
        submit: Submit,
        logs: Logs,
        channel: Channel,
        *,
        workers: int = 16,
        name: str = "detached",
        progress: Progress = ignore_progress,
        poll_most_s: float = POLL_MOST_S,
        acks_wait: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._submit = submit
        self._logs = logs
        self._channel = channel
        self._progress = progress
        self._poll_most_s = poll_most_s
        self._clock = clock
        self._jobs: dict[str, _Job] = {}
        self._orders: dict[str, Order] = {}
        """For everything unacknowledged: where to send the acknowledgement."""
        self._acks_wait = acks_wait
        self._acks: dict[NodeId, dict[str, Order]] = {}
        """Acknowledgements that wait for a start on their node."""
        self._workers = workers
        self._waiting = 0
        """Turns that no worker has begun."""
        self._heap: list[tuple[float, int, str, _Job | Order]] = []
        """When, a tie-breaker, and the turn of an attempt or its acknowledgement."""
        self._tie = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
        self._thread = threading.Thread(target=self._schedule, name=name, daemon=True)
        self._thread.start()

    # -- from the engine ------------------------------------------------------------------------------------------

    def start(self, order: Order) -> None:
        self._logs.open(order.attempt, order.secrets)
        now = self._clock()
        job = _Job(order, now)
        with self._changed:
            self._jobs[order.attempt] = job
            self._orders[order.attempt] = order
            self._push(now, order.attempt, job)

    def acknowledge(self, attempt: str, node: NodeId) -> None:  # noqa: ARG002  a leg is on one node
        with self._changed:
            self._jobs.pop(attempt, None)
            order = self._orders.pop(attempt, None)
            if order is not None and not self._closed:
                if self._acks_wait:
                    self._acks.setdefault(order.node.id, {})[attempt] = order
                    self._push(self._clock() + ACK_S, attempt, order)
                else:
                    self._pool.submit(self._forget, order)
        self._logs.close(attempt)

    def close(self) -> None:
        """Ends the threads after their present turn. Tasks on hosts continue."""
        with self._changed:
            self._closed = True
            self._jobs.clear()
            self._heap.clear()
            late = [order for some in self._acks.values() for order in some.values()]
            self._acks.clear()
            self._changed.notify_all()
        self._thread.join()
        wait([self._pool.submit(self._forget, order) for order in late], CLOSE_S)
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def followed(self) -> int:
        """Number of followed attempts."""
        with self._changed:
            return len(self._jobs)

    # -- the heap of turns ----------------------------------------------------------------------------------------

    def _push(self, at: float, attempt: str, job: _Job | Order) -> None:
        heapq.heappush(self._heap, (at, next(self._tie), attempt, job))
        self._changed.notify_all()

    def _schedule(self) -> None:
        with self._changed:
            while not self._closed:
                now = self._clock()
                if not self._heap:
                    self._changed.wait()
                elif self._heap[0][0] > now:
                    self._changed.wait(self._heap[0][0] - now)
                else:
                    _, _, attempt, job = heapq.heappop(self._heap)
                    if isinstance(job, Order):
                        if self._take_acks(job.node.id, attempt):
                            self._pool.submit(self._forget, job)
                    elif self._jobs.get(attempt) is job:
                        self._waiting += 1
                        self._pool.submit(self._turn, attempt, job)

    def _take_acks(self, node: NodeId, attempt: str = "") -> list[Order]:
        """Takes the waiting acknowledgement of this attempt, or without one those of the node. Under the lock."""
        some = self._acks.get(node, {})
        taken = [some.pop(one) for one in ([attempt] if attempt else list(some)[:MAX_ACKED]) if one in some]
        if not some:
            self._acks.pop(node, None)
        return taken

    def _turn(self, attempt: str, job: _Job) -> None:
        with self._changed:
            self._waiting -= 1
        try:
            event = job.ready or self._advance(job)
        except ChannelLost as lost:
            event = not_reached(attempt, job.order.node.id, lost.reason)
        except Exception as error:
            # A defect of this program must not leave an attempt unfollowed.
            log.exception("following attempt %s broke", attempt)
            why = reasons.unreachable_node(node=job.order.node.name, address="", message=f"the engine broke: {type(error).__name__}")
            event = not_reached(attempt, job.order.node.id, why)
        with self._changed:
            if self._jobs.get(attempt) is not job:
                return
        # Outside the lock: submit may block for a moment, and may answer with an acknowledgement at once.
        told = event is None or self._submit(event)
        with self._changed:
            if self._closed or self._jobs.get(attempt) is not job:
                return
            now = self._clock()
            if not told:
                job.ready = event
                self._push(now + FULL_S, attempt, job)
                return
            job.ready = None
            if event is not None and event.what == "running":
                job.told_running = True
            elif event is not None:
                del self._jobs[attempt]
                return
            self._push(now + min(max(POLL_LEAST_S, (now - job.begun) / 8), self._poll_most_s), attempt, job)

    def _advance(self, job: _Job) -> Outcome | None:
        """The work of one turn. Returns the outcome to report. None: not yet."""
        order = job.order
        if job.first and not order.start.resume:
            try:
                task = task_tar(order)
            except TaskTarError as error:
                why = reasons.script_failed(role=order.role.name, exit=126, line=str(error))
                return failed(order.attempt, order.node.id, why)
            report, piece = self._begin(order, task)
        else:
            # Before the first look this is 0, or where an engine before this one stopped.
            job.offset = job.offset or self._logs.position(order.attempt) or 0
            report, piece = self._channel.look(order, job.offset)
        job.first = False
        self._copy_log(job, piece, report.state == "ended")
        if report.state == "running":
            if report.text or report.percent:
                self._progress(order.node.id, order.attempt, report.percent, clean(report.text))
            if order.start.resume and not job.told_running:
                return Outcome(attempt=order.attempt, node=order.node.id, what="running")
            return None
        self._logs.flush(order.attempt)
        tail, cut = self._logs.tail(order.attempt)
        return outcome(
            attempt=order.attempt,
            node=order.node.id,
            role=order.role,
            action=order.start.action,
            timeout_s=order.timeout_s,
            ended=report.ended(tail, cut),
            name=order.node.name,
        )

    def _begin(self, order: Order, task: bytes) -> Seen:
        with self._changed:
            acks = self._take_acks(order.node.id)
            patience_s = PATIENCE_S if self._waiting <= self._workers else 0
        limit_s = max(1, math.ceil(order.timeout_s))
        taken = False
        try:
            seen = self._channel.begin(order, task, limit_s, patience_s, [one.attempt for one in acks])
            taken = seen.report.state != "unstarted"
        finally:
            with self._changed:
                if not taken and not self._closed:
                    for one in acks:
                        self._pool.submit(self._forget, one)
        return seen

    def _copy_log(self, job: _Job, data: bytes, over: bool) -> None:
        """Keeps a piece of the log that came with the state, and reads on if there is more."""
        for _ in range(MAX_CHUNKS if over else CHUNKS_A_TURN):
            if not data or job.chunks >= MAX_CHUNKS:
                return
            job.chunks += 1
            self._logs.write(job.order.attempt, job.offset, data)
            job.offset += len(data)
            if len(data) < CHUNK:
                return
            data = self._channel.read_log(job.order, job.offset)

    def _forget(self, order: Order) -> None:
        try:
            self._channel.forget(order)
        except ChannelLost as lost:
            log.debug("acknowledgement of %s was not delivered: %s", order.attempt, lost)
