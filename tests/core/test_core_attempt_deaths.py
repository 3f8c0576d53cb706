"""Attempts: what becomes of one when its node dies."""

from __future__ import annotations

from typing import Any

import pytest
from attempts_rig import BIND, outcome, rig
from catalogs import plan
from world_rig import WorldRig

from engine import reasons
from engine.core.roles.derive import done
from engine.core.roles.guards import blockers
from engine.effects import BootNode, Start
from engine.events import Bye, Probed, Started
from engine.model import State


def dies(d: WorldRig) -> None:
    d.feed(Bye(node="n1", boot_id=d.node().boot_id))


def comes_back(d: WorldRig, boot_id: str = "b2", runs: str = "sledgehammer") -> list[Any]:
    d.change(boot=None, runs=runs, boot_id=boot_id, alive=True)
    return d.feed(Started(installation="other", admin="admin"))


def test_a_suspended_attempt_keeps_its_node_and_counts_as_no_try() -> None:
    d = rig("looked", "work")
    dies(d)
    assert d.at("looked").resume
    assert [r.code for r in blockers(d.world, d.at("looked"))][0] == "suspended"
    assert "held" in [r.code for r in blockers(d.world, d.at("work"))]
    comes_back(d)
    starts = d.all(Start)
    assert [(s.role, s.resume) for s in starts] == [("looked", True)]
    assert d.at("looked").tries == 0


def test_a_suspended_attempt_gives_its_limits_back() -> None:
    d = WorldRig(BIND, plan({}, limits={"jobs": 1}))
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
    d = rig("work")
    dies(d)
    comes_back(d, runs="debian-12")
    assert d.one(BootNode).environment == "sledgehammer"


def test_a_restart_after_a_resume_asks_and_does_not_start() -> None:
    """The machine that is back knows nothing of what it did before it died: told to run, it would wipe a second time."""
    d = rig("wipe", approved="op")
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
    d = rig(name, approved="op")
    outcome(d, name, "lost")
    if what == "unverifiable":
        assert not d.all(Start)
        assert [r.code for r in blockers(d.world, d.at(name))] == ["unverifiable"]
    else:
        assert d.one(Start).action == what
        assert d.at(name).attempt == "i5-2"


def test_a_verify_after_lost_that_says_no_is_no_failure() -> None:
    d = rig("wipe", approved="op")
    outcome(d, "wipe", "lost")
    outcome(d, "wipe", "failed", failure=reasons.verify_failed(role="wipe", line="no"))
    assert d.one(Start).action == "run"
    assert (d.at("wipe").tries, d.at("wipe").approved) == (0, "op")


def test_a_verify_after_lost_reports_what_the_run_would_have_given() -> None:
    d = rig("looked")
    outcome(d, "looked", "lost")
    outcome(d, "looked")
    assert d.at("looked").failure is not None
    d.tick("n1/looked", 10.0)
    outcome(d, "looked", gives={"apple": 1})
    assert d.at("looked").gave == {"apple": 1}


def test_what_a_dead_node_had_done_in_its_stage_is_doubted() -> None:
    d = rig("work", "looked", "wipe", "blind", approved="op")
    while running := [r.role for r in d.world.node_roles.values() if r.state is State.TRANSITION]:
        outcome(d, running[0], gives={"fruit": 1, "apple": 1})
    assert all(done(d.world, d.at(n)) for n in ("work", "looked", "wipe", "blind"))
    dies(d)
    assert d.at("looked").recheck
    assert d.at("work").state is State.WAITING
    assert blockers(d.world, d.at("blind"))[0].code == "unverifiable"
    assert done(d.world, d.at("wipe")), "a destructive role is never doubted after its success"


def test_probes_that_fail_suspend_after_the_third() -> None:
    d = rig("work")
    d.tick("n1/work", 131.0)
    for number in (1, 2, 3):
        assert d.node().alive
        assert not d.at("work").resume
        d.feed(Probed(node="n1", probe=number, alive=False))
    assert not d.node().alive
    assert d.at("work").resume
