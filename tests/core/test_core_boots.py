"""When the engine boots a node, and when not; and what can happen during a boot that a role needs fresh."""

from __future__ import annotations

import pytest
from boots_rig import disk_hello, hello, needs_boot, rig, script

from engine import reasons
from engine.core.boot.boot import TRIES
from engine.core.roles.attributes import drift
from engine.core.roles.guards import blockers
from engine.effects import BootNode, Start, Welcome
from engine.events import (
    Bye,
    Operate,
    Outcome,
    SetAttribute,
    Started,
)
from engine.model import State, Way


def test_a_node_that_runs_what_is_needed_is_not_booted() -> None:
    d = rig()
    d.role("work", state=State.WAITING)
    d.feed(Started(installation="x", admin="a"))
    assert not d.all(BootNode)
    assert d.one(Start).role == "work"


def test_a_node_that_needs_another_environment_is_booted_once() -> None:
    d = rig()
    order = needs_boot(d)
    assert (order.way, order.environment, order.generation, order.tries) == (Way.NETWORK, "sledgehammer", 1, 1)
    assert blockers(d.world, d.at("work"))[0].code == "booting"
    d.feed(Started(installation="x", admin="a"))
    assert d.one(BootNode) == order, "the same order again"


@pytest.mark.parametrize("field", ["hold", "problem", "unavailable"])
def test_a_node_that_is_not_to_be_touched_is_not_booted(field: str) -> None:
    d = rig(
        runs="debian-12", **{"hold": {"hold": True}, "problem": {"problem": reasons.no_plan()}, "unavailable": {"available": False}}[field]
    )
    d.role("work", state=State.WAITING)
    d.feed(Started(installation="x", admin="a"))
    assert not d.all(BootNode)
    assert not d.all(Start)


def test_an_installed_system_is_entered_by_kexec_where_it_can_be() -> None:
    for kexec, way in ((True, Way.KEXEC), (False, Way.DISK)):
        d = rig(stage="install", kexec=kexec)
        d.role("os-install", state=State.ACTIVE)
        d.role("serve", state=State.WAITING, parents=(("n1", "os-install"),))
        d.feed(Started(installation="x", admin="a"))
        assert (d.one(BootNode).way, d.one(BootNode).environment) == (way, "debian-12")


def test_another_target_is_drift_and_no_reason_to_boot_an_installed_node() -> None:
    d = rig(stage="system", runs="debian-12")
    d.role("os-install", state=State.ACTIVE, gave={"installed": {"os": "debian-12"}})
    d.role("serve", state=State.WAITING)
    d.feed(SetAttribute(who="op", layer="operator", scope="n1", name="target-os", value="debian-13"))
    d.feed(Started(installation="x", admin="a"))
    assert not d.all(BootNode)
    assert d.one(Start).role == "serve"
    assert drift(d.world, d.at("os-install"))


def test_a_fresh_boot_is_met_by_a_new_boot_id_only() -> None:
    d = rig(stage="system", runs="debian-12")
    d.role("os-install", state=State.ACTIVE)
    d.role("serve", state=State.TRANSITION, attempt="i5-9", leg=1)
    d.feed(Outcome(attempt="i5-9.1", node="n1", what="done", reboot=True))
    assert d.one(BootNode).way is Way.DISK
    d.feed(disk_hello("b1"))
    assert d.node().boot is not None, "it has not gone down yet"
    assert d.one(Welcome).boot_id == "b1"
    d.feed(disk_hello("b2"))
    assert d.node().boot is None
    assert not d.node().intent.fresh


def test_a_boot_that_is_not_fresh_is_met_by_a_node_that_is_there_after_all() -> None:
    d = rig(stage="system", runs="debian-12", boots=3)
    d.role("os-install", state=State.ACTIVE)
    d.feed(Bye(node="n1", boot_id="b1"))
    assert d.node().boot is not None
    d.feed(disk_hello("b1"))
    assert d.node().boot is None
    assert d.node().boots == 3


def test_no_boot_is_asked_for_twice() -> None:
    """After a problem, a node that turns out to run the right thing is left as it is."""
    d = rig()
    needs_boot(d)
    d.feed(script())
    for _ in range(TRIES):
        d.now = d.node().boot.deadline  # type: ignore[union-attr]
        d.tick("n1")
    assert d.node().problem is not None
    d.change(boot=None)
    d.put(d.node())
    d.feed(Operate(who="op", verb="hold", node="n1"))
    d.feed(Operate(who="op", verb="retry", node="n1"))
    d.change(claim="h1", boot_id="b9")
    d.feed(hello("b9"))
    d.feed(Operate(who="op", verb="release", node="n1"))
    assert not d.all(BootNode)
    assert d.one(Start).role == "work"
