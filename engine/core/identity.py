"""Which machine is this? A hello turns a sighting into a node, or finds the node that the machine has been before.

Matched on the system UUID (in both byte orders: firmware differs in whether it follows SMBIOS 2.6, section 7.2.1) and on the system
serial, never on the chassis serial, which all sleds of one chassis share. Values that vendors leave in by the thousand are
junk and ignored. MACs alone only suggest, except where UUID and serial are both junk: then the full set of MACs identifies, and the
node is marked so. What points at two nodes is a conflict for a person; nothing is merged silently.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from .. import reasons
from ..model import Mac, Node
from ..reasons import Reason
from .world import View

JUNK_UUIDS = frozenset(
    {
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "03000200-0400-0500-0006-000700080009",  # AMI's sample board data
        "12345678-1234-5678-90ab-cddeefaabbcc",  # Supermicro and Gigabyte boards with unset DMI
        "00020003-0004-0005-0006-000700080009",  # the same AMI sample in the other byte order
    }
)
_JUNK_SERIAL = re.compile(
    r"^(0+|1234567890?|123456789|(.)\2*|none|n/?a|unknown|not ?(specified|available|applicable)|default( string)?|"
    r"to be filled by o\.?e\.?m\.?|system serial number|o\.?e\.?m\.?|empty|x+|-+|\.+|)$",
    re.IGNORECASE,
)
_UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


class Identity(Struct, frozen=True, kw_only=True):
    """What identifies a machine, junk removed."""

    by: Literal["uuid", "serial", "macs"]
    uuid: str
    serial: str
    macs: tuple[Mac, ...]


def clean_uuid(text: str) -> str:
    """Canonical lower case; empty for junk."""
    text = text.strip().lower()
    return "" if not _UUID.match(text) or text in JUNK_UUIDS else text


def clean_serial(text: str) -> str:
    text = text.strip()
    return "" if _JUNK_SERIAL.match(text) else text


def swapped(uuid: str) -> str:
    """The same UUID with the first three fields in the other byte order."""
    a, b, c, d, e = uuid.split("-")
    return "-".join([*(bytes.fromhex(f)[::-1].hex() for f in (a, b, c)), d, e])


def identify(uuid: str, serial: str, macs: tuple[Mac, ...], shared: tuple[str, ...] = ()) -> Identity | None:
    """None: the machine reports nothing that could identify it. `shared` holds what an operator called junk at this site."""
    good_uuid, good_serial = clean_uuid(uuid), clean_serial(serial)
    if shared:
        good_uuid = "" if good_uuid and (good_uuid in shared or swapped(good_uuid) in shared) else good_uuid
        good_serial = "" if good_serial in shared else good_serial
        macs = tuple(mac for mac in macs if mac not in shared)
    by: Literal["uuid", "serial", "macs"]
    if good_uuid:
        by = "uuid"
    elif good_serial:
        by = "serial"
    elif macs:
        by = "macs"
    else:
        return None
    return Identity(by=by, uuid=good_uuid, serial=good_serial, macs=tuple(sorted(set(macs))))


def match(view: View, found: Identity) -> Node | Reason | None:
    """The node that this machine is; None: a new one; a reason: what it says points at more than one."""
    by_uuid = _by_uuid(view, found.uuid)
    by_serial = view.serials.get(found.serial) if found.serial else None
    if by_uuid and by_serial and by_uuid != by_serial:
        return _conflict(view, "the serial", found.serial, by_serial, by_uuid)
    node_id = by_uuid or by_serial
    if found.by == "macs":
        owners = {view.macs.get(mac) for mac in found.macs}
        if owners == {None}:
            return None
        if len(owners) == 1:
            (owner,) = owners
            node = view.nodes[owner] if owner else None
            return node if node is not None and set(node.macs) == set(found.macs) else _stranger(view, found, owner or "")
        return _stranger(view, found, next(o for o in sorted(o for o in owners if o)))
    if node_id is None:
        for mac in found.macs:
            owner = view.macs.get(mac)
            if owner:
                return _stranger(view, found, owner)
        return None
    node = view.nodes[node_id]
    if node.uuid and found.uuid and found.uuid not in (node.uuid, swapped(node.uuid)):
        return _conflict(view, "the serial", found.serial, node_id, "a machine with another UUID")
    if node.serial and found.serial and node.serial != found.serial:
        return _conflict(view, "the UUID", found.uuid, node_id, f"a machine with serial {found.serial}")
    for mac in found.macs:
        owner = view.macs.get(mac)
        if owner and owner != node_id:
            return _conflict(view, "MAC", mac, owner, node_id)
    return node


def _by_uuid(view: View, uuid: str) -> str | None:
    if not uuid:
        return None
    return view.uuids.get(uuid) or view.uuids.get(swapped(uuid))


def _stranger(view: View, found: Identity, owner: str) -> Reason:
    mac = next((m for m in found.macs if view.macs.get(m) == owner), "")
    return _conflict(view, "MAC", mac, owner, f"a machine with {found.by} {found.uuid or found.serial or 'of MACs only'}")


def _conflict(view: View, what: str, value: str, node: str, other: str) -> Reason:
    def name(node_id: str) -> str:
        found = view.nodes.get(node_id)
        return found.name if found else node_id

    return reasons.identity_conflict(what=what, value=value, node=name(node), other=name(other))
