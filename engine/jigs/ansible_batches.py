"""Which attempts of node roles share an Ansible run: one file per batch, `FOLDER/BATCH.json`, written before the run starts.

An attempt is in one batch for ever. So the same `ID.LEG` never starts a second run, whatever happens to the engine in between. When the
outcomes of all attempts of a batch are recorded, the run's own record can go; the file stays as a tombstone. KEEP bounds them.

One engine uses the folder at a time (the store's lock). Thread-safe. Raises OSError where the disk fails.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

KEEP = 500
"""Batches whose files are kept when all of their attempts are acknowledged."""
OLD_S = 14 * 86400.0
"""Seconds after which nobody asks about an attempt: its node or role is gone, or its acknowledgement was lost in a crash."""


class _File(Struct, kw_only=True):
    open: list[str]
    """Attempts whose outcomes are not acknowledged."""
    over: list[str] = []


class Batches:
    """All batches of a store, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._files: dict[str, _File] = {}
        self._of: dict[str, str] = {}
        self.old: list[str] = []
        """Batches that nobody asks about any more. Their files are gone; their runs' records may go."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        oldest = time.time() - OLD_S
        for path in sorted(folder.glob("*.json"), key=lambda one: one.stat().st_mtime):
            if path.stat().st_mtime < oldest:
                self.old.append(path.stem)
                path.unlink()
                continue
            with suppress(msgspec.MsgspecError):  # a file that a crash tore: its run never began
                self._put(path.stem, msgspec.json.decode(path.read_bytes(), type=_File))

    def of(self, attempt: str) -> str:
        """The batch of an attempt. Empty: none."""
        with self._lock:
            return self._of.get(attempt, "")

    def is_over(self, attempt: str) -> bool:
        """True if the attempt's outcome was acknowledged."""
        with self._lock:
            batch = self._files.get(self._of.get(attempt, ""))
            return batch is not None and attempt in batch.over

    def record(self, batch: str, attempts: Iterable[str]) -> None:
        """Puts new attempts into a new batch, on the disk when this returns."""
        with self._lock:
            made = _File(open=list(attempts))
            self._write(batch, made)
            self._put(batch, made)

    def end(self, attempt: str) -> str:
        """The attempt's outcome is recorded. Returns its batch if that was the last one. Empty: others are open, or it is in none."""
        with self._lock:
            batch = self._of.get(attempt, "")
            found = self._files.get(batch)
            if found is None or attempt not in found.open:
                return ""
            found.open.remove(attempt)
            found.over.append(attempt)
            self._write(batch, found)
            if found.open:
                return ""
            self._trim()
            return batch

    def _put(self, batch: str, made: _File) -> None:
        self._files[batch] = made
        self._of |= dict.fromkeys((*made.open, *made.over), batch)

    def _trim(self) -> None:
        over = [name for name, file in self._files.items() if not file.open]
        for name in over[: max(0, len(over) - KEEP)]:
            for attempt in self._files.pop(name).over:
                self._of.pop(attempt, None)
            (self._folder / f"{name}.json").unlink(missing_ok=True)

    def _write(self, batch: str, made: _File) -> None:
        path = self._folder / f"{batch}.json"
        new = path.with_suffix(".new")
        with open(new, "wb", opener=_private) as file:
            file.write(msgspec.json.encode(made))
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
