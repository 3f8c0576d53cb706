"""Packs the entries of an image into a compressed file: a cpio archive for Linux to unpack into memory, or a tar for a disk."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, cast

from ..cpio import Cpio
from .errors import BuildError
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


def pack(form: str, entries: Entries, out: Path, level: int) -> int:
    """Writes an image's file with zstd at `level`; its unpacked size in octets. Raises BuildError and OSError."""
    with out.open("xb") as stream:
        zstd = subprocess.Popen(["zstd", "-q", "-c", "-T0", f"-{level}"], stdin=subprocess.PIPE, stdout=stream)
        assert zstd.stdin is not None
        pipe = cast(BinaryIO, zstd.stdin)
        try:
            octets = _cpio(entries, pipe) if form == "initramfs" else _tar(entries, pipe)
            pipe.close()
        except BrokenPipeError as error:
            raise BuildError("zstd ended before all was written, most likely for want of disk space") from error
        except BaseException:
            zstd.kill()
            raise
        finally:
            code = zstd.wait()
    if code != 0:
        raise BuildError(f"zstd failed with exit code {code}")
    return octets


def _cpio(entries: Entries, out: BinaryIO) -> int:
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


def _tar(entries: Entries, out: BinaryIO) -> int:
    octets = 0
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for info, body in entries:
            info.uname = info.gname = ""
            archive.addfile(info, _Body(body) if info.isreg() else None)
            octets += len(body)
    return octets
