"""A second DHCP server in the rack, beside the engine's: it answers every machine at once, from its own pool.

It stands between the machines and the real port, so it is the same on loopback and in namespaces. It hears the machines' packets, and
the engine hears all of them too, as on one Ethernet. Like real servers it answers only requests that choose it.
"""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address

from msgspec import Struct

from engine.wire.dhcp import DhcpKind, DhcpReply, DhcpRequest, reply_to

from .wiring import DhcpPort, Receive


class Rogue(Struct, frozen=True, kw_only=True):
    """What the second server offers. Nobody listens at `address` for anything else."""

    address: str = "192.168.124.250"
    first: str = "192.168.124.200"
    """Of the addresses that it hands out."""
    file: str = ""
    """Boot file in its offers. Empty: none, like an office's server."""


class SharedPort:
    """The port of the machines, with a second server on the same network while `rogue` is set."""

    def __init__(self, port: DhcpPort) -> None:
        self.rogue: Rogue | None = None
        self._port = port
        self._waiting: dict[int, Receive] = {}
        self._given: dict[str, str] = {}

    def send(self, request: DhcpRequest) -> None:
        self._port.send(request)
        if self.rogue is not None and (reply := self._answer(self.rogue, request)) is not None:
            asyncio.get_running_loop().call_soon(self._tell, request.xid, reply)

    def listen(self, xid: int, receive: Receive) -> None:
        self._waiting[xid] = receive
        self._port.listen(xid, receive)

    def forget(self, xid: int) -> None:
        self._waiting.pop(xid, None)
        self._port.forget(xid)

    def _tell(self, xid: int, reply: DhcpReply) -> None:
        if (receive := self._waiting.get(xid)) is not None:
            receive(reply)

    def _answer(self, rogue: Rogue, request: DhcpRequest) -> DhcpReply | None:
        if request.kind is DhcpKind.DISCOVER:
            kind = DhcpKind.OFFER
        elif request.kind is DhcpKind.REQUEST and request.server_id == rogue.address:
            kind = DhcpKind.ACK
        else:
            return None
        mine = self._given.setdefault(request.mac, str(IPv4Address(rogue.first) + len(self._given) % 40))
        return DhcpReply(
            to=reply_to(request),
            kind=kind,
            yiaddr=mine,
            server_id=rogue.address,
            siaddr=rogue.address if rogue.file else "",
            filename=rogue.file,
            lease_s=600,
            mask="255.255.255.0",
        )
