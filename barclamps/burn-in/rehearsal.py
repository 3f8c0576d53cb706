"""What the burn-in finds on a simulated machine.

A scenario plants a slow disk (`slow_disk`), a cable that loses frames (`lossy`), and memory errors (`ecc`).
The machine's parts are as in the roles' scripts: a disk by its serial number and place, a cable by both ends, a DIMM by its label.
"""

from __future__ import annotations

from statistics import median
from typing import Any

from engine.racks.simulated.machine import Behaviour, Machine, Result, Task

LOOK_S, WRITE_S = 3.0, 6.0
"""Seconds of a look, and of one percent of the disks."""
_SPEED = {True: 180, False: 450}
"""MB/s of a disk that turns, and of another."""
SLOW = 3
"""A slow disk reads at this part of the usual speed."""
Found = tuple[str, str, str]
"""Result, name, line."""


def _result(attribute: str, group: str, seconds: float, found: list[Found]) -> Result:
    count = {word: sum(1 for result, _, _ in found if result == word) for word in ("passed", "failed", "skipped")}
    tests = [{"name": name[:200], "result": result, "line": line[:300]} for result, name, line in found]
    report = {**count, "excluded": 0, "seconds": seconds, "groups": [{"name": group, "seconds": seconds, "tests": tests}]}
    wrong = next(((name, line) for result, name, line in found if result == "failed"), None)
    gives: dict[str, Any] = {attribute: report}
    return Result(gives=gives) if wrong is None else Result(exit=1, gives=gives, message=f"{wrong[0]}: {wrong[1]}")


async def load(machine: Machine, task: Task) -> Result:
    seconds = float(task.get("burn-in-load-seconds", 60))
    await task.work(seconds)
    return _result("burn-in-load-report", "processors", seconds, [("passed", "computation", ""), ("passed", "package 0", "")])


def _dimms(machine: Machine, tolerated: int) -> list[Found]:
    slots = dict.fromkeys((f"DIMM_{chr(65 + n)}1" for n in range(4)), 0) | machine.faults.ecc
    fine = "corrected errors since the boot"
    return [
        ("failed", f"DIMM {label}", f"{n} {fine}, and {tolerated} are tolerated: seat it anew, or replace it")
        if n > tolerated
        else ("passed", f"DIMM {label}", "")
        for label, n in slots.items()
    ]


async def memory(machine: Machine, task: Task) -> Result:
    seconds = float(task.get("burn-in-memory-seconds", 120))
    await task.work(seconds)
    tested = machine.hardware.memory_mb * int(task.get("burn-in-memory-percent", 75)) // 100
    return _result("burn-in-memory-report", "memory", seconds, [("passed", f"{tested} MiB of memory", "")])


async def disk(machine: Machine, task: Task) -> Result:
    seconds = float(task.get("burn-in-disk-seconds", 20))
    await task.work(seconds)
    limits = task.get("burn-in-disk-limits", {})
    own = [one for one in machine.hardware.disks if one.transport != "fc"]
    speeds = {one.serial: _SPEED[one.rotational] / (SLOW if number == machine.faults.slow_disk else 1) for number, one in enumerate(own)}
    found: list[Found] = []
    for one in own:
        siblings = [speeds[each.serial] for each in own if each.size == one.size and each is not one]
        mine, usual = speeds[one.serial], median(siblings) if siblings else 0.0
        slow = mine < usual * (1 - limits.get("slower", 30) / 100)
        line = (
            f"it reads {mine:.0f} MB/s, and its {len(siblings)} siblings {usual:.0f} MB/s: {100 - mine * 100 / usual:.0f} % slower"
            if slow
            else ""
        )
        found.append(("failed" if slow else "passed", f"disk {one.serial} at {one.path} ({one.name})", line))
    return _result("burn-in-disk-report", "disks", seconds, found or [("skipped", "disks", "the machine has no disk of its own")])


async def write(machine: Machine, task: Task) -> Result:
    """The disk that reads slowly writes slowly, too. What is written stays blank."""
    if why := task.get("burn-in-write-disks/refused"):
        return Result(exit=66, message=str(why))
    limits = task.get("burn-in-write-limits", {})
    asked = {one["serial"]: one for one in task.get("burn-in-write-disks/disks") or ()}
    own = [one for one in machine.hardware.disks if one.transport != "fc"]
    for serial in asked:
        disk = machine.nonvolatile.disks.get(serial)
        if disk is None:
            return Result(exit=1, message=f"the disk with serial number {serial} is not written: discover the machine again")
        if disk.signature:
            return Result(exit=66, message=f"disk {serial} holds {disk.signature}, so nothing is written: wipe the machine first")
    seconds = WRITE_S * float(task.get("burn-in-write-percent", 5))
    await task.work(seconds)
    speeds = {one.serial: _SPEED[one.rotational] / (SLOW if number == machine.faults.slow_disk else 1) for number, one in enumerate(own)}
    found: list[Found] = []
    for one in own:
        if one.serial not in asked:
            continue
        machine.nonvolatile.disks[one.serial].wipes += 1
        siblings = [speeds[each.serial] for each in own if each.size == one.size and each is not one]
        mine, usual = speeds[one.serial], median(siblings) if siblings else 0.0
        slow = mine < usual * (1 - limits.get("slower", 40) / 100)
        line = f"it writes {mine:.0f} MB/s, and its siblings {usual:.0f} MB/s" if slow else ""
        found.append(("failed" if slow else "passed", f"disk {one.serial} at {one.path} ({one.name})", line))
    machine.save()
    return _result("burn-in-write-report", "disks", seconds, found or [("skipped", "disks", "the machine has no disk of its own")])


async def server(machine: Machine, task: Task) -> Result:
    """Its servers end with the boot."""
    await task.work(LOOK_S)
    if task.action == "verify" and machine.serves_in != machine.nonvolatile.boots:
        return Result(exit=1, message="no server runs on its ports")
    machine.serves_in = machine.nonvolatile.boots
    return Result()


async def network(machine: Machine, task: Task) -> Result:
    seconds = float(task.get("burn-in-network-seconds", 5))
    limit = int(task.get("burn-in-network-limits/lost", 10)) / 100
    links = {nic.name: nic for nic in machine.hardware.nics}
    found: list[Found] = []
    me = task.get("burn-in-peers/node", "")
    for port in task.get("burn-in-peers/ports") or ():
        nic = links.get(port["name"])
        lost = machine.faults.lossy.get(nic.link, 0.0) if nic is not None else 0.0
        found.append(("passed", f"port {port['name']}", ""))
        for peer in port["peers"]:
            await task.work(seconds * 2)
            name = f"{port['name']} to {peer['node']} {peer['name']}"
            cable = f"the cable of {me} {port['name']}" + (f" to {port['switch']}:{port['port']}" if port["switch"] else "")
            line = f"{cable} loses {lost:.1f} % of its frames, with all its partners: clean or replace it, or its modules"
            found.append(("failed", name, line) if lost > limit else ("passed", name, ""))
        if not port["peers"]:
            why = "no other node serves a port like this one: burn in several nodes at once"
            found.append(("skipped", f"{port['name']} to nobody", why))
    return _result("burn-in-network-report", "cables", seconds, found or [("skipped", "cables", "the node has no port with a link")])


async def errors(machine: Machine, task: Task) -> Result:
    await task.work(LOOK_S)
    found = _dimms(machine, int(task.get("burn-in-error-limits/memory", 0)))
    return _result("burn-in-errors-report", "errors", 0.0, [*found, ("passed", "kernel log was read", "")])


ROLES: dict[str, Behaviour] = {
    "burn-in-load": load,
    "burn-in-memory": memory,
    "burn-in-disk": disk,
    "burn-in-write": write,
    "burn-in-server": server,
    "burn-in-network": network,
    "burn-in-errors": errors,
}
