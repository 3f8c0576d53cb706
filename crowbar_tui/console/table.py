"""Columns: which of them fit, their widths, and the lines of head and rows. Pure.

A column has a minimum width and may grow. A column with `wide` appears only in terminals with so many columns. Columns that grow share
the free space in proportion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .styled import Line, Span, clip

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


Cell = Span | str | Line
Layout = list[tuple[Col, int]]


def layout(columns: Sequence[Col], room: int) -> Layout:
    shown = [c for c in columns if c.wide <= room]
    widths = {c.key: c.width for c in shown}
    left = room - sum(c.width for c in shown) - sum(c.gap for c in shown[1:])
    growing = [c for c in shown if c.grow]
    while left > 0 and growing:
        total = sum(c.grow for c in growing)
        given = 0
        for c in list(growing):
            share = max(left * c.grow // total, 1)
            top = c.most - widths[c.key] if c.most else share
            more = min(share, top, left - given)
            widths[c.key] += more
            given += more
            if c.most and widths[c.key] >= c.most:
                growing.remove(c)
        if not given:
            break
        left -= given
    return [(c, widths[c.key]) for c in shown]


def head(of: Layout) -> Line:
    out: list[Span] = []
    for i, (c, cells) in enumerate(of):
        if i:
            out.append((" " * c.gap, ""))
        text = c.head[:cells]
        out.append((text.rjust(cells) if c.right else text.ljust(cells), "head"))
    return tuple(out)


def row(of: Layout, cells: Mapping[str, Cell]) -> Line:
    """A row from cells by the key of their column. Long text is clipped."""
    out: list[Span] = []
    for i, (c, room) in enumerate(of):
        if i:
            out.append((" " * c.gap, ""))
        cell = cells.get(c.key, "")
        if isinstance(cell, str):
            out.append(_set(cell, "", room, c.right))
        elif cell and isinstance(cell[0], tuple):
            out += _spans(cell, room)
        elif cell and isinstance(cell[1], str):
            out.append(_set(cell[0], cell[1], room, c.right))
        else:
            out.append((" " * room, ""))
    return tuple(out)


def _set(text: str, style: str, room: int, right: bool) -> Span:
    text = clip(text, room)
    return (text.rjust(room) if right else text.ljust(room), style)


def _spans(cell: Line, room: int) -> list[Span]:
    out = []
    for text, style in cell:
        piece = text[:room]
        room -= len(piece)
        out.append((piece, style))
    if room:
        out.append((" " * room, ""))
    return out
