"""Jig `bmc`: runs a role against the node's own BMC, from the admin node. A few threads of the engine do it; the roles have no scripts.

What a role does is its *work*, a function that the engine hands over under the name in the role's file `bmc`. It talks to the BMC by the
power orders' own door, so all calls to one BMC wait for each other, and no account gets locked.

Each leg has a record, `HOME/ID.LEG`, which is on the disk before the first packet leaves:
    no record      the leg was never begun
    no outcome     it was begun. If this process does not run it, it is lost: the BMC may have taken all of it, or nothing
    an outcome     it is told again until it is acknowledged

So the same id is never carried out twice, and a killed engine leaves `lost` behind, after which `verify` asks the BMC itself. The role's
time-out counts for each leg; a work that waits notices it by `BmcTask.pause`.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from .. import reasons
from ..definitions import Json
from ..events import Outcome
from ..files.role_files import bmc_work
from ..model import Node, NodeId
from ..reasons import Reason
from ..wire.agent import Ended
from . import Submit
from .cause import clean
from .logs import Logs, is_attempt_name
from .order import Order
from .outcome import NOT_SO, OVER_TIME, failed, outcome

WORKERS = 16
FULL_S = 0.2
KEEP_S = 90 * 86400.0
"""Seconds after which the record of a leg that nobody acknowledged is removed."""
MOST_LINE = 2000

log = logging.getLogger(__name__)


class Stopped(Exception):
    """the engine stops"""


class OverTime(Exception):
    """the role's time is over"""


class BmcTask:
    """One leg, as its work sees it."""

    def __init__(self, order: Order, say: Callable[[str], None], stopping: threading.Event) -> None:
        self.order = order
        self._say = say
        self._stopping = stopping
        self._ends = time.monotonic() + order.timeout_s

    @property
    def node(self) -> Node:
        return self.order.node

    @property
    def verifies(self) -> bool:
        """True if it only looks."""
        return self.order.start.action == "verify"

    def get(self, path: str) -> Json:
        """An attribute by its path `a/b/c`. None: it is not there."""
        at: Json = self.order.attributes
        for part in path.split("/"):
            if not isinstance(at, dict) or part not in at:
                return None
            at = at[part]
        return at

    def say(self, line: str) -> None:
        """A line of the log. Text of a BMC may stand in it."""
        self._say(clean(line)[:MOST_LINE] + "\n")

    def pause(self, seconds: float) -> None:
        """Waits. Raises Stopped and OverTime."""
        left = self._ends - time.monotonic()
        if self._stopping.wait(max(0.0, min(seconds, left))):
            raise Stopped
        if left < seconds:
            raise OverTime


Work = Callable[[BmcTask], Ended | Reason]
"""Carries out one leg: how it ended, with the exit codes of a script, or why it failed. It blocks."""


class _Record(Struct, frozen=True, kw_only=True):
    outcome: Outcome | None = None


class BmcJig:
    def __init__(self, submit: Submit, logs: Logs, home: Path, works: Mapping[str, Work], *, workers: int = WORKERS) -> None:
        """`works`: name -> work."""
        self._submit = submit
        self._logs = logs
        self._home = home
        self._works = works
        self._workers = workers
        self._stopping = threading.Event()
        self._waiting: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._present: set[str] = set()
        """Legs that wait for a thread, or have one."""
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()

    # -- from the engine ------------------------------------------------------------------------------------------

    def start(self, order: Order) -> None:
        self._logs.open(order.attempt, order.secrets)
        with self._lock:
            known = order.attempt in self._present
            if not known and not self._stopping.is_set():
                self._present.add(order.attempt)
                if len(self._threads) < min(self._workers, len(self._present)):
                    # A daemon: a call to a silent BMC must not keep the process for minutes. Its leg is lost then, as after a kill.
                    self._threads.append(threading.Thread(target=self._run, name="jig-bmc", daemon=True))
                    self._threads[-1].start()
                self._waiting.put(order)
        if known and order.start.resume:
            self._submit(Outcome(attempt=order.attempt, node=order.node.id, what="running"))

    def acknowledge(self, attempt: str, node: NodeId) -> None:  # noqa: ARG002  a leg is of one node
        if is_attempt_name(attempt):
            with suppress(OSError):
                (self._home / attempt).unlink(missing_ok=True)
        self._logs.close(attempt)

    def close(self) -> None:
        """Ends the threads that do nothing. A call to a BMC that is under way is abandoned."""
        self._stopping.set()
        with self._lock:
            for _ in self._threads:
                self._waiting.put(None)

    # -- in a thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (order := self._waiting.get()) is not None and not self._stopping.is_set():
            try:
                event = self._carried_out(order)
            except Stopped:
                return
            except Exception as error:  # a defect of this program, or a full disk
                log.exception("attempt %s on the BMC of %s broke", order.attempt, order.node.name)
                why = reasons.script_failed(role=order.role.name, exit=1, line=f"the engine broke: {type(error).__name__}: {error}"[:160])
                event = failed(order.attempt, order.node.id, why)
            with self._lock:
                self._present.discard(order.attempt)
            while not self._submit(event):
                if self._stopping.wait(FULL_S):
                    return

    def _carried_out(self, order: Order) -> Outcome:
        record = self._read(order.attempt)
        if record is not None or order.start.resume:
            lost = Outcome(attempt=order.attempt, node=order.node.id, what="lost", failure=reasons.lost(attempt=order.attempt))
            return (record.outcome if record is not None else None) or lost
        self._write(order.attempt, _Record())
        event = self._worked(order)
        self._write(order.attempt, _Record(outcome=event))
        return event

    def _worked(self, order: Order) -> Outcome:
        name = bmc_work(Path(order.folder)) if order.folder else ""
        work = self._works.get(name)
        if work is None:
            line = f"no work {name[:40]!r} is known for the jig bmc"
            return failed(order.attempt, order.node.id, reasons.script_failed(role=order.role.name, exit=126, line=line))
        task = BmcTask(order, lambda text: self._print(order.attempt, text), self._stopping)
        try:
            ended = work(task)
        except OverTime:
            ended = Ended(exit=OVER_TIME)
        if isinstance(ended, Reason):
            task.say(f"{order.role.name}: {reasons.sentence(ended)}")
            return failed(order.attempt, order.node.id, ended)
        self._logs.flush(order.attempt)
        tail, cut = self._logs.tail(order.attempt)
        return outcome(
            attempt=order.attempt,
            node=order.node.id,
            role=order.role,
            action=order.start.action,
            timeout_s=order.timeout_s,
            ended=msgspec.structs.replace(ended, log=tail, cut=cut),
            name=order.node.name,
        )

    def _print(self, attempt: str, text: str) -> None:
        self._logs.write(attempt, self._logs.position(attempt) or 0, text.encode())

    # -- records --------------------------------------------------------------------------------------------------

    def _read(self, attempt: str) -> _Record | None:
        try:
            return msgspec.json.decode((self._home / attempt).read_bytes(), type=_Record)
        except FileNotFoundError:
            return None
        except (msgspec.MsgspecError, RecursionError):  # torn: it was begun
            return _Record()

    def _write(self, attempt: str, record: _Record) -> None:
        new = self._home / f".{attempt}.new"
        with open(new, "wb", opener=_private) as file:
            file.write(msgspec.json.encode(record))
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self._home / attempt)

    def _sweep(self) -> None:
        oldest = time.time() - KEEP_S
        for file in self._home.iterdir():
            with suppress(OSError):
                if file.is_file() and file.stat().st_mtime < oldest:
                    file.unlink()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def not_applied(line: str) -> Ended:
    """What a `verify` ends with that found the role not applied."""
    return Ended(exit=NOT_SO, message=line)
