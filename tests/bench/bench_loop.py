"""What the loop itself costs per event, and the whole way of an event: `python tests/bench/bench_loop.py [DIRECTORY]`.

The step does next to nothing. The program measures three cases:
* a store that does nothing: the overhead of inbox, stamps, batch, swap and effects
* a real store, in turns with the first case
* the loop in its own thread: another thread submits an event, and waits until its effect runs
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]

from limits import figure, run, waiting_for

from engine.events import Happened, Outcome
from engine.model import Lease
from engine.runtime.loop import Change, Loop
from engine.store.store import Store

ROUNDS = 10
"""The best of so many parts of a run is shown."""
LIMIT_S = 240.0


class Nothing:
    seq = rows = 0

    def now(self) -> float:
        return 0.0

    def commit(self, batch: Sequence[tuple[Happened, Sequence[Change]]]) -> int:
        return 0

    def prune(self, keep: int) -> int:
        return 0

    def look(self) -> None:
        return None


class Work:
    rest = binds = False

    def __init__(self, world: None) -> None:
        self.effects: list[Any] = []
        self.wakes: list[tuple[float, str]] = []

    def finish(self) -> None:
        return None


CHANGES: list[Change] = [("leases", "10.0.0.5", Lease(address="10.0.0.5", mac="m", network="a", state="bound", expires=1.0))]


def step(work: Work, happened: Happened) -> list[Change]:
    work.effects.append(happened)
    return CHANGES


def loop(store: Any, limit: int, run: Callable[[list[Any]], None] = lambda _: None) -> Loop[None]:
    return Loop(store=store, world=None, apply=step, work=Work, run_effects=run, limit=limit)


def per_event_us(store: Any, size: int, total: int) -> float:
    it = loop(store, size)
    event = Outcome(attempt="a.1", node="n1", what="done")
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(total // size // ROUNDS):
            for _ in range(size):
                it.submit(event)
            it.turn()
        best = min(best, (time.perf_counter() - start) / (total // size // ROUNDS * size) * 1e6)
    return best


def step_us(total: int) -> float:
    work, happened = Work(None), Happened(0.0, 0.0, Outcome(attempt="a.1", node="n1", what="done"))
    start = time.perf_counter()
    for _ in range(total):
        step(work, happened)
    return (time.perf_counter() - start) / total * 1e6


def round_trips_ms(store: Any, many: int) -> list[float]:
    done = threading.Event()
    it = loop(store, 256, lambda _: done.set())
    it.start()
    out = []
    for _ in range(many):
        done.clear()
        start = time.perf_counter()
        it.submit(Outcome(attempt="a.1", node="n1", what="done"))
        with waiting_for("the effect of an event"):
            done.wait()
        out.append((time.perf_counter() - start) * 1e3)
    it.stop()
    return sorted(out)


def main() -> None:
    print(f"step alone: {step_us(200_000):.2f} us\n\n| a batch | no store, us an event | real store, us an event |\n|---|---|---|")
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as directory, Store.open(directory) as store:
        for size, total in ((1, 4_000), (10, 30_000), (100, 100_000)):
            empty = per_event_us(Nothing(), size, total * 2)
            full = per_event_us(store, size, total)
            print(f"| {size} | {empty:.2f} | {full:.1f} |", flush=True)
            figure(f"an event, batch of {size}, no store", empty, "us")
            figure(f"an event, batch of {size}, real store", full, "us")
        times = round_trips_ms(store, 1000)
        print(f"\nfrom hand-in to effect, durable: p50 {times[500]:.2f} ms, p99 {times[990]:.2f} ms")
        figure("hand-in to effect, p50", times[500], "ms")


if __name__ == "__main__":
    raise SystemExit(run("loop", main, LIMIT_S))
