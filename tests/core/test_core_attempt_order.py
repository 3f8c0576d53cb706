"""Attempts: how many at once, and in which order."""

from __future__ import annotations

from attempts_rig import BIND, WORK, outcome
from catalogs import catalog, plan, role, same
from world_rig import WorldRig

from engine import reasons
from engine.core.roles.guards import blockers
from engine.effects import Start
from engine.events import Commit, Continue, Outcome, Started
from engine.model import State


def test_a_step_starts_64_at_most_and_continues() -> None:
    d = WorldRig(BIND, plan({}, limits={"jobs": 1000}))
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
    d = WorldRig(BIND, plan({"work": ("all",)}, networks={}, limits={"jobs": 100}))
    for number in range(1, 251):
        d.server(f"n{number}", stage="hardware", allocated=True)
        d.role("work", f"n{number}", state=State.WAITING)
    d.feed(Started(installation="x", admin="admin"))
    while d.rest:
        d.feed(Continue())
    assert d.world.running["jobs"] == 100
    d.feed(Commit(who="t", plan=plan({"work": ("all",)}, networks={}, limits={"jobs": 1000})))
    started = len(d.all(Start))
    while d.rest:
        d.feed(Continue())
        started += len(d.all(Start))
    assert started == 150
    assert not d.world.queues


def test_the_longest_remaining_path_goes_first_and_stays_so_for_a_revision() -> None:
    d = WorldRig(BIND, plan({}, limits={"jobs": 1}))
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
    d = WorldRig(catalog(WORK, child, defaults={"knob": 1}), plan({}))
    d.server(stage="hardware", allocated=True)
    d.role("work", state=State.WAITING)
    d.role("child", state=State.WAITING, parents=(("n1", "work"),))
    d.feed(Started(installation="x", admin="admin"))
    assert d.one(Start).role == "work"
    assert blockers(d.world, d.at("child"))[0] == reasons.parent(role="work", node="n1.r1.example.net", state="transition")
    outcome(d, "work", gives={"fruit": 1})
    assert d.one(Start).role == "child"
