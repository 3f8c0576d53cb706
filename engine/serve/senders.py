"""Processes that send the octets of large files, one a core, so that the engine's interpreter is free for its decisions and the console's.

The engine accepts each connection, reads each request, and decides. Then it hands the connection and the open file to a `sender_process`,
as descriptors, and waits for its report. So there is one door, one port and one place that says who may have what, and a sender can touch
nothing but what it was handed. Processes with SO_REUSEPORT would need a second copy of the rules, and would get the agents' calls too.

* Files under LEAST octets, and connections of TLS (their keys are in this process), are sent by the loop itself.
* The processes start with the first large file. One that ends takes its sendings with it: their clients ask again, from where they were.
  Another is started with the next large file, at most one in AGAIN_S; until then the loop sends.

All calls in the loop of the HTTP service.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path

from . import sender_process
from .sender_process import CUT, ENDED, ORDER, PIECE, PIECE_S, REPORT, SEND

LEAST = 1 << 20
AGAIN_S = 1.0
END_S = 2.0
"""Seconds for a process to end after its orders have."""
COMMAND = (sys.executable, "-I", str(Path(sender_process.__file__)))

log = logging.getLogger(__name__)


class Cut(Exception):
    """The client went away, or took too long, in the middle of a file."""


class _Process:
    """A sender, and what it is asked for."""

    def __init__(self, process: subprocess.Popen[bytes], orders: socket.socket) -> None:
        self.process = process
        self.orders = orders
        self.open: dict[int, asyncio.Future[int]] = {}


class Senders:
    def __init__(self, counters: Counter[str], many: int | None = None, command: Sequence[str] = COMMAND) -> None:
        """`counters` gets `octets` and `senders_ended`. `many`: processes; None: one a core, 0: the loop sends everything."""
        self._counters = counters
        self._many = len(os.sched_getaffinity(0)) if many is None else many
        self._command = tuple(command)
        self._processes: list[_Process] = []
        self._number = 0
        self._again_at = 0.0

    async def send(self, transport: asyncio.Transport | None, file: FileIO, first: int, count: int) -> None:
        """Sends `count` octets of the file, from octet `first` on. Raises Cut."""
        if transport is None or transport.is_closing():
            raise Cut
        sender = self._sender() if count >= LEAST and _is_plain(transport) else None
        if sender is None or not await self._by_process(sender, transport, file, first, count):
            await self._by_loop(transport, file, first, count)

    def close(self) -> None:
        """Ends the processes; what they were sending is cut."""
        self._many = 0
        for one in list(self._processes):
            self._lose(one)

    # -- by a process --------------------------------------------------------------------------------------------------

    async def _by_process(self, sender: _Process, transport: asyncio.Transport, file: FileIO, first: int, count: int) -> bool:
        """False: the process takes no more orders now."""
        self._number += 1
        number = self._number
        order = ORDER.pack(SEND, number, first, count)
        try:
            socket.send_fds(sender.orders, [order], [transport.get_extra_info("socket").fileno(), file.fileno()])
        except OSError:  # its queue is full, or it has ended
            return False
        done = sender.open[number] = asyncio.get_running_loop().create_future()
        try:
            sent = await asyncio.shield(done)
        except asyncio.CancelledError:
            # The client hung up, or the service stops. The process has descriptors of its own, so it must be told; it reports at once.
            # A client that has all hangs up too, and may do so before that is reported.
            with suppress(OSError):
                sender.orders.send(ORDER.pack(CUT, number, 0, 0))
            sent = await done
            if sent < count or (task := asyncio.current_task()) is None:
                raise
            task.uncancel()
        finally:
            sender.open.pop(number, None)
        if sent < count:
            raise Cut
        return True

    def _sender(self) -> _Process | None:
        """The one with the least to do. None: there is none."""
        while len(self._processes) < self._many and time.monotonic() >= self._again_at:
            try:
                self._start()
            except OSError as error:
                self._again_at = time.monotonic() + AGAIN_S
                log.warning("no process for sending files: %s", error)
        return min(self._processes, key=lambda one: len(one.open), default=None)

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                process = subprocess.Popen(self._command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            except OSError:
                ours.close()
                raise
        ours.setblocking(False)
        one = _Process(process, ours)
        self._processes.append(one)
        asyncio.get_running_loop().add_reader(ours, self._told, one)

    def _told(self, one: _Process) -> None:
        """Reports of a process."""
        while True:
            try:
                data = one.orders.recv(REPORT.size)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                data = b""
            if not data:
                self._counters["senders_ended"] += 1
                log.error("a process that sends files ended by itself; %d files are cut, and asked for again", len(one.open))
                self._again_at = time.monotonic() + AGAIN_S
                self._lose(one)
                return
            what, number, octets = REPORT.unpack(data)
            if what != ENDED:
                self._counters["octets"] += octets
            elif (done := one.open.get(number)) is not None and not done.done():
                done.set_result(octets)

    def _lose(self, one: _Process) -> None:
        self._processes.remove(one)
        asyncio.get_running_loop().remove_reader(one.orders)
        one.orders.close()
        for done in one.open.values():
            if not done.done():
                done.set_exception(Cut())
        try:
            one.process.wait(END_S)
        except subprocess.TimeoutExpired:
            one.process.kill()
            one.process.wait()

    # -- by the loop ---------------------------------------------------------------------------------------------------

    async def _by_loop(self, transport: asyncio.Transport, file: FileIO, first: int, count: int) -> None:
        loop = asyncio.get_running_loop()
        at, end = first, first + count
        try:
            while at < end:
                if transport.is_closing():
                    raise Cut
                async with asyncio.timeout(PIECE_S):
                    sent = await loop.sendfile(transport, file, at, min(PIECE, end - at))
                if not sent:
                    raise Cut
                self._counters["octets"] += sent
                at += sent
        except (TimeoutError, OSError, RuntimeError) as error:
            # RuntimeError is the loop's word for a transport that is closing.
            raise Cut from error


def _is_plain(transport: asyncio.Transport) -> bool:
    """True if the octets on the wire are those of the file, and nothing waits before them."""
    return transport.get_extra_info("sslcontext") is None and not transport.get_write_buffer_size()
