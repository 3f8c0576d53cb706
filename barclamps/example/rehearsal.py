"""What the example's script does to a machine that is not there: copy this beside your own barclamp.yml.

A function per role: it changes what the machine remembers (`machine.nonvolatile`, `machine.system`), saves, and returns what the script's
exit code and gives would be. `verify` looks at what is remembered, never at what was asked for.
"""

from __future__ import annotations

from engine.racks.simulated.machine import Behaviour, Machine, Result, Task


async def example_motd(machine: Machine, task: Task) -> Result:
    system = machine.system
    if system is None:
        return Result(exit=2, message="no system is installed")
    message = str(task.get("example/message", ""))
    await task.work(1.0)  # seconds of a real machine; the rack's speed divides them
    if task.action == "verify":
        shown = system.files.get("/etc/motd")
        if shown != f"{message}\n":
            return Result(exit=1, message="/etc/motd says something else")
    else:
        system.files["/etc/motd"] = f"{message}\n"
        machine.save()
        task.print("wrote /etc/motd")
    return Result(gives={"example-shown": message})


ROLES: dict[str, Behaviour] = {"example-motd": example_motd}
