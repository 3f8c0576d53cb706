"""How long a commit takes in SQLite and in PostgreSQL, side by side on one disk: `python tests/bench/bench_stores.py [DIRECTORY]`.

A commit has so many outcomes of attempts, each with one row of the journal (1.3 kB) and two records (`bench_store.outcome`). PostgreSQL
is one server without a standby, behind its socket. The two take turns, so that a busy machine disturbs both alike.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[i]) for i in (2, 1, 0)]

from bench_store import outcome, sync_ms
from limits import figure, run
from postgres_cluster import cluster, missing

from engine.store.place import DATABASE
from engine.store.store import Store

COMMITS = 300
ROUND = 20
LIMIT_S = 300.0


def one_round(store: Store, size: int, at: int) -> list[float]:
    batches = [[outcome(at + commit * size + i) for i in range(size)] for commit in range(ROUND)]
    times = []
    for batch in batches:
        begun = time.perf_counter()
        store.commit(batch)
        times.append(time.perf_counter() - begun)
    return times


def main() -> None:
    if why := missing():
        print(why)
        return
    parent = sys.argv[1] if len(sys.argv) > 1 else tempfile.gettempdir()
    with tempfile.TemporaryDirectory(dir=parent) as directory, cluster(parent) as postgres:
        print(f"one fdatasync: {sync_ms(directory):.2f} ms\n\n| store | a commit | p50 ms | p99 ms | rows/s |\n|---|---|---|---|---|")
        for size in (1, 32, 128):
            folders = {kind: Path(directory) / f"{kind}{size}" for kind in ("SQLite", "PostgreSQL")}
            folders["PostgreSQL"].mkdir()
            (folders["PostgreSQL"] / DATABASE).write_text(postgres.new())
            stores = {kind: Store.open(folder) for kind, folder in folders.items()}
            times: dict[str, list[float]] = {kind: [] for kind in stores}
            for number in range(COMMITS // ROUND):
                for kind, store in stores.items():
                    times[kind] += one_round(store, size, number * ROUND * size)
            for kind, store in stores.items():
                assert store.seq == COMMITS * size
                store.close()
                took = sorted(times[kind])
                p50, p99 = took[len(took) // 2] * 1e3, took[len(took) * 99 // 100] * 1e3
                print(f"| {kind} | {size} | {p50:.2f} | {p99:.2f} | {COMMITS * size / sum(took):,.0f} |", flush=True)
                figure(f"{kind}, a commit of {size}, p50", p50, "ms")
                figure(f"{kind}, a commit of {size}, p99", p99, "ms")


if __name__ == "__main__":
    raise SystemExit(run("stores", main, LIMIT_S))
