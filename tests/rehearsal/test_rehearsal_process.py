"""The simulated rack as a process of its own: found again, told to stop, killed, and what it keeps then."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_admin import FakeAdmin, describe, free_lane, install_attributes

from engine import rehearsal
from engine.rehearsal import Rack, RackError, RackFileWrong


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose rack, if one runs there at the end, is stopped."""
    yield tmp_path / "rack"
    try:
        rehearsal.connect(tmp_path / "rack").stop()
    except RackError:
        return


def test_starts_once_and_is_found_again(folder: Path) -> None:
    rehearsal.create(folder, describe(free_lane(), nodes=3))
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
    rehearsal.create(folder, describe(free_lane()))
    rack = rehearsal.start(folder)
    assert os.getsid(rack.pid) == rack.pid != os.getsid(0)
    os.kill(rack.pid, signal.SIGHUP)
    assert rack.status()["nodes"] == 1


def test_a_deep_folder(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a" * 60] * 3)
    rehearsal.create(deep, describe(free_lane()))
    rack = rehearsal.start(deep)
    assert rack.status()["nodes"] == 1
    rack.stop()


def test_wipes_and_power_survive_kill_9(folder: Path) -> None:
    async def work() -> None:
        lane = free_lane()
        rehearsal.create(folder, describe(lane))
        async with FakeAdmin(lane) as admin:
            rack: Rack = await asyncio.to_thread(rehearsal.start, folder)
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
    rehearsal.create(folder, describe(lane))
    rack = rehearsal.start(folder)
    other = folder.parent / "other"
    rehearsal.create(other, describe(lane))
    with pytest.raises(RackError, match=r"did not start.*Address already in use"):
        rehearsal.start(other)
    rack.stop()
    with pytest.raises(RackError, match="another rack"):
        rehearsal.create(folder, describe(lane, nodes=2))


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
        ("{", "expected"),
    ):
        with pytest.raises(RackFileWrong, match=word):
            rehearsal.parse(text)


def test_the_description_is_rendered_whole(tmp_path: Path) -> None:
    description = describe(3, nodes=4, speed=50.0, faults={"m2": rehearsal.Faults(drop_dhcp=5, cables={"1g0": ""})})
    assert rehearsal.parse(rehearsal.render(description)) == description
    assert "rehearsal" not in repr(description.bmc), "the password"


def test_orders_that_are_refused(folder: Path) -> None:
    rehearsal.create(folder, describe(free_lane()))
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
