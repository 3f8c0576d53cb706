"""What `disk-wipe` does to a simulated machine: each disk that the engine chose is wiped once in a boot, and leaves its volume.

A simulated drive offers what its kind usually does: NVMe a format, a SATA SSD the enhanced erase, a SATA disk the erase, and all others
nothing.
"""

from __future__ import annotations

import time
from typing import Any

from engine.racks.simulated.machine import Behaviour, DiskBroken, Machine, Result, Task
from engine.racks.simulated.nonvolatile import Disk
from engine.racks.simulated.spec import DiskDef

LOOK_S = 3.0
ERASE_S = 60.0
OVERWRITE_BYTES_S = 200e6
_CLASS = {"nvme-format": "secure", "ata-enhanced-erase": "secure", "ata-erase": "secure", "overwrite": "overwrite"}


def _offers(disk: DiskDef) -> str:
    """The method that `auto` takes."""
    match disk.transport, disk.rotational:
        case "nvme", _:
            return "nvme-format"
        case "sata", False:
            return "ata-enhanced-erase"
        case "sata", True:
            return "ata-erase"
    return "overwrite"


def _method(disk: DiskDef, wanted: str) -> tuple[str, str]:
    """Method and reason. Raises ValueError: the drive does not offer what is wanted."""
    best = _offers(disk)
    if wanted == "overwrite":
        return "overwrite", "the plan wants each block written"
    if wanted != "auto" and _CLASS[best] != wanted:
        raise ValueError(f"the drive does not offer the method {wanted}. It can be wiped by overwrite")
    return best, "the drive offers no erase" if best == "overwrite" else "the drive erases itself"


def _chosen(machine: Machine, task: Task) -> list[tuple[DiskDef, dict[str, Any]]]:
    """The disks that the engine chose, by serial number, WWN and size. Raises ValueError where one is missing."""
    if refused := task.get("wipe-disks/refused"):
        raise ValueError(refused)
    found = []
    for names in task.get("wipe-disks/disks") or ():
        same = [one for one in machine.hardware.disks if (one.serial, one.wwn, one.size) == (names["serial"], names["wwn"], names["size"])]
        if len(same) != 1:
            raise ValueError(f"the disk with serial number {names['serial']} cannot be wiped: no disk has that serial number and WWN")
        found.append((same[0], names))
    if not found:
        raise ValueError("no disk is approved for a wipe")
    return found


def _wiped(machine: Machine, disk: Disk) -> bool:
    return bool(disk.certificate) and disk.wiped_in == machine.nonvolatile.boots


def _gives(machine: Machine, chosen: list[tuple[DiskDef, dict[str, Any]]]) -> dict[str, Any]:
    return {"wipe-certificates": [machine.nonvolatile.disks[one.serial].certificate for one, _ in chosen]}


async def _wipe(machine: Machine, task: Task, one: DiskDef, names: dict[str, Any], method: str, reason: str) -> None:
    seconds = one.size / OVERWRITE_BYTES_S if method == "overwrite" else ERASE_S
    await task.work(seconds)
    disk = machine.nonvolatile.disks[one.serial]
    for volume in [each for each in machine.nonvolatile.volumes if one.serial in each.disks]:
        machine.nonvolatile.volumes.remove(volume)
    if machine.faults.wipe_lies:
        raise ValueError(f"disk {one.serial} ({one.name}): old data is left at byte 0")
    machine.wipe(disk)
    samples = int(task.get("wipe-samples", 64))
    disk.certificate = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "who": task.get("wipe-disks/who", ""),
        "machine": task.get("wipe-disks/machine", ""),
        "machine_serial": task.get("wipe-disks/machine-serial", ""),
        "serial": one.serial,
        "wwn": one.wwn,
        "model": names.get("model", ""),
        "size": one.size,
        "method": method,
        "reason": reason,
        "samples": {"read": samples, "zeros": samples, "ones": 0, "changed": 0},
        "result": "wiped",
        "seconds": round(seconds),
    }
    disk.wiped_in = machine.nonvolatile.boots
    machine.save()
    task.print(f"disk {one.serial} ({one.name}): it is wiped by {method}: {reason}")


async def disk_wipe(machine: Machine, task: Task) -> Result:
    await task.work(LOOK_S)
    try:
        chosen = _chosen(machine, task)
        left = [pair for pair in chosen if not _wiped(machine, machine.nonvolatile.disks[pair[0].serial])]
        if task.action == "verify":
            if left:
                return Result(exit=1, message=f"disk {left[0][0].serial} is not wiped, or was written since")
            return Result(gives=_gives(machine, chosen))
        held = [one.serial for one, _ in left if machine.nonvolatile.disks[one.serial].signature]
        if held and task.get("wipe-disks/blank"):
            return Result(exit=1, message=f"disk {held[0]} is not blank any more, and the plan approves blank disks only")
        methods = [_method(one, str(task.get("wipe-method", "auto"))) for one, _ in left]
        for number, ((one, names), (method, reason)) in enumerate(zip(left, methods, strict=True)):
            task.progress(5 + 90 * number // len(left), f"disk {one.serial}: {method}")
            await _wipe(machine, task, one, names, method, reason)
    except (ValueError, DiskBroken) as wrong:
        return Result(exit=1, message=str(wrong))
    task.progress(100, "wiped")
    return Result(gives=_gives(machine, chosen))


ROLES: dict[str, Behaviour] = {"disk-wipe": disk_wipe}
