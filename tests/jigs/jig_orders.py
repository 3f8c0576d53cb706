"""Orders, and a place where outcomes arrive, for the tests of jigs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from engine.definitions import RoleDef
from engine.effects import Start
from engine.events import Outcome
from engine.jigs import Order
from engine.model import Node

DEADLINE_S = 60.0


def order(
    attempt: str = "ab-1.0",
    *,
    folder: Path | None = None,
    node: str = "n1",
    boot_id: str = "boot-1",
    action: Literal["run", "verify"] = "run",
    resume: bool = False,
    gives: tuple[str, ...] = (),
    timeout_s: float = 60.0,
    jig: str = "agent",
    batch: int = 1,
    role_name: str = "demo",
    **more: Any,
) -> Order:
    return Order(
        start=Start(attempt=attempt, node=node, role="demo", action=action, resume=resume),
        node=Node(id=node, name=f"{node}-name", boot_id=boot_id),
        role=RoleDef(name=role_name, barclamp="demos", stage="system", jig=jig, gives=gives, delay_s=2.0, batch=batch),
        folder=str(folder) if folder else "",
        timeout_s=timeout_s,
        **more,
    )


def role_folder(folder: Path, run: str, **others: str) -> Path:
    """A role's folder with `run` and other files, scripts of sh."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"run": run, **others}.items():
        file = folder / name
        file.write_text("#!/bin/sh\n" + text + "\n" if not name.endswith(".txt") else text)
        file.chmod(0o755)
    return folder


class Inbox:
    """A lane that can be full."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.full = 0
        """How many of the next events are refused."""
        self.refused = 0
        self._changed = threading.Condition()

    def __call__(self, event: Outcome) -> bool:
        with self._changed:
            if self.full:
                self.full -= 1
                self.refused += 1
                return False
            self.outcomes.append(event)
            self._changed.notify_all()
            return True

    def wait(self, count: int = 1) -> list[Outcome]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.outcomes) >= count, DEADLINE_S), self.outcomes
            return list(self.outcomes)


def until(what: Callable[[], Any]) -> Any:
    """Waits for a state, and returns it."""
    end = time.monotonic() + DEADLINE_S
    while not (found := what()):
        assert time.monotonic() < end, "that state did not come"
        time.sleep(0.005)
    return found
