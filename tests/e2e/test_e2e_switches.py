"""A rehearsal whose switches are managed: a VLAN is on the switch before the node's role uses it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from crowbar_process import Ended, crowbar, rack_folder, stop_rack

PLAN = """\
crowbar: 1
site: {name: rehearsal, domain: rehearsal.test, admin: {address: 192.168.124.10}}
approve: {wipe: blank}
networks:
  admin:
    subnet: 192.168.124.0/24
    router: 192.168.124.1
    ranges: {dhcp: 192.168.124.21-192.168.124.80, host: 192.168.124.81-192.168.124.200}
  bmc: {subnet: 192.168.125.0/24, conduit: bmc, ranges: {host: 192.168.125.21-192.168.125.200}}
  storage: {subnet: 192.168.144.0/24, vlan: 200, conduit: 1g1, ranges: {host: 192.168.144.21-192.168.144.254}}
rules: [{match: {}, group: compute, name: "node-{number}"}]
attributes:
  switch-access: {"*": {driver: cumulus}, tor1: {address: 192.168.124.250}, tor2: {address: 192.168.124.251}}
  switch-untagged: {admin: 10}
deployments:
  cloud:
    attributes: {target-os: debian-12}
    roles: {network-admin: all, network-storage: all, ready: all, switch-ports: all}
secrets: {bmc-password: {env: CROWBAR_BMC_PASSWORD}}
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Ended]]:
    folder = tmp_path_factory.mktemp("switches")
    plan = folder / "plan.yml"
    plan.write_text(PLAN, encoding="utf-8")
    store = folder / "store"
    try:
        yield store, crowbar(store, "rehearse", "--plan", str(plan), "--nodes", "2", "--speed", "max", "--headless", "--json")
    finally:
        stop_rack(store)


def test_the_rack_becomes_ready_by_its_switches(ran: tuple[Path, Ended]) -> None:
    store, run = ran
    assert run.code == 0, run
    assert (run.summary["ready"], run.summary["failed"]) == (2, 0)
    ports = json.loads((rack_folder(store) / "switches" / "tor2.json").read_text(encoding="utf-8"))
    assert {name: (one["untagged"], one["tagged"]) for name, one in ports.items()} == {"swp1": (1, [200]), "swp2": (1, [200])}
    assert {one["description"] for one in ports.values()} == {"node-1 1g1", "node-2 1g1"}, "numbers are given as machines come"
    first = json.loads((rack_folder(store) / "switches" / "tor1.json").read_text(encoding="utf-8"))
    assert {one["untagged"] for one in first.values()} == {10}


def test_the_vlan_is_there_before_the_nodes_role_runs(ran: tuple[Path, Ended]) -> None:
    events = [json.loads(line) for line in ran[1].out.splitlines() if line.startswith("{")]
    set_up = next(
        i for i, one in enumerate(events) if one.get("node", "").startswith("tor2") and one.get("roles", {}).get("switch-ports") == "active"
    )
    starts = [
        i for i, one in enumerate(events) if "network-storage" in one.get("roles", {}) and one["roles"]["network-storage"] == "transition"
    ]
    assert starts
    assert set_up <= min(starts)
