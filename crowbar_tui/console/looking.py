"""Looking back: its keys, its two lines above the next one, and what is said of it. The screens know nothing of this.

     142 of 822  outcome   node-14   raid-configure error
     09:02:11 ══════!▒▒▒▒▒══█───────!░░░░░░░────────────────────── 09:31:40  ►x10

The bar is engine time from the oldest row to the newest: `!` where a problem began, `▒` or `░` while one stood, `█` the moment.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.views.show import Stretch, short

from . import glyphs as g
from .ink import Line, clip, fit, line
from .overlays import Asked, Command
from .page import Hint
from .source import Said
from .words import age

if TYPE_CHECKING:
    from .desk import Desk
    from .past import Moment
    from .playback import Playback

KEYS = (
    ("B", "back to now; the same key looks back again"),
    ("< >", "one event back, on"),
    ("( )", "one minute back, on"),
    ("[ ]", "the problem before, the next one"),
    ("{ }", "to where the node under the cursor changed: before, next"),
    ("0 9", "the beginning, the end"),
    ("space", "play, pause"),
    ("- +", "slower, faster: x1 x10 x100 max"),
    ("T", "go to a time: 14:05, 14:05:30, 2026-03-01 14:05, -5m, +90s"),
)
ROWS = 2
"""Lines that it takes from the body."""


def hints(desk: Desk) -> list[Hint]:
    moment = desk.snapshot.moment
    playing = moment is not None and moment.playing
    out = [
        Hint("<>", "event"), Hint("()", "minute"), Hint("[]", "problem"), Hint("{}", "node"), Hint("space", "pause" if playing else "play"),
        Hint("+-", moment.speed if moment is not None else ""), Hint("T", "time"), Hint("B", "now"),
    ]  # fmt: skip
    return out if desk.beside is not None else out[:-1]


# -- keys -------------------------------------------------------------------------------------------------------------


def press(desk: Desk, key: str) -> bool:
    """A key that moves the moment; true: it was one."""
    past = desk.past
    if past is None:
        return False
    moves: dict[str, Callable[[Playback], object]] = {
        "<": lambda p: p.step(-1), ">": lambda p: p.step(1), "(": lambda p: p.minutes(-1), ")": lambda p: p.minutes(1),
        "[": lambda p: p.problem(-1), "]": lambda p: p.problem(1), "0": lambda p: p.end(-1), "9": lambda p: p.end(1),
        "space": lambda p: p.play(), "-": lambda p: p.faster(-1), "+": lambda p: p.faster(1), "=": lambda p: p.faster(1),
    }  # fmt: skip
    if key in moves:
        past.do(moves[key])
    elif key in ("{", "}"):
        node_change(desk, 1 if key == "}" else -1)
    elif key == "T":
        desk.overlay = Asked(desk, "look back at: 14:05, 14:05:30, 2026-03-01 14:05, -5m, +90s", lambda typed: _to_time(desk, typed))
    else:
        return False
    return True


def node_change(desk: Desk, direction: int) -> None:
    subject = desk.page.subject()
    node = desk.node(subject.nodes[0]) if subject.nodes else None
    if desk.past is None or node is None:
        desk.note(Said(False, "no node is under the cursor: choose one, then press { or }"))
        return
    id_, name = node.id, short(node.name)
    desk.past.do(lambda p: p.change(id_, name, direction))


def _to_time(desk: Desk, typed: str) -> None:
    said = desk.past.go_to(typed) if desk.past is not None else None
    if said is not None:
        desk.note(said)


def refusal(desk: Desk) -> Said:
    way = "B returns to now" if desk.beside is not None else "q leaves"
    return Said(False, "this is a look back: nothing can be done to the past", way)


def commands(desk: Desk) -> list[Command]:
    """For the palette: keyboards differ, names do not."""
    names = {
        "<": "one event back", ">": "one event on", "(": "one minute back", ")": "one minute on", "[": "problem before",
        "]": "next problem", "{": "node's change before", "}": "node's next change", "0": "beginning", "9": "end of the journal",
        "space": "play or pause", "+": "faster", "-": "slower", "T": "go to a time",
    }  # fmt: skip
    return [Command(name, f"look back, {key}", lambda key=key: _press(desk, key)) for key, name in names.items()]  # type: ignore[misc]


def _press(desk: Desk, key: str) -> None:
    press(desk, key)


# -- lines ------------------------------------------------------------------------------------------------------------


def rule(desk: Desk, columns: int) -> Line:
    """The rule over the two lines; at its right end how the rack is now, since it goes on meanwhile."""
    text, now = f" {clip(said(desk), columns - 4)} ", present(desk)
    room = columns - 2 - len(text)
    if not now or room < len(now) + 2:
        return ((g.RULE, "dim"), (text, "ask"), (g.RULE * (room + 1), "dim"))
    ink = "bad" if desk.beside is not None and desk.beside.counts["problem"] else "dim"
    return ((g.RULE, "dim"), (text, "ask"), (g.RULE * (room - len(now)), "dim"), (now, ink), (g.RULE, "dim"))


def present(desk: Desk) -> str:
    if desk.beside is None:
        return ""
    many = desk.beside.counts["problem"]
    problems = f", {many} problem{'s' if many > 1 else ''}" if many else ""
    return f" now {desk.beside.counts['ready']} ready{problems} "


def said(desk: Desk) -> str:
    moment = desk.snapshot.moment
    if moment is None:
        return ""
    if not moment.last:
        return "look back: the journal is empty"
    day = time.strftime("%a %Y-%m-%d %H:%M:%S", time.localtime(desk.wall()))
    where = "the end" if moment.seq >= moment.last else ""
    if moment.seq <= moment.first:
        where = "the oldest that is kept" if moment.first else "the beginning"
    return f"look back at {day}, {age(desk.real() - desk.wall())} ago" + (f": {where}" if where else "")


def lines(desk: Desk, columns: int) -> list[Line]:
    moment = desk.snapshot.moment
    if moment is None:
        return [line()] * ROWS
    return [event(desk, moment, columns), bar_line(moment, columns)]


def event(desk: Desk, moment: Moment, columns: int) -> Line:
    many = f" {moment.seq - moment.first} of {moment.last - moment.first}  "
    told = moment.told
    if not told:
        return fit(line((many, "dim"), ("before the first event" if moment.last > moment.first else "no event", "dim")), columns)
    name = str(told.get("node") or "")
    node = desk.rows.get(name)
    who = short(node.name if node is not None else name) if name else str(told.get("mac") or "")
    bad = "problem" in told or "reason" in told or "error" in (told.get("roles") or {}).values()
    head = line((many, "dim"), (f"{told['type']}  ", "bad" if bad else "busy"), (f"{who}  " if who else "", "name"))
    room = columns - sum(len(t) for t, _ in head)
    return fit((*head, (clip(desk.say(str(told.get("text") or "")), max(room, 0)), "bad" if bad else "")), columns)


def bar_line(moment: Moment, columns: int) -> Line:
    left, right = _label(moment.begins, moment.ends), _label(moment.ends, moment.begins)
    status = f"{g.RIGHT}{moment.speed}" if moment.playing else "paused"
    room = max(columns - len(left) - len(right) - 11, 8)
    head, tail = line((f" {left} ", "dim")), line((f" {right}  ", "dim"), (f"{status:<6}", "busy" if moment.playing else "ask"))
    return fit((*head, *bar(moment.stretch, moment.now, room), *tail), columns)


def _label(at: float, other: float) -> str:
    form = "%H:%M:%S" if abs(at - other) < 86_400 else "%m-%d %H:%M"
    return time.strftime(form, time.localtime(at)) if at else "--:--:--"


def bar(stretch: Stretch, now: float, columns: int) -> Line:
    """So many cells."""
    length = stretch.ends - stretch.begins

    def cell(at: float) -> int:
        return min(max(int((at - stretch.begins) / length * (columns - 1) + 0.5), 0), columns - 1) if length > 0 else 0

    here = cell(now) if length > 0 else columns - 1
    cells = [(g.DOUBLE, "busy") if i < here else (g.RULE, "dim") for i in range(columns)]
    for begun, ended in stretch.bad:
        for i in range(cell(begun), cell(ended) + 1):
            cells[i] = (g.GREY if i < here else g.LIGHT, "ask")
    for at in stretch.problems:
        cells[cell(at)] = ("!", "bad")
    cells[here] = (g.FULL, "name")
    out: list[tuple[str, str]] = []
    for text, ink in cells:
        if out and out[-1][1] == ink:
            out[-1] = (out[-1][0] + text, ink)
        else:
            out.append((text, ink))
    return tuple(out)
