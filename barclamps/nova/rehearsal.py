"""What the roles of Nova do to a simulated machine. The controller knows a service of each compute node, as Nova's API lists them."""

from __future__ import annotations

import importlib
import json
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

from engine.racks.simulated.http_side import Answer, Server, ask
from engine.racks.simulated.keeps import keeps
from engine.racks.simulated.machine import Behaviour, Machine, Result, Task

sys.path += [str(files("images") / "node" / "cloud"), str(Path(__file__).parent / "roles" / "nova-hosts")]
hosts = importlib.import_module("nova_hosts")
API, SSH = 8774, 22
SERVICES = "/var/lib/nova/services"
"""File of the controller: host -> its service's record."""
_compute = keeps("nova-compute", "/etc/nova/nova-compute.conf.d/crowbar.conf", 0, 6.0, "nova-virt-type", "nova-cpu-overcommit")


async def _api(machine: Machine, verb: str, path: str, body: bytes) -> Answer:
    """`/services` and `/services/HOST`. A service is up while its node runs."""
    if machine.system is None or not path.startswith("/services"):
        return 200 if path == "/" else 404, b""
    known: dict[str, Any] = machine.system.files.setdefault(SERVICES, {})
    name = path.removeprefix("/services").strip("/")
    if not name:
        rows = [{**one, "id": host, "host": host, "state": await _state(machine, one)} for host, one in sorted(known.items())]
        return 200, json.dumps(rows).encode()
    if verb == "DELETE":
        known.pop(name, None)
    elif verb == "PUT":
        known[name] = {"status": "enabled", **known.get(name, {}), **json.loads(body)}
    machine.save()
    return 200, b""


async def _state(machine: Machine, one: dict[str, Any]) -> str:
    return "up" if await machine.reaches(str(one["address"]), SSH) else "down"


def _controller(task: Task) -> str:
    return next((str(one["value"]["address"]) for one in task.get("cloud/nova") or [] if one.get("value")), "")


async def _services(machine: Machine, task: Task) -> list[dict[str, Any]] | None:
    """None: Nova does not answer."""
    status, text = await ask(machine, "GET", _controller(task), API, "/services")
    return json.loads(text) if status == 200 else None


async def nova_compute(machine: Machine, task: Task) -> Result:
    result, system = await _compute(machine, task), machine.system
    if result.exit or system is None:
        return result
    name = system.hostname.split(".")[0]
    if task.action != "verify":
        record = {"address": task.get("admin-network/address")}
        await ask(machine, "PUT", _controller(task), API, f"/services/{name}", json.dumps(record).encode())
    found = await _services(machine, task)
    if name not in {one["host"] for one in found or [] if one["state"] == "up"}:
        return Result(exit=1, message=f"nova-compute of {name} does not report to Nova")
    return Result()


async def nova_hosts(machine: Machine, task: Task) -> Result:
    """It takes the decisions of the role's own script."""
    await task.work(2.0)
    names = {str(one["node"]).split(".")[0] for one in task.get("cloud/compute") or [] if one.get("value")}
    found = await _services(machine, task)
    if found is None:
        return Result(exit=1, message="Nova does not answer")
    due = hosts.due(found, names)
    if task.action == "verify":
        return Result(exit=1, message=f"{due[0].verb} {due[0].host}") if due else Result()
    for one in due:
        if one.verb in ("enable", "disable"):
            status = {"status": f"{one.verb}d", "disabled_reason": hosts.OURS if one.verb == "disable" else ""}
            await ask(machine, "PUT", _controller(task), API, f"/services/{one.host}", json.dumps(status).encode())
        elif one.verb == "delete":
            await ask(machine, "DELETE", _controller(task), API, f"/services/{one.host}")
        task.print(f"cloud: {one.host}: {one.verb}")
    waits = next((one.host for one in due if one.verb == "wait"), "")
    return Result(exit=1, message=hosts.still_reports(waits)) if waits else Result()


ROLES: dict[str, Behaviour] = {
    "nova-controller": keeps("nova-conductor", "/etc/nova/nova.conf.d/crowbar.conf", API, 12.0, kind="nova-api"),
    "nova-compute": nova_compute,
    "nova-hosts": nova_hosts,
}
SERVERS: dict[str, Server] = {"nova-api": _api}
