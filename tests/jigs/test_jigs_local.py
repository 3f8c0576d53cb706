"""The local jig with the real `attempt` tool: scripts really run, once, and outlive the engine."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from jig_orders import Inbox, order, role_folder, until

from engine.jigs.local import ATTEMPT, LocalJig
from engine.jigs.logs import Logs

needs_tool = pytest.mark.skipif(not ATTEMPT.exists(), reason=f"needs {ATTEMPT}")


class Rig:
    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path
        self.jigs: list[LocalJig] = []
        self.again()

    def again(self) -> None:
        """A new engine on the same machine."""
        self.inbox = Inbox()
        self.logs = Logs(self.path / "logs")
        self.jig = LocalJig(self.inbox, self.logs, self.path / "state")
        self.jigs.append(self.jig)

    def role(self, run: str, **others: str) -> Path:
        return role_folder(self.path / "role", run, **others)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    for jig in rig.jigs:
        jig.close()


@needs_tool
def test_a_script_runs_with_its_attributes_and_gives(rig: Rig) -> None:
    folder = rig.role(
        'echo "hello on stdout"; cat "$CROWBAR_ATTRIBUTES"; echo; echo password is sesame-open\n'
        'printf \'{"ntp-servers":["10.0.0.1"]}\' > "$CROWBAR_GIVES"\ncp task.json ' + str(rig.path / "seen.json")
    )
    rig.jig.start(order(folder=folder, gives=("ntp-servers",), attributes={"ntp": {"up": "x"}}, secrets=("sesame-open",)))
    (got,) = rig.inbox.wait()
    assert (got.what, got.gives) == ("done", {"ntp-servers": ["10.0.0.1"]})
    assert rig.logs.path("ab-1.0").read_text() == 'hello on stdout\n{"ntp":{"up":"x"}}\npassword is ***\n'
    assert json.loads((rig.path / "seen.json").read_text())["role"] == "demo"
    rig.jig.acknowledge("ab-1.0", "n1")
    until(lambda: (rig.path / "state" / "acknowledged" / "ab-1.0").exists())
    until(lambda: not (rig.path / "state" / "attempts" / "ab-1.0").exists())


@needs_tool
def test_a_failing_script_says_its_first_failing_line(rig: Rig) -> None:
    rig.jig.start(order(folder=rig.role("set -e\necho fine\nls /nonexistent/place\necho never")))
    (got,) = rig.inbox.wait()
    assert got.failure is not None
    assert got.failure.code == "script_failed"
    assert "/nonexistent/place" in str(got.failure.fields["line"])


@needs_tool
def test_verify_runs_the_verify_script(rig: Rig) -> None:
    folder = rig.role("exit 9", verify='echo "no such address"; exit 1')
    rig.jig.start(order(folder=folder, action="verify"))
    (got,) = rig.inbox.wait()
    assert got.failure is not None
    assert (got.failure.code, got.failure.fields["line"]) == ("verify_failed", "no such address")


@needs_tool
def test_the_environment_of_the_engine_does_not_reach_scripts(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWBAR_BMC_PASSWORD", "sesame-open")
    rig.jig.start(order(folder=rig.role("env")))
    rig.inbox.wait()
    log = rig.logs.path("ab-1.0").read_text()
    assert "sesame" not in log
    assert "CROWBAR_ATTEMPT=ab-1.0" in log


def test_a_tool_that_cannot_be_called_claims_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(subprocess, "run", broken)
    inbox = Inbox()
    jig = LocalJig(inbox, Logs(tmp_path / "l"), tmp_path / "s")
    jig.start(order(folder=role_folder(tmp_path / "r", "true")))
    (got,) = inbox.wait()
    jig.close()
    assert got.unreachable
    assert got.failure is not None
    assert "No space left" in str(got.failure.fields["message"])
