"""Puts a built image in place so that nobody ever sees half of it: built in a folder beside, its SHA256SUMS written last, then renamed.

Rules
* One build of an image at a time: a lock file beside it, held while the process lives.
* The next build removes what a killed build left behind.
* An image that is replaced is renamed away first. Between the two renames it is missing, never mixed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import BuildError

SUMS = "SHA256SUMS"


@contextmanager
def building(directory: Path, name: str) -> Iterator[Path]:
    """A fresh folder to build image `name` in, deleted afterwards. Raises BuildError if another process builds it, and OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / f".{name}.lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BuildError(f"image {name} is being built by another process") from None
        folder = directory / f".{name}.new"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def settle(folder: Path, directory: Path, name: str) -> dict[str, tuple[int, str]]:
    """Sums the files of a finished `folder`, and makes it image `name`: file -> (size in bytes, SHA-256)."""
    found = {}
    for file in sorted(folder.iterdir()):
        digest = hashlib.sha256()
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
            os.fsync(stream.fileno())
        file.chmod(0o644)
        found[file.name] = (file.stat().st_size, digest.hexdigest())
    with (folder / SUMS).open("x", encoding="ascii") as sums:
        sums.write("".join(f"{digest}  {file}\n" for file, (_, digest) in found.items()))
        sums.flush()
        os.fsync(sums.fileno())
    folder.chmod(0o755)
    place = directory / name
    before = directory / f".{name}.old"
    shutil.rmtree(before, ignore_errors=True)
    if place.exists():
        place.rename(before)
    folder.rename(place)
    shutil.rmtree(before, ignore_errors=True)
    return found
