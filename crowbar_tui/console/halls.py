"""`crowbar halls`: several engines in one list. A hall is a row, and `enter` opens its console.

The console of this admin node's own engine opens as always. That of another engine opens over SSH on its own admin node, read-only: it
stands beside its store, and SSH has asked who comes. So this list gives no order to anyone.

Pure: a `HallList` takes what looks found, and keys, and draws lines. `halls_app` is the rim.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from engine.api.halls import Hall, HallSeen

from . import glyphs as g
from .formats import ago, clock
from .styled import Line, barred, clip, fit, line, width
from .table import Col, head, layout, row

LOOK_EVERY_S = 5.0
OLD_S = 3 * LOOK_EVERY_S
"""Seconds after which what was seen is shown with its age."""
COLUMNS = (
    Col("mark", "", 2, gap=0),
    Col("hall", "hall", 12, most=30, least=8, names=True),
    Col("state", "state", 9),
    Col("ready", "ready", 9, right=True),
    Col("problems", "problems", 8, right=True),
    Col("seen", "seen", 9, drop=1),
    Col("why", "", 20, grow=1),
)


def command_of(hall: Hall) -> list[str]:
    """What opens the hall's console. Empty: nothing does."""
    if hall.store:
        return [sys.executable, "-m", "crowbar_tui.cli", "--store", hall.store]
    return ["ssh", "-t", "--", hall.ssh, "crowbar", "--read-only"] if hall.ssh else []


def state_of(seen: HallSeen | None) -> tuple[str, str]:
    """The state of a hall in a word, and its style."""
    if seen is None:
        return "asked", "dim"
    if seen.summary is None:
        return "silent", "bad"
    if not seen.runs:
        return "stopped", "ask"
    if seen.summary.failed or seen.summary.findings:
        return "problems", "bad"
    if not seen.summary.nodes:
        return "empty", "dim"
    return ("ready", "good") if seen.summary.ready == seen.summary.nodes else ("working", "busy")


def says(hall: Hall, seen: HallSeen | None) -> str:
    """The sentence of a hall's row: why it is silent, or what it waits for first."""
    if seen is None:
        return "no answer yet"
    if seen.summary is None:
        return seen.why
    if not seen.runs:
        return "no engine runs there: enter starts one" if hall.store else "no engine runs there"
    waiting = seen.summary.waiting
    first = next(iter(waiting), "")
    more = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
    return f"{first.partition('.')[0]}: {waiting[first].sentence}{more}" if first else ""


class HallList:
    """The list, the place in it, and the last look at each hall."""

    def __init__(self, halls: Sequence[Hall]) -> None:
        self.halls = tuple(halls)
        self.seen: dict[str, HallSeen] = {}
        self.at = 0
        self.note = ""
        self._answered: dict[str, HallSeen] = {}

    def take(self, looks: Sequence[HallSeen]) -> None:
        for one in looks:
            self.seen[one.hall] = one
            if one.summary is not None:
                self._answered[one.hall] = one

    def press(self, key: str) -> list[str] | None:
        """A key. Returns a command to run, an empty one to leave, or None to stay."""
        self.note = ""
        if key in ("q", "ctrl+c", "ctrl+q"):
            return []
        if key == "enter":
            command = command_of(self.halls[self.at])
            if not command:
                self.note = "the file of the halls says no `ssh` for this one"
            return command or None
        steps = {"j": 1, "down": 1, "k": -1, "up": -1, "g": -len(self.halls), "home": -len(self.halls), "G": len(self.halls)}
        steps |= {"end": len(self.halls), "pagedown": 10, "pageup": -10}
        self.at = min(max(self.at + steps.get(key, 0), 0), len(self.halls) - 1)
        return None

    def lines(self, columns: int, rows: int, now: float) -> list[Line]:
        """The whole screen."""
        states = [state_of(self.seen.get(hall.name))[0] for hall in self.halls]
        many = f"{len(self.halls)} halls" if len(self.halls) != 1 else "1 hall"
        told = [f"{states.count(word)} {word}" for word in ("silent", "stopped", "problems", "working", "ready", "empty") if word in states]
        title = line((" crowbar ", "name"), (f"  {', '.join([many, *told])}", ""))
        corner = line((f"{clock(now)} ", "dim"))
        room = max(columns - width(corner), 0)
        of = layout(COLUMNS, columns, {"hall": max(len(hall.name) for hall in self.halls)})
        body = max(rows - 5, 1)
        first = min(max(self.at - body + 1, 0), max(len(self.halls) - body, 0))
        out = [(*fit(title, room), *corner), line((g.RULE * columns, "dim")), head(of)]
        for number, hall in list(enumerate(self.halls))[first : first + body]:
            made = row(of, self._cells(hall, now, number == self.at))
            out.append(barred(made, columns) if number == self.at else made)
        here = self.halls[self.at]
        out += [line()] * (rows - 2 - len(out))
        out = [*out[: max(rows - 2, 0)], line((f" {clip(says(here, self.seen.get(here.name)), columns - 1)}", ""))]
        keys = line((" enter", "key"), (" opens it   ", "dim"), ("j k", "key"), (" move   ", "dim"), ("q", "key"), (" leaves", "dim"))
        last = line((f" {clip(self.note, columns - 1)}", "ask")) if self.note else keys
        return [fit(one, columns) for one in (*out[: rows - 1], last)]

    def _cells(self, hall: Hall, now: float, here: bool) -> dict[str, Any]:
        seen, last = self.seen.get(hall.name), self._answered.get(hall.name)
        word, style = state_of(seen)
        summary = last.summary if last is not None else None
        old = last is not None and now - last.at > OLD_S
        return {
            "mark": (g.RIGHT if here else " ", "key"),
            "hall": (hall.name, "name"),
            "state": (word, style),
            "ready": (f"{summary.ready} of {summary.nodes}", "dim" if old else "") if summary is not None else "",
            "problems": (str(summary.failed or ""), "dim" if old else "bad") if summary is not None else "",
            "seen": (ago(now, last.at) if old and last is not None else "", "dim"),
            "why": (says(hall, seen), "bad" if word == "silent" else "dim"),
        }
