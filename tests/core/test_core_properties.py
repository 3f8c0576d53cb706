"""Random legal graphs on random racks with random faults: what must always hold.

`rack` checks after every step:
* No node has two holders, and no machine has two tasks.
* No disk is wiped without an approval, or twice.
* Every node role that waits has a reason, and none that could start is forgotten.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from generated import random_case
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rack import Rack

from engine.core.roles.derive import done
from engine.core.step import step
from engine.core.world.load import load_world
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.events import Operate, SetAttribute, Started

CORE = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), max_examples=40)
SEEDS = st.integers(min_value=0, max_value=2**32 - 1)


def new_rack(seed: int, check: bool = True) -> tuple[Rack, Random]:
    what, wanted, nodes, random = random_case(seed)
    rack = Rack(what, wanted, nodes=nodes, seed=seed, check=check)
    for name in what.roles:
        rack.behaviour[name] = random.choice(["", "", "", "again", "again reboot", "bios"])
    for machine in rack.machines:
        for name, definition in what.roles.items():
            if random.random() < 0.1:
                machine.fails[name] = random.randint(1, 2)
            if random.random() < 0.1 and definition.reverify and not definition.destructive:
                machine.false_claims[name] = 1
    return rack, random


def disturb(rack: Rack, random: Random, faults: int) -> None:
    """Faults at random events, then none any more."""
    left = [faults]
    busy = [False]

    def hook() -> None:
        if left[0] and not busy[0] and random.random() < 0.04:
            left[0] -= 1
            busy[0] = True
            rack.after(0.0, lambda: _one(rack, random, busy))

    rack.hook = hook


def _one(rack: Rack, random: Random, busy: list[bool]) -> None:
    busy[0] = False
    if random.random() < 0.1:
        name = f"knob-{random.randint(0, 2)}"
        rack.feed(SetAttribute(who="op", layer="deployment", scope="system", name=name, value=random.randint(0, 5)))
    elif random.random() < 0.05 and rack.world.nodes.get("n1"):
        verb = random.choice(["hold", "unavailable"])
        rack.feed(Operate(who="op", verb=verb, node="n1"))
        undo = {"hold": "release", "unavailable": "available"}[verb]
        rack.after(300.0, lambda: rack.feed(Operate(who="op", verb=undo, node="n1")))
    else:
        rack.fault()


def finish(rack: Rack) -> None:
    rack.bring_up()
    rack.indexes_agree()
    for machine in rack.machines:
        for name in machine.wipes:
            assert machine.wipes[name] >= 1


@CORE
@given(SEEDS)
def test_without_faults_all_become_done(seed: int) -> None:
    rack, _ = new_rack(seed)
    finish(rack)


@pytest.mark.slow
@settings(CORE, max_examples=600)
@given(SEEDS)
def test_with_finite_faults_all_become_done_many_times(seed: int) -> None:
    disturbed(seed)


@pytest.mark.slow
@settings(CORE, max_examples=100)
@given(SEEDS)
def test_a_restart_at_any_event_changes_nothing_in_the_end_many_times(seed: int) -> None:
    restarted(seed)


@settings(CORE, max_examples=25)
@given(SEEDS)
def test_with_finite_faults_all_become_done(seed: int) -> None:
    disturbed(seed)


@pytest.mark.long
@settings(CORE, max_examples=75)
@given(SEEDS)
def test_with_finite_faults_all_become_done_more_often(seed: int) -> None:
    disturbed(seed)


def disturbed(seed: int) -> None:
    rack, random = new_rack(seed)
    disturb(rack, random, faults=random.randint(1, 12))
    finish(rack)


@settings(CORE, max_examples=15)
@given(SEEDS)
def test_kept_indexes_equal_rebuilt_ones_after_every_step(seed: int) -> None:
    rack, random = new_rack(seed)
    disturb(rack, random, faults=random.randint(1, 8))
    hook = rack.hook

    def both() -> None:
        rack.indexes_agree()
        hook()

    rack.hook = both
    rack.bring_up()


@settings(CORE, max_examples=15)
@given(SEEDS)
def test_the_same_recorded_events_give_the_same_world(seed: int) -> None:
    rack, random = new_rack(seed, check=False)
    disturb(rack, random, faults=random.randint(0, 6))
    rack.bring_up()
    world = World.new(rack.catalog)
    for happened in rack.journal:
        if isinstance(happened.event, Started):  # a load: what is remembered beside the tables begins anew
            world = load_world(rack.catalog, {t: dict(getattr(world, t)) if t != "meta" else {(): world.meta} for t in rack.tables})
        work = Work(world)
        step(work, happened)
        world = work.finish()
    for table in rack.tables:
        assert getattr(world, table) == getattr(rack.world, table), table


@settings(CORE, max_examples=15)
@given(SEEDS)
def test_a_restart_at_any_event_changes_nothing_in_the_end(seed: int) -> None:
    restarted(seed)


def restarted(seed: int) -> None:
    plain, _ = new_rack(seed)
    finish(plain)
    events = len(plain.journal)
    every = Random(seed).randint(1, 3)
    rack, _ = new_rack(seed)
    count = [0]

    def hook() -> None:
        count[0] += 1
        if count[0] % (10 * every) == 0 and count[0] < 4 * events:
            rack.after(0.0, rack.restart)

    rack.hook = hook
    finish(rack)
    assert ending(rack) == ending(plain)
    for one, other in zip(rack.machines, plain.machines, strict=True):
        assert one.applied.keys() == other.applied.keys()


def ending(rack: Rack) -> dict[Any, Any]:
    """What is the same however it went: node roles by machine, not by the order in which machines were met."""
    out = {}
    for record in rack.world.node_roles.values():
        machine = rack.machine_of(record.node)
        out[(machine.number if machine else 0, record.role)] = (record.state, done(rack.world, record))
    return out
