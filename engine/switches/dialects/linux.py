"""A Linux machine whose bridge filters VLANs (bridge(8), ip-link(8)); also how Cumulus shows its table of addresses. Pure.

The bridge is the one with `vlan_filtering 1`. Ports are the links in it, those in a bond that is in it, and links in nothing. VLANs need
not be made. Nothing is kept over a restart: the role's next look finds that, and its next run sets it again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ...core.hardware.port_table import VLANS, SeenAddress
from ..table import Changes, LagHave, PortChange, PortHave, SwitchError, SwitchHave, behind
from .dialect import ADDRESSES, MOST, mac_of, safe

_VIRTUAL = frozenset({"bridge", "vlan", "dummy", "vxlan", "tun", "gre", "ipip", "macvlan", "macvtap", "wireguard", "bond"})
"""Kinds of links that are no ports. `veth` is one: a container's cable."""
FDB = "bridge -s -j fdb show"


class LinuxDialect(Struct, frozen=True, kw_only=True):
    name: str = "linux"
    netmiko: str = "linux"
    save: Sequence[str] = ()
    shows_addresses: str = FDB
    configures: bool = False

    @property
    def shows(self) -> Mapping[str, str]:
        return {"links": "ip -j -d link show", "vlans": "bridge -j vlan show"}

    def read(self, outputs: Mapping[str, str]) -> SwitchHave:
        links = {one["ifname"]: one for one in json_list(outputs.get("links", "")) if isinstance(one.get("ifname"), str)}
        bridge = bridge_of(links)
        of = {one.get("ifname"): one.get("vlans") for one in json_list(outputs.get("vlans", ""))}
        every: dict[str, PortHave] = {}
        lags: dict[str, LagHave] = {}
        for name, link in links.items():
            kind = _info(link).get("info_kind", "")
            if kind == "bond" and link.get("master") in (bridge, None):
                data = _info(link).get("info_data")
                lacp = isinstance(data, dict) and data.get("mode") in ("802.3ad", 4)
                lags[name] = LagHave(id=name, mode="lacp" if lacp else "static")
            elif kind in _VIRTUAL or link.get("link_type") != "ether":
                continue
            every[name] = _port(name, link, of.get(name))
        ports = {}
        for name, port in every.items():
            master = links[name].get("master")
            if name in lags or (master not in (None, bridge) and master not in lags):
                continue
            ports[name] = replace(port, lag=str(master)) if master in lags else port
        groups = {name: every[name] for name in lags}
        return SwitchHave(ports=behind(ports, groups), lags=lags, groups=groups, vlans=frozenset(VLANS), bridge=bridge)

    def lines(self, changes: Changes, have: SwitchHave) -> list[str]:
        return [line for change in changes.ports for line in _of(change, have.bridge)]

    def addresses(self, text: str) -> list[SeenAddress]:
        return fdb(text)


def fdb(text: str) -> list[SeenAddress]:
    """Of `bridge -s -j fdb show`: what was learnt. `used` and `updated` are seconds since."""
    out = []
    for one in json_list(text)[:ADDRESSES]:
        mac, port, vlan, age = (one.get(key) for key in ("mac", "ifname", "vlan", "updated"))
        if one.get("state") in ("permanent", "static") or not isinstance(mac, str) or not isinstance(port, str):
            continue
        seen = vlan if isinstance(vlan, int) and vlan in VLANS else 0
        since = age if isinstance(age, int) and age >= 0 else -1
        if mac_of(mac) and one.get("master"):
            out.append(SeenAddress(mac=mac_of(mac), port=port, vlan=seen, age_s=since))
    merged: dict[tuple[str, str], SeenAddress] = {}
    for entry in out:  # an address without a VLAN stands beside the one with it
        old = merged.get((entry.mac, entry.port))
        if old is None or (entry.vlan and not old.vlan):
            merged[entry.mac, entry.port] = entry
    return list(merged.values())


def json_list(text: str) -> list[dict[str, Any]]:
    """The maps of a JSON list that stands somewhere in an output. Raises SwitchError."""
    start, end = text.find("["), text.rfind("]")
    if len(text) > MOST or start < 0 or end < start:
        raise SwitchError("garbled", f"no JSON: {' '.join(text.split())[:80]!r}")
    try:
        found = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        raise SwitchError("garbled", f"no JSON: {' '.join(text.split())[:80]!r}") from None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def bridge_of(links: Mapping[str, Mapping[str, Any]]) -> str:
    """The bridge that filters VLANs. Raises SwitchError if there is none, or several."""
    found = []
    for name, link in links.items():
        data = _info(link).get("info_data")
        if _info(link).get("info_kind") == "bridge" and isinstance(data, dict) and data.get("vlan_filtering") == 1:
            found.append(name)
    if len(found) != 1:
        raise SwitchError("unsupported", f"expected one bridge with vlan_filtering 1, found {', '.join(sorted(found)) or 'none'}")
    return str(found[0])


def _info(link: Mapping[str, Any]) -> Mapping[str, Any]:
    found = link.get("linkinfo")
    return found if isinstance(found, dict) else {}


def _port(name: str, link: Mapping[str, Any], vlans: object) -> PortHave:
    untagged, tagged = 0, set[int]()
    for one in vlans if isinstance(vlans, list) else ():
        first = one.get("vlan") if isinstance(one, dict) else None
        if not isinstance(first, int) or first not in VLANS:
            continue
        flags = one.get("flags") or ()
        last = one.get("vlanEnd") if isinstance(one.get("vlanEnd"), int) else first
        if "PVID" in flags:
            untagged = first
        elif "Egress Untagged" not in flags:
            tagged.update(range(first, min(last, VLANS[-1]) + 1))
    alias = link.get("ifalias")
    return PortHave(
        name=name, untagged=untagged, tagged=tuple(sorted(tagged - {untagged})), description=alias if isinstance(alias, str) else ""
    )


def _of(change: PortChange, bridge: str) -> Iterable[str]:
    name = change.name if not change.is_lag or change.name.startswith("bond") else f"bond{change.name}"
    if change.leave:
        yield f"ip link set dev {name} nomaster"
        yield f"ip link set dev {name} master {bridge}"
        yield f"ip link set dev {name} up"
        return
    if change.is_lag and change.made:
        mode = "802.3ad" if change.mode == "lacp" else "balance-xor"
        yield f"ip link add name {name} type bond mode {mode} miimon 100 || ip link set dev {name} type bond mode {mode}"
        yield f"ip link set dev {name} master {bridge}"
        yield f"ip link set dev {name} up"
    if change.description is not None:
        yield f"ip link set dev {name} alias '{safe(change.description)}'"
    if change.join:
        bond = change.join if change.join.startswith("bond") else f"bond{change.join}"
        yield f"ip link set dev {name} nomaster"
        yield f"ip link set dev {name} down"
        yield f"ip link set dev {name} master {bond}"
        yield f"ip link set dev {name} up"
    if change.vlans is None:
        return
    untagged, tagged = change.vlans
    gone = {*change.was.tagged, change.was.untagged} - {*tagged, untagged, 0}
    yield from (f"bridge vlan add dev {name} vid {vlan}" for vlan in tagged if vlan not in change.was.tagged)
    if untagged:
        yield f"bridge vlan add dev {name} vid {untagged} pvid untagged"
    yield from (f"bridge vlan del dev {name} vid {vlan}" for vlan in sorted(gone))


LINUX = LinuxDialect()
