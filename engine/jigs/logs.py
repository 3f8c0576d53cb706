"""The log of each attempt: one file `ID.LEG.log`, in the order of the node's own log, bounded, with secrets masked.

Nodes say at which byte of *their* log a piece begins. A piece may come twice (a lost answer), overlap, or leave a
gap; what is already there is skipped, and a gap is said in the file. As masking changes lengths, the place in the
file is not the place in the node's log: the latter is kept in memory and in a small file beside (`ID.LEG.at`), so
that a restarted engine goes on where it was.

* Masking: each secret's bytes become `***`. A secret may lie across two pieces: the end of a piece that could be the
  beginning of a secret is held back until the next piece, or `close`, decides. Secrets shorter than 4 bytes are not
  masked: they would turn the log into asterisks and tell by where they stand.
* Bounds: MAX_BYTES a file, a cut is said once; MAX_OPEN files in memory, the longest unused is closed first.
* Only an attempt that was opened is written to: a node cannot make files here.

Log bytes are a convenience, not the truth: a disk that is full must not end an attempt, so an OSError is counted
(`failures`) and told once by `trouble`. Thread-safe: the HTTP loop, workers and the engine write different attempts
at the same time.
"""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

MAX_BYTES = 16 * 1024 * 1024
MAX_OPEN = 4096
MASK = b"***"
MIN_SECRET = 4

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def is_attempt_name(text: str) -> bool:
    """Is this the form of an `ID.LEG`, and safe as a file name?"""
    return _NAME.fullmatch(text) is not None


class Masker:
    """Replaces secrets in a stream of pieces. Holds back no more than the beginning of a secret."""

    __slots__ = ("_held", "_pattern", "_secrets")

    def __init__(self, secrets: Sequence[str]) -> None:
        found = {s.encode("utf-8", "surrogateescape") for s in secrets}
        # A secret of several lines is printed line by line.
        found |= {line.strip() for secret in found for line in secret.split(b"\n")}
        # Longest first: a secret that contains another is replaced whole.
        self._secrets = sorted((s for s in found if len(s) >= MIN_SECRET), key=lambda s: (-len(s), s))
        self._pattern = re.compile(b"|".join(re.escape(s) for s in self._secrets)) if self._secrets else None
        self._held = b""

    def __repr__(self) -> str:
        return f"Masker({len(self._secrets)} secrets)"

    @property
    def held(self) -> int:
        """Bytes that were fed and not yet given back."""
        return len(self._held)

    def feed(self, data: bytes) -> bytes:
        if self._pattern is None:
            return data
        data = self._held + data
        out: list[bytes] = []
        at = 0
        while True:
            match = self._pattern.search(data, at)
            # Where could a secret begin that the present end cuts off? Looked for before the match is taken: a
            # shorter secret may be found inside a longer one that is not whole yet.
            open_at = self._open(data, at)
            if match is None or open_at <= match.start():
                break
            out.append(data[at : match.start()])
            out.append(MASK)
            at = match.end()
        out.append(data[at:open_at])
        self._held = data[open_at:]
        return b"".join(out)

    def flush(self) -> bytes:
        held, self._held = self._held, b""
        return self._pattern.sub(MASK, held) if self._pattern is not None else held

    def _open(self, data: bytes, at: int) -> int:
        """The first place from `at` on where all of the rest is a proper beginning of a secret; the end if there is
        none."""
        longest = len(self._secrets[0]) if self._secrets else 0
        for start in range(max(at, len(data) - longest + 1), len(data)):
            rest = data[start:]
            if any(len(s) > len(rest) and s.startswith(rest) for s in self._secrets):
                return start
        return len(data)


class _Log:
    __slots__ = ("at", "full", "masker", "size")

    def __init__(self, masker: Masker, at: int, size: int) -> None:
        self.masker = masker
        self.at = at
        """Bytes of the node's log that have been taken, those held back included."""
        self.size = size
        self.full = size >= MAX_BYTES


class Logs:
    """All logs, in `folder`."""

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES, max_open: int = MAX_OPEN) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._max_open = max_open
        self._open: OrderedDict[str, _Log] = OrderedDict()
        self._lock = threading.Lock()
        self.failures = 0
        self.trouble = ""
        """The last error of the disk, as a sentence; empty: none."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, attempt: str) -> Path:
        """The log's file. Raises ValueError for a name that is no `ID.LEG`."""
        if not is_attempt_name(attempt):
            raise ValueError(f"{attempt!r} is not the name of an attempt")
        return self._folder / f"{attempt}.log"

    def open(self, attempt: str, secrets: Sequence[str]) -> None:
        """Take pieces of this attempt from now on, with these values masked. Again is allowed, and changes
        nothing."""
        path = self.path(attempt)
        with self._lock:
            if attempt in self._open:
                return
            size = path.stat().st_size if path.exists() else 0
            log = _Log(Masker(secrets), self._position(attempt) if size else 0, size)
            log.full = size >= self._max_bytes
            self._open[attempt] = log
            while len(self._open) > self._max_open:
                name, oldest = self._open.popitem(last=False)
                self._append(name, oldest, oldest.masker.flush())

    def position(self, attempt: str) -> int | None:
        """The byte of the node's log from which the next piece is wanted; None: not open."""
        with self._lock:
            log = self._open.get(attempt)
            return log.at if log else None

    def write(self, attempt: str, offset: int, data: bytes) -> int | None:
        """Take a piece that begins at byte `offset` of the node's log. Answers the byte from which on the next is
        wanted; None: that attempt is not open, and nothing was written."""
        with self._lock:
            log = self._open.get(attempt)
            if log is None:
                return None
            self._open.move_to_end(attempt)
            if offset + len(data) <= log.at:
                return log.at
            text = b""
            if offset > log.at:
                missing = offset - log.at
                text = log.masker.flush() + f"\n[{missing} bytes of the log did not arrive]\n".encode()
            new = data[max(0, log.at - offset) :]
            text += log.masker.feed(new)
            log.at = offset + len(data)
            self._append(attempt, log, text)
            return log.at

    def flush(self, attempt: str) -> None:
        """The task has ended: what was held back is written, so that it can be read."""
        with self._lock:
            log = self._open.get(attempt)
            if log is not None and log.masker.held:
                self._append(attempt, log, log.masker.flush())

    def close(self, attempt: str) -> None:
        """Nothing more comes: what was held back is written."""
        with self._lock:
            log = self._open.pop(attempt, None)
            if log is not None:
                self._append(attempt, log, log.masker.flush())

    def tail(self, attempt: str, size: int = 8192) -> tuple[str, bool]:
        """The last `size` bytes as text, and whether that begins in the middle."""
        path = self.path(attempt)
        try:
            with path.open("rb") as file:
                length = file.seek(0, os.SEEK_END)
                file.seek(max(0, length - size))
                return file.read(size).decode("utf-8", "replace"), length > size
        except FileNotFoundError:
            return "", False

    def _position(self, attempt: str) -> int:
        try:
            return max(0, int((self._folder / f"{attempt}.at").read_text()))
        except (FileNotFoundError, ValueError):
            # Torn by a crash: what is there is kept, and the node's log follows once more.
            return 0

    def _append(self, attempt: str, log: _Log, text: bytes) -> None:
        try:
            if text and not log.full:
                room = self._max_bytes - log.size
                if len(text) > room:
                    text = text[:room] + f"\n[the log is cut at {self._max_bytes} bytes]\n".encode()
                    log.full = True
                with open(self._folder / f"{attempt}.log", "ab", opener=_private) as file:
                    file.write(text)
                log.size += len(text)
            with open(self._folder / f"{attempt}.at", "w", opener=_private) as file:
                file.write(str(log.at - log.masker.held))
        except OSError as error:
            self.failures += 1
            self.trouble = f"the log of attempt {attempt} cannot be written: {error.strerror or error}"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
