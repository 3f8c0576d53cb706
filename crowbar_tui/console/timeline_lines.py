"""The timeline in characters: a life as a line, the axis, and sparklines. Pure; the console and `crowbar timeline` share it.

A stage begins with its letter, so that colours only repeat it. In a stage: `░` boots, `█` works, `·` waits, `▒` has a problem, `═` all is
done. On it: `!` a failure, `▲` a reboot, `▼` an order of a person.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.api.views import LEVELS, Cell, MachineLife, Mark, Span, levels, life_cells, ticks

from . import glyphs as g
from .formats import age
from .styled import Line

STYLE = {"discovery": "key", "hardware": "", "install": "busy", "system": "good"}
_FILL = {"boot": g.LIGHT, "work": g.FULL, "waits": g.DOT, "problem": g.GREY, "stopped": g.DOT, "done": g.DOUBLE}
_OWN = {"problem": "bad", "stopped": "ask", "done": "dim"}
MARK = {"failure": ("!", "bad"), "reboot": (g.UP, "name"), "order": (g.DOWN, "ask")}
SPARKS = f" {g.DOT}{g.LIGHT}{g.GREY}{g.HALF}{g.FULL}"
assert len(SPARKS) == LEVELS + 1

_SIGNS: Line = (
    (g.LIGHT, ""),
    (" boots  ", "dim"),
    (g.FULL, ""),
    (" works  ", "dim"),
    (g.DOT, ""),
    (" waits  ", "dim"),
    (g.DOUBLE, ""),
    (" done  ", "dim"),
    ("!", "bad"),
    (" failure  ", "dim"),
    (g.UP, "name"),
    (" reboot  ", "dim"),
    (g.DOWN, "ask"),
    (" order", "dim"),
)


def legend(columns: int) -> Line:
    """What the letters and signs mean, as long as there is room for it."""
    whole = columns >= 104
    stages = [
        (part, style) for name, of in STYLE.items() for part, style in ((name[0].upper(), of), (f"{name[1:]} " if whole else "", "dim"))
    ]
    return (*((part, style) for part, style in stages if part), (" " if whole else " stages  ", "dim"), *_SIGNS)


def life_line(life: MachineLife, span: Span) -> Line:
    """So many cells as the span has."""
    return runs([_drawn(cell) for cell in life_cells(life, span)])


def _drawn(cell: Cell) -> tuple[str, str]:
    if cell.mark:
        return MARK[cell.mark]
    if not cell.stage:
        return (" ", "")
    style = _OWN.get(cell.condition, STYLE.get(cell.stage, ""))
    if cell.starts and cell.condition not in ("problem", "done"):
        return (cell.stage[:1].upper(), STYLE.get(cell.stage, ""))
    return (_FILL[cell.condition], style)


def runs(cells: Sequence[tuple[str, str]]) -> Line:
    """Single cells as spans of one style each."""
    out: list[tuple[str, str]] = []
    for text, style in cells:
        if out and out[-1][1] == style:
            out[-1] = (out[-1][0] + text, style)
        else:
            out.append((text, style))
    return tuple(out)


def axis(span: Span, wall: Callable[[float], float], commits: Sequence[Mark]) -> Line:
    """Clock times, with a bar at the exact cell of each, and the commits of plans."""
    cells: list[tuple[str, str]] = [(" ", "")] * span.cells
    for c, label in ticks(span, wall):
        for i, letter in enumerate(f"{g.SIDE}{label}"):
            if c + i < span.cells:
                cells[c + i] = (letter, "dim")
    for mark in commits:
        if span.begins <= mark.at <= span.ends:
            cells[span.cell(mark.at)] = MARK["order"]
    return runs(cells)


def sparkline(values: Sequence[float], most: float = 0.0) -> str:
    """A cell for each value."""
    return "".join(SPARKS[level] for level in levels(values, most))


def spent_words(spent: dict[str, float]) -> Line:
    """How long each stage took: `discovery 2m10s  install 4m02s`."""
    out: list[tuple[str, str]] = []
    for stage, seconds in spent.items():
        out += [(f"{stage} ", "dim"), (f"{age(seconds)}   ", STYLE.get(stage, "dim" if stage == "ready" else ""))]
    return tuple(out)
