"""The rim of the command line: everything that a command prints passes here, once.

Names, messages and serial numbers come from machines and switches. What a terminal would obey or hide (C0 and C1 controls, marks that
turn the direction of writing round, characters without a width) leaves as `?`. A new line stays. JSON has none of these: it escapes them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any, TextIO


def plain(text: str) -> str:
    """The text with printable characters, blanks and new lines only. Tabulators and other blanks become blanks."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else _shown(c) for c in text)


def _shown(character: str) -> str:
    return " " if character == "\t" or unicodedata.category(character) == "Zs" else "?"


class Plain:
    """A text stream that writes to another one. Its `buffer` is the other one's: a capture file is octets."""

    def __init__(self, stream: TextIO, before: Callable[[], None] = lambda: None) -> None:
        """`before` is called before each write."""
        self._stream = stream
        self._before = before

    def write(self, text: str) -> int:
        self._before()
        self._stream.write(plain(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
