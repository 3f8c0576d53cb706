"""The file of what the console keeps of a user: `$XDG_STATE_HOME/crowbar/console.json` (`~/.local/state/crowbar/console.json`).

It is read once, at the start, and written when something changed: whole or not at all, for this user only.
A user without a home, or who may not write there, keeps nothing; the console does not ask about it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

from . import kept
from .kept import Kept, PageKept

NAME = "console.json"


def state_folder() -> Path:
    """The user's state folder. Raises RuntimeError for a user without a home."""
    state = os.environ.get("XDG_STATE_HOME", "")
    return (Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state") / "crowbar"


class KeptFile:
    """What was kept at the start, and the way to keep what changes."""

    def __init__(self, store: Path | str) -> None:
        self.store = os.fspath(store)
        self.kept = Kept()
        self.trouble = ""
        """Why the file that is there is ignored, in a sentence."""
        self._lock = Lock()
        try:
            self.kept = _read()
        except kept.DamagedKept as error:
            self.trouble = f"{state_folder() / NAME} is ignored: {error}"
        except (OSError, RuntimeError):
            pass
        self._written: tuple[Mapping[str, PageKept], int] = dict(self.kept.pages(self.store)), 0

    def changed(self, pages: Mapping[str, PageKept], ran: Sequence[str]) -> bool:
        return (kept.changed(pages), len(ran)) != self._written

    def write(self, pages: Mapping[str, PageKept], ran: Sequence[str]) -> None:
        """`pages`: as they are now. `ran`: all commands of this console, the newest last. Joins them with what is in the file."""
        with self._lock:
            new = ran[self._written[1] :]
            self._written = kept.changed(pages), len(ran)
            with contextlib.suppress(OSError, RuntimeError):
                _write(kept.joined(_read_or_nothing(), self.store, pages, new))


def _read() -> Kept:
    try:
        file = os.open(state_folder() / NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return Kept()
    with os.fdopen(file, "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise kept.DamagedKept("it is no file")
        return kept.read(opened.read(kept.SIZE + 1))


def _read_or_nothing() -> Kept:
    try:
        return _read()
    except kept.DamagedKept:
        return Kept()


def _write(what: Kept) -> None:
    folder = state_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = folder / f".{NAME}.{os.getpid()}"
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as opened:
        opened.write(kept.written(what))
    fresh.replace(folder / NAME)
