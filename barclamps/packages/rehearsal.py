"""What `package-sources` does to a simulated machine."""

from __future__ import annotations

from engine.racks.simulated.machine import Behaviour, Machine, Result, Task

FILE = "/etc/apt/sources.list.d/crowbar.sources"


async def package_sources(machine: Machine, task: Task) -> Result:
    system = machine.system
    if system is None:
        return Result(exit=2, message="no system is installed")
    text = ""
    if task.get("package-sources") == "cache":
        url = task.get("package-mirror") or f"{task.get('engine-url')}/packages/{system.os}"
        text = f"URIs: {url}\nCheck-Valid-Until: {'yes' if task.get('package-dates') else 'no'}\n"
    await task.work(1.0)
    if task.action == "verify":
        return Result() if system.files.get(FILE, "") == text else Result(exit=1, message=f"{FILE} is another one")
    if text:
        system.files[FILE] = text
    else:
        system.files.pop(FILE, None)
    machine.save()
    return Result()


ROLES: dict[str, Behaviour] = {"package-sources": package_sources}
