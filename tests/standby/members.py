"""Several engines on one database, each a process with a folder of its own, for the tests of take-over and hand-over."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.attach.client import Attached, Receipt
from engine.attach.place import AttachError
from engine.files.paths import keys_beside
from engine.rehearsal.session import _free_lane
from engine.store.place import DATABASE

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("member_process.py")
PATIENCE_S = 120.0


def until(so: Callable[[], Any], what: Callable[[], str] = lambda: "", patience_s: float = PATIENCE_S) -> Any:
    """Waits for a true value and returns it."""
    end = time.monotonic() + patience_s
    while not (found := so()):
        assert time.monotonic() < end, what()
        time.sleep(0.02)
    return found


def own_lane(folder: Path, name: str) -> int:
    """A free lane for an engine, as for a machine of its own."""
    return _free_lane("192.168.124.10", str(folder / name))


class One:
    """An engine of its own folder. `lane`: where it serves."""

    def __init__(self, folder: Path, name: str, database: str, lane: int, take_over_s: float, plan: str = "", address: str = "") -> None:
        self.store, self.name = folder / name / "store", name
        self.store.mkdir(parents=True)
        (self.store / DATABASE).write_text(database + "\n")
        self._words = [str(self.store), name, str(lane), str(take_over_s), plan, address]
        self.out = folder / name / "out"
        self.process: subprocess.Popen[bytes] | None = None

    def with_keys_of(self, other: One) -> One:
        """A site has one set of keys: an operator copies them."""
        shutil.copytree(keys_beside(other.store), keys_beside(self.store), dirs_exist_ok=True)
        for sealed in other.store.glob("sealed.json"):
            shutil.copy(sealed, self.store)
        return self

    def start(self) -> One:
        env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "CROWBAR_BMC_PASSWORD": "rehearsal",
        }
        with self.out.open("ab") as out, self.out.with_suffix(".err").open("ab") as err:
            self.process = subprocess.Popen([sys.executable, PROGRAM, *self._words], stdout=out, stderr=err, env=env)
        return self

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            for number in (signal.SIGCONT, signal.SIGKILL):
                os.kill(self.process.pid, number)
            self.process.wait()

    def said(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.read_text().splitlines() if line.endswith("}")]

    def leading(self) -> dict[str, Any]:
        """`health()["leading"]`. Empty: it does not answer."""
        try:
            with Attached(self.store, timeout_s=20.0) as engine:
                answer = engine.health()
        except AttachError:
            return {}
        assert isinstance(answer, Receipt)
        assert isinstance(answer.result, dict)
        return answer.result["leading"]

    def leads(self) -> dict[str, Any]:
        """What it says of itself if it leads."""
        found = self.leading()
        return found if found.get("role") == "leader" and not found["trouble"] else {}

    def follows(self, leader: str) -> dict[str, Any]:
        found = self.leading()
        return found if found.get("role") == "standby" and found["leader"] == leader else {}

    def words(self) -> str:
        return f"{self.name}: {self.leading()}\n{self.out.read_text()[-2000:]}\n{self.out.with_suffix('.err').read_text()[-4000:]}"
