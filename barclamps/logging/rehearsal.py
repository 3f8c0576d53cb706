"""What `log-client` does to a simulated machine. `log-server` runs on the admin node, which is real."""

from __future__ import annotations

from engine.racks.simulated.machine import Behaviour, Machine, Result, Task

FILE = "/etc/rsyslog.d/60-crowbar.conf"


async def log_client(machine: Machine, task: Task) -> Result:
    system = machine.system
    if system is None:
        return Result(exit=2, message="no system is installed")
    server = task.get("log-server")
    if not isinstance(server, dict):
        return Result(exit=2, message="no log server is given")
    text = f"{server['address']}:{server['port']} as {server['name']}\n"
    await task.work(2.0)
    if task.action == "verify":
        return Result() if system.files.get(FILE) == text else Result(exit=1, message=f"{FILE} is another one")
    system.files[FILE] = text
    machine.save()
    task.print(f"{FILE}: {server['address']}")
    return Result()


ROLES: dict[str, Behaviour] = {"log-client": log_client}
