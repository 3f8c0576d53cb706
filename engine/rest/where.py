"""Where the API may listen: loopback, or an address of the admin network. Pure."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv4Network

from ..plan import Plan
from ..serve import ServiceError


def site_of(text: str) -> tuple[str, int]:
    """`ADDRESS:PORT` -> address and port; port 0 takes a free one. Raises ServiceError."""
    address, _, port = text.rpartition(":")
    try:
        found = IPv4Address(address)
    except AddressValueError:
        raise ServiceError(f"the API listens on ADDRESS:PORT, for example 127.0.0.1:8443, not on {text[:60]!r}: change --api") from None
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) < 65536):
        raise ServiceError(f"{port[:20]!r} is not a port: give the API an ADDRESS:PORT, for example 127.0.0.1:8443")
    if found.is_unspecified or found.is_multicast or found == IPv4Address("255.255.255.255"):
        raise ServiceError(f"the API never listens on {found}: name 127.0.0.1 or an address of the admin network with --api")
    return str(found), int(port)


def is_loopback(address: str) -> bool:
    return IPv4Address(address).is_loopback


def check(address: str, plan: Plan) -> None:
    """Raises ServiceError unless the API may listen on this address."""
    if is_loopback(address):
        return
    admin = plan.site.admin.address
    subnets = [IPv4Network(network.subnet) for network in plan.networks.values()]
    theirs = [subnet for subnet in subnets if admin and IPv4Address(admin) in subnet]
    if not any(IPv4Address(address) in subnet for subnet in theirs):
        named = ", ".join(map(str, theirs)) or "which the plan does not name"
        raise ServiceError(f"the API may not listen on {address}: name 127.0.0.1 or an address of the admin network ({named}) with --api")
