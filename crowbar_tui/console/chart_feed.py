"""Keeps the timeline of a session current. It reads the journal in the session's jobs, a piece at a time, and only while somebody looks.

A store's journal is opened anew for each job, because each job is another thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.api.views import Chart, ChartView, Journal, JournalFile, Store

PIECE = 500
"""Rows that are read at once."""
KIND_S = 0.002
"""Pause between pieces, in seconds: the engine may be in this process."""
PACE_S = 1.0
"""Shortest time between two jobs, in seconds."""


def open_journal(where: Path) -> Journal:
    """The journal of a store or of an exported file. Raises StoreError."""
    return JournalFile(where) if where.is_file() else Store.read(where)


class ChartFeed:
    def __init__(self, where: Path | str) -> None:
        self._where = Path(where)
        self.view: ChartView | None = None
        """None: it was not read yet."""
        self.trouble = ""
        """Why the journal cannot be read."""
        self._chart: Chart | None = None
        self._busy = False
        self._asked = -PACE_S

    def ask(self, last: int, work: Callable[[Callable[[], Any], Callable[[Any], None]], None]) -> None:
        """Reads what is new up to row `last`, if there is something, and not more often than once in PACE_S. Returns at once. `work`: as of
        `Session.work`."""
        now = time.monotonic()
        if self._busy or (self.view is not None and self.view.seq >= last) or now - self._asked < PACE_S:
            return
        self._busy, self._asked = True, now
        work(self._read, self._done)

    def _read(self) -> ChartView:
        journal = open_journal(self._where)
        try:
            if self._chart is None:
                self._chart = self._from_the_beginning(journal)
            while rows := journal.journal(self._chart.seq, PIECE):
                if rows[0].seq != self._chart.seq + 1:  # rows were deleted meanwhile
                    self._chart = self._from_the_beginning(journal)
                    continue
                for row in rows:
                    self._chart.take(row)
                time.sleep(KIND_S)
            return self._chart.view()
        finally:
            journal.close()

    def _from_the_beginning(self, journal: Journal) -> Chart:
        base, seq = journal.base()
        first = journal.journal(seq, 1)
        return Chart(base, first[0].now if first else 0.0, seq)

    def _done(self, found: ChartView | Exception) -> None:
        self._busy = False
        if isinstance(found, Exception):
            self.trouble, self._chart = str(found), None
        else:
            self.view, self.trouble = found, ""
