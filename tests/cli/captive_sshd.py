"""A real sshd whose only account is captive: `ForceCommand crowbar shell`, with the lines of `docs/operations.md`."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "jigs"))

from test_jigs_ssh_real import Sshd

from engine.jigs.ssh import engine_key

ROOT = Path(__file__).resolve().parents[2]
LINES = """\
AcceptEnv LANG LC_* TERM_PROGRAM PAGER EDITOR VISUAL SHELL CROWBAR_STORE TEXTUAL_DRIVER
DisableForwarding yes
PermitUserRC no
PermitUserEnvironment no
Subsystem sftp internal-sftp
ForceCommand {command}
"""
"""Also takes variables of the client that an administrator should not accept: the shell drops them."""


class CaptiveSshd:
    def __init__(self, folder: Path, store: Path, *options: str) -> None:
        """`options`: of `crowbar shell`."""
        if shutil.which("ssh") is None:
            pytest.skip("ssh is not installed")
        folder.mkdir(mode=0o700)
        self.identity = folder / "identity"
        words = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "crowbar_tui.cli", "--store", str(store), "shell", *options]
        self._sshd = Sshd(folder, engine_key(self.identity), more=LINES.format(command=shlex.join(words)))
        self.pid = self._sshd.process.pid

    def argv(self, *options: str) -> list[str]:
        """Words of an ssh client; the command for the other side follows."""
        usual = ["-F", "none", "-p", str(self._sshd.port), "-i", str(self.identity), "-l", getpass.getuser(), "-o", "IdentitiesOnly=yes"]
        quiet = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes"]
        return ["ssh", *usual, *quiet, *options, "--", "127.0.0.1"]

    def run(
        self, *command: str, data: bytes = b"", options: tuple[str, ...] = (), **environment: str
    ) -> subprocess.CompletedProcess[bytes]:
        env = {**os.environ, **environment}
        return subprocess.run([*self.argv(*options), *command], input=data, capture_output=True, timeout=120, check=False, env=env)

    def stop(self) -> None:
        self._sshd.stop()
