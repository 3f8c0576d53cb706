"""Writes a Linux initramfs: the cpio archive "newc" (Documentation/driver-api/early-userspace/buffer-format.rst in Linux).

Entries keep the given order. Parents must come before children, as the kernel requires. Inode numbers are counted from 1, so that the
same tree gives the same bytes. The format supports hard links, and Linux of 2022 reads them, but the place of the body and the number of
links would have to be known beforehand. So the caller makes symbolic links of them.
"""

from __future__ import annotations

import stat
from typing import BinaryIO

_KINDS = {
    "file": stat.S_IFREG,
    "directory": stat.S_IFDIR,
    "link": stat.S_IFLNK,
    "character": stat.S_IFCHR,
    "block": stat.S_IFBLK,
    "fifo": stat.S_IFIFO,
}
_TRAILER = "TRAILER!!!"


class Cpio:
    """One archive, written to a stream; call `end` when all entries are in."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._inode = 0
        self.octets = 0

    def add(
        self,
        path: str,
        kind: str,
        mode: int,
        body: bytes = b"",
        owner: tuple[int, int] = (0, 0),
        mtime: int = 0,
        device: tuple[int, int] = (0, 0),
    ) -> None:
        """One entry: `path` relative without `./`; `kind` of file, directory, link, character, block, fifo; `mtime` in seconds."""
        self._inode += 1
        self._entry(path, self._inode, _KINDS[kind] | mode & 0o7777, owner, 2 if kind == "directory" else 1, mtime, body, device)

    def end(self) -> None:
        """The end mark, padded to 512 bytes so that another archive may follow."""
        self._entry(_TRAILER, 0, 0, (0, 0), 1, 0, b"", (0, 0))
        self._write(b"\0" * (-self.octets % 512))

    def _entry(
        self, path: str, inode: int, mode: int, owner: tuple[int, int], links: int, mtime: int, body: bytes, device: tuple[int, int]
    ) -> None:
        name = path.encode("utf-8", "surrogateescape") + b"\0"
        fields = (inode, mode, *owner, links, mtime, len(body), 0, 0, *device, len(name), 0)
        self._write(b"070701" + b"".join(b"%08X" % field for field in fields) + name)
        self._pad()
        self._write(body)
        self._pad()

    def _pad(self) -> None:
        self._write(b"\0" * (-self.octets % 4))

    def _write(self, octets: bytes) -> None:
        self._out.write(octets)
        self.octets += len(octets)
