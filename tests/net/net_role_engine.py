"""The engine's decisions (the pure core) with its real hands for one node: SSH, `attempt`, probes. In the lab's namespace `server`.

Reads JSON from standard input: `folder` (of the lab), `attributes`, `address`, `host_key`, `limit_s`, `environment` of the tool. Prints one line of JSON
for each event, and at the end one with the role's state.
"""

from __future__ import annotations

import heapq
import itertools
import json
import queue
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "core"))

from catalogs import catalog, plan, role
from world_rig import WorldRig

from engine import reasons
from engine.core.roles.guards import blockers
from engine.effects import Acknowledge, Probe, Start
from engine.events import Outcome, Probed, Started, Tick
from engine.files.paths import shipped_folder
from engine.jigs import Order
from engine.jigs.logs import Logs
from engine.jigs.script import ScriptJig
from engine.jigs.ssh import SshPool, SshTarget, engine_key
from engine.model import Kind, State

NAME = "network-admin"
ROLE = role(NAME, "system", gives=("addresses",), verify=True, reverify=True, attempts=3, delay_s=5.0, timeout_s=180.0)


class Drive:
    def __init__(self, given: dict[str, Any]) -> None:
        self.given, folder = given, Path(given["folder"])
        self.begun = time.monotonic()
        self.events: queue.Queue[Any] = queue.Queue()
        self.wakes: list[Any] = []
        self.tie = itertools.count()
        self.pool = SshPool(engine_key(folder / "engine_key"))
        self.target = SshTarget(address=given["address"], host_key=given["host_key"])
        words = ["env", *(f"{key}={value}" for key, value in given["environment"].items()), str(folder / "sbin" / "attempt")]
        self.jig = ScriptJig(self._submit, Logs(folder / "logs"), self.pool, tool=words, workers=4)
        self.rig = WorldRig(catalog(ROLE), plan({}))
        self.rig.server(kind=Kind.JOINED, stage="system", runs="debian-12", allocated=True, boot_id=self.pool.boot_id("n1", self.target))
        self.rig.role(NAME, state=State.WAITING)

    def _submit(self, event: Outcome) -> bool:
        self.events.put(event)
        return True

    def say(self, what: str, **more: Any) -> None:
        print(json.dumps({"t": round(time.monotonic() - self.begun, 1), "what": what, **more}), flush=True)

    def feed(self, event: Any) -> None:
        self.rig.now = 100.0 + time.monotonic() - self.begun
        self.rig.feed(event)
        for wake in self.rig.wakes:
            heapq.heappush(self.wakes, (wake.now, next(self.tie), wake.due))
        for effect in self.rig.effects:
            match effect:
                case Start():
                    self.say("start", action=effect.action, resume=effect.resume, attempt=effect.attempt)
                    self.jig.start(self._order(effect))
                case Probe():
                    threading.Thread(target=self._probe, args=(effect,), daemon=True).start()
                case Acknowledge():
                    self.jig.acknowledge(effect.attempt, effect.node)

    def _order(self, effect: Start) -> Order:
        folder = str(shipped_folder("barclamps") / "network" / "roles" / "network")
        attributes = self.given["attributes"]
        return Order(
            start=effect, node=self.rig.node(), role=ROLE, folder=folder, attributes=attributes, timeout_s=180.0, target=self.target
        )

    def _probe(self, effect: Probe) -> None:
        alive = self.pool.boot_id("n1", self.target) == self.rig.node().boot_id
        self.events.put(Probed(node=effect.node, probe=effect.probe, alive=alive))

    def run(self) -> None:
        self.feed(Started(installation="lab", admin="admin"))
        while time.monotonic() - self.begun < self.given["limit_s"]:
            now = 100.0 + time.monotonic() - self.begun
            while self.wakes and self.wakes[0][0] <= now:
                self.feed(Tick(subjects=(heapq.heappop(self.wakes)[2],)))
            try:
                event = self.events.get(timeout=0.2)
            except queue.Empty:
                continue
            if isinstance(event, Probed):
                self.say("probed", alive=event.alive)
            else:
                self.say(event.what, unreachable=event.unreachable, why=reasons.sentence(event.failure) if event.failure else "")
            self.feed(event)
            if self.rig.at(NAME).state in (State.ACTIVE, State.ERROR) and self.rig.node().alive:
                break
        found = self.rig.at(NAME)
        why = [reasons.sentence(one) for one in blockers(self.rig.world, found, first=True)] if found.state is State.ERROR else []
        self.say("end", state=found.state.value, tries=found.tries, alive=self.rig.node().alive, reasons=why)


if __name__ == "__main__":
    Drive(json.load(sys.stdin)).run()
