"""What an event costs, counted in calls, so that a busy machine counts the same: it follows the change, not the size of the rack."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from bench_core import begin, outcome, rack
from catalogs import USUAL, plan
from world_rig import WorldRig, tables

from engine.core.step import step
from engine.core.world.load import load_world
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.effects import Start
from engine.events import Happened, NodeDue, Operate, Started, Tick

SMALL, LARGE = 80, 320
"""Nodes; 64 of them run a role, the others wait for a place."""
OTHER, FINISHED = 160.0, 280.0
"""Most calls of a needless tick and of a finished role, with 20 roles a node; they took 1,500 and 750 when each guard walked over all roles."""


def calls(what: Callable[[], object]) -> int:
    """Calls of Python's and of C's functions."""
    count = 0

    def note(_: object, event: str, __: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        what()
    finally:
        sys.setprofile(None)
    return count


def ticks(world: World) -> float:
    """Calls a tick of a node that nothing is due on, and that waits for a place."""
    work = Work(world)
    nodes = sorted(set(world.nodes) - set(world.holders) - {"admin"})
    return calls(lambda: [step(work, Happened(9.0, 9.0, Tick(subjects=(NodeDue(node),)))) for node in nodes]) / len(nodes)


def finished(world: World, running: list[Start]) -> float:
    """Calls a finished role."""
    work = Work(world)
    some = running[:20]
    return calls(lambda: [step(work, Happened(2.0, 2.0, outcome(start))) for start in some]) / len(some)


@pytest.fixture(scope="module")
def racks() -> dict[int, tuple[World, list[Start]]]:
    return {nodes: begin(rack(nodes)[0]) for nodes in (SMALL, LARGE)}


def test_a_needless_event_costs_little_and_the_same_in_every_rack(racks: Any) -> None:
    small, large = ticks(racks[SMALL][0]), ticks(racks[LARGE][0])
    assert large < OTHER
    assert large < small * 1.1


def test_a_finished_role_costs_little_and_the_same_in_every_rack(racks: Any) -> None:
    small, large = finished(*racks[SMALL]), finished(*racks[LARGE])
    assert large < FINISHED
    assert large < small * 1.1


def test_a_start_costs_the_same_a_node_in_every_rack(racks: Any) -> None:
    """Its world is made of the store's rows, and everything is looked at once."""
    small, large = (started(racks[nodes][0]) / nodes for nodes in (SMALL, LARGE))
    assert large < small * 1.1


def started(world: World) -> int:
    """Calls of a start."""
    rows = tables(world)

    def start() -> None:
        work = Work(load_world(world.base, rows))
        step(work, Happened(3.0, 3.0, Started(installation="bench", admin="admin")))

    return calls(start)


def test_allocating_a_node_costs_the_same_when_many_are_there() -> None:
    d = WorldRig(USUAL, plan({"ready": ("all",), "ntp-client": ("all",)}))
    cost = []
    for number in range(1, 81):
        d.server(f"n{number}")
        work = Work(d.world)
        event = Happened(1e9, 200.0, Operate(who="op", verb="allocate", node=f"n{number}"))
        cost.append(calls(lambda work=work, event=event: step(work, event)))
        d.world = work.finish()
    assert d.world.nodes["n80"].allocated
    assert sum(cost[-10:]) < 1.2 * sum(cost[5:15])
