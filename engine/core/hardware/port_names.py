"""Names of switch ports and of switches that mean the same: a plan has `GigabitEthernet1/0/4`, and the switch reports `Gi1/0/4`. Pure.

A port's name is a kind and a number. Kinds have a full name and short ones; numbers are compared part by part. Two names are the same
port only if kind and number are the same: `Ethernet1/1` is not `Ethernet11`, and Junos' `et-0/0/1` is not Arista's `Et0/0/1`.

Sources: Cisco IOS, IOS XE, IOS XR and NX-OS "interface type" tables; Arista EOS interface names; Junos "Interface naming overview"
(type, FPC, PIC, port, channel, unit); H3C Comware and Huawei VRP abbreviations; Dell OS9 and OS10; Cumulus and SONiC port names; IEEE
802.1AB section 8.5.3 for port id subtypes.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

_KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # kind: (full names, of which any prefix of two letters or more counts if it fits no other kind; short names)
    "ethernet": (("ethernet",), ("et", "eth", "e")),
    "fast": (("fastethernet",), ("fa", "fe")),
    "1g": (("gigabitethernet", "gigethernet", "gige"), ("gi", "ge", "gig")),
    "2.5g": (("twogigabitethernet", "twopointfivegige", "twodotfivegige"), ("tw", "two", "2.5ge")),
    "5g": (("fivegigabitethernet", "fivegige"), ("fi", "5ge")),
    "10g": (("tengigabitethernet", "tengigethernet", "tengige", "xgigabitethernet"), ("te", "ten", "xge", "10ge")),
    "25g": (("twentyfivegigabitethernet", "twentyfivegigethernet", "twentyfivegige"), ("twe", "wge", "25ge", "25gige")),
    "40g": (("fortygigabitethernet", "fortygigethernet", "fortygige"), ("fo", "fge", "40ge", "40gige")),
    "50g": (("fiftygigabitethernet", "fiftygigethernet", "fiftygige"), ("50ge", "50gige")),
    "100g": (("hundredgigabitethernet", "hundredgigethernet", "hundredgige"), ("hu", "hge", "100ge", "100gige")),
    "200g": (("twohundredgigabitethernet", "twohundredgigethernet", "twohundredgige"), ("200ge",)),
    "400g": (("fourhundredgigabitethernet", "fourhundredgigethernet", "fourhundredgige"), ("fh", "400ge")),
    "800g": (("eighthundredgigabitethernet", "eighthundredgigethernet", "eighthundredgige"), ("800ge",)),
    "port-channel": (("portchannel",), ("po",)),
    "bundle": (("bundleether",), ("be",)),
    "bridge-aggregation": (("bridgeaggregation",), ("bagg",)),
    "management": (("management",), ("ma",)),
    "port": (("port",), ("p",)),
}
_SHORT = {short: kind for kind, (_, shorts) in _KINDS.items() for short in shorts}
_FULL = {full: kind for kind, (fulls, _) in _KINDS.items() for full in fulls}

_JUNOS = re.compile(r"((?:fe|ge|mge|xe|et|so|sxe)-\d+/\d+/\d+(?::\d+)?)(?:\.\d+)?")
"""Type, FPC, PIC, port and channel; the unit behind a dot is a logical interface of that port."""
_AGGREGATE = re.compile(r"((?:ae|reth|irb|fxp|em|me|vme)\d+)(?:\.\d+)?")
_NUMBERED = re.compile(r"(\d{0,3}(?:\.5)?[a-z][a-z -]*?)[\s#:-]*(\d{1,6}(?:[/:]\d{1,6}){0,3})(\.\d+)?")
_DIGITS = re.compile(r"(\d+)")
_NUMBER = re.compile(r"#?\s*(\d{1,6}(?:[/:]\d{1,6}){0,3})")
_PADDED = re.compile(r"([a-z]{1,12})0+([0-9]{1,4})")


@lru_cache(maxsize=16_384)  # 5,000 machines with several ports each are compared again and again, and names repeat from switch to switch
def canonical_port(name: str) -> str:
    """One spelling for all names of a port on one switch: `1g 1/0/4`. A name of unknown form stays itself, in lower case without
    blanks at its ends. An empty name stays empty."""
    low = " ".join(name.lower().split())
    junos = _JUNOS.fullmatch(low) or _AGGREGATE.fullmatch(low)
    if junos:
        return junos[1]
    bare = _NUMBER.fullmatch(low)
    if bare:
        return f"port {_numbers(bare[1])}"
    found = _NUMBERED.fullmatch(low)
    if not found:
        return low
    kind = _kind(found[1].strip(" -"), found[2])
    if kind is None or (found[3] and kind == "port"):
        return _PADDED.sub(r"\1\2", low) if _PADDED.fullmatch(low) else low
    return f"{kind} {_numbers(found[2])}"


def _kind(word: str, number: str) -> str | None:
    """None: no type of interface. SONiC and Cumulus call the management port `eth0`; their front ports are `Ethernet0` and `swp1`."""
    if word in ("e", "eth") and "/" not in number and (word == "e" or not number.strip("0")):
        return None
    bare = re.sub("[ -]", "", word)
    if bare in _SHORT or bare in _FULL:
        return _SHORT.get(bare) or _FULL[bare]
    kinds = {kind for full, kind in _FULL.items() if kind != "port" and full.startswith(bare)}
    return kinds.pop() if len(kinds) == 1 and len(bare) > 2 else None


def _numbers(text: str) -> str:
    return re.sub(r"\d+", lambda part: str(int(part[0])), text)


def same_port(one: str, other: str) -> bool:
    """True if both names mean one port of one switch."""
    return bool(one) and canonical_port(one) == canonical_port(other)


def same_switch(one: str, other: str) -> bool:
    """`tor1` is `tor1.example.net` and `TOR1.`; `tor1.a.net` is not `tor1.b.net`. An address has no first label."""
    one, other = (name.strip().rstrip(".").lower() for name in (one, other))
    if one == other or not one or not other:
        return bool(one) and one == other
    if ("." in one and "." in other) or _is_address(one) or _is_address(other):
        return False
    return one.split(".")[0] == other.split(".")[0]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def port_candidates(port: str, description: str, kind: str = "") -> tuple[str, ...]:
    """A neighbour's names for its port, the most useful first. `kind` is the port id's subtype by lldpd's name: `ifname`, `ifalias`,
    `local`, `mac`, `ip`. An interface name is enough. An alias is the operator's text, a local number may be an SNMP index, and the
    rest names no port: then the description goes first, where switches put the name."""
    second = kind in ("mac", "ip", "ifalias", "unhandled") or (kind == "local" and port.isdecimal() and not description.isdecimal())
    return tuple(text for text in ((description, port) if second else (port, description)) if text)


def natural(text: str) -> tuple[tuple[str, int], ...]:
    """Sorts swp9 before swp10."""
    parts = _DIGITS.split(text)
    return tuple((parts[i], int(parts[i + 1]) if i + 1 < len(parts) else -1) for i in range(0, len(parts), 2))
