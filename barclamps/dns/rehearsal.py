"""What `dns-client` does to a simulated machine. `dns-server` and `dns-records` run on the admin node, which is real."""

from __future__ import annotations

from engine.racks.simulated.machine import Behaviour, Machine, Result, Task

FILE = "/etc/resolv.conf"


async def dns_client(machine: Machine, task: Task) -> Result:
    system = machine.system
    if system is None:
        return Result(exit=2, message="no system is installed")
    servers = [str(server) for server in task.get("dns-servers") or []]
    await task.work(2.0)
    if not servers:
        task.print("the rack has no name server, so this system keeps its own")
        return Result()
    text = f"search {task.get('domain')}\n" + "".join(f"nameserver {server}\n" for server in servers)
    if task.action == "verify":
        return Result() if system.files.get(FILE) == text else Result(exit=1, message=f"{FILE} does not name {' '.join(servers)}")
    system.files[FILE] = text
    machine.save()
    task.print(f"{FILE}: {len(servers)} name servers")
    return Result()


ROLES: dict[str, Behaviour] = {"dns-client": dns_client}
