"""Which machine is this? A hello turns a sighting into a node, or finds the node that the machine already is.

The engine never makes one node of two machines: that could write the disks of the wrong one. So everything that a machine shows is
evidence, and nothing is proof:

    UUID      of the system, in both byte orders (firmware differs in whether it follows SMBIOS 2.6, section 7.2.1)
    serial    of the system, never of the chassis, which all sleds of one chassis share
    MACs      of its ports

Rules
* Makers' defaults are no evidence (`junk`). Neither is a UUID or serial that more than one node shows, whatever its text. The engine
  finds these from the nodes themselves, so it needs no list; the mark outlives a restart, and ends when a merge or a delete leaves one
  node with the value.
* A node that shares a MAC with the machine is that machine if its UUID or serial agrees and neither differs. Without any, the full set
  of MACs must agree.
* A node that shares no MAC with it:
  - UUID or serial differs: another machine. A common value is a fact (`shared_with`), not a conflict.
  - else another machine if the node is alive or was `A_MOMENT_S` ago, or if several nodes show this pair.
  - else a person decides: nobody can see whether all ports of one machine were changed, or a maker gave two machines one UUID and
  serial.
* Two machines may show a MAC although neither boots from it and all else differs (a moved card, or a BMC's USB port with the same
  address in every machine of a maker). That MAC stays with the node that has it.
* Evidence for two nodes is a conflict for a person.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ... import reasons
from ...model import Kind, Mac, Node, NodeId
from ...reasons import Reason
from ..world.view import View, open_roles
from .junk import JUNK_UUIDS, clean_serial, clean_uuid, swapped
from .patience import deadline_s

__all__ = ["JUNK_UUIDS", "Identity", "Shared", "clean_serial", "clean_uuid", "identify", "known_by", "match", "shared_with", "swapped"]

A_MOMENT_S = 900.0
"""Engine seconds after its last sign of life in which a machine counts as present. A boot from disk may be silent for that long
(`signals.SIGNALS`), so a machine that is only rebooting never counts as dismantled."""

By = Literal["uuid", "serial", "macs"]


class Identity(Struct, frozen=True, kw_only=True):
    """The identity of a machine, without junk."""

    by: By
    uuid: str
    serial: str
    macs: tuple[Mac, ...]


class Shared(Struct, frozen=True, kw_only=True):
    """A value that this node and other nodes show, so that it identifies none of them."""

    what: Literal["UUID", "serial"]
    value: str
    nodes: tuple[NodeId, ...]
    """The others."""


def identify(uuid: str, serial: str, macs: tuple[Mac, ...], shared: tuple[str, ...] = ()) -> Identity | None:
    """None: the machine reports nothing that could identify it. `shared` has the values that an operator declared shared at this site."""
    good_uuid, good_serial = clean_uuid(uuid), clean_serial(serial)
    if shared:
        good_uuid = "" if good_uuid and (good_uuid in shared or swapped(good_uuid) in shared) else good_uuid
        good_serial = "" if good_serial in shared else good_serial
        macs = tuple(mac for mac in macs if mac not in shared)
    if not (good_uuid or good_serial or macs):
        return None
    by: By = "uuid" if good_uuid else "serial" if good_serial else "macs"
    return Identity(by=by, uuid=good_uuid, serial=good_serial, macs=tuple(sorted(set(macs))))


def match(view: View, found: Identity, now: float = 0.0, boot_mac: Mac = "") -> Node | Reason | None:
    """The node that this machine is. None: a new one. A reason: a person must decide. `now`: engine time; `boot_mac`: the port that
    the machine booted from."""
    near = {owner for mac in found.macs if (owner := view.macs.get(mac)) is not None}
    same: list[Node] = []
    for node_id in sorted(near):
        verdict = _with_common_mac(view, view.nodes[node_id], found, boot_mac)
        if isinstance(verdict, Reason):
            return verdict
        if verdict == "same":
            same.append(view.nodes[node_id])
    if len(same) > 1:
        mac = next(m for m in found.macs if view.macs.get(m) == same[1].id)
        return _conflict(view, "MAC", mac, same[1].id, same[0].id)
    alike = [view.nodes[n] for n in sorted({*_showing_uuid(view, found.uuid), *_showing_serial(view, found.serial)} - near)]
    if same:
        return _contradicted(view, same[0], alike, found) or same[0]
    doubts = (_without_common_mac(view, node, found, now) for node in alike)
    return next((doubt for doubt in doubts if doubt is not None), None) or _halves(view, alike, found, now)


def shared_with(view: View, node: Node) -> tuple[Shared, ...]:
    """The values of this node that other nodes show too. The pages of all of them show this."""
    uuid = tuple(n for n in _showing_uuid(view, clean_uuid(node.uuid)) if n != node.id)
    serial = tuple(n for n in _showing_serial(view, clean_serial(node.serial)) if n != node.id)
    out = [Shared(what="UUID", value=node.uuid, nodes=uuid)] if uuid else []
    return (*out, Shared(what="serial", value=node.serial, nodes=serial)) if serial else tuple(out)


def holder(view: View, found: Identity) -> tuple[NodeId, str, str] | None:
    """A node that shows the UUID, the serial or a MAC of this machine, with what it is: (node, `UUID`, value). None: no node does. A MAC
    that software invented says nothing beside another UUID or serial."""
    for what, value, nodes in (
        ("UUID", found.uuid, _showing_uuid(view, found.uuid)),
        ("serial", found.serial, _showing_serial(view, found.serial)),
    ):
        if nodes:
            return nodes[0], what, value
    for mac in found.macs:
        node = view.nodes.get(view.macs.get(mac) or "")
        if node is None:
            continue
        if _is_local(mac) and (_uuid_agrees(node, found) is False or _serial_agrees(node, found) is False):
            continue
        return node.id, "MAC", mac
    return None


def known_by(view: View, node: Node) -> str:
    """What identifies the node now: `uuid`, `serial`, `macs`, or `given` if nothing does."""
    if node.kind is not Kind.SERVER or node.identity == "given":
        return node.identity
    found = identify(node.uuid, node.serial, node.macs, view.meta.shared)
    if found is not None and len(_showing_uuid(view, found.uuid)) == 1:
        return "uuid"
    if found is not None and len(_showing_serial(view, found.serial)) == 1:
        return "serial"
    return "macs" if node.macs else "given"


# -- evidence ------------------------------------------------------------------------------------------------------


def _showing_uuid(view: View, uuid: str) -> tuple[NodeId, ...]:
    if not uuid:
        return ()
    return tuple(sorted({*(view.uuids.get(uuid) or ()), *(view.uuids.get(swapped(uuid)) or ())}))


def _showing_serial(view: View, serial: str) -> tuple[NodeId, ...]:
    return (view.serials.get(serial) or ()) if serial else ()


def _agrees(theirs: str, mine: str) -> bool | None:
    """None: one of them reports no value."""
    return theirs == mine if theirs and mine else None


def _uuid_agrees(node: Node, found: Identity) -> bool | None:
    known = clean_uuid(node.uuid)
    return found.uuid in (known, swapped(known)) if known and found.uuid else None


def _serial_agrees(node: Node, found: Identity) -> bool | None:
    return _agrees(clean_serial(node.serial), found.serial)


def _is_there(view: View, node: Node, now: float) -> bool:
    """True if the node's machine is up, or was a moment ago: then nobody can have dismantled it."""
    if node.alive and node.runs:
        return True
    return node.last_sign > 0 and now - node.last_sign < deadline_s(view, A_MOMENT_S)


def _is_writing(view: View, node: Node) -> bool:
    """True if a destructive attempt on it is unresolved: it would continue when the node is back."""
    roles = (view.catalog.roles.get(role.role) for role in open_roles(view, node.id))
    return any(role is None or role.destructive for role in roles)


def _is_local(mac: Mac) -> bool:
    """Locally administered (IEEE 802c, section 8.4): invented by software or firmware, as on a BMC's USB port."""
    return bool(int(mac[:2], 16) & 2)


def _with_common_mac(view: View, node: Node, found: Identity, boot_mac: Mac) -> Literal["same", "other"] | Reason:
    common = sorted(set(node.macs) & set(found.macs))
    uuid, serial = _uuid_agrees(node, found), _serial_agrees(node, found)
    if uuid and serial is not False:
        return "same"
    if uuid is None and serial:
        return "same"
    if uuid is None and serial is None and set(node.macs) == set(found.macs):
        return "same"
    clear = uuid is False or (uuid is None and serial is False)
    loose = node.boot_mac not in common and boot_mac not in common
    if clear and loose and ((node.alive and node.runs) or all(_is_local(mac) for mac in common)):
        return "other"
    if uuid:
        return _conflict(view, "the UUID", found.uuid, node.id, f"a machine with serial {found.serial}")
    return _conflict(view, "MAC", common[0], node.id, f"a machine with {found.by} {found.uuid or found.serial or 'of MACs only'}")


def _without_common_mac(view: View, node: Node, found: Identity, now: float) -> Reason | None:
    """Why nobody can see whether this is the node's machine. None: it is another machine."""
    uuid, serial = _uuid_agrees(node, found), _serial_agrees(node, found)
    if uuid is False or serial is False or _is_there(view, node, now):
        return None
    shows_uuid, shows_serial = _showing_uuid(view, found.uuid), _showing_serial(view, found.serial)
    why = "nothing else tells the two apart"
    if uuid and serial:
        what, value, shown = "UUID and serial", f"{found.uuid}, {found.serial}", set(shows_uuid) & set(shows_serial)
        why = "a task that writes its disks is open" if _is_writing(view, node) else why
    else:
        what, value, shown = ("UUID", found.uuid, set(shows_uuid)) if uuid else ("serial", found.serial, set(shows_serial))
    return reasons.same_or_not(what=what, value=value, node=node.name, why=why) if len(shown) == 1 else None


def _contradicted(view: View, node: Node, alike: list[Node], found: Identity) -> Reason | None:
    """The MACs say `node`, but UUID and serial belong to another node and are not shared: a person decides."""
    for other in alike:
        uuid, serial = _uuid_agrees(other, found), _serial_agrees(other, found)
        if uuid is False or serial is False:
            continue
        mine = (_uuid_agrees(node, found), _serial_agrees(node, found))
        if (uuid and mine[0] is None and len(_showing_uuid(view, found.uuid)) == 1) or (
            serial and mine[1] is None and len(_showing_serial(view, found.serial)) == 1
        ):
            return _conflict(view, "the UUID" if uuid else "the serial", found.uuid if uuid else found.serial, other.id, node.id)
    return None


def _halves(view: View, alike: list[Node], found: Identity, now: float) -> Reason | None:
    """The UUID is one node's and the serial is another's. While both machines are present, this is a third one. Otherwise a board
    may have been moved, and a person decides."""
    if len(_showing_uuid(view, found.uuid)) != 1 or len(_showing_serial(view, found.serial)) != 1:
        return None
    if len(alike) == 2 and not all(_is_there(view, node, now) for node in alike):
        by_uuid, by_serial = sorted(alike, key=lambda node: not _uuid_agrees(node, found))
        return _conflict(view, "the serial", found.serial, by_serial.id, by_uuid.id)
    return None


def _conflict(view: View, what: str, value: str, node: str, other: str) -> Reason:
    def name(node_id: str) -> str:
        found = view.nodes.get(node_id)
        return found.name if found else node_id

    return reasons.identity_conflict(what=what, value=value, node=name(node), other=name(other))
