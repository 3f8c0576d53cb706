"""IPMI: sessions, passwords, and many BMCs at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ipmi_rig import EAGER, assert_pyghmi_untouched, power_of

from engine.power import PowerDone, PowerFailed, PowerState
from engine.power.gate import Gates
from engine.power.ipmi import IpmiPower, IpmiTarget
from engine.racks.bmc.ipmi import LOCKED, BmcFarm


def test_passwords_do_not_show() -> None:
    target = IpmiTarget(address="10.0.0.1", user="root", password="calvin", kg="secret-key")
    for text in (repr(target), str(target), f"{target}", repr([target])):
        assert "calvin" not in text
        assert "secret" not in text


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"address": "bmc.example.net"}, "unreachable"),
        ({"port": 0}, "unreachable"),
        ({"user": "x" * 17}, "unsupported"),
        ({"password": "x" * 21}, "unsupported"),
        ({"kg": "x" * 21}, "unsupported"),
    ],
)
def test_what_cannot_be_said_is_refused_before_any_packet(change: dict[str, Any], kind: str) -> None:
    given = {"address": "127.0.0.1", "user": "root", "password": "calvin"} | change
    result = IpmiPower(IpmiTarget(**given), gates=Gates()).read()
    assert isinstance(result, PowerFailed)
    assert result.kind == kind


def test_logging_in_again_and_again_leaves_nothing(farm: BmcFarm, machine: Any) -> None:
    bmc = farm.add("127.0.0.1", 0, machine)
    power = power_of(bmc.port)
    for n in range(20):
        wanted = PowerState.ON if n % 2 else PowerState.OFF
        assert power.set(wanted.value) == PowerDone(state=wanted)
        assert len(bmc.sessions) <= 1  # the answer to Close Session may come before the BMC has forgotten it
    assert farm.counters.logins == 20
    assert farm.counters.malformed == 0
    assert_pyghmi_untouched()


def test_hundred_bmcs_from_sixteen_threads(farm: BmcFarm, machines: Any) -> None:
    all_machines = [machines() for _ in range(100)]
    gates = Gates()
    powers = [power_of(farm.add("127.0.0.1", 0, m).port, gates=gates) for m in all_machines]

    def bring_up(power: IpmiPower) -> object:
        return power.boot("network", persistent=False, uefi=True)

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(bring_up, powers))
    assert results == [PowerDone(state=PowerState.ON, boot_device="network", uefi=True)] * 100
    assert all(m.log == [("network", False, True), "on"] for m in all_machines)
    assert farm.counters.logins == 100
    assert_pyghmi_untouched()


def test_calls_to_one_bmc_are_serial(farm: BmcFarm, machine: Any) -> None:
    machine.bmc = bmc = farm.add("127.0.0.1", 0, machine)
    gates = Gates(limits=EAGER)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: power_of(bmc.port, gates=gates).read(), range(40)))
    assert all(isinstance(result, PowerDone) for result in results)
    assert machine.crowd == 1


def test_same_port_on_different_addresses(farm: BmcFarm, machines: Any) -> None:
    first, second = machines(), machines()
    port = farm.add("127.0.0.1", 0, first).port
    farm.add("127.0.0.2", port, second)
    gates = Gates()
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(power_of(port, gates=gates).set, "on")
        two = pool.submit(power_of(port, host="127.0.0.2", gates=gates).read)
        assert one.result() == PowerDone(state=PowerState.ON)
        assert two.result() == PowerDone(state=PowerState.OFF, boot_device="none")
    assert (first.on, second.on) == (True, False)


def test_ipv6(farm: BmcFarm, machine: Any) -> None:
    try:
        bmc = farm.add("::1", 0, machine)
    except OSError:
        pytest.skip("no IPv6 loopback here")
    assert power_of(bmc.port, host="::1").set("on") == PowerDone(state=PowerState.ON)


def test_wrong_password_backs_off_without_asking_again(farm: BmcFarm, machine: Any) -> None:
    bmc = farm.add("127.0.0.1", 0, machine)
    at = [0.0]
    gates = Gates(limits=EAGER, now=lambda: at[0])
    wrong = power_of(bmc.port, password="wrong", gates=gates)
    first = wrong.read()
    assert isinstance(first, PowerFailed)
    assert (first.kind, first.retry_in_s) == ("authentication", 60.0)
    asked = farm.counters.packets
    for _ in range(10):
        held = wrong.set("on")
        assert isinstance(held, PowerFailed)
        assert (held.kind, held.retry_in_s) == ("authentication", 60.0)
    assert farm.counters.packets == asked
    at[0] += 60.0
    second = wrong.read()
    assert isinstance(second, PowerFailed)
    assert second.retry_in_s == 120.0
    assert farm.counters.packets > asked
    assert isinstance(power_of(bmc.port, gates=gates).read(), PowerDone), "the corrected password need not wait"


def test_wrong_user_and_locked_account_are_authentication(farm: BmcFarm, machine: Any) -> None:
    bmc = farm.add("127.0.0.1", 0, machine)
    target = IpmiTarget(address="127.0.0.1", port=bmc.port, user="nobody", password="calvin")
    result = IpmiPower(target, gates=Gates()).read()
    assert isinstance(result, PowerFailed)
    assert result.kind == "authentication"
    bmc.mood = LOCKED
    result = power_of(bmc.port).read()
    assert isinstance(result, PowerFailed)
    assert result.kind == "authentication"
    assert farm.counters.logins == 0
