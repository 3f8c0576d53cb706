"""A list in the folder of keys that commands change and the engine reads: who has a token, and who has a certificate.

* The engine reads the file again when it was changed. So what was revoked is worthless at once, without a restart.
* A file that cannot be trusted lets nobody in.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from ..files import key_file
from ..files.key_file import KeyFileError

MOST = 200
"""Entries of a list. Its file stays below the size of a key file."""
_NAME = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
Row = TypeVar("Row")

log = logging.getLogger(__name__)


class OperatorList(Generic[Row]):
    """The file of one list. `kind`: the record of an entry, with `name`. `remedy`: what to do about a damaged file."""

    def __init__(self, file: str, kind: type[Row], remedy: str) -> None:
        self.file, self.remedy = file, remedy
        self._decode: Callable[[bytes], tuple[Row, ...]] = msgspec.json.Decoder(tuple[kind, ...]).decode  # type: ignore[valid-type]

    def read(self, folder: Path) -> tuple[Row, ...]:
        """All entries, by name. Raises KeyFileError, OSError."""
        path = folder / self.file
        try:
            return self._decode(key_file.read(path, self.remedy))
        except FileNotFoundError:
            return ()
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise KeyFileError(f"{path} is damaged: {self.remedy}") from None

    def change(self, folder: Path, change: Callable[[tuple[Row, ...]], tuple[Row, ...]]) -> None:
        """Replaces the list. Of several processes, one at a time. Raises KeyFileError, OSError."""
        with alone(folder):
            path = folder / self.file

            def by_name(one: Any) -> str:
                return str(one.name)

            key_file.replace(path, msgspec.json.encode(sorted(change(self.read(folder)), key=by_name)) + b"\n")
            give_to_engine(folder, path)


class Followed(Generic[Row]):
    """A list as it is now. Not for two threads at once."""

    def __init__(self, folder: Path, of: OperatorList[Row]) -> None:
        self._folder, self._of = folder, of
        self._stamp: tuple[int, ...] = ()
        self._known: tuple[Row, ...] = ()

    def now(self) -> tuple[Row, ...]:
        try:
            about = (self._folder / self._of.file).stat()
        except OSError:
            self._stamp, self._known = (), ()
            return ()
        stamp = about.st_ino, about.st_mtime_ns, about.st_ctime_ns, about.st_size
        if stamp != self._stamp:
            try:
                self._known = self._of.read(self._folder)
            except (KeyFileError, OSError) as error:
                log.error("nobody of this list may use the HTTP API: %s", error)
                self._known = ()
            self._stamp = stamp
        return self._known


def check_name(name: str) -> None:
    """Raises KeyFileError for a name that could mislead in the journal."""
    if not _NAME.fullmatch(name):
        raise KeyFileError(f"{name[:40]!r} cannot name an operator: use up to 32 lower-case letters, digits, dots, dashes and underscores")


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Two commands at once must not lose each other's change. Raises KeyFileError if there is no folder, OSError."""
    if not folder.is_dir():  # made by root, it would shut the engine's user out
        raise KeyFileError(f"there is no folder {folder} of keys: start an engine on this store first")
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def give_to_engine(folder: Path, *paths: Path) -> None:
    """Files that root wrote: the engine reads them as the user that owns the folder."""
    if os.geteuid() == 0:
        owner = folder.stat()
        for path in paths:
            os.chown(path, owner.st_uid, owner.st_gid)
