"""A rack of hundreds that is switched on at once, with faults and an operator who deletes nodes: each world on the way, and what each
event changed. It is made once for all walks: worlds are immutable and share what they have in common."""

from __future__ import annotations

import json
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import worlds
from still import Still
from worlds import WALL

from crowbar_tui.console.snapshot import Snapshot, TaskProgress, nodes_of
from engine.api.views import JournalRow, Story, World
from engine.model import Kind, State
from engine.plan import Expect, Network, PlaceDef, RackDef, Range, Rule
from engine.store.schema import to_json

RACK = 38
"""Machines in each rack."""
FAULT_EVERY, DELETE_EVERY = 60, 400
"""Events between two of them."""
EVENTS = 7_000
NETWORKS = {
    "admin": Network(
        name="admin",
        subnet="10.0.0.0/20",
        ranges={"dhcp": Range(first="10.0.1.0", last="10.0.4.255"), "host": Range(first="10.0.5.0", last="10.0.8.255")},
    ),
    "bmc": Network(name="bmc", subnet="10.0.16.0/20", conduit="bmc"),
}


class Moment(NamedTuple):
    world: World
    at: float
    row: JournalRow


class Rack(worlds.Cabled):
    """Notes down each event."""

    def value(self, machine: Any, name: str) -> Any:
        found = super().value(machine, name)
        if name == "nics":
            head = f"52:54:{machine.number >> 8:02x}:{machine.number & 255:02x}:01"
            return [{**nic, "mac": f"{head}:{i:02x}"} for i, nic in enumerate(found)]
        return found

    def feed(self, event: Any) -> Any:
        self.hook = self._keep  # called before what the event causes is fed
        return super().feed(event)

    def _keep(self) -> None:
        event = self.journal[-1].event
        fields, rows = json.loads(to_json(event)), json.loads(to_json(self.rows))
        kept = self.__dict__.setdefault("kept", [])
        row = JournalRow(seq=len(kept) + 1, at=WALL + self.now, now=self.now, event=type(event).__name__, fields=fields, rows=rows)
        kept.append(Moment(self.world, WALL + self.now, row))


@cache
def storm(nodes: int, events: int = EVENTS, seed: int = 5) -> list[Moment]:
    """The moments of such a rack, in order. Deterministic."""
    racks = []
    for first in range(0, nodes, RACK):
        places = tuple(
            PlaceDef(unit=i + 1, cables={"10g0": f"tor1:swp{first + i + 1}", "10g1": f"tor2:swp{first + i + 1}"})
            for i in range(min(RACK, nodes - first))
        )
        racks.append(RackDef(name=f"r{first // RACK + 1}", units=42, places=places))
    wanted = worlds.plan(expect=Expect(nodes=nodes), racks=tuple(racks), rules=(Rule(name="node-{place}"),), networks=NETWORKS)
    rack = Rack(worlds.USUAL, wanted, nodes=nodes, seed=seed, check=False)
    rack.swapped = {(2, 1): "swp3", (40, 0): "swp41"}
    chance = Random(seed)
    while len(rack.kept) < events and not rack.all_done():
        rack.run(until=partial(_many, rack, len(rack.kept) + FAULT_EVERY), seconds=7200.0)
        if chance.random() < FAULT_EVERY / DELETE_EVERY:
            servers = sorted(n.id for n in rack.world.nodes.values() if n.kind is Kind.SERVER)
            node = chance.choice(servers) if servers else ""
            machine = rack.machine_of(node)
            if machine is not None:
                machine.whole.clear()  # a node that is new may be wiped
                rack.operate("delete", node)
        rack.fault()
    return rack.kept


def _many(rack: Rack, moments: int) -> bool:
    return len(rack.kept) >= moments


class Storm(Still):
    """The source of a console in such a storm. `move` lets some events pass; like an engine in the same process, it may publish a world
    that is newer than the journal rows which name what changed."""

    def __init__(self, moments: list[Moment], where: Path, seed: int) -> None:
        self._moments, self._chance, self._story = moments, Random(seed), Story()
        self.index = self._chance.randrange(len(moments) // 3)
        self._read = self.index
        """Moments whose rows were read."""
        self.first = True
        super().__init__(moments[self.index].world, where, at=moments[self.index].at)

    @property
    def behind(self) -> bool:
        """The world is newer than the rows."""
        return self._read < self.index

    def pass_(self, events: int, behind: int = 0) -> None:
        """Lets so many events pass, the last ones of them without their rows."""
        self.index = min(self.index + events, len(self._moments) - 1)
        self._wanted = max(self.index - behind, self._read)
        self.world, self.at = self._moments[self.index].world, self._moments[self.index].at

    _wanted = -1

    def snapshot(self) -> Snapshot:
        wanted = max(self._wanted, self._read)
        rows = [self._moments[i].row for i in range(self._read + 1, wanted + 1)]
        self._read = wanted
        touched = None if self.first else frozenset().union(*(nodes_of(row) for row in rows))
        self.first = False
        told = tuple(self._story.tell(row) for row in rows)
        running = [r for r in self.world.node_roles.values() if r.state is State.TRANSITION][:40]
        progress = {r.node: TaskProgress(43.0, "image 412 of 780 MB", self.at) for r in running}
        seq = self._moments[wanted].row.seq
        return Snapshot(self.world, seq, told, touched, progress, {}, self.health, self.connection, "", self.at)
