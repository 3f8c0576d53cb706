"""Which of Tempest's tests are run: pure, of the names of all tests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

INTEROP = Path(__file__).with_name("interop_storage.txt")
NEEDS: Mapping[str, Sequence[str]] = {
    "identity": (),
    "object-storage": ("swift",),
    "object-storage-interop": ("swift",),
    "compute": ("glance", "nova", "neutron"),
}
"""Suite -> the services that it needs, besides Keystone."""
_SMOKE = {
    "identity": re.compile(r"tempest\.api\.identity\..*\[.*\bsmoke\b"),
    "object-storage": re.compile(r"tempest\.api\.object_storage\..*\[.*\bsmoke\b"),
}
_SERVERS = "tempest.api.compute.servers"
COMPUTE = (
    "tempest.api.compute.flavors.test_flavors.FlavorsV2TestJSON.test_list_flavors",
    "tempest.api.compute.test_versions.TestVersions.test_list_api_versions",
    f"{_SERVERS}.test_create_server.ServersTestJSON.test_list_servers",
    f"{_SERVERS}.test_create_server.ServersTestJSON.test_verify_server_details",
    f"{_SERVERS}.test_server_actions.ServerActionsTestJSON.test_get_console_output",
    f"{_SERVERS}.test_server_actions.ServerActionsTestJSON.test_reboot_server_hard",
    f"{_SERVERS}.test_server_actions.ServerActionsTestJSON.test_stop_start_server",
    f"{_SERVERS}.test_server_addresses.ServerAddressesTestJSON.test_list_server_addresses",
)
"""Each boots a server, or costs nothing. All others of the smoke tests ask for more than one small machine can give in time."""


def plain(test: str) -> str:
    """The name of a test without its tags."""
    return test.partition("[")[0]


def parts(test: str) -> tuple[str, str]:
    """Class and method."""
    group, _, method = plain(test).rpartition(".")
    return group, method


@dataclass
class Chosen:
    run: list[str] = field(default_factory=list)
    """In the order of the names, so that the tests of a class stand together. With tags, as the runner wants them."""
    excluded: dict[str, str] = field(default_factory=dict)
    """Test -> reason."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Suite -> what the deployment lacks for it."""


def choose(known: Iterable[str], suites: Sequence[str], services: Iterable[str], exclude: Iterable[Mapping[str, str]]) -> Chosen:
    there, rules = set(services), {one["test"]: one["reason"] for one in exclude}
    chosen, wanted = Chosen(), []
    for suite in suites:
        missing = [name for name in NEEDS[suite] if name not in there]
        if missing:
            chosen.left_out[suite] = f"the deployment has no {' and no '.join(missing)}"
        else:
            wanted.append(suite)
    names = {"compute": set(COMPUTE), "object-storage-interop": set(interop())}
    for test in sorted(known):
        name = plain(test)
        if not any(name in names.get(suite, ()) or (suite in _SMOKE and _SMOKE[suite].match(test)) for suite in wanted):
            continue
        reason = next((why for rule, why in rules.items() if name == rule or name.startswith(f"{rule}.")), None)
        if reason is not None:
            chosen.excluded[name] = reason
        else:
            chosen.run.append(test)
    return chosen


def interop() -> list[str]:
    lines = INTEROP.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def shares(tests: Sequence[str], workers: int) -> list[list[str]]:
    """The tests for each worker. A class is never split, because each worker would prepare it."""
    classes: dict[str, list[str]] = {}
    for test in tests:
        classes.setdefault(parts(test)[0], []).append(test)
    out: list[list[str]] = [[] for _ in range(max(min(workers, len(classes)), 1))]
    for _, mine in sorted(classes.items(), key=lambda one: (-len(one[1]), one[0])):
        min(out, key=len).extend(mine)
    return out
