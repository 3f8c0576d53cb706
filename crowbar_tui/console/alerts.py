"""The loud line: the rack is ready, or something new needs a person. With a bell, and a notification where the terminal has them. Pure.

Notifications are control sequences that only some terminals know, and others print: so they go to terminals by name only.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

BELL = "\a"
PACE_S = 10.0
"""Shortest time between two alerts about people, in seconds: what comes in between is told together."""
LONGEST = 200
NAMES = {
    "xterm-kitty": "osc9",
    "xterm-ghostty": "osc9",
    "wezterm": "osc9",
    "foot": "osc777",
    "foot-extra": "osc777",
    "rxvt-unicode": "osc777",
    "rxvt-unicode-256color": "osc777",
}
"""TERM -> the notification that the terminal understands."""
PROGRAMS = {"iTerm.app": "osc9", "WezTerm": "osc9", "ghostty": "osc9"}
"""TERM_PROGRAM -> the same."""
WAYS = ("off", "bell", "osc9", "osc777")


def way(environment: Mapping[str, str]) -> str:
    """One of WAYS: CROWBAR_NOTIFY, or what the terminal knows. Within tmux and screen only the bell gets through."""
    asked = environment.get("CROWBAR_NOTIFY", "")
    if asked in WAYS:
        return asked
    term = environment.get("TERM", "")
    if environment.get("TMUX") or term.startswith(("tmux", "screen")):
        return "bell"
    return NAMES.get(term) or PROGRAMS.get(environment.get("TERM_PROGRAM", ""), "bell")


def sequence(text: str, how: str) -> str:
    """What the terminal gets. The text is on one line and has no control characters, so it cannot end the sequence."""
    said = "".join(letter if letter.isprintable() else " " for letter in text)[:LONGEST]
    if how == "osc9":
        return f"{BELL}\x1b]9;crowbar: {said}\x1b\\"
    if how == "osc777":
        return f"{BELL}\x1b]777;notify;crowbar;{said}\x1b\\"
    return BELL if how == "bell" else ""


class Alerts:
    """Compares what it is given with what it was given before. The first time only teaches it."""

    def __init__(self) -> None:
        self._needy: frozenset[str] | None = None
        self._new: frozenset[str] = frozenset()
        self._ready = False
        self._told = -PACE_S

    def take(self, needy: Set[str], ready: int, of: int, now: float) -> tuple[str, frozenset[str]]:
        """`needy`: nodes that need a person. `ready`: how many of all nodes. `now`: seconds. Returns `ready`, `person` with the new
        nodes, or an empty word."""
        here = frozenset(needy)
        whole = 0 < of == ready
        first, before = self._needy is None, self._needy or frozenset()
        became_ready = whole and not self._ready and not first
        self._needy, self._ready = here, whole
        if first:
            return "", frozenset()
        self._new = (self._new | (here - before)) & here
        if self._new and now - self._told >= PACE_S:
            new, self._new, self._told = self._new, frozenset(), now
            return "person", new
        return ("ready", frozenset()) if became_ready else ("", frozenset())
