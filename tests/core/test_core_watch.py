"""Watched roles: when the engine looks, what a look changes, and what it never changes."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import catalog, plan, role
from hypothesis import given
from hypothesis import strategies as st
from world_rig import WorldRig, tables

from engine import reasons
from engine.core.roles.transitions import Now, state_of
from engine.core.roles.watch import DOUBLINGS, REST_S, is_look, look_id
from engine.core.world.load import load_world
from engine.effects import Accept, Acknowledge, Ignore, Probe, Refuse, Start
from engine.events import Found, Operate, Outcome, RoleDue, SetAttribute, Started
from engine.last_values import Quiet
from engine.model import PowerOff, State
from engine.reasons import Reason, sentence
from engine.views.advice import next_step
from engine.views.chain import why_chain
from engine.views.summary import node_row, role_row, summary

DAEMON = role("daemon", wants=["knob"], gives=("port",), verify=True, watch_s=20.0, attempts=2, timeout_s=100.0)
CHILD = role("child", wants=["port"], verify=True)
WIPES = role("wipes", flags=["destructive"], verify=True)
CATALOG = catalog(DAEMON, CHILD, WIPES, defaults={"knob": 1})
WRONG = reasons.verify_failed(role="daemon", line="chronyd does not run")
BY_HAND = reasons.changed_by_hand(role="daemon", line="/x/a.conf was changed by hand")
FROM_OUTSIDE = reasons.late(attempt="a check is red")


def rig() -> WorldRig:
    """A node whose two roles have just become active."""
    d = WorldRig(CATALOG, plan({}))
    d.server(stage="hardware", allocated=True)
    for name in ("daemon", "child"):
        d.role(name, state=State.WAITING, parents=(("n1", "daemon"),) if name == "child" else ())
    d.feed(Started(installation="other", admin="admin"))
    for name, gives in (("daemon", {"port": 1}), ("child", {})):
        r = d.at(name)
        d.feed(Outcome(attempt=f"{r.attempt}.{r.leg}", node="n1", what="done", gives=gives))
    return d


def due(d: WorldRig) -> list[Any]:
    """The time of the next look has come."""
    d.now = max(d.now, d.world.watches[("n1", "daemon")].due)
    return d.tick("n1/daemon")


def look(d: WorldRig) -> Start:
    due(d)
    return d.one(Start)


def answer(d: WorldRig, what: Any = "done", **fields: Any) -> list[Any]:
    """A whole look, with its outcome."""
    order = look(d)
    return d.feed(Outcome(attempt=order.attempt, node="n1", what=what, **fields))


def applied(d: WorldRig) -> list[Any]:
    return answer(d, gives={"port": 1})


def watch(d: WorldRig) -> Any:
    return d.world.watches[("n1", "daemon")]


def retry(d: WorldRig) -> Any:
    d.feed(Operate(who="op", verb="retry", node="n1", role="daemon"))
    return d.effects[0] if isinstance(d.effects[0], Refuse | Accept) else next(e for e in d.effects if isinstance(e, Refuse | Accept))


def test_an_active_role_is_looked_at_again_and_again() -> None:
    d = rig()
    attempt = d.at("daemon").attempt
    assert 10.0 <= watch(d).due - d.now <= 20.0, "the first look is in the second half of the period"
    for number in (1, 2, 3):
        order = look(d)
        assert (order.attempt, order.action, order.resume) == (f"{attempt}-w{number}.1", "verify", False)
        assert state_of(d.at("daemon")) is Now.ACTIVE
        assert d.world.holders.get("n1") is None, "a look holds nothing"
        d.feed(Outcome(attempt=order.attempt, node="n1", what="done", gives={"port": 1}))
        assert d.one(Acknowledge).attempt == order.attempt
        assert watch(d).due == d.now + 20.0


def test_a_good_look_is_no_history() -> None:
    d = rig()
    before = d.at("daemon")
    for _ in range(3):
        due(d)
        assert d.rows
        assert all(isinstance(row, Quiet) for row in d.rows)
        d.feed(Outcome(attempt=watch(d).open, node="n1", what="done", gives={"port": 1}))
        assert all(isinstance(row, Quiet) for row in d.rows)
    assert d.at("daemon") == before


def test_what_died_is_run_again_and_its_child_is_not() -> None:
    d = rig()
    child = d.at("child")
    answer(d, "failed", failure=WRONG)
    starts = d.all(Start)
    assert [(s.role, s.action) for s in starts] == [("daemon", "run")]
    role_now = d.at("daemon")
    assert state_of(role_now) is Now.RUNNING
    d.feed(Outcome(attempt=starts[0].attempt, node="n1", what="done", gives={"port": 1}))
    assert state_of(d.at("daemon")) is Now.ACTIVE
    assert d.at("child") == child, "the gives are the same"


def test_the_journal_says_why_it_runs_again() -> None:
    d = rig()
    d.change("n1", available=True, hold=True)  # so that it waits, and its record can be seen
    d.change("n1", hold=False)
    order = look(d)
    d.change("n1", hold=True)
    d.feed(Outcome(attempt=order.attempt, node="n1", what="failed", failure=WRONG))
    found = d.at("daemon")
    assert (state_of(found), found.failure) == (Now.WAITING, reasons.not_applied(role="daemon", line="chronyd does not run"))
    assert "chronyd does not run" in sentence(found.failure)
    assert any(row[0] == "node_roles" and not isinstance(row, Quiet) for row in d.rows)


def test_other_gives_are_verified_and_reach_the_children() -> None:
    d = rig()
    answer(d, gives={"port": 2})
    order = d.one(Start)
    assert (order.role, order.action) == ("daemon", "verify")
    d.feed(Outcome(attempt=order.attempt, node="n1", what="done", gives={"port": 2}))
    assert d.at("daemon").gave == {"port": 2}
    assert [(s.role, s.action) for s in d.all(Start)] == [("child", "run")]


def test_a_change_by_hand_is_a_finding_and_a_retry_puts_it_right() -> None:
    d = rig()
    answer(d, "failed", failure=BY_HAND)
    assert not d.all(Start), "nothing is overwritten"
    assert (state_of(d.at("daemon")), d.at("daemon").findings) == (Now.ACTIVE, (BY_HAND,))
    answer(d, "failed", failure=BY_HAND)
    assert all(isinstance(row, Quiet) for row in d.rows), "the same finding is no news"
    assert isinstance(retry(d), Accept)
    order = d.one(Start)
    assert (order.role, order.action, d.at("daemon").findings) == ("daemon", "run", ())


def test_a_retry_of_the_node_puts_right_too() -> None:
    d = rig()
    answer(d, "failed", failure=BY_HAND)
    d.feed(Operate(who="op", verb="retry", node="n1"))
    assert [(s.role, s.action) for s in d.all(Start)] == [("daemon", "run")]


def test_people_see_a_finding() -> None:
    d = rig()
    answer(d, "failed", failure=BY_HAND)
    (found,) = summary(d.world).findings
    assert (found.node, found.role, found.why.code) == ("n1.r1.example.net", "daemon", "changed_by_hand")
    assert [w.code for w in role_row(d.world, d.at("daemon")).findings] == ["changed_by_hand"]
    row = node_row(d.world, d.node())
    assert row.why is not None
    assert row.why.code == "changed_by_hand"
    for role_name in ("", "daemon"):
        chain = why_chain(d.world, d.node(), role_name)
        assert [(link.subject, link.code) for link in chain.links] == [("daemon", "changed_by_hand")]
        assert "retry role daemon" in chain.advice
    step = next_step(d.world)
    assert (step.kind, step.node, step.role, step.verb) == ("mend", "n1.r1.example.net", "daemon", "retry")
    assert step.text == "n1: daemon is applied, and /x/a.conf was changed by hand; r runs daemon again"


def test_a_person_who_takes_the_change_back_ends_the_finding() -> None:
    d = rig()
    answer(d, "failed", failure=BY_HAND)
    applied(d)
    assert d.at("daemon").findings == ()


def test_nothing_to_retry_is_refused() -> None:
    d = rig()
    assert isinstance(retry(d), Refuse)


@pytest.mark.parametrize(
    "failure", [reasons.script_failed(role="daemon", exit=2, line="no answer"), reasons.timed_out(role="daemon", seconds=9.0)]
)
def test_what_cannot_be_found_out_is_a_finding_until_it_can(failure: Reason) -> None:
    d = rig()
    answer(d, "failed", failure=failure)
    (finding,) = d.at("daemon").findings
    assert finding.code == "not_checked"
    assert not d.all(Start)
    applied(d)
    assert d.at("daemon").findings == ()


def test_a_look_that_fails_does_not_refute_an_earlier_one() -> None:
    d = rig()
    answer(d, "failed", failure=BY_HAND)
    answer(d, "failed", failure=reasons.timed_out(role="daemon", seconds=9.0))
    assert [one.code for one in d.at("daemon").findings] == ["changed_by_hand", "not_checked"]
    answer(d, "failed", failure=BY_HAND)
    assert d.at("daemon").findings == (BY_HAND,)


def test_a_node_that_is_not_reached_is_probed() -> None:
    d = rig()
    answer(d, "failed", failure=reasons.unreachable_node(node="n1", address="", message="no route"), unreachable=True)
    assert d.one(Probe).node == "n1"
    assert d.at("daemon").findings == ()
    assert watch(d).look == 0


def test_a_silent_look_is_asked_about_and_never_started_twice() -> None:
    d = rig()
    order = look(d)
    due(d)
    again = d.one(Start)
    assert (again.attempt, again.resume) == (order.attempt, True)
    d.feed(Outcome(attempt=order.attempt, node="n1", what="running"))
    assert watch(d).open == order.attempt
    d.feed(Outcome(attempt=order.attempt, node="n1", what="lost"))
    assert (watch(d).look, d.all(Acknowledge)) == (0, [])
    assert look(d).attempt != order.attempt


def test_a_restart_asks_about_the_open_look() -> None:
    d = rig()
    order = look(d)
    again = WorldRig(CATALOG, world=load_world(CATALOG, tables(d.world)))
    again.now = d.now
    again.feed(Started(installation="other", admin="admin"))
    assert [(s.attempt, s.resume) for s in again.all(Start)] == [(order.attempt, True)]
    assert any(w.due == RoleDue("n1", "daemon") for w in again.wakes)


def test_a_restart_sets_the_next_look_again() -> None:
    d = rig()
    again = WorldRig(CATALOG, world=load_world(CATALOG, tables(d.world)))
    again.feed(Started(installation="other", admin="admin"))
    assert any(w.due == RoleDue("n1", "daemon") and w.now == watch(d).due for w in again.wakes)


def test_a_late_look_changes_nothing() -> None:
    d = rig()
    order = look(d)
    d.feed(SetAttribute(who="op", layer="deployment", scope="system", name="knob", value=2))
    run = d.one(Start)
    assert run.action == "run"
    before = d.at("daemon")
    d.feed(Outcome(attempt=order.attempt, node="n1", what="failed", failure=WRONG))
    assert d.at("daemon") == before
    assert d.one(Acknowledge).attempt == order.attempt
    assert not d.all(Ignore)


@pytest.mark.parametrize(
    "fields",
    [
        {"available": False},
        {"hold": True},
        {"off": PowerOff(who="op")},
        {"alive": False},
        {"runs": "debian-12"},
        {"problem": reasons.no_plan()},
    ],
)
def test_nobody_looks_at_a_node_that_is_not_to_be_worked_on(fields: dict[str, Any]) -> None:
    d = rig()
    d.change("n1", **fields)
    due(d)
    assert not d.all(Start)
    assert watch(d).due == d.now + 20.0, "it comes back to it later"


def test_nobody_looks_while_the_node_is_at_work() -> None:
    d = rig()
    d.change("n1", "child", state=State.WAITING)
    d.feed(Operate(who="op", verb="hold", node="n1"), Operate(who="op", verb="release", node="n1"))
    assert d.world.holders.get("n1") == ("n1", "child")
    due(d)
    assert not d.all(Start)


def test_repairs_in_vain_come_less_and_less_often() -> None:
    d = rig()
    gaps = []
    for _ in range(DOUBLINGS + 3):
        answer(d, "failed", failure=WRONG)
        d.feed(Outcome(attempt=d.one(Start).attempt, node="n1", what="done", gives={"port": 1}))
        gaps.append(watch(d).due - d.now)
    assert gaps == sorted(gaps)
    assert gaps[-1] >= REST_S / 2
    assert gaps[-1] <= REST_S
    applied(d)
    assert watch(d).due == d.now + 20.0


def test_a_monitor_finds_and_takes_back() -> None:
    d = rig()
    d.feed(Found(node="n1", role="daemon", finding=FROM_OUTSIDE))
    assert d.at("daemon").findings == (FROM_OUTSIDE,)
    applied(d)
    assert d.at("daemon").findings == (FROM_OUTSIDE,), "a look that succeeds says nothing of what a monitor sees"
    answer(d, "failed", failure=BY_HAND)
    assert d.at("daemon").findings == (FROM_OUTSIDE, BY_HAND)
    d.feed(Found(node="n1", role="daemon"))
    assert d.at("daemon").findings == (BY_HAND,)
    d.feed(Found(node="n9", role="daemon", finding=FROM_OUTSIDE), Found(node="n1", role="none", finding=FROM_OUTSIDE))
    assert not d.rows


def test_a_monitor_says_nothing_of_a_role_that_is_not_active() -> None:
    d = rig()
    d.change("n1", "daemon", state=State.ERROR)
    d.feed(Found(node="n1", role="daemon", finding=FROM_OUTSIDE))
    assert d.at("daemon").findings == ()


def test_a_verify_after_a_death_leaves_what_was_changed_by_hand() -> None:
    d = rig()
    d.change("n1", "daemon", recheck=True)
    d.feed(Operate(who="op", verb="hold", node="n1"), Operate(who="op", verb="release", node="n1"))
    order = d.one(Start)
    assert (order.role, order.action) == ("daemon", "verify")
    d.feed(Outcome(attempt=order.attempt, node="n1", what="failed", failure=BY_HAND))
    found = d.at("daemon")
    assert (state_of(found), found.findings, found.gave) == (Now.ACTIVE, (BY_HAND,), {"port": 1})
    assert not d.all(Start)


def test_a_deleted_role_is_not_watched() -> None:
    d = rig()
    d.feed(Operate(who="op", verb="delete", node="n1"))
    assert ("n1", "daemon") not in d.world.watches
    assert d.tick("n1/daemon", 100.0) == []


@given(st.from_regex(r"[a-z0-9]{1,12}-[0-9]{1,6}", fullmatch=True), st.integers(1, 10**9), st.integers(1, 99))
def test_a_look_is_never_taken_for_an_attempt(attempt: str, number: int, leg: int) -> None:
    assert not is_look(f"{attempt}.{leg}")
    assert is_look(f"{attempt}-w{number}.1")


@given(st.lists(st.sampled_from(["good", "wrong", "hand", "blind", "gone", "lost", "run", "red", "green"]), max_size=30))
def test_whatever_looks_say_the_role_is_watched_and_comes_back(says: list[str]) -> None:
    """After any outcomes there is a next look; and once all is well, a look and a retry leave no finding that a look made."""
    d = rig()
    for one in says:
        match one:
            case "red" | "green":
                d.feed(Found(node="n1", role="daemon", finding=FROM_OUTSIDE if one == "red" else None))
                continue
            case "run":
                retry(d)
            case "good":
                applied(d)
            case "lost":
                answer(d, "lost")
            case "gone":
                answer(d, "failed", failure=reasons.lost(attempt="x"), unreachable=True)
                d.change("n1", probe=0)
            case _:
                failure = {"wrong": WRONG, "hand": BY_HAND, "blind": reasons.script_failed(role="daemon", exit=2, line="")}[one]
                answer(d, "failed", failure=failure)
        for order in d.all(Start):
            d.feed(Outcome(attempt=order.attempt, node="n1", what="done", gives={"port": 1}))
        assert state_of(d.at("daemon")) is Now.ACTIVE
        assert watch(d).due > d.now
        assert watch(d).due - d.now <= REST_S
    applied(d)
    assert all(one == FROM_OUTSIDE for one in d.at("daemon").findings)
    assert d.reload().watches == d.world.watches
    assert look_id(d.at("daemon"), watch(d).looks).startswith(d.at("daemon").attempt)
