"""Many simulations on all processors, or one that is told step by step; a failing one is made shorter.

python -m tests.sim.run --seed 17 [-v] [--keep 0,3]    one; `--keep`: only these of its faults
python -m tests.sim.run --count 100000 [--first 5000]  many
"""

from __future__ import annotations

import argparse
import gc
import logging
import multiprocessing
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Sequence

from .simulation import Broken, Simulation

BASE = 1_000_003
"""The first seed of the fixed ones."""


class Failed(AssertionError):
    """A simulation failed; its words say how to see it again."""


def one(seed: int, keep: Sequence[int] | None = None, twins: bool = True) -> tuple[str, Counter[str], int]:
    """What went wrong (empty: nothing), the counters, and how many faults were drawn."""
    logging.disable(logging.CRITICAL)
    gc.disable()
    sim = Simulation(seed, keep=keep, twins=twins)
    try:
        sim.run()
        return "", sim.counters, sim.drawn
    except Broken as broken:
        return str(broken), sim.counters, sim.drawn
    except Exception:
        return traceback.format_exc(), sim.counters, sim.drawn
    finally:
        gc.enable()
        logging.disable(logging.NOTSET)


def shorten(seed: int, drawn: int, twins: bool = True, tries: int = 60) -> list[int]:
    """The faults without which it does not fail, as far as leaving out one after the other finds them."""
    left = list(range(drawn))
    for fault in reversed(range(drawn)):
        fewer = [f for f in left if f != fault]
        tries -= 1
        if tries >= 0 and one(seed, fewer, twins)[0]:
            left = fewer
    return left


def told(seed: int, wrong: str, drawn: int, twins: bool = True) -> str:
    keep = ",".join(str(f) for f in shorten(seed, drawn, twins))
    without = "" if twins else " --no-twins"
    return (
        f"simulation {seed} failed: {wrong}\n"
        f"  see it again: python -m tests.sim.run --seed {seed} -v{without}\n"
        f"  with the faults alone that it needs: python -m tests.sim.run --seed {seed} -v --keep '{keep}'{without}"
    )


def _work(work: tuple[int, bool]) -> tuple[int, str, Counter[str], int]:
    seed, twins = work
    return (seed, *one(seed, None, twins))


def many(seeds: Iterable[int], processes: int = 0, twins: bool = True, most: int = 5) -> tuple[Counter[str], list[str]]:
    """The sum of the counters, and what failed, told; it ends early after `most` failures."""
    counters: Counter[str] = Counter()
    wrong: list[tuple[int, str, int]] = []
    processes = processes or os.cpu_count() or 1
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads, as a test runner is one, may stand still for ever
    with context.Pool(processes) as pool:
        for seed, what, counted, drawn in pool.imap_unordered(_work, [(s, twins) for s in seeds], chunksize=8):
            counters.update(counted)
            if what:
                wrong.append((seed, what, drawn))
                if len(wrong) >= most:
                    pool.terminate()
                    break
    return counters, [told(seed, what, drawn, twins) for seed, what, drawn in wrong]


def cpu_s() -> float:
    """Of this process and of those that it started and that have ended."""
    return sum(os.times()[:4])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim.run")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--keep", default=None)
    parser.add_argument("-v", action="store_true")
    parser.add_argument("--no-twins", dest="twins", action="store_false", help="no machines that show the same UUID or serial")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first", type=int, default=BASE)
    parser.add_argument("--processes", type=int, default=0)
    parser.add_argument("--counters", action="store_true")
    said = parser.parse_args()
    if said.seed is not None:
        keep = None if said.keep is None else [int(n) for n in said.keep.split(",") if n]
        sim = Simulation(said.seed, keep=keep, say=print if said.v else None, twins=said.twins)
        logging.disable(logging.CRITICAL)
        try:
            sim.run()
        except Broken as broken:
            print(f"simulation {said.seed} failed: {broken}")
            return 1
        print(f"simulation {said.seed} is well: {sim.invariants.steps} batches, {sim.clock.now:.0f} s, {sim.clock.calls} calls")
        return 0
    began, spent = time.perf_counter(), cpu_s()
    counters, wrong = many(range(said.first, said.first + said.count), said.processes, said.twins)
    for text in wrong:
        print(text)
    if said.counters:
        for name, count in sorted(counters.items()):
            print(f"{count:8} {name}")
    print(f"{said.count} simulations, {len(wrong)} failed, {time.perf_counter() - began:.1f} s, {cpu_s() - spent:.1f} s of CPU")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
