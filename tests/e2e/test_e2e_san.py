"""A rehearsal with two SANs: the delegate of one runs on the admin node, that of the other on a server. LUNs come before their nodes' roles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
rules: [{match: {}, group: compute, name: "node-{number}"}]
attributes:
  san-access:
    "*": {driver: tgt}
    san1: {address: 192.168.124.250}
    san2: {delegate: node-2}
  san-wanted: [{name: data, size: 1073741824}, {name: logs, size: 2147483648, san: san2}]
deployments:
  cloud:
    attributes: {target-os: debian-12}
    roles: {network-admin: all, ready: all, san-disk: all, san-luns: all, san-target: {node: node-2}}
secrets: {bmc-password: {env: CROWBAR_BMC_PASSWORD}}
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Ended]]:
    folder = tmp_path_factory.mktemp("san")
    plan = folder / "plan.yml"
    plan.write_text(PLAN, encoding="utf-8")
    store = folder / "store"
    try:
        yield store, crowbar(store, "rehearse", "--plan", str(plan), "--nodes", "3", "--speed", "max", "--headless", "--json")
    finally:
        stop_rack(store)


def san(store: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((rack_folder(store) / "sans" / f"{name}.json").read_text(encoding="utf-8"))
    return found


def turned(run: Ended, role: str, state: str) -> dict[str, int]:
    """Node -> the first line in which its role has that state. A line tells of its own node, and in words of others."""
    out: dict[str, int] = {}
    for i, line in enumerate(run.out.splitlines()):
        one = json.loads(line)
        for part in str(one.get("text") or "").split("; ") if one["type"] == "outcome" else ():
            name, _, now = part.rpartition(" ")
            what, _, node = name.partition(" on ")
            if (what, now) == (role, state):
                out.setdefault(node or str(one.get("node")).split(".")[0], i)
    return out


def test_the_rack_becomes_ready_with_its_luns(ran: tuple[Path, Ended]) -> None:
    store, run = ran
    assert run.code == 0, run
    assert (run.summary["ready"], run.summary["failed"]) == (3, 0)
    for name, size in (("san1", 1 << 30), ("san2", 2 << 30)):
        found = san(store, name)
        assert sorted(found["targets"]) == [f"iqn.2026-01.test.rehearsal:{name}.node-{n}" for n in (1, 2, 3)]
        assert [one["initiator"] for _, one in sorted(found["targets"].items())] == [
            f"iqn.2026-01.test.rehearsal:node-{n}" for n in (1, 2, 3)
        ]
        assert set(found["luns"].values()) == {size}
        assert len({one["secret"] for one in found["targets"].values()}) == 3, "each node has its own"


def test_a_lun_is_there_before_the_nodes_role_runs(ran: tuple[Path, Ended]) -> None:
    _, run = ran
    begun = turned(run, "san-disk", "transition")
    made = turned(run, "san-luns", "active")
    assert begun.keys() == {"node-1", "node-2", "node-3"}
    assert made.keys() == {"san1", "san2"}
    assert min(begun.values()) >= max(made.values()), "both SANs had exposed their LUNs before a node used one"


def test_the_delegate_waits_for_the_node_that_carries_it(ran: tuple[Path, Ended]) -> None:
    _, run = ran
    assert turned(run, "san-luns", "transition")["san2"] >= turned(run, "san-target", "active")["node-2"]


def test_no_secret_is_in_what_the_run_prints(ran: tuple[Path, Ended]) -> None:
    store, run = ran
    secrets = {one["secret"] for name in ("san1", "san2") for one in san(store, name)["targets"].values()}
    logs = "".join(path.read_text(errors="replace") for path in (store / "logs").rglob("*") if path.is_file())
    for secret in secrets:
        assert secret not in run.out + run.err + logs
