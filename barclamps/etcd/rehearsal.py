"""What `etcd-member` does to a simulated machine: the file that tells the member its name and its peers, with the systemd unit enabled."""

from __future__ import annotations

from engine.racks.simulated.machine import Behaviour, Machine, Result, Task

FILE = "/etc/default/etcd"


async def etcd_member(machine: Machine, task: Task) -> Result:
    system = machine.system
    if system is None:
        return Result(exit=2, message="no system is installed")
    address = task.get("admin-network/address")
    found = sorted((str(one["node"]), str(one["value"]["address"])) for one in task.get("etcd/members") or [] if one.get("value"))
    name = next((node for node, at in found if at == address), "")
    if not name:
        return Result(exit=2, message=f"{address} is not one of the members")
    cluster = ",".join(f"{node}=http://{at}:2380" for node, at in found)
    text = f'ETCD_NAME="{name}"\nETCD_INITIAL_CLUSTER_TOKEN="{task.get("etcd-cluster-token")}"\nETCD_INITIAL_CLUSTER="{cluster}"\n'
    await task.work(3.0)
    if task.action == "verify":
        if "etcd" in system.killed:
            return Result(exit=1, message="etcd is not running")
        return Result() if system.files.get(FILE) == text else Result(exit=1, message=f"{FILE} does not describe {name} and its peers")
    system.files[FILE] = text
    machine.start_process("etcd")
    machine.save()
    await machine.listen(2379, "tcp")
    task.print(f"{FILE}: {name}, one of {len(found)} members")
    return Result()


ROLES: dict[str, Behaviour] = {"etcd-member": etcd_member}
