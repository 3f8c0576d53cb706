"""What a screen shows, as a file: a table as CSV or as aligned text, other screens as the lines that they draw. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

from ..spreadsheet import spreadsheet
from .screen import Screen
from .styled import clean, plain

WIDE, HIGH = 200, 10_000
"""Cells and lines in which a screen that is no table is drawn for a file."""
ROWS = 100_000
"""Most rows of a file."""


def is_csv(name: str) -> bool:
    return name.lower().endswith(".csv")


def of(page: Screen, name: str) -> tuple[str, str]:
    """The text of a file with this name, and what it holds in words. The end of the name decides: `.csv` is a table for spreadsheets.
    Raises ValueError with a sentence."""
    table = page.table()[: ROWS + 1]
    if table:
        many = f"{len(table) - 1} line{'' if len(table) == 2 else 's'} of {page.name}"
        cleaned = [[clean(cell) for cell in row] for row in table]
        return (spreadsheet(cleaned) if is_csv(name) else aligned(cleaned)), many
    if is_csv(name):
        raise ValueError(f"the screen {page.name} is text and no table: give a name that does not end in .csv")
    return "\n".join(lines_of(page)) + "\n", f"the screen {page.name}"


def lines_of(page: Screen) -> list[str]:
    """All lines of a screen that is text. A copy draws them, so that the screen stays scrolled as it is."""
    lines = [plain(one).rstrip() for one in copy(page).body(WIDE, HIGH)]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def aligned(table: Sequence[Sequence[str]]) -> str:
    """Columns with two blanks between them, nothing cut. Empty columns are left out."""
    head, *rows = table
    used = [i for i in range(len(head)) if any(row[i] for row in rows)] or list(range(len(head)))
    wide = {i: max(len(row[i]) for row in table) for i in used}
    return "\n".join("  ".join(f"{row[i]:<{wide[i]}}" for i in used).rstrip() for row in table) + "\n"
