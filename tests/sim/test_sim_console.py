"""The console draws whatever world a simulation can make: each page over the world after its batches, in one session that lives as long as
the simulation, so that it has seen nodes that are gone, engines that restarted and plans that changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from thinned import thinned

from crowbar_tui.console.frame import draw
from crowbar_tui.console.pages.attributes import AttributesScreen
from crowbar_tui.console.pages.log import LogScreen
from crowbar_tui.console.pages.node import NodeScreen
from crowbar_tui.console.pages.why import WhyScreen
from crowbar_tui.console.screen import Screen
from crowbar_tui.console.screens import new_session
from crowbar_tui.console.session import Session
from crowbar_tui.console.snapshot import Snapshot
from crowbar_tui.console.styled import plain, width
from engine.core.world.world import World
from engine.model import Kind

from .run import BASE
from .simulation import Simulation

EVERY = 30
"""Batches between two looks."""
SIZES = ((80, 24), (160, 48))
SEEDS = int(os.environ.get("CROWBAR_SIM_CONSOLE", "300"))


class Watcher:
    """A console's session that follows a simulation."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.session: Session | None = None
        self.looks = self.drawn = 0
        self._changed: set[str] = set()
        self._after, self._recorded = sim.invariants.after, sim.store.recorded
        sim.invariants.after = self.after  # type: ignore[method-assign]
        sim.store.recorded = self.recorded

    def recorded(self, happened: Any, changes: Any) -> None:
        self._recorded(happened, changes)
        for table, key, _ in changes:
            if table in ("nodes", "node_roles"):
                self._changed.add(key if table == "nodes" else key[0])

    def after(self, before: World, loop: Any) -> None:
        self._after(before, loop)
        if self.sim.invariants.steps % EVERY == 0:
            self.look(loop.world)

    def look(self, world: World) -> None:
        self.looks += 1
        # Now and then the rows of the last events are not read yet, and after a restart nobody knows what changed.
        late = self.looks % 3 == 0
        touched = None if self.looks % 7 == 0 else frozenset() if late else frozenset(self._changed)
        if not late:
            self._changed.clear()
        at = 1000.0 + self.sim.clock.now
        snapshot = Snapshot(world, self.looks, (), touched, {}, {}, {}, "embedded", "", at)
        if self.session is None:
            self.session = new_session(snapshot, wall=lambda: 1000.0 + self.sim.clock.now, where=Path("/nowhere"))
        else:
            self.session.take(snapshot)
        session = self.session
        for page in [*session.screens, *pages(session, world)]:
            session.stack = [page]
            for size in SIZES:
                lines = draw(session, *size)
                self.drawn += 1
                assert not session.defects.found, f"simulation {self.sim.seed}: {session.defects.found[-1]}"
                assert [width(one) for one in lines] == [size[0]] * size[1], page.name
                assert "".join(plain(one) for one in lines[2:-3]).strip(), f"simulation {self.sim.seed}: {page.name} is blank"
        for node in world.nodes:
            assert session.row(node).id == node
        assert set(session.rows) == set(world.nodes)


def pages(session: Session, world: World) -> Iterator[Screen]:
    """Those of one node, also of one that is gone."""
    servers = sorted(n.id for n in world.nodes.values() if n.kind is Kind.SERVER)[:2]
    for node in [*servers, "n999"]:
        yield NodeScreen(session, node)
        yield LogScreen(session, node)
    for node in servers:
        keys = sorted(world.roles_of.get(node) or ())
        for role in ["", *(role for _, role in keys[:: max(len(keys) // 3, 1)])]:
            yield WhyScreen(session, node, role)
        yield AttributesScreen(session, (node,), "")


def watched(seed: int) -> Watcher:
    sim = Simulation(seed)
    watcher = Watcher(sim)
    sim.run()
    return watcher


@pytest.mark.parametrize("seed", thinned(range(BASE, BASE + 6), each=3))
def test_each_page_draws_each_world(seed: int) -> None:
    watcher = watched(seed)
    assert watcher.drawn > 2 * 8


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(BASE + 6, BASE + 6 + SEEDS))
def test_each_page_draws_the_worlds_of_many(seed: int) -> None:
    watched(seed)
