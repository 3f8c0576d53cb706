"""Redfish: passwords, calls and sessions, which come and go and leave nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redfish_odd import READ_OFF, failed
from redfish_rig import EAGER, QUICK, redfish

from engine.power import Pace, PowerDone, PowerState
from engine.power.certificates import Certificates
from engine.power.gate import Gates
from engine.power.redfish import RedfishPower, RedfishTarget
from engine.racks.bmc.redfish import RedfishFarm


def test_passwords_do_not_show() -> None:
    target = RedfishTarget(address="10.0.0.1", user="root", password="calvin")
    assert not any("calvin" in text for text in (repr(target), str(target), f"{target}", repr([target])))


@pytest.mark.parametrize(
    ("change", "kind"), [({"address": "bmc.example.net"}, "unreachable"), ({"port": 0}, "unreachable"), ({"user": "a:b"}, "unsupported")]
)
def test_what_cannot_be_said_is_refused_before_any_connection(change: dict[str, Any], kind: str) -> None:
    assert failed(redfish(**{"port": 443} | change).read(), kind)


def test_logging_in_again_and_again_leaves_nothing(redfish_farm: RedfishFarm, machine: Any) -> None:
    bmc = redfish_farm.add("127.0.0.1", 0, machine)
    power = redfish(bmc.port)
    for n in range(20):
        wanted = PowerState.ON if n % 2 else PowerState.OFF
        assert power.set(wanted.value) == PowerDone(state=wanted)
        assert not bmc.tree.sessions
    assert (redfish_farm.counters.logins, redfish_farm.counters.malformed) == (20, 0)


def test_fifty_bmcs_from_sixteen_threads(redfish_farm: RedfishFarm, machines: Any) -> None:
    every = [machines() for _ in range(50)]
    gates, certificates = Gates(), Certificates()
    powers = [
        RedfishPower(
            RedfishTarget(address="127.0.0.1", port=redfish_farm.add("127.0.0.1", 0, m).port, user="root", password="calvin"),
            gates=gates,
            certificates=certificates,
            pace=QUICK,
        )
        for m in every
    ]
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda power: power.boot("network", persistent=False, uefi=True), powers))
    assert results == [PowerDone(state=PowerState.ON, boot_device="network", uefi=True)] * 50
    assert all(m.log == [("network", False, True), "on"] for m in every)


def test_calls_to_one_bmc_are_serial(redfish_farm: RedfishFarm, machine: Any) -> None:
    bmc = redfish_farm.add("127.0.0.1", 0, machine)
    crowd = []
    machine.power_state = lambda: crowd.append(len(bmc.tree.sessions)) or machine.on
    power = redfish(bmc.port)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: power.read(), range(24)))
    assert results == [READ_OFF] * 24
    assert max(crowd) == 1


def test_the_gate_is_shared(redfish_farm: RedfishFarm, machine: Any) -> None:
    bmc = redfish_farm.add("127.0.0.1", 0, machine)
    gates = Gates(limits=EAGER)
    target = RedfishTarget(address="127.0.0.1", port=bmc.port, user="root", password="wrong")
    failed(RedfishPower(target, gates=gates, certificates=Certificates()).read(), "authentication")
    failed(RedfishPower(target, gates=gates, certificates=Certificates(), pace=Pace(web_s=1.0)).read(), "authentication", "next try in")
    assert redfish_farm.counters.refused == 1
