"""The simulated rack as a separate process: found again, stopped, killed, and what it keeps."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from fake_admin import FakeAdmin, free_lane, install_attributes, rack_spec

from engine import racks as rehearsal
from engine.racks import RackError, RackFileWrong, RehearsalRack
from engine.racks.process import ENDS_WITH
from engine.racks.simulated.spec import hardware


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose rack, if one runs there at the end, is stopped."""
    yield tmp_path / "rack"
    try:
        rehearsal.connect(tmp_path / "rack").stop()
    except RackError:
        return


def test_starts_once_and_is_found_again(folder: Path) -> None:
    rehearsal.create(folder, rack_spec(free_lane(), nodes=3))
    first = rehearsal.start(folder)
    second = rehearsal.start(folder)
    third = rehearsal.connect(folder)
    assert first.pid == second.pid == third.pid > 1
    assert third.status()["nodes"] == 3
    assert third.status()["on"] == 0
    assert {row["kind"] for row in third.disks()} == {"disk"}
    assert [row["name"] for row in third.machines()] == ["m1", "m2", "m3"]
    assert stat.S_IMODE((folder / "control.sock").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "rack.yml").stat().st_mode) == 0o600
    first.stop()
    with pytest.raises(RackError, match="no rack runs"):
        rehearsal.connect(folder)


def test_is_not_a_child_of_the_terminal(folder: Path) -> None:
    rehearsal.create(folder, rack_spec(free_lane()))
    rack = rehearsal.start(folder)
    assert os.getsid(rack.pid) == rack.pid != os.getsid(0)
    os.kill(rack.pid, signal.SIGHUP)
    assert rack.status()["nodes"] == 1


STARTER = "import sys; from engine import racks; print(racks.start(sys.argv[1]).pid, flush=True); sys.stdin.read()"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_rack_that_ends_with_a_process_ends_however_that_is_ended(folder: Path, number: int) -> None:
    """As that of a test run which reaches its time limit."""
    rehearsal.create(folder, rack_spec(free_lane(), nodes=2))
    with subprocess.Popen(["sleep", "600"]) as owner:
        try:
            environment = {**os.environ, ENDS_WITH: str(owner.pid)}
            with subprocess.Popen(
                [sys.executable, "-c", STARTER, str(folder)], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            ) as starter:
                assert starter.stdout is not None
                pid = int(starter.stdout.readline())
                starter.kill()
            assert rehearsal.connect(folder).pid == pid, "it outlives its starter"
        finally:
            owner.send_signal(number)
    until(lambda: rehearsal.RehearsalRack(folder).pid == 0)
    assert "this rack ends with it" in (folder / "rack.log").read_text()


def test_a_rack_whose_owner_is_gone_already_ends_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["true"]) as owner:
        owner.wait()
    monkeypatch.setenv(ENDS_WITH, str(owner.pid))
    rehearsal.create(folder, rack_spec(free_lane()))
    with suppress(RackError):
        rehearsal.start(folder)
    until(lambda: rehearsal.RehearsalRack(folder).pid == 0 and (folder / "rack.log").exists())
    assert "is gone" in (folder / "rack.log").read_text()


def until(so: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not so():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_deep_folder(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a" * 60] * 3)
    rehearsal.create(deep, rack_spec(free_lane()))
    rack = rehearsal.start(deep)
    assert rack.status()["nodes"] == 1
    rack.stop()


def test_wipes_and_power_survive_kill_9(folder: Path) -> None:
    async def work() -> None:
        lane = free_lane()
        rehearsal.create(folder, rack_spec(lane))
        async with FakeAdmin(lane) as admin:
            rack: RehearsalRack = await asyncio.to_thread(rehearsal.start, folder)
            await asyncio.to_thread(rack.press)
            node = (await admin.hello())["node"]
            found = await admin.run(node, "a.1", "os-install", "os-install", install_attributes())
            assert found["exit"] == 0
            before = await asyncio.to_thread(rack.disks)
            assert [row["wipes"] for row in before] == [1, 0, 0, 0]
            admin.boots[(await asyncio.to_thread(rack.machines))[0]["mac"]] = "disk"
            await asyncio.to_thread(rack.kill)
            rack = await asyncio.to_thread(rehearsal.start, folder)
            assert await asyncio.to_thread(rack.disks) == before
            assert (await admin.hello(2))["environment"] == "debian-12"

    asyncio.run(asyncio.wait_for(work(), 120))


def test_what_is_said_when_it_cannot_start(folder: Path) -> None:
    with pytest.raises(RackError, match=r"no rack\.yml"):
        rehearsal.start(folder)
    lane = free_lane()
    rehearsal.create(folder, rack_spec(lane))
    rack = rehearsal.start(folder)
    other = folder.parent / "other"
    rehearsal.create(other, rack_spec(lane))
    with pytest.raises(RackError, match=r"did not start.*Address already in use"):
        rehearsal.start(other)
    rack.stop()
    with pytest.raises(RackError, match="another rack"):
        rehearsal.create(folder, rack_spec(lane, nodes=2))


def test_descriptions_that_are_refused(tmp_path: Path) -> None:
    for text, word in (
        ("nodes: many\nlane: 3", "nodes"),
        ("nodes: 0\nlane: 3", "nodes"),
        ("node: 1\nlane: 3", "node"),
        ("lane: 300", "lane"),
        ("nodes: 1", "lane"),
        ("lane: 3\nspeed: 0.0", "speed"),
        ("lane: 3\nfaults: {m7: {disk_fails: true}}", "m7"),
        ("lane: 3\nfaults: {m1: {disk_breaks: true}}", "disk_breaks"),
        ("lane: 3\nports: {2g: 1}", "ports"),
        ("lane: 3\nports: {1g: 9}", "ports"),
        ("{", "expected"),
    ):
        with pytest.raises(RackFileWrong, match=word):
            rehearsal.parse(text)


def test_the_description_is_rendered_whole(tmp_path: Path) -> None:
    spec = rack_spec(3, nodes=4, speed=50.0, faults={"m2": rehearsal.Faults(drop_dhcp=5, cables={"1g0": ""})})
    assert rehearsal.parse(rehearsal.render(spec)) == spec
    assert "rehearsal" not in repr(spec.bmc), "the password"


def test_machines_have_the_ports_that_are_asked_for() -> None:
    one, two = hardware(rack_spec(3, nodes=2, ports={"1g": 1, "25g": 2}))
    assert [(nic.link, nic.speed, nic.switch, nic.port) for nic in two.nics] == [
        ("1g0", 1000, "tor1", "swp2"),
        ("25g0", 25_000, "tor1-25g", "swp2"),
        ("25g1", 25_000, "tor2-25g", "swp2"),
    ]
    assert len({nic.mac for machine in (one, two) for nic in machine.nics}) == 6
    assert [nic.link for nic in hardware(rack_spec(3))[0].nics] == ["1g0", "1g1"]


def test_orders_that_are_refused(folder: Path) -> None:
    rehearsal.create(folder, rack_spec(free_lane()))
    rack = rehearsal.start(folder)
    with pytest.raises(RackError, match="no machine"):
        rack.press("m7")
    with pytest.raises(RackError, match="unknown"):
        rack.ask("dance")
    with pytest.raises(RackError, match="not a fault"):
        rack.fault("m1", teeth=3)
    with pytest.raises(RackError):
        rack.ask("x" * 100_000)
    assert rack.status()["nodes"] == 1
