"""What every `Power` does, whatever is behind it: the fake, IPMI and Redfish to simulated BMCs, IPMI to OpenIPMI's `ipmi_sim`."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from redfish_rig import IMPATIENT, ONE_LOOK, QUICK, redfish

from engine.power import Pace, Power, PowerDone, PowerFailed, PowerResult, PowerState, Sensor, SensorsRead
from engine.power.fake import FakePower, Mood
from engine.power.gate import Gates, Limits
from engine.power.ipmi import IpmiPower, IpmiTarget
from engine.racks.bmc import ipmi as simulated
from engine.racks.bmc.redfish_moods import ODDITIES

EAGER = Limits(burst=1000)

Make = Callable[[Mood], Power]


def ipmi(port: int, pace: Pace) -> IpmiPower:
    target = IpmiTarget(address="127.0.0.1", port=port, user="root", password="calvin")
    return IpmiPower(target, gates=Gates(limits=EAGER), pace=pace)


KINDS = ["fake", "ipmi", "redfish"]


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest) -> Make:
    return maker(request)


@pytest.fixture(params=[*KINDS, *(f"redfish:{name}" for name in ODDITIES)])
def make_odd(request: pytest.FixtureRequest) -> Make:
    """With all oddities of real services: what comes of a call is the same."""
    return maker(request)


def maker(request: pytest.FixtureRequest) -> Make:
    if request.param == "fake":
        return FakePower
    spoken, _, odd = request.param.partition(":")
    farm: Any = request.getfixturevalue("farm" if spoken == "ipmi" else "redfish_farm")
    machine: Any = request.getfixturevalue("machine")

    def made(mood: Mood) -> Power:
        works = simulated.odd(odd) if odd else simulated.OBEDIENT
        moods = {"works": works, "empty": simulated.LIES, "broken": simulated.DEAD}
        bmc = farm.add("127.0.0.1", 0, machine, mood=moods[mood])
        pace = {"works": QUICK, "empty": ONE_LOOK, "broken": IMPATIENT}[mood]
        return ipmi(bmc.port, pace) if spoken == "ipmi" else redfish(bmc.port, pace)

    return made


def state(result: PowerResult) -> PowerState | None:
    assert isinstance(result, PowerDone), result
    return result.state


def failure(result: object) -> str:
    assert isinstance(result, PowerFailed), result
    assert result.message
    assert "calvin" not in result.message
    return result.kind


def plain(result: PowerResult) -> PowerResult:
    """Without what only some BMCs tell."""
    return structs.replace(result, pending=False, clock=None) if isinstance(result, PowerDone) else result


def test_works(make_odd: Make) -> None:
    power = make_odd("works")
    assert plain(power.read()) == PowerDone(state=PowerState.OFF, boot_device="none")
    for action, found in (
        ("on", PowerState.ON),
        ("on", PowerState.ON),
        ("cycle", PowerState.ON),
        ("soft", PowerState.OFF),
        ("cycle", PowerState.ON),
        ("off", PowerState.OFF),
        ("soft", PowerState.OFF),
    ):
        assert state(power.set(action)) is found  # type: ignore[arg-type]
        assert state(power.read()) is found


def test_works_boot_device(make_odd: Make) -> None:
    power = make_odd("works")
    ordered = PowerDone(state=PowerState.OFF, boot_device="network", persistent=True, uefi=True)
    assert plain(power.set_boot("network", persistent=True, uefi=True)) == ordered
    assert plain(power.read()) == ordered
    once = PowerDone(state=PowerState.OFF, boot_device="disk")
    assert plain(power.set_boot("disk", persistent=False, uefi=False)) == once
    assert plain(power.set_boot("none", persistent=True, uefi=True)) == PowerDone(state=PowerState.OFF, boot_device="none")
    for _ in range(2):
        assert plain(power.boot("network", persistent=False, uefi=True)) == PowerDone(state=PowerState.ON, boot_device="network", uefi=True)


def test_works_the_rest(make_odd: Make) -> None:
    power = make_odd("works")
    assert isinstance(power.identify(5), PowerDone)
    assert isinstance(power.sensors(), SensorsRead)


def test_nothing_is_measured_where_there_is_nothing(make: Make) -> None:
    assert make("works").sensors() == SensorsRead()


def test_empty_is_found_out(make: Make) -> None:
    calls: tuple[Callable[[Power], PowerResult], ...] = (
        lambda power: power.set("on"),
        lambda power: power.set("cycle"),
        lambda power: power.set_boot("network", persistent=False, uefi=False),
        lambda power: power.boot("disk", persistent=False, uefi=False),
        lambda power: power.identify(5),
    )

    def deceived(call: Callable[[Power], PowerResult]) -> None:
        power = make("empty")
        before = power.read()
        assert failure(call(power)) == "not_obeyed"
        assert state(power.set("off")) is PowerState.OFF
        assert power.read() == before

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(deceived, calls))


def test_broken_is_unreachable(make: Make) -> None:
    power = make("broken")
    assert failure(power.read()) == "unreachable"
    assert failure(power.set("on")) == "unreachable"
    assert failure(power.set_boot("none", persistent=False, uefi=False)) == "unreachable"
    assert failure(power.boot("network", persistent=False, uefi=False)) == "unreachable"
    assert failure(power.identify(1)) == "unreachable"
    assert failure(power.sensors()) == "unreachable"


# An independent BMC. It keeps the boot device and forgets that it is valid, so it disobeys boot orders.

_CHASSIS = """#!/bin/sh
cd "$(dirname "$0")" || exit 1
shift; verb=$1; shift
case $verb in
get) for what in "$@"; do echo "$what:$(cat state.$what 2>/dev/null || echo 0)"; done ;;
set) while [ $# -ge 2 ]; do
       if [ "$1" = shutdown ]; then echo 0 > state.power; else echo "$2" > "state.$1"; fi
       shift 2
     done ;;
esac
"""
_LAN = """name "contract"
set_working_mc 0x20
startlan 1
  addr 127.0.0.1 {port}
  priv_limit admin
  allowed_auths_admin none md2 md5 straight
  guid a123456789abcdefa123456789abcdef
endlan
chassis_control "{folder}/chassis 0x20"
user 2 true "root" "calvin" admin 10 none md2 md5 straight
"""
_EMULATION = """mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
sensor_add 0x20 0 2 0x01 0x01
sensor_set_value 0x20 0 2 45 0
sensor_set_event_support 0x20 0 2 enable scanning none 000000000000000 000000000000000 000000000000000 000000000000000
main_sdr_add 0x20 0 0 0x51 0x01 0x2f 0x20 0 2 3 1 0x7f 0x40 1 1 0 0 0 0 0 0 0 1 0 0 1 0 0 0 0 0 0 0 0 0 255 0 \
0 0 0 0 0 0 0 0 0 0 0 0xc4 0x43 0x50 0x55 0x31
mc_enable 0x20
"""


@pytest.fixture
def openipmi(tmp_path: Path) -> Iterator[int]:
    program = shutil.which("ipmi_sim")
    if program is None:
        pytest.skip("ipmi_sim is not installed (Debian package openipmi)")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    (tmp_path / "chassis").write_text(_CHASSIS)
    (tmp_path / "chassis").chmod(0o755)
    (tmp_path / "lan.conf").write_text(_LAN.format(port=port, folder=tmp_path))
    (tmp_path / "sim.emu").write_text(_EMULATION)
    (tmp_path / "kept").mkdir()
    with (tmp_path / "out").open("w") as out:
        command = [program, "-c", "lan.conf", "-f", "sim.emu", "-s", "kept", "-n"]
        process = subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 60
        while isinstance(ipmi(port, IMPATIENT).read(), PowerFailed):
            assert time.monotonic() < deadline, (tmp_path / "out").read_text()
            assert process.poll() is None, (tmp_path / "out").read_text()
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.client
def test_ipmi_sim(openipmi: int) -> None:
    power = ipmi(openipmi, QUICK)
    for action, found in (
        ("on", PowerState.ON),
        ("cycle", PowerState.ON),
        ("soft", PowerState.OFF),
        ("cycle", PowerState.ON),
        ("off", PowerState.OFF),
    ):
        assert state(power.set(action)) is found  # type: ignore[arg-type]
        assert state(power.read()) is found
    assert isinstance(power.identify(5), PowerDone)
    assert failure(ipmi(openipmi, ONE_LOOK).set_boot("network", persistent=False, uefi=False)) == "not_obeyed"


@pytest.mark.client
def test_ipmi_sim_sensor(openipmi: int) -> None:
    read = ipmi(openipmi, QUICK).sensors()
    assert isinstance(read, SensorsRead), read
    (sensor,) = read.sensors
    assert sensor == Sensor(name="CPU1", kind="Temperature", value=45.0, units="°C")
