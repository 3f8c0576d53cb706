"""The agent of the image, as it is, against the HTTP service, as it is."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from http_rig import Rig, ticket, until

from engine.core.boot.patience import held_s
from engine.events import Bye, Hello, Outcome
from engine.plan import Plan, Site
from engine.serve.http import Limits
from engine.wire.agent import Reboot

NODE = Path(__file__).resolve().parents[2] / "images" / "node"

pytestmark = [
    pytest.mark.client,
    pytest.mark.skipif(not (NODE / "agent").exists(), reason=f"needs {NODE}/agent"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl"),
]


class Agent:
    def __init__(self, rig: Rig, path: Path, client: str = "") -> None:
        """`client`: a shell script in place of curl."""
        tools = path / "bin"
        tools.mkdir()
        if client:
            (tools / "curl").write_text(client)
            (tools / "curl").chmod(0o755)
        for tool in NODE.iterdir():
            (tools / tool.name).symlink_to(tool)
        # What it would do to this machine.
        (tools / "reboot").write_text(f"#!/bin/sh\necho rebooted > {path}/rebooted\n")
        (tools / "reboot").chmod(0o755)
        line = path / "cmdline"
        line.write_text(f"quiet crowbar.url={rig.url} crowbar.nonce={ticket(1)} crowbar.env=sledgehammer\n")
        environment = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "CROWBAR_HOME": str(path / "home"),
            "CROWBAR_CMDLINE": str(line),
            "CROWBAR_DELAY_S": "1",
            "CROWBAR_REFUSED_S": "1",
        }
        self.path = path
        self.process = subprocess.Popen(
            ["/bin/sh", str(tools / "agent")], env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )

    def stop(self) -> bytes:
        self.process.terminate()
        self.process.wait(timeout=60)
        with suppress(ProcessLookupError):  # a client or sleep that it began in the instant of the signal
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.communicate(timeout=60)[1]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.stop()


def test_hello_task_log_result_reboot_bye(rig: Rig, tmp_path: Path) -> None:
    agent = Agent(rig, tmp_path)
    try:
        (hello,) = rig.wait_event(Hello)
        assert hello.environment == "sledgehammer"
        until(lambda: "n1" in rig.boots)
        run = 'echo to the log\ncat "$CROWBAR_ATTRIBUTES"\nprintf \'{"disks": [1]}\' >"$CROWBAR_GIVES"'
        rig.order("ab-1.0", gives=("disks",), run=run)
        (done,) = rig.wait_event(Outcome)
        assert (done.attempt, done.what, done.gives) == ("ab-1.0", "done", {"disks": [1]})
        assert rig.logs.path("ab-1.0").read_text() == 'to the log\n{"raid":{"level":"raid1"}}'
        until(lambda: (tmp_path / "home/acknowledged/ab-1.0").exists())
        rig.order("ab-2.0", resume=True)
        assert rig.wait_event(Outcome, 2)[1].what == "lost"
        rig.jig.command("n1", rig.boots["n1"], Reboot())
        rig.wait_event(Bye)
        until(lambda: (tmp_path / "rebooted").exists())
    finally:
        said = agent.stop()
    assert b"not acknowledged" not in said
    assert rig.http.counters().get("broken", 0) == 0
    assert not [name for name in rig.http.counters() if name.startswith("refused_")], rig.http.counters()


CALLS = """#!/bin/sh
echo "$*" >>{calls}
exec {curl} "$@"
"""
OF_BEFORE_S = 80
"""After so many seconds an agent of before gives up a poll. It does not say for how long it waits."""


def poll_s(patience: float) -> float:
    """For how long an engine whose plan says so holds a poll."""
    return held_s(Plan(site=Site(name="x"), patience=patience), Limits().poll_s)


@pytest.mark.parametrize("patience", [0.01, 0.02, 0.05, 0.3, 0.5, 1.0, 1.5, 3.0, 10.0, 100.0])
def test_the_agent_waits_for_a_poll_longer_than_the_engine_holds_it(tmp_path: Path, patience: float) -> None:
    """At each patience that a plan may have. The engine tells the agent; it holds no poll for longer than an agent of before waits."""
    held = poll_s(patience)
    rig = Rig(tmp_path, poll_s=held)
    calls = tmp_path / "calls"
    agent = Agent(rig, tmp_path, CALLS.format(calls=calls, curl=shutil.which("curl")))
    try:
        polls = until(lambda: [line.split() for line in _lines(calls) if "/agent/next" in line])
        limit = float(polls[0][polls[0].index("--max-time") + 1])
        wait = int(polls[0][-1].partition("?wait=")[2])
        assert held <= wait <= limit - 20
        assert held <= OF_BEFORE_S - 20
        # Restarted with any other plan, which it does not tell to an agent that keeps its token.
        assert all(min(poll_s(other), wait) <= limit - 20 for other in (0.01, 1.0, 100.0))
    finally:
        said = agent.stop()
        rig.stop()
    assert b"no orders" not in said


def test_an_idle_agent_polls_again_at_once_and_complains_of_nothing(tmp_path: Path) -> None:
    rig = Rig(tmp_path, poll_s=0.2)
    agent = Agent(rig, tmp_path)
    try:
        until(lambda: rig.http.counters().get("next_204", 0) >= 3)
    finally:
        said = agent.stop()
        rig.stop()
    assert b"no orders" not in said


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
