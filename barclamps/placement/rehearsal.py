"""What `placement` does to a simulated machine: it fetches Placement from the engine if that comes from source."""

from __future__ import annotations

from engine.racks.simulated.keeps import keeps
from engine.racks.simulated.machine import Behaviour, Machine, Result, Task
from engine.racks.simulated.wheels import from_source

_KEEPS = keeps("placement-api", "/etc/placement/placement.conf.d/crowbar.conf", 8778, 4.0)


async def placement(machine: Machine, task: Task) -> Result:
    result, version = await from_source(machine, task, "placement")
    if result.exit:
        return result
    task.print(f"placement {version} from source" if version else "placement from packages")
    return await _KEEPS(machine, task)


ROLES: dict[str, Behaviour] = {"placement": placement}
