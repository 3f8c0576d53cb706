"""Attempts: a claim and its second look; roles that destroy."""

from __future__ import annotations

from attempts_rig import failure, outcome, rig, set_knob

from engine import reasons
from engine.core.roles.attributes import drift
from engine.core.roles.derive import done
from engine.core.roles.guards import blockers
from engine.effects import Start
from engine.events import Operate
from engine.model import State


def test_a_claim_is_looked_at_and_a_wrong_one_is_a_failure() -> None:
    d = rig("claimed")
    outcome(d, "claimed", gives={"pear": 1})
    assert d.one(Start).action == "verify"
    assert not done(d.world, d.at("claimed"))
    outcome(d, "claimed", "failed", failure=reasons.verify_failed(role="claimed", line="no"))
    assert d.at("claimed").state is State.ERROR


def test_a_claim_that_is_so_counts_with_the_run_s_inputs_and_gives() -> None:
    d = rig("claimed")
    outcome(d, "claimed", gives={"pear": 1})
    outcome(d, "claimed")
    assert done(d.world, d.at("claimed"))
    assert d.at("claimed").gave == {"pear": 1}


def test_a_claim_is_not_wrong_because_something_else_is_wanted_now() -> None:
    d = rig("claimed")
    outcome(d, "claimed", gives={"pear": 1})
    set_knob(d, 2)
    outcome(d, "claimed", "failed", failure=reasons.verify_failed(role="claimed", line="no"))
    assert d.at("claimed").tries == 0
    assert d.one(Start).action == "run"


def test_a_destructive_role_waits_for_approval_and_the_approval_is_spent() -> None:
    d = rig("wipe")
    assert not d.all(Start)
    assert [r.code for r in blockers(d.world, d.at("wipe"))] == ["approval"]
    d.feed(Operate(who="op", verb="approve", node="n1", role="wipe"))
    assert d.one(Start).role == "wipe"
    outcome(d, "wipe")
    assert d.at("wipe").approved == ""


def test_an_approval_covers_every_attempt_up_to_the_success() -> None:
    d = rig("wipe", approved="op")
    outcome(d, "wipe", "failed", failure=failure("wipe"))
    assert d.at("wipe").state is State.ERROR
    d.feed(Operate(who="op", verb="retry", node="n1", role="wipe"))
    assert d.one(Start).role == "wipe"


def test_a_machine_without_disks_is_told_so_and_not_asked_for_an_approval() -> None:
    d = rig("wipe")
    d.role("inventory", state=State.ACTIVE, gave={"disks": []})
    assert [r.code for r in blockers(d.world, d.at("wipe"))] == ["no_disk"]
    d.role("inventory", state=State.ACTIVE, gave={"disks": [{"name": "sda"}]})
    assert [r.code for r in blockers(d.world, d.at("wipe"))] == ["approval"]
    d.role("inventory", state=State.WAITING)
    assert [r.code for r in blockers(d.world, d.at("wipe"))] == ["approval"], "nobody has looked yet"


def test_a_destructive_role_drifts_and_is_not_stale() -> None:
    d = rig("wipe", approved="op")
    outcome(d, "wipe")
    set_knob(d, 2)
    assert not d.all(Start)
    assert done(d.world, d.at("wipe"))
    assert ("n1", "wipe") not in d.world.stale
    assert drift(d.world, d.at("wipe"))


def harm(name: str) -> reasons.Reason:
    return reasons.not_retried(role=name, line="the old network is back")


def test_a_claim_whose_verify_says_that_it_does_harm_is_not_tried_again() -> None:
    d = rig("careful")
    outcome(d, "careful", gives={"plum": 1})
    outcome(d, "careful", "failed", failure=harm("careful"))
    assert d.at("careful").state is State.ERROR
    assert d.at("careful").tries == 1, "it has another attempt, and does not use it"
    d.feed(Operate(who="op", verb="retry", node="n1", role="careful"))
    assert d.one(Start).action == "run"


def test_after_a_lost_attempt_verify_may_say_so_too() -> None:
    d = rig("careful")
    outcome(d, "careful", "lost")
    assert d.one(Start).action == "verify"
    outcome(d, "careful", "failed", failure=harm("careful"))
    assert d.at("careful").state is State.ERROR
    d.feed(Operate(who="op", verb="retry", node="n1", role="careful"))
    assert d.one(Start).action == "run"


def test_a_run_may_say_so() -> None:
    d = rig("careful")
    outcome(d, "careful", "failed", failure=harm("careful"))
    assert d.at("careful").state is State.ERROR


def test_harm_of_other_inputs_says_nothing_of_the_present_ones() -> None:
    d = rig("careful")
    outcome(d, "careful", gives={"plum": 1})
    set_knob(d, 2)
    outcome(d, "careful", "failed", failure=harm("careful"))
    assert d.one(Start).action == "run"


def test_a_claim_comes_before_other_roles_of_its_node() -> None:
    d = rig("careful", "work", "looked")
    for name in ("work", "looked"):
        d.change(role=name, rank=1000.0)
    assert [s.role for s in d.all(Start)] == ["careful"]
    outcome(d, "careful", gives={"plum": 1})
    assert (d.one(Start).role, d.one(Start).action) == ("careful", "verify")
