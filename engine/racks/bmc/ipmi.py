"""Simulated BMCs: many of them, each with a UDP socket, on one epoll loop in one thread.

Why an own loop: pyghmi's `Bmc.listen` uses select() and ends at 1,024 descriptors, and shares one table of sessions among all BMCs, by
client address. Here each `SimBmc` has its own table, by session id, and a turn of the loop takes up to 64 packets of a socket.

Rules
* No packet stops the farm: bad packets, and packets for which there is no room, are counted and dropped.
* Bounded: 16 sessions per BMC (unfinished logins go first, then those idle for 60 s, otherwise a new one is refused with 01h), 64
  delayed packets per BMC.
* Any thread may change a mood at any time; it holds from the next packet.
* Only the farm's thread calls a BMC's chassis.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import heapq
import ipaddress
import itertools
import logging
import resource
import selectors
import socket
import struct
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from msgspec import Struct

from ..simulated.packet_loss import Copies, lossless
from .accounts import Accounts
from .commands import NOT_ALLOWED, Chassis, Commands
from .label import About
from .lan import Lan
from .session import BAD_PACKET, NO_RESOURCES, NO_SUITE, BmcSession, Malformed, suite_of

__all__ = ["DEAD", "LIES", "LOCKED", "OBEDIENT", "BmcFarm", "Chassis", "Counters", "Mood", "SimBmc", "odd", "slow"]

log = logging.getLogger(__name__)

_SESSIONS, _IDLE_S, _DELAYED, _DRAIN = 16, 60.0, 64, 64
_RMCP = b"\x06\x00\xff\x07"

Peer = tuple[str, int] | tuple[str, int, int, int]


class Mood(Struct, frozen=True, kw_only=True, gc=False):
    """obedient; lies: accepts orders and does nothing; slow: reads a packet after `delay_s`; locked: refuses every login; dead:
    silent; odd: obedient with an oddity, for a Redfish service."""

    kind: Literal["obedient", "lies", "slow", "locked", "dead", "odd"]
    delay_s: float = 0.0
    odd: str = ""
    """Which of `redfish_moods.ODDITIES`; by IPMI there is nothing odd."""


OBEDIENT, LIES, LOCKED, DEAD = (
    Mood(kind="obedient"),
    Mood(kind="lies"),
    Mood(kind="locked"),
    Mood(kind="dead"),
)


def odd(name: str) -> Mood:
    return Mood(kind="odd", odd=name)


def slow(delay_s: float) -> Mood:
    return Mood(kind="slow", delay_s=delay_s)


class Counters:
    """Of a farm, since its start; written by its thread."""

    def __init__(self) -> None:
        self.packets = 0
        self.malformed = 0
        """Broken format, bad integrity, unknown session, not IPMI."""
        self.dropped = 0
        """No room: delayed packets, full send buffer."""
        self.failed = 0
        """A defect of ours: logged, and the farm continues."""
        self.logins = 0
        self.refused = 0
        """Logins."""


class SimBmc:
    """One BMC at (host, port). Made by `BmcFarm.add`."""

    def __init__(
        self,
        sock: socket.socket,
        chassis: Chassis,
        mood: Mood,
        about: About,
        mac: bytes,
        counters: Counters,
        users: Path | None = None,
        lan: Lan | None = None,
    ) -> None:
        name = sock.getsockname()
        self.host: str = name[0]
        self.port: int = name[1]
        self.socket = sock
        self.chassis = chassis
        self.mood = mood
        self.copies: Copies = lossless
        """The fate of a packet on its way, in either direction. Late packets are lost."""
        self.commands = Commands(chassis, about, self.host, mac, Accounts(chassis, users), lan)
        self.guid = about.guid
        self.sessions: dict[int, BmcSession] = {}
        self.delayed = 0
        self._counters = counters

    def handle(self, packet: bytes, peer: Peer, now: float) -> None:
        """Answers one packet. Raises `Malformed` or one of `BAD_PACKET`, and stays usable."""
        if len(packet) < 16 or packet[:1] != b"\x06" or packet[2:4] != b"\xff\x07":
            raise Malformed("not IPMI over RMCP")
        self.commands.lying = self.mood.kind == "lies"
        if packet[4] == 0:
            length = packet[13]
            self._sessionless(packet[:13], packet[14 : 14 + length], length, peer, wide=False)
        elif packet[4] == 6:
            self._rmcp_plus(packet, peer, now)
        else:
            raise Malformed("authentication type")

    def _rmcp_plus(self, packet: bytes, peer: Peer, now: float) -> None:
        kind = packet[5]
        (session_id,) = struct.unpack_from("<I", packet, 6)
        (length,) = struct.unpack_from("<H", packet, 14)
        body = packet[16 : 16 + length]
        if kind == 0x10:
            self._open(body, peer, now)
        elif kind == 0x12 or kind == 0x14:
            self._rakp(kind, body, now)
        elif kind == 0xC0:
            session = self._session(session_id, now)
            session.transmit = self._to(peer)
            session.packet(bytearray(packet))
            if session.closed:
                del self.sessions[session_id]
        elif kind == 0x00 and session_id == 0:
            self._sessionless(packet[:14], body, length, peer, wide=True)
        else:
            raise Malformed("payload type")

    def _open(self, body: bytes, peer: Peer, now: float) -> None:
        if len(body) < 32:
            raise Malformed("open session request")
        suite = suite_of(body)
        status = NO_SUITE if suite is None else 0 if self._room(now) else NO_RESOURCES
        if suite is None or status:
            answer = bytes((body[0], status, 0, 0)) + body[4:8]
            header = _RMCP + b"\x06\x11" + bytes(8) + struct.pack("<H", len(answer))
            self._to(peer)(header + answer)
            return
        session = BmcSession(suite, body, self.guid, self._to(peer), self.commands.execute, now)
        self.sessions[session.localsid] = session

    def _rakp(self, kind: int, body: bytes, now: float) -> None:
        if len(body) < 8:
            raise Malformed("RAKP")
        (session_id,) = struct.unpack_from("<I", body, 4)
        session = self._session(session_id, now)
        if kind == 0x12:
            good = session.rakp1(body, self._password, self.mood.kind == "locked")
        else:
            good = session.rakp3(body)
            self._counters.logins += good
        if not good:
            self._counters.refused += 1
            del self.sessions[session_id]

    def _password(self, user: bytes) -> bytes | None:
        found = self.commands.accounts.named(user.decode("utf-8", "replace"))
        return found.password.encode() if found is not None else None

    def _sessionless(self, header: bytes, body: bytes, length: int, peer: Peer, *, wide: bool) -> None:
        """Answers in the request's own framing: IPMI 1.5 (length of one byte) or 2.0 (`wide`, two bytes)."""
        if len(body) != length or length < 7 or sum(body[:3]) & 0xFF or sum(body[3:]) & 0xFF:
            raise Malformed("length or checksum")
        netfn, command = body[1] >> 2, body[5]
        if (netfn, command) in self.commands.SESSIONLESS:
            code, data = self.commands.execute(netfn, command, body[6:-1], 0)
        else:
            code, data = NOT_ALLOWED, b""
        head = bytes((body[3], (netfn | 1) << 2 | body[4] & 3))
        rest = bytes((body[0], body[4] & 0xFC | body[1] & 3, command, code)) + data
        answer = head + _checksum(head) + rest + _checksum(rest)
        size = struct.pack("<H" if wide else "<B", len(answer))
        self._to(peer)(header + size + answer)

    def _session(self, session_id: int, now: float) -> BmcSession:
        session = self.sessions.get(session_id)
        if session is None:
            raise Malformed("unknown session")
        session.used = now
        return session

    def _room(self, now: float) -> bool:
        if len(self.sessions) < _SESSIONS:
            return True
        key, oldest = min(self.sessions.items(), key=lambda item: (item[1].stage == "established", item[1].used))
        if oldest.stage == "established" and now - oldest.used < _IDLE_S:
            return False
        del self.sessions[key]
        return True

    def _to(self, peer: Peer) -> Callable[[bytes], None]:
        def transmit(packet: bytes) -> None:
            if 0.0 not in self.copies():
                return
            try:
                self.socket.sendto(packet, peer)
            except OSError:
                self._counters.dropped += 1

        return transmit


class BmcFarm:
    """`with BmcFarm() as farm: bmc = farm.add("127.0.0.1", 0, chassis)`. Thread safe."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self.counters = Counters()
        self.bmcs: set[SimBmc] = set()
        self._now = now
        self._selector = selectors.DefaultSelector()
        self._bell_in, self._bell_out = socket.socketpair()
        self._bell_in.setblocking(False)
        self._bell_out.setblocking(False)
        self._selector.register(self._bell_out, selectors.EVENT_READ, None)
        self._orders: deque[Callable[[], None]] = deque()
        self._later: list[tuple[float, int, SimBmc, bytes, Peer]] = []
        self._order = itertools.count()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> BmcFarm:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    @property
    def broken(self) -> int:
        """Commands in which a chassis raised."""
        return sum(bmc.commands.broken for bmc in list(self.bmcs))

    def add(
        self,
        host: str,
        port: int,
        chassis: Chassis,
        *,
        mood: Mood = OBEDIENT,
        about: About | None = None,
        mac: bytes = b"",
        users: Path | None = None,
        lan: Lan | None = None,
    ) -> SimBmc:
        """A BMC at this numeric address; port 0 takes a free one (`bmc.port`). Raises OSError if it is in use.

        Without a given label and MAC, both follow from address and port, so that they stay the same after a restart. `users`: file that
        keeps changes of its accounts."""
        sock = _bound(host, port)
        seed = hashlib.sha256(repr(sock.getsockname()[:2]).encode()).digest()
        about = about or About(guid=uuid.UUID(bytes=seed[:16], version=4))
        bmc = SimBmc(sock, chassis, mood, about, mac or b"\x02" + seed[16:21], self.counters, users, lan)
        self.bmcs.add(bmc)
        self._do(lambda: self._register(bmc))
        return bmc

    def remove(self, bmc: SimBmc) -> None:
        """Closes its socket; its sessions are gone."""
        self._do(lambda: self._unregister(bmc))

    def move(self, bmc: SimBmc, host: str, port: int) -> None:
        """It is reached there from now on, and no longer where it was; its sessions are gone. Raises OSError if that is in use."""
        sock = _bound(host, port)

        def move() -> None:
            if bmc not in self.bmcs:
                sock.close()
                return
            self._selector.unregister(bmc.socket)
            bmc.socket.close()
            bmc.sessions.clear()
            bmc.socket = sock
            bmc.host, bmc.port = sock.getsockname()[:2]
            self._register(bmc)

        self._do(move)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="bmc-farm", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread and closes all sockets. A second call does nothing."""
        if self._thread is not None:
            self._stopping = True
            self._ring()
            self._thread.join()
            self._thread = None
        for bmc in list(self.bmcs):
            bmc.socket.close()
        self.bmcs.clear()
        self._selector.close()
        self._bell_in.close()
        self._bell_out.close()

    def _do(self, order: Callable[[], None]) -> None:
        self._orders.append(order)
        self._ring()

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it is ringing already
            self._bell_in.send(b"\x00")

    def _register(self, bmc: SimBmc) -> None:
        self._selector.register(bmc.socket, selectors.EVENT_READ, bmc)

    def _unregister(self, bmc: SimBmc) -> None:
        if bmc in self.bmcs:
            self.bmcs.remove(bmc)
            self._selector.unregister(bmc.socket)
            bmc.socket.close()

    def _run(self) -> None:
        while not self._stopping:
            wait = max(0.0, self._later[0][0] - self._now()) if self._later else None
            for key, _ in self._selector.select(wait):
                if key.data is None:
                    self._bell_out.recv(4096)
                else:
                    self._drain(key.data)
            while self._orders:
                self._orders.popleft()()
            now = self._now()
            while self._later and self._later[0][0] <= now:
                _, _, bmc, packet, peer = heapq.heappop(self._later)
                bmc.delayed -= 1
                if bmc in self.bmcs and bmc.mood.kind != "dead":
                    self._handle(bmc, packet, peer, now)

    def _drain(self, bmc: SimBmc) -> None:
        for _ in range(_DRAIN):
            try:
                packet, peer = bmc.socket.recvfrom(2048)
            except BlockingIOError:
                return
            except OSError as error:  # ICMP errors of earlier answers come back here
                log.debug("receiving at %s:%d: %s", bmc.host, bmc.port, error)
                continue
            self.counters.packets += 1
            mood = bmc.mood
            if mood.kind == "dead" or 0.0 not in bmc.copies():
                continue
            now = self._now()
            if mood.kind != "slow":
                self._handle(bmc, packet, peer, now)
            elif bmc.delayed < _DELAYED:
                bmc.delayed += 1
                heapq.heappush(self._later, (now + mood.delay_s, next(self._order), bmc, packet, peer))
            else:
                self.counters.dropped += 1

    def _handle(self, bmc: SimBmc, packet: bytes, peer: Peer, now: float) -> None:
        try:
            bmc.handle(packet, peer, now)
        except BAD_PACKET as error:
            self.counters.malformed += 1
            log.debug("packet at %s:%d dropped: %s", bmc.host, bmc.port, error)
        except Exception:
            self.counters.failed += 1
            log.exception("the simulated BMC at %s:%d could not handle a packet", bmc.host, bmc.port)


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM)
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def _checksum(data: bytes) -> bytes:
    return bytes((-sum(data) & 0xFF,))
