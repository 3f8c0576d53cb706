"""A terminal that is closed while the console starts, and one that is closed again and again: the engine inside goes on. And the console of
an engine that root started."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from terminal import ROOT, alive, until

from engine.api.views import Attached, AttachError


def engine_of(store: Path) -> int:
    """Process id of the engine that answers; 0: none."""
    try:
        with Attached(store) as engine:
            return int(engine.ping().result["pid"])
    except AttachError:
        return 0


def holder(store: Path) -> int:
    """Process id of the engine that holds the store, as soon as it does; 0: none."""
    try:
        return int((store / "engine.lock").read_text() or 0)
    except OSError:
        return 0


class Console:
    """`crowbar` on a terminal that nobody looks at."""

    def __init__(self, store: Path, **environment: str) -> None:
        self.store = store
        self._here, there = pty.openpty()
        command = [sys.executable, "-m", "crowbar_tui.cli", "--store", str(store)]
        kept = {**os.environ, "TERM": "linux", **environment}
        self.shell = subprocess.Popen(command, stdin=there, stdout=there, stderr=there, cwd=ROOT, env=kept, start_new_session=True)
        os.close(there)
        self.said = b""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # the other end is closed
            while piece := os.read(self._here, 65536):
                self.said += piece

    def close(self) -> None:
        pid = holder(self.store)
        with contextlib.suppress(AttachError), Attached(self.store) as engine:
            engine.stop()
        until(lambda: not pid or not alive(pid))
        self.shell.kill()
        self.shell.wait()


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    one = Console(tmp_path / "store")
    yield one
    one.close()


def is_away(pid: int) -> bool:
    """It has left the terminal: its controlling terminal is none, and its input is nothing (proc(5))."""
    assert alive(pid), "the engine has ended"
    with contextlib.suppress(PermissionError):  # another user's
        return os.readlink(f"/proc/{pid}/fd/0") == os.devnull
    return True


def test_a_terminal_that_is_closed_while_the_console_starts_leaves_the_engine_at_work(console: Console) -> None:
    until(lambda: holder(console.store))
    pid = holder(console.store)
    os.kill(pid, signal.SIGHUP)
    until(lambda: is_away(pid) and engine_of(console.store) == pid)


def test_a_terminal_that_is_closed_again_and_again_leaves_the_engine_at_work(console: Console) -> None:
    """A shell passes SIGHUP on to its jobs after the kernel has done so."""
    until(lambda: engine_of(console.store) and b"\x1b[?1049h" in console.said)
    pid = engine_of(console.store)

    def hang_up() -> bool:
        for _ in range(20):
            os.kill(pid, signal.SIGHUP)
        return is_away(pid)

    until(hang_up)
    os.kill(pid, signal.SIGHUP)
    until(lambda: engine_of(console.store) == pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give it up")
def test_the_console_of_root_gives_it_up_and_the_engine_inside_too() -> None:
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        console = Console(Path(name) / "store", CROWBAR_USER="nobody")
        try:
            until(lambda: engine_of(console.store))
            pid = engine_of(console.store)
            told = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            assert "0" not in told["Uid"].split()
            assert int(told["CapEff"], 16) == 1 << 10 | 1 << 13
            with Attached(console.store) as engine:
                process = engine.health().result["process"]
            assert process == {"user": "nobody", "capabilities": ["CAP_NET_BIND_SERVICE", "CAP_NET_RAW"], "why_root": ""}
        finally:
            console.close()
