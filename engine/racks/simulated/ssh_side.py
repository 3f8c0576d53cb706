"""The SSH servers of installed systems: connects `sshd.SshFarm`, which has threads, and the rack's loop, which carries out commands.

* For the farm, each boot of a system is a separate node, so that remains of the last boot never answer for the next one.
* A command to a machine without power gets no answer: its connection is cut, as on a real machine. Any answer would count as the node's.
* Cutting waits for paramiko's threads, so it does not happen in the loop.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import logging
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress

import paramiko

from .installed import Installed
from .nonvolatile import System
from .sshd import SshFarm
from .wiring import Wiring

log = logging.getLogger(__name__)

_CUT_S = 5.0
_Answer = tuple[int, bytes, bytes]


class FarmSide:
    """Call `start` in the loop that carries out the commands, then `listen` there, then `close` in another thread."""

    def __init__(self) -> None:
        self._farm: SshFarm | None = None
        self._wiring: Wiring | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._up: dict[str, Installed] = {}
        self._boots = itertools.count(1)
        self._closing = threading.Event()
        self._waiting: set[Future[_Answer]] = set()
        self._cutters = ThreadPoolExecutor(4, thread_name_prefix="ssh-cut")

    def start(self, loop: asyncio.AbstractEventLoop, wiring: Wiring, engine_key: str) -> None:
        """`engine_key` may log in everywhere. Empty: only the key from an install. Raises ValueError for a text that is not a key."""
        self._loop = loop
        self._wiring = wiring
        self._farm = SshFarm(self._answer, (engine_key,) if engine_key else ())

    def close(self) -> None:
        self._closing.set()
        for one in list(self._waiting):
            one.cancel()
        self._cutters.shutdown(wait=True)
        if self._farm is not None:
            self._farm.close()

    def listen(self, address: str, system: System, installed: Installed) -> Callable[[], None]:
        """The system's server starts. Call the result when the system goes down. Raises OSError for an address that is in use."""
        assert self._farm is not None
        assert self._wiring is not None
        farm, boot = self._farm, f"{installed.machine.name}/{next(self._boots)}"
        key = paramiko.Ed25519Key.from_private_key(io.StringIO(system.host_key))
        host, port = self._wiring.local(address, 22)
        keys = [system.engine_key] if system.engine_key else []
        self._up[boot] = installed
        farm.listen(boot, host, port, key, keys)
        machine = installed.machine
        farm.lossy(boot, lambda: machine.lost(machine.faults.drop_ssh))

        def silence() -> None:
            self._up.pop(boot, None)
            farm.stop(boot)
            with suppress(RuntimeError):  # the rack ends, and the farm with it
                self._cutters.submit(farm.remove, boot)

        return silence

    def drop(self, machine: str) -> None:
        """Cuts all connections of a machine, as by a lost carrier."""
        farm = self._farm
        for boot, installed in list(self._up.items()):
            if installed.machine.name == machine and farm is not None:
                with suppress(RuntimeError):
                    self._cutters.submit(farm.drop, boot)

    def _answer(self, boot: str, argv: list[str], stdin: bytes) -> _Answer:
        """Runs in a worker of the farm."""
        installed = self._up.get(boot)
        if installed is not None and self._loop is not None:
            asked = asyncio.run_coroutine_threadsafe(installed.command(argv, stdin), self._loop)
            self._waiting.add(asked)
            try:
                answer = asked.result()
            except CancelledError:
                log.debug("machine %s lost its power at %s", boot, argv[:2])
            else:
                if boot in self._up:
                    return answer
            finally:
                self._waiting.discard(asked)
        self._closing.wait(_CUT_S)
        return 255, b"", b""
