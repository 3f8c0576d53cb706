"""The cluster of the default plan on six machines: each of three members knows all three, and none is ready before all three exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from crowbar_process import crowbar, here, saved_machines

MEMBERS = ("control-10", "control-11", "control-15")


@pytest.mark.long
def test_the_default_plans_cluster(store: Path) -> None:
    run = crowbar(store, "rehearse", "--nodes", "6", "--network", "loopback", "--headless", "--json")
    assert run.code == 0, run
    assert (run.summary["ready"], run.summary["waiting"]) == (6, {})
    rows = here(store, "roles", "--json").lines
    for role in ("etcd-member", "etcd-ready"):
        assert sorted(row["node"].split(".")[0] for row in rows if row["role"] == role) == list(MEMBERS)
    files = [
        volume["disk"]["system"]["files"]["/etc/default/etcd"]
        for machine in saved_machines(store)
        for volume in machine["volumes"]
        if (volume["disk"].get("system") or {}).get("hostname") in MEMBERS
    ]
    clusters = {text.partition("ETCD_INITIAL_CLUSTER=")[2] for text in files}
    assert len(files) == 3
    assert len(clusters) == 1, "all know the same members"
    (cluster,) = clusters
    assert all(f"{name}.rehearsal.test=http://192.168." in cluster for name in MEMBERS)
    assert len({text.partition("\n")[0] for text in files}) == 3, "each its own name"

    # `etcd-ready` of a member begins after all members that there are at this moment. One that is found later joins them.
    known: set[str] = set()
    active: set[str] = set()
    begun: set[str] = set()
    for line in here(store, "events").out.splitlines():
        _number, _kind, name, *_did = [*line.split(), "", "", ""]
        known |= {name} if "etcd-member waiting" in line else set()
        active |= {name} if "etcd-member active" in line else set()
        for at in re.findall(r"etcd-ready(?: on (\S+))? transition", line):
            begun.add(at or name)
            assert known <= active, line
    assert begun == set(MEMBERS)
    assert known
