"""The makers' files in the store's folder `firmware`: what a machine may fetch of them, with their sums.

A file is read once for its sum; another size, time or inode is another file. Only plain files directly in the folder, whose names the
attribute `firmware-wanted` could name, and no more than MOST.
"""

from __future__ import annotations

import re
import threading
from hashlib import file_digest
from pathlib import Path

from msgspec import Struct

FOLDER = "firmware"
MOST = 500
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""As the paths of the HTTP service."""


class ShelfFile(Struct, frozen=True, kw_only=True):
    path: Path
    size: int
    """Octets."""
    sha256: str
    """In hex."""


class FirmwareShelf:
    """Thread-safe."""

    def __init__(self, store: Path) -> None:
        self.folder = store / FOLDER
        self._sums: dict[tuple[str, int, int, int], str] = {}
        self._lock = threading.Lock()

    def file(self, name: str) -> ShelfFile | None:
        """None: there is no such file, or it cannot be read."""
        if not _NAME.fullmatch(name):
            return None
        path = self.folder / name
        try:
            if path.is_symlink() or not path.is_file():
                return None
            about = path.stat()
            key = (name, about.st_ino, about.st_size, about.st_mtime_ns)
            with self._lock:
                known = self._sums.get(key)
            if known is None:
                with path.open("rb") as content:
                    known = file_digest(content, "sha256").hexdigest()
                with self._lock:
                    if len(self._sums) >= MOST:
                        self._sums.clear()
                    self._sums[key] = known
        except OSError:
            return None
        return ShelfFile(path=path, size=about.st_size, sha256=known)

    def cabinets(self) -> dict[str, ShelfFile]:
        """The files of fwupd, by name."""
        names = sorted(path.name for path in self.folder.glob("*.cab"))[:MOST] if self.folder.is_dir() else []
        return {name: found for name in names if (found := self.file(name)) is not None}
