"""Bans: machines that the engine ignores.

A ban belongs to MACs, because it must hold before anything else is known of a machine. Each banned MAC has a sighting that records the
ban and outlives the node. A banned machine gets no DHCP answer, a boot script that sends it to its own disk, and no welcome. A banned
node stays in the list as not available, so that people see why its roles do not continue. To remove it from the list too, delete it.
"""

from __future__ import annotations

import re

from msgspec.structs import replace

from ... import reasons
from ...definitions import Json
from ...events import Hello
from ...model import Kind, Mac, Node, Sighting
from ...reasons import Reason
from ..roles.change import change_node
from ..roles.node_moves import NodeMove
from ..world.work import Work

_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")


def is_banned(w: Work, mac: Mac) -> bool:
    sighting = w.sightings.get(mac)
    return sighting is not None and sighting.banned


def banned_mac(w: Work, event: Hello) -> Mac:
    """The banned MAC of a machine that says hello. Empty: it has none."""
    node = w.nodes.get(event.credential) if event.credential else None
    return next((mac for mac in (*event.macs, *(node.macs if node is not None else ())) if is_banned(w, mac)), "")


def ban(w: Work, node: Node, who: str, value: Json) -> Reason | str:  # noqa: ARG001  a verb's signature
    """All MACs of the node, without its BMC's: nobody boots from that."""
    if node.kind is Kind.ADMIN:
        return reasons.illegal(verb="ban", node=node.name, state="this machine")
    if not node.macs:
        return reasons.illegal(verb="ban", node=node.name, state="without a MAC that could be banned")
    for mac in node.macs:
        _set(w, mac, True, node.id)
    change_node(w, node, NodeMove.UNAVAILABLE, since=w.at)
    return f"{node.name} is banned: {', '.join(node.macs)}"


def unban(w: Work, node: Node, who: str, value: Json) -> Reason | str:  # noqa: ARG001
    banned = [mac for mac in node.macs if is_banned(w, mac)]
    if not banned:
        return reasons.illegal(verb="unban", node=node.name, state="not banned")
    for mac in banned:
        _set(w, mac, False, node.id)
    change_node(w, node, NodeMove.AVAILABLE, notice=None, since=w.at)
    return f"{node.name} may boot again: {', '.join(banned)}"


def ban_mac(w: Work, mac: str, lift: bool) -> Reason | str | None:
    """The same for a machine that is not a node, by its MAC. None: not a MAC."""
    mac = mac.lower().replace("-", ":")
    if not _MAC.fullmatch(mac):
        return None
    if lift:
        if not is_banned(w, mac):
            return reasons.illegal(verb="unban", node=mac, state="not banned")
        _set(w, mac, False, "")
        return f"{mac} may boot again"
    _set(w, mac, True, "")
    return f"{mac} is banned"


def _set(w: Work, mac: Mac, banned: bool, node: str) -> None:
    old = w.sightings.get(mac)
    new = (
        replace(old, banned=banned, boot=None)
        if old is not None
        else Sighting(mac=mac, kind="banned", first=w.at, last=w.at, node=node, banned=banned)
    )
    w.put_sighting(replace(new, reason=reasons.banned(mac=mac) if banned else None))
