"""Files that hold keys: written completely or not at all, and read only if they can be trusted.

* A key is written under a temporary name, synced, and put in place by rename or link; then the folder is synced. A kill or a power loss
  at any moment leaves either the old file or the new one.
* A key is read through one open file, which nobody can replace meanwhile. A pipe, a folder, or a file that other users can read, that is
  empty or far too large is refused, with advice. It is never repaired, because nobody knows who has read or written it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

LARGEST = 64 * 1024


class KeyFileError(ValueError):
    """A key file, or the folder of keys, cannot be used. The text is one sentence with advice, and never shows the key."""


def folder_of_keys(folder: Path) -> None:
    """Creates the folder for its owner only, if it does not exist. Raises KeyFileError, OSError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise KeyFileError(f"{folder} must be a folder for keys, and is a file: move the file away, then start again") from None


def replace(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Writes a file with this content. Raises KeyFileError if a folder has that name, OSError."""
    fresh = _fresh(path, content, mode)
    try:
        os.replace(fresh, path)
    except IsADirectoryError:
        raise KeyFileError(f"{path} must be a file, and is a folder: move it away, then start again") from None
    finally:
        fresh.unlink(missing_ok=True)
    _sync(path.parent)


def make(path: Path, content: bytes, mode: int = 0o600) -> None:
    """The same, but keeps an existing file: if two engines start at once, the first one's key counts. Raises OSError."""
    fresh = _fresh(path, content, mode)
    try:
        with contextlib.suppress(FileExistsError):  # link refuses to replace
            os.link(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    _sync(path.parent)


def read(path: Path, remedy: str, *, private: bool = True, may_be_empty: bool = False, most: int = LARGEST) -> bytes:
    """The content of a key file. `remedy`: what to do about a damaged one. Raises KeyFileError, FileNotFoundError, OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # opening a pipe would wait for a writer
    try:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            what = "a folder" if stat.S_ISDIR(about.st_mode) else "a special file"
            raise KeyFileError(f"{path} must be a file, and is {what}: move it away, and {remedy}")
        mode = stat.S_IMODE(about.st_mode)
        if mode & (0o077 if private else 0o022):
            may = "read" if private else "change"
            raise KeyFileError(f"other users can {may} {path} (mode {mode:04o}): run chmod 600 if nobody used it, else {remedy}")
        with open(handle, "rb", closefd=False) as file:
            content = file.read(most + 1)
    finally:
        os.close(handle)
    if not content.strip() and not may_be_empty:
        raise KeyFileError(f"{path} is empty: {remedy}")
    if len(content) > most:
        raise KeyFileError(f"{path} is larger than {most} bytes, so it is not a key: {remedy}")
    return content


def _fresh(path: Path, content: bytes, mode: int) -> Path:
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    return fresh


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
