"""What the roles of `swift` do to a simulated machine: their files, with a process and a port for each."""

from __future__ import annotations

from engine.definitions import Json
from engine.racks.simulated.keeps import keeps
from engine.racks.simulated.machine import Behaviour, Machine, Result, Task

_DEVICE = "f0123456789"


def gives(behaviour: Behaviour, name: str, value: Json) -> Behaviour:
    async def giving(machine: Machine, task: Task) -> Result:
        result = await behaviour(machine, task)
        return result if result.exit else Result(gives={name: value})

    return giving


ROLES: dict[str, Behaviour] = {
    "swift-storage": gives(keeps("rsync", "/etc/rsyncd.conf", 873, 3.0), "swift-devices", [{"name": _DEVICE, "weight": 1}]),
    "swift-rings": gives(keeps("", "/etc/swift/object.builder", 0, 3.0, "swift/nodes"), "swift-ring", "cmluZw=="),
    "swift-servers": keeps("swift-object-server", "/etc/swift/object-server.conf", 6200, 8.0, "swift-ring"),
    "swift-proxy": keeps("swift-proxy-server", "/etc/swift/proxy-server.conf", 8080, 8.0, "swift-ring"),
}
