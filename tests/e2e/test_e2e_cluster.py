"""The cluster of the default plan on six machines: each of three members knows all three, and none is ready before all three exist."""

from __future__ import annotations

from pathlib import Path

from crowbar_process import crowbar, saved_machines

MEMBERS = ("control-10", "control-11", "control-15")


def test_the_default_plans_cluster(store: Path) -> None:
    run = crowbar(store, "rehearse", "--nodes", "6", "--network", "loopback", "--headless", "--json")
    assert run.code == 0, run
    assert (run.summary["ready"], run.summary["waiting"]) == (6, {})
    rows = crowbar(store, "roles", "--json").lines
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

    # A member's `ready` waits for its own `etcd-ready`, and that for all members.
    number = {"members": 0, "ready": 0}
    for line in crowbar(store, "events").out.splitlines():
        seq, _, rest = line.strip().partition(" ")
        if "etcd-member active" in rest:
            number["members"] = int(seq)
        if not number["ready"] and " ready active" in rest and any(f" {name} " in f" {rest} " for name in MEMBERS):
            number["ready"] = int(seq)
    assert 0 < number["members"] < number["ready"]
