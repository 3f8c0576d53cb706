"""How a simulated machine gets an address: DISCOVER, OFFER, REQUEST, ACK (RFC 2131 4.4) with the options of PXE (RFC 4578).

One exchange per call; the ROM, iPXE and the kernel make one each, as real ones do. Retransmission 4, 8, 16, 32 s
(RFC 2131 4.1), divided by the rack's speed but never under 0.2 s, so that a rack without an engine does not spin.

The first offer that names a boot file wins; an offer without one is taken only where nothing better came by the end of a wait.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from msgspec.structs import replace

from engine.wire.dhcp import DhcpKind, DhcpReply, DhcpRequest

from .weather import Copies, calm
from .wiring import DhcpPort, new_xid

TRIES = 5


async def lease(
    port: DhcpPort,
    request: DhcpRequest,
    *,
    rng: random.Random,
    first_wait_s: float,
    needs_file: bool = False,
    copies: Copies = calm,
) -> DhcpReply | None:
    """The ACK, or None when nobody answered, or nobody with a boot file where one is needed.

    `request` is the form that all packets of the exchange share (kind and xid are filled in).
    """
    loop = asyncio.get_running_loop()
    xid = new_xid(rng)
    replies: asyncio.Queue[DhcpReply] = asyncio.Queue(16)

    def receive(reply: DhcpReply) -> None:
        if reply.to.mac == request.mac:
            for delay in copies():
                loop.call_later(delay, take, reply) if delay else take(reply)

    def take(reply: DhcpReply) -> None:
        if not replies.full():
            replies.put_nowait(reply)

    async def ask(packet: DhcpRequest, wait_s: float, good: Callable[[DhcpReply], bool]) -> DhcpReply | None:
        spare = None
        for delay in copies():
            loop.call_later(delay, port.send, packet) if delay else port.send(packet)
        end = loop.time() + wait_s
        while (left := end - loop.time()) > 0:
            try:
                async with asyncio.timeout(left):
                    reply = await replies.get()
            except TimeoutError:
                return spare
            if good(reply):
                return reply
            if reply.kind is DhcpKind.OFFER and packet.kind is DhcpKind.DISCOVER:
                spare = spare or reply
        return spare

    def offers(reply: DhcpReply) -> bool:
        return reply.kind is DhcpKind.OFFER and bool(reply.yiaddr) and (bool(reply.filename) or not needs_file)

    def answers(reply: DhcpReply) -> bool:
        return reply.kind in (DhcpKind.ACK, DhcpKind.NAK)

    port.listen(xid, receive)
    try:
        wait_s, began = first_wait_s, loop.time()
        offer: DhcpReply | None = None
        for _ in range(TRIES):
            secs = min(int(loop.time() - began), 65535)
            if offer is None:
                offer = await ask(replace(request, kind=DhcpKind.DISCOVER, xid=xid, secs=secs), wait_s, offers)
                if offer is None or not offer.yiaddr:
                    offer, wait_s = None, wait_s * 2
                    continue
            asked = replace(
                request, kind=DhcpKind.REQUEST, xid=xid, secs=secs, requested=offer.yiaddr, server_id=offer.server_id
            )
            answer = await ask(asked, wait_s, answers)
            if answer is not None and answer.kind is DhcpKind.ACK and answer.yiaddr:
                return answer if answer.filename or not needs_file else None
            if answer is not None:
                offer = None
            wait_s *= 2
        return None
    finally:
        port.forget(xid)
