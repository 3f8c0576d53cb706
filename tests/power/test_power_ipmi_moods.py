"""IPMI: BMCs that are silent, slow, busy, or lie."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest
from ipmi_rig import open_session, power_of

from engine.power import Pace, PowerDone, PowerFailed, PowerState, ipmi_session
from engine.power.ipmi_session import SessionFailed
from engine.racks.bmc.ipmi import DEAD, LIES, OBEDIENT, BmcFarm, slow


def test_nobody_listens_is_known_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.monotonic()
    result = power_of(port, pace=Pace(total_s=120.0, greet_s=120.0)).read()
    assert isinstance(result, PowerFailed)
    assert result.kind == "unreachable"
    assert time.monotonic() - started < 60.0


def test_silence_from_the_middle_on_is_a_timeout(farm: BmcFarm, machine: Any) -> None:
    bmc = farm.add("127.0.0.1", 0, machine)
    with open_session(bmc.port) as session:
        session.command(0, 1)
        bmc.mood = DEAD
        session.deadline = time.monotonic() + 0.3
        with pytest.raises(SessionFailed) as caught:
            session.command(0, 1)
    assert caught.value.failed.kind == "timeout"


def test_lies_are_found_out_and_the_truth_is_told(farm: BmcFarm, machine: Any) -> None:
    machine.device = "disk"
    bmc = farm.add("127.0.0.1", 0, machine, mood=LIES)
    power = power_of(bmc.port, pace=Pace(total_s=1.5, poll_s=0.05))
    result = power.set_boot("network", persistent=False, uefi=False)
    assert isinstance(result, PowerFailed)
    assert result.kind == "not_obeyed"
    assert "reads back disk" in result.message
    assert machine.log == []
    bmc.mood = OBEDIENT
    assert power.set("on") == PowerDone(state=PowerState.ON)


def test_a_machine_that_obeys_late_is_waited_for(farm: BmcFarm, machine: Any) -> None:
    bmc = farm.add("127.0.0.1", 0, machine)
    looked = threading.Event()

    def late_switch(action: str) -> None:
        machine.log.append(action)
        machine.wanted = action == "on"

    def late_state() -> bool:
        seen: bool = machine.on
        if machine.log:
            looked.set()
            machine.count = getattr(machine, "count", 0) + 1
            machine.on = machine.wanted if machine.count >= 4 else machine.on
        return seen

    machine.power, machine.power_state = late_switch, late_state
    assert power_of(bmc.port).set("on") == PowerDone(state=PowerState.ON)
    assert machine.log == ["on"]
    assert machine.count >= 4


def test_slow_bmcs_work(farm: BmcFarm, machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bmc = farm.add("127.0.0.1", 0, machine, mood=slow(0.05))
    assert power_of(bmc.port).set("on") == PowerDone(state=PowerState.ON)
    usual = farm.counters.packets
    monkeypatch.setattr(ipmi_session, "_RETRY_S", 0.02)  # slower than three intervals: much is sent again
    assert power_of(bmc.port).set("off") == PowerDone(state=PowerState.OFF)
    assert farm.counters.packets - usual > usual
    assert machine.log == ["on", "off"]


def test_a_repeated_packet_is_carried_out_once(farm: BmcFarm, machine: Any) -> None:
    bmc = farm.add("127.0.0.1", 0, machine)
    with open_session(bmc.port) as session:
        bmc.mood = slow(0.7)
        session.patience = 0.2
        before = farm.counters.packets
        session.command(0, 2, [1])
        assert farm.counters.packets - before >= 2
        deadline = time.monotonic() + 60
        while bmc.delayed:  # the repeated ones come to it later
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert machine.log == ["on"]
        bmc.mood = OBEDIENT
        for _ in range(2):
            session.command(0, 2, [0])
        assert machine.log == ["on", "off", "off"]
