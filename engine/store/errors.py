"""Errors of a store, each as one sentence with advice.

There are two families, because they end differently. A `StoreError` is about the place (disk, file, permission, another engine) and
stops the engine with its sentence. `Unstorable` is about one event of a batch and costs only that event. After either one the store is
as it was before the call.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FULL = (sqlite3.SQLITE_FULL,)
_DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
_DENIED = (sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_AUTH)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
OF_THE_ROWS = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.NotSupportedError,
    sqlite3.ProgrammingError,
    OverflowError,
    TypeError,
    ValueError,
)
"""Raised by SQLite's Python binding for a value that no column can hold."""


class StoreError(Exception):
    """The store cannot be used. The message is one sentence with advice, for people."""


class Deposed(StoreError):
    """Another engine has taken the store over. Nothing of the batch is recorded, and nothing of it may be done."""


class Unstorable(Exception):
    """An event of a batch, or a row that it changed, cannot be stored. `index` is its position in the batch; None if only the batch
    is known to hold such an event."""

    def __init__(self, index: int | None, message: str) -> None:
        super().__init__(message)
        self.index = index


def _full(path: Path) -> StoreError:
    return StoreError(f"the disk of {path} is full: free some space, then start again; no confirmed change is lost")


def from_sqlite(error: sqlite3.Error, path: Path) -> StoreError:
    """The sentence for an SQLite error about the file at `path`."""
    # The low byte is the primary code (sqlite.org/rescode.html). Errors that Python makes itself have none.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    told = " ".join(str(error).split())  # a damaged schema is quoted with its line breaks
    if code in _FULL:
        return _full(path)
    if code in _DAMAGED:
        return StoreError(f"{path} is not a store, or is damaged ({told}): restore a copy of it, or move it away to start a new one")
    if code in _DENIED:
        return StoreError(f"this user may not write {path} ({error}): run as the user that owns it, or give --store another directory")
    if code in _BUSY:
        return StoreError(f"another program has locked {path}: stop it, then start again")
    if code == sqlite3.SQLITE_CANTOPEN:
        return StoreError(f"cannot open {path}: check that it is a file, and that this user may read and write it and its directory")
    if code == sqlite3.SQLITE_IOERR:
        return StoreError(
            f"the disk of {path} failed ({getattr(error, 'sqlite_errorname', error)}): check the disk and its free space, then start again"
        )
    return StoreError(f"cannot use the store {path} ({error}): restore a copy of it, or report this")


def from_os(error: OSError, path: Path) -> StoreError:
    """The sentence for an operating system error about the directory or file at `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _full(path)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StoreError(
            f"this user may not write {path} ({error.strerror}): run as the user that owns it, or give --store another directory"
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return StoreError(f"{path} is not a directory: give --store a directory")
    return StoreError(f"cannot use {path} as a store ({error.strerror}): give --store another directory")


@contextmanager
def files_of(directory: Path) -> Iterator[None]:
    """Turns any operating system error about files in or beside the store's directory into a StoreError."""
    try:
        yield
    except OSError as error:
        raise from_os(error, Path(os.fsdecode(error.filename)) if error.filename else directory) from error
