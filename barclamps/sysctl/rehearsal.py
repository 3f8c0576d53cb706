"""What the roles do to a simulated machine: the file of kernel parameters, and Python among its files. No Ansible runs there."""

from __future__ import annotations

from engine.racks.simulated.machine import Behaviour, Machine, Result, Task

FILE = "/etc/sysctl.d/60-crowbar.conf"
PYTHON = "/usr/bin/python3"


async def ansible_python(machine: Machine, task: Task) -> Result:
    system = machine.system
    if system is None:
        return Result(exit=2, message="no system is installed")
    if task.action == "verify":
        return Result() if PYTHON in system.files else Result(exit=1, message="python3 is missing")
    await task.work(3.0)
    system.files[PYTHON] = "python3\n"
    machine.save()
    return Result()


async def sysctl(machine: Machine, task: Task) -> Result:
    system = machine.system
    if system is None:
        return Result(exit=2, message="no system is installed")
    if PYTHON not in system.files:
        return Result(exit=69, message="python3 is missing")
    settings = task.get("sysctl/settings", {})
    wanted = {str(name): str(value) for name, value in sorted(settings.items())}
    text = "".join(f"{name} = {value}\n" for name, value in wanted.items())
    await task.work(4.0)
    if task.action == "verify":
        if system.files.get(FILE) != text:
            return Result(exit=1, message=f"{FILE} says something else")
    else:
        system.files[FILE] = text
        machine.save()
        task.print(f"wrote {FILE}")
    return Result(gives={"sysctl-applied": wanted})


ROLES: dict[str, Behaviour] = {"ansible-python": ansible_python, "sysctl": sysctl}
