"""Attempts: what is remembered of one as it starts, its legs, what becomes of it when its node dies, and what its outcome means."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import catalog, plan, role, same
from desk import Desk

from engine import reasons
from engine.core.attributes import drift
from engine.core.derive import done
from engine.core.guards import blockers
from engine.effects import Acknowledge, BootNode, Ignore, Probe, Start
from engine.events import Bye, Commit, Continue, Operate, Outcome, Probed, SetAttribute, Started
from engine.model import State

WORK = role("work", wants=["knob"], gives=("fruit",), attempts=2, delay_s=10.0, timeout_s=100.0)
LOOKED = role("looked", wants=["knob"], gives=("apple",), verify=True, attempts=2, timeout_s=100.0)
CLAIMED = role("claimed", wants=["knob"], gives=("pear",), verify=True, reverify=True)
WIPE = role("wipe", wants=["knob"], flags=["destructive"], verify=True, timeout_s=100.0)
BLIND = role("blind", flags=["once"])
BIND = catalog(WORK, LOOKED, CLAIMED, WIPE, BLIND, defaults={"knob": 1})


def desk(*names: str, **fields: Any) -> Desk:
    """A node in the hardware stage whose roles of these names are looked at."""
    out = Desk(BIND, plan({}))
    out.server(stage="hardware", allocated=True)
    for name in names:
        out.role(name, state=State.WAITING, **fields)
    out.feed(Started(installation="other", admin="admin"))
    return out


def outcome(d: Desk, name: str, what: Any = "done", **fields: Any) -> list[Any]:
    r = d.at(name)
    return d.feed(Outcome(attempt=f"{r.attempt}.{r.leg}", node=r.node, what=what, **fields))


def set_knob(d: Desk, value: int) -> None:
    d.feed(SetAttribute(who="op", layer="deployment", scope="system", name="knob", value=value))


def dies(d: Desk) -> None:
    d.feed(Bye(node="n1", boot_id=d.node().boot_id))


def comes_back(d: Desk, boot_id: str = "b2", runs: str = "sledgehammer") -> list[Any]:
    d.change(boot=None, runs=runs, boot_id=boot_id, alive=True)
    return d.feed(Started(installation="other", admin="admin"))


def failure(name: str = "work") -> reasons.Reason:
    return reasons.script_failed(role=name, exit=3, line="broken")


# -- as it starts --------------------------------------------------------------------------------------------------


def test_an_attempt_is_named_by_installation_number_and_leg() -> None:
    d = desk("work")
    assert d.one(Start).attempt == "i5-1.1"


def test_it_counts_by_the_inputs_it_was_started_with() -> None:
    d = desk("work")
    set_knob(d, 2)
    outcome(d, "work", gives={"fruit": 1})
    assert d.at("work").state is State.TRANSITION, "inputs changed while it ran, so it runs again"
    outcome(d, "work", gives={"fruit": 1})
    assert done(d.world, d.at("work"))


def test_a_change_that_is_undone_while_it_runs_is_none() -> None:
    d = desk("work")
    set_knob(d, 2)
    set_knob(d, 1)
    outcome(d, "work", gives={"fruit": 1})
    assert done(d.world, d.at("work"))


def test_the_next_leg_keeps_attempt_and_inputs() -> None:
    d = desk("work")
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
    d = desk("work", "looked")
    assert d.one(Start).role == "looked"
    outcome(d, "looked", "again", after=5.0)
    assert d.one(Start).role == "work"


def test_again_with_reboot_lets_nothing_in_before_the_boot() -> None:
    d = desk("looked", "work")
    outcome(d, "looked", "again", after=0.0, reboot=True)
    assert not d.all(Start)
    assert d.one(BootNode).environment == "sledgehammer"
    assert d.node().intent.fresh


def test_the_time_out_spans_the_legs() -> None:
    d = desk("work")
    d.now += 101
    outcome(d, "work", "again", after=5.0)
    assert d.at("work").failure == reasons.timed_out(role="work", seconds=100.0)


def test_a_leg_that_starts_late_is_not_asked_after_at_once() -> None:
    d = desk("work")
    d.now += 90
    outcome(d, "work", "again", after=300.0)
    d.tick("n1/work", 300.0)
    assert d.one(Start).attempt.endswith(".2")
    assert d.at("work").deadline == d.now + 30


# -- as it ends ----------------------------------------------------------------------------------------------------


def test_what_it_promised_and_does_not_give_is_a_failure() -> None:
    d = desk("work")
    outcome(d, "work", reboot=True)
    assert d.at("work").failure == reasons.bad_result(role="work", message="it does not give fruit")


def test_a_retry_time_is_lifted_by_its_tick_alone() -> None:
    d = desk("work")
    outcome(d, "work", "failed", failure=failure())
    assert [r.code for r in blockers(d.world, d.at("work"))] == ["retry"]
    d.now += 1000
    assert d.feed(Continue()) == []
    d.feed(SetAttribute(who="op", layer="hint", scope="n1", name="knob", value=3))
    assert not d.all(Start), "whatever the clock says"
    d.tick("n1/work")
    assert d.one(Start).attempt == "i5-2.1"


def test_a_tick_before_its_time_changes_nothing() -> None:
    d = desk("work")
    outcome(d, "work", "failed", failure=failure())
    assert d.tick("n1/work", 9.0) == []
    assert d.at("work").retry_at == d.now + 1.0


def test_tries_are_bounded_and_the_last_failure_stands() -> None:
    d = desk("work")
    outcome(d, "work", "failed", failure=failure())
    d.tick("n1/work", 10.0)
    outcome(d, "work", "failed", failure=failure())
    assert d.at("work").state is State.ERROR
    (why,) = blockers(d.world, d.at("work"))
    assert why.code == "failed"
    assert why.fields["attempt"] == 2
    assert "exit code 3: broken" in str(why.fields["message"])


def test_a_late_outcome_is_acknowledged_noted_and_dropped() -> None:
    d = desk("work")
    late = Outcome(attempt="i5-0.1", node="n1", what="done", gives={"fruit": 7})
    d.feed(late)
    assert d.one(Acknowledge).attempt == "i5-0.1"
    assert d.one(Ignore).reason == reasons.late(attempt="i5-0.1")
    assert d.node().notice == reasons.late(attempt="i5-0.1")
    assert d.at("work").state is State.TRANSITION
    assert d.at("work").gave == {}


def test_an_old_leg_is_late() -> None:
    d = desk("work")
    outcome(d, "work", "again", after=0.0)
    d.tick("n1/work")
    d.feed(Outcome(attempt="i5-1.1", node="n1", what="done", gives={"fruit": 7}))
    assert d.one(Ignore).reason.code == "late"
    assert d.at("work").leg == 2


def test_the_same_outcome_told_twice_is_acknowledged_twice_and_no_news() -> None:
    d = desk("work")
    event = Outcome(attempt="i5-1.1", node="n1", what="done", gives={"fruit": 7})
    d.feed(event)
    before = d.world.node_roles
    d.feed(event)
    assert d.one(Acknowledge).attempt == "i5-1.1"
    assert d.world.node_roles == before
    assert d.node().notice is None


def test_an_outcome_of_another_node_is_late() -> None:
    d = desk("work")
    d.server("n2", stage="hardware", allocated=True)
    d.feed(Outcome(attempt="i5-1.1", node="n2", what="done", gives={"fruit": 7}))
    assert d.one(Ignore).reason.code == "late"
    assert d.at("work").state is State.TRANSITION
    assert d.node("n2").notice == reasons.late(attempt="i5-1.1")


# -- a claim and its second look -----------------------------------------------------------------------------------


def test_a_claim_is_looked_at_and_a_wrong_one_is_a_failure() -> None:
    d = desk("claimed")
    outcome(d, "claimed", gives={"pear": 1})
    assert d.one(Start).action == "verify"
    assert not done(d.world, d.at("claimed"))
    outcome(d, "claimed", "failed", failure=reasons.verify_failed(role="claimed", line="no"))
    assert d.at("claimed").state is State.ERROR


def test_a_claim_that_is_so_counts_with_the_run_s_inputs_and_gives() -> None:
    d = desk("claimed")
    outcome(d, "claimed", gives={"pear": 1})
    outcome(d, "claimed")
    assert done(d.world, d.at("claimed"))
    assert d.at("claimed").gave == {"pear": 1}


def test_a_claim_is_not_wrong_because_something_else_is_wanted_now() -> None:
    d = desk("claimed")
    outcome(d, "claimed", gives={"pear": 1})
    set_knob(d, 2)
    outcome(d, "claimed", "failed", failure=reasons.verify_failed(role="claimed", line="no"))
    assert d.at("claimed").tries == 0
    assert d.one(Start).action == "run"


# -- time-outs -----------------------------------------------------------------------------------------------------


def test_a_time_out_asks_and_does_not_end() -> None:
    d = desk("work")
    d.tick("n1/work", 131.0)
    start = d.one(Start)
    assert (start.attempt, start.resume) == ("i5-1.1", True)
    assert d.one(Probe).node == "n1"
    assert d.at("work").state is State.TRANSITION
    assert d.at("work").tries == 0
    d.feed(Outcome(attempt="i5-1.1", node="n1", what="running"))
    assert d.at("work").deadline == d.now + 30.0


def test_an_attempt_that_could_not_be_reached_is_asked_after_again() -> None:
    d = desk("work")
    why = reasons.unreachable_node(node="n1", address="10.0.0.101", message="no route")
    outcome(d, "work", "failed", failure=why, unreachable=True)
    assert d.one(Probe)
    assert not d.all(Acknowledge)
    assert (d.at("work").state, d.at("work").tries) == (State.TRANSITION, 0)
    d.tick("n1/work", 5.0)
    assert d.one(Start).resume


# -- death ---------------------------------------------------------------------------------------------------------


def test_a_suspended_attempt_keeps_its_node_and_counts_as_no_try() -> None:
    d = desk("looked", "work")
    dies(d)
    assert d.at("looked").resume
    assert [r.code for r in blockers(d.world, d.at("looked"))][0] == "suspended"
    assert "held" in [r.code for r in blockers(d.world, d.at("work"))]
    comes_back(d)
    starts = d.all(Start)
    assert [(s.role, s.resume) for s in starts] == [("looked", True)]
    assert d.at("looked").tries == 0


def test_a_suspended_attempt_gives_its_limits_back() -> None:
    d = Desk(BIND, plan({}, limits={"jobs": 1}))
    for number in (1, 2):
        d.server(f"n{number}", stage="hardware", allocated=True)
        d.role("work", f"n{number}", state=State.WAITING)
    d.feed(Started(installation="x", admin="admin"))
    assert d.one(Start).node == "n1"
    assert blockers(d.world, d.at("work", "n2")) == [reasons.held(resource="jobs", holder="1 others")]
    dies(d)
    assert [s.node for s in d.all(Start)] == ["n2"]
    comes_back(d)
    resumed = [s for s in d.all(Start) if s.resume]
    assert [s.node for s in resumed] == ["n1"], "resuming passes no other guard"
    assert d.world.running.get("jobs") == 2


def test_a_node_that_comes_back_in_something_else_is_booted_for_its_suspended_attempt() -> None:
    d = desk("work")
    dies(d)
    comes_back(d, runs="debian-12")
    assert d.one(BootNode).environment == "sledgehammer"


def test_a_restart_after_a_resume_asks_and_does_not_start() -> None:
    """The machine that is back knows nothing of what it did before it died: told to run, it would wipe a second time."""
    d = desk("wipe", approved="op")
    dies(d)
    comes_back(d)
    assert d.one(Start).resume
    d.feed(Started(installation="other", admin="admin"))
    assert d.one(Start).resume
    outcome(d, "wipe", "lost")
    assert (d.one(Start).action, d.one(Start).resume) == ("verify", False)
    d.feed(Started(installation="other", admin="admin"))
    assert not d.one(Start).resume, "a new attempt, in this boot"


@pytest.mark.parametrize(
    ("name", "what"),
    [("work", "run"), ("looked", "verify"), ("claimed", "verify"), ("wipe", "verify"), ("blind", "unverifiable")],
)
def test_after_lost(name: str, what: str) -> None:
    d = desk(name, approved="op")
    outcome(d, name, "lost")
    if what == "unverifiable":
        assert not d.all(Start)
        assert [r.code for r in blockers(d.world, d.at(name))] == ["unverifiable"]
    else:
        assert d.one(Start).action == what
        assert d.at(name).attempt == "i5-2"


def test_a_verify_after_lost_that_says_no_is_no_failure() -> None:
    d = desk("wipe", approved="op")
    outcome(d, "wipe", "lost")
    outcome(d, "wipe", "failed", failure=reasons.verify_failed(role="wipe", line="no"))
    assert d.one(Start).action == "run"
    assert (d.at("wipe").tries, d.at("wipe").approved) == (0, "op")


def test_a_verify_after_lost_reports_what_the_run_would_have_given() -> None:
    d = desk("looked")
    outcome(d, "looked", "lost")
    outcome(d, "looked")
    assert d.at("looked").failure is not None
    d.tick("n1/looked", 10.0)
    outcome(d, "looked", gives={"apple": 1})
    assert d.at("looked").gave == {"apple": 1}


def test_what_a_dead_node_had_done_in_its_stage_is_doubted() -> None:
    d = desk("work", "looked", "wipe", "blind", approved="op")
    while running := [r.role for r in d.world.node_roles.values() if r.state is State.TRANSITION]:
        outcome(d, running[0], gives={"fruit": 1, "apple": 1})
    assert all(done(d.world, d.at(n)) for n in ("work", "looked", "wipe", "blind"))
    dies(d)
    assert d.at("looked").recheck
    assert d.at("work").state is State.WAITING
    assert blockers(d.world, d.at("blind"))[0].code == "unverifiable"
    assert done(d.world, d.at("wipe")), "a destructive role is never doubted after its success"


# -- destructive ---------------------------------------------------------------------------------------------------


def test_a_destructive_role_waits_for_approval_and_the_approval_is_spent() -> None:
    d = desk("wipe")
    assert not d.all(Start)
    assert [r.code for r in blockers(d.world, d.at("wipe"))] == ["approval"]
    d.feed(Operate(who="op", verb="approve", node="n1", role="wipe"))
    assert d.one(Start).role == "wipe"
    outcome(d, "wipe")
    assert d.at("wipe").approved == ""


def test_an_approval_covers_every_attempt_up_to_the_success() -> None:
    d = desk("wipe", approved="op")
    outcome(d, "wipe", "failed", failure=failure("wipe"))
    assert d.at("wipe").state is State.ERROR
    d.feed(Operate(who="op", verb="retry", node="n1", role="wipe"))
    assert d.one(Start).role == "wipe"


def test_a_machine_without_disks_is_told_so_and_not_asked_for_an_approval() -> None:
    d = desk("wipe")
    d.role("inventory", state=State.ACTIVE, gave={"disks": ()})
    assert [r.code for r in blockers(d.world, d.at("wipe"))] == ["no_disk"]
    d.role("inventory", state=State.ACTIVE, gave={"disks": ({"name": "sda"},)})
    assert [r.code for r in blockers(d.world, d.at("wipe"))] == ["approval"]
    d.role("inventory", state=State.WAITING)
    assert [r.code for r in blockers(d.world, d.at("wipe"))] == ["approval"], "nobody has looked yet"


def test_a_destructive_role_drifts_and_is_not_stale() -> None:
    d = desk("wipe", approved="op")
    outcome(d, "wipe")
    set_knob(d, 2)
    assert not d.all(Start)
    assert done(d.world, d.at("wipe"))
    assert ("n1", "wipe") not in d.world.stale
    assert drift(d.world, d.at("wipe"))


# -- how many, in which order --------------------------------------------------------------------------------------


def test_a_step_starts_64_at_most_and_continues() -> None:
    d = Desk(BIND, plan({}, limits={"jobs": 1000}))
    for number in range(1, 151):
        d.server(f"n{number}", stage="hardware", allocated=True)
        d.role("work", f"n{number}", state=State.WAITING)
    d.feed(Started(installation="x", admin="admin"))
    counts = [len(d.all(Start))]
    while d.rest:
        d.feed(Continue())
        counts.append(len(d.all(Start)))
    assert counts == [64, 64, 22]


def test_places_that_come_free_are_handed_on_over_more_than_one_step() -> None:
    d = Desk(BIND, plan({}, networks={}, limits={"jobs": 100}))
    for number in range(1, 251):
        d.server(f"n{number}", stage="hardware", allocated=True)
        d.role("work", f"n{number}", state=State.WAITING)
    d.feed(Started(installation="x", admin="admin"))
    while d.rest:
        d.feed(Continue())
    assert d.world.running["jobs"] == 100
    d.feed(Commit(who="t", plan=plan({}, networks={}, limits={"jobs": 1000})))
    started = len(d.all(Start))
    while d.rest:
        d.feed(Continue())
        started += len(d.all(Start))
    assert started == 150
    assert not d.world.queues


def test_the_longest_remaining_path_goes_first_and_stays_so_for_a_revision() -> None:
    d = Desk(BIND, plan({}, limits={"jobs": 1}))
    for number in (1, 2, 3):
        d.server(f"n{number}", stage="hardware", allocated=True)
        d.role("work", f"n{number}", state=State.WAITING, rank=float(number))
    d.feed(Started(installation="x", admin="admin"))
    assert d.one(Start).node == "n3"
    ranks = {k: r.rank for k, r in d.world.node_roles.items()}
    d.now += 500
    d.feed(Outcome(attempt="i5-1.1", node="n3", what="done", gives={"fruit": 1}))
    assert d.one(Start).node == "n2"
    assert {k: r.rank for k, r in d.world.node_roles.items()} == ranks




def test_children_start_when_their_parent_is_done_and_not_before() -> None:
    child = role("child", requires=(same("work"),))
    d = Desk(catalog(WORK, child, defaults={"knob": 1}), plan({}))
    d.server(stage="hardware", allocated=True)
    d.role("work", state=State.WAITING)
    d.role("child", state=State.WAITING, parents=(("n1", "work"),))
    d.feed(Started(installation="x", admin="admin"))
    assert d.one(Start).role == "work"
    assert blockers(d.world, d.at("child"))[0] == reasons.parent(role="work", node="n1.r1.example.net", state="transition")
    outcome(d, "work", gives={"fruit": 1})
    assert d.one(Start).role == "child"


def test_probes_that_fail_suspend_after_the_third() -> None:
    d = desk("work")
    d.tick("n1/work", 131.0)
    for number in (1, 2, 3):
        assert d.node().alive
        assert not d.at("work").resume
        d.feed(Probed(node="n1", probe=number, alive=False))
    assert not d.node().alive
    assert d.at("work").resume
