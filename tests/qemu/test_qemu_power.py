"""QEMU machines as their BMC and their rack see them: power, boot device, consoles, and what a killed rack leaves behind. Needs QEMU, no image."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import racks as rehearsal
from engine.racks import BmcAccess, QemuRackSpec, RackError, RehearsalRack, namespace
from engine.racks.process import ENDS_WITH
from engine.racks.qemu import missing, serial_logs

WHY_NOT = missing()
pytestmark = [pytest.mark.qemu, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]
SMALL = QemuRackSpec(nodes=2, memory_mb=512, disks_mb=(64,), bmc=BmcAccess(first="192.168.125.21"))


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[RehearsalRack]:
    rehearsal.create(tmp_path / "rack", SMALL)
    found = rehearsal.start(tmp_path / "rack")
    yield found
    if found.pid:
        found.stop()


def until(true: Callable[[], Any], what: str, seconds: float = 120.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, what
        time.sleep(0.05)
    return found


def machine(rack: RehearsalRack, name: str) -> dict[str, Any]:
    return next(one for one in rack.machines() if one["name"] == name)


def ipmitool(rack: RehearsalRack, address: str, *words: str) -> str:
    login = ["ipmitool", "-I", "lanplus", "-H", address, "-U", "admin", "-P", "rehearsal"]
    done = subprocess.run(namespace.command(rack.folder, [*login, *words]), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def first_device(pid: int) -> str:
    """Empty for the instant in which the process becomes another program."""
    words = until(lambda: Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8"), "no process").split("\0")
    (word,) = [word for word in words if word.endswith("bootindex=1")]
    return "network" if word.startswith("virtio-net") else "disk"


def test_a_machine_does_what_its_bmc_is_told(rack: RehearsalRack) -> None:
    assert "is off" in ipmitool(rack, "192.168.125.21", "power", "status")
    assert [one["pid"] for one in rack.machines()] == [0, 0], "a machine that is off has no process"

    ipmitool(rack, "192.168.125.21", "power", "on")
    first = until(lambda: machine(rack, "m1")["pid"], "it does not start")
    assert first_device(first) == "network"
    assert "is on" in ipmitool(rack, "192.168.125.21", "power", "status")
    assert machine(rack, "m2")["pid"] == 0, "the other one was not meant"
    until(lambda: b"SeaBIOS" in serial_logs(rack.folder, "m1")[0].path.read_bytes(), "its console says nothing")

    ipmitool(rack, "192.168.125.21", "chassis", "bootdev", "disk")
    ipmitool(rack, "192.168.125.21", "power", "reset")
    second = until(lambda: (pid := machine(rack, "m1")["pid"]) not in (0, first) and pid, "it does not start again")
    assert not alive(first)
    assert first_device(second) == "disk"
    assert [one.boot for one in serial_logs(rack.folder, "m1")] == [2, 1]

    ipmitool(rack, "192.168.125.21", "power", "cycle")
    third = until(lambda: (pid := machine(rack, "m1")["pid"]) not in (0, second) and pid, "it does not come back")
    assert first_device(third) == "network", "a one-time order is used up"
    ipmitool(rack, "192.168.125.21", "power", "off")
    until(lambda: not alive(third), "it does not end")
    until(lambda: machine(rack, "m1")["pid"] == 0, "it is not seen off")
    assert machine(rack, "m1")["boots"] == 3


def test_a_killed_rack_takes_its_machines_with_it_and_starts_them_again(rack: RehearsalRack) -> None:
    assert rack.press("all") == ["m1", "m2"]
    assert rack.press("all") == []
    pids = until(lambda: (found := [one["pid"] for one in rack.machines()]) and all(found) and found, "they do not start")
    rack.kill()
    until(lambda: not any(alive(pid) for pid in pids), "a machine outlives its rack")
    with pytest.raises(RackError):
        rack.status()

    again = rehearsal.start(rack.folder)
    assert again.status()["on"] == 2
    until(lambda: all(one["pid"] for one in again.machines()), "what was on does not start")
    assert [one["boots"] for one in again.machines()] == [2, 2]
    again.off("m2")
    until(lambda: again.status()["running"] == {"off": 1, "on": 1}, "it does not go off")


def test_a_killed_test_run_leaves_no_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "600"]) as test_run:
        monkeypatch.setenv(ENDS_WITH, str(test_run.pid))
        rehearsal.create(tmp_path / "rack", SMALL)
        rack = rehearsal.start(tmp_path / "rack")
        rack.press("all")
        pids = until(lambda: (found := [one["pid"] for one in rack.machines()]) and all(found) and found, "they do not start")
        test_run.kill()
    until(lambda: not any(alive(pid) for pid in pids), "a machine outlives the test run")
    until(lambda: not rack.pid and not (rack.folder / "owner.pid").exists(), "the rack outlives the test run")


def test_a_machine_that_resets_is_started_again_and_a_bmc_may_lie(rack: RehearsalRack) -> None:
    rack.press("m2")
    first = until(lambda: machine(rack, "m2")["pid"], "it does not start")
    rack.fault("m2", bmc="lies")
    ipmitool(rack, "192.168.125.22", "power", "off")
    assert machine(rack, "m2")["pid"] == first
    assert alive(first)
    with pytest.raises(RackError, match="bios_lies"):
        rack.fault("m2", bios_lies=True)
    rack.reset("m2")
    until(lambda: machine(rack, "m2")["pid"] not in (0, first), "it does not start again")


def in_switch(rack: RehearsalRack, switch: str) -> set[str]:
    words = ["nsenter", f"--target={rack.pid}", "--net", *(["--user", "--preserve-credentials"] if os.geteuid() else []), "--"]
    done = subprocess.run([*words, "ip", "-json", "link", "show", "master", switch], capture_output=True, text=True, timeout=60, check=True)
    return {str(one["ifname"]) for one in json.loads(done.stdout)}


def test_a_cable_goes_into_another_switch_and_back(rack: RehearsalRack) -> None:
    assert "m1-1g1" in in_switch(rack, "tor2")
    rack.fault("m1", cables={"1g1": "tor1:swp9"})
    assert "m1-1g1" in in_switch(rack, "tor1")
    rack.fault("m1", cables={})
    assert "m1-1g1" in in_switch(rack, "tor2")
    for wrong in ({"cables": {"1g1": "leaf1:swp1"}}, {"cables": {"bmc": "tor1:swp1"}}, {"disks_mb": []}, {"bmc": "sulks"}):
        with pytest.raises(RackError):
            rack.fault("m1", **wrong)


def test_switches_speak_on_each_port(rack: RehearsalRack) -> None:
    until(lambda: rack.status()["counters"]["lldp-sent"] >= 5, "nothing is said")
    listen = (
        "import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88cc)); s.settimeout(60); "
        "s.bind(('crowbar0', 0x88cc)); print(s.recv(2000).hex())"
    )
    done = subprocess.run(
        namespace.command(rack.folder, [os.path.realpath("/proc/self/exe"), "-c", listen]),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert b"swp-up" in bytes.fromhex(done.stdout.strip()), done.stderr
