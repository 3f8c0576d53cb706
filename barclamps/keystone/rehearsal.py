"""What `keystone` does to a simulated machine: it fetches the wheels from the engine if Keystone comes from source, and starts it."""

from __future__ import annotations

from engine.racks.simulated.keeps import keeps
from engine.racks.simulated.machine import Behaviour, Machine, Result, Task
from engine.racks.simulated.wheels import from_source

_service = keeps("keystone", "/etc/keystone/keystone.conf.d/crowbar.conf", 5000, 8.0, "token-hours")


async def keystone(machine: Machine, task: Task) -> Result:
    result, version = await from_source(machine, task, "keystone")
    if result.exit:
        return result
    task.print(f"keystone: {version or 'from packages'}")
    return await _service(machine, task)


ROLES: dict[str, Behaviour] = {"keystone": keystone}
