"""The shipped clouds on simulated racks: the graph of their roles, its order, and what is said when a service dies."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from cloud_rack import attempts, cloud, out_of_order, revisions, servers
from crowbar_process import Ended, crowbar, here, saved_machines

from engine.model import NodeRole
from engine.store.store import Store
from engine.views.steps import STEPS

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
    ("nova-controller", "nova-hosts"),
    ("neutron-server", "nova-hosts"),
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
    tells_what_took_how_long(store, run, nodes)


def tells_what_took_how_long(store: Path, run: Ended, nodes: int) -> None:
    """The summary has each step of the original's list, the timeline a life of each machine, and its path leads to the proofs."""
    found = run.summary["steps"]
    assert list(found) == list(STEPS)
    with Store.read(store) as reader:
        roles = [one for one in reader.load()["node_roles"].values() if isinstance(one, NodeRole)]
    for step, names in (("os", ["os-install"]), ("topology", ["lldp"]), ("application", ["retriever"]), ("validation", ["tempest"])):
        times = [(one.started, one.ended) for one in roles if one.role in names]
        assert found[step] == pytest.approx(max(end for _, end in times) - min(begin for begin, _ in times), abs=0.2), step
    ran = [one for one in roles if 0 < one.started <= one.ended]
    whole = max(one.ended for one in ran) - min(one.started for one in ran)
    assert max(found.values()) <= whole + 0.1

    *path, sums = here(store, "timeline", "--path", "--json").lines
    assert sums["roles"] == len(ran)
    assert sums["total"] == pytest.approx(sum(one.ended - one.started for one in ran), abs=0.1)
    assert sums["busy"] <= sums["seconds"] <= whole + 0.1
    assert path[-1]["role"] in ("tempest", "retriever", "ready")
    assert {"os-install"} < {one["role"] for one in path}

    picture = store.with_name("bring-up.svg")
    assert here(store, "timeline", "--svg", str(picture)).code == 0
    text = "".join(ElementTree.parse(picture).getroot().itertext())
    assert all(one.name.split(".")[0] in text for one in servers(store))
    assert len(servers(store)) == nodes


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
