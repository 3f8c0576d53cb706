"""SSH: a real sshd with the real `attempt`."""

from __future__ import annotations

import getpass
import io
import os
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ssh_rig import DEADLINE_S, failed, until

from engine.jigs.leg_report import LegReport
from engine.jigs.ssh import EngineKey, SshDone, SshPool, SshTarget
from engine.jigs.ssh_attempts import AttemptFault, Attempts
from engine.jigs.ssh_key import new_private_key, public_line, read_private_key

ATTEMPT = Path(__file__).resolve().parents[2] / "images" / "node" / "attempt"


class Sshd:
    """OpenSSH's server on a port of loopback, for the user that runs the tests. `within`: words of a program that runs it. `more`: lines
    of its configuration."""

    def __init__(self, folder: Path, key: EngineKey, within: Sequence[str] = (), more: str = "") -> None:
        program = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
        if program is None:
            pytest.skip("sshd is not installed")
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        (folder / "host_key").write_text(new_private_key())
        (folder / "host_key").chmod(0o600)
        self.pinned = public_line(read_private_key((folder / "host_key").read_text()))
        (folder / "authorized").write_text(key.public + "\n")
        (folder / "config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\nAuthorizedKeysFile {folder}/authorized\n"
            f"StrictModes no\nUsePAM no\nPidFile none\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
            # The shell reads no start-up file of the person here: bash does, when sshd starts it, and such a file may take minutes.
            f"SetEnv HOME={folder}\n{more}"
        )
        self.argv = [*within, program, "-D", "-e", "-f", str(folder / "config")]
        self.said = folder / "said"
        if os.geteuid() == 0:
            # Debian's sshd wants it as root. The unit ssh.service makes it, and here is no systemd.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.start()

    def start(self) -> None:
        """Returns when it listens."""
        with self.said.open("ab") as said:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True)
        deadline = time.monotonic() + DEADLINE_S
        while True:
            if self.process.poll() is not None:
                pytest.skip(f"sshd does not start here: {self.said.read_text().strip().splitlines()[-1:]}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


def tar_of(script: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in (("run", "#!/bin/sh\n" + script), ("attributes.json", "{}")):
            member: Any = tarfile.TarInfo(name)
            member.size, member.mode = len(text), 0o700
            tar.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


@pytest.mark.client
def test_the_real_attempt_over_a_real_sshd(tmp_path: Path, pool: SshPool, key: EngineKey) -> None:
    sshd = Sshd(tmp_path, key)
    try:
        node = SshTarget(address="127.0.0.1", port=sshd.port, user=getpass.getuser(), host_key=sshd.pinned)
        path = tmp_path / "sbin" / "attempt"
        home = f"CROWBAR_HOME={tmp_path}/home"
        tool = Attempts(pool, "n1", node, tool=["env", home, str(path)])
        missing, _ = tool.wait("i-1.1")
        assert isinstance(missing, AttemptFault), missing
        assert missing.kind == "no_tool"
        assert tool.install(ATTEMPT.read_bytes()) is None
        assert path.stat().st_mode & 0o777 == 0o755
        go = tmp_path / "go"
        script = f'echo x >>"{tmp_path}/count"\nwhile [ ! -e "{go}" ]; do sleep 0.1; done\necho \'{{"n": 1}}\' >"$CROWBAR_GIVES"\nexit 64'
        started, _ = tool.start("i-1.1", tar_of(script), 60)
        assert isinstance(started, LegReport), started
        assert started.state == "running"
        # The connection ends while a command is under way there; the task does not.
        with ThreadPoolExecutor(1) as threads:
            under_way = tmp_path / "under-way"
            waiting = threads.submit(pool.run, "n1", node, ["sh", "-c", f"touch {under_way}; exec sleep 20"])
            until(under_way.exists, "the command is under way")
            pool.close("n1")
            failed("dropped", waiting.result(DEADLINE_S))
        again, _ = tool.start("i-1.1", tar_of(script), 60)
        assert isinstance(again, LegReport), again
        assert again.state == "running"
        go.touch()
        assert tool.wait("i-1.1", 30)[0] == LegReport(id="i-1.1", state="ended", exit=64, gives={"n": 1})
        assert (tmp_path / "count").read_text() == "x\n"
        acknowledged = tool.ack("i-1.1")
        assert isinstance(acknowledged, LegReport)
        large = pool.run("n1", node, ["cat"], bytes(5_000_000), stdout_bytes=6_000_000)
        assert isinstance(large, SshDone)
        assert len(large.stdout) == 5_000_000
        odd = pool.run("n1", node, ["printf", "%s|", "it's", "$(id)", "", "a;b"])
        assert isinstance(odd, SshDone)
        assert odd.stdout == b"it's|$(id)||a;b|"
    finally:
        sshd.stop()
