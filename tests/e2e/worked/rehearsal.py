"""What the roles of the worked plan do to a simulated machine: each writes what it reads into a file, and counts its runs there."""

from __future__ import annotations

import json
from typing import Any

from engine.racks.simulated.machine import Behaviour, Machine, Result, Task


def _writes(role: str, reads: tuple[str, ...], gives: str = "") -> Behaviour:
    async def run(machine: Machine, task: Task) -> Result:
        system = machine.system
        if system is None:
            return Result(exit=2, message="no system is installed")
        found: dict[str, Any] = {name: task.get(name) for name in reads}
        told = {gives: f"{gives}://{system.hostname}"} if gives else {}
        text = json.dumps(found, sort_keys=True)
        if task.action == "verify":
            there = system.files.get(f"/etc/{role}") == text
            return Result(gives=told) if there else Result(exit=1, message=f"/etc/{role} is another one")
        await task.work(2.0)
        system.files[f"/etc/{role}"] = text
        system.files[f"/var/log/{role}"] = system.files.get(f"/var/log/{role}", "") + "ran\n"
        machine.save()
        return Result(gives=told)

    return run


ROLES: dict[str, Behaviour] = {
    "db": _writes("db", ("db/members",), "dsn"),
    "queue": _writes("queue", ("hostname",), "broker"),
    "api": _writes("api", ("dsn", "broker", "workers", "resolvers")),
    "agent": _writes("agent", ("broker",)),
    "swift": _writes("swift", ("hostname",)),
}
