"""Records the serial consoles of machines through their BMCs, into the store (`store.console_log`).

Which consoles: `core.hardware.console_wish`. A session of serial over LAN stays open beside the calls to the same BMC. Its login gives way
to orders. Another session's console is taken only where attribute `console-take` says so.

Bounded: MOST consoles at a time, one thread each, which sleeps while its machine is silent. A BMC that gives no console is tried again
after FIRST_S, and each time after twice as long, up to LONGEST_S. The file says why nothing is recorded, once for each cause.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from ..core.hardware.console_wish import recorded, takes
from ..core.world.world import World
from ..jigs.logs import Masker
from ..model import Node, NodeId
from ..power import PowerFailed, SessionFailed
from ..store.console_log import ConsoleLog

log = logging.getLogger(__name__)

MOST = 128
SCAN_S, READ_S = 2.0, 1.0
BUSY_S, FIRST_S, LONGEST_S = 5.0, 30.0, 1800.0


class Console(Protocol):
    """`power.ipmi_console.SolConsole`, `power.ssh_console.SshConsole`."""

    def read(self, wait_s: float) -> bytes: ...

    def close(self) -> None: ...


class ConsoleRecords:
    """`start` and `stop` once. `open_console`: of this node's BMC; the flag says whether another session may lose it."""

    def __init__(
        self,
        *,
        world: Callable[[], World],
        open_console: Callable[[Node, bool], Console | PowerFailed],
        store: Path,
        secrets: Callable[[], tuple[str, ...]],
        real: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._world, self._open, self._store, self._secrets, self._real = world, open_console, store, secrets, real
        self._clock = clock
        self._booted: dict[NodeId, float] = {}
        """When a boot of each node was last seen open."""
        self._recording: set[NodeId] = set()
        self._not_before: dict[NodeId, tuple[float, float, str]] = {}
        """After a failure: when to try again, the pause, and why."""
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._main, name="consoles", daemon=True).start()

    def stop(self) -> None:
        """Sessions are given back by their threads, within seconds."""
        self._stopping.set()

    def _main(self) -> None:
        while not self._stopping.wait(SCAN_S):
            try:
                self._scan()
            except Exception:
                log.exception("the consoles to record could not be found")

    def _scan(self) -> None:
        world, now = self._world(), self._clock()
        for node in world.nodes.values():
            if node.boot is not None:
                self._booted[node.id] = now
            if not self._wanted(world, node, now):
                continue
            with self._lock:
                waits = self._not_before.get(node.id, (0.0, 0.0, ""))[0] > now
                if waits or node.id in self._recording or len(self._recording) >= MOST:
                    continue
                self._recording.add(node.id)
            threading.Thread(target=self._record, args=(node.id,), name=f"console-{node.id[:8]}", daemon=True).start()
        for gone in self._booted.keys() - world.nodes.keys():
            self._booted.pop(gone, None)
            self._not_before.pop(gone, None)

    def _wanted(self, world: World, node: Node, now: float) -> bool:
        booted_s = now - self._booted[node.id] if node.id in self._booted else float("inf")
        return recorded(world, node, booted_s, self._real)

    def _record(self, node_id: NodeId) -> None:
        try:
            world = self._world()
            node = world.nodes.get(node_id)
            if node is not None:
                self._one(node, takes(world, node))
        except (OSError, ValueError) as error:
            self._failed(node_id, PowerFailed(kind="refused", message=f"it cannot be kept: {error}"))
            log.warning("the console of %s cannot be kept: %s", node_id, error)
        except Exception:
            log.exception("the console of %s could not be recorded", node_id)
            self._failed(node_id, PowerFailed(kind="unsupported", message="a defect; see engine.log"))
        finally:
            with self._lock:
                self._recording.discard(node_id)

    def _one(self, node: Node, take: bool) -> None:
        console = self._open(node, take)
        if isinstance(console, PowerFailed):
            if self._failed(node.id, console):
                file = ConsoleLog(self._store, node.id, self._masks)
                file.note(f"{_now()}: not recorded: {console.message}")
                file.close()
            return
        file = ConsoleLog(self._store, node.id, self._masks)
        why = "the engine ends it"
        try:
            file.note(f"{_now()}: the engine records this console from here on")
            self._not_before.pop(node.id, None)
            while not self._stopping.is_set() and self._still(node.id):
                if octets := console.read(READ_S):
                    file.write(octets)
        except SessionFailed as error:
            why = error.failed.message
            self._failed(node.id, error.failed)
        finally:
            console.close()
            file.note(f"{_now()}: the record ends: {why}")
            file.close()

    def _still(self, node_id: NodeId) -> bool:
        world = self._world()
        node = world.nodes.get(node_id)
        return node is not None and self._wanted(world, node, self._clock())

    def _failed(self, node_id: NodeId, failed: PowerFailed) -> bool:
        """Plans the next try. True if it is for another cause than the last one."""
        _, pause, why = self._not_before.get(node_id, (0.0, 0.0, ""))
        busy = failed.kind == "timeout"
        pause = BUSY_S if busy else min(max(FIRST_S, 2 * pause, failed.retry_in_s), LONGEST_S)
        self._not_before[node_id] = (self._clock() + pause, 0.0 if busy else pause, why if busy else failed.message)
        return not busy and failed.message != why

    def _masks(self) -> tuple[object, Masker]:
        values = self._secrets()
        return values, Masker(values)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
