"""Reads a tar, plain or gzip-compressed, that a stranger may have made. Nothing is written; the files come back as values.

Rules
* The stream is read once, forward, and never more than MAX_STREAM bytes of it: a gigabyte of zeros ends there, not in memory.
* Members are plain files and folders. A link, a device, a pipe, a sparse file, a path that is absolute or leads out, a name that is
  there twice or is a file and a folder, and a setuid bit are refused with the member's name (`content.Bounds`).
* The archive must be complete: gzip's checksum and the zero blocks at the end are checked.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from pathlib import Path
from typing import Protocol

from .content import MAX_BYTES, MAX_FILES, BarclampError, Bounds, Content, Files, belongs

MAX_STREAM = MAX_BYTES + 1024 * 2 * MAX_FILES + 1024 * 1024
"""Bytes of an uncompressed archive: its files, two header blocks for each, and padding."""
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_BLOCK = 512
_OTHERS = {_ZSTD: "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PK\x03\x04": "zip"}


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, many: int, /) -> bytes: ...


class TooLarge(Exception):
    """The stream has more than MAX_STREAM bytes."""


class _Counted:
    """A stream that ends with an error after MAX_STREAM bytes, and remembers whether its last block is of zeros."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._read = 0
        self._last = b""

    def read(self, many: int) -> bytes:
        data = self._source.read(min(many, 1 << 20))
        self._read += len(data)
        if self._read > MAX_STREAM:
            raise TooLarge
        if data:
            self._last = (self._last + data)[-_BLOCK:]
        return data

    def drain(self) -> bool:
        """Reads the rest. True if the stream is complete."""
        while self.read(1 << 20):
            pass
        return self._read >= _BLOCK and self._last == bytes(_BLOCK)


def kind_of(head: bytes, name: str) -> str:
    """`tar` or `gzip` for the first bytes of a file. Raises BarclampError for everything else, with what to do."""
    if head.startswith(_GZIP):
        return "gzip"
    if head[257:262] == b"ustar" or (name.endswith(".tar") and len(head) >= _BLOCK):
        return "tar"
    other = next((word for magic, word in _OTHERS.items() if head.startswith(magic)), "")
    if other:
        raise BarclampError(f"{name} is compressed with {other}: hand over a .tar, .tgz or .tar.gz, or the unpacked folder")
    raise BarclampError(f"{name} is a file, and not a tar: hand over the folder of a barclamp, a folder of barclamps, or a .tar or .tgz")


def read_tarball(path: Path) -> Files:
    """The files of an archive. Raises BarclampError and OSError."""
    with path.open("rb") as file:
        kind = kind_of(file.read(_BLOCK), path.name)
        file.seek(0)
        if kind == "tar":
            return read_stream(file, path.name)
        with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
            return read_stream(unpacked, path.name)


def read_stream(source: Readable, name: str) -> Files:
    """The files of an uncompressed tar that comes from a stream. `name` is for messages. Raises BarclampError."""
    counted = _Counted(source)
    try:
        files = _members(counted, name)
        whole = counted.drain()
    except TooLarge:
        raise BarclampError(f"{name} unpacks to more than {MAX_STREAM} bytes, so it is not a barclamp; nothing was written") from None
    except (tarfile.TarError, EOFError, OSError, zlib.error, ValueError, OverflowError, RecursionError) as error:
        if isinstance(error, BarclampError):
            raise
        raise BarclampError(f"{name} is damaged ({type(error).__name__}: {error}): make or copy the archive again") from error
    if not whole:
        raise BarclampError(f"{name} ends too early: make or copy the archive again")
    return files


def _members(source: _Counted, name: str) -> Files:
    out: Files = {}
    folders: set[str] = set()
    bounds = Bounds(name)
    with tarfile.open(fileobj=source, mode="r|", errorlevel=2) as archive:  # type: ignore[call-overload]
        for count, member in enumerate(archive):
            path = member.name.removeprefix("./")
            if count > 2 * MAX_FILES:
                raise bounds.refuse(path, f"is one member too many: at most {2 * MAX_FILES}")
            if member.isdir() and path.rstrip("/") in ("", "."):
                continue
            path = path.rstrip("/") if member.isdir() else path
            bounds.name(path)
            if not (member.isdir() or (member.isreg() and not member.issparse())):
                raise bounds.refuse(path, f"is {_kind(member)}: an archive of barclamps has plain files only")
            bounds.mode(path, member.mode)
            if member.isdir():
                folders.add(path)
                continue
            bounds.add(path, member.size)
            data = archive.extractfile(member)
            content = data.read(member.size) if data is not None else b""
            if len(content) != member.size:
                raise bounds.refuse(path, "ends too early")
            out[path] = Content(content, bool(member.mode & 0o111))
    for path in out:
        parts = path.split("/")
        if path in folders or any("/".join(parts[:i]) in out for i in range(1, len(parts))):
            raise bounds.refuse(path, "is a file and a folder")
    return {path: one for path, one in out.items() if belongs(path)}


def _kind(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return f"a link to {member.linkname[:60]!r}"
    if member.isfifo():
        return "a pipe"
    return "a device" if member.isdev() else "a sparse file" if member.issparse() else "of an unknown kind"
