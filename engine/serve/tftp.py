"""The TFTP socket: one epoll thread, many transfers, read only, and only files that the engine offers.

A request's file name goes to `resolve` and nowhere else: the service sends bytes held in memory, never a file of this machine by a
client's name. `resolve` and `fetched` run on the service's thread and must be quick.

Each transfer has its own socket, connected to the client, on an ephemeral port (the TID of RFC 1350 4). So the kernel keeps strangers
and other transfers apart, gives each its own queue, and reports a client that went away. A shared port would pass firewalls more easily,
but the admin network has none between engine and rack, and one busy client could crowd out the others. The socket is bound to the
address that the request was sent to, because a boot ROM drops answers from another one.

Rules
* At most `max_transfers` at once and `max_per_peer` for one address. Beyond that, ERROR 0 "busy"; boot ROMs ask again.
* Strangers share an eighth of the transfers, and with machines that were only seen seven eighths: nodes always find a place. An address
  that is no node's may ask only so often (OF_PEER); what is over that is dropped and counted.
* A repeated request before any acknowledgement is the client's own repetition and starts nothing. After that, the client began again
  from the same port (boot ROMs do): the old transfer ends.
* A boot ROM may read past the end of option 67 and append bytes to a name. Such a request gets the file that the name begins with, if
  `resolve` says so (`TftpFile.name`), and is counted in `tails`.
* netascii is refused, because it would change the line ends of a boot loader. Writes are refused.
* A probe of the size (OACK, then ERROR or silence) ends with 0 bytes and `ok` false, counts as `probed`, and is not a failure.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import time
from collections import Counter
from collections.abc import Callable
from struct import Struct as Packing
from threading import Thread

from msgspec import Struct

from engine.serve import ServiceError, cannot_listen
from engine.serve.rates import Rate, Rates
from engine.serve.standing import ALL_KNOWN, Standing, Standings
from engine.wire import tftp
from engine.wire.recording import NOBODY, Recorder
from engine.wire.tftp import Error, Malformed, Read, Write
from engine.wire.tftp_transfer import Limits, Transfer, TransferState

__all__ = ["Limits", "Refusal", "TftpCounters", "TftpFile", "TftpService"]

Address = tuple[str, int]
_PKTINFO = Packing("=i4s4s")
_IP_PKTINFO = 8  # linux/in.h; not in the socket module of Python 3.11
_SWEEP_S = 0.05  # how late a time-out may be noticed
_BUFFER = 1 << 20
OF_PEER = {Standing.STRANGER: Rate(64, 8.0), Standing.SEEN: Rate(128, 16.0)}
"""Requests of one address that is no node's: a boot asks for some twenty files, and repeats itself."""
PEERS = 4096

log = logging.getLogger(__name__)


class TftpFile(Struct, frozen=True, kw_only=True, gc=False):
    """The content of a name: bytes, which must not change while they are held."""

    body: bytes | memoryview
    name: str = ""
    """The name that the request was taken for, if it differs from the requested one."""


class Refusal(Struct, frozen=True, kw_only=True, gc=False):
    """Why a name is not served: an error code of RFC 1350 and a few words of ASCII for the client's screen."""

    code: int = tftp.NOT_FOUND
    message: str = "no such file"


class TftpCounters(Struct, frozen=True, kw_only=True, gc=False):
    """Counts since the start, except `active`, which is the present number."""

    requests: int = 0  # packets to the service's port
    malformed: dict[str, int] = {}  # by the reasons of engine.wire.tftp
    repeated: int = 0  # a client's own repetition
    tails: int = 0  # names that were served without the appended bytes
    refused: dict[str, int] = {}  # write, mode, busy, peer_busy, too_often, not_offered, no_socket, broken
    active: int = 0
    done: int = 0
    failed: int = 0
    probed: int = 0
    octets: int = 0  # acknowledged
    resent: int = 0  # windows sent again after a time-out
    send_errors: int = 0
    callback_errors: int = 0


class _Active:
    """A transfer that is running."""

    __slots__ = ("name", "peer", "request", "sock", "standing", "started", "transfer", "who")

    def __init__(
        self,
        sock: socket.socket,
        transfer: Transfer,
        peer: Address,
        request: Read,
        started: float,
        name: str,
        who: bytes,
        standing: Standing,
    ) -> None:
        self.standing = standing
        self.name = name
        self.who = who
        self.sock = sock
        self.transfer = transfer
        self.peer = peer
        self.request = request
        self.started = started


class TftpService:
    """TFTP on one address.

    `resolve(filename, peer_ip)` returns the content. `fetched(peer_ip, filename, octets, seconds, ok)` reports the end of each
    transfer: the acknowledged bytes, and whether they were all."""

    def __init__(
        self,
        *,
        bind: Address,
        resolve: Callable[[str, str], TftpFile | Refusal],
        fetched: Callable[[str, str, int, float, bool], None],
        interface: str | None = None,
        max_transfers: int = 640,
        max_per_peer: int = 8,
        limits: Limits = Limits(),  # noqa: B008
        record: Recorder = NOBODY,
        standings: Standings = ALL_KNOWN,
    ) -> None:
        self._record = record
        self._standings = standings
        self._rates = {standing: Rates[str](rate, PEERS) for standing, rate in OF_PEER.items()}
        self._places = {
            Standing.STRANGER: max(max_transfers // 8, 1),
            Standing.SEEN: max(max_transfers * 7 // 8, 1),
            Standing.KNOWN: max_transfers,
        }
        self._taken: Counter[Standing] = Counter()
        self._bind = bind
        self._resolve = resolve
        self._fetched = fetched
        self._interface = interface
        self._max_per_peer = max_per_peer
        self._limits = limits
        self._socket: socket.socket | None = None
        self._wake: int | None = None
        self._thread: Thread | None = None
        self._epoll: select.epoll | None = None
        self._active: dict[int, _Active] = {}  # by descriptor
        self._peers: dict[Address, int] = {}  # to descriptor
        self._per_peer: dict[str, int] = {}
        self._malformed: dict[str, int] = {}
        self._refused: dict[str, int] = {}
        self._tails = 0
        self._requests = self._repeated = self._done = self._failed = self._probed = 0
        self._octets = self._resent = self._send_errors = self._callback_errors = 0

    @property
    def address(self) -> Address:
        """The address that it listens on, with the port that the kernel chose for 0."""
        if self._socket is None:
            return self._bind
        host, port = self._socket.getsockname()
        return host, port

    @property
    def counters(self) -> TftpCounters:
        """A snapshot; from any thread."""
        return TftpCounters(
            requests=self._requests,
            malformed=dict(self._malformed),
            repeated=self._repeated,
            tails=self._tails,
            refused=dict(self._refused),
            active=len(self._active),
            done=self._done,
            failed=self._failed,
            probed=self._probed,
            octets=self._octets,
            resent=self._resent,
            send_errors=self._send_errors,
            callback_errors=self._callback_errors,
        )

    def start(self) -> None:
        """Opens the socket and starts. Raises ServiceError."""
        if self._thread is not None:
            raise ServiceError("TFTP is already running: stop it before starting it again")
        listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._to_interface(listening)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            listening.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            listening.bind(self._bind)
        except OSError as why:
            listening.close()
            raise cannot_listen("TFTP", "udp", self._bind, why) from why
        self._socket = listening
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll = select.epoll()
        self._epoll.register(listening.fileno(), select.EPOLLIN)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._thread = Thread(target=self._run, args=(listening, self._wake, self._epoll), name="tftp", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends all transfers, each with its `fetched`, and closes. A second call does nothing."""
        thread, self._thread = self._thread, None
        if thread is None or self._wake is None or self._epoll is None or self._socket is None:
            return
        os.eventfd_write(self._wake, 1)
        thread.join()
        os.close(self._wake)
        self._epoll.close()
        self._socket.close()
        self._wake = self._epoll = self._socket = None

    def _to_interface(self, sock: socket.socket) -> None:
        if self._interface is not None:
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._interface.encode() + b"\0")
            except PermissionError:
                log.debug("no privilege to bind to the interface", extra={"action": "tftp start"})

    def _run(self, listening: socket.socket, wake: int, epoll: select.epoll) -> None:
        active, clock = self._active, time.monotonic
        port = listening.fileno()
        sweep = clock() + _SWEEP_S
        while True:
            events = epoll.poll(_SWEEP_S if active else -1, 256)
            now = clock()
            for fd, _ in events:
                if fd == port:
                    self._requested(listening, now)
                elif fd == wake:
                    for one in list(active.values()):
                        self._end(one, now)
                    return
                else:
                    found = active.get(fd)  # an event of this round may have ended it
                    if found is not None:
                        self._heard(found, now)
            if now >= sweep:
                sweep = now + _SWEEP_S
                for one in [a for a in active.values() if a.transfer.deadline <= now]:
                    self._send(one, one.transfer.tick(now))
                    if one.transfer.state is not TransferState.RUNNING:
                        self._end(one, now)

    def _heard(self, one: _Active, now: float) -> None:
        try:
            packet = one.sock.recv(tftp.MAX_REQUEST + 1)
        except BlockingIOError:
            return
        except OSError as why:  # ECONNREFUSED: the client closed its port
            one.transfer.message = str(why)
            self._end(one, now)
            return
        if packet[:2] == b"\0\5":
            self._record.received("tftp", one.who, one.peer, self._bind, packet)
        self._send(one, one.transfer.receive(packet, now))
        if one.transfer.state is not TransferState.RUNNING:
            self._end(one, now)

    def _send(self, one: _Active, packets: list[bytes]) -> None:
        try:
            for packet in packets:
                one.sock.send(packet)
        except OSError:
            # A full buffer, or a client that closed its port: the next event or the time-out handles it.
            self._send_errors += 1

    def _requested(self, listening: socket.socket, now: float) -> None:
        for _ in range(64):
            try:
                packet, control, _, source = listening.recvmsg(tftp.MAX_REQUEST + 1, 64)
            except BlockingIOError:
                return
            except OSError as why:
                log.debug("not received", extra={"action": "tftp receive", "cause": str(why)})
                return
            self._requests += 1
            who = self._record.of(source[0])
            self._record.received("tftp", who, source, self._bind, packet)
            try:
                asked = tftp.decode(packet)
            except Malformed as refused:
                self._malformed[refused.reason] = self._malformed.get(refused.reason, 0) + 1
                self._record.lost("tftp", who, refused.reason)
                if packet[:2] in (b"\0\1", b"\0\2"):  # never an error for an error
                    self._answer(listening, source, Error(code=tftp.ILLEGAL, message=f"malformed: {refused.reason}"))
                continue
            if isinstance(asked, Write):
                self._refuse(listening, source, "write", Error(code=tftp.ACCESS, message="read only"))
            elif isinstance(asked, Read):
                self._begin(listening, source, _sent_to(control), asked, now)
            else:
                self._malformed["opcode"] = self._malformed.get("opcode", 0) + 1
                self._record.lost("tftp", who, "opcode")

    def _begin(self, listening: socket.socket, peer: Address, here: str, asked: Read, now: float) -> None:
        before = self._active.get(self._peers.get(peer, -1))
        if before is not None:
            if before.request == asked and before.transfer.acked_octets == 0:
                self._repeated += 1
                return
            self._end(before, now)
        standing = self._standings.of_address(peer[0])
        if standing is not Standing.KNOWN and not self._rates[standing].take(peer[0], now):
            self._refused["too_often"] = self._refused.get("too_often", 0) + 1
            self._record.flood("TFTP requests", peer[0], self._record.of(peer[0]))
            return
        refused = self._unwelcome(peer, asked, standing)
        if refused is not None:
            self._refuse(listening, peer, *refused)
            return
        try:
            found = self._resolve(asked.filename, peer[0])
        except Exception:
            log.exception("name not resolved", extra={"action": "tftp resolve", "cause": asked.filename})
            self._callback_errors += 1
            self._refuse(listening, peer, "broken", Error(code=0, message="internal error"))
            return
        if isinstance(found, Refusal):
            self._refuse(listening, peer, "not_offered", Error(code=found.code, message=found.message))
            return
        sock = self._open(here, peer)
        if sock is None:
            self._refuse(listening, peer, "no_socket", Error(code=0, message="busy, ask again"))
            return
        who = self._record.of(peer[0])
        if found.name:
            self._tails += 1
            self._record.odd("tftp", who, "tail")
        one = _Active(sock, Transfer(asked, found.body, self._limits), peer, asked, now, found.name or asked.filename, who, standing)
        self._taken[standing] += 1
        fd = sock.fileno()
        self._active[fd] = one
        self._peers[peer] = fd
        self._per_peer[peer[0]] = self._per_peer.get(peer[0], 0) + 1
        if self._epoll is not None:
            self._epoll.register(fd, select.EPOLLIN)
        first = one.transfer.start(now)
        if first and first[0][:2] == b"\0\6":
            self._record.sent("tftp", who, self._bind, peer, first[0])
        self._send(one, first)

    def _unwelcome(self, peer: Address, asked: Read, standing: Standing) -> tuple[str, Error] | None:
        if any(standing <= least and self._count(least) >= places for least, places in self._places.items()):
            if standing is Standing.STRANGER:  # a rack that boots for the first time is no flood
                self._record.flood("TFTP requests", peer[0], self._record.of(peer[0]))
            return "busy", Error(code=0, message="busy, ask again")
        if self._per_peer.get(peer[0], 0) >= self._max_per_peer:
            return "peer_busy", Error(code=0, message="busy with your other transfers")
        if asked.mode != "octet":
            return "mode", Error(code=0, message="only mode octet is served")
        return None

    def _count(self, most: Standing) -> int:
        return sum(many for standing, many in self._taken.items() if standing <= most)

    def _open(self, here: str, peer: Address) -> socket.socket | None:
        sock: socket.socket | None = None
        try:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)  # a whole window must fit
            self._to_interface(sock)
            sock.bind((here, 0))
            sock.connect(peer)
        except OSError as why:  # no descriptor or port is free, or no route leads back
            if sock is not None:
                sock.close()
            log.debug("no socket for a transfer", extra={"action": "tftp begin", "cause": str(why)})
            return None
        return sock

    def _end(self, one: _Active, now: float) -> None:
        transfer, fd, ip = one.transfer, one.sock.fileno(), one.peer[0]
        del self._active[fd]
        self._taken[one.standing] -= 1
        if self._peers.get(one.peer) == fd:
            del self._peers[one.peer]
        left = self._per_peer[ip] - 1
        if left:
            self._per_peer[ip] = left
        else:
            del self._per_peer[ip]
        one.sock.close()  # epoll forgets a closed descriptor
        done, octets = transfer.state is TransferState.DONE, transfer.acked_octets
        self._octets += octets
        self._resent += transfer.resent
        if done:
            self._done += 1
        elif transfer.is_probe:
            self._probed += 1
        else:
            self._failed += 1
            why = transfer.message or "no answer"
            self._record.cause("tftp", one.who, f"the transfer of {one.name} ended after {octets} octets: {why}")
        try:
            self._fetched(ip, one.name, octets, now - one.started, done)
        except Exception:
            log.exception("the end of a transfer was not taken", extra={"action": "tftp fetched"})
            self._callback_errors += 1

    def _refuse(self, listening: socket.socket, peer: Address, reason: str, error: Error) -> None:
        self._refused[reason] = self._refused.get(reason, 0) + 1
        self._record.cause("tftp", self._record.of(peer[0]), f"refused: {error.message}")
        self._answer(listening, peer, error)

    def _answer(self, listening: socket.socket, peer: Address, error: Error) -> None:
        packet = tftp.encode(error)
        self._record.sent("tftp", self._record.of(peer[0]), self._bind, peer, packet)
        try:
            listening.sendto(packet, peer)
        except OSError as why:
            self._send_errors += 1
            log.debug("error not sent", extra={"action": "tftp refuse", "cause": str(why)})


def _sent_to(control: list[tuple[int, int, bytes]]) -> str:
    """The local address that a datagram came to ("" if the kernel does not say)."""
    for level, kind, value in control:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
            return socket.inet_ntoa(_PKTINFO.unpack_from(value)[1])
    return ""
