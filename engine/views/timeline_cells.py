"""A life in so many cells, and the axis above it: what a line of characters shows of a span of time. Pure, without colours.

The console and the command line draw these cells; the SVG draws the segments themselves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .timeline import FAILURE, ORDER, REBOOT, MachineLife, Segment

STEPS = (5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000)
"""Seconds between two ticks of an axis."""
LABEL = 9
"""Fewest cells between two ticks."""
_WORST = (FAILURE, ORDER, REBOOT)


class Cell(NamedTuple):
    stage: str
    """Empty: the machine was not there."""
    condition: str
    starts: bool
    """True in the first cell of a stage."""
    mark: str
    """The worst kind of mark in this cell. Empty: none."""


NOTHING = Cell("", "", False, "")


class Span(NamedTuple):
    """A stretch of engine time, drawn in so many cells."""

    begins: float
    ends: float
    cells: int

    def at(self, cell: int) -> float:
        """The time at the left edge of a cell."""
        return self.begins + (self.ends - self.begins) * cell / self.cells

    def cell(self, at: float) -> int:
        length = self.ends - self.begins
        return min(max(int((at - self.begins) / length * self.cells), 0), self.cells - 1) if length > 0 else self.cells - 1


def cells(life: MachineLife, span: Span) -> list[Cell]:
    """One cell for each column of the span. A cell shows the segment that takes most of it; a problem wins against all."""
    out = [NOTHING] * span.cells
    if span.cells <= 0 or span.ends <= span.begins:
        return out
    seen = [one for one in life.segments if one.ends > span.begins and one.begins < span.ends]
    i, last = 0, ""
    for c in range(span.cells):
        left, right = span.at(c), span.at(c + 1)
        while i < len(seen) and seen[i].ends <= left:
            i += 1
        j, best, most = i, None, 0.0
        while j < len(seen) and seen[j].begins < right:
            share = min(seen[j].ends, right) - max(seen[j].begins, left)
            if share > 0 and (best is None or _weight(seen[j], share) > most):
                best, most = seen[j], _weight(seen[j], share)
            j += 1
        if best is not None:
            out[c] = Cell(best.stage, best.condition, best.stage != last, "")
            last = best.stage
    for mark in life.marks:
        if span.begins <= mark.at <= span.ends:
            c = span.cell(mark.at)
            if not out[c].mark or _WORST.index(mark.kind) < _WORST.index(out[c].mark):
                out[c] = out[c]._replace(mark=mark.kind)
    return out


def _weight(segment: Segment, share: float) -> float:
    return share * (1000.0 if segment.condition == "problem" else 1.0)


def ticks(span: Span, wall: Callable[[float], float]) -> list[tuple[int, str]]:
    """Cells of an axis with the clock time there, at round times. Where the engine did not run, time jumps: a tick then shows the last
    round time before its cell."""
    if span.cells <= 1 or span.ends <= span.begins:
        return []
    per_cell = (span.ends - span.begins) / span.cells
    step = next((one for one in STEPS if one / per_cell >= LABEL), STEPS[-1])
    form = "%H:%M:%S" if step < 60 else "%H:%M" if step < 43_200 else "%m-%d"
    out: list[tuple[int, str]] = []
    offset = time.localtime(wall(span.begins)).tm_gmtoff
    before = (wall(span.begins) + offset) // step
    for c in range(1, span.cells):
        here = (wall(span.at(c)) + offset) // step
        if here != before and (not out or c - out[-1][0] >= LABEL):
            out.append((c, time.strftime(form, time.localtime(here * step - offset))))
        before = here
    return out


LEVELS = 5


def levels(values: Sequence[float], most: float = 0.0) -> list[int]:
    """Each value as a level from 0 (nothing) to LEVELS (the largest, or `most`)."""
    top = max([most, *values], default=0.0)
    return [0 if value <= 0 or top <= 0 else min(max(int(value / top * LEVELS + 0.999), 1), LEVELS) for value in values]


class Arrow(NamedTuple):
    """A role on one line waits for a role on another line."""

    waits: int
    on: int
    """Lines, from the top."""


def arrows(of: Sequence[Arrow], rows: int, lanes: int) -> list[str]:
    """A strip of `rows` lines and 2 * `lanes` + 1 cells: an arrow leaves the line that is waited for and points to the one that waits.
    Arrows that find no free lane are left out."""
    grid = [[" "] * (2 * lanes + 1) for _ in range(rows)]
    taken = [[False] * rows for _ in range(lanes)]
    for one in sorted(set(of), key=lambda a: (abs(a.waits - a.on), a.on, a.waits)):
        if one.waits == one.on or not (0 <= one.waits < rows and 0 <= one.on < rows):
            continue
        low, high = min(one.waits, one.on), max(one.waits, one.on)
        lane = next((n for n in range(lanes) if not any(taken[n][low : high + 1])), None)
        if lane is None:
            continue
        for y in range(low, high + 1):
            taken[lane][y] = True
        x = 2 * lane + 1
        for y in range(low + 1, high):
            grid[y][x] = "│"
        grid[low][x], grid[high][x] = "┐", "┘"
        for y in (one.waits, one.on):
            for left in range(x):
                if grid[y][left] == " ":
                    grid[y][left] = "─"
        grid[one.waits][0] = "◄"
    return ["".join(row) for row in grid]
