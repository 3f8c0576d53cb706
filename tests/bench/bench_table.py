"""The nodes screen beside Textual's DataTable with the same rows, without a terminal: processor time. `python tests/bench/bench_table.py [NODES ...]`

Both show name, state, last signal, age and progress of each node at 80x24. First paint: from the world, or from its rows as text, to a drawn screen.
A key moves the cursor. A change is of CHANGED nodes, most of them out of sight, as 200 changes a second make it in a tenth of a second.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "bench"), str(ROOT / "tests" / "console")]

from bench_console import make
from limits import figure, run, waiting_for
from msgspec.structs import replace
from still import Still
from textual.app import App, ComposeResult
from textual.widgets import DataTable

from crowbar_tui.console.app import Console
from engine.api.views import Follower, NodeRow, World, machines, node_row, site_catalog
from engine.core.world.work import Work
from engine.model import State

KEYS, CHANGES, CHANGED = 60, 30, 20
HEADS = ("node", "state", "last signal", "age", "progress")
LIMIT_S = 300.0
"""Of one size."""


class Rows(App[None]):
    """A DataTable with the rows of the nodes screen."""

    def __init__(self, rows: list[NodeRow]) -> None:
        super().__init__()
        self.rows = rows
        self.table: DataTable[str] = DataTable(cursor_type="row")

    def compose(self) -> ComposeResult:
        yield self.table

    def on_mount(self) -> None:
        for head in HEADS:
            self.table.add_column(head, key=head)
        for one in self.rows:
            self.table.add_row(*texts(one), key=one.id)
        self.table.focus()


def texts(row: NodeRow) -> tuple[str, ...]:
    return row.name, row.state, f"{row.signal} {row.task}", "1m", f"{row.done}/{row.roles}"


def changed(world: World, chance: random.Random) -> tuple[World, frozenset[str]]:
    """Roles of some nodes go from active to transition or back, and the nodes."""
    nodes = frozenset(chance.sample(sorted(n for n in world.nodes if n.startswith("n")), CHANGED))
    work = Work(world)
    for node in nodes:
        role = world.node_roles[(node, "bios-configure")]
        work.put(replace(role, state=State.ACTIVE if role.state is State.TRANSITION else State.TRANSITION))
    return work.finish(keep_touched=False), nodes


async def timed(pilot: Any, many: int, do: Callable[[int], Awaitable[None]]) -> float:
    """Milliseconds of processor time for one of them."""
    begun = time.process_time()
    for number in range(many):
        await do(number)
        await pilot.pause()
    return (time.process_time() - begun) / many * 1000


async def ours(world: World, where: Path) -> list[float]:
    begun = time.process_time()
    source = Still(world, where, at=time.time())
    app = Console(source, wall=lambda: source.at, watch=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        first = (time.process_time() - begun) * 1000
        key = await timed(pilot, KEYS, lambda _: pilot.press("down"))
        chance = random.Random(1)

        async def change(_: int) -> None:
            source.move(*changed(source.world, chance))
            app.session.take(source.snapshot())
            app.paint()

        return [first, key, await timed(pilot, CHANGES, change)]


async def textuals(world: World) -> list[float]:
    begun = time.process_time()
    app = Rows([node_row(world, node) for node in machines(world)])
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        first = (time.process_time() - begun) * 1000
        key = await timed(pilot, KEYS, lambda _: pilot.press("down"))
        chance, now = random.Random(1), [world]

        async def change(_: int) -> None:
            now[0], nodes = changed(now[0], chance)
            for node in nodes:
                for head, text in zip(HEADS, texts(node_row(now[0], now[0].nodes[node])), strict=True):
                    app.table.update_cell(node, head, text)

        return [first, key, await timed(pilot, CHANGES, change)]


def main() -> None:
    for nodes in [int(a) for a in sys.argv[1:]] or [1000, 5000]:
        with tempfile.TemporaryDirectory() as folder:
            store = Path(folder) / "store"
            make(store, nodes)
            follower = Follower(store, site_catalog(store))
            world = follower.world
            follower.close()
            with waiting_for(f"the screen of {nodes} nodes"):
                mine = asyncio.run(ours(world, store))
            with waiting_for(f"the DataTable of {nodes} nodes"):
                theirs = asyncio.run(textuals(world))
        for what, a, b in zip(("first paint", "a key", f"{CHANGED} changed nodes"), mine, theirs, strict=True):
            print(f"{nodes:>6} nodes  {what:<18} nodes screen {a:8.2f} ms   DataTable {b:8.2f} ms   ratio {b / a:5.2f}", flush=True)
            figure(f"{what}, nodes screen, {nodes:,} nodes", a, "ms")
            figure(f"{what}, DataTable, {nodes:,} nodes", b, "ms")


if __name__ == "__main__":
    raise SystemExit(run("table", main, LIMIT_S * 2))
