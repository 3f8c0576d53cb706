"""Have against want: the changes that make a switch's ports what the plan wants. Pure.

Rules
* Only ports of the wanted table are changed. VLANs are made and never deleted: another port may need them.
* The engine's own way is never changed: the port of its own cable, the port behind which the switch sees one of its MACs, and every group
  that one of these belongs to. A wish for such a port is refused with the reason.
* A port that the switch does not have is refused: the plan or the cable is wrong.
* A wished group is the one that already has one of its ports, if only wished ports are in it; or one without ports that has its name.
  Otherwise it is the lowest free number. So a second run finds the first run's group.
* Untagged 0 keeps the port's untagged VLAN. A port that is routed is refused.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..core.hardware.port_names import canonical_port, natural
from ..core.hardware.port_table import OwnPath, PortWish, SeenAddress, WantedPorts
from .table import Changes, PortChange, PortHave, SwitchHave

LAGS = range(1, 128)
"""Numbers that groups may get. NX-OS, EOS and IOS have more; 128 is the limit of Dell OS10 and of small switches."""


def difference(have: SwitchHave, want: WantedPorts, seen: Iterable[SeenAddress] = ()) -> Changes:
    """What is to be done. Empty changes: the switch is as wanted. `seen`: its table of addresses, to find the engine's own way."""
    names = {canonical_port(name): name for name in have.ports}
    own = _own_ports(have, want.own, seen, names)
    refused: list[str] = [f"{port}: {why}" for port, why in want.left.items()]
    wishes: dict[str, PortWish] = {}
    for wish in want.ports:
        name = names.get(canonical_port(wish.port), "")
        why = _barred(have, name, own)
        if why:
            refused.append(f"{wish.port}: {why}")
        elif name:
            wishes[name] = wish
    lags, odd = _lags(have, wishes, own)
    refused += odd
    wishes = {name: wish for name, wish in wishes.items() if not wish.lag or wish.lag in lags}
    vlans = {vlan for wish in wishes.values() for vlan in (*wish.tagged, wish.untagged) if vlan} - have.vlans
    return Changes(vlans=tuple(sorted(vlans)), ports=tuple(_changes(have, wishes, lags)), refused=tuple(refused))


def _own_ports(have: SwitchHave, own: OwnPath, seen: Iterable[SeenAddress], names: dict[str, str]) -> dict[str, str]:
    """Ports and groups (`lag ID`) of the engine's own way -> what shows it."""
    out: dict[str, str] = {}
    if own.port:
        out[names.get(canonical_port(own.port), own.port)] = "the engine's own cable ends there"
    macs = {mac.lower() for mac in own.macs}
    for entry in seen:
        if entry.mac.lower() in macs:
            name = names.get(canonical_port(entry.port))
            why = f"the switch sees the engine's own MAC {entry.mac} there"
            lag = next((one for one in have.lags if canonical_port(_bare(one)) == canonical_port(_bare(entry.port))), "")
            out.setdefault(name if name is not None else f"lag {lag}", why)
    for name in list(out):
        lag = have.ports[name].lag if name in have.ports else name.removeprefix("lag ") if name.startswith("lag ") else ""
        if lag:
            out[f"lag {lag}"] = out[name]
            out |= {one.name: out[name] for one in have.ports.values() if one.lag == lag}
    return out


def _bare(name: str) -> str:
    """The number of a group: `12` of `Port-channel12`, `bond_n1` of itself."""
    digits = name.lstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ- ")
    return digits if digits.isdecimal() else name


def _barred(have: SwitchHave, name: str, own: dict[str, str]) -> str:
    """Why nothing is done to that port. Empty: it may be changed."""
    if not name:
        some = ", ".join(sorted(have.ports, key=natural)[:3])
        return f"the switch has no such port (it has {some or 'none'} ...): correct the cable in the plan"
    if name in own:
        return f"{own[name]}, so the engine does not change it: correct the plan, or set the port by hand"
    if have.ports[name].routed:
        return "it is a routed port with addresses of its own: make it a switch port by hand"
    return ""


def _lags(have: SwitchHave, wishes: dict[str, PortWish], own: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Wished group -> id on the switch; and refusals of groups."""
    members: dict[str, list[str]] = {}
    for name, wish in wishes.items():
        if wish.lag:
            members.setdefault(wish.lag, []).append(name)
    out: dict[str, str] = {}
    odd: list[str] = []
    taken = set(have.lags)
    for lag, names in sorted(members.items()):
        mine = {have.ports[name].lag for name in names} - {""}
        ours = [one for one in sorted(mine, key=natural) if {p.name for p in have.ports.values() if p.lag == one} <= set(names)]
        empty = [
            one for one, group in have.groups.items() if group.description == lag and not any(p.lag == one for p in have.ports.values())
        ]
        ours = [one for one in [*ours, *empty] if f"lag {one}" not in own and one not in out.values()]
        free = next((str(number) for number in LAGS if not any(_bare(one) == str(number) for one in taken)), "")
        chosen = ours[0] if ours else free
        if not chosen:
            odd.append(f"{', '.join(names)}: all {len(LAGS)} groups are in use")
            continue
        out[lag] = chosen
        taken.add(chosen)
    return out, odd


def _changes(have: SwitchHave, wishes: dict[str, PortWish], lags: dict[str, str]) -> Iterable[PortChange]:
    """First who leaves, then the groups, then who joins, then the VLANs of ports on their own."""
    groups: dict[str, list[str]] = {}
    for name, wish in wishes.items():
        if wish.lag:
            groups.setdefault(lags[wish.lag], []).append(name)
    in_order = sorted(wishes, key=natural)
    for name in in_order:
        port, goal = have.ports[name], lags.get(wishes[name].lag, "")
        if port.lag and port.lag != goal:
            yield PortChange(name=name, was=port, leave=port.lag)
    for lag in sorted(groups, key=natural):
        members = groups[lag]
        wish = wishes[members[0]]
        known = have.lags.get(lag)
        was = have.groups.get(lag) or PortHave(name=lag, untagged=have.ports[members[0]].untagged)
        made = known is None or known.mode != wish.mode
        vlans = _vlans(was, wish, made=known is None)
        text = None if have.nameless else _text(was, wish.lag)
        if made or vlans is not None or text is not None:
            yield PortChange(name=lag, is_lag=True, was=was, vlans=vlans, description=text, mode=wish.mode, made=made)
    for name in in_order:
        port, wish = have.ports[name], wishes[name]
        goal = lags.get(wish.lag, "")
        moved = PortHave(name=name, description=port.description) if port.lag and not goal else port
        vlans = None if goal else _vlans(moved, wish, made=False)
        join = goal if goal and port.lag != goal else ""
        text = _text(port, wish.description)
        if join or vlans is not None or text is not None:
            mode = wish.mode if join else ""
            yield PortChange(name=name, was=moved, vlans=vlans, description=text, join=join, mode=mode)


def _vlans(was: PortHave, wish: PortWish, made: bool) -> tuple[int, tuple[int, ...]] | None:
    """Untagged and tagged VLANs that the port must get. None: it has them."""
    untagged = wish.untagged or was.untagged
    tagged = tuple(vlan for vlan in wish.tagged if vlan != untagged)
    if not made and (was.untagged, was.tagged) == (untagged, tagged):
        return None
    return untagged, tagged


def _text(was: PortHave, wanted: str) -> str | None:
    return wanted if wanted and wanted != was.description else None
