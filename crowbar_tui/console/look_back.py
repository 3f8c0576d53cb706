"""Looking back: its keys, and its two lines above the next line. The screens do not know about it.

     142 of 822  outcome   node-14   raid-configure error
     09:02:11 ══════!▒▒▒▒▒══█───────!░░░░░░░────────────────────── 09:31:40  ►x10

The bar is engine time from the oldest row to the newest: `!` where a problem began, `▒` or `░` while it lasted, `█` the moment.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from engine.api.views import Stretch, short

from . import glyphs as g
from .formats import age
from .overlays import Asked, Command
from .screen import Hint
from .snapshot import Said
from .state import ConsoleState
from .styled import Line, clip, fit, line

if TYPE_CHECKING:
    from .playback import Playback
    from .snapshot import Moment

KEYS = (
    ("B", "back to now; the same key looks back again"),
    ("< >", "one event back, forward"),
    ("( )", "one minute back, forward"),
    ("[ ]", "previous problem, next problem"),
    ("{ }", "previous, next change of the node under the cursor"),
    ("0 9", "the beginning, the end"),
    ("space", "play, pause"),
    ("- +", "slower, faster: x1 x10 x100 max"),
    ("T", "go to a time: 14:05, 14:05:30, 2026-03-01 14:05, -5m, +90s"),
)
ROWS = 2
"""Lines that it takes from the body."""


def hints(state: ConsoleState) -> list[Hint]:
    moment = state.snapshot.moment
    playing = moment is not None and moment.playing
    out = [
        Hint("<>", "event"),
        Hint("()", "minute"),
        Hint("[]", "problem"),
        Hint("{}", "node"),
        Hint("space", "pause" if playing else "play"),
        Hint("+-", moment.speed if moment is not None else ""),
        Hint("T", "time"),
        Hint("B", "now"),
    ]
    return out if state.beside is not None else out[:-1]


# -- keys -------------------------------------------------------------------------------------------------------------


def press(state: ConsoleState, key: str) -> bool:
    """Handles a key that moves the moment. False if the key is another one."""
    past = state.past
    if past is None:
        return False
    moves: dict[str, Callable[[Playback], object]] = {
        "<": lambda p: p.step(-1),
        ">": lambda p: p.step(1),
        "(": lambda p: p.minutes(-1),
        ")": lambda p: p.minutes(1),
        "[": lambda p: p.problem(-1),
        "]": lambda p: p.problem(1),
        "0": lambda p: p.end(-1),
        "9": lambda p: p.end(1),
        "space": lambda p: p.play(),
        "-": lambda p: p.faster(-1),
        "+": lambda p: p.faster(1),
        "=": lambda p: p.faster(1),
    }
    if key in moves:
        past.do(moves[key])
    elif key in ("{", "}"):
        node_change(state, 1 if key == "}" else -1)
    elif key == "T":
        state.overlay = Asked(state, "look back at: 14:05, 14:05:30, 2026-03-01 14:05, -5m, +90s", lambda typed: _to_time(state, typed))
    else:
        return False
    return True


def node_change(state: ConsoleState, direction: int) -> None:
    subject = state.page.subject()
    node = state.node(subject.nodes[0]) if subject.nodes else None
    if state.past is None or node is None:
        state.note(Said(False, "no node is under the cursor: select one, then press { or }"))
        return
    id_, name = node.id, short(node.name)
    state.past.do(lambda p: p.change(id_, name, direction))


def _to_time(state: ConsoleState, typed: str) -> None:
    said = state.past.go_to(typed) if state.past is not None else None
    if said is not None:
        state.note(said)


def commands(state: ConsoleState) -> list[Command]:
    """The same by name, for the palette, because keyboards differ."""
    names = {
        "<": "one event back",
        ">": "one event forward",
        "(": "one minute back",
        ")": "one minute forward",
        "[": "previous problem",
        "]": "next problem",
        "{": "node's previous change",
        "}": "node's next change",
        "0": "beginning",
        "9": "end of the journal",
        "space": "play or pause",
        "+": "faster",
        "-": "slower",
        "T": "go to a time",
    }
    return [Command(name, f"look back, {key}", partial(_press, state, key)) for key, name in names.items()]


def _press(state: ConsoleState, key: str) -> None:
    press(state, key)


# -- lines ------------------------------------------------------------------------------------------------------------


def rule(state: ConsoleState, columns: int) -> Line:
    """The rule above the two lines. Its right end shows the rack now, which continues meanwhile."""
    text, now = f" {clip(said(state), columns - 4)} ", present(state)
    room = columns - 2 - len(text)
    if not now or room < len(now) + 2:
        return ((g.RULE, "dim"), (text, "ask"), (g.RULE * (room + 1), "dim"))
    style = "bad" if state.beside is not None and state.beside.counts["problem"] else "dim"
    return ((g.RULE, "dim"), (text, "ask"), (g.RULE * (room - len(now)), "dim"), (now, style), (g.RULE, "dim"))


def present(state: ConsoleState) -> str:
    if state.beside is None:
        return ""
    many = state.beside.counts["problem"]
    problems = f", {many} problem{'s' if many > 1 else ''}" if many else ""
    return f" now {state.beside.counts['ready']} ready{problems} "


def said(state: ConsoleState) -> str:
    moment = state.snapshot.moment
    if moment is None:
        return ""
    if not moment.last:
        return "look back: the journal is empty"
    day = time.strftime("%a %Y-%m-%d %H:%M:%S", time.localtime(state.wall()))
    where = "the end" if moment.seq >= moment.last else ""
    if moment.seq <= moment.first:
        where = "the oldest kept event" if moment.first else "the beginning"
    return f"look back at {day}, {age(state.real() - state.wall())} ago" + (f": {where}" if where else "")


def lines(state: ConsoleState, columns: int) -> list[Line]:
    moment = state.snapshot.moment
    if moment is None:
        return [line()] * ROWS
    return [event(state, moment, columns), bar_line(moment, columns)]


def event(state: ConsoleState, moment: Moment, columns: int) -> Line:
    many = f" {moment.seq - moment.first} of {moment.last - moment.first}  "
    told = moment.told
    if not told:
        return fit(line((many, "dim"), ("before the first event" if moment.last > moment.first else "no event", "dim")), columns)
    name = str(told.get("node") or "")
    node = state.rows.get(name)
    who = short(node.name if node is not None else name) if name else str(told.get("mac") or "")
    bad = "problem" in told or "reason" in told or "error" in (told.get("roles") or {}).values()
    head = line((many, "dim"), (f"{told['type']}  ", "bad" if bad else "busy"), (f"{who}  " if who else "", "name"))
    room = columns - sum(len(t) for t, _ in head)
    return fit((*head, (clip(state.say(str(told.get("text") or "")), max(room, 0)), "bad" if bad else "")), columns)


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
    for text, style in cells:
        if out and out[-1][1] == style:
            out[-1] = (out[-1][0] + text, style)
        else:
            out.append((text, style))
    return tuple(out)
