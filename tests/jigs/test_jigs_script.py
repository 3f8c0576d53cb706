"""The script jig, with the real `attempt` tool: the same promises over a fake SSH and over a real SSH server with its real client."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from jig_orders import Inbox, order, role_folder, until

from engine import reasons
from engine.jigs.local import ATTEMPT
from engine.jigs.logs import Logs
from engine.jigs.script import ScriptJig
from engine.jigs.ssh import SshDone, SshFailed, SshPool, SshTarget, engine_key
from engine.jigs.ssh_key import new_private_key, public_line, read_private_key
from engine.racks.simulated.sshd import SshFarm

pytestmark = pytest.mark.skipif(not ATTEMPT.exists(), reason=f"needs {ATTEMPT}")

HOST_KEY = read_private_key(new_private_key())
OTHER_KEY = read_private_key(new_private_key())


class FakeSsh:
    """An `SshPool` whose one node is a folder. Moods: works, `failed` (an SshFailed for every call), `mute` (prints no state)."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.tool = home / "sbin" / "attempt"
        self.target = SshTarget(address="192.168.124.81", host_key=public_line(HOST_KEY))
        self.failed: SshFailed | None = None
        self.path = ""
        """PATH of its commands. Empty: that of the tests."""
        self.mute = False
        self.calls: list[list[str]] = []

    def run(
        self, node: str, target: SshTarget, argv: Sequence[str], stdin: bytes = b"", timeout_s: float = 60.0, **_: Any
    ) -> SshDone | SshFailed:
        assert (node, target.address) == ("n1", self.target.address)
        if target.host_key != self.target.host_key:
            return SshFailed(kind="host_key", message="it showed a different host key from the pinned one")
        if self.failed is not None:
            self.calls.append(list(argv))
            return self.failed
        code, out, said = self.carry_out(node, list(argv), stdin)
        return SshDone(exit=code, stdout=out, stderr=said, host_key="")

    def carry_out(self, node: str, argv: list[str], stdin: bytes) -> tuple[int, bytes, bytes]:
        """What the node does."""
        self.calls.append(argv)
        if self.mute:
            return 0, b"Welcome to Debian\n", b""
        environment = {"PATH": self.path or os.environ["PATH"], "CROWBAR_HOME": str(self.home)}
        try:
            done = subprocess.run(argv, input=stdin, capture_output=True, env=environment, timeout=60, check=False)
        except FileNotFoundError:
            return 127, b"", b"sh: attempt: not found"
        return done.returncode, done.stdout, done.stderr

    def verbs(self) -> list[str]:
        return [call[1] for call in self.calls]

    def cut(self) -> None:
        self.failed = SshFailed(kind="dropped", message="the connection ended while the command ran")

    def mend(self) -> None:
        self.failed = None

    @property
    def pool(self) -> Any:
        return self

    def close(self) -> None:
        """Nothing is open."""


class RealSsh(FakeSsh):
    """The same node behind a real server, reached by the real pool."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        key = engine_key(home.parent / "engine_ed25519")
        self._pool = SshPool(key)
        self.farm = SshFarm(self.carry_out, [key.public])
        self.port = self.farm.listen("n1", "127.0.0.1", 0, HOST_KEY)
        self.target = SshTarget(address="127.0.0.1", port=self.port, host_key=public_line(HOST_KEY))

    def cut(self) -> None:
        self.farm.remove("n1")

    def mend(self) -> None:
        self.farm.listen("n1", "127.0.0.1", self.port, HOST_KEY)

    @property
    def pool(self) -> Any:
        return self._pool

    def close(self) -> None:
        self._pool.close_all()
        self.farm.close()


class Rig:
    def __init__(self, path: Path, kind: type[FakeSsh]) -> None:
        self.path = path
        self.ssh = kind(path / "node")
        self.logs = Logs(path / "logs")
        self.inbox = Inbox()
        self.jigs: list[ScriptJig] = []
        self.again()

    def again(self) -> None:
        self.inbox = Inbox()
        self.jig = ScriptJig(self.inbox, self.logs, self.ssh.pool, tool=(str(self.ssh.tool),), workers=4)
        self.jigs.append(self.jig)

    def start(self, run: str, **more: Any) -> None:
        more.setdefault("target", self.ssh.target)
        self.jig.start(order(folder=role_folder(self.path / "role", run), **more))


@pytest.fixture(params=[FakeSsh, RealSsh], ids=["fake", "server"])
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    rig = Rig(tmp_path, request.param)
    yield rig
    for jig in rig.jigs:
        jig.close()
    rig.ssh.close()


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path, FakeSsh)
    yield rig
    rig.jig.close()


def test_a_node_without_the_tool_gets_it_and_the_role_runs(rig: Rig) -> None:
    rig.start('echo on the node; echo "$CROWBAR_ATTEMPT"; printf \'{"addresses":[]}\' >"$CROWBAR_GIVES"', gives=("addresses",))
    (got,) = rig.inbox.wait()
    assert (got.what, got.gives) == ("done", {"addresses": []})
    assert rig.ssh.tool.read_bytes() == ATTEMPT.read_bytes()
    assert rig.logs.path("ab-1.0").read_text() == "on the node\nab-1.0\n"
    rig.jig.acknowledge("ab-1.0", "n1")
    until(lambda: (rig.path / "node/acknowledged/ab-1.0").exists())


OLD_TOOL = """#!/bin/sh
usage() {
    echo "usage: attempt start ID.LEG TIMEOUT_S | wait ID.LEG SECONDS | peek ID.LEG | log ID.LEG OFFSET | ack ID.LEG | list" >&2
    exit 2
}
case $1 in
start | wait | log) [ $# -eq 3 ] || usage ;;
*) [ $# -eq 2 ] || usage ;;
esac
"""


def test_a_node_with_an_older_tool_gets_the_present_one_and_the_role_runs_once(rig: Rig) -> None:
    """A tool from before `start` took SECONDS answers such a call with its usage."""
    role_folder(rig.ssh.tool.parent, "true")
    rig.ssh.tool.write_text(OLD_TOOL)
    rig.ssh.tool.chmod(0o755)
    rig.start(f"echo ran >>{rig.path}/count")
    assert rig.inbox.wait()[0].what == "done"
    assert rig.ssh.tool.read_bytes() == ATTEMPT.read_bytes()
    assert (rig.path / "count").read_text() == "ran\n"


def test_a_task_that_an_older_tool_started_is_found_with_the_present_one(rig: Rig) -> None:
    rig.start(f"echo ran >>{rig.path}/count; while [ ! -e {rig.path}/go ]; do sleep 0.05; done")
    until((rig.path / "count").exists)
    rig.jig.close()
    rig.again()
    rig.ssh.tool.write_text(OLD_TOOL)  # the node has not had another start since the engine was upgraded
    rig.start("never", resume=True)
    assert rig.inbox.wait()[0].what == "running"
    assert rig.ssh.tool.read_bytes() == ATTEMPT.read_bytes()
    (rig.path / "go").touch()
    assert rig.inbox.wait(2)[1].what == "done"
    assert (rig.path / "count").read_text() == "ran\n"


def test_a_dropped_connection_is_unreachable_and_resume_finds_the_task(rig: Rig) -> None:
    rig.start(f"echo begun >{rig.path}/begun; while [ ! -e {rig.path}/go ]; do sleep 0.05; done; exit 3")
    until((rig.path / "begun").exists)
    rig.ssh.cut()
    (got,) = rig.inbox.wait()
    assert got.unreachable
    assert got.failure is not None
    assert got.failure.code == "unreachable_node"
    assert got.failure.fields["address"] == rig.ssh.target.address
    rig.ssh.mend()
    calls = len(rig.ssh.calls)
    rig.start("never", resume=True)
    assert rig.inbox.wait(2)[1].what == "running"
    (rig.path / "go").touch()
    assert rig.inbox.wait(3)[2].failure is not None
    assert "start" not in rig.ssh.verbs()[calls:]


@pytest.mark.parametrize(
    ("failed", "code"),
    [
        (SshFailed(kind="unreachable", message="no route to host"), "unreachable_node"),
        (SshFailed(kind="refused", message="nothing listens"), "unreachable_node"),
        (SshFailed(kind="authentication", message="root may not log in"), "unreachable_node"),
        (SshFailed(kind="host_key", message="it showed another host key"), "host_key"),
        (SshFailed(kind="timeout", message="too late"), "unreachable_node"),
    ],
)
def test_what_cannot_be_reached_claims_nothing(fake: Rig, failed: SshFailed, code: str) -> None:
    fake.ssh.failed = failed
    fake.start("true")
    (got,) = fake.inbox.wait()
    assert got.unreachable
    assert got.failure is not None
    assert got.failure.code == code


def test_another_machine_at_the_address_is_told_and_sent_nothing(rig: Rig) -> None:
    pinned = SshTarget(address=rig.ssh.target.address, port=rig.ssh.target.port, host_key=public_line(OTHER_KEY))
    rig.start("true", target=pinned)
    (got,) = rig.inbox.wait()
    assert got.failure == reasons.host_key(node="n1-name", address=pinned.address)
    assert rig.ssh.calls == []


def test_a_node_without_a_pinned_host_key_is_sent_nothing(rig: Rig) -> None:
    """It is not said that it showed another key: none is known."""
    rig.start("true", target=SshTarget(address=rig.ssh.target.address, port=rig.ssh.target.port))
    (got,) = rig.inbox.wait()
    assert got.failure == reasons.no_host_key(node="n1-name", address=rig.ssh.target.address)
    assert rig.ssh.calls == []


def test_a_node_without_address_is_said(rig: Rig) -> None:
    rig.start("true", target=None)
    (got,) = rig.inbox.wait()
    assert got.failure == reasons.no_address(node="n1-name")


def test_a_node_that_talks_nonsense_claims_nothing(rig: Rig) -> None:
    rig.ssh.mute = True
    rig.start("true")
    (got,) = rig.inbox.wait()
    assert got.unreachable
    assert "no state" in str(got.failure)


def test_a_start_that_the_node_refuses_is_a_failure(rig: Rig) -> None:
    rig.start("true")
    rig.inbox.wait()
    rig.again()
    (rig.path / "node" / "attempts").rename(rig.path / "node" / "old")
    (rig.path / "node" / "attempts").write_text("not a folder")
    rig.start("true", attempt="ab-2.0")
    (got,) = rig.inbox.wait()
    assert (got.what, got.unreachable) == ("failed", False)
    assert got.failure is not None
    assert got.failure.code == "refused"
    assert "cannot write" in str(got.failure.fields["message"])
