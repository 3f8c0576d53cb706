"""How a simulated boot ROM fetches its loader: TFTP with blksize, tsize and windowsize (RFC 1350, 2347, 2348, 2349, 7440).

Callbacks on the loop's reader instead of a coroutine per packet: a megabyte is some 700 packets, and a thousand machines fetch it.

Rules of the receiving side
* An ACK goes out for the last block of a window, for the last block of the file, and, once per window, when a block is missing: then it
  names the last block in order, and the sender goes back (RFC 7440 4).
* A repeated block is dropped without an ACK, except the last of a window whose ACK was sent: that ACK was lost. (A sender that sends
  data upon a duplicate ACK doubles everything from there on, the Sorcerer's Apprentice; ours does not.)
* Only packets from the server's address, and after the first one from its port, count (TID).
* The file counts only if it has the length of `tsize`.
"""

from __future__ import annotations

import asyncio
import socket

from engine.wire import tftp
from engine.wire.tftp import Malformed

from .packet_loss import Copies, lossless
from .wiring import Wiring

BLKSIZE = 1468
TRIES = 6
_DRAIN = 64
_MAX_FILE = 64 * 1024 * 1024


class TftpFailed(Exception):
    """the file did not come; the text says what was seen last"""


class _Fetch:
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        server: tuple[str, int],
        request: bytes,
        copies: Copies,
        first_wait_s: float,
    ) -> None:
        self.done: asyncio.Future[int] = loop.create_future()
        self._loop = loop
        self._sock = sock
        self._server = server
        self._peer: tuple[str, int] | None = None
        self._copies = copies
        self._last = request
        self._wait_s = self._first_wait_s = first_wait_s
        self._tries = 0
        self._blksize = tftp.DEFAULT_BLOCK
        self._window = 1
        self._tsize: int | None = None
        self._block = 0
        self._acked = 0
        self._gap = False
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0

    def start(self) -> None:
        self._loop.add_reader(self._sock, self._readable)
        self._put(self._last)
        self._arm()

    def stop(self) -> None:
        self._loop.remove_reader(self._sock)
        if self._timer is not None:
            self._timer.cancel()
        self._sock.close()

    def _arm(self) -> None:
        self._deadline = self._loop.time() + self._wait_s
        if self._timer is None:
            self._timer = self._loop.call_later(self._wait_s, self._late)

    def _late(self) -> None:
        self._timer = None
        if self.done.done():
            return
        left = self._deadline - self._loop.time()
        if left > 0.001:
            self._timer = self._loop.call_later(left, self._late)
            return
        self._tries += 1
        if self._tries >= TRIES:
            self._fail(f"no answer after {self._size} octets")
            return
        self._wait_s *= 2
        self._put(self._last)
        self._arm()

    def _put(self, packet: bytes) -> None:
        self._last = packet
        for delay in self._copies():
            self._loop.call_later(delay, self._send, packet) if delay else self._send(packet)

    def _send(self, packet: bytes) -> None:
        try:
            self._sock.sendto(packet, self._peer or self._server)
        except OSError:
            return  # as good as lost: the timer sends it again

    def _fail(self, why: str) -> None:
        if not self.done.done():
            self.done.set_exception(TftpFailed(why))

    def _readable(self) -> None:
        for _ in range(_DRAIN):
            if self.done.done():
                return
            try:
                packet, peer = self._sock.recvfrom(BLKSIZE + 64)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error: the server is not there at present; the timer decides
            for delay in self._copies():
                self._loop.call_later(delay, self._packet, packet, peer) if delay else self._packet(packet, peer)

    def _packet(self, packet: bytes, peer: tuple[str, int]) -> None:
        if self.done.done() or (peer[0] != self._server[0] if self._peer is None else peer != self._peer):
            return
        try:
            found = tftp.decode(packet)
        except Malformed as wrong:
            self._fail(f"malformed packet ({wrong.reason})")
            return
        match found:
            case tftp.Data():
                self._peer = peer
                self._data(found)
            case tftp.Oack():
                if self._peer is None:
                    self._peer = peer
                    self._blksize = found.blksize or tftp.DEFAULT_BLOCK
                    self._window = found.windowsize or 1
                    self._tsize = found.tsize
                if self._block == 0:
                    self._put(tftp.ack(0))
                    self._arm()
            case tftp.Error():
                self._fail(f"error {found.code}: {found.message}")
            case _:
                self._fail("a packet that no server sends")

    def _data(self, found: tftp.Data) -> None:
        expected = (self._block + 1) & 0xFFFF
        if found.block != expected:
            ahead = (found.block - expected) & 0xFFFF
            if ahead == 0xFFFF and self._acked == self._block and self._block:
                self._put(tftp.ack(self._block))  # the end of a window again: its ACK was lost
            elif ahead < 0x8000 and not self._gap:
                self._gap = True
                self._acked = self._block
                self._put(tftp.ack(self._block))
                self._arm()
            return
        self._gap = False
        self._tries = 0
        self._wait_s = self._first_wait_s
        self._block += 1
        self._size += len(found.payload)
        last = len(found.payload) < self._blksize
        if self._size > _MAX_FILE:
            self._fail(f"more than {_MAX_FILE} octets")
            return
        if last or self._block - self._acked >= self._window:
            self._acked = self._block
            self._put(tftp.ack(self._block))
        self._arm()
        if not last:
            return
        if self._tsize is not None and self._tsize != self._size:
            self._fail(f"{self._size} octets came, {self._tsize} were promised")
        elif not self.done.done():
            self.done.set_result(self._size)


async def fetch(
    wiring: Wiring,
    *,
    local: str,
    server: str,
    filename: str,
    windowsize: int = 16,
    first_wait_s: float = 1.0,
    copies: Copies = lossless,
) -> int:
    """Fetches a file from (server, port 69) and drops it. Returns its length in bytes. Raises TftpFailed.

    `first_wait_s`: seconds until a packet is sent again; doubles. `copies` is called per packet for its fate on the way."""
    loop = asyncio.get_running_loop()
    request = tftp.encode(tftp.Read(filename=filename, blksize=BLKSIZE, tsize=0, windowsize=windowsize if windowsize > 1 else None))
    try:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind((wiring.local(local, 0)[0], 0))
    except OSError as wrong:
        raise TftpFailed(str(wrong)) from wrong
    one = _Fetch(loop, sock, wiring.remote(server, 69), request, copies, first_wait_s)
    one.start()
    try:
        return await one.done
    finally:
        one.stop()
