"""Kills an engine at every place where it can be killed, and checks the result.

    python crash_everywhere.py [--nodes 3] [--seed 1] [--only NUMBER]

The real core and the real store (SQLite in a file) work on the machines of `tests/core/rack.py`. A *place* is before the commit of an
event, and before and after each effect that the event ordered. An event that is not committed is lost with the process.

At each place this process forks.
* The child copies the files of the store as they are. It loses half of the messages under way, chosen by a seed. Then it loads the copy,
  gives the same command again, and runs to the end.
* The parent continues to the next place.

A fork needs a process with one thread, so this is a separate program. It prints one JSON object for each place that ended badly, and one
with the counts at the end. Exit 0: no place ended badly.

These survive a kill: orders that had left (power orders, commands that an agent or a system already has), and answers on their way to a
machine. These do not: ticks, outcomes of the process's own power orders and probes, and calls that machines had just made.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from engine.core.world.load import load_world

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "core"))

import heapq

from catalogs import USUAL, plan
from rack import Rack

from engine.core.roles.stages import node_state
from engine.core.step import step
from engine.core.world.work import Work
from engine.effects import Effect
from engine.events import Commit, Continue, Event, Happened, Missed, Outcome, Powered, Probed, Started, Tick
from engine.model import TABLES, Kind, Signal, Way
from engine.store.store import Store

OWN = (Tick, Missed, Powered, Probed, Outcome)
"""Events of the dead process, or of calls that it had not committed."""
AT_ONCE = 3
"""Children that run at the same time."""
LONGER_S = 30.0
"""Simulated seconds that one kill may cost: a machine asks again after 15 s, and a power order that is given again makes it begin again at most
5 s later. The shortest deadline of a boot (60 s) would be more."""


class Plain(NamedTuple):
    """A run in which nothing was killed."""

    boots: dict[int, int]
    """Machine -> boots through firmware."""
    seconds: float


class KilledRack(Rack):
    """A rack whose engine keeps its world in a store. `place` is asked at each place; where it says yes the engine dies there."""

    def __init__(self, folder: Path, place: Callable[[KilledRack], bool], nodes: int, seed: int) -> None:
        self.folder = folder
        self.store = Store.open(folder)
        self.place = place
        self.chance = Random(0)
        self.seed = seed
        self.kills = 0
        self.unsure: dict[str, int] = {}
        """Node -> power orders of which nobody knew whether they had left when the engine died: each may be given once more."""
        self.image: Path | None = None
        self.dead: list[Store] = []
        """Never closed: an ordered end is what a killed process does not have, and a fork's would end its parent's files."""
        self.ghost = False
        self.reloading = False
        super().__init__(USUAL, plan(), nodes=nodes, seed=seed, check=False)
        for name in ("bios-configure",):
            self.behaviour[name] = "bios"

    def between(self, low: float, high: float, *of: object) -> float:
        """A machine always takes the same time for the same thing: so a kill costs what it costs, and not what it made others draw."""
        return round(Random(f"{self.seed}/{of}").uniform(low, high), 2) if of else super().between(low, high)

    # -- the engine ------------------------------------------------------------------------------------------------

    def feed(self, event: Event) -> list[Effect]:
        if self.ghost and isinstance(event, OWN):
            return []
        if self._dies_here():
            return []
        work = Work(self.world)
        happened = Happened(1000.0 + self.now, self.now, event)
        rows = step(work, happened)
        world = work.finish()
        self.store.commit([(happened, rows)])
        self.world = world
        for when, subject in work.wakes:
            self.after(max(when - self.now, 0.0), lambda s=subject: self.feed(Tick(subjects=(s,))), "engine")
        effects, kills = list(work.effects), self.kills
        for i, effect in enumerate(effects):
            if self._dies_here(effects[i:]):
                return []
            self.carry_out(effect)
            if self.kills != kills:
                return []  # it died on what came of this effect at once
        if self._dies_here():
            return []
        while (self.world.touched or self.world.released) and not isinstance(event, Continue) and self.kills == kills:
            self.feed(Continue())
        return effects

    def _dies_here(self, left: list[Effect] | None = None) -> bool:
        if self.reloading or not self.place(self):
            return False
        self.die(left or [])
        return True

    def die(self, left: list[Effect]) -> None:
        """kill -9 and start. `left`: effects that were not carried out yet: all of them are lost."""
        self.kills += 1
        for node in self.world.nodes.values():
            boot = node.boot
            if boot is not None and boot.ordered and boot.way is not Way.KEXEC and boot.signal is Signal.OPENED:
                self.unsure[node.id] = self.unsure.get(node.id, 0) + 1
        entries, boxes = self.heap, self.mailbox
        self.mailbox, self.kexecs = {}, {}
        self.heap = []
        for when, number, owner, call in entries:
            if owner == "machine":
                self.heap.append((when, number, owner, call))
            elif self.chance.random() < 0.5:
                self.heap.append((when, number, "ghost", self._as_ghost(call)))
        heapq.heapify(self.heap)
        self.waiting.clear()
        self.admin_did.clear()
        self.ghost = True
        for node, box in boxes.items():
            machine = self.machine_of(node)
            for start, boot_id in box:
                if machine is not None and self.answers_now(machine) and machine.boot_id == boot_id and self.chance.random() < 0.5:
                    self.order(machine, start)
        self.ghost = False
        self.start_again()

    def _as_ghost(self, call: Callable[[], None]) -> Callable[[], None]:
        def late() -> None:
            before, self.ghost = self.ghost, True
            try:
                call()
            finally:
                self.ghost = before

        return late

    def copied(self) -> Path:
        """The files of the store as a killed process leaves them."""
        fresh = Path(tempfile.mkdtemp(prefix="store-", dir=self.folder.parent))
        for name in ("store.db", "store.db-wal"):
            if (self.folder / name).exists():
                shutil.copyfile(self.folder / name, fresh / name)
        return fresh

    def start_again(self) -> None:
        """The same command on the same store. The dead process's files are taken as they are, beside its still open connection."""
        fresh, self.image = self.image or self.copied(), None
        self.dead.append(self.store)
        self.folder, self.store = fresh, Store.open(fresh)
        self.world = load_world(self.catalog, self.store.load())
        self.now = max(self.now, self.store.now())
        self.reloading = True
        self.feed(Started(installation="other", admin="admin.example.net"))
        self.feed(Commit(who="test", plan=self.plan))
        self.reloading = False
        self.after(20.0, self._listen, "engine")

    # -- what must hold --------------------------------------------------------------------------------------------

    def wrong(self, plain: Plain | None) -> list[str]:
        """What is not as it must be at the end, beside a run in which nothing was killed."""
        out = [] if self.all_done() else ["not all became done", *self.state()]
        ready = sum(n.kind is Kind.SERVER and node_state(self.world, n) == "ready" for n in self.world.nodes.values())
        if ready != len(self.machines):
            out.append(f"{ready} of {len(self.machines)} are ready")
        out += self.store.verify()
        with Store.read(self.folder) as reader:
            loaded = load_world(self.catalog, reader.load())
        out += [f"table {name} differs from the world" for name in TABLES if getattr(loaded, name) != getattr(self.world, name)]
        for machine in self.machines:
            if any(n > 1 for n in machine.wipes.values()) or set(machine.wipes) != {"raid-configure", "os-install"}:
                out.append(f"machine {machine.number} was wiped {machine.wipes}")
            allowed = (plain.boots[machine.number] if plain else machine.firmware_boots) + self.unsure.get(machine.node, 0)
            if machine.firmware_boots > allowed:
                out.append(f"machine {machine.number} booted {machine.firmware_boots} times, {allowed} are enough")
        if plain is not None and self.now > plain.seconds + self.kills * LONGER_S:
            out.append(f"it took {self.now:.0f} s, and {plain.seconds:.0f} s where nothing was killed")
        return out


def undisturbed(folder: Path, nodes: int, seed: int) -> Plain:
    """The same rack, left alone."""
    rack = KilledRack(folder, lambda _: False, nodes, seed)
    rack.run()
    found = rack.wrong(None)
    assert not found, found
    rack.store.close()
    return Plain({m.number: m.firmware_boots for m in rack.machines}, rack.now)


class Everywhere:
    """Forks at each place."""

    def __init__(self, folder: Path, nodes: int, seed: int, only: int | None) -> None:
        self.folder, self.nodes, self.seed, self.only = folder, nodes, seed, only
        self.places = 0
        self.child = 0
        self.out = sys.stdout.fileno()
        self.running: list[int] = []
        self.failed = 0

    def here(self, rack: KilledRack) -> bool:
        if self.child:
            return False
        self.places += 1
        if self.only is not None and self.places != self.only:
            return False
        while len(self.running) >= AT_ONCE:
            self.reap()
        ready, copied = os.pipe()
        pid = os.fork()
        if pid:
            os.close(copied)
            os.read(ready, 1)  # else we would write while the child copies
            os.close(ready)
            self.running.append(pid)
            return False
        self.child = self.places
        rack.image = rack.copied()
        os.close(copied)
        rack.chance = Random(f"{self.seed}/{self.places}")
        return True

    def reap(self) -> None:
        _, status = os.waitpid(self.running.pop(0), 0)
        self.failed += status != 0

    def run(self) -> int:
        try:
            plain = undisturbed(self.folder / "plain", self.nodes, self.seed)
            rack = KilledRack(self.folder / "main", self.here, self.nodes, self.seed)
            rack.run(seconds=20_000.0)
            wrong = rack.wrong(plain)
        except BaseException:
            if not self.child:
                raise
            wrong = [traceback.format_exc()]
        if self.child:
            wrong += [] if rack.kills == 1 else [f"killed {rack.kills} times"]
            if wrong:
                os.write(self.out, (json.dumps({"place": self.child, "seed": self.seed, "wrong": wrong}) + "\n").encode())
            shutil.rmtree(rack.folder, ignore_errors=True)
            os._exit(bool(wrong))
        while self.running:
            self.reap()
        body: dict[str, Any] = {"places": self.places, "failed": self.failed, "seq": rack.store.seq, "wrong": wrong}
        os.write(self.out, (json.dumps(body) + "\n").encode())
        return 1 if self.failed or wrong else 0


def memory_folder() -> str | None:
    """Where a synced write costs nothing, if there is such a place: what is tested is a killed process, not a dead disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, default=None, metavar="PLACE")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="crowbar-crash-", dir=memory_folder()))
    try:
        return Everywhere(folder, arguments.nodes, arguments.seed, arguments.only).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


__all__ = ["KilledRack", "Plain", "memory_folder", "undisturbed"]

if __name__ == "__main__":
    sys.exit(main())
