"""What carries the networks of a plan: conduits, bonds, bridges, routers and packet sizes.

Rules
* The links of a conduit have one sign and one speed. Two to eight links are a bond; one link is none.
* Two conduits are the same or have no link in common. Networks of one conduit agree on its bond, and each has another VLAN (0: untagged).
* A packet of a VLAN fits the untagged network of its conduit. No two bridges have one name, no two routers one preference.
* `team_mode` and `teaming` of old plans are read as `bond`.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address, IPv6Network
from typing import cast

from ..core.plan.links import BMC, HASHED, HASHES, LACP, MEMBERS, LinkName, bond_name, bond_of, conduits_of, links_of
from ..plan import BOND_MODES, ROUTER, Bond, BondMode, LacpRate, Network
from .element import Element, Fields
from .mistakes import shown

CONDUIT = re.compile(r"bmc|[-+?]?(?:10m|100m|1g|10g|25g|40g|50g|100g|200g|400g)[0-9]{1,2}(?:,[-+?]?[0-9]+[mg][0-9]{1,2})*")
"""Links by speed and number, `1g0` or `+10g0,+10g1`: `+` that speed or faster, `-` or slower, `?` either."""
INTERFACE = 15
"""Most characters of an interface's name (IFNAMSIZ of linux/if.h, less the NUL)."""
V6_MTU = 1280
"""Smallest packet that a link with IPv6 must carry (RFC 8200 section 5)."""

_BRIDGE = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_LINKS = "links like 1g0, +10g0,+10g1 or bmc"
_OLD = {"miimon": "miimon", "mode": "mode", "xmit_hash_policy": "hash"}


def read_conduit(keys: Fields) -> str:
    """Empty: the plan does not say."""
    if "conduit" not in keys:
        return ""
    element = keys["conduit"]
    text = element.name(_LINKS, CONDUIT)
    try:
        links = links_of(text)
    except ValueError:
        if CONDUIT.fullmatch(text):
            element.fail(f"expected {_LINKS}, not {shown(text)}")
        return ""
    if len(links) > MEMBERS:
        element.fail(f"a conduit has at most {MEMBERS} links, not {len(links)}")
    if len({(link.sign, link.speed) for link in links}) > 1:
        element.fail(f"the links of a conduit have one sign and one speed: {shown(text)}")
    if len({link.name for link in links}) < len(links):
        element.fail(f"a link stands twice in {shown(text)}")
    return text


def read_bond(keys: Fields, conduit: str) -> Bond | None:
    """None: the plan has none."""
    given = [key for key in ("bond", "team_mode", "teaming") if key in keys]
    if not given:
        return None
    element = keys[given[0]]
    if len(given) > 1:
        keys[given[1]].fail(f"this is the old word for a bond, and {given[0]} is here too")
    if "," not in conduit:
        element.fail("a bond has two links or more: give the network a conduit like 10g0,10g1")
    if given[0] == "team_mode":
        return Bond(mode=BOND_MODES[element.integer(0, 6)])
    return _bond(element, old=given[0] == "teaming")


def _bond(element: Element, old: bool) -> Bond:
    keys = element.fields(tuple(_OLD) if old else ("mode", "hash", "miimon", "lacp_rate"))
    policy = keys.get("xmit_hash_policy" if old else "hash")
    mode: BondMode = "active-backup"
    if "mode" in keys:
        mode = BOND_MODES[keys["mode"].integer(0, 6)] if old else cast(BondMode, keys["mode"].choice(BOND_MODES))
    if policy is not None and mode not in HASHED:
        policy.fail(f"mode {mode} has no hash; {', '.join(sorted(HASHED))} have one")
    if "lacp_rate" in keys and mode != LACP:
        keys["lacp_rate"].fail(f"mode {mode} does not speak LACP; {LACP} does")
    return Bond(
        mode=mode,
        hash=policy.choice(HASHES) if policy is not None else "",
        miimon=keys["miimon"].integer(10, 10_000) if "miimon" in keys else 100,
        lacp_rate=cast(LacpRate, keys["lacp_rate"].choice(("slow", "fast"))) if "lacp_rate" in keys else "",
    )


def read_bridge(keys: Fields, network: str) -> str:
    """`true` is the name `br-NETWORK`."""
    if "bridge" not in keys:
        return ""
    element = keys["bridge"]
    if element.json() is False:
        return ""
    name = f"br-{network}" if element.json() is True else element.text("true or a bridge's name")
    if len(name) > INTERFACE and element.json() is True:
        element.fail(f"{shown(name)} is longer than {INTERFACE} characters: give the bridge a name")
    elif name and (len(name) > INTERFACE or not _BRIDGE.fullmatch(name) or name in ("all", "default", "lo")):
        element.fail(f"expected true or a bridge's name of at most {INTERFACE} characters, like br-storage, not {shown(name)}")
    return name


def read_mtu(keys: Fields) -> int:
    if "mtu" not in keys:
        return 0
    mtu = keys["mtu"].integer(68, 9216)
    if mtu < V6_MTU and "v6prefix" in keys:
        keys["mtu"].fail(f"a network with IPv6 carries packets of {V6_MTU} octets or more (RFC 8200)")
    return mtu


def read_router(keys: Fields, v6prefix: str) -> tuple[Element | None, IPv4Address | None, str, int]:
    """Where the IPv4 router stands, the router, the IPv6 router, the preference. Empty, 0: not given."""
    if "router" not in keys:
        return None, None, "", 0
    element = keys["router"]
    if not isinstance(element.json(), dict):
        return element, element.address(), "", 0
    own = element.fields(ROUTER)
    if "address" not in own and "v6" not in own:
        element.fail("expected the router's address or v6")
    return (
        own.get("address"),
        own["address"].address() if "address" in own else None,
        _router_v6(own["v6"], v6prefix) if "v6" in own else "",
        own["preference"].integer(1, 65_535) if "preference" in own else 0,
    )


def _router_v6(element: Element, v6prefix: str) -> str:
    """Inside the network's /64, or the router's address on the link (RFC 4291 section 2.5.6). What `auto` will be is not known here."""
    text = element.text("an IPv6 address")
    try:
        router = IPv6Address(text)
    except AddressValueError:
        if text:
            element.fail(f"expected an IPv6 address, not {shown(text)}")
        return ""
    if not v6prefix:
        element.fail("the network has no v6prefix")
    elif router.scope_id or not (router.is_link_local or ("/" in v6prefix and router in IPv6Network(v6prefix))):
        element.fail(f"router {router} is neither link-local (fe80::/10)" + (f" nor in {v6prefix}" if "/" in v6prefix else ""))
    elif "/" in v6prefix and router == IPv6Network(v6prefix).network_address:
        element.fail(f"router {router} is the anycast address of all routers (RFC 4291 section 2.6.1)")
    return str(router)


def check_together(networks: dict[str, Network], places: dict[str, Fields]) -> None:
    """Notes what two networks cannot both have. `places`: network -> where its keys stand."""
    owners: dict[str, tuple[str, str]] = {}
    bridges: dict[str, str] = {}
    ranks: dict[int, str] = {}
    prefixes: dict[str, str] = {}
    for name, network in networks.items():
        if network.conduit == BMC and (network.bridge or network.bond):
            places[name]["bridge" if network.bridge else "bond"].fail("only BMCs are on this network, and no node has it")
        if network.bridge and bridges.setdefault(network.bridge, name) != name:
            places[name]["bridge"].fail(f"network {bridges[network.bridge]} has the bridge {network.bridge} already")
        if network.preference and ranks.setdefault(network.preference, name) != name:
            places[name]["router"].fail(
                f"the router of network {ranks[network.preference]} has the preference {network.preference} already"
            )
        if "/" in network.v6prefix and prefixes.setdefault(network.v6prefix, name) != name:
            places[name]["v6prefix"].fail(f"network {prefixes[network.v6prefix]} has {network.v6prefix} already")
        for link in links_of(network.conduit):
            conduit, other = owners.setdefault(link.name, (network.conduit, name))
            if conduit != network.conduit:
                places[name]["conduit"].fail(f"network {other} has {conduit}: two conduits are the same or share no link")
                break
    for conduit, here in conduits_of(networks.values()).items():
        _check_conduit(links_of(conduit), here, places)
        if "," in conduit and bond_name(conduit) in bridges:
            places[bridges[bond_name(conduit)]]["bridge"].fail(f"the bond of {conduit} has that name")


def _check_conduit(links: tuple[LinkName, ...], here: list[Network], places: dict[str, Fields]) -> None:
    """The networks on one conduit."""
    first, untagged, tags = here[0], next((one for one in here if not one.vlan), None), dict[int, str]()
    for network in here:
        keys = places[network.name]
        if len(links) > 1 and bond_of(network) != bond_of(first):
            said = network if network.bond is not None else first
            where = next(key for key in ("bond", "team_mode", "teaming") if key in places[said.name])
            places[said.name][where].fail(f"networks {first.name} and {network.name} have the same links and need the same bond")
        if tags.setdefault(network.vlan, network.name) != network.name:
            what = f"VLAN {network.vlan}" if network.vlan else "no VLAN"
            keys["vlan" if "vlan" in keys else "conduit"].fail(
                f"network {tags[network.vlan]} has {what} on the same links: each needs another VLAN, and one may be untagged"
            )
        if untagged is not None and untagged.mtu and network.mtu > untagged.mtu:
            keys["mtu"].fail(
                f"its packets of {network.mtu} octets do not fit network {untagged.name} below it, which has mtu {untagged.mtu}"
            )
