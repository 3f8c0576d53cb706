"""Look back on a large run: `python tests/bench/bench_past.py [NODES [ROWS]]`. Prints what opening, steps, jumps and memory cost; aims: a step under
20 ms, a jump under 300 ms, both until the screen is drawn. Times are of the processor, so that a busy machine tells the same."""

from __future__ import annotations

import gc
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.world.load import load_world

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "tests" / "bench"))

from limits import figure, run

if TYPE_CHECKING:
    from crowbar_tui.console.playback import Playback

STEP_MS, JUMP_MS = 20.0, 300.0
LIMIT_S = 900.0


def resident() -> float:
    """MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def fill(where: Path, nodes: int, rows: int) -> None:
    """A store in which roles start, end, fail now and then, and are tried again; nodes say something with each."""
    from bench_console import make
    from msgspec.structs import replace

    from engine import reasons
    from engine.events import Happened, Outcome
    from engine.files.catalog import shipped
    from engine.model import State
    from engine.store.store import Store

    make(where, nodes)
    chance = random.Random(1)
    with Store.open(where) as store:
        world = load_world(shipped(), store.load())
        roles, servers = dict(world.node_roles), dict(world.nodes)
        keys, now, at = sorted(roles), 1.0, time.time()
        batch = []
        for i in range(rows - 1):
            key = chance.choice(keys)
            role, node = roles[key], servers[key[0]]
            now += chance.expovariate(20.0)
            state = State.TRANSITION if role.state is not State.TRANSITION else State.ERROR if chance.random() < 0.01 else State.ACTIVE
            failure = reasons.failed(role=role.role, attempt=1, of=1, message="exit code 3") if state is State.ERROR else None
            roles[key] = role = replace(
                role, state=state, since=at + now, started=at + now, failure=failure, gave={"disks": ["sda"] * 8, "n": i}
            )
            servers[node.id] = node = replace(node, signal_at=at + now)
            event = Outcome(attempt=f"{role.attempt}.0", node=node.id, what="done")
            batch.append((Happened(at + now, now, event), [("node_roles", key, role), ("nodes", node.id, node)]))
            if len(batch) == 500:
                store.commit(batch)
                batch.clear()
        store.commit(batch)


def measure(nodes: int, rows: int) -> bool:
    from crowbar_tui.console.frame import draw
    from crowbar_tui.console.past import of_store
    from crowbar_tui.console.screens import new_session

    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        fill(where, nodes, rows)
        size = sum(f.stat().st_size for f in where.iterdir()) / 1e6
        gc.disable()  # as `crowbar look-back` does
        before, begun = resident(), time.thread_time()
        source = of_store(where)
        longest = 0.0
        while True:
            piece = time.thread_time()
            if source.read():
                break
            longest = max(longest, time.thread_time() - piece)
        session = new_session(source.snapshot(), wall=lambda: 0.0)
        session.past = source
        opened = time.thread_time() - begun
        gc.freeze()
        gc.enable()
        print(f"{nodes} nodes, {rows} events, store {size:.0f} MB")
        print(f"  read through           {opened:8.2f} s, longest piece {longest * 1000:.0f} ms, {len(source._past._seqs)} worlds kept")
        print(f"  memory                 {resident() - before:8.0f} MB more", flush=True)
        figure("read through", opened, "s")
        figure("memory", resident() - before, "MB")

        def times(many: int, what: Callable[[int], Callable[[Playback], object]]) -> list[float]:
            out = []
            for i in range(many):
                source.do(what(i))
                start = time.thread_time()
                session.take(source.snapshot())
                draw(session, 80, 24)
                out.append((time.thread_time() - start) * 1000)
            return sorted(out)

        chance = random.Random(2)
        last = source._past.last
        good = True
        anywhere = [chance.randint(0, last) for _ in range(100)]
        for name, aim, some in (
            ("one event back", STEP_MS, times(200, lambda _: lambda p: p.step(-1))),
            ("one event forward", STEP_MS, times(200, lambda _: lambda p: p.step(1))),
            ("one minute back", JUMP_MS, times(30, lambda _: lambda p: p.minutes(-1))),
            ("previous problem", JUMP_MS, times(50, lambda _: lambda p: p.problem(-1))),
            ("anywhere", JUMP_MS, times(100, lambda i: lambda p: p.to(anywhere[i]))),
        ):
            p95 = some[int(len(some) * 0.95)]
            good = good and statistics.median(some) < aim
            print(
                f"  {name:<20} p50 {statistics.median(some):6.1f}   p95 {p95:6.1f}   max {some[-1]:6.1f} ms   (aim {aim:.0f})", flush=True
            )
            figure(f"{name}, p50", statistics.median(some), "ms")
        print(f"  memory after all that  {resident() - before:8.0f} MB more")
        source.end()
    return good


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    raise SystemExit(run("past", lambda: measure(given[0] if given else 1000, given[1] if len(given) > 1 else 50_000), LIMIT_S))
