"""A cloud that is disturbed while it is made: its engine is killed three times, a compute node loses power. The result is the same."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from cloud_rack import Cloud, cloud, servers
from crowbar_process import crowbar, saved_machines, spawn, wait_until

from engine.model import NodeRole, State
from engine.store.store import Store, StoreError

WORDS = ("rehearse", "--plan", "openstack-six", "--network", "loopback", "--speed", "40", "--headless", "--json")


def begun(store: Path, role: str) -> bool:
    """True once an attempt of the role is under way somewhere."""
    try:
        with Store.read(store) as reader:
            found = reader.load()["node_roles"].values()
    except StoreError:
        return False  # not there yet
    return any(isinstance(one, NodeRole) and one.role == role and one.state is State.TRANSITION for one in found)


@pytest.mark.slow
def test_an_engine_that_is_killed_three_times_makes_the_same_cloud(store: Path) -> None:
    """During the install, while the database is made, and during Tempest. The same command goes on each time."""
    out = store.with_name("out.jsonl")
    for role in ("os-install", "openstack-database", "tempest"):
        process = spawn(store, *WORDS, out=out)
        wait_until(lambda role=role: process.poll() is not None or begun(store, role), lambda: out.read_text()[-2000:], 600)  # type: ignore[misc]  # noqa: B023
        assert process.poll() is None, f"it ended before {role} began: {out.read_text()[-2000:]}"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    done = crowbar(store, *WORDS, timeout_s=600)
    assert done.code == 0, done
    assert (done.summary["ready"], done.summary["waiting"], done.summary["deployments"]["cloud"]) == (6, {}, "validated"), done.summary
    assert done.summary["validation"]["tests"]["failed"] == 0
    assert done.summary["validation"]["tests"]["passed"] > 50
    assert max(disk["wipes"] for machine in saved_machines(store) for disk in machine["disks"].values()) == 1
    with Store.read(store) as reader:
        assert reader.verify() == []
    assert {one.name.split(".")[0] for one in servers(store)} == {
        "control-10",
        "compute-11",
        "compute-12",
        "storage-13",
        "storage-14",
        "storage-15",
    }


def lose(here: Cloud, node: str, so: Callable[[], bool]) -> str:
    """Pulls the node's power as soon as it is so. The rack's name of the machine."""
    here.until(so)
    machine = here.machine(node)
    assert here.here.rack is not None
    here.here.rack.off(machine)
    return machine


@pytest.mark.slow
def test_a_compute_node_that_loses_power_comes_back_into_the_cloud(store: Path) -> None:
    """In the middle of its role, with power again a moment later: the result is the same."""
    with cloud(store, speed=40) as here:
        machine = lose(here, "compute-11", lambda: here.state("compute-11", "nova-compute") is State.TRANSITION)
        assert here.here.rack is not None
        here.here.rack.press(machine)
        here.ready()
        assert here.here.engine.world.node_roles
        assert here.state("control-10", "tempest") is State.ACTIVE
    found = crowbar(store, "deployment", "list", "--json")
    assert [one["state"] for one in found.lines if one.get("name") == "cloud"] == ["validated"]


@pytest.mark.slow
def test_a_compute_node_that_stays_dark_says_so_and_the_rest_is_validated(store: Path) -> None:
    with cloud(store, speed=40) as here:
        lose(here, "compute-11", lambda: here.state("compute-11", "nova-compute") is State.TRANSITION)

        def rest() -> bool:
            proofs = [here.state("control-10", role) for role in ("tempest", "retriever", "ready")]
            others = [here.state(node, "ready") for node in ("compute-12", "storage-13", "storage-14", "storage-15")]
            return set(proofs + others) == {State.ACTIVE} and not here.node("compute-11").alive

        here.until(rest, 600)
        role = here.role("compute-11", "nova-compute")
        assert role is not None
        assert role.state is not State.ACTIVE
        told = crowbar(store, "explain", "compute-11", "nova-compute")
        assert told.code == 0, told
        assert "compute-11" in told.out
        assert any(word in told.out for word in ("does not answer", "could not reach", "unreachable", "not alive", "is lost")), told
