"""A recorded run to look back at: six nodes from the first packet on, with a swapped cable, a dead BMC and a failing role (`tests/past/runs.py`)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from worlds import USUAL

from crowbar_tui.console.past import PastSource
from engine.store.journal_file import JournalFile

GOLDEN = Path(__file__).parents[1] / "golden" / "console" / "past.jsonl.gz"
LATER = 3600.0
"""It is looked at so many seconds after its end."""


class Rows:
    """A journal that is all in memory."""

    def __init__(self, path: Path = GOLDEN) -> None:
        with JournalFile(path) as file:
            self._base, self._rows = file.base(), file.journal(0, 10_000)

    def base(self):
        return self._base

    def journal(self, after: int = 0, limit: int = 1000):
        return self._rows[after : after + limit]

    def last_seq(self) -> int:
        return len(self._rows)

    def close(self) -> None: ...


rows = cache(Rows)


def past(journal=None, growing: bool = False) -> PastSource:
    source = PastSource(Path("/var/lib/crowbar"), journal or rows(), USUAL, growing)
    while not source.read():
        pass
    return source


__all__ = ["GOLDEN", "LATER", "USUAL", "past", "real"]


def real(source: PastSource) -> float:
    assert source._play is not None
    return source._play.at() + LATER
