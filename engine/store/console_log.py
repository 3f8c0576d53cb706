"""What machines print on their serial consoles, as text files: `STORE/consoles/NODE/console.log`, and `console-1.log` to `console-3.log`,
which came before it.

What a terminal would obey is not written: a console prints escape sequences, and whoever prints the file should see what it says. A move
to another place on the screen ends the line. Octets that are no text become `?`.

Secrets of the site are masked, and so is what looks like the nonce of a boot, which a kernel prints with its command line. A secret may
arrive in pieces: a word is written only when it has ended, by a space or a line's end.

Bounded: MOST_BYTES a file, KEPT files, LONGEST characters a line.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from ..model import NodeId
from .hardware import is_node

FOLDER = "consoles"
MOST_BYTES, KEPT, LONGEST = 1 << 20, 4, 4096
_NONCE = re.compile(r"(?<![0-9a-f])[0-9a-f]{48}(?![0-9a-f])")
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]*[0-~])")
_OPEN = re.compile(r"\r+\Z|\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]{0,500}\x1b?|[PX^_][^\x1b]{0,500}\x1b?|[ -/]*)?\Z")
"""A sequence that has begun, or the first half of a line's end. A longer sequence is none."""
_MOVES = frozenset("HfJABEFd")


class Masks(Protocol):
    """`jigs.logs.Masker`."""

    def feed(self, data: bytes) -> bytes: ...

    def flush(self) -> bytes: ...


class ConsoleText:
    """Turns what a console sends into harmless text, piece by piece. Pure."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        """A sequence that is not complete yet."""
        self._line = ""

    def feed(self, data: bytes) -> str:
        """Text that is complete: whole lines, and whole words of the last one."""
        text = self._rest + self._decoder.decode(data)
        begun = _OPEN.search(text)
        self._rest = text[begun.start() :] if begun is not None else ""
        text = text[: len(text) - len(self._rest)]
        text = _SEQUENCE.sub(lambda found: "\n" if found[1] in _MOVES else "", text)
        text = re.sub(r"\r+\n|\r|\x0b|\x0c", "\n", text)
        text = "".join(c if c.isprintable() or c in "\n\t" else "" if c == "\0" else "?" for c in text)
        whole = self._line + text
        at = max(whole.rfind("\n"), whole.rfind(" "), whole.rfind("\t")) + 1
        if len(whole) - at > LONGEST:
            at = len(whole)
        self._line = whole[at:]
        return re.sub(r"\n{3,}", "\n\n", whole[:at])

    def flush(self) -> str:
        line, self._line, self._rest = self._line, "", ""
        return line


class ConsoleLog:
    """Of one node; one thread at a time. `masks` makes a masker of the present secrets. Raises OSError."""

    def __init__(self, store: Path, node: NodeId, masks: Callable[[], tuple[object, Masks]]) -> None:
        """`masks` returns a mark that changes when the secrets do, and a masker. Raises ValueError for a node that names no file."""
        if not is_node(node):
            raise ValueError(f"{node!r:.40} names no file")
        self._folder = store / FOLDER / node
        for folder in (self._folder.parent, self._folder):
            folder.mkdir(exist_ok=True, mode=0o700)
        self._masks = masks
        self._mark, self._masker = masks()
        self._text = ConsoleText()
        self._column = 0
        self._file: BinaryIO | None = None

    def write(self, data: bytes) -> None:
        self._put(self._text.feed(data))

    def note(self, words: str) -> None:
        """A line of the engine's own."""
        self._put(self._text.flush())
        self._add(self._masker.flush())
        self._add(f"{'' if not self._column else chr(10)}[{words}]\n".encode())

    def close(self) -> None:
        self._put(self._text.flush())
        self._add(self._masker.flush())
        if self._file is not None:
            self._file.close()
            self._file = None

    def _put(self, text: str) -> None:
        if not text:
            return
        mark, masker = self._masks()
        if mark != self._mark:
            self._add(self._masker.flush())
            self._mark, self._masker = mark, masker
        self._add(self._masker.feed(_NONCE.sub("***", text).encode()))

    def _add(self, octets: bytes) -> None:
        if not octets:
            return
        if self._file is None:
            self._file = self._opened()
        if self._file.tell() + len(octets) > MOST_BYTES and self._file.tell():
            self._file.close()
            _rotate(self._folder)
            self._file = self._opened()
        self._file.write(octets)
        self._column = 0 if octets.endswith(b"\n") else 1

    def _opened(self) -> BinaryIO:
        path = self._folder / "console.log"
        return open(path, "ab", buffering=0, opener=lambda name, flags: os.open(name, flags | os.O_CLOEXEC, 0o600))


def console_files(store: Path, node: NodeId) -> Sequence[Path]:
    """The files of a node's console, the present one first. Empty: nothing was recorded."""
    if not is_node(node):
        return ()
    found = [_name(store / FOLDER / node, number) for number in range(KEPT)]
    return [path for path in found if path.exists()]


def _name(folder: Path, number: int) -> Path:
    return folder / (f"console-{number}.log" if number else "console.log")


def _rotate(folder: Path) -> None:
    for number in range(KEPT - 1, 0, -1):
        before = _name(folder, number - 1)
        if before.exists():
            before.replace(_name(folder, number))
