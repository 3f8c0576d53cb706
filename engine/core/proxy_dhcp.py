"""Proxy DHCP: beside a server that is not ours, which leases the addresses, boot ROMs are told what to load (PXE 2.1, section 2.2.5). Pure.

    67    the ROM's DISCOVER: an offer without an address, with the loader; the other server offers the address
          its REQUEST to the other server is overheard: that address is this machine's (a lease of state `foreign`)
    4011  some ROMs ask here again, once they have their address: the same loader, as an ACK to where they asked from

Rules
* Only boot ROMs and iPXE are answered. Everybody else is served by the other server, and never hears from this one; above all, never a NAK.
* The network needs no dhcp range: no address of it is ever given.
* How the addresses of nodes stay known: by the overheard requests, by scripts and hellos, each of which names its machine.

Trap: both servers' offers are collected by the ROM, so it matters to nobody which comes first.
"""

from __future__ import annotations

from msgspec.structs import replace

from .. import reasons
from ..effects import Ignore, SendDhcp
from ..events import DhcpAsked
from ..model import Lease
from ..plan import Network
from ..wire.dhcp import PROXY_PORT, DhcpKind, DhcpReply, DhcpRequest
from .work import Work


def is_proxy(network: Network) -> bool:
    return network.dhcp == "proxy"


def overhear(w: Work, request: DhcpRequest, network: Network, lease_s: float) -> None:
    """A machine takes the address that another server offered: nobody else has it, for as long as a lease of ours would last."""
    if request.kind is DhcpKind.REQUEST and (address := request.requested or request.ciaddr):
        w.put_lease(Lease(address=address, mac=request.mac, network=network.name, state="foreign", expires=w.now + lease_s))


def wants_answer(event: DhcpAsked) -> bool:
    """Is it for a proxy to answer: a ROM's DISCOVER, or what it asks port 4011?"""
    if event.port == PROXY_PORT:
        return event.request.kind in (DhcpKind.REQUEST, DhcpKind.INFORM)
    return event.request.kind is DhcpKind.DISCOVER


def not_ours(event: DhcpAsked) -> Ignore:
    return Ignore(mac=event.request.mac, reason=reasons.proxy_only(mac=event.request.mac))


def as_proxy(event: DhcpAsked, reply: DhcpReply) -> SendDhcp:
    """The reply without what only the other server may give, to where it belongs."""
    request = event.request
    bare = replace(reply, yiaddr="", lease_s=0, mask="", routers=(), domain="")
    # A client takes an offer for a proxy's only if it bears one of the two names, and iPXE wants the next server beside the file.
    bare = replace(bare, vendor_class=bare.vendor_class or "PXEClient", siaddr=bare.server_id)
    if event.port != PROXY_PORT:
        return SendDhcp(reply=replace(bare, kind=DhcpKind.OFFER), interface=event.interface)
    to = (request.source_ip or request.ciaddr, request.source_port or 68)
    return SendDhcp(reply=replace(bare, kind=DhcpKind.ACK), interface=event.interface, port=PROXY_PORT, to=to)
