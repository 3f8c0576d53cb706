"""Marks: commands apply to everything marked. One node, a range, all that are shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .session import Session

RANGE = ("V", "ctrl+@")
"""Mark from the last mark to the cursor; a terminal sends ctrl+@ for ctrl+space."""
KEYS = frozenset(("space", "*", "shift+up", "shift+down", *RANGE))


def press(session: Session, key: str, nodes: Sequence[str], at: int, move: Callable[[int], None]) -> None:
    """A key of `KEYS`. `nodes`: ids in the order of the page; empty for a line that cannot be marked. `at`: the line under the cursor.
    `move` puts the cursor onto a line."""
    if not 0 <= at < len(nodes):
        return
    here = nodes[at]
    if key == "space":
        if here:
            session.marks ^= {here}
            session.last_mark = here if here in session.marks else ""
        move(at)
    elif key in RANGE:
        _through(session, nodes, at)
        move(at)
    elif key in ("shift+up", "shift+down"):
        _add(session, [here])
        to = max(min(at + (1 if key == "shift+down" else -1), len(nodes) - 1), 0)
        _add(session, [nodes[to]])
        move(to)
    else:
        _add(session, nodes)


def _through(session: Session, nodes: Sequence[str], at: int) -> None:
    """From the last mark, if it is still marked and shown. Otherwise the range begins here."""
    begin = session.last_mark if session.last_mark in session.marks else ""
    if begin not in nodes:
        _add(session, [nodes[at]])
        session.say_so("the range begins here: V on another line marks all between")
        return
    first, last = sorted((nodes.index(begin), at))
    some = [node for node in nodes[first : last + 1] if node]
    _add(session, some)
    session.last_mark = nodes[at] or begin
    session.say_so(f"{len(some)} marked as a range")


def _add(session: Session, nodes: Sequence[str]) -> None:
    some = [node for node in nodes if node]
    session.marks.update(some)
    if some:
        session.last_mark = some[-1]
