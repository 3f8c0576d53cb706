"""Nodes that fell silent, and nodes that are not available."""

from __future__ import annotations

from boots_rig import disk_hello, needs_boot, rig
from world_rig import WorldRig

from engine import reasons
from engine.core.roles.guards import blockers
from engine.effects import BootNode, Probe, SetPower, Start
from engine.events import (
    Missed,
    NodeDue,
    Operate,
    Outcome,
    PowerSet,
    Probed,
    Started,
)
from engine.model import State, Way
from engine.views.problem_queue import problem_queue


def lose(d: WorldRig) -> None:
    d.feed(Missed(node="n1"))
    for _ in range(3):
        d.feed(Probed(node="n1", probe=d.node().probe, alive=False))


def test_a_node_that_was_lost_is_cycled_where_the_stage_allows() -> None:
    d = rig()
    d.role("work", state=State.TRANSITION, attempt="i5-9", leg=1)
    lose(d)
    assert d.at("work").resume
    assert d.one(BootNode).way is Way.NETWORK


def test_in_its_own_system_a_lost_node_is_asked_again_and_never_cycled() -> None:
    d = rig(stage="system", runs="debian-12")
    d.role("os-install", state=State.ACTIVE)
    d.role("serve", state=State.TRANSITION, attempt="i5-9", leg=1)
    lose(d)
    assert not d.all(BootNode)
    assert [r.code for r in blockers(d.world, d.at("serve"))] == ["suspended", "unreachable"]
    d.tick("n1", 30.0)
    d.feed(Probed(node="n1", probe=d.one(Probe).probe, alive=True))
    assert d.one(Start).resume


def test_a_system_that_has_just_started_is_no_case_for_a_person_before_it_stays_silent() -> None:
    """Its hello comes by HTTP, and the first answer by SSH a moment later. In between nobody has to look at its screen."""
    d = rig(stage="system", runs="debian-12", alive=False, missed=0)
    d.role("os-install", state=State.ACTIVE)
    d.role("serve", state=State.WAITING)
    asked = []
    for _ in range(4):
        asked.append([r.code for r in blockers(d.world, d.at("serve"))])
        assert ("unreachable" in {one.code for one in problem_queue(d.world)}) == ("unreachable" in asked[-1])
        d.tick("n1", d.now + 30.0)
        d.feed(Probed(node="n1", probe=d.node().probe, alive=False))
    assert asked[0] == ["not_answered_yet"]
    assert asked[-1] == ["unreachable"]


def test_a_lost_node_is_not_cycled_while_something_destructive_may_run_there() -> None:
    d = rig()
    d.role("wipe", state=State.TRANSITION, attempt="i5-9", leg=1, begun=d.now, approved="op")
    lose(d)
    assert not d.all(BootNode)
    d.tick("n1", 300.0)
    d.feed(Probed(node="n1", probe=d.one(Probe).probe, alive=False))
    assert not d.all(BootNode)
    d.tick("n1", 301.0)
    d.feed(Probed(node="n1", probe=d.one(Probe).probe, alive=False))
    assert d.one(BootNode).way is Way.NETWORK, "its time has gone by"


def test_a_lost_node_whose_power_is_off_is_switched_on_though_an_attempt_is_unresolved() -> None:
    d = rig()
    d.role("wipe", state=State.TRANSITION, attempt="i5-9", leg=1, begun=d.now, approved="op")
    lose(d)
    asked = d.one(SetPower)
    assert (asked.action, asked.request) == ("status", None)
    assert not d.all(BootNode), "it may be cut off and still write"
    d.feed(PowerSet(node="n1", action="status", who="engine", state="on"))
    assert not d.all(BootNode)
    d.tick("n1", 300.0)
    d.feed(Probed(node="n1", probe=d.one(Probe).probe, alive=False))
    assert d.one(SetPower).action == "status", "asked again as often as it is probed"
    d.feed(PowerSet(node="n1", action="status", who="engine", failure=reasons.no_power(node="n1")))
    assert not d.all(BootNode)
    d.feed(PowerSet(node="n1", action="status", who="engine", state="off"))
    assert d.one(BootNode).way is Way.NETWORK
    assert d.at("wipe").resume, "its attempt is asked after when it is back"
    d.feed(PowerSet(node="n1", action="status", who="engine", state="off"))
    assert not d.all(BootNode), "it boots"


def test_a_system_that_was_asked_before_it_was_missed_needs_two_more_questions() -> None:
    d = rig(stage="system", runs="debian-12")
    d.feed(Missed(node="n1", asked=True))
    for left in (1, 0):
        assert d.node().alive
        d.feed(Probed(node="n1", probe=d.one(Probe).probe, alive=False))
        assert bool(d.all(Probe)) == bool(left)
    assert not d.node().alive
    for _ in range(5):  # what follows is no news: the count ends
        d.tick("n1", 30.0)
        d.feed(Probed(node="n1", probe=d.one(Probe).probe, alive=False))
        assert d.node().missed == 3


def test_only_who_is_lost_is_switched_on_for_being_off() -> None:
    d = rig()
    d.feed(PowerSet(node="n1", action="status", who="op", state="off"))
    assert not d.all(BootNode)
    d = rig(stage="system", runs="debian-12", boot_id="s1")
    d.role("os-install", state=State.ACTIVE)
    d.role("serve", state=State.TRANSITION, attempt="i5-9", leg=1)
    lose(d)
    assert d.one(SetPower).action == "status"
    d.feed(PowerSet(node="n1", action="status", who="engine", state="on"))
    assert d.node().problem is None
    d.feed(PowerSet(node="n1", action="status", who="engine", state="off"))
    assert not d.all(BootNode), "in its system it is the operator's"
    assert d.node().problem == reasons.found_off(node=d.node().name)
    d.tick("n1", 300.0)
    d.feed(Probed(node="n1", probe=d.one(Probe).probe, alive=False))
    assert not d.all(SetPower), "it is known"
    d.feed(disk_hello("s2"))
    assert d.node().problem is None, "somebody switched it on"


def test_an_answered_probe_of_an_older_number_says_nothing() -> None:
    d = rig()
    d.feed(Missed(node="n1"))
    d.feed(Probed(node="n1", probe=7, alive=False))
    assert (d.node().probe, d.node().missed) == (1, 0)


def test_a_node_that_is_not_available_is_neither_asked_nor_acted_on() -> None:
    d = rig()
    d.role("work", state=State.TRANSITION, attempt="i5-9", leg=1, deadline=d.now)
    d.feed(Operate(who="op", verb="unavailable", node="n1"))
    d.feed(Missed(node="n1"))
    assert d.effects == []
    assert d.tick("n1/work") == []
    assert d.feed(Started(installation="x", admin="a")) == []
    d.feed(Outcome(attempt="i5-9.1", node="n1", what="done"))
    assert d.at("work").state is State.ACTIVE, "what it says itself is recorded"


def test_available_again_it_is_asked() -> None:
    d = rig(stage="system", runs="debian-12", alive=False, available=False)
    d.role("os-install", state=State.ACTIVE)
    d.role("serve", state=State.WAITING)
    d.feed(Operate(who="op", verb="available", node="n1"))
    d.feed(Probed(node="n1", probe=d.one(Probe).probe, alive=True))
    assert d.one(Start).role == "serve"


def test_a_boot_of_a_node_that_is_not_available_waits_until_it_is() -> None:
    d = rig()
    needs_boot(d)
    d.feed(Operate(who="op", verb="unavailable", node="n1"))
    assert d.tick("n1", 100.0) == []
    d.feed(Operate(who="op", verb="available", node="n1"))
    assert d.one(BootNode).generation == 1
    assert (d.node().boot.deadline, NodeDue("n1")) in d.wakes  # type: ignore[union-attr]
