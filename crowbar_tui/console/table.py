"""Columns: which of them fit, how wide each is, and the lines of head and rows. Pure.

A column has a least width and may grow; those with `wide` come in only where the terminal has so many columns. What is
left over goes to the columns that grow, in proportion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .ink import Line, Span, clip

GAP = 2


class Col(NamedTuple):
    key: str
    head: str
    width: int
    right: bool = False
    grow: int = 0
    most: int = 0
    """It grows no wider than this; 0: as wide as there is room."""
    wide: int = 0
    gap: int = GAP
    """Cells between it and the column before."""


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
    """Cells by the key of their column; text that is too long is clipped."""
    out: list[Span] = []
    for i, (c, room) in enumerate(of):
        if i:
            out.append((" " * c.gap, ""))
        cell = cells.get(c.key, "")
        if isinstance(cell, str):
            out.append(_set(cell, "", room, c.right))
        elif cell and isinstance(cell[0], tuple):
            out += _spans(cell, room)
        elif cell:
            out.append(_set(cell[0], cell[1], room, c.right))  # type: ignore[arg-type]
        else:
            out.append((" " * room, ""))
    return tuple(out)


def _set(text: str, ink: str, room: int, right: bool) -> Span:
    text = clip(text, room)
    return (text.rjust(room) if right else text.ljust(room), ink)


def _spans(cell: Line, room: int) -> list[Span]:
    out = []
    for text, ink in cell:
        piece = text[:room]
        room -= len(piece)
        out.append((piece, ink))
    if room:
        out.append((" " * room, ""))
    return out
