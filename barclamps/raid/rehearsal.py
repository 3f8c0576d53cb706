"""What `raid-configure` does to a simulated machine: one volume, md0, over its first disks. A volume that is there as wanted is left
alone; jbod and none leave all disks alone, as the script does.
"""

from __future__ import annotations

from typing import Any

from engine.rehearsal.machine import Behaviour, Machine, Result, Task

LOOK_S = 2.0
BUILD_S = 20.0
Wanted = tuple[str, list[str], int]
"""Level, serials of the members, size in bytes."""


def planned(machine: Machine, level: str) -> Wanted | None:
    """The volume of a level; None where the disks stay as they are. Raises ValueError for too few disks."""
    disks = machine.hardware.disks
    serials = [disk.serial for disk in disks]
    size = min(disk.size for disk in disks)
    match level:
        case "none" | "jbod":
            return None
        case "raid0":
            return "raid0", serials, size * len(serials)
        case "raid1" if len(disks) >= 2:
            return "raid1", serials[:2], size
        case "raid10" if len(disks) >= 4:
            even = len(disks) // 2 * 2
            return "raid10", serials[:even], size * even // 2
        case _:
            raise ValueError(f"{level} cannot be made of {len(disks)} disks")


def gives(machine: Machine, level: str, wanted: Wanted | None) -> dict[str, Any]:
    disks = machine.hardware.disks
    if level == "jbod":
        found = [{"name": disk.name, "level": "jbod", "disks": [disk.name], "size": disk.size} for disk in disks]
    elif wanted is not None:
        names = [disk.name for disk in disks if disk.serial in wanted[1]]
        found = [{"name": "md0", "level": wanted[0], "disks": names, "size": wanted[2]}]
    else:
        found = []
    return {"volumes": found}


async def raid_configure(machine: Machine, task: Task) -> Result:
    level = str(task.get("raid-wanted/level", "none"))
    await task.work(LOOK_S)
    try:
        wanted = planned(machine, level)
    except ValueError as wrong:
        return Result(exit=2, message=str(wrong))
    there = [(one.level, one.disks, one.size) for one in machine.state.volumes]
    so = wanted is None or there == [wanted]
    if task.action == "verify" and not so:
        return Result(exit=1, message=f"volumes are {[one[0] for one in there]}, wanted is {level}")
    if task.action != "verify" and not so and wanted is not None:
        task.progress(10, "making md0")
        await task.work(BUILD_S)
        if not machine.faults.raid_lies:
            machine.drop_volumes()
            machine.make_volume("md0", *wanted)
        task.print(f"md0: {level} of {len(wanted[1])} disks")
    return Result(gives=gives(machine, level, wanted))


ROLES: dict[str, Behaviour] = {"raid-configure": raid_configure}
