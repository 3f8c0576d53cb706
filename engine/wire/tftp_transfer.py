"""One TFTP transfer as a state machine, without sockets: `Transfer` sends a file, `Fetch` gets one.

Each call takes the time in seconds (any clock that never goes back) and returns the packets to send now. The owner sends them to the peer.
It calls `receive` for each packet of the peer, and `tick` once `deadline` has passed, until `state` is not RUNNING. The objects are
mutable, one per transfer, because there is one call per block: some 60,000 a second in a boot storm.

Rules of the sender
* Only an ACK that advances the window makes the sender send. A duplicate ACK never does: otherwise two copies of one ACK would double
  every packet from there to the end ("Sorcerer's Apprentice", RFC 1123 4.2.3.1).
* After a time-out the sender sends the whole window again, at most `retries` times in a row without progress.
* The time-out is the one that the client negotiated, else 1 s. Once the client's mean answer time is known, it is four times that, at
  least 0.05 s. With 1 s, a client without windows takes minutes for a megabyte over a line that loses a few packets. The time-out
  doubles up to 4 s. Repetitions after less than 1 s do not count as tries.
* An ACK within the window means that the rest was lost. The next window starts after it (RFC 7440 4).
* The count of blocks has no limit. On the wire it wraps from 65535 to 0, as all present clients expect.
* A file whose size is a multiple of the block ends with an empty block.

The receiver acknowledges a gap once, and a repeated window once. It never acknowledges a doubled block within a window: the sender would
take that ACK for progress. After DONE it still acknowledges a repeated last block (RFC 1350 6), as long as its owner listens.

Trap: boot ROMs first ask only for the size (tsize). After the OACK they abort with an ERROR or fall silent. That is a probe (`is_probe`),
not a failure.
"""

from __future__ import annotations

from enum import Enum
from struct import Struct as Packing

from msgspec import Struct

from engine.wire import tftp
from engine.wire.tftp import Data, Error, Malformed, Oack, Read

_HEAD = Packing("!HH")
LEAST_S = 0.05
"""Seconds: the shortest time-out that the sender derives from a client's answer times."""


class TransferState(Enum):
    """The state of a transfer, on either side."""

    RUNNING = "running"
    DONE = "done"  # every octet acknowledged, or received
    ABORTED = "aborted"  # the peer sent an ERROR
    TIMED_OUT = "timed_out"
    REFUSED = "refused"  # the peer broke the protocol, or a bound


class Limits(Struct, frozen=True, kw_only=True, gc=False):
    """The most that the sender agrees to: octets of a block, blocks of a window, repetitions, seconds. A block of 1468 octets fills an
    Ethernet frame; boot ROMs cannot join fragments."""

    blksize: int = 1468
    windowsize: int = 64
    retries: int = 5
    timeout_s: float = 1.0
    longest_s: float = 4.0


class Transfer:
    """The sending side of one transfer of `body` for `request`."""

    __slots__ = (
        "_acked",
        "_at",
        "_body",
        "_fixed",
        "_limits",
        "_mean",
        "_oack",
        "_quick",
        "_sent",
        "_tries",
        "blksize",
        "deadline",
        "ignored",
        "message",
        "resent",
        "state",
        "timeout_s",
        "total",
        "window",
    )

    def __init__(self, request: Read, body: bytes | memoryview, limits: Limits = Limits()) -> None:  # noqa: B008
        self._body = memoryview(body)
        self._limits = limits
        self.blksize = min(request.blksize, limits.blksize) if request.blksize else tftp.DEFAULT_BLOCK
        self.window = min(request.windowsize, limits.windowsize) if request.windowsize else 1
        self._fixed = request.timeout_s is not None
        self.timeout_s = float(request.timeout_s) if request.timeout_s is not None else limits.timeout_s
        answer = Oack(
            blksize=self.blksize if request.blksize else None,
            timeout_s=request.timeout_s,
            tsize=len(self._body) if request.tsize is not None else None,
            windowsize=self.window if request.windowsize else None,
        )
        self._oack = tftp.encode(answer) if answer != Oack() else b""
        self.total = len(self._body) // self.blksize + 1  # blocks
        self._acked = 0  # blocks known to have arrived
        self._sent = 0  # highest block sent since
        self._tries = 0
        self._quick = False  # the last time-out was a short one, out of the mean
        self._mean: float | None = None  # seconds from sending a window to its ACK, smoothed (RFC 6298 2.3)
        self._at = 0.0  # when the window was sent
        self.state = TransferState.RUNNING
        self.message = ""  # what ended it
        self.deadline = 0.0
        self.ignored = 0  # packets that changed nothing: duplicates, strays, junk
        self.resent = 0  # windows sent again

    @property
    def acked_octets(self) -> int:
        """Octets of the body that the client has confirmed."""
        return min(self._acked * self.blksize, len(self._body))

    @property
    def is_probe(self) -> bool:
        """Nothing was sent but the answer to the options."""
        return self._sent == 0

    def start(self, now: float) -> list[bytes]:
        """The first packets to send."""
        self.deadline = now + self.timeout_s
        self._at = now
        return [self._oack] if self._oack else self._window()

    def receive(self, packet: bytes, now: float) -> list[bytes]:
        """The packets to send after `packet` of this peer."""
        if self.state is not TransferState.RUNNING or len(packet) < 4:
            self.ignored += 1
            return []
        opcode, number = _HEAD.unpack_from(packet)
        if opcode != tftp.ACK:
            return self._other(packet)
        if self._oack:
            if number != 0:
                self.ignored += 1
                return []
            self._oack = b""
        else:
            step = (number - self._acked) & 0xFFFF
            if step == 0 or step > self._sent - self._acked:
                self.ignored += 1
                return []
            self._acked += step
            if self._acked == self.total:
                self.state = TransferState.DONE
                return []
        if self._tries or self._quick:
            self._tries, self._quick = 0, False
        else:  # an answer to a repetition says nothing about time (RFC 6298 3)
            took = now - self._at
            self._mean = took if self._mean is None else self._mean + (took - self._mean) / 8
        if not self._fixed:
            limit = self._limits.timeout_s
            self.timeout_s = limit if self._mean is None else min(limit, max(LEAST_S, 4 * self._mean))
        self.deadline = now + self.timeout_s
        self._at = now
        return self._window()

    def tick(self, now: float) -> list[bytes]:
        """The packets to send again at `now`. None before `deadline`."""
        if self.state is not TransferState.RUNNING or now < self.deadline:
            return []
        self._quick = not self._fixed and self.timeout_s < self._limits.timeout_s
        if self._tries >= self._limits.retries:
            self.state = TransferState.TIMED_OUT
            self.message = f"no answer to block {self._acked + 1} after {self._tries + 1} times"
            return []
        self._tries += not self._quick
        self.resent += 1
        if not self._fixed:
            self.timeout_s = min(self.timeout_s * 2, self._limits.longest_s)
        self.deadline = now + self.timeout_s
        return [self._oack] if self._oack else self._window()

    def _window(self) -> list[bytes]:
        first = self._acked
        last = min(first + self.window, self.total)
        self._sent = last
        size, body = self.blksize, self._body
        if last - first == 1:
            at = first * size
            return [b"".join((_HEAD.pack(tftp.DATA, last & 0xFFFF), body[at : at + size]))]
        return [tftp.data(n + 1, body[n * size : (n + 1) * size]) for n in range(first, last)]

    def _other(self, packet: bytes) -> list[bytes]:
        try:
            said = tftp.decode(packet)
        except Malformed:
            self.ignored += 1
            return []
        if isinstance(said, Error):
            self.state = TransferState.ABORTED
            self.message = f"client ended it with error {said.code} {said.message!r}"
        else:
            self.ignored += 1
        return []


class Fetch:
    """The receiving side: gets the file that `request` names, at most `max_octets` of it, into `body`."""

    def __init__(self, request: Read, *, max_octets: int = 1 << 30, retries: int = 5, timeout_s: float = 1.0) -> None:
        self._request = request
        self._max = max_octets
        self._retries = retries
        self.timeout_s = float(request.timeout_s) if request.timeout_s is not None else timeout_s
        self.blksize = tftp.DEFAULT_BLOCK
        self.window = 1
        self.tsize: int | None = None
        self.body = bytearray()
        self.state = TransferState.RUNNING
        self.message = ""
        self.deadline = 0.0
        self._got = 0  # blocks received in order
        self._acked = 0  # the block of the last ACK
        self._gap_told = False  # one ACK per gap, or the peer could be made to send a window per stray packet
        self._tries = 0
        self._last = tftp.encode(request)

    def start(self, now: float) -> list[bytes]:
        """The request. It goes to the server's port 69; all later packets go to the port that answers (RFC 1350 4)."""
        self.deadline = now + self.timeout_s
        return [self._last]

    def receive(self, packet: bytes, now: float) -> list[bytes]:
        """The packets to send after `packet` of the server."""
        if self.state is TransferState.DONE and packet[:2] == b"\0\3":
            return [self._last]
        if self.state is not TransferState.RUNNING:
            return []
        try:
            said = tftp.decode(packet)
        except Malformed:
            return []
        match said:
            case Data():
                return self._data(said, now)
            case Oack():
                return self._options(said, now)
            case Error(code=code, message=message):
                self.state = TransferState.ABORTED
                self.message = f"server ended it with error {code} {message!r}"
                return []
            case _:
                return self._refuse(tftp.ILLEGAL, "not a server's packet")

    def tick(self, now: float) -> list[bytes]:
        """The packets to send again at `now`. None before `deadline`."""
        if self.state is not TransferState.RUNNING or now < self.deadline:
            return []
        if self._tries >= self._retries:
            self.state = TransferState.TIMED_OUT
            self.message = f"no block {self._got + 1} after {self._tries + 1} times"
            return []
        self._tries += 1
        self.deadline = now + self.timeout_s
        if self._got > self._acked:
            return self._ack(now)
        return [self._last]

    def _data(self, said: Data, now: float) -> list[bytes]:
        ahead = (said.block - self._got) & 0xFFFF
        if ahead == 0 and self._got == self._acked and self._got:
            return [self._last]  # the end of a window again: its ACK was lost
        if ahead != 1:
            gap = 1 < ahead <= self.window
            if not gap or self._gap_told:
                return []
            self._gap_told = True
            return self._ack(now)
        if len(said.payload) > self.blksize:
            return self._refuse(tftp.ILLEGAL, "block longer than agreed")
        if len(self.body) + len(said.payload) > self._max:
            return self._refuse(tftp.DISK_FULL, "file too large")
        self._got += 1
        self._gap_told = False
        self._tries = 0
        self.deadline = now + self.timeout_s
        self.body += said.payload
        if len(said.payload) < self.blksize:
            self.state = TransferState.DONE
            return self._ack(now)
        return self._ack(now) if self._got - self._acked >= self.window else []

    def _options(self, said: Oack, now: float) -> list[bytes]:
        if self._got:
            return []
        asked = self._request
        if (
            (said.blksize or 0) > (asked.blksize or 0)
            or (said.windowsize or 0) > (asked.windowsize or 0)
            or (said.timeout_s is not None and said.timeout_s != asked.timeout_s)
        ):
            return self._refuse(tftp.BAD_OPTION, "more than was asked for")
        self.blksize = said.blksize or tftp.DEFAULT_BLOCK
        self.window = said.windowsize or 1
        self.tsize = said.tsize
        if self.tsize is not None and self.tsize > self._max:
            return self._refuse(tftp.DISK_FULL, "file too large")
        return self._ack(now)

    def _ack(self, now: float) -> list[bytes]:
        self._acked = self._got
        self._last = tftp.ack(self._got)
        self.deadline = now + self.timeout_s
        return [self._last]

    def _refuse(self, code: int, message: str) -> list[bytes]:
        self.state = TransferState.REFUSED
        self.message = message
        return [tftp.encode(Error(code=code, message=message))]
