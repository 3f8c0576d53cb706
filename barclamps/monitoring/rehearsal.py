"""What `monitor-client` does to a simulated machine: NRPE and node_exporter answer there. The other roles run on the admin node, which is
real."""

from __future__ import annotations

from engine.racks.simulated.daemons import NRPE_FILE
from engine.racks.simulated.machine import Behaviour, Machine, Result, Task


async def monitor_client(machine: Machine, task: Task) -> Result:
    system = machine.system
    if system is None:
        return Result(exit=2, message="no system is installed")
    checks = task.get("node-checks") or []
    lines = [f"command[{one['command']}]={one['plugin']} {one['arguments']}".rstrip() for one in checks]
    text = "".join(f"{line}\n" for line in (f"allowed_hosts={task.get('admin-address')}", *lines))
    await task.work(3.0)
    if task.action == "verify":
        if "nrpe" in system.killed:
            return Result(exit=1, message="nagios-nrpe-server does not run")
        return Result() if system.files.get(NRPE_FILE) == text else Result(exit=1, message=f"{NRPE_FILE} is another one")
    system.files[NRPE_FILE] = text
    machine.start_process("nrpe")
    machine.save()
    await machine.listen(5666, "nrpe")
    await machine.listen(9100, "tcp")
    task.print(f"{NRPE_FILE}: {len(lines)} commands")
    return Result()


ROLES: dict[str, Behaviour] = {"monitor-client": monitor_client}
