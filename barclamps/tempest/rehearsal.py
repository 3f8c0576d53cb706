"""What `tempest` does on a simulated machine. A test passes if the services that it asks accept connections, wherever their nodes are.

So if a process was killed there, its tests fail.
"""

from __future__ import annotations

from typing import Any

from engine.racks.simulated.machine import Behaviour, Machine, Result, Task

PORTS = {"keystone": 5000, "swift": 8080, "glance": 9292, "nova": 8774, "neutron": 9696}
TEST_S = 1.5
IDENTITY = (
    "tempest.api.identity.v3.test_api_discovery.TestApiDiscovery.test_list_api_versions",
    "tempest.api.identity.v3.test_domains.DefaultDomainTestJSON.test_default_domain_exists",
    "tempest.api.identity.admin.v3.test_groups.GroupsV3TestJSON.test_group_users_add_list_delete",
)
STORAGE = ("tempest.api.object_storage.test_object_services.ObjectTest.test_create_object",)
COMPUTE = ("tempest.api.compute.servers.test_create_server.ServersTestJSON.test_verify_server_details",)
SUITES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "identity": ((), IDENTITY),
    "object-storage": (("swift",), STORAGE),
    "object-storage-interop": (("swift",), ()),
    "compute": (("glance", "nova", "neutron"), COMPUTE),
}
"""Suite -> the services that it needs besides Keystone, and some of its tests. The interop suite's are in the role's own list."""


async def tempest(machine: Machine, task: Task) -> Result:
    if machine.system is None:
        return Result(exit=2, message="no system is installed")
    down = {name: await _down(machine, task, name) for name in PORTS if task.get(f"cloud/{name}")}
    wanted, tests = _wanted(task), []
    for number, (name, services, reason) in enumerate(wanted):
        task.progress(5 + 94 * number // len(wanted), f"{number} of {len(wanted)} tests")
        if reason:
            tests.append((name, "skipped" if name.startswith("suites.") else "excluded", 0.0, reason))
            continue
        await task.work(TEST_S)
        wrong = next((down[one] for one in ("keystone", *services) if down.get(one)), "")
        tests.append((name, "failed" if wrong else "passed", TEST_S, wrong))
    report = _report(tests)
    failed = [(name, line) for name, result, _, line in tests if result == "failed"]
    if failed:
        name, line = failed[0]
        task.print(f"tempest: {len(failed)} failed: {'.'.join(name.split('.')[-2:])}: {line}")
    task.print(f"tempest: {report['passed']} passed, {report['skipped']} skipped, {report['excluded']} excluded")
    return Result(exit=1 if failed else 0, gives={"tempest-results": report})


async def _down(machine: Machine, task: Task, service: str) -> str:
    """Why the service does not answer. Empty: it does on one of its nodes."""
    addresses = [str(one["value"]["address"]) for one in task.get(f"cloud/{service}") or [] if one.get("value")]
    for address in addresses:
        if await machine.reaches(address, PORTS[service]):
            return ""
    return f"{service}: {addresses[0] if addresses else 'no node'}:{PORTS[service]}: Connection refused"


def _wanted(task: Task) -> list[tuple[str, tuple[str, ...], str]]:
    """Test, its services, and why it is not run."""
    excluded = {one["test"]: one["reason"] for one in task.get("tempest-exclude") or []}
    interop = task.files.get("interop_storage.txt", b"").decode().splitlines()
    out: dict[str, tuple[tuple[str, ...], str]] = {}
    for suite in task.get("tempest-suites") or []:
        services, names = SUITES[suite]
        missing = [one for one in services if not task.get(f"cloud/{one}")]
        if missing:
            out[f"suites.{suite}"] = (services, f"the deployment has no {' and no '.join(missing)}")
            continue
        more = [one for one in interop if one and not one.startswith("#")] if suite == "object-storage-interop" else []
        for name in (*names, *more):
            out[name] = (services, "")
    out |= {test: ((), reason) for test, reason in excluded.items()}
    return [(name, services, reason) for name, (services, reason) in sorted(out.items())]


def _report(tests: list[tuple[str, str, float, str]]) -> dict[str, Any]:
    totals: dict[str, Any] = {one: sum(result == one for _, result, _, _ in tests) for one in ("passed", "failed", "skipped", "excluded")}
    groups: dict[str, list[dict[str, Any]]] = {}
    for name, result, seconds, line in tests:
        group, _, method = name.rpartition(".")
        groups.setdefault(group, []).append({"name": method, "result": result, "seconds": seconds, "line": line})
    rows = [{"name": name, "seconds": sum(one["seconds"] for one in found), "tests": found} for name, found in groups.items()]
    return {**totals, "seconds": sum(row["seconds"] for row in rows), "groups": rows}


ROLES: dict[str, Behaviour] = {"tempest": tempest}
