"""A node that is a folder, for jigs whose tool runs in the attempt: one jig after another on it, as engines come and go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jig_orders import Inbox, order
from test_jigs_script import FakeSsh

from engine.events import Outcome
from engine.jigs.logs import Logs
from engine.jigs.script import ScriptJig


class Rig:
    def __init__(self, path: Path, jig: str) -> None:
        self.path, self._name = path, jig
        self.ssh = FakeSsh(path / "node")
        self.logs = Logs(path / "logs")
        self.folder = path / "role"
        self._jigs: list[ScriptJig] = []
        self.again()

    def again(self) -> None:
        """A new engine."""
        self.inbox = Inbox()
        self.jig = ScriptJig(self.inbox, self.logs, self.ssh.pool, tool=(str(self.ssh.tool),), workers=2, name=f"jig-{self._name}")
        self._jigs.append(self.jig)

    def write(self, name: str, text: str) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def start(self, attempt: str = "ab-1.0", **more: Any) -> None:
        """Orders the role of the folder."""
        attribute = self.ssh.tool.parent / "attribute"
        if not attribute.exists():
            attribute.parent.mkdir(parents=True, exist_ok=True)
            attribute.symlink_to(Path(__file__).parents[2] / "images/node/attribute")
        self.jig.start(order(attempt, folder=self.folder, jig=self._name, target=self.ssh.target, **more))

    def run(self, attempt: str = "ab-1.0", **more: Any) -> Outcome:
        """Its outcome."""
        count = len(self.inbox.outcomes)
        self.start(attempt, **more)
        return self.inbox.wait(count + 1)[count]

    def log(self, attempt: str = "ab-1.0") -> str:
        return self.logs.path(attempt).read_text()

    def close(self) -> None:
        for jig in self._jigs:
            jig.close()


@contextmanager
def rig_of(path: Path, jig: str) -> Iterator[Rig]:
    rig = Rig(path, jig)
    try:
        yield rig
    finally:
        rig.close()


def reason(outcome: Outcome) -> tuple[str, dict[str, Any]]:
    assert outcome.failure is not None, outcome
    return outcome.failure.code, dict(outcome.failure.fields)
