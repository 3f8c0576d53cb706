"""What `network-NAME` does to a simulated machine: its address on that network is written to the installed system."""

from __future__ import annotations

from ipaddress import IPv4Interface

from engine.racks.simulated.machine import Behaviour, Machine, Result, Task

APPLY_S = 2.0


async def network(machine: Machine, task: Task) -> Result:
    system, wanted = machine.system, task.get("network") or {}
    if system is None:
        return Result(exit=2, message="no system is installed")
    try:
        address = str(IPv4Interface(f"{wanted['address']}/{wanted['mask']}"))
    except (KeyError, ValueError) as wrong:
        return Result(exit=2, message=f"the network is not described: {wrong}")
    file = f"/etc/network/interfaces.d/{wanted.get('name', 'network')}"
    text = f"address {address}\nvlan {wanted.get('vlan') or 0}\ngateway {wanted.get('router') or 'none'}\n"
    await task.work(APPLY_S)
    if task.action == "verify":
        if system.files.get(file) != text:
            return Result(exit=1, message=f"{file} does not say {address}")
    else:
        system.files[file] = text
        machine.save()
        task.print(f"{file}: {address}")
    return Result(gives={"addresses": [address]})


ROLES: dict[str, Behaviour] = {"network": network}
