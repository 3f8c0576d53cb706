"""Long tasks of the command line: a bar on a terminal, lines in a pipe, JSON lines with --json; and Ctrl-C or SIGTERM leave nothing half."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from crowbar_tui.long_task import Cancelled, LongTask
from engine.files.catalog import shipped

ROOT = Path(__file__).parents[2]
PLAN = ROOT / "crowbar_tui/plans/one-node.yml"
PARTS = ("--without", "packages", "--without", "wheels")


def shelf(store: Path, octets: int) -> None:
    digest = hashlib.sha256(bytes(octets)).hexdigest()
    for name in ("loader", "sledgehammer", "debian-12"):
        folder = store / "images" / name
        folder.mkdir(parents=True)
        lines = []
        for file in shipped().images[name].files.values():
            with (folder / file).open("wb") as out:
                out.truncate(octets)
            lines.append(f"{digest}  {file}\n")
        (folder / "SHA256SUMS").write_text("".join(lines))


def crowbar(store: Path, *words: object, **more: Any) -> subprocess.Popen[bytes]:
    """The process comes after the tests on a busy machine: else it may be done before the test, which saw it begin, can cancel it. It still
    has seconds of work then, so it need not come last: it would get no time at all beside other tests."""
    environment = {k: v for k, v in os.environ.items() if k != "CROWBAR_IMAGES"} | {"PYTHONPATH": str(ROOT)}
    command = ["nice", "-n", "5", sys.executable, "-m", "crowbar_tui.cli", "--store", str(store), *map(str, words)]
    return subprocess.Popen(command, env=environment, **more)


def until(so: Any, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.005)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_bundle_that_is_cancelled_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    store, file = tmp_path / "store", tmp_path / "rack.crowbar"
    shelf(store, 80_000_000)
    file.write_text("the one before")
    process = crowbar(store, "bundle", "create", PLAN, "-o", file, *PARTS, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    while b"  writing " not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(number)
    _, error = process.communicate(timeout=120)
    assert (process.returncode, error.decode()) == (130, "crowbar: bundle rack.crowbar: cancelled; nothing was changed\n")
    assert file.read_text() == "the one before"
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_an_opening_that_is_cancelled_changes_nothing(tmp_path: Path) -> None:
    here, there, file = tmp_path / "here", tmp_path / "there", tmp_path / "rack.crowbar"
    shelf(here, 80_000_000)
    assert crowbar(here, "bundle", "create", PLAN, "-o", file, *PARTS, stdout=subprocess.DEVNULL).wait(120) == 0
    process = crowbar(there, "bundle", "open", file, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: any(there.glob(".bundle-new-*/images/*/*")) or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130, error
    assert [one.name for one in there.iterdir()] == [".bundle-lock"]
    assert crowbar(there, "bundle", "open", file, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).wait(120) == 0
    assert (there / "images" / "sledgehammer").is_dir()


def test_a_terminal_sees_a_bar_and_a_pipe_sees_lines(tmp_path: Path) -> None:
    store, file = tmp_path / "store", tmp_path / "rack.crowbar"
    shelf(store, 2_000_000)
    here, there = pty.openpty()
    process = crowbar(store, "bundle", "create", PLAN, "-o", file, *PARTS, stdout=subprocess.PIPE, stderr=there)
    os.close(there)
    seen: list[bytes] = []

    def read() -> None:
        while True:
            try:
                piece = os.read(here, 65536)
            except OSError:  # the other end is closed
                return
            if not piece:
                return
            seen.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    out, _ = process.communicate(timeout=120)
    reader.join(60)
    os.close(here)
    assert process.returncode == 0
    bar = b"".join(seen).decode()
    assert "bundle rack.crowbar: writing" in bar
    assert "%" in bar
    assert "\x1b[" not in out.decode(), "what the command prints stays clean"
    done = crowbar(store, "bundle", "create", PLAN, "-o", file, *PARTS, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, error = done.communicate(timeout=120)
    assert b"  writing " in out
    assert error == b""


def test_json_lines_tell_the_progress(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("crowbar_tui.long_task.time.monotonic", lambda: now[0])
    with LongTask("image debian-12", True) as task:
        task.step("packages")
        for second in range(6):
            now[0] = second / 2
            task.moved(second, 10)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == {"type": "progress", "task": "image debian-12", "step": "packages", "done": 0, "total": 0, "seconds": 0.0}
    assert [(row["done"], row["total"], row["seconds"]) for row in rows[1:]] == [(2, 10, 1.0), (4, 10, 2.0)], "at most one a second"


def test_a_cancelled_task_says_so_in_its_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    for error in (Cancelled, KeyboardInterrupt):
        with pytest.raises(SystemExit) as ended, LongTask("export run.jsonl", True):
            raise error
        assert ended.value.code == 130
        out, told = capsys.readouterr()
        assert json.loads(out)["step"] == "cancelled"
        assert told == "crowbar: export run.jsonl: cancelled; nothing was changed\n"
    with pytest.raises(ValueError, match="other"), LongTask("x", True):
        raise ValueError("other")
    assert signal.getsignal(signal.SIGTERM) is before
