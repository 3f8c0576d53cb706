"""A file that the HTTP service may send. Apart from the service, so that lists of images do not load a web server."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class ImageFile(Struct, frozen=True, kw_only=True):
    """A file of an image, from the catalogue."""

    path: str
    size: int
    sha256: str
    """In hex."""
    kind: Literal["discovery", "system", "installer", "loader"]
    use: str = ""
    """`kernel`, `initrd`, `root`, `bios`, `efi`."""
