"""The networks of a plan: valid addresses that do not conflict.

`plan_conduits` reads what carries them.

Rules
* Subnets are disjoint. A range lies inside its subnet, without the network address and the broadcast address. It contains neither the
  router nor the admin node, and overlaps no other range.
* The admin node's address lies in the network `admin`.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Literal

from ..core.plan.owned import SYSTEM
from ..plan import Network, Range
from .element import Element, Fields
from .mistakes import shown
from .plan_conduits import check_together, read_bond, read_bridge, read_conduit, read_mtu, read_router
from .spelling import NAME

ADMIN = "admin"
MAX_NAME = 32
_KEYS = ("subnet", "ranges", "router", "vlan", "conduit", "bond", "bridge", "mtu", "v6prefix", "strangers", "dhcp", "deployment")
_OLD = ("team_mode", "teaming")
"""Keys of old plans, read as others."""
_OF_ALL = (ADMIN, "bmc")
"""Networks that each node needs."""


def read_networks(element: Element, admin: str, deployments: Collection[str] = ()) -> dict[str, Network]:
    """The networks, checked. `admin` is the address of the admin node; empty if it is not usable. `deployments`: the plan's."""
    out: dict[str, Network] = {}
    subnets: dict[str, IPv4Network] = {}
    places: dict[str, Fields] = {}
    for name, network in element.entries("a map from names to networks").items():
        if not NAME.fullmatch(name) or len(name) > MAX_NAME:
            network.fail(f"expected a network's name, at most {MAX_NAME} long, not {shown(name)}")
        keys = network.fields((*_KEYS, *_OLD), ("subnet",))
        if "subnet" not in keys:
            continue
        subnet = _subnet(keys["subnet"])
        if subnet is None:
            continue
        for other, there in subnets.items():
            if subnet.overlaps(there):
                keys["subnet"].fail(f"subnet {subnet} overlaps {there} of network {other!r}")
        subnets[name] = subnet
        v6prefix = _v6prefix(keys["v6prefix"]) if "v6prefix" in keys else ""
        where, router, router_v6, preference = read_router(keys, v6prefix)
        if where is not None and router is not None:
            _check_router(where, router, subnet, admin)
        ranges = _ranges(keys, subnet, router, admin)
        conduit = read_conduit(keys)
        places[name] = keys
        out[name] = Network(
            name=name,
            subnet=str(subnet),
            ranges=ranges,
            router=str(router or ""),
            router_v6=router_v6,
            preference=preference,
            vlan=keys["vlan"].integer(0, 4094) if "vlan" in keys else 0,
            conduit=conduit,
            bond=read_bond(keys, conduit),
            bridge=read_bridge(keys, name),
            mtu=read_mtu(keys),
            v6prefix=v6prefix,
            strangers=_strangers(keys),
            dhcp=_dhcp(keys),
            deployment=_owner(keys["deployment"], name, deployments) if "deployment" in keys else "",
        )
        if name == ADMIN and admin and IPv4Address(admin) not in subnet:
            keys["subnet"].fail(f"the admin node's address {admin} is not in {subnet}")
        elif admin and _at_edge(IPv4Address(admin), subnet):
            keys["subnet"].fail(f"the admin node's address {admin} is the network's or the broadcast address of {subnet}")
    check_together(out, places)
    return out


def _owner(element: Element, network: str, deployments: Collection[str]) -> str:
    owner = element.known("deployment", deployments)
    if owner and network in _OF_ALL and owner != SYSTEM:
        element.fail(f"each node needs network {network!r}, so no deployment below {SYSTEM} can own it")
    return owner


def _subnet(element: Element) -> IPv4Network | None:
    text = element.text("a subnet like 192.168.124.0/24")
    if not text:
        return None
    try:
        if "/" not in text:
            raise ValueError
        subnet = IPv4Network(text)
    except ValueError:
        try:
            meant = str(IPv4Network(text, strict=False)) if "/" in text else ""
        except ValueError:
            meant = ""
        element.fail(f"expected a subnet like 192.168.124.0/24, not {shown(text)}", meant)
        return None
    if not 8 <= subnet.prefixlen <= 30:
        element.fail(f"expected a subnet from /8 to /30, not {shown(text)}")
        return None
    if "." in text.partition("/")[2]:
        element.fail(f"expected a prefix length, not a mask, in {shown(text)}", str(subnet))
        return None
    return subnet


def _at_edge(address: IPv4Address, subnet: IPv4Network) -> bool:
    return address in (subnet.network_address, subnet.broadcast_address)


def _check_router(element: Element, router: IPv4Address, subnet: IPv4Network, admin: str) -> None:
    if router not in subnet:
        element.fail(f"router {router} is not in {subnet}")
    elif _at_edge(router, subnet):
        element.fail(f"router {router} is the network's or the broadcast address of {subnet}")
    elif str(router) == admin:
        element.fail(f"router {router} is the admin node's address; leave the router out if the admin node does not route")


def _ranges(keys: Fields, subnet: IPv4Network, router: IPv4Address | None, admin: str) -> dict[str, Range]:
    out: dict[str, Range] = {}
    bounds: dict[str, tuple[IPv4Address, IPv4Address]] = {}
    for name, element in keys["ranges"].entries("a map from names to ranges").items() if "ranges" in keys else ():
        if not NAME.fullmatch(name):
            element.fail(f"expected a range's name, dhcp or host, not {shown(name)}")
        both = _range(element)
        if both is None:
            continue
        first, last = both
        outside = [one for one in both if one not in subnet or _at_edge(one, subnet)]
        inside = {other: there for other, there in bounds.items() if first <= there[1] and there[0] <= last}
        if first > last:
            element.fail(f"the range ends before it begins: {first} is above {last}")
        elif outside and outside[0] in subnet:
            element.fail(f"{outside[0]} is the network's or the broadcast address of {subnet}")
        elif outside:
            element.fail(f"{outside[0]} is not in {subnet}")
        elif inside:
            other, there = next(iter(inside.items()))
            element.fail(f"range {first}-{last} overlaps range {other!r}, {there[0]}-{there[1]}")
        elif admin and first <= IPv4Address(admin) <= last:
            element.fail(f"the admin node's address {admin} is in this range")
        elif router and first <= router <= last:
            element.fail(f"router {router} is in this range")
        bounds[name] = both
        out[name] = Range(first=str(first), last=str(last))
    return out


def _range(element: Element) -> tuple[IPv4Address, IPv4Address] | None:
    text = element.text("a range like 192.168.124.21-192.168.124.80")
    parts = [part.strip() for part in text.split("-")]
    try:
        if len(parts) != 2:
            raise ValueError
        return IPv4Address(parts[0]), IPv4Address(parts[1])
    except ValueError:
        if text:
            element.fail(f"expected a range like 192.168.124.21-192.168.124.80, not {shown(text)}")
        return None


def _v6prefix(element: Element) -> str:
    """`auto`, or a /64 (RFC 4291 section 2.5.4) in its canonical text."""
    text = element.text("auto or a prefix like fd00:1:2:3::/64")
    if text in ("", "auto"):
        return text
    try:
        prefix = IPv6Network(text)
    except ValueError:
        element.fail(f"expected auto or a prefix like fd00:1:2:3::/64, not {shown(text)}")
        return ""
    if prefix.prefixlen != 64:
        element.fail(f"expected a /64, not {shown(text)}")
    return str(prefix)


def _strangers(keys: Fields) -> Literal["ignore", "lease"]:
    lease = "strangers" in keys and keys["strangers"].choice(("ignore", "lease")) == "lease"
    return "lease" if lease else "ignore"


def _dhcp(keys: Fields) -> Literal["own", "proxy"]:
    proxy = "dhcp" in keys and keys["dhcp"].choice(("own", "proxy")) == "proxy"
    if proxy and "ranges" in keys and "dhcp" in keys["ranges"].entries():
        keys["dhcp"].fail("another server leases the addresses of this network (dhcp: proxy), so it cannot have a dhcp range")
    return "proxy" if proxy else "own"
