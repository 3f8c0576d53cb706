"""The family of Cisco's IOS: IOS and IOS XE, NX-OS, Arista EOS, Dell OS10 and Dell Enterprise SONiC. Pure.

All have stanzas `interface NAME`, `switchport` lines and `channel-group N mode active`. They differ in the points of `IosDialect`.

Sources: Cisco IOS Interface and LAN Switching Command Reference; Cisco Nexus 9000 NX-OS Interfaces Configuration Guide; Arista EOS User
Manual (VLANs, Port Channels); Dell OS10 Enterprise Edition User Guide (VLAN, LAG); Dell Enterprise SONiC User Guide (Management CLI).
Trap: on EOS and NX-OS a port without any `switchport` line is an access port of VLAN 1, or routed if the system's default is so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from ...core.hardware.port_table import SeenAddress
from ..table import ALL, Changes, LagHave, PortChange, PortHave, SwitchError, SwitchHave, behind, vlan_set, vlan_text
from .dialect import address_rows, age_in, clean, safe, stanzas, unquoted

_VLAN_HEAD = re.compile(r"vlan ([0-9][0-9, -]*)", re.IGNORECASE)
_VLAN_PORT = re.compile(r"interface vlan ?(\d+)", re.IGNORECASE)
_LAG = re.compile(r"interface port-?channel ?(\d+)", re.IGNORECASE)
_PORT = re.compile(r"interface ((?:[a-z]+ ?)?[a-z]*ethernet ?[0-9/:]+|(?:eth|swp) ?[0-9/:]+|[a-z]+gige ?[0-9/:]+)", re.IGNORECASE)
_VLAN_ROW = re.compile(r"(\d{1,4}) +\S+ +(?:active|act/lshut|sus)")
_GROUP = re.compile(r"channel-group (\d+)(?: force)?(?: mode (\w+))?", re.IGNORECASE)


class IosDialect(Struct, frozen=True, kw_only=True):
    """One of the family."""

    name: str
    netmiko: str
    save: Sequence[str]
    lag: str
    """Name of a group: `Port-channel{}`."""
    shows_config: str = "show running-config"
    shows_addresses: str = "show mac address-table"
    configures: bool = True
    vlan_interfaces: bool = False
    """VLANs are made by `interface vlan N`, not `vlan N`."""
    access_untagged: bool = False
    """The untagged VLAN of a trunk is `switchport access vlan`, not `switchport trunk native vlan`."""
    fallback: tuple[str, ...] = ()
    """Lines of a group by which a machine that boots without LACP passes (PXE). Empty: it passes anyway."""
    before: tuple[str, ...] = ()
    """Lines before a group is made."""
    static: str = "on"
    """Word for a group without LACP."""
    default_routed: bool = False
    """A port without `switchport` lines is routed."""
    modes: bool = True
    """A port has a mode, access or trunk."""
    vlan_word: str = ""
    """Before the VLANs of a `switchport` line: `Vlan ` of SONiC."""
    clears_tagged: bool = False
    """`no switchport trunk allowed` comes before a shorter list: OS10 and SONiC add to the present one."""

    shows_vlans: str = ""
    """Shows VLANs that are not in the configuration."""
    joins: tuple[str, ...] = ()
    """Lines of a port before it joins a group."""
    force: str = ""
    """Behind a group's number: the port takes over the group's VLANs."""

    @property
    def shows(self) -> Mapping[str, str]:
        return {"config": self.shows_config} | ({"vlans": self.shows_vlans} if self.shows_vlans else {})

    def addresses(self, text: str) -> list[SeenAddress]:
        return [one for mac, before, words in address_rows(text) if (one := _address(mac, before, words)) is not None]

    # -- reading ---------------------------------------------------------------------------------------------------

    def read(self, outputs: Mapping[str, str]) -> SwitchHave:
        ports: dict[str, PortHave] = {}
        groups: dict[str, PortHave] = {}
        modes: dict[str, LagHave] = {}
        vlans, static = {1}, set[str]()
        for head, body in stanzas(clean(outputs.get("config", ""))):
            if found := _VLAN_HEAD.fullmatch(head):
                vlans.update(vlan_set(found[1]))
            elif found := _VLAN_PORT.match(head):
                vlans.add(int(found[1]))
            elif found := _LAG.match(head):
                groups[found[1]] = self._port(found[1], body)
                static |= {found[1]} if head.endswith(" mode on") else set()
                modes.setdefault(found[1], LagHave(id=found[1], mode="static" if found[1] in static else "lacp"))
            elif found := _PORT.fullmatch(head):
                port = self._port(found[1], body)
                ports[port.name] = port
                for line in body:
                    if member := _GROUP.match(line):
                        modes[member[1]] = LagHave(id=member[1], mode="static" if member[2] == "on" or member[1] in static else "lacp")
        vlans.update(int(found[1]) for line in clean(outputs.get("vlans", "")) if (found := _VLAN_ROW.match(line)))
        if not ports:
            raise SwitchError("garbled", f"`{self.shows_config}` shows no port: is {self.name} the right driver?")
        return SwitchHave(ports=behind(ports, groups), lags=modes, groups=groups, vlans=frozenset(vlans))

    def _port(self, name: str, body: list[str]) -> PortHave:
        mode, access, native, lag, text = "", 0, 0, "", ""
        allowed: tuple[int, ...] = ()
        told, routed = False, self.default_routed
        for line in (" ".join(one.split()) for one in body):
            low = line.lower()
            if low.startswith("description "):
                text = unquoted(line[12:])
            elif low == "no switchport" or low.startswith(("ip address ", "ipv6 address ")):
                routed = True
            elif low.startswith("switchport"):
                routed = False
                if low.startswith("switchport mode "):
                    mode = low.split()[2]
                elif low.startswith("switchport access vlan "):
                    access = _number(low)
                elif low.startswith("switchport trunk native vlan "):
                    native = _number(low)
                elif low.startswith("switchport trunk allowed vlan "):
                    words = low.removeprefix("switchport trunk allowed vlan ")
                    allowed = (*allowed, *_vlans(words.removeprefix("add ")))
                    told = True
            elif found := _GROUP.match(line):
                lag = found[1]
        trunk = mode in ("trunk", "general") or (not self.modes and told)
        if self.access_untagged:
            untagged = access or 1
        else:
            untagged = (native or 1) if trunk else (access or 1)
        tagged = () if not trunk else tuple(sorted(set(allowed))) if told else () if self.access_untagged else ALL
        if not self.access_untagged and trunk and untagged not in tagged:
            untagged = 0  # frames without a tag are dropped
        return PortHave(
            name=name, untagged=untagged, tagged=tuple(v for v in tagged if v != untagged), lag=lag, description=text, routed=routed
        )

    # -- writing ---------------------------------------------------------------------------------------------------

    def lines(self, changes: Changes, have: SwitchHave) -> list[str]:
        out: list[str] = []
        for vlan in changes.vlans:
            out += [f"interface {'Vlan ' if self.vlan_word else 'vlan '}{vlan}" if self.vlan_interfaces else f"vlan {vlan}", "exit"]
        if any(one.made for one in changes.ports):
            out += self.before
        for change in changes.ports:
            name = self.lag.format(change.name) if change.is_lag else change.name
            static = " mode on" if change.made and change.mode == "static" and not self.modes else ""
            out += [f"interface {name}{static}", *self._of(change), "exit"]
        return out

    def _of(self, change: PortChange) -> list[str]:
        out: list[str] = []
        if change.leave:
            return ["no channel-group"]
        if change.made and change.mode == "lacp":
            out += self.fallback
        if change.description is not None:
            out.append(f"description {self._quoted(change.description)}")
        if change.join:
            active = f" mode {'active' if change.mode == 'lacp' else self.static}" if self.modes else ""
            out += [*self.joins, f"channel-group {change.join}{self.force}{active}"]
        if change.vlans is not None:
            out += self._vlan_lines(change.was, *change.vlans)
        return out

    def _quoted(self, text: str) -> str:
        return f'"{safe(text)}"' if self.name in ("dell_os10", "dell_sonic") else safe(text)

    def _vlan_lines(self, was: PortHave, untagged: int, tagged: tuple[int, ...]) -> list[str]:
        word, out = self.vlan_word or "vlan ", list[str]()
        if self.name == "cisco_nxos" and not was.routed:
            out.append("switchport")
        if not tagged and self.modes:
            return [*out, "switchport mode access", f"switchport access vlan {untagged or 1}"]
        if self.modes:
            out.append("switchport mode trunk")
        shown = (*tagged, untagged) if untagged and not self.access_untagged else tagged
        if self.access_untagged:
            if untagged:
                out.append(f"switchport access {word}{untagged}")
        elif untagged:
            out.append(f"switchport trunk native {word}{untagged}")
        if self.clears_tagged and (surplus := sorted(set(was.tagged) - set(tagged))):
            removed = vlan_text(surplus)
            out.append(
                f"no switchport trunk allowed vlan {removed}" if not self.vlan_word else f"switchport trunk allowed Vlan remove {removed}"
            )
            shown = tuple(sorted(set(tagged) - set(was.tagged)))
        added = "add " if self.vlan_word else ""
        return [*out, *(f"switchport trunk allowed {word}{added}{part}" for part in _parts(shown, self.clears_tagged))]


def _parts(vlans: tuple[int, ...], adds: bool) -> list[str]:
    """The list in lines that every member of the family takes (IOS ends at about 250 characters)."""
    text = vlan_text(vlans)
    words, out = text.split(",") if text else [], list[str]()
    while words:
        out.append(",".join(words[:30]))
        words = words[30:]
    return out[:1] + [part if adds else f"add {part}" for part in out[1:]]


def _vlans(text: str) -> tuple[int, ...]:
    return vlan_set(text.replace("vlan ", ""))


def _number(line: str) -> int:
    last = line.split()[-1]
    return int(last) if last.isdecimal() and 1 <= int(last) <= 4094 else 0


def _address(mac: str, before: str, words: list[str]) -> SeenAddress | None:
    """IOS: `  10  0011.2233.4455  DYNAMIC  Gi1/0/4`. NX-OS: `* 10 0011.2233.4455 dynamic 120 F F Eth1/4`. EOS: `10 MAC DYNAMIC Et4 1
    0:01:30 ago`. OS10 and SONiC: `10 MAC dynamic ethernet1/1/4`. In all the port is the first word that names one."""
    vlan = next((int(one) for one in reversed(before.split()) if one.isdecimal()), 0)
    port = next((one for one in words if re.fullmatch(r"[A-Za-z-]+[0-9][0-9/:.]*", one) and not one.startswith("0x")), "")
    if not port:
        return None
    place = words.index(port)
    after, ahead = " ".join(words[place + 1 :]), [age_in(one) for one in words[:place] if one.isdecimal()]
    age = age_in(after) if ":" in after else ahead[0] if ahead else -1
    return SeenAddress(mac=mac, port=port, vlan=vlan if 1 <= vlan <= 4094 else 0, age_s=age)


IOS = IosDialect(name="cisco_ios", netmiko="cisco_ios", save=("write memory",), lag="Port-channel{}", shows_vlans="show vlan brief")
NXOS = IosDialect(
    name="cisco_nxos",
    netmiko="cisco_nxos",
    save=("copy running-config startup-config",),
    lag="port-channel{}",
    before=("feature lacp",),
    force=" force",
    fallback=("no lacp suspend-individual",),
)
EOS = IosDialect(
    name="arista_eos",
    netmiko="arista_eos",
    save=("write memory",),
    lag="Port-Channel{}",
    fallback=("port-channel lacp fallback individual",),
)
OS10 = IosDialect(
    name="dell_os10",
    netmiko="dell_os10",
    save=("write memory",),
    lag="port-channel{}",
    vlan_interfaces=True,
    access_untagged=True,
    clears_tagged=True,
    fallback=("lacp fallback enable",),
    joins=("no switchport",),
)
SONIC = IosDialect(
    name="dell_sonic",
    netmiko="dell_sonic",
    save=("write memory",),
    lag="PortChannel {}",
    vlan_interfaces=True,
    access_untagged=True,
    clears_tagged=True,
    modes=False,
    vlan_word="Vlan ",
)
