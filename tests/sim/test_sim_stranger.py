"""A rack with a stranger in it becomes what a rack without becomes: no machine counts as dead by the stranger's word, none gets another power
order, and it takes at most twice the time."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from engine.model import Kind
from engine.plan import Approve
from engine.reasons import sentence

from . import boots
from .racks import Case, case, read
from .simulation import Simulation
from .stranger import Stranger

SEEDS = range(6_000_000, 6_000_040)
FEW = SEEDS[9:17]
"""Racks of which most become ready by themselves."""
PARTS = [FEW, pytest.param([seed for seed in SEEDS if seed not in FEW], marks=pytest.mark.long)]
LONGEST_S = 40_000.0


class Ended(NamedTuple):
    after_s: float
    orders: int
    """Power orders."""
    dead: int
    """Nodes that probes found dead."""
    sent: int
    took: list[str]
    notices: set[str]


def rack(seed: int) -> Case:
    """One that becomes ready by itself."""
    found = case(seed, Random(f"{seed}/rack"))
    site = replace(found.plan.site, trust="confirmed")
    return replace(found, plan=replace(found.plan, site=site, allocate="auto", approve=Approve(wipe="all")))


def overran(sim: Simulation) -> bool:
    """True if a task took longer than its role may: `work.begin` draws how long each takes, and no stranger can change that."""
    failures = [role.failure for role in sim.admin.world.node_roles.values() if role.failure is not None]
    return any("ran longer than" in sentence(failure) for failure in failures)


def course(seed: int, every_s: float = 0.0, first: bool = False) -> Ended | None:
    """None: a role fails there although nobody disturbs it, or because its own task is too slow."""
    sim = Simulation(seed, keep=(), twins=False, rack=rack(seed))
    for machine in sim.machines:
        machine.gets_disks(sim.random("disks"), 1)
        machine.broken = ""
    sim.admin.start()
    sim.people.calm()
    sim.people.compare()
    for machine in sim.machines:
        sim.clock.after(sim.random("boots").uniform(0, 30), lambda m=machine: boots.power_cycle(sim, m))
    stranger = Stranger(sim, every_s, first) if every_s else None
    there = sim._until(sim._settled, LONGEST_S)
    if not there and first:  # a task that was interrupted so often ran out of its time: a person tries it again
        sim.people.tend()
        there = sim._until(sim._settled, LONGEST_S)
    if not there and (stranger is None or overran(sim)):
        return None
    assert there, f"seed {seed}\n" + "\n".join(sim.state())
    after = sim.clock.now
    sim._until(lambda: False, 2000.0)  # and it stays so
    assert sim._settled(), "\n".join(sim.state())
    nodes = [n for n in sim.admin.world.nodes.values() if n.kind is Kind.SERVER]
    assert not [n.problem for n in nodes if n.problem is not None]
    notices = {n.notice.code for n in nodes if n.notice is not None}
    took = stranger.took if stranger is not None else []
    return Ended(
        after, sim.counters["effect BootNode"], sim.counters["found dead by probes"], stranger.sent if stranger else 0, took, notices
    )


@pytest.mark.parametrize("seeds", PARTS, ids=["few", "more"])
@pytest.mark.parametrize("every_s", [3.0, 20.0])
def test_a_stranger_changes_nothing(every_s: float, seeds: Sequence[int]) -> None:
    seen: set[str] = set()
    sent = racks = 0
    for seed in seeds:
        alone = course(seed)
        beside = course(seed, every_s) if alone is not None else None
        if alone is None or beside is None:
            continue
        racks += 1
        assert beside.took == [], f"seed {seed}: it was welcome"
        assert beside.dead <= alone.dead, f"seed {seed}: a machine counts as dead"
        assert beside.orders <= alone.orders, f"seed {seed}: {beside.orders} power orders instead of {alone.orders}"
        assert beside.after_s <= 2 * alone.after_s, f"seed {seed}: ready after {beside.after_s:.0f} s instead of {alone.after_s:.0f}"
        seen |= beside.notices
        sent += beside.sent
    assert racks > len(seeds) / 3, "too few racks come up alone to say anything"
    assert sent > 30 * len(seeds)
    assert "not_its_boot" in seen


@pytest.mark.parametrize("seeds", PARTS, ids=["few", "more"])
def test_a_stranger_that_says_hello_first_is_found_out(seeds: Sequence[int]) -> None:
    """It holds a claim until the BMC refutes it, or until it is found to answer nothing. The machine's own hello takes its place, and nothing
    secret went to the stranger (`Invariants.hands_over`)."""
    welcome = racks = 0
    for seed in (SEEDS.start + 3 * (seed - SEEDS.start) + more for seed in seeds for more in range(3)):
        # Of random roles, one that nobody can verify may be handed to the stranger: only a person can tell then that it did not run.
        if rack(seed).catalog is read() and course(seed) is not None:
            beside = course(seed, 5.0, first=True)
            assert beside is not None
            racks, welcome = racks + 1, welcome + len(beside.took)
    assert racks > len(seeds) / 3, "too few racks come up alone to say anything"
    assert welcome > len(seeds) / 4
