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
from .formats import ago
from .overlays import Asked
from .palette import Command
from .screen import Hint
from .session import Session
from .snapshot import Said
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


def hints(session: Session) -> list[Hint]:
    moment = session.snapshot.moment
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
    return out if session.beside is not None else out[:-1]


# -- keys -------------------------------------------------------------------------------------------------------------


def press(session: Session, key: str) -> bool:
    """Handles a key that moves the moment. False if the key is another one."""
    past = session.past
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
        node_change(session, 1 if key == "}" else -1)
    elif key == "T":
        session.overlay = Asked(
            session, "look back at: 14:05, 14:05:30, 2026-03-01 14:05, -5m, +90s", lambda typed: _to_time(session, typed)
        )
    else:
        return False
    return True


def node_change(session: Session, direction: int) -> None:
    subject = session.page.subject()
    node = session.node(subject.nodes[0]) if subject.nodes else None
    if session.past is None or node is None:
        session.note(Said(False, "no node is under the cursor: select one, then press { or }"))
        return
    id_, name = node.id, short(node.name)
    session.past.do(lambda p: p.change(id_, name, direction))


def _to_time(session: Session, typed: str) -> None:
    said = session.past.go_to(typed) if session.past is not None else None
    if said is not None:
        session.note(said)


def commands(session: Session) -> list[Command]:
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
    return [Command(name, f"look back, {key}", partial(_press, session, key)) for key, name in names.items()]


def _press(session: Session, key: str) -> None:
    press(session, key)


# -- lines ------------------------------------------------------------------------------------------------------------


def rule(session: Session, columns: int) -> Line:
    """The rule above the two lines. Its right end shows the rack now, which continues meanwhile."""
    text, now = f" {clip(said(session), columns - 4)} ", present(session)
    room = columns - 2 - len(text)
    if not now or room < len(now) + 2:
        return ((g.RULE, "dim"), (text, "ask"), (g.RULE * (room + 1), "dim"))
    style = "bad" if session.beside is not None and session.beside.counts["problem"] else "dim"
    return ((g.RULE, "dim"), (text, "ask"), (g.RULE * (room - len(now)), "dim"), (now, style), (g.RULE, "dim"))


def present(session: Session) -> str:
    if session.beside is None:
        return ""
    many = session.beside.counts["problem"]
    problems = f", {many} problem{'s' if many > 1 else ''}" if many else ""
    return f" now {session.beside.counts['ready']} ready{problems} "


def said(session: Session) -> str:
    moment = session.snapshot.moment
    if moment is None:
        return ""
    if not moment.last:
        return "look back: the journal is empty"
    day = time.strftime("%a %Y-%m-%d %H:%M:%S", time.localtime(session.wall()))
    where = "the end" if moment.seq >= moment.last else ""
    if moment.seq <= moment.first:
        where = "the oldest kept event" if moment.first else "the beginning"
    return f"look back at {day}, {ago(session.real(), session.wall())}" + (f": {where}" if where else "")


def lines(session: Session, columns: int) -> list[Line]:
    moment = session.snapshot.moment
    if moment is None:
        return [line()] * ROWS
    return [event(session, moment, columns), bar_line(moment, columns)]


def event(session: Session, moment: Moment, columns: int) -> Line:
    many = f" {moment.seq - moment.first} of {moment.last - moment.first}  "
    told = moment.told
    if not told:
        return fit(line((many, "dim"), ("before the first event" if moment.last > moment.first else "no event", "dim")), columns)
    name = str(told.get("node") or "")
    node = session.rows.get(name)
    who = short(node.name if node is not None else name) if name else str(told.get("mac") or "")
    bad = "problem" in told or "reason" in told or "error" in (told.get("roles") or {}).values()
    head = line((many, "dim"), (f"{told['type']}  ", "bad" if bad else "busy"), (f"{who}  " if who else "", "name"))
    room = columns - sum(len(t) for t, _ in head)
    return fit((*head, (clip(session.say(str(told.get("text") or "")), max(room, 0)), "bad" if bad else "")), columns)


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
