"""The inside of a simulated machine as its BMC sees it (`bmc.redfish_insides.Insides`). Called from the farm's thread.

What is read is copied. What is ordered is assigned as a whole, so that it can be read back at once, and saved by the loop that owns the
machine. Volumes are made by the loop, so they read back a moment later, as with a real controller.
"""

from __future__ import annotations

import asyncio
import hashlib

from ..bmc.redfish_insides import InsideDrive, InsideVolume
from .families import CHOICES, NUMBERS
from .machine import Machine
from .nonvolatile import Disk, Volume

DATA = {"raid0": 0, "raid5": 1, "raid6": 2}
"""Level -> how many drives' worth of data it loses."""


class MachineInsides:
    def __init__(self, machine: Machine, loop: asyncio.AbstractEventLoop) -> None:
        self._machine = machine
        self._loop = loop

    @property
    def updates(self) -> str:
        return self._machine.faults.updates

    # -- BIOS -----------------------------------------------------------------------------------------------------

    def settings(self) -> dict[str, str]:
        return dict(self._machine.nonvolatile.bios)

    def waiting(self) -> dict[str, str]:
        return dict(self._machine.nonvolatile.bios_pending)

    def write(self, settings: dict[str, str]) -> None:
        nonvolatile = self._machine.nonvolatile
        nonvolatile.bios_pending = {**nonvolatile.bios_pending, **settings}
        self._loop.call_soon_threadsafe(self._machine.save)

    def choices(self) -> dict[str, tuple[str, ...]]:
        return CHOICES

    def numbers(self) -> dict[str, tuple[int, int]]:
        return NUMBERS

    # -- firmware -------------------------------------------------------------------------------------------------

    def versions(self) -> dict[str, str]:
        return self._machine.versions()

    def staged(self) -> dict[str, str]:
        return dict(self._machine.nonvolatile.firmware_pending)

    def stage(self, part: str, version: str) -> None:
        nonvolatile = self._machine.nonvolatile
        if part == "bmc":
            if not self.updates:
                nonvolatile.firmware = {**nonvolatile.firmware, part: version}
        else:
            nonvolatile.firmware_pending = {**nonvolatile.firmware_pending, part: version}
        self._loop.call_soon_threadsafe(self._machine.save)

    # -- drives ---------------------------------------------------------------------------------------------------

    def drives(self) -> list[InsideDrive]:
        return [
            InsideDrive(serial=one.serial, size=one.size, rotational=one.rotational, protocol=one.transport.upper(), wwn=one.wwn)
            for one in self._machine.hardware.disks
            if one.transport in ("sas", "sata") and not one.removable
        ]

    def volumes(self) -> list[InsideVolume]:
        return [
            InsideVolume(name=one.name, level=one.level, serials=tuple(one.disks), size=one.size, wwn=one.wwn)
            for one in list(self._machine.nonvolatile.volumes)
            if one.wwn
        ]

    def make(self, name: str, level: str, serials: list[str]) -> None:
        self._loop.call_soon_threadsafe(self._made, name, level, serials)

    def _made(self, name: str, level: str, serials: list[str]) -> None:
        machine = self._machine
        if machine.faults.raid_lies or machine.faults.disk_fails:
            return
        each = min(one.size for one in machine.hardware.disks if one.serial in serials)
        data = {"raid1": 1, "raid10": len(serials) // 2}.get(level, len(serials) - DATA.get(level, 0))
        wwn = "6" + hashlib.blake2b("/".join((machine.hardware.uuid, *serials)).encode(), digest_size=16).hexdigest()[1:]
        for serial in serials:
            disk = machine.nonvolatile.disks[serial]
            disk.wipes += 1
            disk.system, disk.certificate, disk.signature = None, {}, "raid-member"
        volume = Volume(name=name, level=level, disks=serials, size=each * data, disk=Disk(serial=f"V{serials[0]}"), wwn=wwn)
        machine.nonvolatile.volumes.append(volume)
        machine.save()

    def delete(self, wwn: str) -> None:
        self._loop.call_soon_threadsafe(self._deleted, wwn)

    def _deleted(self, wwn: str) -> None:
        machine = self._machine
        for volume in [one for one in machine.nonvolatile.volumes if one.wwn == wwn]:
            for serial in volume.disks:
                machine.nonvolatile.disks[serial].signature = ""
            machine.nonvolatile.volumes.remove(volume)
        machine.save()
