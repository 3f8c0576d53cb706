"""The shipped clouds on simulated racks: the graph of their roles, its order, and what is said when a service dies."""

from __future__ import annotations

from pathlib import Path

import pytest
from cloud_rack import attempts, cloud, out_of_order, revisions, servers
from crowbar_process import crowbar, here, saved_machines

ORDER = [
    ("openstack-database", "keystone"),
    ("openstack-cache", "keystone"),
    ("openstack-front", "keystone"),
    ("keystone", "glance"),
    ("keystone", "placement"),
    ("glance", "nova-controller"),
    ("placement", "nova-controller"),
    ("openstack-messages", "nova-controller"),
    ("nova-controller", "nova-compute"),
    ("swift-storage", "swift-rings"),
    ("swift-rings", "swift-servers"),
    ("swift-servers", "swift-proxy"),
    ("keystone", "swift-proxy"),
    ("swift-proxy", "retriever"),
]
"""Each is done on all nodes that have it before the other begins anywhere."""


@pytest.mark.parametrize(("name", "nodes"), [("openstack-one", 1), pytest.param("openstack-six", 6, marks=pytest.mark.long)])
def test_a_shipped_cloud_becomes_validated(store: Path, name: str, nodes: int) -> None:
    run = crowbar(store, "rehearse", "--plan", name, "--network", "loopback", "--headless", "--json")
    assert run.code == 0, run
    assert (run.summary["nodes"], run.summary["ready"], run.summary["waiting"]) == (nodes, nodes, {}), run.summary
    assert out_of_order(store, ORDER) == []
    states = [row for row in here(store, "deployment", "list", "--json").lines if row.get("name") == "cloud"]
    assert [row["state"] for row in states] == ["validated"]


def test_a_second_replay_changes_nothing(store: Path) -> None:
    """On the running rack: no attempt, no boot, no revision; and the same verdict."""
    with cloud(store, leave=True) as rack:
        rack.ready()
    before = attempts(store), revisions(store), {one.name: one.boots for one in servers(store)}
    wipes = [disk["wipes"] for machine in saved_machines(store) for disk in machine["disks"].values()]
    again = crowbar(store, "replay", "openstack-six", "--rehearse", "simulated:6", "--json")
    assert again.code == 0, again
    assert (again.summary["ready"], again.summary["waiting"], again.summary["boots"]) == (6, {}, sum(before[2].values()))
    assert again.summary["deployments"]["cloud"] == "validated"
    assert again.summary["seconds"] < 60
    assert (attempts(store), revisions(store), {one.name: one.boots for one in servers(store)}) == before
    assert [disk["wipes"] for machine in saved_machines(store) for disk in machine["disks"].values()] == wipes
    assert not [line for line in again.lines[:-1] if line.get("roles")], "roles were looked at again"
