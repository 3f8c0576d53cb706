"""What `ntp-client` does to a simulated machine. `ntp-server` runs on the admin node, which is real."""

from __future__ import annotations

from engine.racks.simulated.machine import Behaviour, Machine, Result, Task

FILE = "/etc/chrony/sources.d/crowbar.sources"


async def ntp_client(machine: Machine, task: Task) -> Result:
    system = machine.system
    if system is None:
        return Result(exit=2, message="no system is installed")
    text = "".join(f"server {server} iburst\n" for server in task.get("ntp-servers") or [])
    await task.work(2.0)
    if task.action == "verify":
        if "chronyd" in system.killed:
            return Result(exit=1, message="chronyd is not running")
        return Result() if system.files.get(FILE) == text else Result(exit=1, message=f"{FILE} is another one")
    system.files[FILE] = text
    machine.start_process("chronyd")
    machine.save()
    task.print(f"{FILE}: {len(text.splitlines())} servers")
    return Result()


ROLES: dict[str, Behaviour] = {"ntp-client": ntp_client}
