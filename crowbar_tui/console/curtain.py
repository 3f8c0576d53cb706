"""What the terminal shows while one console has gone and the next one is not there yet: what is being started, instead of a bare shell.

It outlives `exec`: a rehearsal starts itself again in its network namespace. Whoever prints an error lowers it first.
"""

from __future__ import annotations

import contextlib
import os
import shutil

from .glyphs import ASCII, NEXT, RULE, ascii_only

UP = "CROWBAR_CURTAIN"
"""Set while it is up: the number of lines on it."""
RAISED = "\x1b[?1049h\x1b[?25l\x1b[2J\x1b[H"
LOWERED = "\x1b[?25h\x1b[?1049l"


def say(text: str) -> None:
    """Shows one more line. The first one raises it. Does nothing without a terminal."""
    if not os.isatty(1):
        return
    lines = int(os.environ.get(UP, "0"))
    columns, rows = shutil.get_terminal_size()
    out = ""
    if not lines:
        out += f"{RAISED} crowbar > starting\r\n{RULE * columns}\r\n"
    if lines < rows - 4:
        out += f"\x1b[{lines + 4};1H {NEXT} {text[: columns - 4]}"
    os.environ[UP] = str(lines + 1)
    _write(out.translate(ASCII) if ascii_only() else out)


def lower() -> None:
    """Shows the shell's screen again."""
    if os.environ.pop(UP, ""):
        _write(LOWERED)


def gone() -> None:
    """A console has taken the terminal over, and restores it at its end."""
    os.environ.pop(UP, None)


def _write(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal is gone
        os.write(1, text.encode())
