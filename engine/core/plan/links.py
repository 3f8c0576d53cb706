"""The links of a conduit: `1g0`, or `+10g0,+10g1`. Pure.

A link has a speed and a number. The sign says which other speeds are as good: `+` faster ones, `-` slower ones, `?` both. What stands in a
cable plan is the link without its sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, cast

from msgspec import Struct

from ...plan import SPEEDS, Bond, BondMode, Network, Plan

BMC = "bmc"
"""The conduit of networks that only BMCs are on."""
MEMBERS = 8
"""Most links of a conduit."""
HASHES = ("layer2", "layer2+3", "layer3+4", "encap2+3", "encap3+4", "vlan+srcmac")
"""What may choose the link of a frame (Documentation/networking/bonding.rst, xmit_hash_policy)."""
LACP: BondMode = "802.3ad"
HASHED = frozenset({LACP, "balance-xor", "balance-tlb"})
"""Modes that choose by a hash."""
UNSET_PREFERENCE = 65_536
"""Preference of the first router without one. The next has one more."""
_WORD = re.compile(f"([-+?]?)({'|'.join(SPEEDS)})([0-9]{{1,2}})")

Sign = Literal["", "+", "-", "?"]


class LinkName(Struct, frozen=True):
    sign: Sign
    speed: int
    """Mbit/s."""
    number: int
    """From 0, among the ports of that speed."""
    name: str
    """Without the sign."""


@lru_cache(256)
def links_of(conduit: str) -> tuple[LinkName, ...]:
    """The links of a conduit. None for `bmc`, and for a network without a conduit. Raises ValueError."""
    if conduit in ("", BMC):
        return ()
    out = []
    for word in conduit.split(","):
        found = _WORD.fullmatch(word)
        if found is None:
            raise ValueError(word)
        out.append(LinkName(cast(Sign, found[1]), SPEEDS[found[2]], int(found[3]), word.lstrip("-+?")))
    return tuple(out)


def bond_of(network: Network) -> Bond | None:
    """The bond of the network's links. Several links without one work as active-backup, which needs nothing of the switch. None: one
    link."""
    if network.bond is not None:
        return network.bond
    return Bond() if "," in network.conduit else None


def hash_of(bond: Bond) -> str:
    """Its hash policy. Empty: the mode has none."""
    return bond.hash or ("layer2+3" if bond.mode in HASHED else "")


def bond_name(conduit: str) -> str:
    """Name of the bond on a node: of its first link, so that other networks of the plan do not change it. At most 10 characters, which
    leaves room for a VLAN's number (IFNAMSIZ is 16)."""
    return f"bond{links_of(conduit)[0].name}"


def preferences(plan: Plan) -> dict[str, int]:
    """Network -> preference of its router. Networks whose router has none come after the others, `admin` first and then by name, so that
    no two are alike."""
    routed = [one for one in plan.networks.values() if one.router or one.router_v6]
    unset = sorted((one.name != "admin", one.name) for one in routed if not one.preference)
    return {one.name: one.preference for one in routed} | {name: UNSET_PREFERENCE + i for i, (_, name) in enumerate(unset)}


def conduits_of(networks: Iterable[Network]) -> dict[str, list[Network]]:
    """Conduit with links -> the networks on it."""
    out: dict[str, list[Network]] = {}
    for network in networks:
        if network.conduit not in ("", BMC):
            out.setdefault(network.conduit, []).append(network)
    return out


def ports_of(plan: Plan) -> dict[str, int]:
    """Speed -> how many ports of it a machine needs for all conduits of the plan and the cables of its links. The speed of network `admin`
    comes first: machines boot there. Empty: no network has a conduit."""
    conduits = conduits_of(plan.networks.values())
    if not conduits:
        return {}
    cables = {link for rack in plan.racks for place in rack.places for link in place.cables if link != BMC}
    out: dict[int, int] = {}
    for link in (one for conduit in [*conduits, *sorted(cables)] for one in links_of(conduit)):
        out[link.speed] = max(out.get(link.speed, 0), link.number + 1)
    admin = next((link.speed for link in links_of(plan.networks["admin"].conduit)), 0) if "admin" in plan.networks else 0
    words = {mbit: word for word, mbit in SPEEDS.items()}
    return {words[speed]: out[speed] for speed in sorted(out, key=lambda one: (one != admin, one))}
