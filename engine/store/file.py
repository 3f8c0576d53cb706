"""The files of a store: its directory, its lock, its connections, and whether they are still the files on the disk.

Rules: the directory has mode 0700, files 0600 (SQLite gives the -wal and -shm files the mode of the main one). One engine per store,
held by flock on `engine.lock`. The lock goes with its process, however that ends.

Only SQLite opens `store.db`, `-wal` or `-shm`. SQLite's locks are POSIX record locks: closing any descriptor of a file drops all locks
that the process has on it (fcntl(2), sqlite.org/howtocorrupt.html section 2.2). The next program that opens and closes the store then
believes that it is the only one, and deletes the write-ahead log under the engine. So existence, kind and size are read by stat, and a
new store is made under another name.

`promised` holds the number of the last change that was promised to anybody. SQLite cannot tell a write-ahead log that lost its end, or
was deleted, from a shorter one; this file can. It is written after each commit and never synced: after a power loss it may be older than
the store, never newer.

Trap: flock belongs to the open file, so a process forked without exec keeps it. Descriptors are not inherited by exec.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from . import check, schema
from .errors import StoreError, from_os, from_sqlite
from .sqlite import SqliteDatabase

FILE = "store.db"
LOCK = "engine.lock"
PROMISED = "promised"
LOCK_PATIENCE_S = 0.5
_WAL_LIMIT = 64 * 1024 * 1024
"""Bytes that the write-ahead log may keep on the disk after a checkpoint."""


def is_begun(path: Path) -> bool:
    """True if there is a store. Raises StoreError for a file that cannot be one. Never opens the file."""
    try:
        about = path.stat()
    except FileNotFoundError:
        log = path.with_name(path.name + "-wal")
        if log.exists() and log.stat().st_size:
            raise StoreError(
                f"{path} is missing, but its write-ahead log exists: restore {path.name}, or move {log.name} away to start a new store"
            ) from None
        return False
    except OSError as error:
        raise from_os(error, path) from error
    if not stat.S_ISREG(about.st_mode):
        raise StoreError(f"{path} is not a file: move it away, or give --store another directory")
    if not about.st_size:
        raise StoreError(f"{path} is empty, so it is damaged: restore a copy of it, or delete it to start a new store")
    return True


def is_of_a_store(path: Path) -> bool:
    """True if it is a file that only SQLite may open. For paths that people give."""
    return os.path.basename(os.path.realpath(path)) in (FILE, f"{FILE}-wal", f"{FILE}-shm")


def begin(path: Path, fill: Callable[[SqliteDatabase], None] = lambda _db: None) -> None:
    """Makes a store, empty or with what `fill` writes, completely or not at all. Raises StoreError."""
    new = path.with_name(f"{path.name}.new")
    try:
        for end in ("", "-journal", "-wal", "-shm"):
            Path(f"{new}{end}").unlink(missing_ok=True)
        os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with connection(str(new), path, uri=False) as db:
            prepare(db)
            fill(db)
        os.rename(new, path)
        sync(path.parent)
    except OSError as error:
        raise from_os(error, path) from error


def path_of(directory: Path) -> Path:
    """The store's file. SQLite puts its other files beside the target of a link."""
    return Path(os.path.realpath(directory / FILE))


def lead(directory: Path, told: Promised) -> SqliteDatabase:
    """Opens the store for the engine that has its lock, checked and migrated. Makes a missing one. Raises StoreError."""
    path = path_of(directory)
    if is_begun(path):
        with contextlib.closing(open_for_reading(path)) as db:
            check.at_start(db, directory, promised(directory))
    else:
        told.write(0)
        begin(path)
    return open_for_writing(path)


def open_for_writing(path: Path) -> SqliteDatabase:
    """Opens an existing store, migrated to this program's version. Raises StoreError."""
    with unfit(path, connect(str(path), path, uri=False)) as conn:
        if conn.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise StoreError(
                f"the file system of {path} cannot hold a store (no write-ahead log): give --store a directory on a local disk"
            )
        prepare(conn)
    return conn


def open_for_reading(path: Path) -> SqliteDatabase:
    """Opens it read-only beside an engine that writes. Raises StoreError."""
    if not is_begun(path):
        raise StoreError(f"there is no store in {path.parent}: start the engine first, or correct --store")
    with unfit(path, connect(f"file:{quote(str(path.absolute()))}?mode=ro", path, uri=True)) as conn:
        conn.execute("PRAGMA query_only = ON")
        schema.check_not_newer(conn)
    return conn


@contextlib.contextmanager
def unfit(path: Path, conn: SqliteDatabase) -> Iterator[SqliteDatabase]:
    """The connection stays open, unless something goes wrong with it. Raises StoreError."""
    try:
        yield conn
    except sqlite3.Error as error:
        conn.close()
        raise from_sqlite(error, path) from error
    except BaseException:
        conn.close()
        raise


@contextlib.contextmanager
def connection(name: str, path: Path, *, uri: bool) -> Iterator[SqliteDatabase]:
    """One that is closed afterwards. Raises StoreError."""
    with unfit(path, connect(name, path, uri=uri)) as conn:
        yield conn
        conn.close()


def sync(directory: Path) -> None:
    """Makes names in a directory durable. Raises OSError."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Promised:
    """The last promised sequence number, for the engine that holds the store's lock. Raises StoreError."""

    def __init__(self, directory: Path) -> None:
        self._path = path = directory / PROMISED
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise from_os(error, path) from error

    def write(self, seq: int) -> None:
        """Fewer bytes than a sector, at one place: a power loss never tears it. Written twice, so that damage shows. Raises StoreError."""
        try:
            os.pwrite(self._handle, b"%020d %020d\n" % (seq, seq), 0)
        except OSError as error:
            raise from_os(error, self._path) from error

    def close(self) -> None:
        os.close(self._handle)


def promised(directory: Path) -> int:
    """The last promised sequence number; 0: unknown. Raises StoreError."""
    path = directory / PROMISED
    try:
        with path.open("rb") as file:
            one, _, other = file.read(64).strip().partition(b" ")
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise from_os(error, path) from error
    return int(one) if one.isdigit() and one == other else 0


class Watch:
    """Open files by their inodes: has somebody deleted or replaced one since? The inode of an open file is not reused. Read by stat,
    3 to 5 us per file."""

    def __init__(self, *paths: Path) -> None:
        self._known = [(str(path), self._inode(str(path))) for path in paths]

    @staticmethod
    def _inode(path: str) -> tuple[int, int] | None:
        try:
            about = os.stat(path)
        except OSError:
            return None
        return about.st_dev, about.st_ino

    def lost(self, many: int | None = None) -> str:
        """The first of the first `many` files that is no longer the one on the disk. Empty: all are."""
        for path, known in self._known[:many]:
            if known is None or self._inode(path) != known:
                return path
        return ""


def _lock(lock: int) -> None:
    """Raises BlockingIOError after LOCK_PATIENCE_S. A process that only asks (`held`) has the lock for a moment too."""
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
    """The lock's descriptor. The pid in the file is only for the sentence; the lock decides."""
    path = directory / LOCK
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise from_os(error, directory) from error
    about = Watch(path)
    try:
        try:
            _lock(lock)
        except BlockingIOError as error:
            holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
            raise StoreError(f"another engine (pid {holder}) holds this store: attach to it or stop it") from error
        if about.lost() or not os.fstat(lock).st_nlink:
            raise StoreError(f"another program deleted or replaced {path} just now: stop it, then start again")
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        os.close(lock)
        raise from_os(error, path) from error
    except StoreError:
        os.close(lock)
        raise
    return lock


def connect(name: str, path: Path, *, uri: bool) -> SqliteDatabase:
    try:
        # The engine opens in the main thread and writes in the loop's, never in both at once.
        db = sqlite3.connect(
            name, uri=uri, isolation_level=None, check_same_thread=False, timeout=5.0, cached_statements=64, factory=SqliteDatabase
        )
    except sqlite3.Error as error:
        raise from_sqlite(error, path) from error
    db.path = path
    return db


def memory() -> SqliteDatabase:
    """A store for tests that is gone when it is closed."""
    db = connect(":memory:", Path(":memory:"), uri=False)
    prepare(db)
    return db


def prepare(conn: SqliteDatabase) -> None:
    conn.execute("PRAGMA synchronous = FULL")
    conn.execute("PRAGMA temp_store = MEMORY")
    conn.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT}")
    schema.migrate(conn)


def held(directory: Path) -> bool:
    """True if an engine holds this store now."""
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
