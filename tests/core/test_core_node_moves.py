"""The table of a node's life."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from catalogs import catalog
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace
from test_core_properties import CORE

from engine import reasons
from engine.core.roles.change import change_node
from engine.core.roles.node_moves import (
    LEGAL,
    MARKS,
    MEANS,
    MOVES,
    RESETS,
    STAGE_MOVES,
    MachineState,
    NodeMove,
    machine_state,
    move_node,
    stage_moves,
)
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.effects import Ignore
from engine.model import Acknowledged, Boot, Intent, Node, PowerOff, Signal, Way
from engine.reasons import Reason

BOOT = Boot(generation=1, way=Way.NETWORK, environment="sledgehammer", ordered=True, at=0.0, deadline=9.0)
NODE = Node(
    id="n1", name="n1.example.net", stage="hardware", misboots=1, missed=2, probe=3, notice=reasons.old_boot(), macs=("02:00:00:00:00:01",)
)
STATES: dict[MachineState, dict[str, Any]] = {
    MachineState.DARK: {},
    MachineState.BOOTING: {"boot": BOOT},
    MachineState.UP: {"runs": "sledgehammer", "alive": True},
    MachineState.LOST: {"runs": "sledgehammer"},
    MachineState.PARKING: {"runs": "sledgehammer", "off": PowerOff(who="op")},
    MachineState.PARKED: {"off": PowerOff(who="op", done=True)},
}
NEW: dict[str, Any] = {
    "boot": BOOT,
    "intent": Intent(environment="x"),
    "signal_at": 1.0,
    "since": 2.0,
    "last_sign": 3.0,
    "runs": "debian",
    "boot_id": "b",
    "address": "a",
    "boots": 4,
    "misboots": 0,
    "problem": reasons.old_boot(),
    "claim": "c",
    "fingerprint": "0a1b-2c3d",
    "confirmed": "bmc",
    "signal": Signal.HELLO,
    "clock_off": 1,
    "off": PowerOff(who="op"),
    "notice": None,
    "stage": "install",
    "backward": False,
    "name": "n2",
    "group": "g",
    "deployment": "leaf",
    "place": None,
    "acknowledged": (Acknowledged(problem="role old_boot 1", who="op", at=4.0, note="cable"),),
}


def new_values(kind: NodeMove) -> dict[str, Any]:
    return {name: NEW[name] for name in MOVES[kind][0].split()}


def test_every_state_and_move_has_its_words() -> None:
    assert set(MEANS) == set(MachineState)
    assert set(MOVES) == set(LEGAL) == set(MARKS) == set(NodeMove)
    for kind, (fields, _) in MOVES.items():
        assert not set(fields.split()) & RESETS[kind].keys() - {"signal"}, kind


@pytest.mark.parametrize(("at", "kind"), list(product(MachineState, NodeMove)), ids=lambda value: value.value)
def test_every_pair_is_in_the_table_or_refused(at: MachineState, kind: NodeMove) -> None:
    before = replace(NODE, **STATES[at])
    assert machine_state(before) is at
    after = move_node(before, kind, new_values(kind))
    if at not in LEGAL[kind]:
        assert isinstance(after, Reason)
        assert (after.code, after.fields["state"], after.fields["move"]) == ("no_such_move", at.value, kind.value)
        return
    assert isinstance(after, Node)
    assert asdict(after) == {**asdict(before), **RESETS[kind], **new_values(kind)}
    if LEGAL[kind][at] is not None:
        assert machine_state(after) is LEGAL[kind][at]


@pytest.mark.parametrize(
    ("mark", "fields"),
    [("problem", {"problem": reasons.old_boot()}), ("hold", {"hold": True}), ("unavailable", {"available": False})],
)
@pytest.mark.parametrize("kind", NodeMove, ids=lambda kind: kind.value)
def test_a_mark_refuses_the_moves_that_the_table_says(kind: NodeMove, mark: str, fields: dict[str, Any]) -> None:
    at = next(iter(LEGAL[kind]))
    after = move_node(replace(NODE, **STATES[at], **fields), kind, new_values(kind))
    assert isinstance(after, Reason) is (mark in MARKS[kind])
    if isinstance(after, Reason):
        assert mark in str(after.fields["state"])


def test_a_refused_move_changes_nothing_and_is_reported() -> None:
    work = Work(World.new(catalog()))
    work.put_node(NODE)
    work.take_changes()
    assert change_node(work, NODE, NodeMove.SILENT, since=1.0, last_sign=1.0) is None
    assert work.take_changes() == []
    assert [e.reason.code for e in work.effects if isinstance(e, Ignore)] == ["no_such_move"]


@CORE
@given(st.lists(st.sampled_from(NodeMove), max_size=40))
def test_any_sequence_of_moves_is_one_of_the_table(kinds: list[NodeMove]) -> None:
    node = Node(id="n1", name="n1.example.net")
    for kind in kinds:
        at = machine_state(node)
        new = move_node(node, kind, new_values(kind))
        if isinstance(new, Reason):
            continue
        if LEGAL[kind][at] is None:
            return
        assert machine_state(new) is LEGAL[kind][at]
        node = new


@pytest.mark.parametrize(
    ("here", "there", "steps"),
    [
        (0, 1, ["through the gate"]),
        (0, 0, ["onward"]),
        (1, 2, ["through the gate"]),
        (3, 1, ["through the gate", "back"]),
        (3, 0, ["back"]),
    ],
)
def test_a_step_between_stages(here: int, there: int, steps: list[str]) -> None:
    assert stage_moves(here, there, gate=1) == steps
    for step in steps:
        assert not STAGE_MOVES[step] or STAGE_MOVES[step] in reasons.KINDS
