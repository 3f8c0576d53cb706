"""HPE Comware (H3C), versions 5 and 7. Pure.

Source: HPE FlexNetwork Layer 2 - LAN Switching Command Reference (VLAN, Ethernet link aggregation). A trunk carries VLAN 1 unless
`undo port trunk permit vlan 1` says otherwise. A port of type hybrid has its own lists of tagged and untagged VLANs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from ...core.hardware.port_table import SeenAddress
from ..table import Changes, LagHave, PortChange, PortHave, SwitchError, SwitchHave, behind, vlan_set, vlan_text
from .dialect import address_rows, age_in, clean, safe, stanzas

_PORT = re.compile(r"interface ([A-Za-z-]*(?:Ethernet|GigE)\d+(?:/\d+){1,3}(?::\d+)?)")
_LAG = re.compile(r"interface Bridge-Aggregation ?(\d+)")
_VLAN = re.compile(r"vlan (\d+(?: to \d+)?(?: \d+(?: to \d+)?)*)")


class ComwareDialect(Struct, frozen=True, kw_only=True):
    name: str = "hp_comware"
    netmiko: str = "hp_comware"
    save: Sequence[str] = ("save force",)
    shows_addresses: str = "display mac-address"
    configures: bool = True

    @property
    def shows(self) -> Mapping[str, str]:
        return {"config": "display current-configuration"}

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
                lags[found[1]] = LagHave(id=found[1], mode="lacp" if "link-aggregation mode dynamic" in body else "static")
            elif found := _PORT.fullmatch(head):
                ports[found[1]] = _port(found[1], body)
        if not ports:
            raise SwitchError("garbled", "`display current-configuration` shows no port: is hp_comware the right driver?")
        return SwitchHave(ports=behind(ports, groups), lags=lags, groups=groups, vlans=frozenset(vlans))

    def lines(self, changes: Changes, have: SwitchHave) -> list[str]:
        out = [line for vlan in changes.vlans for line in (f"vlan {vlan}", "quit")]
        for change in changes.ports:
            out += [f"interface {'Bridge-Aggregation ' if change.is_lag else ''}{change.name}", *_of(change), "quit"]
        return out

    def addresses(self, text: str) -> list[SeenAddress]:
        """`0011-2233-4455  10  Learned  GigabitEthernet1/0/4  Y` (7), `... 10 Learned GE1/0/4 AGING` (5)."""
        out = []
        for mac, _, words in address_rows(text):
            if len(words) >= 3 and words[0].isdecimal() and 1 <= int(words[0]) <= 4094:
                out.append(SeenAddress(mac=mac, port=words[2], vlan=int(words[0]), age_s=age_in(words[3]) if len(words) > 3 else -1))
        return out


def _port(name: str, body: list[str]) -> PortHave:
    kind, access, pvid, lag, text, routed = "access", 1, 1, "", "", False
    permitted, tagged, untagged = {1}, set[int](), {1}
    for line in body:
        words = line.split()
        if line.startswith("description "):
            text = line[12:].strip()
        elif line.startswith("port link-type "):
            kind = words[2]
        elif line.startswith("port access vlan "):
            access = int(words[3]) if words[3].isdecimal() else 1
        elif line.startswith(("port trunk pvid vlan ", "port hybrid pvid vlan ")):
            pvid = int(words[4]) if words[4].isdecimal() else 1
        elif line.startswith("undo port trunk permit vlan "):
            permitted -= set(vlan_set(line.removeprefix("undo port trunk permit vlan ")))
        elif line.startswith("port trunk permit vlan "):
            permitted |= set(vlan_set(line.removeprefix("port trunk permit vlan ")))
        elif line.startswith("undo port hybrid vlan "):
            untagged -= set(vlan_set(line.removeprefix("undo port hybrid vlan ")))
        elif found := re.fullmatch(r"port hybrid vlan (.+) (tagged|untagged)", line):
            (tagged if found[2] == "tagged" else untagged).update(vlan_set(found[1]))
        elif found := re.fullmatch(r"port link-aggregation group (\d+)(?: .*)?", line):
            lag = found[1]
        elif line == "port link-mode route" or line.startswith("ip address "):
            routed = True
    if kind == "trunk":
        native = pvid if pvid in permitted else 0
        return PortHave(name=name, untagged=native, tagged=tuple(sorted(permitted - {native})), lag=lag, description=text, routed=routed)
    if kind == "hybrid":
        native = pvid if pvid in untagged else 0
        return PortHave(name=name, untagged=native, tagged=tuple(sorted(tagged - {native})), lag=lag, description=text, routed=routed)
    return PortHave(name=name, untagged=access, lag=lag, description=text, routed=routed)


def _of(change: PortChange) -> list[str]:
    if change.leave:
        return ["undo port link-aggregation group"]
    out: list[str] = []
    if change.is_lag and change.made:
        out += ["link-aggregation mode dynamic", "lacp edge-port"] if change.mode == "lacp" else ["undo link-aggregation mode"]
    if change.description is not None:
        out.append(f"description {safe(change.description)}")
    if change.join:
        out += ["port link-type access", "undo port access vlan", f"port link-aggregation group {change.join}"]
    if change.vlans is not None:
        untagged, tagged = change.vlans
        if not tagged:
            return [*out, "port link-type access", f"port access vlan {untagged or 1}"]
        shown = {*tagged, untagged} - {0}
        out.append("port link-type trunk")
        if surplus := sorted({*change.was.tagged, change.was.untagged, 1} - shown - {0}):
            out.append(f"undo port trunk permit vlan {vlan_text(surplus, ' to ', ' ')}")
        out += [f"port trunk permit vlan {part}" for part in _tens(vlan_text(shown, " to ", ","))]
        if untagged:
            out.append(f"port trunk pvid vlan {untagged}")
    return out


def _tens(text: str) -> list[str]:
    """Comware takes ten ranges in a line."""
    parts = text.split(",")
    return [" ".join(parts[i : i + 10]) for i in range(0, len(parts), 10)]


COMWARE = ComwareDialect()
