"""The addresses of a rack: the only code that knows whether they are real or mapped to loopback.

Both kinds of wiring have the same interface, so a machine does not know which one it uses:

* `LaneWiring`: without root. The rule of `engine.wire.reach`; DHCP goes as through a relay, from the relay's mapped address.
* `veth.VethWiring`: the rack is in its own network namespace. Addresses and ports are real, and DHCP of machines without an address goes
  as raw Ethernet frames from their own MACs.
"""

from __future__ import annotations

import asyncio
import random
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec.structs import replace

from engine.wire.dhcp import DhcpReply, DhcpRequest, Malformed, decode_reply, encode_request
from engine.wire.reach import Reach

from ..counters import Counters

Receive = Callable[[DhcpReply], None]
_DRAIN = 64


class DhcpPort(Protocol):
    """Sends machines' DHCP requests, and gives each reply to the machine that waits for its transaction id."""

    def send(self, request: DhcpRequest) -> None: ...

    def listen(self, xid: int, receive: Receive) -> None: ...

    def forget(self, xid: int) -> None: ...


class Wiring(Protocol):
    @property
    def dhcp(self) -> DhcpPort: ...

    def remote(self, address: str, port: int) -> tuple[str, int]:
        """The address to connect to. Raises ValueError for a text that is not an address."""

    def local(self, address: str, port: int) -> tuple[str, int]:
        """The address to bind to."""

    def attach(self, address: str) -> None:
        """The address is in use from now on."""

    def detach(self, address: str) -> None: ...

    def close(self) -> None: ...


class SocketPort(ABC):
    """A `DhcpPort` with a socket of its own."""

    def __init__(self, sock: socket.socket, counters: Counters) -> None:
        self._sock, self._counters = sock, counters
        self._waiting: dict[int, Receive] = {}
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock, self._readable)

    def send(self, request: DhcpRequest) -> None:
        """Sent once. A packet that does not leave is lost, and a client sends it again."""
        try:
            self._put(request)
        except OSError:  # no room, the link is down, or the engine is not there
            self._counters.add("dhcp-not-sent")

    def listen(self, xid: int, receive: Receive) -> None:
        self._waiting[xid] = receive

    def forget(self, xid: int) -> None:
        self._waiting.pop(xid, None)

    def close(self) -> None:
        self._loop.remove_reader(self._sock)
        self._sock.close()

    @abstractmethod
    def _put(self, request: DhcpRequest) -> None: ...

    def _message(self, octets: bytes) -> bytes:
        """The DHCP message in what was received."""
        return octets

    def _readable(self) -> None:
        for _ in range(_DRAIN):
            try:
                octets = self._sock.recv(4096)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error of an earlier request (nobody listens there at present), or the link is down
                self._counters.add("dhcp-refused")
                return
            try:
                reply = decode_reply(self._message(octets))
            except Malformed as wrong:
                self._counters.add(f"dhcp-malformed-{wrong.reason}")
                continue
            receive = self._waiting.get(reply.to.xid)
            if receive is None:
                self._counters.add("dhcp-unexpected")
                continue
            receive(reply)


class RelayPort(SocketPort):
    """DHCP as through a relay (RFC 1542 4, RFC 2131 4.1): requests carry `giaddr`, replies come to the relay's server port."""

    def __init__(self, reach: Reach, server: str, relay: str, counters: Counters) -> None:
        self._to, self._relay = reach(server, 67), relay
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(reach(relay, 67))
        super().__init__(sock, counters)

    def _put(self, request: DhcpRequest) -> None:
        self._sock.sendto(encode_request(_relayed(request, self._relay)), self._to)


class LaneWiring:
    """Addresses of the plan at 127.LANE/16."""

    def __init__(self, lane: int, subnets: Sequence[str], server: str, relay: str, counters: Counters) -> None:
        self._reach = Reach(lane, subnets)
        self._port = RelayPort(self._reach, server, relay, counters)

    @property
    def dhcp(self) -> DhcpPort:
        return self._port

    def remote(self, address: str, port: int) -> tuple[str, int]:
        return self._reach(address, port)

    def local(self, address: str, port: int) -> tuple[str, int]:
        return self._reach(address, port)

    def attach(self, address: str) -> None:
        """Linux lets anybody use all of 127/8."""

    def detach(self, address: str) -> None:
        """Nothing was attached."""

    def close(self) -> None:
        self._port.close()


def new_xid(rng: random.Random) -> int:
    """A transaction id (RFC 2131 2); 32 bits at random do not meet among thousands that are open at once."""
    return rng.getrandbits(32)


def _relayed(request: DhcpRequest, relay: str) -> DhcpRequest:
    return replace(request, giaddr=relay, hops=request.hops + 1)
