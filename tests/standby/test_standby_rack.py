"""A rack boots while engines on one database die, are handed over, and take over: no lease twice, nothing destroyed twice, seq without gap,
all machines ready. The engines serve at one address, as a site does whose admin address moves with the leader."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from members import One, until

from engine import racks
from engine.attach.client import Attached, Receipt
from engine.files import plan_file
from engine.files.catalog import shipped
from engine.racks import RehearsalRack
from engine.rehearsal.session import Rehearsal, with_nodes
from engine.store.store import Store
from engine.views.summary import settled

NODES = 24
TAKE_OVER_S = 3.0

pytestmark = [pytest.mark.slow]


class Scene:
    """A rack beside engines that start with its plan."""

    def __init__(self, folder: Path, make: Callable[..., One], names: str) -> None:
        text = (files("crowbar_tui") / "plans" / "six-nodes.yml").read_text()
        self.plan_file = folder / "plan.yml"
        self.plan_file.write_text(text)
        plan = with_nodes(plan_file.read(text, "plan.yml", shipped()), NODES)
        spec = Rehearsal(folder / "unused", plan, NODES, 3, "max", "test", "loopback").spec
        racks.create(folder / "rack", spec)
        self.rack: RehearsalRack = racks.start(folder / "rack")
        assert spec.lane is not None
        self.engines = [make(name, spec.lane, TAKE_OVER_S, str(self.plan_file)) for name in names]
        first = self.engines[0].start()
        until(first.leads, first.words)
        until(lambda: (first.store / "sealed.json").exists() and self.world() is not None, first.words)
        for one in self.engines[1:]:
            one.with_keys_of(first).start()
            until(lambda one=one: one.follows(first.name), one.words)

    def world(self) -> Any:
        from engine.core.world.load import load_world

        with Store.read(self.engines[0].store) as reader:
            return load_world(shipped(), reader.load())

    def leader(self) -> One:
        return until(lambda: next((one for one in self.engines if one.leads()), None), self.words)

    def rows(self) -> int:
        with Store.read(self.engines[0].store) as reader:
            return reader.last_seq()

    def all_ready(self) -> None:
        until(lambda: settled(self.world(), NODES) == "ready", self.words, 400.0)

    def words(self) -> str:
        return "\n".join(one.words() for one in self.engines)

    def wrong(self) -> list[str]:
        """What a run must not leave behind."""
        out = []
        with Store.read(self.engines[0].store) as reader:
            out += reader.verify()
            rows = [row for after in range(0, reader.last_seq(), 1000) for row in reader.journal(after)]
        if [row.seq for row in rows] != list(range(rows[0].seq, rows[0].seq + len(rows))):
            out.append("seq has a gap")
        world = self.world()
        holders = Counter(lease.address for lease in world.leases.values())
        out += [f"{address} is leased twice" for address, many in holders.items() if many > 1]
        out += [f"{disk['machine']}/{disk['name']} was wiped {disk['wipes']} times" for disk in self.rack.disks() if disk["wipes"] > 1]
        return out


@pytest.fixture()
def scene(engines: Callable[..., One], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Scene]]:
    monkeypatch.setenv("CROWBAR_BMC_PASSWORD", "rehearsal")
    made: list[Scene] = []

    def make(names: str) -> Scene:
        made.append(Scene(tmp_path, engines, names))
        return made[-1]

    yield make
    for one in made:
        one.rack.stop()


def test_leaders_that_die_in_a_boot_storm(scene: Callable[[str], Scene]) -> None:
    it = scene("abc")
    it.rack.press("all")
    for more in (60, 250):
        before = it.rows()
        until(lambda b=before, m=more: it.rows() > b + m, it.words)
        dead = it.leader()
        dead.send(signal.SIGKILL)
        dead.end()
        until(lambda d=dead: any(one.leads() for one in it.engines if one is not d), it.words)
        dead.start()
    it.all_ready()
    assert it.wrong() == []


def test_hand_overs_in_a_boot_storm(scene: Callable[[str], Scene]) -> None:
    it = scene("ab")
    it.rack.press("all")
    for more in (40, 150, 150):
        before = it.rows()
        until(lambda b=before, m=more: it.rows() > b + m, it.words)
        leader = it.leader()
        other = next(one for one in it.engines if one is not leader)
        until(lambda o=other, n=leader.name: o.follows(n), it.words)
        with Attached(leader.store) as engine:
            assert isinstance(engine.hand_over(other.name), Receipt)
        until(other.leads, it.words)
    it.all_ready()
    assert it.wrong() == []
