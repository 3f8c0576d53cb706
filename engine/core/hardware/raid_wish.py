"""What `raid-wanted` with `set` or `volumes` means on one machine: the drives that are taken, and what each controller has to do. Pure.

The role `raid-discover` hands over what the tools of RAID controllers said, and the inventory what the kernel sees. A drive that both show
is one of the controller: there the volume is made. Drives that only the kernel sees become volumes of mdadm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from msgspec import Struct, ValidationError, convert
from msgspec.structs import replace

from ... import reasons
from ...definitions import Json
from ...model import NodeId
from ...parts import Drive, Parts
from ...readers.report import Refused
from ...reasons import Reason
from ..world.view import View
from .disks import Disk
from .raid_choice import Candidate, Chosen, Medium, RaidChoice, choose_drives, wanted_volumes
from .raid_drivers import TOOLS, Order, order_for

MOST_REPORTS = 16
BMC_LOOK, BMC_ROLE, BY_BMC = "raid-discover-bmc", "raid-bmc", "redfish"
"""The roles that look at RAID controllers by the node's BMC and make their volumes, and what stands for their tool."""
Key = tuple[str, str]
_GOOD = ("online", "unused", "jbod", "spare")
_NO_MDADM = ("raid50", "raid60")


class ToolReport(Struct, frozen=True, kw_only=True):
    """What the tool of one controller said."""

    tool: str
    controller: str
    """As the node's `raid` spells it: without spaces."""
    text: str


class Wish(Struct, frozen=True, kw_only=True):
    choice: RaidChoice = RaidChoice()
    refused: Reason | None = None
    disks: Mapping[Key, Disk] = {}
    """Every candidate as a disk: what is approved and shown. A drive behind a controller has its place as a name."""
    orders: tuple[Order, ...] = ()
    writes: frozenset[Key] = frozenset()
    """The drives that lose their data, or may lose it."""


def reports_of(view: View, node: NodeId) -> list[ToolReport]:
    """What the node's roles `raid-discover-bmc` and `raid-discover` reported last. An entry of another shape is left out."""
    out: list[ToolReport] = []
    for name, attribute in ((BMC_LOOK, "raid-report-bmc"), ("raid-discover", "raid-report")):
        role = view.node_roles.get((node, name))
        told = role.gave.get(attribute) if role is not None else None
        for item in told[:MOST_REPORTS] if isinstance(told, list) else ():
            try:
                one = convert(item, ToolReport)
            except ValidationError:
                continue
            if one.tool in TOOLS and (one.tool == BY_BMC) == (name == BMC_LOOK):
                out.append(one)
    return out


def wish_of(
    node: str, disks: Sequence[tuple[Disk, Reason | None]], reports: Iterable[ToolReport], wanted: Json, blank: bool
) -> Wish | None:
    """None: `raid-wanted` has neither `set` nor `volumes`. `disks`: of the inventory, with the reason why one is never written. `blank`:
    only blank disks are approved."""
    volumes = wanted_volumes(node, wanted)
    if isinstance(volumes, Reason):
        return Wish(refused=volumes)
    if not volumes:
        return None
    read = [(one, _read(one.tool, one.text)) for one in reports]
    odd = next(((one, have) for one, have in read if isinstance(have, str)), None)
    if odd is not None:
        return Wish(refused=reasons.raid_report_odd(node=node, tool=odd[0].tool, controller=odd[0].controller, message=odd[1]))
    there = _each_once([(one, have) for one, have in read if isinstance(have, Parts)])
    known: dict[Key, Disk] = {}
    candidates = [*_behind(there, known), *_plain(disks, there, known)]
    choice = choose_drives(node, volumes, candidates)
    if choice.refused is not None:
        return Wish(choice=choice, refused=choice.refused, disks=known)
    orders = _orders(node, there, choice.volumes)
    if isinstance(orders, Reason):
        return Wish(choice=choice, refused=orders, disks=known)
    if blank and (busy := next((one for one in orders if one.steps), None)) is not None:
        return Wish(choice=choice, refused=reasons.raid_not_blank(node=node, controller=busy.controller), disks=known)
    taken = [(volume, one) for volume in choice.volumes for one in (*volume.members, *volume.spares)]
    writes = frozenset(one.key for volume, one in taken if _written(volume, one, orders))
    return Wish(choice=choice, disks=known, orders=orders, writes=writes)


def _each_once(there: list[tuple[ToolReport, Parts]]) -> list[tuple[ToolReport, Parts]]:
    """Without the reports of tools about drives that the BMC shows too: one of both makes the volumes, and the node has the role for it."""
    by_bmc = {drive.serial for one, have in there if one.tool == BY_BMC for drive in have.drives if drive.serial}
    return [(one, have) for one, have in there if one.tool == BY_BMC or not any(drive.serial in by_bmc for drive in have.drives)]


def _written(volume: Chosen, one: Candidate, orders: tuple[Order, ...]) -> bool:
    """Whether anything is written to the drive. jbod leaves it as it is, where it is jbod already."""
    if volume.want.level != "jbod":
        return True
    steps = [step for order in orders if order.controller == one.controller for step in order.steps]
    return any(step.where == f"d {one.place} free" or one.place in step.unless.split() for step in steps)


@lru_cache(maxsize=128)
def _read(tool: str, text: str) -> Parts | str:
    from ...readers import redfish_raid  # ten readers, which a rack without RAID never needs
    from ...readers.raid_formats import RAID_FORMATS

    try:
        return redfish_raid.read(text) if tool == BY_BMC else RAID_FORMATS[tool][1](text)
    except Refused as refused:
        return str(refused)[:160]


def _orders(node: str, there: list[tuple[ToolReport, Parts]], volumes: Sequence[Chosen]) -> tuple[Order, ...] | Reason:
    for volume in volumes:
        plain = not volume.members or not volume.members[0].controller
        if plain and volume.want.level in _NO_MDADM:
            return reasons.raid_mdadm_cannot(node=node, level=volume.want.level, volume=volume.name)
    out = []
    for one, have in there:
        mine = [_part(volume, one.controller) for volume in volumes]
        mine = [volume for volume in mine if volume.members]
        if not mine:
            continue
        order = order_for(node, one.tool, one.controller, _named(have, one.controller), mine)
        if isinstance(order, Reason):
            return order
        out.append(order)
    return tuple(out)


def _part(volume: Chosen, controller: str) -> Chosen:
    """Its drives on this controller. Only jbod has drives on several."""
    members = tuple(one for one in volume.members if one.controller == controller)
    return replace(volume, members=members, spares=tuple(one for one in volume.spares if one.controller == controller))


def _named(have: Parts, controller: str) -> Parts:
    """The record, with the controller as the node's `raid` spells it: a report is of one controller, and spells it in its own way."""
    return replace(
        have,
        drives=tuple(replace(one, controller=controller) for one in have.drives),
        volumes=tuple(replace(one, controller=controller) for one in have.volumes),
    )


def _behind(there: list[tuple[ToolReport, Parts]], known: dict[Key, Disk]) -> list[Candidate]:
    """The drives of controllers."""
    out = []
    for one, have in there:
        reserved = {place for volume in have.volumes for place in volume.spares}
        for drive in have.drives:
            medium: Medium = (
                "nvme" if drive.protocol == "nvme" else "disk" if drive.medium == "hdd" else "ssd" if drive.medium == "ssd" else ""
            )
            candidate = Candidate(
                place=drive.place,
                size=drive.size,
                controller=one.controller,
                medium=medium,
                protocol=drive.protocol,
                barred=_bad(drive, reserved),
            )
            out.append(candidate)
            known[candidate.key] = Disk(
                name=f"{one.controller}/{drive.place}",
                size=drive.size,
                serial=drive.serial,
                wwn=f"naa.{drive.wwn}" if drive.wwn else "",
                path=f"{one.tool} {one.controller} {drive.place}",
                transport=drive.protocol,
                model=drive.model,
                rotational={"hdd": True, "ssd": False}.get(drive.medium),
                signature="unknown",
            )
    return out


def _bad(drive: Drive, reserved: set[str]) -> Reason | None:
    if drive.state not in _GOOD:
        return reasons.raid_drive_state(state=drive.note or drive.state or "nothing that is known")
    if drive.health == "failed":
        return reasons.disk_state(state=drive.note or "failed")
    if drive.state == "spare" and drive.place not in reserved and not drive.volume:
        return reasons.raid_drive_state(state="a spare for all volumes")
    return reasons.raid_drive_state(state="a drive of no size") if drive.size <= 0 else None


def _plain(disks: Sequence[tuple[Disk, Reason | None]], there: list[tuple[ToolReport, Parts]], known: dict[Key, Disk]) -> list[Candidate]:
    """The disks that the kernel sees."""
    out = []
    for disk, never in disks:
        barred = never or _of_controller(disk, there)
        medium: Medium = "nvme" if disk.transport == "nvme" else "" if disk.rotational is None else "disk" if disk.rotational else "ssd"
        place = disk.path or disk.name
        candidate = Candidate(place=place, name=disk.name, size=disk.size, medium=medium, protocol=disk.transport, barred=barred)
        out.append(candidate)
        known[candidate.key] = disk
    return out


def _of_controller(disk: Disk, there: list[tuple[ToolReport, Parts]]) -> Reason | None:
    """Why the kernel's disk is not one of its own: a controller shows its drive, or it is a volume."""
    wwn = disk.wwn.removeprefix("naa.").removeprefix("eui.").lower()
    for one, have in there:
        for drive in have.drives:
            if (wwn and drive.wwn == wwn) or (disk.serial and drive.serial == disk.serial):
                return reasons.raid_shown_twice(controller=one.controller, place=drive.place)
        for volume in have.volumes:
            if wwn and volume.wwn == wwn:
                return reasons.raid_volume_of(controller=one.controller, volume=volume.place)
    if there and disk.transport == "scsi":  # so the kernel calls the volumes of all these controllers
        return reasons.raid_volume_of(controller=there[0][0].controller, volume="(not told which)")
    return None
