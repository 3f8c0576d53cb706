"""The machine that the plan expects in a place: what counts as wrong, what that blocks, and where it is shown."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import USUAL, plan
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rack import Rack

from engine.core.hardware.topology import topology
from engine.core.plan.boxes import expectation, wrong_box, wrong_boxes
from engine.core.plan.diff import diff
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.definitions import Catalog
from engine.effects import Accept, Refuse
from engine.events import Commit, Operate
from engine.model import Node, NodeRole, Place, State
from engine.plan import PlaceDef, Plan, RackDef
from engine.reasons import sentence
from engine.requests import Asker, Request
from engine.views.advice import next_step
from engine.views.problem_queue import problem_queue
from engine.views.rack_view import rack_room
from engine.views.summary import node_row
from engine.views.walk import walk

REQUEST = Request(Asker.OPERATOR, 7)
EMPTY = Catalog(roles={}, attributes={}, stages=())


def planned(expects: dict[int, dict[str, Any]], base: Plan | None = None) -> Plan:
    places = tuple(PlaceDef(unit=unit, expects=match) for unit, match in sorted(expects.items()))
    return replace(base or plan(), racks=(RackDef(name="r1", places=places),))


def world(expects: dict[int, dict[str, Any]], *nodes: Node, gave: dict[str, Any] | None = None) -> World:
    work = Work(World(base=EMPTY, catalog=USUAL, plan=planned(expects)))
    for node in nodes:
        work.put_node(node)
        if gave is not None:
            work.put_role(NodeRole(node=node.id, role="inventory", deployment="system", state=State.ACTIVE, gave=gave))
    return work.finish()


def box(serial: str, unit: int | None, **more: Any) -> Node:
    place = Place(rack="r1", unit=unit) if unit is not None else None
    return Node(id=serial.lower() or "n0", name=f"node-{serial.lower()}.test", serial=serial, place=place, **more)


@pytest.mark.parametrize(
    ("expects", "node", "gave", "wrong"),
    [
        ({"serial": "A1"}, box("A1", 10), {}, False),
        ({"serial": "a1"}, box("A1", 10), {}, False),
        ({"serial": "B2"}, box("A1", 10), {}, True),
        ({"serial": "B2"}, box("", 10), {}, False),
        ({"serial": "B2"}, box("A1", None), {}, False),
        ({"serial": "B2"}, box("A1", 11), {}, False),
        ({"product": {"like": "R640*"}}, box("A1", 10), {"product": "R740"}, True),
        ({"product": {"like": "R640*"}}, box("A1", 10), {"product": "R640 v2"}, False),
        ({"product": {"like": "R640*"}}, box("A1", 10), {}, False),
        ({"memory": {"min": 65536}}, box("A1", 10), {"memory-mb": 32768}, True),
        ({"serial": "A1", "memory": {"min": 65536}}, box("A1", 10), {"memory-mb": 131072}, False),
        ({}, box("A1", 10), {}, False),
    ],
)
def test_what_counts_as_wrong(expects: dict[str, Any], node: Node, gave: dict[str, Any], wrong: bool) -> None:
    """What a machine did not report is unknown, not wrong."""
    made = world({10: expects}, node, gave=gave)
    assert (wrong_box(made, node) is not None) is wrong


def test_the_sentence_names_both_and_the_place_where_it_belongs() -> None:
    made = world({10: {"serial": "A1"}, 12: {"serial": "B2"}}, box("B2", 10))
    [found] = wrong_boxes(made, made.nodes.values())
    assert found.belongs == Place(rack="r1", unit=12)
    assert sentence(found.reason) == (
        "by its cables node-b2.test (serial 'B2') stands in r1 unit 10, where the plan expects serial 'A1'; it belongs in r1 unit 12"
    )


def test_a_place_of_a_product_claims_no_machine() -> None:
    made = world({10: {"serial": "A1"}, 12: {"product": "R640"}}, box("B2", 10), gave={"product": "R640"})
    [found] = wrong_boxes(made, made.nodes.values())
    assert found.belongs is None


def test_it_is_shown_everywhere() -> None:
    nodes = (box("B2", 10, stage="system"), box("A1", 12, stage="system"))
    made = world({10: {"serial": "A1"}, 12: {"serial": "B2"}, 14: {"serial": "C3"}}, *nodes)
    links = topology(made)
    assert "expects serial 'A1'" in str(node_row(made, nodes[0]).why)
    slots = {slot.unit: slot for slot in rack_room(made, links).racks[0].slots}
    assert "where the plan expects serial 'A1'" in slots[10].wrong
    assert (slots[14].expects, slots[14].wrong) == ("serial 'C3'", "")
    steps = walk(made, links)
    assert [(s.task, s.node, s.now, s.target, s.holds) for s in steps] == [
        ("move box", "node-b2", "r1 unit 10", "r1 unit 12", "node-a1"),
        ("move box", "node-a1", "r1 unit 12", "r1 unit 10", "node-b2"),
    ]
    assert [one.node for one in problem_queue(made, links) if one.code == "wrong_box"] == ["a1", "b2"]
    assert "exchange the machines or their cables" in next_step(made, links).text


# -- what it blocks ---------------------------------------------------------------------------------------------------


@pytest.fixture
def rack() -> Rack:
    made = Rack(USUAL, plan(), nodes=1, seed=1)
    assert made.run()
    work = Work(made.world)
    work.put_node(replace(made.world.nodes["n1"], place=Place(rack="r1", unit=10), serial="A1"))
    made.world = work.finish()
    return made


def committed(rack: Rack, new: Plan) -> str:
    out = rack.feed(Commit(request=REQUEST, who="ada", plan=new))
    return next((e.reason.code if isinstance(e, Refuse) else "" for e in out if isinstance(e, Accept | Refuse)), "?")


def of(rack: Rack) -> Plan:
    assert rack.world.plan is not None
    return rack.world.plan


def test_a_wrong_box_blocks_the_commit(rack: Rack) -> None:
    revisions = len(rack.world.revisions)
    assert committed(rack, planned({10: {"serial": "B2"}}, of(rack))) == "wrong_box"
    assert len(rack.world.revisions) == revisions
    assert committed(rack, planned({10: {"serial": "A1"}}, of(rack))) == ""
    assert len(rack.world.revisions) == revisions + 1


def test_the_preview_says_so_too(rack: Rack) -> None:
    found = diff(rack.world, planned({10: {"serial": "B2"}}, of(rack)))
    assert found.refused is not None
    assert found.refused.code == "wrong_box"


def test_a_box_that_becomes_wrong_later_blocks_every_commit_until_it_is_right(rack: Rack) -> None:
    assert committed(rack, planned({10: {"serial": "A1"}}, of(rack))) == ""
    work = Work(rack.world)
    work.put_node(replace(rack.world.nodes["n1"], serial="B2"))
    rack.world = work.finish()
    assert committed(rack, replace(of(rack), patience=2.0)) == "wrong_box"
    work = Work(rack.world)
    work.put_node(replace(rack.world.nodes["n1"], serial="A1"))
    rack.world = work.finish()
    assert committed(rack, replace(of(rack), patience=2.0)) == ""


def test_a_wrong_box_is_not_allocated(rack: Rack) -> None:
    """Neither by the plan nor by a person: another machine's system would be written on it."""
    assert committed(rack, planned({10: {"serial": "A1"}}, of(rack))) == ""
    work = Work(rack.world)
    work.put_node(replace(rack.world.nodes["n1"], serial="B2", allocated=False))
    rack.world = work.finish()
    out = rack.feed(Operate(request=REQUEST, who="ada", verb="allocate", node="n1"))
    assert [e.reason.code for e in out if isinstance(e, Refuse)] == ["wrong_box"]
    assert not rack.world.nodes["n1"].allocated


FACTS = st.dictionaries(
    st.sampled_from(["serial", "product", "memory"]), st.sampled_from(["A1", "B2", {"like": "A*"}, {"min": 5}, 7]), max_size=3
)


@given(FACTS, st.sampled_from(["", "A1", "B2", " a1 "]))
def test_any_expectation_has_words_and_a_verdict(expects: dict[str, Any], serial: str) -> None:
    made = world({10: expects}, box(serial, 10), gave={"product": "A1", "memory-mb": 7})
    assert isinstance(expectation(expects), str)
    for one in wrong_boxes(made, made.nodes.values()):
        assert one.expected
        assert one.seen
