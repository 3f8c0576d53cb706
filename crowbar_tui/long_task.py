"""A long task of the command line: its progress as a bar (a terminal), as lines (a file or pipe) or as JSON lines (`--json`). Ctrl-C and
SIGTERM cancel it, and leave nothing half.

    with LongTask("bundle rack.crowbar", arguments.json) as task:
        task.step("writing 12 parts")     what it does now
        task.moved(512, 1024)             octets done, and of how many (0: unknown)

A JSON line is {"type": "progress", "task", "step", "done", "total", "seconds"}. A terminal sees the bar on standard error, so that what the
command prints stays clean.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from types import FrameType, TracebackType
from typing import Any

EVERY_S = 1.0
"""Seconds between two JSON lines of the same step."""


class Cancelled(KeyboardInterrupt):
    """The user ended the task."""


class LongTask:
    """Use as a context. Raises Cancelled at a SIGTERM, and KeyboardInterrupt at Ctrl-C."""

    def __init__(self, task: str, as_json: bool) -> None:
        self._task = task
        self._json = as_json
        self._step = ""
        self._done = self._total = 0
        self._begun = time.monotonic()
        self._said = -EVERY_S
        self._bar: Any = None
        self._row: Any = None
        self._before: Any = None

    def __enter__(self) -> LongTask:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, _cancel)
        if not self._json and sys.stderr.isatty():
            self._bar = _bar()
            self._row = self._bar.add_task(self._task, total=None)
            self._bar.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _where: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
        if isinstance(error, KeyboardInterrupt):
            if self._json:
                self._line("cancelled")
            print(f"crowbar: {self._task}: cancelled; nothing was changed", file=sys.stderr)
            raise SystemExit(130) from None

    def step(self, text: str) -> None:
        """What the task does now. The octets of the step before count no longer."""
        self._step, self._done, self._total = text, 0, 0
        if self._bar is not None:
            self._bar.update(self._row, description=f"{self._task}: {text}", completed=0, total=None)
        elif self._json:
            self._line()
        else:
            print(f"{time.monotonic() - self._begun:5.0f} s  {text}", flush=True)

    def moved(self, done: int, total: int = 0) -> None:
        """Octets (or things) that are done, and of how many. 0: unknown."""
        self._done, self._total = done, total
        if self._bar is not None:
            self._bar.update(self._row, completed=done, total=total or None)
        elif self._json and time.monotonic() - self._said >= EVERY_S and time.monotonic() - self._begun >= EVERY_S:
            self._line()

    def _line(self, step: str = "") -> None:
        self._said = time.monotonic()
        seconds = round(self._said - self._begun, 1)
        row = {"type": "progress", "task": self._task, "step": step or self._step, "done": self._done, "total": self._total}
        print(json.dumps({**row, "seconds": seconds}), flush=True)


def _cancel(_number: int, _frame: FrameType | None) -> None:
    raise Cancelled


def _bar() -> Any:
    """The bar of a terminal. It goes when the task has ended."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(show_speed=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True, highlight=False), transient=True)
