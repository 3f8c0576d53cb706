"""NVIDIA Cumulus Linux by NVUE. Pure.

Source: Cumulus Linux 5.x User Guide, "VLAN-aware Bridge Mode", "Bonding", and NVUE Object Model. `nv config show -o commands` shows what
was set; `ls /sys/class/net` the ports that nobody set. A port in the bridge carries all of the bridge's VLANs unless it has its own list.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from ...core.hardware.port_table import SeenAddress
from ..table import Changes, LagHave, PortChange, PortHave, SwitchError, SwitchHave, behind, vlan_set, vlan_text
from .dialect import clean, safe
from .linux import FDB, fdb

_BRIDGE = "bridge domain br_default"
_PORT = re.compile(r"swp\d+(?:s\d+)?")
_SPAN = re.compile(r"([a-z_]+(?:\d+s)?)(\d+)-(\d+)")
_MOST = 4096


class NvueDialect(Struct, frozen=True, kw_only=True):
    name: str = "cumulus"
    netmiko: str = "linux"
    save: Sequence[str] = ("nv config save",)
    shows_addresses: str = FDB
    configures: bool = False

    @property
    def shows(self) -> Mapping[str, str]:
        return {"config": "nv config show -o commands", "ports": "ls /sys/class/net"}

    def read(self, outputs: Mapping[str, str]) -> SwitchHave:
        of: dict[str, list[str]] = {}
        vlans: set[int] = {1}
        for line in clean(outputs.get("config", "")):
            if found := re.match(rf"\s*nv set {_BRIDGE} vlan (\S+)", line):
                vlans.update(vlan_set(found[1]))
            elif found := re.match(r"\s*nv set interface (\S+)(?: (.*))?", line):
                for name in names_of(found[1]):
                    of.setdefault(name, []).append((found[2] or "").strip())
        here = [word for line in clean(outputs.get("ports", "")) for word in line.split() if _PORT.fullmatch(word)]
        lag_of: dict[str, str] = {}
        lags: dict[str, LagHave] = {}
        for name, body in of.items():
            for line in body:
                if found := re.match(r"bond member (\S+)", line):
                    lags.setdefault(name, LagHave(id=name, mode="static" if "bond mode static" in body else "lacp"))
                    lag_of |= dict.fromkeys(names_of(found[1]), name)
        every = dict.fromkeys([*here, *(name for name in of if _PORT.fullmatch(name)), *lag_of])
        if not every:
            raise SwitchError("garbled", "`ls /sys/class/net` shows no port swpN: is cumulus the right driver?")
        groups = {name: _port(name, of.get(name, ()), vlans) for name in lags}
        ports = {name: replace(_port(name, of.get(name, ()), vlans), lag=lag_of.get(name, "")) for name in every}
        return SwitchHave(ports=behind(ports, groups), lags=lags, groups=groups, vlans=frozenset(vlans))

    def lines(self, changes: Changes, have: SwitchHave) -> list[str]:
        out = [f"nv set {_BRIDGE} vlan {vlan_text(changes.vlans)}"] if changes.vlans else []
        for change in changes.ports:
            out += _of(change)
        return [*out, "nv config apply -y"] if out else []

    def addresses(self, text: str) -> list[SeenAddress]:
        return fdb(text)


def names_of(text: str) -> list[str]:
    """`swp1-3,bond1` -> its names, at most 4,096."""
    out: list[str] = []
    for part in text.split(","):
        found = _SPAN.fullmatch(part)
        if found:
            out += [f"{found[1]}{number}" for number in range(int(found[2]), min(int(found[3]), int(found[2]) + _MOST) + 1)]
        elif re.fullmatch(r"[A-Za-z][\w.-]*", part):
            out.append(part)
    return out[:_MOST]


def _port(name: str, body: Iterable[str], vlans: set[int]) -> PortHave:
    bridged, access, untagged, own, text, routed = False, 0, 1, None, "", False
    for line in body:
        if line.startswith("description "):
            text = _word(line[12:])
        elif line.startswith("ip address "):
            routed = True
        elif line == _BRIDGE or line.startswith(f"{_BRIDGE} "):
            bridged = True
            word, _, value = line.removeprefix(_BRIDGE).strip().partition(" ")
            if word == "access" and value.isdecimal():
                access = int(value)
            elif word == "untagged":
                untagged = int(value) if value.isdecimal() else 0
            elif word == "vlan":
                own = {*(own or ()), *vlan_set(value)}
    if not bridged:
        return PortHave(name=name, description=text, routed=routed)
    if access:
        return PortHave(name=name, untagged=access, description=text)
    tagged = (vlans if own is None else own) - {untagged}
    return PortHave(name=name, untagged=untagged, tagged=tuple(sorted(tagged)), description=text)


def _word(text: str) -> str:
    try:
        return " ".join(shlex.split(text))
    except ValueError:
        return text.strip()


def _of(change: PortChange) -> list[str]:
    name = change.name if not change.is_lag or change.name.startswith("bond") else f"bond{change.name}"
    out: list[str] = []
    if change.leave:
        return [f"nv unset interface {change.leave} bond member {name}"]
    if change.is_lag and change.made:
        out.append(f"nv set interface {name} bond mode {'lacp' if change.mode == 'lacp' else 'static'}")
        out += [f"nv set interface {name} bond lacp-bypass on"] if change.mode == "lacp" else []
    if change.description is not None:
        out.append(f"nv set interface {name} description '{safe(change.description)}'")
    if change.join:
        bond = change.join if change.join.startswith("bond") else f"bond{change.join}"
        out += [f"nv unset interface {name} bridge", f"nv set interface {bond} bond member {name}"]
    if change.vlans is not None:
        untagged, tagged = change.vlans
        on = f"interface {name} {_BRIDGE}"
        out += [f"nv unset interface {name} bridge", f"nv set {on}"]
        if tagged:
            out += [f"nv set {on} untagged {untagged or 'none'}", f"nv set {on} vlan {vlan_text(tagged)}"]
        else:
            out.append(f"nv set {on} access {untagged or 1}")
    return out


NVUE = NvueDialect()
