"""RAID volumes by a node's BMC: the works `raid-report` (what is there) and `raid` (makes and deletes) of the jig `bmc`.

The engine chose the drives (`core.hardware.raid_wish`). A drive with another serial number than the approved one stops everything. What
reads back counts. If a service makes accepted volumes at the next start, the machine starts once, and the next leg looks. Afterwards the
kernel knows a volume by its WWN, which the BMC tells.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from .. import reasons
from ..core.hardware.raid_lines import serial_word
from ..core.hardware.raid_wish import BY_BMC, reports_of
from ..core.world.view import View
from ..definitions import Json
from ..jigs.bmc import BmcTask, not_applied
from ..jigs.outcome import AGAIN_REBOOT, DONE
from ..power import PowerFailed
from ..power.redfish_volumes import SeenVolume, StorageVolume, WantedDrive, key, wanted_key
from ..readers.redfish_raid import RaidStorage, read_storage
from ..readers.report import Refused
from ..reasons import Reason
from ..wire.agent import Ended
from .power_orders import NO_BMC, PowerOrders

MAKE_S = 600.0
"""Seconds for the volumes of one controller."""
LONGEST = 200_000
"""Characters of a report."""
MOST_STARTS = 1
"""Starts of the machine that a service may ask for until its volumes are there."""


class RaidReports:
    """The work `raid-report`. Only reads."""

    def __init__(self, orders: PowerOrders) -> None:
        self._orders = orders

    def __call__(self, task: BmcTask) -> Ended | Reason:
        found, failed = self._orders.by_redfish(task.node, lambda power: power.storages())
        if failed is not None:
            if failed.code in NO_BMC or (isinstance(found, PowerFailed) and found.kind == "unsupported"):
                task.say(f"the BMC shows no RAID controller: {reasons.sentence(failed)}")
                return Ended(exit=DONE, gives={"raid-report-bmc": []})
            return failed
        assert not isinstance(found, PowerFailed)
        reports: list[Json] = []
        for one in found:
            text = json.dumps({"storage": one.path, "name": one.name, "resources": one.resources}, sort_keys=True, separators=(",", ":"))
            task.say(f"controller {one.name}: {len(one.resources)} drives and volumes")
            if len(text) > LONGEST:
                return reasons.bad_result(role=task.order.role.name, message=f"controller {one.name} has more to tell than is kept")
            reports.append({"tool": BY_BMC, "controller": one.name, "text": text})
        return Ended(exit=DONE, gives={"raid-report-bmc": reports})


class VolumeOrders:
    """The work `raid`. Destroys what the chosen drives hold."""

    def __init__(self, orders: PowerOrders, world: Callable[[], View]) -> None:
        self._orders = orders
        self._world = world

    def __call__(self, task: BmcTask) -> Ended | Reason:
        if refused := task.get("raid-disks/refused"):
            return Ended(exit=1, message=str(refused))
        asked = task.get("raid-disks/volumes")
        mine = [one for one in asked if one.get("tool") == BY_BMC] if isinstance(asked, list) else []
        if not mine:
            task.say("no volume is wanted of a controller that the BMC shows")
            return _done([])
        try:
            storages = {one.controller: read_storage(one.text) for one in reports_of(self._world(), task.node.id) if one.tool == BY_BMC}
        except Refused as refused:
            return reasons.bad_result(role=task.order.role.name, message=str(refused)[:160])
        given: list[Json] = []
        start = False
        for controller in sorted({str(one["controller"]) for one in mine}):
            storage = storages.get(controller)
            volumes = [volume for one in mine if one["controller"] == controller for volume in _wanted(one, storage)] if storage else []
            if storage is None or any(not drive.path for volume in volumes for drive in volume.drives):
                return reasons.bad_result(
                    role=task.order.role.name, message=f"controller {controller} or a drive of it is not there any more"
                )
            seen = self._seen(task, storage, volumes)
            if isinstance(seen, Reason | Ended):
                return seen
            start |= len(seen) < len(volumes)
            given += [_given(one, controller, storage) for one in seen]
        if not start:
            return _done(given)
        if int(task.order.attempt.rpartition(".")[2] or 0) >= MOST_STARTS:
            return Ended(exit=1, message="the volumes were accepted, the machine has started, and they do not read back")
        task.say("accepted, and made at the next start of the machine")
        return Ended(exit=AGAIN_REBOOT)

    def _seen(self, task: BmcTask, storage: RaidStorage, volumes: list[StorageVolume]) -> list[SeenVolume] | Reason | Ended:
        """The wanted volumes that read back. Fewer than wanted: the others are made at the next start."""
        if task.verifies:
            found, failed = self._orders.by_redfish(task.node, lambda power: power.seen_volumes(storage.path))
            if failed is not None:
                return failed
            assert not isinstance(found, PowerFailed)
            there = {key(one): one for one in found}
            lacking = [one.name for one in volumes if wanted_key(one) not in there]
            if lacking:
                return not_applied(f"volume {lacking[0]} does not read back from {storage.path.rpartition('/')[2]}")
            return [there[wanted_key(one)] for one in volumes]
        for one in volumes:
            task.say(f"wanted: {one.name}: {one.level} of {', '.join(drive.path.rpartition('/')[2] for drive in one.drives)}")
        made, failed = self._orders.by_redfish(task.node, lambda power: power.volumes(storage.path, volumes, MAKE_S))
        if failed is not None:
            return failed
        assert not isinstance(made, PowerFailed)
        for seen in made.volumes:
            task.say(f"read back: {seen.name}: {seen.level}, WWN {seen.wwn or 'not told'}")
        lost = [
            one.name for one in volumes if wanted_key(one) not in {key(each) for each in made.volumes} and one.name not in made.accepted
        ]
        if lost:
            return Ended(exit=1, message=f"volume {lost[0]} does not read back")
        return list(made.volumes)


def _wanted(one: dict[str, Json], storage: RaidStorage) -> Iterator[StorageVolume]:
    """The volumes of an entry of `raid-disks`; jbod becomes a raid0 of each drive, unless the controller shows the drive as it is."""
    drives = [_drive(drive, storage) for drive in one["members"]]
    spares = tuple(_drive(drive, storage) for drive in one.get("spares") or ())
    name, level = str(one["name"]), str(one["level"])
    if level != "jbod":
        yield StorageVolume(name=name, level=level, drives=tuple(drives), spares=spares, stripe=int(one.get("stripe") or 0) << 10)
        return
    plain = {storage.drives.get(drive.place) for drive in storage.parts.drives if drive.state == "jbod"}
    for number, drive in enumerate(drives):
        if drive.path not in plain:
            yield StorageVolume(name=f"{name[:12]}{number}", level="raid0", drives=(drive,))


def _drive(names: dict[str, Json], storage: RaidStorage) -> WantedDrive:
    """Its place is the last part of its name, `CONTROLLER/PLACE`."""
    place = str(names["name"]).partition("/")[2]
    return WantedDrive(path=storage.drives.get(place, ""), serial=str(names.get("serial") or ""))


def _given(one: SeenVolume, controller: str, storage: RaidStorage) -> Json:
    places = {path: place for place, path in storage.drives.items()}
    members = sorted(places.get(path, path) for path in one.drives)
    row: dict[str, Json] = {"name": one.name, "level": one.level, "controller": controller, "line": f"{one.level} {','.join(members)}"}
    return row | {"wwn": serial_word(one.wwn) if one.wwn else ""}


def _done(volumes: list[Json]) -> Ended:
    return Ended(exit=DONE, gives={"raid-volumes-bmc": volumes})
