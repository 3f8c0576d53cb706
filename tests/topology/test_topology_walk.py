"""The walk list: what each wrong cable asks of a person, and in which order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_topology_links import CATALOG, PLAN, hears, nic

from engine.core.hardware.topology import topology
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.here import HeardPort, Here
from engine.model import Kind, Node, NodeRole, Place, State
from engine.views.walk import CableStep, walk


def steps(
    heard: dict[int, dict[str, tuple[str, str]]], down: frozenset[tuple[int, str]] = frozenset(), lost: int = 0
) -> tuple[CableStep, ...]:
    """The steps of machines: unit -> NIC -> the switch and port that it hears. The machine in the unit `lost` has no known place."""
    work = Work(World(base=CATALOG, catalog=CATALOG, plan=PLAN))
    for unit, ports in heard.items():
        name = f"n{unit}"
        work.put_node(Node(id=name, name=f"node-{unit}.x.test", place=None if unit == lost else Place(rack="r1", unit=unit)))
        neighbours = [hears(one, *end) for one, end in ports.items() if end[0] and (unit, one) not in down]
        nics = [nic(one, (unit, one) not in down) for one in ("eno1", "eno2")]
        for role, gave in (("lldp", {"neighbours": neighbours}), ("inventory", {"nics": nics})):
            work.put_role(NodeRole(node=name, role=role, deployment="system", state=State.ACTIVE, gave=gave, ended=77.0))
    world = work.finish()
    return walk(world, topology(world))


RIGHT = {10: {"eno1": ("tor1", "swp10"), "eno2": ("tor2", "swp10")}, 11: {"eno1": ("tor1", "swp11"), "eno2": ("tor2", "swp11")}}


def brief(found: tuple[CableStep, ...]) -> list[str]:
    return [" ".join(filter(None, (f"{s.rack}/{s.unit}", s.nic, s.task, s.now, s.target, s.holds and f"({s.holds})"))) for s in found]


def test_nothing_to_do() -> None:
    assert steps(RIGHT) == ()


def test_two_cables_in_each_others_ports() -> None:
    swapped = {10: {**RIGHT[10], "eno2": ("tor2", "swp11")}, 11: {**RIGHT[11], "eno2": ("tor2", "swp10")}}
    assert brief(steps(swapped)) == [
        "r1/10 eno2 move tor2:swp11 tor2:swp10 (node-11 1g1)",
        "r1/11 eno2 move tor2:swp10 tor2:swp11 (node-10 1g1)",
    ]


@pytest.mark.parametrize(
    ("heard", "down", "lost", "wanted"),
    [
        ({10: RIGHT[10]}, frozenset({(10, "eno2")}), 0, ["r1/10 eno2 plug in tor2:swp10"]),
        ({10: {"eno1": RIGHT[10]["eno1"], "eno2": ("", "")}}, frozenset(), 0, ["r1/10 eno2 trace tor2:swp10"]),
        ({10: {**RIGHT[10], "eno2": ("tor2", "swp40")}}, frozenset(), 0, ["r1/10 eno2 move tor2:swp40 tor2:swp10"]),
        ({10: RIGHT[10], 11: RIGHT[11]}, frozenset(), 10, ["/0 eno1 find tor1:swp10", "/0 eno2 find tor2:swp10"]),
    ],
    ids=["the link is down", "nothing is heard", "a port of nobody", "a machine without a place"],
)
def test_tasks(heard: dict[int, dict[str, tuple[str, str]]], down: frozenset[tuple[int, str]], lost: int, wanted: list[str]) -> None:
    assert brief(steps(heard, down, lost)) == wanted


ENDS = st.sampled_from([("", ""), *((f"tor{n}", f"swp{port}") for n in (1, 2) for port in (10, 11, 40))])
PORTS = st.fixed_dictionaries({"eno1": ENDS, "eno2": ENDS})


@given(st.dictionaries(st.sampled_from([10, 11]), PORTS), st.sampled_from([0, 10, 11]))
def test_every_cable_that_is_not_right_is_one_step_and_the_order_is_that_of_the_walk(
    heard: dict[int, dict[str, tuple[str, str]]], lost: int
) -> None:
    found = steps(heard, lost=lost)
    assert len({(s.node, s.nic) for s in found}) == len(found)
    assert [s.unit or 99 for s in found] == sorted(s.unit or 99 for s in found)
    for step in found:
        assert (step.task == "find") == (not step.rack)
        assert step.target or step.task in ("unplug", "find")
        assert step.now != step.target or step.task == "find"
        assert step.holds == "" or step.target


def test_nobody_unplugs_this_machine() -> None:
    """A cable whose port this machine has: the list says whose it is, and what to do instead."""
    work = Work(World(base=CATALOG, catalog=CATALOG, plan=PLAN))
    here = Here(interface="eno9", neighbours=(HeardPort(chassis="c", port="swp10", system="tor2"),))
    work.put_node(Node(id="admin", name="crowbar.x.test", kind=Kind.ADMIN, here=here))
    work.put_node(Node(id="n10", name="node-10.x.test", place=Place(rack="r1", unit=10)))
    heard = [hears("eno1", "tor1", "swp10"), hears("eno2", "tor2", "swp40")]
    for role, gave in (("lldp", {"neighbours": heard}), ("inventory", {"nics": [nic("eno1"), nic("eno2")]})):
        work.put_role(NodeRole(node="n10", role=role, deployment="system", state=State.ACTIVE, gave=gave, ended=77.0))
    world = work.finish()
    [step] = walk(world, topology(world))
    assert (step.own, step.holds, step.target) == (True, "crowbar eno9", "tor2:swp10")
    assert step.why == "crowbar runs the engine: do not unplug it, correct the plan"


@pytest.mark.parametrize(("receives", "tasks"), [(-28.0, ["check module"]), (-2.0, [])])
def test_a_right_cable_without_light(receives: float, tasks: list[str]) -> None:
    work = Work(World(base=CATALOG, catalog=CATALOG, plan=PLAN))
    work.put_node(Node(id="n10", name="node-10.x.test", place=Place(rack="r1", unit=10)))
    nics = [nic("eno1") | {"optics": {"lanes": [{"rx": receives}]}}, nic("eno2")]
    heard = [hears("eno1", "tor1", "swp10"), hears("eno2", "tor2", "swp10")]
    for role, gave in (("lldp", {"neighbours": heard}), ("inventory", {"nics": nics})):
        work.put_role(NodeRole(node="n10", role=role, deployment="system", state=State.ACTIVE, gave=gave, ended=77.0))
    world = work.finish()
    assert [step.task for step in walk(world, topology(world))] == tasks


def test_a_dark_port_that_needs_no_light() -> None:
    """The plan has no cable there, and there is no link."""
    work = Work(World(base=CATALOG, catalog=CATALOG, plan=PLAN))
    work.put_node(Node(id="n10", name="node-10.x.test", place=Place(rack="r1", unit=10)))
    nics = [nic("eno1"), nic("eno2"), nic("eno3", link=False) | {"optics": {"lanes": [{"rx": -40.0}]}}]
    heard = [hears("eno1", "tor1", "swp10"), hears("eno2", "tor2", "swp10")]
    for role, gave in (("lldp", {"neighbours": heard}), ("inventory", {"nics": nics})):
        work.put_role(NodeRole(node="n10", role=role, deployment="system", state=State.ACTIVE, gave=gave, ended=77.0))
    world = work.finish()
    assert walk(world, topology(world)) == ()
