"""A wide terminal shows a list and the detail of the thing under the cursor side by side. Pure.

A narrow terminal shows the same list; its detail is one key away.
"""

from __future__ import annotations

from . import glyphs as g
from .screen import Screen
from .styled import Line, columns_of

WIDE = 120
"""Columns from which a terminal has room for both."""
DETAIL = 50
"""Fewest cells of a detail."""
BETWEEN = 3
"""Cells of the line between the two."""


def list_room(columns: int, full: int, least: int) -> int:
    """Cells of a list that likes to have `full`, and cuts a name below `least`: at most half of the terminal unless a name needs more."""
    return min(max(least, min(full, columns // 2)), columns - DETAIL - BETWEEN)


def body(page: Screen, columns: int, rows: int) -> list[Line]:
    """The body of the screen in so many cells and lines."""
    page.list_cells = columns
    if columns < WIDE:
        return page.body(columns, rows)
    left = max(min(page.list_width(columns), columns - DETAIL - BETWEEN), 60)
    right = columns - left - BETWEEN
    found = page.listing(left, rows)  # first: it puts the cursor on its thing
    detail = page.beside(right, rows)
    if detail is None:
        return page.body(columns, rows)
    page.list_cells = left
    found = [*found[:rows], *([()] * (rows - len(found)))]
    return columns_of(found, detail[:rows], columns, left, ((f" {g.SIDE} ", "dim"),))
