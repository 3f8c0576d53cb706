"""The engine reads what Nagios wrote: findings for the loop, and figures for people."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "core"))

import pytest
from test_core_monitor import LATER, rig
from world_rig import WorldRig

from engine.events import Event, Found
from engine.runtime.monitoring import Monitoring

HEAD = "# NAGIOS STATUS FILE\ninfo {{\n\tcreated={at}\n\t}}\n\n"
BLOCK = (
    "{kind} {{\n\thost_name={host}\n{service}\thas_been_checked=1\n\tcurrent_state={state}\n\tplugin_output=said {state}\n"
    "\tlast_check={at}\n\tstate_type=1\n\tlast_state_change={at}\n\t}}\n\n"
)


class Rig:
    """An engine's world, a status file, and what was submitted."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "status.dat"
        self.world: WorldRig = rig()
        self.world.change("admin", "monitor-server", gave={"monitor-status": str(self.file)})
        self.events: list[Event] = []
        self.now = LATER
        self.monitoring = Monitoring(lambda: self.world.world, self._take, lambda: self.now)

    def _take(self, event: Event) -> bool:
        self.events.append(event)
        self.world.feed(event)
        return True

    def write(self, state: int, host: int = 0) -> None:
        at = int(self.now)
        text = HEAD.format(at=at)
        for service in ("", "\tservice_description=web/http\n", "\tservice_description=ntp-client/process\n"):
            kind, bad = ("servicestatus", state if "web" in service else 0) if service else ("hoststatus", host)
            text += BLOCK.format(kind=kind, host="node-1.r1.example.net", service=service, state=bad, at=at)
        new = self.file.with_suffix(".new")
        new.write_text(text)
        new.replace(self.file)

    def look(self) -> list[Event]:
        self.now += 5
        self.events.clear()
        self.monitoring.look()
        return list(self.events)

    @property
    def state(self) -> str:
        return str(self.monitoring.shown()["state"])


@pytest.fixture
def engine(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def codes(engine: Rig, role: str = "web") -> list[str]:
    return [one.code for one in engine.world.at(role, "n1").findings]


def test_red_is_one_finding_and_good_takes_it_back(engine: Rig) -> None:
    engine.write(0)
    assert engine.look() == []
    assert engine.state == "works"
    engine.write(2)
    (event,) = engine.look()
    assert isinstance(event, Found)
    assert (event.node, event.role, event.finding and event.finding.code) == ("n1", "web", "check_red")
    assert codes(engine) == ["check_red"]
    assert engine.world.at("web", "n1").state.value == "active", "a finding never runs a role"
    engine.write(2)
    assert engine.look() == [], "the same again is no news"
    assert engine.monitoring.shown()["red"] == 1
    engine.write(0)
    assert len(engine.look()) == 1
    assert codes(engine) == []


def test_a_silent_nagios_changes_nothing_and_says_so(engine: Rig) -> None:
    engine.write(2)
    engine.look()
    engine.now += 100
    assert engine.look() == []
    assert codes(engine) == ["check_red"]
    assert engine.monitoring.shown()["why"]["code"] == "nagios_silent"


def test_findings_end_with_monitoring(engine: Rig) -> None:
    engine.write(2)
    engine.look()
    engine.world.change("admin", "monitor-server", gave={"monitor-status": ""})
    assert len(engine.look()) == 1
    assert codes(engine) == []
    assert engine.monitoring.shown()["why"]["code"] == "nagios_absent"


def test_a_host_that_is_down_is_a_finding_of_monitor_client(engine: Rig) -> None:
    engine.write(2, host=1)
    engine.look()
    assert codes(engine, "monitor-client") == ["host_red"]
    assert codes(engine) == []


def test_what_is_no_plain_file_is_not_read(engine: Rig, tmp_path: Path) -> None:
    assert engine.look() == []
    assert engine.state == "waiting"
    (tmp_path / "real").write_text("x")
    engine.file.symlink_to(tmp_path / "real")
    for change in (lambda: None, engine.file.unlink, lambda: os.mkfifo(engine.file)):
        change()
        engine.look()
    assert engine.monitoring.shown()["why"]["code"] == "nagios_unreadable"
    engine.file.unlink()
    engine.file.write_bytes(b"\0" * 100)
    engine.look()
    assert "it does not say when it was written" in engine.monitoring.shown()["why"]["sentence"]
