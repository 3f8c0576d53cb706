"""The site's own initramfs: a small cpio archive that is loaded beside an image's initramfs, so that one image serves every site.

    /etc/crowbar/authorized_keys   0600  the engine's public SSH key, for root
    /etc/crowbar/ca.crt            0644  the site's certificate authority (PEM)
    /etc/crowbar/tls               0644  the engine's URL over TLS, one line

It holds no secret: anyone on the admin network may have it. Plain HTTP serves it like the kernel, and it is worth as much trust as that.

Format: "newc" of cpio (Linux, Documentation/driver-api/early-userspace/buffer-format.rst): ASCII header of 110 bytes, name, content,
each padded to four bytes; then an entry named TRAILER!!!. Everything belongs to root and has time 0, so equal content gives equal bytes.

Trap: the kernel takes an uncompressed archive only at a multiple of four in memory, and loaders put it right behind an initrd of any
size. It finds a compressed archive anywhere, hence gzip.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence

from msgspec import Struct

FOLDER, FILE = 0o040000, 0o100000
TRAILER = "TRAILER!!!"
SITE_IMAGE = "site.img"
"""Its name at /boot/, and on the kernel line."""


class Entry(Struct, frozen=True, kw_only=True):
    """A file, or a folder if it has no content. `mode` is its permissions."""

    name: str
    mode: int
    content: bytes | None = None


def cpio(entries: Sequence[Entry]) -> bytes:
    """An uncompressed archive. Folders must come before their content. Raises ValueError for a name that is not plain."""
    out = []
    for number, entry in enumerate(entries, 1):
        parts = entry.name.split("/")
        if not all(parts) or {".", ".."} & set(parts) or not entry.name.isascii() or "\0" in entry.name:
            raise ValueError(f"{entry.name!r} cannot be a name in the archive")
        kind, links = (FOLDER, 2) if entry.content is None else (FILE, 1)
        out.append(_record(entry.name, number, kind | entry.mode, links, entry.content or b""))
    out.append(_record(TRAILER, 0, 0, 1, b""))
    return _padded(b"".join(out), 512)


def _record(name: str, inode: int, mode: int, links: int, content: bytes) -> bytes:
    raw = name.encode("ascii") + b"\0"
    # inode, mode, uid, gid, links, time, size, device (2), special device (2), length of name, checksum (of "crc" only)
    fields = (inode, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(raw), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields)
    return _padded(head + raw, 4) + _padded(content, 4)


def _padded(data: bytes, to: int) -> bytes:
    return data + bytes(-len(data) % to)


def site_image(authorized_key: str, ca: bytes, tls_url: str) -> bytes:
    """The archive of a site, compressed. `authorized_key` is one line, `ca` PEM."""
    return gzip.compress(
        cpio(
            [
                Entry(name="etc", mode=0o755),
                Entry(name="etc/crowbar", mode=0o755),
                Entry(name="etc/crowbar/authorized_keys", mode=0o600, content=authorized_key.strip().encode("ascii") + b"\n"),
                Entry(name="etc/crowbar/ca.crt", mode=0o644, content=ca),
                Entry(name="etc/crowbar/tls", mode=0o644, content=tls_url.encode("ascii") + b"\n"),
            ]
        ),
        mtime=0,
    )
