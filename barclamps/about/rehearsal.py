"""What `about-page` does to a simulated machine: it fetches gunicorn from the engine if that comes from source, and starts the page."""

from __future__ import annotations

from engine.racks.simulated.machine import Behaviour, Machine, Result, Task
from engine.racks.simulated.wheels import from_source

PACKAGED = "20.1.0"
"""Version of the package in Debian 12."""


async def about_page(machine: Machine, task: Task) -> Result:
    result, version = await from_source(machine, task, "gunicorn")
    if result.exit:
        return result
    await task.work(3.0)
    system = machine.system
    if task.action == "verify" and system is not None and "gunicorn" in system.killed:
        return Result(exit=1, message="gunicorn is not running")
    if task.action == "run":
        machine.start_process("gunicorn")
        machine.save()
    found = (one for one in task.get("gunicorn-wheels") or [] if one["source"] == task.get("gunicorn-source"))
    source = next((f"{one['version']} ({one['source']['revision']}, {one['commit']})" for one in found), "")
    server = f"gunicorn {version or PACKAGED}, from {source or 'packages'}"
    task.print(f"about-page: {server}")
    return Result(gives={"about-server": server})


ROLES: dict[str, Behaviour] = {"about-page": about_page}
