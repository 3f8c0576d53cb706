"""Juniper Junos with enhanced layer 2 software (EX and QFX since 13.2). Pure.

Source: Junos OS Ethernet Switching User Guide; Junos CLI, `display set`. The configuration is read and written as `set` lines. The untagged
VLAN of a trunk is `native-vlan-id`, of an access port its only member. VLANs have names; a member may be a number.
Commit: netmiko's `commit` does it; there is no save beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from ...core.hardware.port_table import SeenAddress
from ..table import ALL, Changes, LagHave, PortChange, PortHave, SwitchError, SwitchHave, behind, vlan_set, vlan_text
from .dialect import address_rows, age_in, clean, safe, unquoted

_PORT = re.compile(r"(?:fe|ge|mge|xe|et)-\d+/\d+/\d+(?::\d+)?")
_LAG = re.compile(r"ae\d{1,4}")
_SWITCHING = "unit 0 family ethernet-switching"


class JunosDialect(Struct, frozen=True, kw_only=True):
    name: str = "juniper_junos"
    netmiko: str = "juniper_junos"
    save: Sequence[str] = ()
    shows_addresses: str = "show ethernet-switching table | no-more"
    configures: bool = True

    @property
    def shows(self) -> Mapping[str, str]:
        return {"config": "show configuration | display set | no-more", "ports": "show interfaces terse | no-more"}

    def read(self, outputs: Mapping[str, str]) -> SwitchHave:
        lines = [line.strip() for line in clean(outputs.get("config", "")) if line.strip().startswith("set ")]
        vlans = {found[1]: int(found[2]) for line in lines if (found := re.fullmatch(r"set vlans (\S+) vlan-id (\d+)", line))}
        known = {"default": 1} | vlans
        of: dict[str, list[str]] = {}
        for line in lines:
            found = re.match(r"set interfaces (\S+) (.+)", line)
            if found and (_PORT.fullmatch(found[1]) or _LAG.fullmatch(found[1])):
                of.setdefault(found[1], []).append(found[2])
        for line in clean(outputs.get("ports", "")):
            name = line.split()[0] if line.split() else ""
            if _PORT.fullmatch(name):
                of.setdefault(name, [])
        ports = {name: _port(name, body, known) for name, body in of.items() if _PORT.fullmatch(name)}
        groups = {name: _port(name, body, known) for name, body in of.items() if _LAG.fullmatch(name)}
        lags = {
            name: LagHave(id=name, mode="lacp" if any("lacp" in line for line in of.get(name, ())) else "static")
            for name in {*groups, *(port.lag for port in ports.values() if port.lag)}
        }
        if not ports:
            raise SwitchError("garbled", "`show interfaces terse` shows no port: is juniper_junos the right driver?")
        return SwitchHave(ports=behind(ports, groups), lags=lags, groups=groups, vlans=frozenset(known.values()))

    def lines(self, changes: Changes, have: SwitchHave) -> list[str]:
        out = [f"set vlans crowbar-{vlan} vlan-id {vlan}" for vlan in changes.vlans]
        groups = {_lag(one.name) for one in changes.ports if one.is_lag and one.made} | set(have.lags)
        if any(one.is_lag and one.made for one in changes.ports):
            out.append(f"set chassis aggregated-devices ethernet device-count {max([int(name[2:]) + 1 for name in groups], default=1)}")
        for change in changes.ports:
            out += _of(_lag(change.name) if change.is_lag else change.name, change)
        return out

    def addresses(self, text: str) -> list[SeenAddress]:
        """`v10  00:11:22:33:44:55  D  -  ge-0/0/4.0  0  0` (ELS); `v10 00:... Learn 1:30 ge-0/0/4.0` (before ELS)."""
        out = []
        for mac, _, words in address_rows(text):
            port = next((one for one in words if re.fullmatch(r"(?:(?:fe|ge|mge|xe|et)-\d+/\d+/\d+(?::\d+)?|ae\d+)(?:\.\d+)?", one)), "")
            if port:
                ahead = [age_in(one) for one in words[: words.index(port)] if ":" in one]
                out.append(SeenAddress(mac=mac, port=port.partition(".")[0], age_s=ahead[0] if ahead else -1))
        return out


def _lag(number: str) -> str:
    return number if number.startswith("ae") else f"ae{number}"


def _port(name: str, body: Iterable[str], known: Mapping[str, int]) -> PortHave:
    mode, members, native, lag, text, routed = "access", set[int](), 0, "", "", False
    for line in body:
        if line.startswith("description "):
            text = unquoted(line[12:])
        elif found := re.fullmatch(r"native-vlan-id (\d+)", line):
            native = int(found[1])
        elif found := re.fullmatch(r"(?:gigether-options|ether-options) 802\.3ad (ae\d+)", line):
            lag = found[1]
        elif found := re.fullmatch(r"unit 0 family ethernet-switching (?:interface-mode|port-mode) (\w+)", line):
            mode = found[1]
        elif found := re.fullmatch(r"unit 0 family ethernet-switching vlan members (\S+)", line):
            members.update(_members(found[1], known))
        elif re.match(r"unit \d+ family inet6? ", line):
            routed = True
    if mode == "trunk":
        untagged = native
    else:
        untagged, members = (min(members) if members else 1), set()
    tagged = ALL if len(members) >= len(ALL) else tuple(sorted(members - {untagged}))
    return PortHave(name=name, untagged=untagged, tagged=tagged, lag=lag, description=text, routed=routed)


def _members(word: str, known: Mapping[str, int]) -> Iterable[int]:
    """A VLAN by name or number, a range of numbers, or `all`."""
    if word in known:
        return (known[word],)
    try:
        return vlan_set(word)
    except ValueError:
        return ()


def _of(name: str, change: PortChange) -> Iterable[str]:
    if change.leave:
        yield f"delete interfaces {name} ether-options 802.3ad"
        yield f"delete interfaces {name} gigether-options 802.3ad"
        return
    if change.description is not None:
        yield f'set interfaces {name} description "{safe(change.description)}"'
    if change.is_lag and change.made and change.mode == "lacp":
        yield f"set interfaces {name} aggregated-ether-options lacp active"
        yield f"set interfaces {name} aggregated-ether-options lacp force-up"
    elif change.is_lag and change.made:
        yield f"delete interfaces {name} aggregated-ether-options lacp"
    if change.join:
        yield f"delete interfaces {name} unit 0"
        yield f"delete interfaces {name} native-vlan-id"
        yield f"set interfaces {name} ether-options 802.3ad {_lag(change.join)}"
    if change.vlans is None:
        return
    untagged, tagged = change.vlans
    yield f"delete interfaces {name} {_SWITCHING} vlan members"
    yield f"delete interfaces {name} native-vlan-id"
    if not tagged:
        yield f"set interfaces {name} {_SWITCHING} interface-mode access"
        yield f"set interfaces {name} {_SWITCHING} vlan members {untagged or 1}"
        return
    yield f"set interfaces {name} {_SWITCHING} interface-mode trunk"
    shown = sorted({*tagged, untagged} - {0})
    for part in vlan_text(shown).split(","):
        yield f"set interfaces {name} {_SWITCHING} vlan members {part}"
    if untagged:
        yield f"set interfaces {name} native-vlan-id {untagged}"


JUNOS = JunosDialect()
