"""What a decision costs: time of `step` per event and per finished role at 100, 1,000 and 5,000 nodes with 20 roles each and 64 slots.
It should be flat: the cost follows the change, not the size of the rack. `python tests/bench/bench_core.py [NODES ...]`

A finished role is one outcome: its record, its children looked at, the node handed on, and the next role started. Times are of the step alone, without
store and effects; one working copy for 32 events, as under load, and for one event, as when idle. Times are of the processor, the least of
several tries, so that a busy machine tells nearly the same.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from time import perf_counter, thread_time

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "core"), str(ROOT / "tests" / "bench")]

from catalogs import catalog, plan, role, same
from limits import figure, run

from engine.core.plan.bind import allocate, bind_discovery
from engine.core.step import step
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.definitions import Catalog
from engine.effects import Effect, Start
from engine.events import Commit, Continue, Happened, NodeDue, Outcome, Probed, Started, Tick
from engine.model import Kind, Node
from engine.plan import Range

ROLES = 20
SAMPLE = 1200
ROUNDS = 20
TRIES = 8
LIMIT_S = 600.0
SIZES = (100, 1000, 5000)


def roles() -> Catalog:
    """A tree with two attributes on the way: each role requires one or two of those before it."""
    out = []
    for i in range(ROLES):
        needs = tuple(same(f"r{j:02}") for j in sorted({i // 2, max(i - 3, 0)}) if j < i)
        out.append(role(f"r{i:02}", "hardware", requires=needs, wants=["hostname", f"a{i % 4}"], gives=(f"g{i}",), seconds=float(10 + i)))
    return catalog(*out, defaults={f"a{i}": i for i in range(4)})


def rack(nodes: int) -> tuple[World, float]:
    """Nodes that are allocated and stand in the hardware stage; seconds that binding took."""
    network = plan().networks["admin"]
    wide = type(network)(name="admin", subnet="10.0.0.0/16", ranges={"host": Range(first="10.0.1.1", last="10.0.255.250")})
    wanted = plan({f"r{i:02}": ("all",) for i in range(ROLES)}, networks={"admin": wide})
    work = Work(World.new(roles()))
    for event in (Started(installation="bench", admin="admin"), Commit(who="bench", plan=wanted)):
        step(work, Happened(0.0, 0.0, event))
    begun = thread_time()
    for i in range(nodes):
        number = f"{i >> 8:02x}:{i & 255:02x}"
        node = Node(
            id=f"n{i:05}",
            name=f"n{i:05}.r1.example.net",
            kind=Kind.SERVER,
            serial=f"S{i}",
            macs=(f"52:54:00:00:{number}",),
            stage="hardware",
            runs="sledgehammer",
            boot_id="b",
            alive=True,
        )
        work.put_node(node)
        assert bind_discovery(work, node) is None
        assert allocate(work, node, "bench") is None
    seconds = thread_time() - begun
    work.take_changes()
    return work.finish(), seconds


def starts(effects: list[Effect]) -> list[Start]:
    return [e for e in effects if isinstance(e, Start)]


def outcome(start: Start) -> Outcome:
    return Outcome(attempt=start.attempt, node=start.node, what="done", gives={f"g{int(start.role[1:])}": start.attempt})


def begin(world: World) -> tuple[World, list[Start]]:
    """All are looked at, and the first are started."""
    running: list[Start] = []
    while True:
        work = Work(world)
        step(work, Happened(1.0, 1.0, Continue()))
        running += starts(work.effects)
        rest, world = work.rest, work.finish()
        if not rest:
            return world, running


def finish_roles(world: World, running: list[Start], batch: int, sample: int) -> tuple[World, list[Start], float, float]:
    """Tell outcomes until a sample of roles has finished; microseconds a role, and the 99th percentile of the steps alone, of wall time.
    Each batch is decided TRIES times from the same world, and the least time counts."""
    best: list[float] = []
    steps: list[float] = []
    now, done = 1.0, 0
    while running and done < sample:
        events, running = [outcome(start) for start in running[:batch]], running[batch:]
        times: list[float] = []
        for _ in range(TRIES):
            begun = thread_time()
            work = Work(world)
            for i, event in enumerate(events):
                one = perf_counter()
                step(work, Happened(now + i * 0.01, now + i * 0.01, event))
                steps.append(perf_counter() - one)
            after = work.finish()
            times.append(thread_time() - begun)
        best.append(min(times))
        running += starts(work.effects)
        world, now, done = after, now + batch * 0.01, done + len(events)
    return world, running, sum(best) / done * 1e6, sorted(steps)[len(steps) * 99 // 100] * 1e6


def other_events(world: World, sample: int, first: int) -> float:
    """Seconds of an event that changes next to nothing: a probe that nobody waits for, a needless tick. Of the nodes from `first` on."""
    nodes = sorted(world.nodes)
    work = Work(world)
    begun = thread_time()
    for i in range(sample):
        node = nodes[(first + i) % len(nodes)]
        step(work, Happened(9.0, 9.0, Tick(subjects=(NodeDue(node),)) if i % 2 else Probed(node=node, probe=99, alive=True)))
    return (thread_time() - begun) / sample


def main(sizes: list[int]) -> None:
    print(f"{'nodes':>6} {'bind s':>8} {'role us':>9} {'p99':>7} {'alone us':>9} {'p99':>7} {'event us':>9}")
    for nodes in sizes:
        gc.unfreeze()
        world, binding = rack(nodes)
        gc.collect()
        gc.freeze()
        sample = min(SAMPLE, nodes * ROLES // 3)
        world, running = begin(world)
        world, running, mean, late = finish_roles(world, running, 32, sample)
        world, running, mean_alone, late_alone = finish_roles(world, running, 1, sample // 2)
        other = min(other_events(world, 500, part * 500) for part in range(ROUNDS)) * 1e6
        print(f"{nodes:6} {binding:8.2f} {mean:9.1f} {late:7.0f} {mean_alone:9.1f} {late_alone:7.0f} {other:9.1f}", flush=True)
        for name, value in (("finished role", mean), ("finished role alone", mean_alone), ("other event", other)):
            figure(f"{name}, {nodes:,} nodes", value, "us")
        figure(f"binding, {nodes:,} nodes", binding, "s")


if __name__ == "__main__":
    raise SystemExit(run("core", lambda: main([int(a) for a in sys.argv[1:]] or list(SIZES)), LIMIT_S))
