"""The DHCP socket: one thread receives, any thread answers.

The thread waits for packets, takes all that have arrived (at most 64) without blocking, decodes them and passes them to `submit` in one
call. So the engine records a boot storm in few commits. Nothing is decided here.

Where a reply goes (RFC 2131 4.1, in this order; `destination` is the pure rule):
* to the relay that passed the request on: giaddr, port 67, or the port that it sent from if it asks for that (RFC 8357);
* a NAK is broadcast, because the client's address is in doubt;
* to the address that the client says it holds (ciaddr), port 68;
* by broadcast, if the client asks for it, or if there is no packet socket;
* otherwise as an Ethernet frame to the client's MAC and its future address, because it does not answer ARP yet.
A reply with its own destination goes there: PXE clients that ask port 4011 get the answer at the port they asked from.

Rules
* It hears only one interface: by SO_BINDTODEVICE, or without privilege by the interface index from IP_PKTINFO. Without `interface` it
  hears what the bound address hears: the rehearsal rack on loopback, where `route` maps the rack's addresses to local ones.
* No SO_REUSEADDR: with UDP it lets two servers share a port, and each loses half of the clients. A second server is an error at the
  start.
* Strangers share what `rates.DhcpShares` gives them. What is over it is dropped and counted here, so that it never reaches the engine, and
  known machines find room in its lane.
* Nothing here waits or retries for a client, because the client asks again. A full lane, a full send buffer and a vanished interface are
  counted.

Traps: a socket bound to one address of the machine hears no broadcast, so on a real network `bind` is 0.0.0.0. After a link went down
the socket reports ENETDOWN once; the thread must continue.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import time
from collections.abc import Callable, Sequence
from struct import Struct as Packing
from threading import Lock, Thread

from msgspec import Struct

from engine.serve import ServiceError, cannot_listen
from engine.serve.rates import DhcpShares
from engine.serve.standing import ALL_KNOWN, Standing, Standings
from engine.wire.dhcp import CLIENT_PORT, MAX_PACKET, DhcpKind, DhcpReply, DhcpRequest, Malformed, Odd, decode, encode
from engine.wire.dhcp_options import relay_port
from engine.wire.frame import udp_frame
from engine.wire.recording import NOBODY, Recorder

__all__ = ["DhcpCounters", "DhcpService", "destination"]

Address = tuple[str, int]
BATCH = 64
GATHER_S = 0.001
"""Seconds. In a storm, packets are collected for this time before they are taken: waking the engine's thread for each packet costs more
than the packet."""
BROADCAST = "255.255.255.255"
ODDS = 8
"""Most odd fields of one packet that are counted."""
_BUFFER = 4 << 20  # bytes; some 5,000 packets of a storm wait here
_PKTINFO = Packing("=i4s4s")
_IP_PKTINFO = 8  # linux/in.h; not in the socket module of Python 3.11

log = logging.getLogger(__name__)


class DhcpCounters(Struct, frozen=True, kw_only=True, gc=False):
    """Since start. received = handed over + sum(malformed) + elsewhere + flooded + dropped + failed."""

    received: int = 0
    malformed: dict[str, int] = {}  # dropped, by the reasons of engine.wire.dhcp
    odd: dict[str, int] = {}  # fields that were ignored, by fault
    elsewhere: int = 0  # heard on another interface
    flooded: int = 0  # of strangers, who sent too many
    dropped: int = 0  # the lane was full
    failed: int = 0  # lost because `submit` raised
    sent: int = 0
    send_errors: int = 0
    receive_errors: int = 0
    batches: int = 0


def _here(host: str, port: int) -> Address:
    return host, port


def destination(reply: DhcpReply, *, frames: bool) -> tuple[Address, bool]:
    """Where `reply` goes, and whether as a frame to the client's MAC, which needs `frames` (RFC 2131 4.1)."""
    to = reply.to
    if to.giaddr:
        return (to.giaddr, to.relay_port), False
    if reply.kind is DhcpKind.NAK:
        return (BROADCAST, CLIENT_PORT), False
    if to.ciaddr:
        return (to.ciaddr, CLIENT_PORT), False
    if to.broadcast or not frames or not reply.yiaddr:
        return (BROADCAST, CLIENT_PORT), False
    return (reply.yiaddr, CLIENT_PORT), True


class DhcpService:
    """DHCP on one interface and address. A second instance serves port 4011.

    `submit` gets the packets that waited together, each with the time by `clock` at which the batch was taken. It returns how many
    of them, from the front, it accepted. It runs on the service's thread and must not block."""

    def __init__(
        self,
        *,
        interface: str | None,
        bind: Address,
        submit: Callable[[list[tuple[DhcpRequest, float]]], int],
        route: Callable[[str, int], Address] = _here,
        clock: Callable[[], float] = time.time,
        record: Recorder = NOBODY,
        standings: Standings = ALL_KNOWN,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._record = record
        self._standings, self._monotonic, self._shares = standings, monotonic, DhcpShares()
        self._interface = interface
        self._bind = bind
        self._submit = submit
        self._route = route
        self._clock = clock
        self._socket: socket.socket | None = None
        self._frames: socket.socket | None = None
        self._from_mac = b""
        self._index = 0  # index of the interface, if packets must be filtered by it
        self._thread: Thread | None = None
        self._wake: int | None = None
        self._send_lock = Lock()  # also keeps stop() from closing a socket under a sender
        self._received = self._elsewhere = self._flooded = self._dropped = self._failed = 0
        self._sent = self._send_errors = self._receive_errors = self._batches = 0
        self._malformed: dict[str, int] = {}
        self._odd: dict[str, int] = {}

    @property
    def address(self) -> Address:
        """The address that it listens on, with the port that the kernel chose for 0."""
        if self._socket is None:
            return self._bind
        host, port = self._socket.getsockname()
        return host, port

    @property
    def sends_frames(self) -> bool:
        """True if a client without an address gets its answer by unicast, otherwise by broadcast."""
        return self._frames is not None

    @property
    def counters(self) -> DhcpCounters:
        """A snapshot; from any thread."""
        return DhcpCounters(
            received=self._received,
            malformed=dict(self._malformed),
            odd=dict(self._odd),
            elsewhere=self._elsewhere,
            flooded=self._flooded,
            dropped=self._dropped,
            failed=self._failed,
            sent=self._sent,
            send_errors=self._send_errors,
            receive_errors=self._receive_errors,
            batches=self._batches,
        )

    def start(self) -> None:
        """Opens the sockets and starts. Raises ServiceError."""
        if self._thread is not None:
            raise ServiceError("DHCP is already running: stop it before starting it again")
        listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._open(listening)
        except OSError as why:
            listening.close()
            raise cannot_listen("DHCP", "udp", self._bind, why) from why
        self._socket = listening
        self._frames = self._open_frames()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        name = f"dhcp:{self.address[1]}"
        self._thread = Thread(target=self._run, args=(listening, self._wake), name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops receiving, then closes. Replies sent after that count as errors. A second call does nothing."""
        thread, self._thread = self._thread, None
        if thread is None or self._wake is None:
            return
        os.eventfd_write(self._wake, 1)
        thread.join()
        os.close(self._wake)
        self._wake = None
        with self._send_lock:
            for one in (self._socket, self._frames):
                if one is not None:
                    one.close()
            self._socket = self._frames = None

    def send(self, replies: Sequence[tuple[DhcpReply, Address | None]]) -> int:
        """Sends each reply, to its own destination or by the rule; from any thread. Returns how many left."""
        sent = 0
        with self._send_lock:
            for reply, explicit in replies:
                try:
                    self._send(reply, explicit)
                    sent += 1
                except (OSError, ValueError) as why:  # ValueError: a field that has no place on the wire
                    self._send_errors += 1
                    self._record.cause("dhcp", _octets(reply.to.mac), f"the reply could not be sent: {why}")
                    log.debug("reply not sent", extra={"action": "dhcp send", "node": reply.to.mac, "cause": str(why)})
            self._sent += sent
        return sent

    def _send(self, reply: DhcpReply, explicit: Address | None) -> None:
        if self._socket is None:
            raise OSError("the service is stopped")
        packet = encode(reply)
        (host, port), as_frame = (explicit, False) if explicit else destination(reply, frames=self._frames is not None)
        if as_frame and self._frames is not None:
            frame = udp_frame(
                to_mac=_octets(reply.to.mac),
                from_mac=self._from_mac,
                source=(reply.server_id or self.address[0], self.address[1]),
                destination=(host, port),
                payload=packet,
            )
            self._frames.send(frame, socket.MSG_DONTWAIT)
        elif self._index and host == BROADCAST:
            # Without SO_BINDTODEVICE a broadcast would leave by the default route.
            through = (socket.IPPROTO_IP, _IP_PKTINFO, _PKTINFO.pack(self._index, bytes(4), bytes(4)))
            self._socket.sendmsg([packet], [through], socket.MSG_DONTWAIT, (host, port))
        else:
            self._socket.sendto(packet, socket.MSG_DONTWAIT, self._route(host, port))
        self._record.sent("dhcp", packet[28:34], (reply.server_id or self._bind[0], self._bind[1]), (host, port), packet)

    def _open(self, listening: socket.socket) -> None:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        try:
            listening.setsockopt(socket.SOL_SOCKET, 33, _BUFFER)  # SO_RCVBUFFORCE, above the system's limit
        except PermissionError:
            log.debug("receive buffer stays at the system's limit", extra={"action": "dhcp start"})
        self._index = 0
        if self._interface is not None:
            try:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._interface.encode() + b"\0")
            except PermissionError:
                self._index = socket.if_nametoindex(self._interface)
                listening.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        listening.bind(self._bind)

    def _open_frames(self) -> socket.socket | None:
        if self._interface is None:
            return None
        frames: socket.socket | None = None
        try:
            # Protocol 0: it sends, and receives nothing.
            frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            frames.bind((self._interface, 0))
        except OSError as why:
            if frames is not None:
                frames.close()
            log.debug("no packet socket, so broadcast", extra={"action": "dhcp start", "cause": str(why)})
            return None
        self._from_mac = frames.getsockname()[4]
        if len(self._from_mac) != 6 or not any(self._from_mac):  # loopback and tunnels carry no Ethernet
            frames.close()
            return None
        return frames

    def _run(self, listening: socket.socket, wake: int) -> None:
        waiting = select.poll()
        waiting.register(listening, select.POLLIN)
        waiting.register(wake, select.POLLIN)
        while True:
            ready = waiting.poll()
            if any(fd == wake for fd, _ in ready):
                return
            batch = self._drain(listening)
            if batch:
                self._hand_over(batch)
            if 1 < len(batch) < BATCH:
                time.sleep(GATHER_S)

    def _drain(self, listening: socket.socket) -> list[tuple[DhcpRequest, float]]:
        batch: list[tuple[DhcpRequest, float]] = []
        at = self._clock()
        index = self._index
        odds: list[Odd] = []
        for _ in range(BATCH):
            try:
                if index:
                    data, control, _, source = listening.recvmsg(MAX_PACKET + 1, 64, socket.MSG_DONTWAIT)
                    if not _came_by(index, control):
                        self._received += 1
                        self._elsewhere += 1
                        continue
                else:
                    data, source = listening.recvfrom(MAX_PACKET + 1, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError as why:
                self._receive_errors += 1
                log.debug("not received", extra={"action": "dhcp receive", "cause": str(why)})
                break
            self._received += 1
            who = data[28:34] if len(data) >= 34 else socket.inet_aton(source[0])
            self._record.received("dhcp", who, source, self._bind, data)
            try:
                request = decode(data, source, odds)
                if self._admits(request, who):
                    batch.append((request, at))
            except Malformed as refused:
                self._malformed[refused.reason] = self._malformed.get(refused.reason, 0) + 1
                self._record.lost("dhcp", who, refused.reason, refused.option)
            if odds:
                self._note(who, odds)
        return batch

    def _admits(self, request: DhcpRequest, who: bytes) -> bool:
        standing = self._standings.of_mac(request.mac)
        if standing is Standing.KNOWN:
            return True
        source = request.giaddr or self._interface or "this network"
        port = relay_port(request.relay) if request.relay else ""
        if self._shares.admits(request.mac, standing, source, port, self._monotonic()):
            return True
        self._flooded += 1
        self._record.flood("DHCP packets", source, who, port)
        return False

    def _note(self, who: bytes, odds: list[Odd]) -> None:
        for fault, option in odds[:ODDS]:
            self._odd[fault] = self._odd.get(fault, 0) + 1
            self._record.odd("dhcp", who, fault, option)
        odds.clear()

    def _hand_over(self, batch: list[tuple[DhcpRequest, float]]) -> None:
        self._batches += 1
        try:
            accepted = self._submit(batch)
        except Exception:
            # A defect in the engine's inbox must not end the service for the whole rack.
            self._failed += len(batch)
            log.exception("the engine took no packets", extra={"action": "dhcp submit"})
            return
        self._dropped += len(batch) - accepted
        for request, _ in batch[accepted:]:
            self._record.cause("dhcp", _octets(request.mac), "the engine was busy: too many packets waited")


def _octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def _came_by(index: int, control: list[tuple[int, int, bytes]]) -> bool:
    for level, kind, value in control:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
            found: int = _PKTINFO.unpack_from(value)[0]
            return found == index
    return False
