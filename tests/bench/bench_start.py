"""What a start costs by the size of the rack: the world made of the store's tables, and the first event, which looks at everything.
`python tests/bench/bench_start.py [NODES ...]`

Nodes of 20 roles each. Times are of the processor, the least of ROUNDS. Reading the tables from the disk comes before that (`bench_store.py`).
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from time import thread_time

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "core"), str(ROOT / "tests" / "bench")]

from bench_core import begin, rack
from limits import figure, run
from world_rig import tables

from engine.core.step import step
from engine.core.world.load import load_world
from engine.core.world.work import Work
from engine.events import Happened, Started

SIZES = (100, 1000, 3000)
ROUNDS = 3
LIMIT_S = 300.0


def main(sizes: list[int]) -> None:
    for nodes in sizes:
        gc.unfreeze()
        world, _ = begin(rack(nodes)[0])
        rows = tables(world)
        gc.collect()
        gc.freeze()
        times: dict[str, list[float]] = {"loading": [], "first event": []}
        for _ in range(ROUNDS):
            begun = thread_time()
            work = Work(load_world(world.base, rows))
            loaded = thread_time()
            step(work, Happened(9.0, 9.0, Started(installation="bench", admin="admin")))
            times["loading"].append(loaded - begun)
            times["first event"].append(thread_time() - loaded)
        for what, seconds in times.items():
            print(f"{nodes:6} nodes: {what} {min(seconds):.2f} s")
            figure(f"{what}, a node of {nodes:,}", min(seconds) / nodes * 1e6, "us")


if __name__ == "__main__":
    raise SystemExit(run("start", lambda: main([int(a) for a in sys.argv[1:]] or list(SIZES)), LIMIT_S))
