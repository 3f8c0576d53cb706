"""What the package cache could not give: which package, who asked for it, since when, and which mirrors are away.

A shortage ends when the file is here. Bounded, because names come from the network: the oldest goes first. Thread-safe: the HTTP loop
writes, consoles read.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

MOST = 100
MIRRORS = 32
TEXT = 200
_PACKAGE = re.compile(r"\.(deb|udeb|rpm)$")


class Shortage(Struct, frozen=True, kw_only=True):
    """A file that was asked for in vain. `since` and `last` are wall times in seconds."""

    path: str
    """As it was asked for: SYSTEM/PATH."""
    asker: str
    """Address of the machine that asked last."""
    why: str
    since: float
    last: float
    count: int


class Away(Struct, frozen=True, kw_only=True):
    """A mirror that does not answer."""

    mirror: str
    why: str
    since: float


class Shortages:
    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._lock = threading.Lock()
        self._missing: dict[str, Shortage] = {}
        self._away: dict[str, Away] = {}

    def missing(self, path: str, asker: str, why: str, away: bool) -> None:
        """The file at `path` could not be given. A mirror that answers lacks a package only: apt asks for many lists that need not be
        there."""
        if not away and not _PACKAGE.search(path):
            return
        now = self._wall()
        with self._lock:
            before = self._missing.pop(path, None)
            new = Shortage(path=path[:TEXT], asker=asker, why=why[:TEXT], since=now, last=now, count=1)
            self._missing[path] = new if before is None else replace(new, since=before.since, count=before.count + 1)
            while len(self._missing) > MOST:
                del self._missing[next(iter(self._missing))]

    def given(self, path: str) -> None:
        """The file at `path` was given."""
        if path in self._missing:
            with self._lock:
                self._missing.pop(path, None)

    def answers(self, mirror: str) -> None:
        """The mirror answers."""
        if mirror in self._away:
            with self._lock:
                self._away.pop(mirror, None)

    def away(self, mirror: str, why: str) -> None:
        """The mirror does not answer, or only that it cannot."""
        with self._lock:
            before = self._away.pop(mirror, None)
            since = before.since if before is not None else self._wall()
            self._away[mirror] = Away(mirror=mirror[:TEXT], why=why[:TEXT], since=since)
            while len(self._away) > MIRRORS:
                del self._away[next(iter(self._away))]

    def rows(self) -> tuple[list[Shortage], list[Away]]:
        """The longest missing first."""
        with self._lock:
            return sorted(self._missing.values(), key=lambda one: (one.since, one.path)), list(self._away.values())
