"""Attempts: what is remembered of one as it starts, and its legs."""

from __future__ import annotations

from attempts_rig import outcome, rig, set_knob

from engine import reasons
from engine.core.roles.derive import done
from engine.core.roles.guards import blockers
from engine.effects import BootNode, Start
from engine.model import State


def test_an_attempt_is_named_by_installation_number_and_leg() -> None:
    d = rig("work")
    assert d.one(Start).attempt == "i5-1.1"


def test_it_counts_by_the_inputs_it_was_started_with() -> None:
    d = rig("work")
    set_knob(d, 2)
    outcome(d, "work", gives={"fruit": 1})
    assert d.at("work").state is State.TRANSITION, "inputs changed while it ran, so it runs again"
    outcome(d, "work", gives={"fruit": 1})
    assert done(d.world, d.at("work"))


def test_a_change_that_is_undone_while_it_runs_is_none() -> None:
    d = rig("work")
    set_knob(d, 2)
    set_knob(d, 1)
    outcome(d, "work", gives={"fruit": 1})
    assert done(d.world, d.at("work"))


def test_the_next_leg_keeps_attempt_and_inputs() -> None:
    d = rig("work")
    outcome(d, "work", "again", after=5.0)
    assert d.at("work").retry_at == d.now + 5.0
    assert [r.code for r in blockers(d.world, d.at("work"))] == ["again"]
    set_knob(d, 2)
    assert not d.all(Start)
    d.tick("n1/work", 5.0)
    assert d.one(Start).attempt == "i5-1.2"
    outcome(d, "work", gives={"fruit": 1})
    assert d.at("work").attempt == "i5-2", "the first leg saw the old value"


def test_between_legs_others_may_have_the_node() -> None:
    d = rig("work", "looked")
    assert d.one(Start).role == "looked"
    outcome(d, "looked", "again", after=5.0)
    assert d.one(Start).role == "work"


def test_again_with_reboot_lets_nothing_in_before_the_boot() -> None:
    d = rig("looked", "work")
    outcome(d, "looked", "again", after=0.0, reboot=True)
    assert not d.all(Start)
    assert d.one(BootNode).environment == "sledgehammer"
    assert d.node().intent.fresh


def test_the_time_out_spans_the_legs() -> None:
    d = rig("work")
    d.now += 101
    outcome(d, "work", "again", after=5.0)
    assert d.at("work").failure == reasons.timed_out(role="work", seconds=100.0)


def test_a_leg_that_starts_late_is_not_asked_after_at_once() -> None:
    d = rig("work")
    d.now += 90
    outcome(d, "work", "again", after=300.0)
    d.tick("n1/work", 300.0)
    assert d.one(Start).attempt.endswith(".2")
    assert d.at("work").deadline == d.now + 30
