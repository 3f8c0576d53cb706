"""The files of a store: its directory, its lock, its connections.

Rules: the directory is made 0700, files 0600 (SQLite gives the -wal and -shm files the mode of the main one). One
engine per store, held by flock on `engine.lock`: the lock is gone with its process, however that ends.

Trap: flock belongs to the open file, so a process forked without exec keeps it. Descriptors are not inherited by exec.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from pathlib import Path
from urllib.parse import quote

from . import schema as schema
from .errors import StoreError, from_os, from_sqlite

FILE = "store.db"
LOCK = "engine.lock"
LOCK_PATIENCE_S = 0.5
_WAL_LIMIT = 64 * 1024 * 1024
"""Octets that the write-ahead log may keep on the disk after a checkpoint."""


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open or make the file, migrated to this program's version. Raises StoreError."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise from_os(error, path) from error
    conn = connect(str(path), path, uri=False)
    try:
        if conn.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise StoreError(
                f"the file system of {path} cannot hold a store (no write-ahead log): give --store a directory on a "
                "local disk"
            )
        prepare(conn)
    except sqlite3.Error as error:
        conn.close()
        raise from_sqlite(error, path) from error
    except BaseException:
        conn.close()
        raise
    return conn


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open it read-only beside an engine that writes. Raises StoreError."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except FileNotFoundError as error:
        raise StoreError(f"there is no store in {path.parent}: start the engine first, or correct --store") from error
    except OSError as error:
        raise from_os(error, path) from error
    conn = connect(f"file:{quote(str(path.absolute()))}?mode=ro", path, uri=True)
    try:
        conn.execute("PRAGMA query_only = ON")
        schema.check_not_newer(conn)
        if schema.version(conn) < len(schema.MIGRATIONS):
            raise StoreError(f"{path} is of an older version of this program: start the engine on it once")
    except sqlite3.Error as error:
        conn.close()
        raise from_sqlite(error, path) from error
    except BaseException:
        conn.close()
        raise
    return conn


def _lock(lock: int) -> None:
    """Raises BlockingIOError after LOCK_PATIENCE_S: whoever only asks (`held`) has the lock for a moment too."""
    end = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def take_lock(directory: Path) -> int:
    """The lock's descriptor. The pid in the file is for the sentence alone; the lock decides."""
    path = directory / LOCK
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise from_os(error, directory) from error
    try:
        try:
            _lock(lock)
        except BlockingIOError as error:
            holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
            raise StoreError(f"another engine (pid {holder}) holds this store: attach to it or stop it") from error
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        os.close(lock)
        raise from_os(error, path) from error
    except StoreError:
        os.close(lock)
        raise
    return lock


def connect(name: str, path: Path, *, uri: bool) -> sqlite3.Connection:
    try:
        # The engine opens in the main thread and writes in the loop's; never in both at once.
        return sqlite3.connect(
            name, uri=uri, isolation_level=None, check_same_thread=False, timeout=5.0, cached_statements=64
        )
    except sqlite3.Error as error:
        raise from_sqlite(error, path) from error


def prepare(conn: sqlite3.Connection) -> None:
    conn.execute("PRAGMA synchronous = FULL")
    conn.execute("PRAGMA temp_store = MEMORY")
    conn.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT}")
    schema.migrate(conn)


def held(directory: Path) -> bool:
    """Does an engine hold this store now?"""
    try:
        lock = os.open(directory / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
