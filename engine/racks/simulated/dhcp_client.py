"""How a simulated machine gets an address: DISCOVER, OFFER, REQUEST, ACK (RFC 2131 4.4) with the options of PXE (RFC 4578).

One exchange per call; the ROM, iPXE and the kernel make one each, like real ones. Retransmission after 4, 8, 16, 32 s (RFC 2131 4.1),
divided by the rack's speed but never below 0.2 s, so that a rack without an engine does not spin.

`rom_request`, `ipxe_request` and `kernel_request` are the requests of the phases of a start. Sources: RFC 4578 (options 93, 94, 97 and
the form of option 60), https://ipxe.org/howto/dhcpd (user class), busybox udhcpc.

The first offer with a boot file wins. An offer without one is taken only if no better one came by the end of a wait.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from msgspec.structs import replace

from engine.wire.dhcp import DhcpKind, DhcpReply, DhcpRequest

from .packet_loss import Copies, lossless
from .spec import Hardware
from .wiring import DhcpPort, new_xid

TRIES = 5
_BOOT = (1, 3, 6, 12, 15, 43, 51, 54, 60, 66, 67, 97, 128, 129, 130, 131, 132, 133, 134, 135)
_HOST = (1, 3, 6, 12, 15, 28, 42)
"""The options that a boot ROM or iPXE asks for, and those that udhcpc asks for (option 55)."""


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


def rom_request(machine: Hardware, mac: str) -> DhcpRequest:
    """The request of a NIC's boot ROM."""
    return _booting(machine, mac, "PXEClient:Arch:00007:UNDI:003016", "PXEClient:Arch:00000:UNDI:002001", ())


def ipxe_request(machine: Hardware, mac: str) -> DhcpRequest:
    """The request of iPXE, which the ROM has loaded."""
    return _booting(machine, mac, "PXEClient:Arch:00007:UNDI:003010", "PXEClient:Arch:00000:UNDI:002001", ("iPXE",))


def kernel_request(mac: str) -> DhcpRequest:
    """The request of udhcpc in an initramfs, which says nothing about a network boot."""
    return DhcpRequest(
        kind=DhcpKind.DISCOVER,
        xid=0,
        mac=mac,
        broadcast=True,
        client_id="01" + mac.replace(":", ""),
        vendor_class="udhcp 1.35.0",
        max_size=576,
        parameters=_HOST,
    )


def _booting(machine: Hardware, mac: str, efi: str, bios: str, user_class: tuple[str, ...]) -> DhcpRequest:
    is_efi = machine.firmware == "efi"
    return DhcpRequest(
        kind=DhcpKind.DISCOVER,
        xid=0,
        mac=mac,
        broadcast=True,
        vendor_class=efi if is_efi else bios,
        user_class=user_class,
        arch=7 if is_efi else 0,
        uuid=machine.uuid,
        max_size=1472,
        parameters=_BOOT,
    )
