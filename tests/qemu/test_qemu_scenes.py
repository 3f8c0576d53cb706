"""What scenes share, without a machine: they end as soon as a node is in error and say why, and nothing of them outlives their test."""

from __future__ import annotations

import importlib.resources
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "core"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "rehearsal"))

from catalogs import USUAL, plan
from fake_admin import free_lane, rack_spec
from rack_run import end_rack, within
from scene import Scene, in_error
from scene_secure import unallocated
from world_rig import WorldRig

from engine import racks as rehearsal
from engine import reasons
from engine.api.control import plan_file, shipped
from engine.model import State
from engine.racks.process import ENDS_WITH


class Still:
    """An engine in which nothing happens."""

    failure = ""

    def __init__(self, rig: WorldRig) -> None:
        self.world, self.looks = rig.world, 0

    def wait(self, seq: int, _seconds: float) -> int:
        self.looks += 1
        return seq


def scene_of(rig: WorldRig) -> Scene:
    scene = Scene.__new__(Scene)
    scene.engine = cast(Any, Still(rig))
    scene._seq, scene._reader = 0, cast(Any, SimpleNamespace(journal=lambda _seq: []))
    return scene


def broken() -> WorldRig:
    d = WorldRig(USUAL, plan({}))
    d.server("n1")
    d.role("os-install", state=State.ERROR, failure=reasons.script_failed(role="os-install", exit=3, line="the disk is too small"))
    return d


def test_a_scene_ends_as_soon_as_a_node_is_in_error_and_says_why() -> None:
    d = broken()
    d.server("n2", problem=reasons.boot_timeout(expected="hello", seconds=60.0, signal="kernel", tries=3))
    scene = scene_of(d)
    with pytest.raises(AssertionError, match=r"ready does not come: n2\.r1\.example\.net: .*; os-install on n1.*the disk is too small"):
        scene.until(lambda: False, "ready", 1800)
    assert cast(Any, scene.engine).looks == 0


def test_a_scene_that_is_about_errors_goes_on() -> None:
    scene = scene_of(broken())
    scene.until(lambda: cast(Any, scene.engine).looks == 3, "three looks", 60, errors=True)


def test_a_rack_without_an_error_has_none() -> None:
    d = WorldRig(USUAL, plan({}))
    d.server("n1")
    d.role("os-install", state=State.WAITING)
    assert in_error(d.world) == []


def test_a_scene_ends_with_its_test(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["true"]) as owner:
        owner.wait()
    monkeypatch.setenv(ENDS_WITH, str(owner.pid))
    d = WorldRig(USUAL, plan({}))
    with pytest.raises(AssertionError, match="the test that started this scene has ended"):
        scene_of(d).until(lambda: False, "ready", 1800)


def test_the_plan_of_the_scene_with_secure_boot_allocates_nobody() -> None:
    """Without rules a plan allocates every node: what keeps it is `allocate: ask`."""
    text = (importlib.resources.files("crowbar_tui") / "plans" / "qemu-rack.yml").read_text(encoding="utf-8")
    found = plan_file.read(unallocated(text), "qemu-rack.yml", shipped())
    assert (found.allocate, bool(found.rules)) == ("ask", True)


def test_a_program_that_takes_too_long_is_gone_with_all_that_it_started(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    said, errors, code = within(["sh", "-c", f"sleep 600 & echo $! >{inner}; echo said; echo wrong >&2; wait"], 3.0, dict(os.environ))
    assert (said, errors, code) == ("said\n", "wrong\n", -1)
    until(lambda: not alive(int(inner.read_text())))


def test_a_rack_is_ended_even_if_it_does_not_answer(tmp_path: Path) -> None:
    folder = tmp_path / "rack"
    rehearsal.create(folder, rack_spec(free_lane()))
    rack = rehearsal.start(folder)
    (folder / "control.sock").unlink()
    end_rack(folder)
    assert rack.pid == 0
    end_rack(folder)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(so: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not so():
        assert time.monotonic() < end
        time.sleep(0.02)
