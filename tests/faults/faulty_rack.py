"""Racks with faults, each with an engine in this process, on loopback; and what to expect of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.core.roles.stages import node_state
from engine.files import plan_file
from engine.files.catalog import shipped
from engine.model import Node, Sighting
from engine.plan import Plan
from engine.rehearsal.session import Rehearsal, with_nodes
from engine.runtime.loop import Clock
from engine.views.summary import Summary, servers, settled, summary

PATIENCE_S = 240.0
"""Enough for a machine with two cores and a hundred processes that want them."""

PLAN = """\
crowbar: 1
site: {name: rehearsal, domain: rehearsal.test, admin: {address: 192.168.124.10}, trust: network}
approve: {wipe: blank}
networks:
  admin:
    subnet: 192.168.112.0/20
    router: 192.168.124.1
    ranges: {dhcp: 192.168.112.21-192.168.117.254, host: 192.168.118.1-192.168.123.254}
  bmc:
    subnet: 192.168.128.0/20
    conduit: bmc
    ranges: {host: 192.168.128.21-192.168.135.254}
racks:
  - name: r01
    places:
      1: {cables: {1g0: "tor1:swp1", 1g1: "tor2:swp1", bmc: "mgmt:1"}}
      2: {cables: {1g0: "tor1:swp2", 1g1: "tor2:swp2", bmc: "mgmt:2"}}
      3: {cables: {1g0: "tor1:swp3", 1g1: "tor2:swp3", bmc: "mgmt:3"}}
      4: {cables: {1g0: "tor1:swp4", 1g1: "tor2:swp4", bmc: "mgmt:4"}}
rules:
  - {match: {}, name: "node-{number}"}
deployments:
  cloud:
    attributes:
      target-os: debian-12
      bios-wanted: {virtualization: enabled}
      raid-wanted: {level: raid1}
    roles: {network-admin: all, ntp-client: all, ready: all}
secrets: {bmc-password: {env: CROWBAR_BMC_PASSWORD}}
"""


def plan() -> Plan:
    return plan_file.read(PLAN, "plan.yml", shipped())


class FaultyRack:
    """A rehearsal under way. Machines are m1, m2, ...; nodes are found by the machine's serial or first MAC."""

    def __init__(self, run: Rehearsal, nodes: int) -> None:
        self.run = run
        self.nodes = nodes
        assert run.rack is not None
        self.rack = run.rack
        self.engine = run.engine
        self.began = time.monotonic()

    def machine(self, name: str) -> dict[str, str]:
        return next(m for m in self.rack.machines() if m["name"] == name)

    def node(self, name: str) -> Node | None:
        """The node that a machine became; None: none."""
        machine = self.machine(name)
        about = (machine["uuid"], machine["serial"])  # one of them may be a twin's
        return next((n for n in self.engine.world.nodes.values() if (n.uuid, n.serial) == about), None)

    def sighting(self, name: str) -> Sighting | None:
        return self.engine.world.sightings.get(self.machine(name)["mac"])

    def summary(self) -> Summary:
        return summary(self.engine.world)

    def ready(self) -> set[str]:
        """Machines that are ready nodes."""
        machines, world = self.rack.machines(), self.engine.world  # one world: what comes between two looks is not ready
        found = {(n.uuid, n.serial) for n in servers(world) if node_state(world, n) == "ready"}
        return {m["name"] for m in machines if (m["uuid"], m["serial"]) in found}

    def why(self, name: str) -> str:
        """Code of the reason that is shown for a machine; empty: it is ready, `-`: nothing is known of it."""
        node, waiting = self.node(name), self.summary().waiting
        if node is not None:
            return waiting[node.name].code if node.name in waiting else ""
        sighting = self.sighting(name)
        return sighting.reason.code if sighting is not None and sighting.reason is not None else "-"

    def until(self, so: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
        """Looks until it is so."""
        end = time.monotonic() + timeout_s
        while not so():
            assert not self.engine.failure, self.engine.failure
            assert time.monotonic() < end, self.told()
            time.sleep(0.05)

    def told(self) -> str:
        machines = [(m["name"], m["power"], m["screen"], m["boots"]) for m in self.rack.machines()]
        health = self.engine.health()
        return f"{self.summary()}\n{machines}\n{self.rack.status()}\n{health}"

    def all_ready(self, timeout_s: float = PATIENCE_S) -> None:
        """Until the whole rack is ready; nothing was lost or done twice on the way."""
        self.until(lambda: settled(self.engine.world, self.nodes) == "ready", timeout_s)
        self.nothing_twice()

    def expect(self, timeout_s: float = PATIENCE_S, **reasons: str) -> None:
        """Until exactly these machines are not ready, each for the reason with this code, and all others are."""
        names = {m["name"] for m in self.rack.machines()}

        def so() -> bool:
            return self.ready() == names - reasons.keys() and all(self.why(m) == code for m, code in reasons.items())

        self.until(so, timeout_s)

    def nothing_twice(self, at_most: int = 1) -> None:
        """No disk was wiped more than once by what was not lost."""
        wiped = [d for d in self.rack.disks() if d["wipes"] > at_most]
        assert not wiped, wiped


@contextmanager
def faulty(
    tmp_path: Path, scenario: str, nodes: int = 2, patience: float = 0.02, clock: Clock | None = None, wanted: Plan | None = None
) -> Iterator[FaultyRack]:
    """An engine on a rack with this scenario (without its first line)."""
    text = f"scenario: 1\npatience: {patience}\n{scenario}"
    run = Rehearsal(tmp_path / "store", with_nodes(wanted or plan(), nodes), nodes, 1, "max", "test", "loopback", text, clock)
    with run:
        yield FaultyRack(run, nodes)
