"""Columns: which of them fit, their widths, and the lines of head and rows. Pure.

A column has a usual width. What its texts need can take its place (`needs`). If the columns then need more than there is:

1. columns with `drop` go, the highest number first
2. columns with `least` shrink to it
3. columns of names shrink; `names.apart` cuts their texts

If they need less, columns that grow share the free space in proportion. A column with `wide` appears only with so much room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .styled import Line, Span, clip, fit, shorten

GAP = 2


class Col(NamedTuple):
    key: str
    head: str
    width: int
    right: bool = False
    grow: int = 0
    most: int = 0
    """Widest width. 0: no limit."""
    wide: int = 0
    gap: int = GAP
    """Cells between this column and the previous one."""
    least: int = 0
    """Narrowest width. 0: the column does not shrink."""
    drop: int = 0
    """Columns with a number go before any column shrinks, the highest first. 0: it stays."""
    names: bool = False
    """Its texts tell things apart: it shrinks last, and its texts are cut in the middle."""


Cell = Span | str | Line
Layout = list[tuple[Col, int]]


def layout(columns: Sequence[Col], room: int, needs: Mapping[str, int] | None = None) -> Layout:
    """`needs`: key of a column -> cells of its widest text."""
    shown = [c for c in columns if c.wide <= room]
    widths = {c.key: _wanted(c, needs or {}) for c in shown}

    def total(least: bool = False) -> int:
        each = (min(c.least or widths[c.key], widths[c.key]) if least and not c.names else widths[c.key] for c in shown)
        return sum(each) + sum(c.gap for c in shown[1:])

    while total(least=True) > room and (some := [c for c in shown if c.drop]):
        shown.remove(max(some, key=lambda c: c.drop))
    for c in sorted((c for c in shown if c.least), key=lambda c: c.names):
        widths[c.key] -= min(max(total() - room, 0), max(widths[c.key] - c.least, 0))
    _grow([c for c in shown if c.grow], widths, room - total())
    return [(c, widths[c.key]) for c in shown]


def choose(columns: Sequence[Col], keys: Sequence[str]) -> Sequence[Col]:
    """The columns with these keys, in this order, after the mark. They appear however narrow the terminal is. Without keys: all of them."""
    if not keys:
        return columns
    mark = [c for c in columns if c.key == "mark"]
    by_key = {c.key: c for c in columns}
    chosen = [by_key[key]._replace(wide=0) for key in keys if key in by_key]
    return (*mark, *(c if i == 0 and c.gap == 0 else c._replace(gap=max(c.gap, 1)) for i, c in enumerate(chosen)))


def _wanted(column: Col, needs: Mapping[str, int]) -> int:
    if column.key not in needs:
        return column.width
    need = max(needs[column.key], len(column.head))
    return min(need, column.most) if column.most else need


def _grow(growing: list[Col], widths: dict[str, int], left: int) -> None:
    while left > 0 and growing:
        total = sum(c.grow for c in growing)
        given = 0
        for c in list(growing):
            share = max(left * c.grow // total, 1)
            top = c.most - widths[c.key] if c.most else share
            more = max(min(share, top, left - given), 0)
            widths[c.key] += more
            given += more
            if c.most and widths[c.key] >= c.most:
                growing.remove(c)
        if not given:
            break
        left -= given


def natural_width(columns: Sequence[Col], needs: Mapping[str, int], least: bool = False) -> int:
    """Cells in which all columns have what their texts need. `least`: without the columns that may go, and the others at their least."""
    shown = [c for c in columns if not c.wide and not (least and c.drop)]
    each = ((min(c.least, w) if least and c.least and not c.names else w) for c in shown for w in (_wanted(c, needs),))
    return sum(each) + sum(c.gap for c in shown[1:])


def cells_of(of: Layout, key: str) -> int:
    """The width of a column. 0: it is not shown."""
    return next((cells for c, cells in of if c.key == key), 0)


def head(of: Layout) -> Line:
    out: list[Span] = []
    for i, (c, cells) in enumerate(of):
        if i:
            out.append((" " * c.gap, ""))
        text = c.head[:cells]
        out.append((text.rjust(cells) if c.right else text.ljust(cells), "head"))
    return tuple(out)


def row(of: Layout, cells: Mapping[str, Cell]) -> Line:
    """A row from cells by the key of their column. Long text is cut with a mark: a name in the middle, other text at its end."""
    out: list[Span] = []
    for i, (c, room) in enumerate(of):
        if i:
            out.append((" " * c.gap, ""))
        cell = cells.get(c.key, "")
        if isinstance(cell, str):
            out.append(_set(cell, "", room, c))
        elif cell and isinstance(cell[0], tuple):
            out += fit(cell, room)
        elif cell and isinstance(cell[1], str):
            out.append(_set(cell[0], cell[1], room, c))
        else:
            out.append((" " * room, ""))
    return tuple(out)


def _set(text: str, style: str, room: int, column: Col) -> Span:
    text = shorten(text, room) if column.names else clip(text, room)
    return (text.rjust(room) if column.right else text.ljust(room), style)
