"""`crowbar engine` as a process: what ends it, and what does not."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.attach.client import Attached, Receipt
from engine.attach.place import AttachError


def until(met: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 120
    while not met():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def answers(store: Path) -> bool:
    try:
        with Attached(store) as engine:
            return isinstance(engine.ping(), Receipt)
    except AttachError:
        return False


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "crowbar_tui.cli", "--store", str(tmp_path / "store"), "engine"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as one:
        try:
            until(lambda: answers(tmp_path / "store") or one.poll() is not None, "the engine answers")
            yield one
        finally:
            one.kill()


def test_a_closed_terminal_does_not_end_the_engine(process: subprocess.Popen[str], tmp_path: Path) -> None:
    for _ in range(3):
        process.send_signal(signal.SIGHUP)
        assert answers(tmp_path / "store")
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert process.stdout is not None
    assert "Traceback" not in process.stdout.read()
