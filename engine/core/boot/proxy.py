"""Proxy DHCP: another server leases the addresses, and the engine only tells boot ROMs what to load (PXE 2.1, section 2.2.5). Pure.

    67    the ROM's DISCOVER: an offer without an address, with the loader; the other server offers the address
          its REQUEST to the other server is overheard: that address is this machine's (a lease of state `foreign`)
    4011  some ROMs ask here again, once they have their address: the same loader, as an ACK to the port they asked from

Rules
* Only boot ROMs and iPXE get answers. The other server serves all others; they get nothing from this one, above all no NAK.
* The network needs no dhcp range: the engine gives none of its addresses.
* The engine learns the nodes' addresses from overheard requests, scripts and hellos, each of which names its machine.

Trap: the ROM collects the offers of both servers, so their order does not matter.
"""

from __future__ import annotations

from msgspec.structs import replace

from ... import reasons
from ...effects import Ignore, SendDhcp
from ...events import DhcpAsked
from ...model import Lease
from ...plan import Network
from ...wire.dhcp import PROXY_PORT, DhcpKind, DhcpReply, DhcpRequest
from ..world.work import Work


def is_proxy(network: Network) -> bool:
    return network.dhcp == "proxy"


def overhear(w: Work, request: DhcpRequest, network: Network, lease_s: float) -> None:
    """A machine takes the address that another server offered: it is reserved for as long as a lease of ours would last."""
    if request.kind is DhcpKind.REQUEST and (address := request.requested or request.ciaddr):
        w.put_lease(Lease(address=address, mac=request.mac, network=network.name, state="foreign", expires=w.now + lease_s))


def wants_answer(event: DhcpAsked) -> bool:
    """True if a proxy answers this: a ROM's DISCOVER, or a request to port 4011."""
    if event.port == PROXY_PORT:
        return event.request.kind in (DhcpKind.REQUEST, DhcpKind.INFORM)
    return event.request.kind is DhcpKind.DISCOVER


def not_ours(event: DhcpAsked) -> Ignore:
    return Ignore(mac=event.request.mac, reason=reasons.proxy_only(mac=event.request.mac))


def as_proxy(event: DhcpAsked, reply: DhcpReply) -> SendDhcp:
    """The reply without the parts that only the other server may give, to its destination."""
    request = event.request
    bare = replace(reply, yiaddr="", lease_s=0, mask="", routers=(), domain="", dns=())
    # A client takes an offer for a proxy's only if it has one of the two names, and iPXE needs the next server beside the file.
    bare = replace(bare, vendor_class=bare.vendor_class or "PXEClient")
    if event.port != PROXY_PORT:
        return SendDhcp(reply=replace(bare, kind=DhcpKind.OFFER), interface=event.interface)
    to = (request.source_ip or request.ciaddr, request.source_port or 68)
    return SendDhcp(reply=replace(bare, kind=DhcpKind.ACK), interface=event.interface, port=PROXY_PORT, to=to)
