"""Chooses the disk for a system and the disks for a volume: one decision, with a reason for each disk that is not taken.

The engine decides and the node obeys, because only the engine has all facts (plan, volumes, an operator's `root-disk`). It shows the
reasons before anything is written, and the preview says what the install will do. The node gets the disk's own names (WWN, serial
number, path, size) as an input. It looks for the disk again in that boot, and refuses if the disk is missing, exchanged, duplicated, or
has several paths (`images/node/disks find`). So a change between decision and writing (names, an added or exchanged disk) costs an
install and never a disk. The machines of a rehearsal and the raid role obey the same inputs.

Rules
* The choice does not depend on the kernel's names or their order if the disks have other names. It goes by kind, then by place.
* A disk in the machine comes before all others. The engine takes a remote disk, and a disk on USB or in a card slot, only if `root-disk`
  names it: a LUN may hold the data of another machine, and a person may pull the other one out. A USB disk with a fixed medium is a
  disk.
* The engine never writes to a disk with several paths, nor to a disk whose names another disk has too. No `root-disk` overrules these
  two, nor the rest of `_never`.
* A disk that is too small for any system is not taken. One below AMPLE_MIB comes last: it is an eMMC or the like.
* A kernel name in `root-disk` means the disk that had that name at discovery.
"""

from __future__ import annotations

import re
from hashlib import blake2b

from ... import reasons
from ...definitions import Json
from ...model import Node, NodeId, NodeRole
from ...reasons import Reason, sentence
from ..world.view import View
from .burn_choice import ROLE as BURNS
from .burn_choice import WANTED as BURN_WANTED
from .burn_choice import burn_choice
from .choices import Choice, Left
from .disks import Disk, twins
from .inventory import inventory_of
from .raid_choice import Chosen
from .raid_wish import BMC_ROLE, Wish, reports_of, wish_of
from .wipe_choice import ROLE as WIPES
from .wipe_choice import WANTED as WIPE_WANTED
from .wipe_choice import wipe_choice
from .written import Volume, volumes_of

LEAST_MIB = 1539
"""Least size for `os-install`: a GiB for the system, the EFI system partition, room for the boot loader and the table. A large image
needs more, which `os-install` tests before it writes."""
AMPLE_MIB = 7168
"""A disk below this size comes last: eMMC modules and virtual disks of service processors have up to 4 GiB."""
_PULLED = ("usb", "sd")
"""Transports of disks that a person can pull out."""
_PARTS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]|\d+|\D")
_NVME_PATH = re.compile(r"nvme\d+c\d+n\d+")
_LEVELS = {"raid0": (2, 0), "raid1": (2, 2), "raid10": (4, 0)}
"""Least and most members; 0: any number."""


def choose(node: str, disks: list[Disk], volumes: list[Volume], named: str = "", firmware: str = "") -> Choice:
    """The disk or volume for a system. `node`: its name, for reasons. `named`: `root-disk`. `firmware`: `bios`, `efi`, or empty."""
    made = [one for one in volumes if one.level.startswith("raid")]
    members = {name: one.name for one in made for name in one.disks}
    double = twins(disks)
    if named and (volume := next((one for one in made if one.name == named), None)) is not None:
        return _on_volume(volume, disks, members, double, firmware, named)
    wanted = [one for one in disks if named in one.names] if named else []
    if named and not wanted:
        return _nothing(disks, members, double, firmware, named, reasons.no_such_disk(node=node, disk=named[:80]))
    if not named and (volume := _system_volume(made)) is not None:
        return _on_volume(volume, disks, members, double, firmware, named)
    barred = {one.name: _never(one, members, double, firmware) or (None if named else _unasked(one)) for one in disks}
    fit = sorted((one for one in (wanted or disks) if barred[one.name] is None), key=_order)
    if len(fit) > 1 and named:
        fit = []  # two volumes have one serial number: then the name means neither
    if not fit:
        return _nothing(disks, members, double, firmware, named, _no_fit(node, wanted or disks, barred))
    taken = fit[0]
    left = tuple(Left(disk=one, reason=barred[one.name] or _later(taken, one, named)) for one in disks if one is not taken)
    return Choice(taken=(taken,), left=left)


def members(node: str, disks: list[Disk], level: str) -> Choice:
    """The member disks of a volume of this level. For `jbod` all usable disks, for `none` no disk."""
    double = twins(disks)
    barred = {one.name: _never(one, {}, double, "", 0) or _unasked(one) for one in disks}
    fit = sorted((one for one in disks if barred[one.name] is None), key=_order)
    least, most = _LEVELS.get(level, (0, 0))
    if level not in _LEVELS:
        taken = fit if level == "jbod" else []
        return Choice(taken=tuple(taken), left=tuple(Left(disk=d, reason=r) for d in disks if (r := barred[d.name]) is not None))
    counts: dict[int, int] = {}
    for one in fit:
        counts[one.size] = counts.get(one.size, 0) + 1
    size = max(counts, key=lambda s: (counts[s], s), default=0)
    alike = [one for one in fit if one.size == size]
    taken = alike[: most or None]
    spare = reasons.disk_spare(level=level, count=most)
    why = {one.name: barred[one.name] or (spare if one in alike else reasons.disk_size()) for one in disks if one not in taken}
    left = tuple(Left(disk=one, reason=found) for one in disks if (found := why.get(one.name)) is not None)
    if len(taken) < least:
        refused = reasons.bad_members(node=node, level=level, need=least, have=len(taken), why=_told(left) or "the node has no other disk")
        left = tuple(Left(disk=one, reason=barred[one.name] or reasons.disk_size()) for one in disks)
        return Choice(left=left, refused=refused)
    return Choice(taken=tuple(taken), left=left)


# -- of a node in the world ----------------------------------------------------------------------------------------


def root_choice(view: View, node: Node, named: Json = "") -> Choice:
    """The disk for this node's system, from what is known now. `named`: the effective `root-disk`."""
    disks = list(inventory_of(view, node.id).disks)
    name = str(named or "")
    if not disks and not name:
        return Choice(refused=reasons.no_disk(node=node.name))
    return choose(node.name, disks, volumes_of(view, node.id), name, node.firmware)


def raid_wish(view: View, node: Node, wanted: Json, blank: bool = False) -> Wish | None:
    """What `raid-wanted` with `set` or `volumes` comes to. None: it has a `level`."""
    disks = list(inventory_of(view, node.id).disks)
    double = twins(disks)
    barred = [(one, _never(one, {}, double, "", 0) or _unasked(one)) for one in disks]
    return wish_of(node.name, barred, reports_of(view, node.id), wanted, blank)


def member_choice(view: View, node: Node, wanted: Json) -> Choice:
    """The members of the volumes that `raid-wanted` asks for. Drives that are left alone (jbod) are not among them."""
    wish = raid_wish(view, node, wanted)
    if wish is not None:
        left = tuple(Left(disk=wish.disks[one.drive.key], reason=one.reason) for one in wish.choice.verdicts if not one.volume)
        if wish.refused is not None:
            return Choice(left=left, refused=wish.refused)
        return Choice(taken=tuple(wish.disks[one.drive.key] for one in wish.choice.verdicts if one.drive.key in wish.writes), left=left)
    level = str(wanted.get("level", "none")) if isinstance(wanted, dict) else "none"
    return members(node.name, list(inventory_of(view, node.id).disks), level)


def install_disk(view: View, node: Node, role: NodeRole, named: Json) -> Json:
    """The attribute `install-disk`: the disk that the node must find, or why it must not install. None before any discovery."""
    if not inventory_of(view, node.id).told("disks"):
        return None
    found = root_choice(view, node, named)
    if found.refused is not None:
        return {"refused": sentence(found.refused)}
    label = blake2b(f"{view.meta.installation}/{node.id}".encode(), digest_size=16).hexdigest()
    out: dict[str, Json] = {"label": "-".join((label[:8], label[8:12], "5" + label[13:16], "8" + label[17:20], label[20:]))}
    if found.volume is not None and found.volume.wwn:
        one = found.volume  # of a controller: the kernel shows it as a disk with this name
        return out | {"name": one.name, "wwn": one.wwn, "serial": "", "path": "", "size": one.size, "blank": False}
    if found.volume is not None:
        inside = [_names(one) for one in inventory_of(view, node.id).disks if one.name in found.volume.disks]
        return out | {"name": found.volume.name, "volume": True, "members": inside}
    return out | _names(found.taken[0]) | {"blank": must_be_blank(view, role)}


def raid_disks(view: View, node: Node, role: NodeRole, wanted: Json) -> Json:
    """The attribute `raid-disks`: the members of the volume, or the volumes and what controllers have to do, or why there is none."""
    if not inventory_of(view, node.id).told("disks"):
        return None
    wish = raid_wish(view, node, wanted, must_be_blank(view, role))
    if wish is not None:
        return _orders(wish, must_be_blank(view, role), wwns_by_bmc(view, node.id))
    found = member_choice(view, node, wanted)
    if found.refused is not None:
        return {"refused": sentence(found.refused), "members": []}
    return {"members": [_names(one) for one in found.taken], "blank": must_be_blank(view, role)}


def wwns_by_bmc(view: View, node: NodeId) -> dict[tuple[str, str], str]:
    """(controller, its members) of each volume that the node's BMC made -> the WWN by which the kernel shows it."""
    role = view.node_roles.get((node, BMC_ROLE))
    told = role.gave.get("raid-volumes-bmc") if role is not None else None
    rows = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    return {(str(one.get("controller")), str(one.get("line"))): str(one.get("wwn")) for one in rows if one.get("wwn")}


def must_be_blank(view: View, role: NodeRole) -> bool:
    """True if only the plan's `wipe: blank` approves this role. Then the node checks once more before it writes."""
    return role.approved == "plan" and view.plan is not None and view.plan.approve.wipe == "blank"


def wanted_by(role: str) -> str:
    """The attribute that says which disks this role takes, besides `root-disk`."""
    return {WIPES: WIPE_WANTED, BURNS: BURN_WANTED}.get(role, "raid-wanted")


def choice_for(view: View, node: Node, role: str, named: Json, wanted: Json) -> Choice | None:
    """The disks that this role takes, by the effective `root-disk` and `wanted_by`. None for a role that takes no disk here."""
    match role:
        case "os-install":
            return root_choice(view, node, named)
        case "raid-configure" | "raid-bmc":
            level = wanted.get("level") if isinstance(wanted, dict) else ""
            other = isinstance(wanted, dict) and ("set" in wanted or "volumes" in wanted)
            return member_choice(view, node, wanted) if other or level in _LEVELS else Choice()
        case "disk-wipe":
            return wipe_choice(view, node, wanted)
        case "burn-in-write":
            return burn_choice(view, node, wanted)
    return None


def lost_by(view: View, node: Node, role: str, named: Json, wanted: Json) -> list[Disk]:
    """The disks that lose their data when this role runs. For an unknown role: all disks of the machine."""
    found = choice_for(view, node, role, named, wanted)
    if found is None:
        return [one for one in inventory_of(view, node.id).disks if not one.remote]
    inside = found.volume.disks if found.volume is not None else ()
    return [one for one in inventory_of(view, node.id).disks if one.name in inside] or list(found.taken)


def media_left(view: View, node: str) -> list[tuple[str, Reason]]:
    """Name and reason of each device that looks like a disk but is not."""
    return [(one.name, reasons.disk_medium(what=f"{one.what} {one.label}".strip()[:80])) for one in inventory_of(view, node).media]


# -- inside --------------------------------------------------------------------------------------------------------


def _names(one: Disk) -> dict[str, Json]:
    return {"name": one.name, "wwn": one.wwn, "serial": one.serial, "path": one.path, "size": one.size}


def _orders(wish: Wish, blank: bool, wwns: dict[tuple[str, str], str]) -> dict[str, Json]:
    """`raid-disks` of several volumes, as the node's script reads it."""
    if wish.refused is not None:
        return {"refused": sentence(wish.refused), "members": []}
    volumes: list[Json] = []
    members: list[Json] = []
    for one in wish.choice.volumes:
        volume = _volume(one, wish)
        volume["wwn"] = wwns.get((volume["controller"], volume["line"]), "")
        volumes.append(volume)
        if not volume["controller"] and one.want.level != "jbod":
            members += [_names(wish.disks[drive.key]) for drive in (*one.members, *one.spares)]
    orders: list[Json] = [
        {
            "tool": one.tool,
            "controller": one.controller,
            "drives": list(one.drives),
            "steps": ["|".join((" ".join(step.run), step.where, step.unless, step.of)) for step in one.steps],
            "want": list(one.want),
        }
        for one in wish.orders
    ]
    return {"members": members, "blank": blank, "volumes": volumes, "orders": orders}


def _volume(one: Chosen, wish: Wish) -> dict[str, Json]:
    controller = one.members[0].controller if one.members else ""
    tool = next((order.tool for order in wish.orders if order.controller == controller), "") if controller else "mdadm"
    return {
        "name": one.name,
        "level": one.want.level,
        "tool": tool,
        "controller": controller,
        "line": " ".join([one.want.level, ",".join(sorted(drive.place for drive in one.members))]) if controller else "",
        "members": [_names(wish.disks[drive.key]) for drive in one.members],
        "spares": [_names(wish.disks[drive.key]) for drive in one.spares],
        "stripe": one.want.stripe,
        "boot": one.want.boot,
    }


def _never(one: Disk, members: dict[str, str], double: dict[str, str], firmware: str, need: int = LEAST_MIB) -> Reason | None:
    """Reasons that no `root-disk` overrules."""
    mib = one.size >> 20
    if one.name in members:
        return reasons.disk_member(volume=members[one.name])
    if len(one.paths) > 1 and not all(_NVME_PATH.fullmatch(path) for path in one.paths):  # which the kernel joins itself
        return reasons.disk_paths(count=len(one.paths), paths=", ".join(one.paths[:8]))
    if one.name in double:
        return reasons.disk_twin(other=double[one.name], name=one.identity[:60])
    if mib < max(need, 1):
        return reasons.disk_small(mib=mib, need=need)
    if one.read_only:
        return reasons.disk_read_only()
    if one.state:
        return reasons.disk_state(state=one.state[:60])
    if one.used:
        return reasons.disk_used(used=one.used[:60])
    if one.logical not in (512, 4096):
        return reasons.disk_blocks(octets=one.logical)
    if one.logical == 4096 and firmware == "bios":
        return reasons.disk_large_blocks()
    return None


def _unasked(one: Disk) -> Reason | None:
    """Reasons that `root-disk` overrules."""
    if one.remote:
        return reasons.disk_remote(transport=one.transport or "a network")
    if one.transport in _PULLED:
        return reasons.disk_usb(transport=one.transport)
    return None


def _order(one: Disk) -> tuple[object, ...]:
    """Sort key; the first disk is taken. Kernel names count only if nothing else tells disks apart."""
    grade = 0 if one.transport == "nvme" else 2 if one.transport == "mmc" else 1
    serial = one.serial if one.path or one.wwn else ""  # an old inventory keeps its order of names
    return (one.size >> 20 < AMPLE_MIB, grade, not one.path, _natural(one.path), not one.wwn, one.wwn, serial, _natural(one.name))


def _natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts 2 before 10, and PCI addresses, which are hexadecimal and of one length, as text."""
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in _PARTS.findall(text))


def _later(taken: Disk, one: Disk, named: str) -> Reason:
    if named:
        return reasons.disk_not_named(chosen=taken.name)
    if (one.size >> 20 < AMPLE_MIB) != (taken.size >> 20 < AMPLE_MIB):
        why = "this disk is small"
    elif (one.transport in ("nvme", "mmc") or taken.transport in ("nvme", "mmc")) and one.transport != taken.transport:
        why = f"{taken.transport or 'this kind of'} disks come before {one.transport or 'other'} disks"
    else:
        why = f"its place is {taken.path}" if taken.path else "it is the first by name"
    return reasons.disk_later(chosen=taken.name, why=why)


def _system_volume(made: list[Volume]) -> Volume | None:
    """The volume for a system, where nobody names one: the one to boot from, or else the first mirror."""
    return next((one for one in made if one.boot), None) or next((one for one in made if one.level == "raid1"), None)


def _on_volume(volume: Volume, disks: list[Disk], members: dict[str, str], double: dict[str, str], firmware: str, named: str) -> Choice:
    later = reasons.disk_not_named(chosen=volume.name) if named else reasons.disk_later(chosen=volume.name, why="volumes come before disks")
    left = tuple(Left(disk=one, reason=_never(one, members, double, firmware) or _unasked(one) or later) for one in disks)
    return Choice(volume=volume, left=left)


def _nothing(disks: list[Disk], members: dict[str, str], double: dict[str, str], firmware: str, named: str, refused: Reason) -> Choice:
    other = reasons.disk_not_named(chosen=named[:60])
    left = tuple(Left(disk=one, reason=_never(one, members, double, firmware) or _unasked(one) or other) for one in disks)
    return Choice(left=left, refused=refused)


def _no_fit(node: str, disks: list[Disk], barred: dict[str, Reason | None]) -> Reason:
    """`disks`: the disks that `root-disk` may mean."""
    found = tuple(Left(disk=one, reason=reason) for one in disks if (reason := barred[one.name]) is not None)
    return reasons.no_fit_disk(
        node=node, why=_told(found) or f"root-disk fits several disks: {' and '.join(one.name for one in disks[:4])}"
    )


def _told(left: tuple[Left, ...]) -> str:
    some = "; ".join(f"{one.disk.name}: {sentence(one.reason)}" for one in left[:4])
    return some + (f"; and {len(left) - 4} more" if len(left) > 4 else "")
