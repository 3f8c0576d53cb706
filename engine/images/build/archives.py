"""Writes the entries of an image as a cpio archive, for Linux to unpack into memory, or as a tar."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from typing import BinaryIO

from ..cpio import Cpio
from .tree import Entry

_KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "link",
    tarfile.LNKTYPE: "link",
    tarfile.CHRTYPE: "character",
    tarfile.BLKTYPE: "block",
    tarfile.FIFOTYPE: "fifo",
}

Entries = Iterable[Entry]


def write_cpio(entries: Entries, out: BinaryIO) -> int:
    """Its size in octets."""
    archive = Cpio(out)
    for info, body in entries:
        if info.issym():
            body = info.linkname.encode("utf-8", "surrogateescape")
        elif info.islnk():
            body = ("/" + info.linkname.removeprefix("./").lstrip("/")).encode("utf-8", "surrogateescape")
        kind = _KINDS[info.type]
        mode = 0o777 if kind == "link" else info.mode
        archive.add(info.name, kind, mode, body, (info.uid, info.gid), int(info.mtime), (info.devmajor, info.devminor))
    archive.end()
    return archive.octets


class _Body:
    """What tarfile reads an entry's content from."""

    def __init__(self, body: bytes) -> None:
        self._body = memoryview(body)

    def read(self, count: int = -1) -> bytes:
        count = len(self._body) if count < 0 else count
        part, self._body = self._body[:count], self._body[count:]
        return bytes(part)


def write_tar(entries: Entries, out: BinaryIO) -> int:
    """The octets of the files in it."""
    octets = 0
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for info, body in entries:
            info.uname = info.gname = ""
            archive.addfile(info, _Body(body) if info.isreg() else None)
            octets += len(body)
    return octets
