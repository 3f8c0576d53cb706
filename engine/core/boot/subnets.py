"""Which network a DHCP client is in, and by which name this server answers it. Pure.

Rules
* The first of these that exists decides: the link that its relay names (option 82, suboption 5: RFC 3527), the subnet that it names
  itself (option 118: RFC 3011), its relay's address, the address that it holds and renews by unicast, this engine's own.
* If no network has that link, subnet or relay, there is no answer: RFC 3527 section 3 forbids an address of another subnet.
* A relay may stand for this server (suboption 11, RFC 5107). Its address is then ours: in the replies, and in the client's REQUEST.

Trap: the two suboptions count only if a relay sent the packet (giaddr), because a client could write them too. The codec checks that.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network

from ... import reasons
from ...events import DhcpAsked
from ...plan import Network, Plan
from ...reasons import Reason
from ...wire.dhcp import DhcpKind, DhcpRequest
from ...wire.dhcp_options import address_octets
from ..world.view import View
from .proxy import is_proxy


def serving(view: View, request: DhcpRequest) -> Network | None:
    """The network that the request comes from (see the rules above). It must have a dhcp range, or another server that leases with
    this engine as its proxy."""
    plan = view.plan
    if plan is None:
        return None
    named = request.link or request.subnet or request.giaddr
    if named:
        return _network_of(plan, named)
    if request.ciaddr and request.kind in (DhcpKind.REQUEST, DhcpKind.INFORM):
        # A renewal comes by unicast and past the relay, so only the address tells where it comes from (RFC 2131 4.3.2).
        found = _network_of(plan, request.ciaddr)
        if found is not None:
            return found
    return _network_of(plan, plan.site.admin.address)


def _network_of(plan: Plan, address: str) -> Network | None:
    if not address:
        return None
    octets = address_octets(address)
    for network in plan.networks.values():
        if "dhcp" in network.ranges or is_proxy(network):
            first, last, _ = span(network.subnet)
            if first <= octets <= last:
                return network
    return None


def nowhere(view: View, event: DhcpAsked) -> Reason:
    """Why the request belongs to no network that is served."""
    request = event.request
    for named, by in ((request.link, "its relay's link selection"), (request.subnet, "its own subnet selection")):
        if named and view.plan is not None:
            return reasons.no_network(mac=request.mac, subnet=named, by=by)
    return reasons.no_pool(interface=event.interface)


def server_id(plan: Plan, request: DhcpRequest) -> str:
    """The server identifier for this client."""
    return request.override or plan.site.admin.address


@lru_cache(maxsize=256)
def span(text: str) -> tuple[bytes, bytes, str]:
    """First and last address as bytes, and the mask. Bytes compare like addresses; `ipaddress` took half of the time of a step."""
    found = IPv4Network(text)
    return found.network_address.packed, found.broadcast_address.packed, str(found.netmask)
