"""What the role does to a simulated machine: one line per account in its list of users. No Puppet runs there."""

from __future__ import annotations

from engine.racks.simulated.machine import Behaviour, Machine, Result, Task

FILE = "/etc/passwd.crowbar"


async def accounts(machine: Machine, task: Task) -> Result:
    system = machine.system
    if system is None:
        return Result(exit=2, message="no system is installed")
    users = task.get("accounts/users", {})
    names = sorted(str(name) for name, about in users.items() if about.get("present", True))
    text = "".join(f"{name}\n" for name in names)
    await task.work(6.0)
    if task.action == "verify":
        if system.files.get(FILE) != text:
            return Result(exit=1, message="puppet would change something")
    else:
        system.files[FILE] = text
        machine.save()
        task.print(f"accounts: {', '.join(names) or 'none'}")
    return Result(gives={"accounts-uids": {name: 1000 + number for number, name in enumerate(names)}})


ROLES: dict[str, Behaviour] = {"accounts": accounts}
