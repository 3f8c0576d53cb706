"""What needs a person: the queue of problems in every world of the simulator, and acknowledgements that come back when the problem changes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from thinned import thinned

sys.path.insert(0, str(Path(__file__).parents[1] / "console"))
sys.path.insert(0, str(Path(__file__).parents[1] / "past"))

import worlds
from test_past_timeline import simulated

from engine.core.operator.problems import acknowledged, mark_of, problems_of
from engine.core.roles.stages import node_state
from engine.core.world.load import load_world
from engine.events import Operate
from engine.model import State
from engine.reasons import needs_person
from engine.store.schema import CODECS
from engine.views.advice import next_step, short
from engine.views.problem_queue import BROKEN, problem_queue
from tests.sim.racks import read
from tests.sim.run import BASE


def worlds_of(seed: int, many: int):
    """Some worlds of a simulation, as they were."""
    _, rows = simulated(seed)
    tables: dict = {table: {} for table in CODECS}
    for i, row in enumerate(rows):
        for table, key, record in row.changes():
            if record is None:
                tables[table].pop(key, None)
            else:
                tables[table][key] = record
        if i % max(len(rows) // many, 1) == 0 or i == len(rows) - 1:
            yield load_world(read(), tables)


@pytest.mark.parametrize("seed", thinned(range(BASE, BASE + 6), each=3))
def test_the_queue_of_every_world_has_what_is_next_and_nothing_twice(seed: int) -> None:
    for world in worlds_of(seed, 25):
        queue, step = problem_queue(world), next_step(world)
        if world.plan is None:
            continue
        assert len({one.key for one in queue}) == len(queue)
        assert [one.open for one in queue] == sorted((one.open for one in queue), reverse=True)
        if step.human:
            assert any(one.name == step.node or not step.node for one in queue), step
        for one in queue:
            assert one.sentence
            assert one.node in world.nodes or one.node in world.sightings or not one.node
        for role in world.node_roles.values():
            if role.state is State.ERROR and role.node in world.nodes and world.nodes[role.node].kind.value == "server":
                assert any(one.node == role.node and one.role == role.role and one.worse == BROKEN for one in queue)
        for node in world.nodes.values():
            if node.problem is not None and node.kind.value == "server":
                assert any(one.node == node.id and not one.role for one in queue)
            if node_state(world, node) == "ready" and not any(r.findings for r in world.node_roles.values() if r.node == node.id):
                assert not [p for p in problems_of(world, node) if needs_person(p.reason.code) and not p.role and node.available], node


def rack_with_a_failing_role():
    r = worlds.rack()
    r.machines[2].fails = {"raid-configure": 99}
    r.run(seconds=7200.0)
    node = next(one.node for one in problem_queue(r.world) if one.role == "raid-configure")
    return r, node


def test_an_acknowledged_problem_goes_to_the_end_and_is_not_next_until_it_changes() -> None:
    r, node = rack_with_a_failing_role()
    before = problem_queue(r.world)
    assert before[0].open
    assert before[0].node == node
    assert short(before[0].name) in next_step(r.world).text
    r.feed(Operate(who="ada", verb="acknowledge", node=node, value="a spare disk comes on Tuesday"))
    after = problem_queue(r.world)
    assert [(one.who, one.note) for one in after if one.node == node] == [("ada", "a spare disk comes on Tuesday")]
    assert next_step(r.world).kind == "wait"
    assert next_step(r.world).text.endswith("left to ada: a spare disk comes on Tuesday")
    assert r.world.node_roles[(node, "raid-configure")].state is State.ERROR
    r.feed(Operate(who="ada", verb="retry", node=node))
    r.run(seconds=3600.0)
    again = [one for one in problem_queue(r.world) if one.node == node]
    assert [one.who for one in again] == [""], "it failed once more, in another attempt"
    assert short(again[0].name) in next_step(r.world).text


def test_a_person_acknowledges_only_what_the_screen_showed_and_takes_it_back() -> None:
    r, node = rack_with_a_failing_role()
    mark = next(one.mark for one in problem_queue(r.world) if one.node == node)
    r.feed(Operate(who="ada", verb="acknowledge", node=node, value={"note": "seen", "problems": ["0" * 16]}))
    assert all(one.open for one in problem_queue(r.world) if one.node == node)
    r.feed(Operate(who="ada", verb="acknowledge", node=node, value={"note": "seen", "problems": [mark]}))
    assert [one.who for one in problem_queue(r.world) if one.node == node] == ["ada"]
    r.feed(Operate(who="bob", verb="acknowledge", node=node, value={"note": "", "problems": [mark]}))
    assert [one.who for one in problem_queue(r.world) if one.node == node] == [""]


@pytest.mark.parametrize(
    "value",
    [None, 7, "x" * 201, {"note": "x", "problems": "all"}, {"note": "x", "problems": ["short"]}, {"note": 3}, ["x"], {"problems": []}],
)
def test_what_is_no_acknowledgement_is_refused_and_changes_nothing(value) -> None:
    r, node = rack_with_a_failing_role()
    before = r.world.nodes[node]
    r.feed(Operate(who="ada", verb="acknowledge", node=node, value=value))
    assert r.world.nodes[node] == before


def test_a_note_has_no_control_characters_and_a_node_few_acknowledgements() -> None:
    r, node = rack_with_a_failing_role()
    r.feed(Operate(who="ada", verb="acknowledge", node=node, value="one\x1b[31m\ntwo"))
    assert [one.note for one in r.world.nodes[node].acknowledged] == ["one [31m two"]
    for i in range(80):
        r.feed(Operate(who="ada", verb="acknowledge", node=node, value={"note": "x", "problems": [f"{i:016x}"]}))
    assert len(r.world.nodes[node].acknowledged) == 64


def test_a_node_that_needs_nobody_cannot_be_acknowledged() -> None:
    r = worlds.rack()
    r.run()
    node = next(n.id for n in r.world.nodes.values() if n.kind.value == "server")
    r.feed(Operate(who="ada", verb="acknowledge", node=node, value="fine"))
    assert not r.world.nodes[node].acknowledged


def test_a_mark_changes_with_each_part_of_the_problem() -> None:
    from engine import reasons

    one, other = reasons.on_hold(node="a"), reasons.on_hold(node="b")
    marks = {mark_of("", one), mark_of("r", one), mark_of("", other), mark_of("", one, "a7")}
    assert len(marks) == 4
    assert {len(mark) for mark in marks} == {16}


def test_a_swapped_cable_is_in_the_queue_with_its_port() -> None:
    world, _ = worlds.load("faulty")
    queue = problem_queue(world)
    cable = [one for one in queue if one.code == "cable_swapped"]
    assert [one.page for one in cable] == ["topology"]
    assert "the plan says tor2:" in cable[0].sentence
    assert acknowledged(world.nodes[cable[0].node], cable[0].mark) is None
    assert queue[0].worse == BROKEN
