"""The files of a barclamp as values: bounded, plain, and with one digest that is the same on every machine.

Rules
* Only plain files count. A link, a device or a pipe, and a file with setuid, setgid or sticky bit, are refused with their name.
* `__pycache__`, `.git` and `*.pyc` do not belong to a barclamp, and are left out.
* No two names differ only in case: on some machines they would be one file.
* Bounds: MAX_FILES files, MAX_BYTES bytes together, MAX_NAME characters of a name, MAX_DEPTH folders in each other.
"""

from __future__ import annotations

import hashlib
import os
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

MAX_FILES = 2000
MAX_BYTES = 16 * 1024 * 1024
MAX_NAME = 200
MAX_DEPTH = 12
FILE = "barclamp.yml"
LEFT_OUT = frozenset({"__pycache__", ".git"})
_SCRIPTS = ("run", "verify")


class BarclampError(ValueError):
    """A barclamp cannot be read, imported or removed. The text is one sentence that says what was seen and what to do."""


class Content(Struct, frozen=True):
    """One file."""

    data: bytes
    executable: bool


Files = dict[str, Content]
"""Path inside the folder, with slashes -> file."""


def belongs(path: str) -> bool:
    """False for what tools leave in a folder."""
    return not path.endswith(".pyc") and not LEFT_OUT & set(path.split("/"))


def harmless(name: str) -> str:
    """A stranger's name for a message: printable and short."""
    text = "".join(c if c.isprintable() else "?" for c in name[: MAX_NAME + 1])
    return text if len(text) <= 100 else text[:97] + "..."


def digest(files: Mapping[str, Content]) -> str:
    """SHA-256, in hexadecimal, of the names, the contents and what is executable. `run` and `verify` of a role always are."""
    whole = hashlib.sha256()
    for path in sorted(files):
        one = files[path]
        mark = "x" if executable(path, one.executable) else "-"
        whole.update(f"{hashlib.sha256(one.data).hexdigest()} {mark} {path}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def executable(path: str, given: bool) -> bool:
    parts = path.split("/")
    return given or (len(parts) == 3 and parts[0] == "roles" and parts[2] in _SCRIPTS)


def digest_of_folder(folder: Path) -> str:
    """The digest of an installed barclamp. Links and special files count by their kind only. Empty if it cannot be read."""
    files: Files = {}
    try:
        for path, place in _walk(folder):
            about = place.lstat()
            plain = stat.S_ISREG(about.st_mode)
            data = place.read_bytes() if plain else f"not a file: {stat.S_IFMT(about.st_mode)}".encode()
            files[path] = Content(data, plain and bool(about.st_mode & 0o111))
    except OSError:
        return ""
    return digest(files)


def read_folder(folder: Path, bounds: Bounds | None = None) -> Files:
    """The files of a folder. Raises BarclampError for what does not belong into a barclamp, and OSError."""
    bounds = bounds or Bounds(str(folder))
    out: Files = {}
    for path, place in _walk(folder):
        about = place.lstat()
        if not stat.S_ISREG(about.st_mode):
            raise BarclampError(f"{place} is {_kind(about.st_mode)}: a barclamp has plain files only, so put a file there")
        bounds.mode(path, about.st_mode)
        bounds.name(path)
        bounds.add(path, about.st_size)
        handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file:
            data = file.read(about.st_size + 1)
        if len(data) > about.st_size:
            raise BarclampError(f"{place} grows while it is read: try again when nothing writes into the folder")
        out[path] = Content(data, bool(about.st_mode & 0o111))
    return out


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file, link and special file below a folder, sorted. Follows no link."""
    for here, folders, names in os.walk(folder, onerror=_raise):
        links = [name for name in folders if os.path.islink(os.path.join(here, name))]
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT and name not in links)
        for name in sorted([*names, *links]):
            place = Path(here, name)
            path = place.relative_to(folder).as_posix()
            if belongs(path):
                yield path, place


def _raise(error: OSError) -> None:
    raise error


def _kind(mode: int) -> str:
    kinds = {stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFBLK: "a device", stat.S_IFCHR: "a device"}
    return kinds.get(stat.S_IFMT(mode), "not a file")


class Bounds:
    """Counts what a source hands over. Each method raises BarclampError with the member's name."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._seen: set[str] = set()
        self._folded: dict[str, str] = {}
        """Path as a file system without case sees it -> path."""
        self._bytes = 0

    def refuse(self, name: str, why: str) -> BarclampError:
        return BarclampError(f"{self._source}: {harmless(name)!r} {why}; nothing was written")

    def name(self, name: str) -> None:
        """A relative path of plain words, no longer and no deeper than the bounds."""
        if len(name) > MAX_NAME:
            raise self.refuse(name, f"is a name of more than {MAX_NAME} characters")
        if name.startswith("/"):
            raise self.refuse(name, "is an absolute path")
        parts = name.split("/")
        if ".." in parts:
            raise self.refuse(name, "leads out of its folder")
        if "" in parts or "." in parts or "\\" in name or any(not c.isprintable() for c in name):
            raise self.refuse(name, "is not a usable path")
        if len(parts) > MAX_DEPTH:
            raise self.refuse(name, f"is more than {MAX_DEPTH} folders deep")

    def mode(self, name: str, mode: int) -> None:
        if mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX):
            raise self.refuse(name, f"has a setuid, setgid or sticky bit (mode {stat.S_IMODE(mode):04o})")

    def add(self, name: str, size: int) -> None:
        """One more file of this size in bytes."""
        if name in self._seen:
            raise self.refuse(name, "is there twice")
        self._seen.add(name)
        self._apart(name)
        self._bytes += size
        if len(self._seen) > MAX_FILES:
            raise self.refuse(name, f"is one file too many: at most {MAX_FILES}")
        if size < 0 or self._bytes > MAX_BYTES:
            raise self.refuse(name, f"makes it larger than {MAX_BYTES} bytes")

    def _apart(self, name: str) -> None:
        """Refuses names that are one on a file system which ignores case or the composition of letters."""
        parts = name.split("/")
        for i in range(1, len(parts) + 1):
            path = "/".join(parts[:i])
            other = self._folded.setdefault(unicodedata.normalize("NFC", path).casefold(), path)
            if other != path:
                raise self.refuse(name, f"differs from {harmless(other)!r} only in case, or in how a letter is composed")
