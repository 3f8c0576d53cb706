"""The shipped clouds on simulated racks: the graph of their roles, its order, and what is said when a service dies."""

from __future__ import annotations

from pathlib import Path

import pytest
from crowbar_process import crowbar, here

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
"""Each is done on all its nodes before the other begins anywhere."""


@pytest.mark.parametrize(("name", "nodes"), [("openstack-one", 1), pytest.param("openstack-six", 6, marks=pytest.mark.long)])
def test_a_shipped_cloud_becomes_validated(store: Path, name: str, nodes: int) -> None:
    run = crowbar(store, "rehearse", "--plan", name, "--network", "loopback", "--headless", "--json")
    assert run.code == 0, run
    assert (run.summary["nodes"], run.summary["ready"], run.summary["waiting"]) == (nodes, nodes, {}), run.summary
    ended: dict[str, int] = {}
    begun: dict[str, int] = {}
    for number, line in enumerate(here(store, "events").out.splitlines()):
        for part in " ".join(line.split()[3:]).split("; "):
            words = part.split()
            if words[-1:] == ["active"]:
                ended[words[0]] = number
            elif words[-1:] == ["transition"]:
                begun.setdefault(words[0], number)
    wrong = [pair for pair in ORDER if ended[pair[0]] > begun[pair[1]]]
    assert not wrong
    states = [row for row in here(store, "deployment", "list", "--json").lines if row.get("name") == "cloud"]
    assert [row["state"] for row in states] == ["validated"]
