"""Aruba AOS-CX. Pure.

Source: AOS-CX 10.x Layer 2 Bridging Guide (VLANs) and Link Aggregation Guide. A port is routed until it has `no routing` or a `vlan` line
on some models, so a group that is made gets `no routing`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from ...core.hardware.port_table import SeenAddress
from ..table import ALL, Changes, LagHave, PortChange, PortHave, SwitchError, SwitchHave, behind, vlan_set, vlan_text
from .dialect import address_rows, clean, safe, stanzas, unquoted

_PORT = re.compile(r"interface (\d+(?:/\d+){0,2}(?::\d+)?)")
_LAG = re.compile(r"interface lag ?(\d+)(?: multi-chassis.*)?")
_VLAN = re.compile(r"vlan (\d[\d,-]*)")


class AosCxDialect(Struct, frozen=True, kw_only=True):
    name: str = "aruba_aoscx"
    netmiko: str = "aruba_aoscx"
    save: Sequence[str] = ("write memory",)
    shows_addresses: str = "show mac-address-table"
    configures: bool = True

    @property
    def shows(self) -> Mapping[str, str]:
        return {"config": "show running-config"}

    def read(self, outputs: Mapping[str, str]) -> SwitchHave:
        ports: dict[str, PortHave] = {}
        groups: dict[str, PortHave] = {}
        lags: dict[str, LagHave] = {}
        vlans: set[int] = {1}
        for head, body in stanzas(clean(outputs.get("config", ""))):
            if found := _VLAN.fullmatch(head):
                vlans.update(vlan_set(found[1]))
            elif found := _LAG.fullmatch(head):
                groups[found[1]] = _port(found[1], body)
                lags[found[1]] = LagHave(id=found[1], mode="lacp" if any(line.startswith("lacp mode ") for line in body) else "static")
            elif found := _PORT.fullmatch(head):
                ports[found[1]] = _port(found[1], body)
        if not ports:
            raise SwitchError("garbled", "`show running-config` shows no port: is aruba_aoscx the right driver?")
        return SwitchHave(ports=behind(ports, groups), lags=lags, groups=groups, vlans=frozenset(vlans))

    def lines(self, changes: Changes, have: SwitchHave) -> list[str]:
        out = [line for vlan in changes.vlans for line in (f"vlan {vlan}", "exit")]
        for change in changes.ports:
            out += [f"interface {'lag ' if change.is_lag else ''}{change.name}", *_of(change), "exit"]
        return out

    def addresses(self, text: str) -> list[SeenAddress]:
        """`00:11:22:33:44:55  10  dynamic  1/1/4`."""
        out = []
        for mac, _, words in address_rows(text):
            if len(words) >= 3 and words[0].isdecimal() and 1 <= int(words[0]) <= 4094:
                out.append(SeenAddress(mac=mac, port=words[2], vlan=int(words[0])))
        return out


def _port(name: str, body: list[str]) -> PortHave:
    untagged, tagged, lag, text, trunk, routed = 1, tuple[int, ...](), "", "", False, False
    native_only = False
    for line in body:
        if line.startswith("description "):
            text = unquoted(line[12:])
        elif found := re.fullmatch(r"vlan access (\d+)", line):
            untagged, trunk = int(found[1]), False
        elif found := re.fullmatch(r"vlan trunk native (\d+)( tag)?", line):
            untagged, trunk, native_only = int(found[1]), True, bool(found[2])
        elif line.startswith("vlan trunk allowed "):
            trunk = True
            tagged = tuple(sorted({*tagged, *vlan_set(line.removeprefix("vlan trunk allowed "))}))
        elif found := re.fullmatch(r"lag (\d+)", line):
            lag = found[1]
        elif line == "routing" or line.startswith("ip address "):
            routed = True
    if trunk and not any(line.startswith("vlan trunk allowed ") for line in body):
        tagged = ALL
    if trunk and (untagged not in tagged or native_only):
        untagged = 0
    return PortHave(
        name=name, untagged=untagged, tagged=tuple(v for v in tagged if v != untagged), lag=lag, description=text, routed=routed
    )


def _of(change: PortChange) -> list[str]:
    if change.leave:
        return [f"no lag {change.leave}"]
    out: list[str] = []
    if change.is_lag and change.made:
        out += ["no shutdown", "no routing"]
        out += ["lacp mode active", "lacp fallback"] if change.mode == "lacp" else ["no lacp mode"]
    if change.description is not None:
        out.append(f"description {safe(change.description)}")
    if change.join:
        out.append(f"lag {change.join}")
    if change.vlans is not None:
        untagged, tagged = change.vlans
        if not tagged:
            return (
                [*out, "no vlan trunk allowed", "no vlan trunk native", f"vlan access {untagged or 1}"]
                if change.was.tagged
                else [
                    *out,
                    f"vlan access {untagged or 1}",
                ]
            )
        if untagged:
            out.append(f"vlan trunk native {untagged}")
        surplus = sorted(set(change.was.tagged) - set(tagged)) if change.was.tagged else []
        if surplus:
            out.append(f"no vlan trunk allowed {vlan_text(surplus)}" if len(change.was.tagged) < len(ALL) else "no vlan trunk allowed")
        out.append(f"vlan trunk allowed {vlan_text((*tagged, untagged) if untagged else tagged)}")
    return out


AOSCX = AosCxDialect()
