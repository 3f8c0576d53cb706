"""Tells a QEMU rack what its machines have reached, for its scenario.

A simulated machine knows its own progress. For a real guest only the engine knows it: from boot signals, hellos, and running roles. Each
fact is sent once per change. The rack's director does each happening once, so a restarted engine may send everything again.

`milestones` is pure. `MilestoneReporter` is a thread.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..core.roles.stages import DISCOVERY, over_network
from ..core.roles.transitions import runs
from ..core.world.world import World
from ..model import Boot, Mac, Signal, Way
from ..racks import QemuRackSpec, RackError, RehearsalRack
from ..racks.qemu.spec import guests

if TYPE_CHECKING:
    from ..runtime.engine import Engine

log = logging.getLogger(__name__)
LOOK_S = 0.5
"""Seconds between looks without a commit: the progress of a task is not part of the world."""
Milestone = tuple[tuple[str, ...], int]
"""Words of a scenario's `reaches`, and percent."""

_SIGNALS = {Signal.DHCP: "pxe", Signal.LOADER: "loader", Signal.KERNEL: "kernel"}
_ORDER = {signal: i for i, signal in enumerate(Signal)}


def milestones(world: World, percents: Mapping[str, float]) -> Iterator[tuple[Mac, Milestone]]:
    """MAC of a machine -> what it has just reached. `percents`: progress of each node's task."""
    for sighting in world.sightings.values():
        if sighting.boot is not None and not sighting.node:
            yield from ((sighting.mac, told) for told in _of_boot(sighting.boot))
    for node in world.nodes.values():
        if not node.boot_mac:
            continue
        if node.boot is not None:
            yield from ((node.boot_mac, told) for told in _of_boot(node.boot))
        elif node.runs:
            installer = node.runs != DISCOVERY and over_network(world, node.runs)
            word = DISCOVERY if node.runs == DISCOVERY else "installer" if installer else "disk"
            yield node.boot_mac, ((word,), 0)
        for key in world.roles_of.get(node.id) or ():
            role = world.node_roles[key]
            definition = world.catalog.roles.get(role.role)
            if definition is not None and runs(role):
                yield node.boot_mac, ((definition.stage, role.role), int(percents.get(node.id, 0.0)))


def _of_boot(boot: Boot) -> Iterator[Milestone]:
    """All signals up to the last one: some follow each other too quickly to be seen one by one."""
    if boot.way in (Way.NETWORK, Way.INSTALLER):
        for signal, word in _SIGNALS.items():
            if _ORDER[signal] <= _ORDER[boot.signal]:
                yield (word,), 0
    elif _ORDER[boot.signal] >= _ORDER[Signal.POWERED]:
        yield ("disk",), 0


class MilestoneReporter:
    """Watches an engine's world and reports to a rack, until it is stopped."""

    def __init__(self, engine: Engine, rack: RehearsalRack, spec: QemuRackSpec) -> None:
        self._engine = engine
        self._rack = rack
        self._names = {nic.mac: guest.name for guest in guests(spec) for nic in guest.nics}
        self._told: set[tuple[str, Milestone]] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="teller", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join(10.0)

    def _run(self) -> None:
        seq = 0
        while not self._end.is_set() and not self._engine.failure:
            seq = self._engine.wait(seq, LOOK_S)
            percents = {node: one.percent for node, one in self._engine.last_values.snapshot().progress.items()}
            try:
                self.tell(self._engine.world, percents)
            except RackError as wrong:
                log.warning("the rack is not told any more what its machines reach: %s", wrong)
                return

    def tell(self, world: World, percents: Mapping[str, float]) -> None:
        """Raises RackError."""
        now = [(name, told) for mac, told in milestones(world, percents) if (name := self._names.get(mac, ""))]
        for name, (words, percent) in (one for one in now if one not in self._told):
            self._rack.ask("reached", name, str(percent), *words)
        self._told = set(now)
