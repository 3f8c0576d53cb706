"""What a click and the wheel do. A click selects the thing there; on the thing under the cursor it opens it. In the key line it presses
a key that only shows something, and on the next line it goes where that leads. Pure.

A click never orders anything, because it may only have been meant to bring the window to the front. While a question is open, only the
wheel counts."""

from __future__ import annotations

from .keymap import pressable
from .session import Session
from .styled import Line, plain

STEPS = 3
"""Lines for one turn of the wheel."""
_HEAD = 2
"""Lines above the body."""
LOOKING = frozenset("123456789?/.:!swlAPLnoB") | {"escape", "tab"}
"""The console's own keys that a click may press."""
_NAMED = {"enter": "enter", "esc": "escape", "tab": "tab", "space": "space"}


def click(session: Session, lines: list[Line], x: int, y: int) -> None:
    """A press and a release in the cell (x, y), counted from 0, of the lines on the screen."""
    if session.overlay is not None or not 0 <= y < len(lines):
        return
    if y == len(lines) - 1:
        key = key_at(lines[y], x)
        if session.manner.keymap.own(key) in LOOKING:
            session.press(key)
    elif _HEAD <= y < _HEAD + session.body_rows:
        where = session.page.point(x, y - _HEAD, plain(lines[y]))
        if where == "there":
            session.command("enter")
    elif plain(lines[y]).startswith(" next "):
        session.command("g")
        session.command("n")


def wheel(session: Session, direction: int) -> None:
    """`direction`: 1 down, -1 up."""
    key = "down" if direction > 0 else "up"
    if session.overlay is not None:
        session.overlay.press(key)
        return
    for _ in range(STEPS):
        session.page.press(key)


def key_at(line: Line, x: int) -> str:
    """The key whose name or word stands at this cell of the key line. Empty: none, or several."""
    at, key = 0, ""
    for text, style in line:
        if style == "key":
            key = text
        elif not text.strip():
            key = ""
        at += len(text)
        if x < at:
            break
    else:
        return ""
    key = key.strip()
    return _NAMED.get(key, key if len(key) == 1 or pressable(key) else "")
