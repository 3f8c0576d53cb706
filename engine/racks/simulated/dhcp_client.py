"""How a simulated machine gets an address: DISCOVER, OFFER, REQUEST, ACK (RFC 2131 4.4) with the options of PXE (RFC 4578).

One exchange per call; the ROM, iPXE and the kernel make one each, like real ones. Retransmission after 4, 8, 16, 32 s (RFC 2131 4.1),
divided by the rack's speed but never below 0.2 s, so that a rack without an engine does not spin.

The first offer with a boot file wins. An offer without one is taken only if no better one came by the end of a wait.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from msgspec.structs import replace

from engine.wire.dhcp import DhcpKind, DhcpReply, DhcpRequest

from .packet_loss import Copies, lossless
from .wiring import DhcpPort, new_xid

TRIES = 5


async def lease(
    port: DhcpPort,
    request: DhcpRequest,
    *,
    rng: random.Random,
    first_wait_s: float,
    needs_file: bool = False,
    copies: Copies = lossless,
) -> DhcpReply | None:
    """The ACK. None if nobody answered, or nobody with a boot file if one is needed.

    `request` is the form that all packets of the exchange share (kind and xid are filled in).
    """
    xid = new_xid(rng)
    exchange = _Exchange(port, replace(request, xid=xid), copies)
    port.listen(xid, exchange.receive)
    try:
        return await _four_packets(exchange, first_wait_s, needs_file)
    finally:
        port.forget(xid)


async def _four_packets(exchange: _Exchange, wait_s: float, needs_file: bool) -> DhcpReply | None:
    def offers(reply: DhcpReply) -> bool:
        return reply.kind is DhcpKind.OFFER and bool(reply.yiaddr) and (bool(reply.filename) or not needs_file)

    def answers(reply: DhcpReply) -> bool:
        return reply.kind in (DhcpKind.ACK, DhcpKind.NAK)

    loop = exchange.loop
    request, began = exchange.request, loop.time()
    offer: DhcpReply | None = None
    for _ in range(TRIES):
        secs = min(int(loop.time() - began), 65535)
        if offer is None:
            offer = await exchange.ask(replace(request, kind=DhcpKind.DISCOVER, secs=secs), wait_s, offers)
            if offer is None or not offer.yiaddr:
                offer, wait_s = None, wait_s * 2
                continue
        asked = replace(request, kind=DhcpKind.REQUEST, secs=secs, requested=offer.yiaddr, server_id=offer.server_id)
        answer = await exchange.ask(asked, wait_s, answers)
        if answer is not None and answer.kind is DhcpKind.ACK and answer.yiaddr:
            return answer if answer.filename or not needs_file else None
        if answer is not None:
            offer = None
        wait_s *= 2
    return None


class _Exchange:
    """The packets with one xid, which may be lost or doubled on their way."""

    def __init__(self, port: DhcpPort, request: DhcpRequest, copies: Copies) -> None:
        self.loop = asyncio.get_running_loop()
        self.request = request
        self._port = port
        self._copies = copies
        self._replies: asyncio.Queue[DhcpReply] = asyncio.Queue(16)

    def receive(self, reply: DhcpReply) -> None:
        if reply.to.mac == self.request.mac:
            for delay in self._copies():
                self.loop.call_later(delay, self._take, reply) if delay else self._take(reply)

    def _take(self, reply: DhcpReply) -> None:
        if not self._replies.full():
            self._replies.put_nowait(reply)

    async def ask(self, packet: DhcpRequest, wait_s: float, good: Callable[[DhcpReply], bool]) -> DhcpReply | None:
        """The first good reply within `wait_s`; at its end an offer that is not good, where one came."""
        spare = None
        for delay in self._copies():
            self.loop.call_later(delay, self._port.send, packet) if delay else self._port.send(packet)
        end = self.loop.time() + wait_s
        while (left := end - self.loop.time()) > 0:
            try:
                async with asyncio.timeout(left):
                    reply = await self._replies.get()
            except TimeoutError:
                return spare
            if good(reply):
                return reply
            if reply.kind is DhcpKind.OFFER and packet.kind is DhcpKind.DISCOVER:
                spare = spare or reply
        return spare
