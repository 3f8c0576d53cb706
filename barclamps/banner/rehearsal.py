"""What the role does to a simulated machine: the file that it writes. No Chef runs there."""

from __future__ import annotations

from engine.racks.simulated.machine import Behaviour, Machine, Result, Task

FILE = "/etc/issue.net"


async def banner(machine: Machine, task: Task) -> Result:
    system = machine.system
    if system is None:
        return Result(exit=2, message="no system is installed")
    text = str(task.get("banner/text", "")).removesuffix("\n") + "\n"
    await task.work(8.0)
    if task.action == "verify":
        if system.files.get(FILE) != text:
            return Result(exit=1, message=f"{FILE} says something else")
    else:
        system.files[FILE] = text
        machine.save()
        task.print(f"wrote {FILE}")
    return Result(gives={"banner-lines": len(text.splitlines())})


ROLES: dict[str, Behaviour] = {"banner": banner}
