"""What the roles do to a simulated machine. It has no RAID controller, so `raid-discover` reports none. `raid-configure` makes md0 over the
disks that the engine chose, or with `set` and `volumes` several volumes. Volumes that are there as wanted are left alone; jbod and none
leave all disks alone, as the script does.
"""

from __future__ import annotations

from typing import Any

from engine.racks.simulated.machine import Behaviour, Machine, Result, Task
from engine.racks.simulated.spec import DiskDef

LOOK_S = 2.0
BUILD_S = 20.0
Wanted = tuple[str, list[str], int]
"""Level, serials of the members, size in bytes."""


def members(machine: Machine, task: Task) -> list[DiskDef]:
    """The disks that the engine chose. Raises ValueError where one is missing."""
    return named(machine, task.get("raid-disks/members") or ())


def named(machine: Machine, wanted: Any) -> list[DiskDef]:
    """The disks with these names. Raises ValueError where one is missing."""
    chosen = []
    for names in wanted:
        key = "serial" if names.get("serial") else "name"
        found = next((disk for disk in machine.hardware.disks if getattr(disk, key) == names.get(key)), None)
        if found is None:
            raise ValueError(f"the disk that was {names.get('name')} is missing")
        chosen.append(found)
    return chosen


def planned(disks: list[DiskDef], level: str) -> Wanted | None:
    """The volume of a level; None where the disks stay as they are. Raises ValueError for too few disks."""
    serials = [disk.serial for disk in disks]
    size = min((disk.size for disk in disks), default=0)
    match level:
        case "none" | "jbod":
            return None
        case "raid0" if len(disks) >= 2:
            return "raid0", serials, size * len(serials)
        case "raid1" if len(disks) >= 2:
            return "raid1", serials[:2], size
        case "raid10" if len(disks) >= 4:
            even = len(disks) // 2 * 2
            return "raid10", serials[:even], size * even // 2
        case _:
            raise ValueError(f"{level} cannot be made of {len(disks)} disks")


def gives(disks: list[DiskDef], level: str, wanted: Wanted | None) -> dict[str, Any]:
    if level == "jbod":
        found = [{"name": disk.name, "level": "jbod", "disks": [disk.name], "size": disk.size} for disk in disks]
    elif wanted is not None:
        names = [disk.name for disk in disks if disk.serial in wanted[1]]
        found = [{"name": "md0", "level": wanted[0], "disks": names, "size": wanted[2]}]
    else:
        found = []
    return {"volumes": found}


async def raid_discover(machine: Machine, task: Task) -> Result:
    task.print("no tool finds a RAID controller")
    return Result(gives={"raid-report": []})


def several(machine: Machine, task: Task) -> list[tuple[str, list[DiskDef], Wanted | None]]:
    """Name, disks and volume of each wanted volume; of jbod no volume. Raises ValueError where a disk is missing."""
    out: list[tuple[str, list[DiskDef], Wanted | None]] = []
    for one in task.get("raid-disks/volumes") or ():
        if one["tool"] == "redfish":
            continue  # its BMC makes them
        disks = named(machine, one["members"])
        size = min((disk.size for disk in disks), default=0)
        data = {"raid1": 1, "raid5": len(disks) - 1, "raid6": len(disks) - 2, "raid10": len(disks) // 2}.get(one["level"], len(disks))
        serials = [disk.serial for disk in disks]
        out.append((one["name"], disks, None if one["level"] == "jbod" else (one["level"], serials, size * data)))
    return out


async def raid_volumes(machine: Machine, task: Task) -> Result:
    """`raid-wanted` with `set` or `volumes`."""
    try:
        wanted = several(machine, task)
    except ValueError as wrong:
        return Result(exit=2, message=str(wrong))
    volumes = [(name, one) for name, _, one in wanted if one is not None]
    there = [(one.level, one.disks, one.size) for one in machine.nonvolatile.volumes if not one.wwn]
    if there != [one for _, one in volumes]:
        if task.action == "verify":
            return Result(exit=1, message=f"volumes are {[one[0] for one in there]}, wanted are {[one[0] for _, one in volumes]}")
        held = [serial for _, one in volumes for serial in one[1] if machine.nonvolatile.disks[serial].signature not in ("", "raid-member")]
        if held and task.get("raid-disks/blank"):
            return Result(exit=1, message=f"disk {held[0]} is not blank any more, and the plan approves blank disks only")
        await task.work(BUILD_S)
        if not machine.faults.raid_lies:
            machine.drop_volumes()
            for name, one in volumes:
                machine.make_volume(name, *one)
        task.print(f"made {', '.join(name for name, _ in volumes)}")
    try:
        given = by_bmc(machine, task)
    except ValueError as wrong:
        return Result(exit=1, message=str(wrong))
    for name, disks, volume in wanted:
        if volume is None:
            given += gives(disks, "jbod", None)["volumes"]
        else:
            names = [disk.name for disk in disks]
            given.append({"name": name, "level": volume[0], "disks": names, "size": volume[2], "boot": boots(task, name)})
    return Result(gives={"volumes": given})


def by_bmc(machine: Machine, task: Task) -> list[dict[str, Any]]:
    """The volumes that its BMC made, by the names under which the kernel shows them. Raises ValueError for one that is not there."""
    shown = {view.wwn.removeprefix("naa."): view for view in machine.disks() if view.transport == "raid" and view.wwn}
    out = []
    for one in task.get("raid-disks/volumes") or ():
        if one["tool"] != "redfish" or one["level"] == "jbod":
            continue
        view = shown.get(one.get("wwn") or "")
        if view is None:
            raise ValueError(f"the kernel shows no disk for the volume {one['line']}")
        names = [member["name"] for member in one["members"]]
        row = {"name": view.name, "level": one["level"], "disks": names, "size": view.size, "wwn": view.wwn, "boot": one["boot"]}
        out.append(row)
    return out


def boots(task: Task, name: str) -> bool:
    return any(one["name"] == name and one["boot"] for one in task.get("raid-disks/volumes") or ())


async def raid_configure(machine: Machine, task: Task) -> Result:
    level = str(task.get("raid-wanted/level", "none"))
    await task.work(LOOK_S)
    try:
        if refused := task.get("raid-disks/refused"):
            raise ValueError(refused)
        if task.get("raid-disks/volumes"):
            return await raid_volumes(machine, task)
        disks = members(machine, task)
        wanted = planned(disks, level)
    except ValueError as wrong:
        return Result(exit=2, message=str(wrong))
    there = [(one.level, one.disks, one.size) for one in machine.nonvolatile.volumes]
    so = wanted is None or there == [wanted]
    if task.action == "verify" and not so:
        return Result(exit=1, message=f"volumes are {[one[0] for one in there]}, wanted is {level}")
    if task.action != "verify" and not so and wanted is not None:
        held = [serial for serial in wanted[1] if machine.nonvolatile.disks[serial].signature not in ("", "raid-member")]
        if held and task.get("raid-disks/blank"):
            return Result(exit=1, message=f"disk {held[0]} is not blank any more, and the plan approves blank disks only")
        task.progress(10, "making md0")
        await task.work(BUILD_S)
        if not machine.faults.raid_lies:
            machine.drop_volumes()
            machine.make_volume("md0", *wanted)
        task.print(f"md0: {level} of {len(wanted[1])} disks")
    return Result(gives=gives(disks, level, wanted))


ROLES: dict[str, Behaviour] = {"raid-discover": raid_discover, "raid-configure": raid_configure}
