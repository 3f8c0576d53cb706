"""The agent of the image, as it is, against the HTTP service, as it is."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_rig import Rig, until

from engine.events import Bye, Hello, Outcome

NODE = Path(__file__).resolve().parents[2] / "images" / "node"

pytestmark = [
    pytest.mark.client,
    pytest.mark.skipif(not (NODE / "agent").exists(), reason=f"needs {NODE}/agent"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl"),
]


class Agent:
    def __init__(self, rig: Rig, path: Path) -> None:
        tools = path / "bin"
        tools.mkdir()
        for tool in NODE.iterdir():
            (tools / tool.name).symlink_to(tool)
        # What it would do to this machine.
        (tools / "reboot").write_text(f"#!/bin/sh\necho rebooted > {path}/rebooted\n")
        (tools / "reboot").chmod(0o755)
        line = path / "cmdline"
        line.write_text(f"quiet crowbar.url={rig.url} crowbar.nonce=ticket-1 crowbar.env=sledgehammer\n")
        environment = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "CROWBAR_HOME": str(path / "home"),
            "CROWBAR_CMDLINE": str(line),
            "CROWBAR_DELAY_S": "1",
            "CROWBAR_REFUSED_S": "1",
        }
        self.path = path
        self.process = subprocess.Popen(
            ["/bin/sh", str(tools / "agent")], env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def stop(self) -> bytes:
        self.process.terminate()
        return self.process.communicate(timeout=30)[1]


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
        run = "echo to the log\ncat \"$CROWBAR_ATTRIBUTES\"\nprintf '{\"disks\": [1]}' >\"$CROWBAR_GIVES\""
        rig.order("ab-1.0", gives=("disks",), run=run)
        (done,) = rig.wait_event(Outcome)
        assert (done.attempt, done.what, done.gives) == ("ab-1.0", "done", {"disks": [1]})
        assert rig.logs.path("ab-1.0").read_text() == 'to the log\n{"raid":{"level":"raid1"}}'
        until(lambda: (tmp_path / "home/acknowledged/ab-1.0").exists())
        rig.order("ab-2.0", resume=True)
        assert rig.wait_event(Outcome, 2)[1].what == "lost"
        rig.jig.command("n1", rig.boots["n1"], {"do": "reboot"})
        rig.wait_event(Bye)
        until(lambda: (tmp_path / "rebooted").exists())
    finally:
        said = agent.stop()
    assert b"not acknowledged" not in said
    assert rig.http.counters().get("broken", 0) == 0
    assert not [name for name in rig.http.counters() if name.startswith("refused_")], rig.http.counters()
