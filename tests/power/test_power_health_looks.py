"""Looks at the health of machines: what the world gets, what is kept, and how often a BMC is asked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from engine.core.world.load import load_world
from engine.core.world.world import World
from engine.events import AilmentsFound, Event
from engine.files.catalog import shipped
from engine.model import Bmc, Boot, Node, Way
from engine.power import Pace, PowerFailed, VitalsResult
from engine.racks.bmc.ipmi import DEAD, OBEDIENT, BmcFarm
from engine.racks.bmc.sim_vitals import SUPPLY, TEMPERATURE, SimSensor
from engine.runtime.config import Config
from engine.runtime.health_looks import LEAST_S, LONGEST_S, SHARE, HealthLooks
from engine.runtime.power_orders import PowerOrders
from engine.store.vitals import VitalRecord, VitalsShelf
from engine.vitals import LogEntry, LogPlace, Sensor, VitalSigns
from engine.wire.reach import Reach

REACH = Reach(os.getpid() % 200 + 20)
ADDRESS = f"10.0.{os.getpid() // 200 % 200}.24"
NODE = Node(id="n1", name="n1", allocated=True, bmc=Bmc(address=ADDRESS, protocol="ipmi", entered=True))
HOT = Sensor(name="CPU1", kind="Temperature", value=98, units="°C", states=("Upper critical",), ok=False, health="failed")


class Rig:
    """Looks at one node, with a clock that stands still and an answer that the test gives."""

    def __init__(self, folder: Path, node: Node = NODE) -> None:
        self.node, self.now, self.took = node, 1000.0, 0.0
        self.answer: VitalsResult = VitalSigns(on=True)
        self.events: list[Event] = []
        self.asked: list[VitalRecord | None] = []
        self.shelf = VitalsShelf(folder)
        self.looks = HealthLooks(
            world=lambda: self.world,
            ask=self._ask,
            shelf=self.shelf,
            submit=self._submit,
            clock=lambda: self.now,
            wall=lambda: 1_700_000_000.0 + self.now,
        )

    @property
    def world(self) -> World:
        return load_world(shipped(), {"nodes": {self.node.id: self.node}})

    def _ask(self, _node: Node, before: VitalRecord | None) -> tuple[VitalsResult, None, str]:
        self.asked.append(before)
        self.now += self.took
        return self.answer, None, "ipmi"

    def _submit(self, event: Event) -> bool:
        self.events.append(event)
        assert isinstance(event, AilmentsFound)
        self.node = replace(self.node, ailments=event.ailments)
        return True

    def look(self) -> VitalRecord:
        record = self.looks.look(self.node)
        assert record is not None
        return record

    def codes(self) -> list[list[str]]:
        return [[one.reason.code for one in event.ailments] for event in self.events if isinstance(event, AilmentsFound)]


def test_the_world_hears_of_a_problem_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    for sensors in ((), (HOT,), (HOT,), (), (HOT,), (), (), (), ()):
        rig.answer = VitalSigns(on=True, sensors=sensors)
        rig.look()
    assert rig.codes() == [["sensor_failed"], []]


def test_an_entry_of_a_log_that_was_never_read_is_no_problem_if_it_is_old(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    bad = {"sensor": "DIMM A1", "text": "Uncorrectable error", "health": "failed", "asserted": True}
    old = LogEntry(id="0001", at="2001-01-01T00:00:00", **bad)  # type: ignore[arg-type]
    rig.answer = VitalSigns(on=True, log=(old, LogEntry(id="0002", **bad)), places=(LogPlace(log="sel", last="0002"),))  # type: ignore[arg-type]
    rig.look()
    assert rig.codes() == []
    assert len(rig.shelf.events("n1")) == 2
    rig.answer = VitalSigns(on=True, log=(old, LogEntry(id="0003", **bad)), places=(LogPlace(log="sel", last="0003"),))  # type: ignore[arg-type]
    rig.look()
    assert rig.codes() == [["bmc_event"]]
    assert len(rig.shelf.events("n1")) == 3, "the old one is kept once"
    assert rig.asked[1] is not None
    assert rig.asked[1].signs.places[0].last == "0002"


@pytest.mark.parametrize(
    ("took", "pause"),
    [(0.5, LEAST_S), (10.0, 10.0 / SHARE), (100.0, LONGEST_S)],
    ids=["quick", "slow", "very-slow"],
)
def test_a_slow_bmc_is_asked_seldom(took: float, pause: float, tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.took = took
    assert rig.look().next_s == pause


def test_a_bmc_that_fails_is_asked_less_and_less_and_a_refused_login_not_before_its_time(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.answer = PowerFailed(kind="unreachable", message="no answer in time")
    pauses = [rig.look().next_s for _ in range(6)]
    assert pauses == [300.0, 600.0, 1200.0, 2400.0, 3600.0, 3600.0]
    assert rig.codes() == [["health_unread"]]
    rig = Rig(tmp_path / "other")
    (tmp_path / "other").mkdir()
    rig.answer = PowerFailed(kind="authentication", message="login refused", retry_in_s=1800.0)
    assert rig.look().next_s == 1800.0


def test_a_look_that_gave_way_is_made_soon_and_is_no_failure(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.answer = PowerFailed(kind="timeout", message="another call has this BMC")
    record = rig.look()
    assert record.next_s < 60
    assert record.memory.failures == 0


def test_who_is_asked_and_when(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    assert rig.looks._next() is None, "not at once: not all machines together"
    rig.now += 61
    assert rig.looks._next() == rig.node
    assert rig.looks._next() is None, "somebody asks it"
    boot = Boot(generation=1, environment="sledgehammer", way=Way.NETWORK, ordered=True, at=0.0, deadline=0.0)
    rig.now += LONGEST_S
    rig.node = replace(NODE, boot=boot)
    assert rig.looks._next() is None, "a machine that boots is left alone"
    rig.node = replace(NODE, ailments=(*rig.node.ailments,))
    rig.answer = VitalSigns(on=True, sensors=(HOT,))
    rig.look()
    rig.node = replace(rig.node, allocated=False)
    rig.now += LONGEST_S
    assert rig.looks._next() is None
    assert rig.codes() == [["sensor_failed"], []], "of a BMC that may not be used nothing is known"


def test_through_a_simulated_bmc(tmp_path: Path, farm: BmcFarm, machine: Any) -> None:
    machine.power("on")
    bmc = farm.add(*REACH(ADDRESS, 623), machine)
    bmc.commands.vitals.sensors = [
        SimSensor(name="CPU1", type=TEMPERATURE, value=98, beyond="upper critical"),
        SimSensor(name="PS1", type=SUPPLY, states=0x01),
    ]
    rig = Rig(tmp_path)
    pace = Pace(total_s=20.0, greet_s=5.0, rest_s=0.0, poll_s=0.05)
    config = Config(store=tmp_path / "store", keys=tmp_path, reach=REACH)
    orders = PowerOrders(config, lambda _node: ("root", "calvin"), lambda *_: False, lambda: pace, lambda: rig.world)
    looks = HealthLooks(world=lambda: rig.world, ask=orders.vitals, shelf=rig.shelf, submit=rig._submit)
    assert looks.look(NODE) is not None
    bmc.commands.vitals.sensors[1].states = 0x09
    bmc.commands.vitals.clock_off_s = -86400.0
    record = looks.look(NODE)
    assert record is not None
    assert (record.protocol, record.failed) == ("ipmi", "")
    assert rig.codes() == [["sensor_failed"], ["bmc_clock_wrong", "sensor_failed", "supply_lost"]]
    bmc.mood = DEAD
    failed = looks.look(NODE)
    assert failed is not None
    assert failed.failed == "no answer in time"
    assert failed.signs == record.signs, "what was seen last is kept"
    bmc.mood = OBEDIENT
