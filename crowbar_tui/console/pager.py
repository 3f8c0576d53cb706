"""A log for $PAGER: the command, and the text as a terminal may show it. Reads files; runs in threads."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from . import terminal_text

LONGEST = 8 * 1024 * 1024
"""Octets of a log that a pager gets, its end."""


def pager() -> list[str]:
    """The words of $PAGER, else `less` or `more`. Raises ValueError with a sentence."""
    given = os.environ.get("PAGER", "").strip()
    try:
        words = shlex.split(given)
    except ValueError as error:
        raise ValueError(f"PAGER={given} is no command: {error}".lower()) from error
    if not words:
        words = [next((name for name in ("less", "more") if shutil.which(name)), "")]
    if not shutil.which(words[0]):
        raise ValueError(f"there is no program {words[0]}: set PAGER" if words[0] else "neither less nor more is installed: set PAGER")
    return words


def text_of(path: Path) -> bytes:
    """The log as a terminal may show it: what a machine wrote obeys no terminal. Raises OSError."""
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(length - LONGEST, 0))
        found = terminal_text.lines(file.read(LONGEST).decode("utf-8", "replace"))
    head = [f"(the first {length - LONGEST} octets of {path} are not shown)"] if length > LONGEST else []
    return ("\n".join([*head, *found]) + "\n").encode()


def prepared(path: Path) -> tuple[list[str], bytes]:
    """Command and text. Raises ValueError and OSError."""
    return pager(), text_of(path)
