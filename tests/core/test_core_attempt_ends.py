"""Attempts: what an outcome means, late ones, and time-outs."""

from __future__ import annotations

from attempts_rig import failure, outcome, rig

from engine import reasons
from engine.core.roles.guards import blockers
from engine.effects import Acknowledge, Ignore, Probe, Start
from engine.events import Continue, Outcome, SetAttribute
from engine.model import State


def test_what_it_promised_and_does_not_give_is_a_failure() -> None:
    d = rig("work")
    outcome(d, "work", reboot=True)
    assert d.at("work").failure == reasons.bad_result(role="work", message="it does not give fruit")


def test_a_retry_time_is_lifted_by_its_tick_alone() -> None:
    d = rig("work")
    outcome(d, "work", "failed", failure=failure())
    assert [r.code for r in blockers(d.world, d.at("work"))] == ["retry"]
    d.now += 1000
    assert d.feed(Continue()) == []
    d.feed(SetAttribute(who="op", layer="hint", scope="n1", name="knob", value=3))
    assert not d.all(Start), "whatever the clock says"
    d.tick("n1/work")
    assert d.one(Start).attempt == "i5-2.1"


def test_a_tick_before_its_time_changes_nothing() -> None:
    d = rig("work")
    outcome(d, "work", "failed", failure=failure())
    assert d.tick("n1/work", 9.0) == []
    assert d.at("work").retry_at == d.now + 1.0


def test_tries_are_bounded_and_the_last_failure_stands() -> None:
    d = rig("work")
    outcome(d, "work", "failed", failure=failure())
    d.tick("n1/work", 10.0)
    outcome(d, "work", "failed", failure=failure())
    assert d.at("work").state is State.ERROR
    (why,) = blockers(d.world, d.at("work"))
    assert why.code == "failed"
    assert why.fields["attempt"] == 2
    assert "exit code 3: broken" in str(why.fields["message"])


def test_a_late_outcome_is_acknowledged_noted_and_dropped() -> None:
    d = rig("work")
    late = Outcome(attempt="i5-0.1", node="n1", what="done", gives={"fruit": 7})
    d.feed(late)
    assert d.one(Acknowledge).attempt == "i5-0.1"
    assert d.one(Ignore).reason == reasons.late(attempt="i5-0.1")
    assert d.node().notice == reasons.late(attempt="i5-0.1")
    assert d.at("work").state is State.TRANSITION
    assert d.at("work").gave == {}


def test_an_old_leg_is_late() -> None:
    d = rig("work")
    outcome(d, "work", "again", after=0.0)
    d.tick("n1/work")
    d.feed(Outcome(attempt="i5-1.1", node="n1", what="done", gives={"fruit": 7}))
    assert d.one(Ignore).reason.code == "late"
    assert d.at("work").leg == 2


def test_the_same_outcome_told_twice_is_acknowledged_twice_and_no_news() -> None:
    d = rig("work")
    event = Outcome(attempt="i5-1.1", node="n1", what="done", gives={"fruit": 7})
    d.feed(event)
    before = d.world.node_roles
    d.feed(event)
    assert d.one(Acknowledge).attempt == "i5-1.1"
    assert d.world.node_roles == before
    assert d.node().notice is None


def test_an_outcome_of_another_node_is_late() -> None:
    d = rig("work")
    d.server("n2", stage="hardware", allocated=True)
    d.feed(Outcome(attempt="i5-1.1", node="n2", what="done", gives={"fruit": 7}))
    assert d.one(Ignore).reason.code == "late"
    assert d.at("work").state is State.TRANSITION
    assert d.node("n2").notice == reasons.late(attempt="i5-1.1")


def test_a_time_out_asks_and_does_not_end() -> None:
    d = rig("work")
    d.tick("n1/work", 131.0)
    start = d.one(Start)
    assert (start.attempt, start.resume) == ("i5-1.1", True)
    assert d.one(Probe).node == "n1"
    assert d.at("work").state is State.TRANSITION
    assert d.at("work").tries == 0
    d.feed(Outcome(attempt="i5-1.1", node="n1", what="running"))
    assert d.at("work").deadline == d.now + 30.0


def test_an_attempt_that_could_not_be_reached_is_asked_after_again() -> None:
    d = rig("work")
    why = reasons.unreachable_node(node="n1", address="10.0.0.101", message="no route")
    outcome(d, "work", "failed", failure=why, unreachable=True)
    assert d.one(Probe)
    assert not d.all(Acknowledge)
    assert (d.at("work").state, d.at("work").tries) == (State.TRANSITION, 0)
    d.tick("n1/work", 5.0)
    assert d.one(Start).resume
