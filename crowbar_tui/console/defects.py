"""Defects of the console while it runs. What cannot be drawn costs its part of the screen, and a key that fails changes nothing else.

Each defect is one line where the part would be, one note, and one traceback in the log. The same defect is logged once in AGAIN_S seconds,
because a part is drawn several times a second.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from engine.api.views import Node, NodeRow

T = TypeVar("T")
log = logging.getLogger(__name__)

AGAIN_S = 60.0
KEPT = 50
LOG_MAX = 1_000_000
"""Bytes of the log of a console that attaches or looks back, before a new file begins."""


class Defect(NamedTuple):
    what: str
    """The part of the screen, or what was done."""
    error: str
    where: str
    """File and line of the program."""

    def __str__(self) -> str:
        return f"{self.what} failed: {self.error}"


class Defects:
    def __init__(self) -> None:
        self.found: list[Defect] = []
        """Different defects, newest last, at most KEPT."""
        self.log = ""
        """The file that has the tracebacks. Empty: none is kept."""
        self.note: Callable[[str, str], None] = lambda _text, _advice: None
        """Shows a defect to the user: a sentence and advice."""
        self._logged: dict[Defect, float] = {}

    def guarded(self, what: str, make: Callable[[], T], otherwise: Callable[[str], T]) -> T:
        """What `make` returns; if it raises, the defect is recorded, and `otherwise` gets it as a sentence."""
        try:
            return make()
        except Exception as error:
            return otherwise(str(self.record(what, error)))

    def record(self, what: str, error: Exception) -> Defect:
        """Logs the defect unless it was logged lately. A new one is also shown as a note."""
        defect = Defect(what, words_of(error), _where(error))
        now = time.monotonic()
        if now - self._logged.get(defect, -AGAIN_S) >= AGAIN_S:
            log.error("%s failed", what, exc_info=error)
            while len(self._logged) >= KEPT:
                del self._logged[next(iter(self._logged))]
            self._logged[defect] = now
        if defect not in self.found:
            self.found = [*self.found, defect][-KEPT:]
            self.note(str(defect), self.advice())
        return defect

    def advice(self) -> str:
        return f"a defect of Crowbar: report it with {self.log}" if self.log else "a defect of Crowbar: report it"


def words_of(error: BaseException) -> str:
    """The exception in one line of at most 200 characters, without its traceback."""
    told = " ".join(str(error).split())
    return f"{type(error).__name__}: {told}"[:200] if told else type(error).__name__


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else ""


def keep_log(path: Path) -> str:
    """Sends warnings and errors of this process to a file, which begins with the first of them. Returns its name, or nothing if this
    user may not write there."""
    may = os.access(path if path.exists() else path.parent, os.W_OK)
    handler: logging.Handler = logging.NullHandler()  # without a handler, Python writes warnings to the terminal
    if may:
        handler = logging.handlers.RotatingFileHandler(path, maxBytes=LOG_MAX, backupCount=1, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"))
    handler.setLevel(logging.WARNING)
    logging.getLogger().addHandler(handler)
    return str(path) if may else ""


def unreadable(node: Node) -> NodeRow:
    """The row of a node whose state cannot be computed."""
    return NodeRow(
        id=node.id,
        name=node.name,
        kind=node.kind.value,
        state="unknown",
        place=f"{node.place.rack}:{node.place.unit}" if node.place else "",
        group=node.group,
        family=node.family,
        address=node.address,
        runs=node.runs,
        signal="",
        signal_at=node.signal_at,
        since=node.since,
        done=0,
        roles=0,
        boots=node.boots,
        why=None,
    )
