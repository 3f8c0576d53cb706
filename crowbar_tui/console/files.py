"""Files that a user names: saved whole or not at all, and completed by tab. I/O; runs in threads."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

LISTED = 5000
"""Entries of a folder that a completion looks at."""
SHOWN = 50
"""Candidates that it returns."""


class Refused(Exception):
    """The file cannot be written. The text is a sentence."""


def whole(name: str) -> Path:
    """The absolute path; `~` is the user's home."""
    return Path(os.path.abspath(os.path.expanduser(name)))


def save(name: str, text: str, over: bool = False) -> str:
    """Writes the text to the file, and returns its path. Without `over` a file that exists stays: raises FileExistsError.
    Raises Refused."""
    path = whole(name)
    try:
        if path.is_dir():
            raise Refused(f"{path} is a folder: give the name of a file in it")
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            raise Refused(f"{path} is no ordinary file")
        _write(path, text.encode("utf-8", "replace"), over)
    except FileExistsError:
        raise
    except (OSError, ValueError) as error:
        raise Refused(f"cannot write {path}: {(getattr(error, 'strerror', '') or str(error)).lower()}") from error
    return str(path)


def _write(path: Path, octets: bytes, over: bool) -> None:
    if not over:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            try:
                file.write(octets)
                file.flush()
            except OSError:
                path.unlink(missing_ok=True)
                raise
        return
    path = path.resolve()  # a link stays, and what it points to is replaced
    fresh = path.with_name(f".{path.name[:200]}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IMODE(path.stat().st_mode)), "wb") as file:
        try:
            file.write(octets)
            file.flush()
            fresh.replace(path)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise


def complete(typed: str) -> tuple[str, list[str]]:
    """The typed path as far as it is certain, and the names that fit. A folder ends in `/`. Hidden names come only after a dot. Never
    raises."""
    folder, _, start = typed.rpartition("/")
    where = os.path.expanduser(f"{folder}/" if "/" in typed else "./")
    found: list[str] = []
    with contextlib.suppress(OSError, ValueError), os.scandir(where) as entries:
        for _, entry in zip(range(LISTED), entries, strict=False):
            name = entry.name
            if name.startswith(start) and (start.startswith(".") or not name.startswith(".")) and name.isprintable():
                found.append(name + ("/" if _folder(entry) else ""))
    found.sort()
    if not found:
        return typed, []
    first, last = found[0], found[-1]  # sorted: what these share, all share
    certain = first[: next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))]
    return typed[: len(typed) - len(start)] + certain, found[:SHOWN]


def _folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
