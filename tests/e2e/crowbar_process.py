"""`crowbar` as a process of its own, for the end-to-end tests, and what it leaves behind."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from crowbar_tui.cli import main
from engine import racks as rehearsal
from engine.racks import RackError, RehearsalRack

PATIENCE_S = 240.0
"""Enough for a machine with two cores and a hundred processes that want them."""


class Ended:
    """What became of a command."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its output as JSON, one object per line; raises for a line that is none."""
        found = [json.loads(line) for line in self.out.splitlines()]
        assert all(isinstance(one, dict) for one in found)
        return found

    @property
    def summary(self) -> dict[str, Any]:
        return self.lines[-1]

    def __repr__(self) -> str:
        return f"exit {self.code}\n{self.out[-2000:]}\n{self.err[-2000:]}"


def command(store: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "crowbar_tui.cli", "--store", str(store), *words]


def environment(**more: str) -> dict[str, str]:
    """Ours, without what would change the command's ways; it must find the code also from another directory."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CROWBAR_")}
    root = str(Path(rehearsal.__file__).resolve().parent.parent.parent)
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, [root, kept.get("PYTHONPATH", "")])), **more}


def crowbar(store: Path, *words: str, timeout_s: float = PATIENCE_S, **env: str) -> Ended:
    """Run it to its end."""
    done = subprocess.run(
        command(store, *words), capture_output=True, text=True, timeout=timeout_s, env=environment(**env), check=False, cwd=store.parent
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def here(store: Path, *words: str) -> Ended:
    """The same in this process, for a question that a test asks of a store beside others: a process takes a second of processor to start."""
    out, err = io.StringIO(), io.StringIO()
    mask = os.umask(0)
    os.umask(mask)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main(["--store", str(store), *words])
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        os.umask(mask)
    return Ended(code, out.getvalue(), err.getvalue())


def spawn(store: Path, *words: str, out: Path, **env: str) -> subprocess.Popen[bytes]:
    """Start it; its output and errors go to files, which are continued."""
    with out.open("ab") as stdout, out.with_suffix(".err").open("ab") as stderr:
        return subprocess.Popen(command(store, *words), stdout=stdout, stderr=stderr, env=environment(**env), cwd=store.parent)


def wait_until(so: Callable[[], bool], otherwise: Callable[[], str], timeout_s: float = PATIENCE_S) -> None:
    """Look until it is so; fails with what `otherwise` says."""
    end = time.monotonic() + timeout_s
    while not so():
        assert time.monotonic() < end, otherwise()
        time.sleep(0.02)


def rack_folder(store: Path) -> Path:
    return store.with_name(store.name + ".rack")


def stop_rack(store: Path) -> None:
    """End the rack beside the store if one runs: it outlives everybody else."""
    with suppress(RackError):
        rehearsal.connect(rack_folder(store)).stop()


@contextmanager
def rack_of(store: Path) -> Iterator[RehearsalRack]:
    """The rack beside the store, running, as it remembers itself; it is stopped afterwards."""
    rack = rehearsal.start(rack_folder(store))
    try:
        yield rack
    finally:
        rack.stop()


def saved_machines(store: Path) -> list[dict[str, Any]]:
    """What each machine of the rack remembers, from its file."""
    folder = rack_folder(store) / "machines"
    return [json.loads(file.read_text()) for file in sorted(folder.glob("m*.json"), key=lambda f: int(f.stem[1:]))]


def rack_counts(store: Path) -> dict[str, int]:
    """What really went over the wire, from the last words of the rack's process."""
    for line in reversed((rack_folder(store) / "rack.log").read_text().splitlines()):
        if " counts: " in line:
            found: dict[str, int] = json.loads(line.partition(" counts: ")[2])
            return found
    raise AssertionError("the rack did not say what it counted")
