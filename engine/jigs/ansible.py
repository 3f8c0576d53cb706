"""Jig `ansible`: runs playbooks on the admin node, which reach the installed nodes over SSH.

One run is one attempt of the admin node's own `attempt` tool (`LocalChannel`), so it outlives the engine and never starts twice. It serves
one node role, or up to `batch` node roles of one role that start at about the same time. `Batches` remembers which attempt is in which run.

* Gathering: an order waits up to GATHER_S for others of its role, action and time limit. A full batch starts at once. At most RUNS runs
  work at a time; what waits for its turn gathers on. A gathering order is in no file yet: if the engine ends then, nothing has run, and
  the attempt is lost.
* Each attempt has its own log and result below the run's folder (`ansible_run`). They are read from there.
* Unreachable: Ansible could not reach the node, or lost it in the middle. The first report says so, and the engine probes. The run is
  over, so whoever asks again hears `lost`: `verify` decides, or the role runs again.
* A run that was ended by its time limit, or killed, has no results. Its exit code is that of each attempt.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from .. import reasons
from ..reasons import Reason
from . import Submit
from .ansible_batches import Batches
from .ansible_events import HostResult
from .ansible_files import pack
from .detached import CHUNK, ChannelLost, Detached, Progress, ignore_progress
from .leg_report import LegReport, Seen
from .local import LocalChannel
from .logs import Logs
from .order import Order
from .outcome import OVER_TIME, failed
from .task_tar import TaskTarError

GATHER_S = 0.5
POLL_MOST_S = 0.2
"""A look at a run here costs a file's status, so an outcome need not be late by an eighth of the run's time."""
RUNS = 8
"""Runs at a time. Each is a process of about 60 MB, and one more per node of its batch."""
LOOK_S = 2.0
"""Seconds between two looks whether a run is still alive. Its end is seen at once."""
FORGOTTEN_S = 60.0
"""A run that nobody has asked about for so many seconds does not count among RUNS."""
_PACKAGES = ("ansible", "ansible_runner")
Gathered = tuple[str, str, int]
"""Role, action and time limit in seconds: what the orders of a batch have in common."""


def missing() -> str:
    """What of Ansible is not installed beside the engine. Empty: nothing is missing."""
    return ", ".join(name.replace("_", "-") for name in _PACKAGES if importlib.util.find_spec(name) is None)


class AnsibleChannel:
    """Orders of single node roles, as runs over batches. `home` holds everything; `key` is the file of the engine's private key."""

    def __init__(self, home: Path, key: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._runs = LocalChannel(home)
        self._home = home.absolute()
        self._batches = Batches(home / "batches")
        self._key = key
        self._clock = clock
        self._lock = threading.Lock()
        self._gathering: dict[Gathered, dict[str, Order]] = {}
        self._since: dict[Gathered, float] = {}
        self._starting: set[str] = set()
        self._unstarted: dict[str, LegReport | Reason] = {}
        """Attempts whose run could not be started -> what to say of them."""
        self._seen: dict[str, float] = {}
        """Runs that work -> when their state was last asked for."""
        for name in self._batches.old:
            shutil.rmtree(self._home / "attempts" / name, ignore_errors=True)

    # -- the channel ----------------------------------------------------------------------------------------------

    def begin(self, order: Order, _task: bytes, timeout_s: int, _patience_s: int, _acked: Sequence[str]) -> Seen:
        if self._batches.of(order.attempt):
            return self.look(order, 0)
        if order.target is None:
            raise ChannelLost(reasons.no_address(node=order.node.name or order.node.id))
        if order.target.host_key is None:
            raise ChannelLost(reasons.no_host_key(node=order.node.name, address=order.target.address))
        key = (order.role.name, order.start.action, timeout_s)
        with self._lock:
            if order.attempt not in self._starting and not self._batches.of(order.attempt):
                self._gathering.setdefault(key, {})[order.attempt] = order
                self._since.setdefault(key, self._clock())
        self._start_due()
        return Seen(LegReport(id=order.attempt, state="running"))

    def look(self, order: Order, offset: int) -> Seen:
        report = self._look(order)
        return Seen(report, self.read_log(order, offset) if report.state in ("running", "ended") else b"")

    def _look(self, order: Order) -> LegReport:
        attempt = order.attempt
        self._start_due()
        with self._lock:
            if attempt in self._starting or any(attempt in some for some in self._gathering.values()):
                return LegReport(id=attempt, state="running")
            said = self._unstarted.pop(attempt, None)
        if isinstance(said, Reason):
            raise ChannelLost(said)
        if said is not None:
            return said
        batch = self._batches.of(attempt)
        if not batch:
            return LegReport(id=attempt, state="lost")
        if self._batches.is_over(attempt):
            return LegReport(id=attempt, state="acknowledged")
        run = self._state(order, batch)
        if run.state != "ended":
            return msgspec.structs.replace(run, id=attempt, gives={})
        return self._result(order, batch, run)

    def read_log(self, order: Order, offset: int) -> bytes:
        batch = self._batches.of(order.attempt)
        return self._piece(batch, f"hosts/{order.attempt}.log", CHUNK, offset) if batch else b""

    def forget(self, order: Order) -> None:
        batch = self._batches.end(order.attempt)
        if batch:
            self._runs.forget(_of(order, batch))

    # -- runs -----------------------------------------------------------------------------------------------------

    def _start_due(self) -> None:
        """Starts the batches that are full or have gathered long enough."""
        while True:
            with self._lock:
                key = self._due()
                if key is None:
                    return
                gathered = self._gathering[key]
                batch = dict(list(gathered.items())[: next(iter(gathered.values())).role.batch])
                for attempt in batch:
                    del gathered[attempt]
                if gathered:
                    self._since[key] = self._clock()
                else:
                    del self._gathering[key], self._since[key]
                self._starting |= batch.keys()
                name = f"run-{next(iter(batch))}"
                self._seen[name] = self._clock()
            try:
                self._start(name, list(batch.values()), key[2])
            finally:
                with self._lock:
                    self._starting -= batch.keys()

    def _due(self) -> Gathered | None:
        now = self._clock()
        self._seen = {name: at for name, at in self._seen.items() if now - at < FORGOTTEN_S}
        if len(self._seen) >= RUNS:
            return None
        for key, orders in self._gathering.items():
            if len(orders) >= next(iter(orders.values())).role.batch or now - self._since[key] >= GATHER_S:
                return key
        return None

    def _start(self, batch: str, orders: list[Order], timeout_s: int) -> None:
        said: dict[str, LegReport | Reason]
        try:
            task = pack(orders, self._key)
            self._batches.record(batch, (one.attempt for one in orders))
            run = self._runs.begin(_of(orders[0], batch), task, timeout_s, 0, ()).report
            if run.state != "unstarted":
                return
            said = {one.attempt: LegReport(id=one.attempt, state="unstarted", error=run.error) for one in orders}
        except TaskTarError as wrong:
            message = str(wrong)[:500]
            said = {one.attempt: LegReport(id=one.attempt, state="ended", exit=126, message=message) for one in orders}
        except (ChannelLost, OSError) as lost:
            said = {one.attempt: _lost(one, str(lost)[:200]) for one in orders}
        with self._lock:
            self._seen.pop(batch, None)
            self._unstarted |= said

    def _state(self, order: Order, batch: str) -> LegReport:
        """State of the run. The tool is asked when the run has ended, and now and then whether it is still alive."""
        now = self._clock()
        ended = (self._home / "attempts" / batch / "exit").exists()
        with self._lock:
            if not ended and now - self._seen.get(batch, -LOOK_S) < LOOK_S:
                return LegReport(id=batch, state="running")
            self._seen[batch] = now
        run = self._runs.look(_of(order, batch), 0).report
        if run.state != "running":
            with self._lock:
                self._seen.pop(batch, None)
        return run

    def _result(self, order: Order, batch: str, run: LegReport) -> LegReport:
        attempt = order.attempt
        try:
            found = msgspec.json.decode(self._piece(batch, f"results/{attempt}.json", 512 * 1024), type=HostResult)
        except msgspec.MsgspecError:
            code = run.exit if run.exit else 1
            why = "" if code == OVER_TIME else self._last_words(batch) or "the run ended before its end"
            return LegReport(id=attempt, state="ended", exit=code, message=why)
        if not found.unreachable:
            return LegReport(id=attempt, state="ended", exit=found.exit, gives=found.gives, message=found.message)
        if order.start.resume:
            return LegReport(id=attempt, state="lost")
        if found.wrong_key:
            raise ChannelLost(reasons.host_key(node=order.node.name, address=order.target.address if order.target else ""))
        raise ChannelLost(_lost(order, found.message))

    def _last_words(self, batch: str) -> str:
        """The last line that the run's process said itself."""
        size = max(0, self._size(batch) - 4096)
        lines = self._piece(batch, "../log", 4096, size).decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:400] if lines else ""

    def _size(self, batch: str) -> int:
        try:
            return (self._home / "attempts" / batch / "log").stat().st_size
        except OSError:
            return 0

    def _piece(self, batch: str, name: str, most: int, offset: int = 0) -> bytes:
        try:
            file = os.open(self._home / "attempts" / batch / "task" / name, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return b""
        try:
            return os.pread(file, most, offset)
        finally:
            os.close(file)


def _of(order: Order, batch: str) -> Order:
    """The order, as one for the whole run: its channel looks at the id only."""
    return msgspec.structs.replace(order, start=msgspec.structs.replace(order.start, attempt=batch))


def _lost(order: Order, message: str) -> Reason:
    address = order.target.address if order.target is not None else ""
    return reasons.unreachable_node(node=order.node.name or order.node.id, address=address, message=message)


class AnsibleJig(Detached):
    """Runs roles of Ansible on installed systems. Without Ansible beside the engine, each order fails with the reason `no_ansible`."""

    def __init__(
        self, submit: Submit, logs: Logs, home: Path, key: Path, *, workers: int = 8, progress: Progress = ignore_progress
    ) -> None:
        self._told = submit
        super().__init__(
            submit, logs, AnsibleChannel(home, key), workers=workers, name="jig-ansible", progress=progress, poll_most_s=POLL_MOST_S
        )

    def start(self, order: Order) -> None:
        lacks = missing()
        if lacks and not order.start.resume:
            # If the engine's lane is full, the engine orders it again at the attempt's deadline.
            self._told(failed(order.attempt, order.node.id, reasons.no_ansible(role=order.role.name, message=f"{lacks} is missing")))
            return
        super().start(order)
