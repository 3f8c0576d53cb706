"""The log of each attempt: one file `ID.LEG.log`, in the order of the node's own log, bounded, with secrets masked.

Nodes say at which byte of *their* log a piece begins. A piece may come twice (a lost answer), overlap, or leave a gap. Known bytes are
skipped, and the file notes a gap. Masking changes lengths, so a position in the file is not the position in the node's log. The latter
is kept in memory. Before the first piece that makes the two differ, it is written to a small file (`ID.LEG.at`), so that a restarted
engine continues there. Most logs never need that file.

* Masking: each secret's bytes become `***`. A secret may span two pieces: if the end of a piece could begin a secret, it is held back
  until the next piece, or `close`, decides. Secrets shorter than 4 bytes are not masked: that would turn the log into asterisks, whose
  places would reveal the secret.
* Bounds: MAX_BYTES per file, with one note at the cut; MAX_OPEN files in memory, the longest unused is closed first.
* Only an attempt that was opened is written: a node cannot create files here.
* `sweep` limits all logs together, by age and by size. It never removes an open one.

Logs are a convenience: a full disk must not end an attempt. So an OSError is counted (`failures`) and reported once by `trouble`.
Thread-safe: the HTTP loop, workers and the engine write different attempts at the same time.
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
KEEP_S = 90 * 86400.0
KEEP_BYTES = 1024 * 1024 * 1024
"""Limits of the folder: seconds since the last write to a log, and bytes of all logs together."""
MASK = b"***"
MIN_SECRET = 4

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def is_attempt_name(text: str) -> bool:
    """True if the text has the form of an `ID.LEG`, and is safe as a file name."""
    return _NAME.fullmatch(text) is not None


class Masker:
    """Replaces secrets in a stream of pieces. Holds back at most the beginning of a secret."""

    __slots__ = ("_held", "_pattern", "_secrets")

    def __init__(self, secrets: Sequence[str]) -> None:
        found = {s.encode("utf-8", "surrogateescape") for s in secrets}
        # A secret of several lines is printed line by line.
        found |= {line.strip() for secret in found for line in secret.split(b"\n")}
        # Longest first, so that a secret that contains another one is replaced as a whole.
        self._secrets = sorted((s for s in found if len(s) >= MIN_SECRET), key=lambda s: (-len(s), s))
        self._pattern = re.compile(b"|".join(re.escape(s) for s in self._secrets)) if self._secrets else None
        self._held = b""

    def __repr__(self) -> str:
        return f"Masker({len(self._secrets)} secrets)"

    @property
    def texts(self) -> list[str]:
        """What it masks."""
        return [secret.decode("utf-8", "surrogateescape") for secret in self._secrets]

    def places(self, data: bytes) -> list[tuple[int, int]]:
        """Where secrets stand in a whole text: first byte and length."""
        return [(m.start(), len(m.group())) for m in self._pattern.finditer(data)] if self._pattern is not None else []

    @property
    def held(self) -> int:
        """Bytes that were fed and not returned yet."""
        return len(self._held)

    def feed(self, data: bytes) -> bytes:
        if self._pattern is None:
            return data
        data = self._held + data
        out: list[bytes] = []
        at = 0
        while True:
            match = self._pattern.search(data, at)
            # Where could a secret begin that this piece's end cuts off? This is checked before the match is taken, because a shorter secret
            # may lie inside a longer one that is not complete yet.
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
        """The first place from `at` where the whole rest is a proper beginning of a secret. The end if there is none."""
        longest = len(self._secrets[0]) if self._secrets else 0
        for start in range(max(at, len(data) - longest + 1), len(data)):
            rest = data[start:]
            if any(len(s) > len(rest) and s.startswith(rest) for s in self._secrets):
                return start
        return len(data)


class _Log:
    __slots__ = ("at", "full", "masker", "noted", "size")

    def __init__(self, masker: Masker, at: int, size: int, noted: int | None) -> None:
        self.masker = masker
        self.at = at
        """Bytes of the node's log taken so far, including those held back."""
        self.noted = noted
        """What the small file says. None: there is none, so the position is the size."""
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
        """The last error of the disk, as a sentence. Empty: none."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, attempt: str) -> Path:
        """The log's file. Raises ValueError for a name that is not an `ID.LEG`."""
        if not is_attempt_name(attempt):
            raise ValueError(f"{attempt!r} is not the name of an attempt")
        return self._folder / f"{attempt}.log"

    def open(self, attempt: str, secrets: Sequence[str]) -> None:
        """Takes pieces of this attempt from now on, with these values masked. A second call changes nothing."""
        path = self.path(attempt)
        with self._lock:
            if attempt in self._open:
                return
            size = path.stat().st_size if path.exists() else 0
            noted = self._noted(attempt) if size else None
            log = _Log(Masker(secrets), size if noted is None else noted, size, noted)
            log.full = size >= self._max_bytes
            self._open[attempt] = log
            while len(self._open) > self._max_open:
                name, oldest = self._open.popitem(last=False)
                self._append(name, oldest, oldest.masker.flush())

    def position(self, attempt: str) -> int | None:
        """The byte of the node's log from which the next piece is wanted. None: not open."""
        with self._lock:
            log = self._open.get(attempt)
            return log.at if log else None

    def write(self, attempt: str, offset: int, data: bytes) -> int | None:
        """Takes a piece that begins at byte `offset` of the node's log. Returns the byte from which the next piece is wanted.
        None: that attempt is not open, and nothing was written."""
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
        """The task has ended: writes what was held back, so that people can read it."""
        with self._lock:
            log = self._open.get(attempt)
            if log is not None and log.masker.held:
                self._append(attempt, log, log.masker.flush())

    def mask(self, attempt: str, secrets: Sequence[str]) -> None:
        """These values turned out to be secrets after the task may have printed them: replaces them in what is written, byte for byte, so
        that positions stay, and masks them from now on."""
        with self._lock:
            log = self._open.get(attempt)
            if log is not None:
                self._append(attempt, log, log.masker.flush())
                log.masker = Masker([*log.masker.texts, *secrets])
            try:
                self._overwrite(self.path(attempt), Masker(secrets))
            except FileNotFoundError:
                return
            except OSError as error:
                self.failures += 1
                self.trouble = f"the log of attempt {attempt} cannot be masked: {error.strerror or error}"

    def _overwrite(self, path: Path, masker: Masker) -> None:
        with path.open("r+b") as file:
            for start, octets in masker.places(file.read(self._max_bytes * 2)):
                file.seek(start)
                file.write(b"*" * octets)

    def close(self, attempt: str) -> None:
        """No more pieces come: writes what was held back."""
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

    def sweep(self, now: float, keep_s: float = KEEP_S, keep_bytes: int = KEEP_BYTES) -> int:
        """Removes logs without a write since `now - keep_s` (seconds since 1970), then the oldest ones until the rest has at
        most `keep_bytes`. Returns the number of removed logs. An open one stays, whatever its size."""
        found: dict[str, tuple[float, int]] = {}
        with self._lock:
            try:
                for file in os.scandir(self._folder):
                    attempt, dot, kind = file.name.rpartition(".")
                    if dot and kind in ("log", "at"):
                        at, size = found.get(attempt, (0.0, 0))
                        seen = file.stat(follow_symlinks=False)
                        found[attempt] = (max(at, seen.st_mtime), size + seen.st_size)
                return self._remove(found, now - keep_s, keep_bytes)
            except OSError as error:
                self.failures += 1
                self.trouble = f"old logs cannot be removed: {error.strerror or error}"
                return 0

    def _remove(self, found: dict[str, tuple[float, int]], oldest: float, keep_bytes: int) -> int:
        total = sum(found[attempt][1] for attempt in found.keys() & self._open.keys())
        removed = 0
        for attempt in sorted(found.keys() - self._open.keys(), key=lambda a: found[a], reverse=True):
            at, size = found[attempt]
            total += size
            if at < oldest or total > keep_bytes:
                for kind in ("log", "at"):
                    (self._folder / f"{attempt}.{kind}").unlink(missing_ok=True)
                removed += 1
        return removed

    def _noted(self, attempt: str) -> int | None:
        try:
            return max(0, int((self._folder / f"{attempt}.at").read_text()))
        except FileNotFoundError:
            return None
        except ValueError:
            # Torn by a crash: keep what exists, and append the node's log once more.
            return 0

    def _append(self, attempt: str, log: _Log, text: bytes) -> None:
        try:
            if log.full:
                text = b""
            elif len(text) > (room := self._max_bytes - log.size):
                text = text[:room] + f"\n[the log is cut at {self._max_bytes} bytes]\n".encode()
                log.full = True
            position = log.at - log.masker.held
            if log.noted is None and position != log.size + len(text):
                # First, so that after a crash between the two no piece begins inside of a secret.
                self._note(attempt, log, log.size)
            if text:
                with open(self._folder / f"{attempt}.log", "ab", opener=_private) as file:
                    file.write(text)
                log.size += len(text)
            if log.noted is not None and log.noted != position:
                self._note(attempt, log, position)
        except OSError as error:
            self.failures += 1
            self.trouble = f"the log of attempt {attempt} cannot be written: {error.strerror or error}"

    def _note(self, attempt: str, log: _Log, position: int) -> None:
        with open(self._folder / f"{attempt}.at", "w", opener=_private) as file:
            file.write(str(position))
        log.noted = position


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
