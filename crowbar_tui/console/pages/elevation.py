"""A rack from its top unit down, each machine at its place with its state and its fault. Pure.

It is drawn to height: one line for each unit. Where the screen is lower, the longest runs of empty units become one line first. A fault is
written beside its machine, on the lines of the machine and of the empty units below it. If those are too few, a narrow terminal inserts
lines; a wide one leaves the words to the detail beside the racks.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.api.views import NodeRow, RackView, Slot

from .. import glyphs as g
from ..formats import light_words
from ..names import apart
from ..session import Session
from ..standing import STYLE, standing
from ..styled import BLANK, Line, fit, line, wrap
from .machine import name_of

UNIT_BARS = {"ready": g.FULL * 4, "working": g.HALF * 4, "waiting": "????", "problem": "!!!!"}
EDGE = 12
"""Cells before a machine's name: unit, the rack's sides and the machine, the mark."""
NAMED = 24
"""Fewest cells of a rack without names."""
_STATES = 60
"""Cells from which name, state and fault are on one line."""


class _Run(NamedTuple):
    """Empty units, from the highest to the lowest."""

    high: int
    low: int


def elevation(session: Session, rack: RackView, wide: int, rows: int, chosen: str, insert: bool) -> list[Line]:
    """The rack in `wide` cells and, as far as folding can do that, in `rows` lines. `insert`: faults may make it higher."""
    names = apart((name_of(s.node) for s in rack.slots if s.node is not None), max(wide - EDGE - 1, 8))
    parts = _parts(rack)
    labels = {s.unit: _here(wide - EDGE) if s.here else label(session, s.node, names, wide - EDGE, s) for s in rack.slots}
    folded = _folded(parts, labels, rows)
    if not insert and _height(parts, labels, folded) > rows:
        labels = {unit: told[:1] for unit, told in labels.items()}
        folded = _folded(parts, labels, rows)
    out: list[Line] = [line((f" {rack.name}", "name"), (f"  {rack.units}U", "dim"))]
    rest: list[Line] = []
    for number, part in enumerate(parts):
        if isinstance(part, _Run):
            out += _empty(part, part in folded, rest)
            rest = []
            continue
        shown, rest = labels[part.unit][: part.height], labels[part.unit][part.height :]
        out += _machine(part, shown, wide, chosen)
        if number + 1 == len(parts) or isinstance(parts[number + 1], Slot):
            out += [_side("", "    ", "dim", more, " ") for more in rest]
            rest = []
    return out


def _folded(parts: list[Slot | _Run], labels: dict[int, list[Line]], rows: int) -> set[_Run]:
    """The runs of empty units that become one line: the longest first, until the rack fits."""
    out: set[_Run] = set()
    for run in sorted((p for p in parts if isinstance(p, _Run) and p.high > p.low), key=lambda p: p.low - p.high):
        if _height(parts, labels, out) <= rows:
            break
        out.add(run)
    return out


def _height(parts: list[Slot | _Run], labels: dict[int, list[Line]], folded: set[_Run]) -> int:
    """Lines of the rack with its head."""
    many, rest = 1, 0
    for part in parts:
        if isinstance(part, _Run):
            many += max(1 if part in folded else part.high - part.low + 1, rest)
            rest = 0
        else:
            many += rest + part.height
            rest = max(len(labels[part.unit]) - part.height, 0)
    return many + rest


def _parts(rack: RackView) -> list[Slot | _Run]:
    """Machines and runs of empty units, from the top."""
    out: list[Slot | _Run] = []
    unit = rack.units
    for slot in sorted(rack.slots, key=lambda s: -s.unit):
        top = slot.unit + slot.height - 1
        if top < unit:
            out.append(_Run(unit, top + 1))
        out.append(slot)
        unit = min(unit, slot.unit - 1)
    return [*out, _Run(unit, 1)] if unit >= 1 else out


def _empty(run: _Run, folded: bool, rest: list[Line]) -> list[Line]:
    """Empty units, with the rest of the fault of the machine above them."""
    texts = [rest[i] if i < len(rest) else BLANK for i in range(max(1 if folded else run.high - run.low + 1, len(rest)))]
    if folded:
        return [
            _side(f"{run.high}-{run.low}" if i == 0 else "", f" {g.DOT}  " if i == 0 else "    ", "dim", t) for i, t in enumerate(texts)
        ]
    return [_side(str(run.high - i), "    ", "dim", text) for i, text in enumerate(texts)]


def _side(unit: str, bar: str, style: str, text: Line, side: str = g.SIDE) -> Line:
    return ((f"{unit:>5}", "dim"), (side, "dim"), (bar, style), (side, "dim"), (" ", ""), *text)


def _machine(slot: Slot, shown: list[Line], wide: int, chosen: str) -> list[Line]:
    node = slot.node
    how = standing(node) if node is not None else ""
    how = "problem" if slot.wrong else how
    bars, style = (UNIT_BARS[how], STYLE[how]) if node is not None else (g.FULL * 4, "good") if slot.here else ("[  ]", "dim")
    out: list[Line] = []
    for i in range(slot.height):
        one = _side(str(slot.unit + slot.height - 1 - i), bars, style, shown[i] if i < len(shown) else BLANK)
        if i == 0 and node is not None and node.id == chosen:
            one = tuple((text, f"{name}+") for text, name in fit(one, wide))
        out.append(one)
    return out


def _here(room: int) -> list[Line]:
    words = "you are here: this machine runs the engine"
    return [line((" ", ""), (words if len(words) < room else "you are here", "name"))]


def label(session: Session, row: NodeRow | None, names: dict[str, str], room: int, slot: Slot | None = None) -> list[Line]:
    """Name, state and fault of a machine, in lines of `room` cells. The fault is whole. `slot`: where it stands."""
    if row is None:
        expects = slot.expects if slot is not None else ""
        words = f"empty, expects {expects}" if expects else "empty: no machine found here"
        return [line((" ", ""), (words if len(words) < room else "empty", "dim"))]
    how = standing(row)
    said, style = "", STYLE[how]
    if how in ("problem", "waiting") and row.why is not None:
        said = session.say(row.why.sentence)
    elif slot is not None and slot.wrong:
        said, style = session.say(slot.wrong), "bad"
    elif how == "working":
        said, style = f"{session.share(row) * 100:.0f}%  {row.task or row.runs}", "dim"
    name = names.get(name_of(row), name_of(row))
    state = ", ".join(one for one in (row.state, light_words(session.wall(), row.light)) if one)
    wide = max([16, *(len(one) for one in names.values())])
    mark = ("*" if row.id in session.marks else " ", "ask")
    if room >= _STATES + wide - 16:
        head = line(mark, (f"{name:<{wide}} ", "name"), (f"{state:<19} ", STYLE[how]))
        texts = wrap(said, room - wide - 2 - max(len(state), 20))
        return [(*head, (texts[0], style)), *(line((" " * (wide + 22), ""), (more, style)) for more in texts[1:])]
    state = next((one for one in (state, state.partition(", ")[2] or row.state) if 3 + len(name) + len(one) <= room), "")
    head = line(mark, (name, "name"), (f"  {state}" if state else "", STYLE[how]))
    return [head, *(line((" ", ""), (more, style)) for more in wrap(said, max(room - 2, 8)) if more)]
