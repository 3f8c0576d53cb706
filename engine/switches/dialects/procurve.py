"""HPE ProCurve and ArubaOS-Switch. Pure.

Source: ArubaOS-Switch Advanced Traffic Management Guide (static VLANs) and Management and Configuration Guide (port trunking). The VLANs
have the ports, not the ports the VLANs: `vlan 10 / untagged 1-3 / tagged 4,Trk1`. A port is untagged in at most one VLAN. All ports are
untagged in VLAN 1 until another VLAN has them. `trunk 1-2 trk1 lacp` makes a group; its VLANs are those of `Trk1`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from ...core.hardware.port_names import natural
from ...core.hardware.port_table import SeenAddress
from ..table import Changes, LagHave, PortChange, PortHave, SwitchError, SwitchHave
from .dialect import address_rows, clean, safe, stanzas, unquoted

_TRUNK = re.compile(r"trunk (\S+) [Tt]rk(\d+) (\w+)")
_VLAN = re.compile(r"vlan (\d{1,4})")
_PORT = re.compile(r"interface (?:ethernet )?([A-Z]?\d+(?:/[A-Z]?\d+)?)")
_SPAN = re.compile(r"([A-Za-z/0-9]*?)(\d+)-([A-Za-z/0-9]*?)(\d+)")
_STATUS = re.compile(r"\s*([A-Z]?\d+(?:/[A-Z]?\d+)?)(?:-Trk(\d+))?\s+\S")
_PORTS = 4096


class ProcurveDialect(Struct, frozen=True, kw_only=True):
    name: str = "hp_procurve"
    netmiko: str = "hp_procurve"
    save: Sequence[str] = ("write memory",)
    shows_addresses: str = "show mac-address"
    configures: bool = True

    @property
    def shows(self) -> Mapping[str, str]:
        return {"config": "show running-config", "ports": "show interfaces brief"}

    def read(self, outputs: Mapping[str, str]) -> SwitchHave:
        names, lag_of, lags, ports = dict[str, str](), dict[str, str](), dict[str, LagHave](), dict[str, PortHave]()
        untagged, tagged = dict[str, int](), dict[str, set[int]]()
        vlans: set[int] = {1}
        known = [found[1] for line in clean(outputs.get("ports", "")) if (found := _STATUS.match(line))]
        for head, body in stanzas(clean(outputs.get("config", ""))):
            if found := _TRUNK.fullmatch(head):
                lags[found[2]] = LagHave(id=found[2], mode="lacp" if found[3].lower() == "lacp" else "static")
                lag_of |= dict.fromkeys(port_list(found[1]), found[2])
            elif found := _PORT.fullmatch(head):
                names[found[1]] = next((unquoted(line[5:]) for line in body if line.startswith("name ")), "")
                known.append(found[1])
            elif found := _VLAN.fullmatch(head):
                vlan = int(found[1])
                vlans.add(vlan)
                for line in body:
                    word, _, rest = line.partition(" ")
                    for port in port_list(rest) if word in ("untagged", "tagged") else ():
                        if word == "untagged":
                            untagged[port] = vlan
                        else:
                            tagged.setdefault(port, set()).add(vlan)
        every = dict.fromkeys(sorted({*known, *untagged, *tagged, *lag_of}, key=natural))
        if not every:
            raise SwitchError("garbled", "`show interfaces brief` shows no port: is hp_procurve the right driver?")

        keys = {name: f"Trk{lag_of[name]}" if name in lag_of else name for name in every if not name.startswith("Trk")}
        ports = {
            name: PortHave(
                name=name,
                untagged=untagged.get(key, 0),
                tagged=tuple(sorted(tagged.get(key, ()))),
                lag=lag_of.get(name, ""),
                description=names.get(name, ""),
            )
            for name, key in keys.items()
        }
        groups = {
            lag: PortHave(name=lag, untagged=untagged.get(f"Trk{lag}", 0), tagged=tuple(sorted(tagged.get(f"Trk{lag}", ()))))
            for lag in lags
        }
        return SwitchHave(ports=ports, lags=lags, groups=groups, vlans=frozenset(vlans), nameless=True)

    def lines(self, changes: Changes, have: SwitchHave) -> list[str]:
        out = [line for vlan in changes.vlans for line in (f"vlan {vlan}", "exit")]
        members: dict[str, list[str]] = {}
        for change in changes.ports:
            if change.join:
                members.setdefault(change.join, []).append(change.name)
        grouped = {one.name for one in changes.ports if one.is_lag}
        for change in changes.ports:
            if change.leave:
                out.append(f"no trunk {change.name}")
            elif change.is_lag:
                there = members.get(change.name, [])
                out += [f"trunk {','.join(there)} trk{change.name} {_word(change)}"] if there else []
                out += _vlan_lines(f"Trk{change.name}", change)
            else:
                if change.join and change.join not in grouped:
                    out.append(f"trunk {change.name} trk{change.join} {_word(change)}")
                if change.description is not None:
                    out += [f"interface {change.name}", f'name "{safe(change.description)}"', "exit"]
                out += _vlan_lines(change.name, change)
        return out

    def addresses(self, text: str) -> list[SeenAddress]:
        """`001122-334455 4 10`: port and VLAN; older versions have no VLAN."""
        out = []
        for mac, _, words in address_rows(text):
            if words:
                vlan = int(words[1]) if len(words) > 1 and words[1].isdecimal() else 0
                out.append(SeenAddress(mac=mac, port=words[0], vlan=vlan if 1 <= vlan <= 4094 else 0))
        return out


def _word(change: PortChange) -> str:
    return "lacp" if change.mode == "lacp" else "trunk"


def _vlan_lines(port: str, change: PortChange) -> Iterable[str]:
    if change.vlans is None:
        return
    untagged, tagged = change.vlans
    for vlan in tagged:
        if vlan not in change.was.tagged:
            yield from (f"vlan {vlan}", f"tagged {port}", "exit")
    if untagged and untagged != change.was.untagged:
        yield from (f"vlan {untagged}", f"untagged {port}", "exit")
    for vlan in change.was.tagged:
        if vlan not in tagged and vlan != untagged:
            yield from (f"vlan {vlan}", f"no tagged {port}", "exit")


def port_list(text: str) -> list[str]:
    """`1-3,A4,Trk1` -> its ports, at most 4,096. A part that is no list is left out."""
    out: list[str] = []
    for part in text.replace(" ", "").split(","):
        found = _SPAN.fullmatch(part)
        if found and found[1] == (found[3] or found[1]):
            first, last = int(found[2]), int(found[4])
            out += [f"{found[1]}{number}" for number in range(first, min(last, first + _PORTS) + 1)]
        elif re.fullmatch(r"[A-Za-z]{0,3}\d+(?:/[A-Z]?\d+)?", part):
            out.append(part[:1].upper() + part[1:].lower() if part.lower().startswith("trk") else part)
    return out[:_PORTS]


PROCURVE = ProcurveDialect()
