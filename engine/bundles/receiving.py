"""A bundle that somebody uploads: a stream of a stranger's length and pace. It is bounded, and who signed it is known before anything of it
is written.

    manifest and signature   checked first: the key must be named, or be this site's own
    size                     of the manifest, against the limit of the upload and the room on the disk
    parts                    written beside what counts, each checksum checked; then all of it counts, or nothing (`opening`)
"""

from __future__ import annotations

import io
import select
import time
from collections.abc import Callable
from pathlib import Path

from ..trust.bundle_key import own_fingerprint
from . import BundleError
from .manifest import LARGEST_MANIFEST
from .opening import open_stream
from .tape import Tape

NAME = "the upload"
IDLE_S = 60.0
"""Seconds in which something must arrive."""
WHOLE_S = 6 * 3600.0
"""Seconds within which the whole upload must have arrived: nobody else can open a bundle meanwhile."""
FRAME = 100_000 * 2560
"""Octets that headers and padding take, if a bundle has as many parts as it may have."""


class BoundedStream:
    """Reads from a descriptor: at most so many octets, and never without an end. Raises BundleError."""

    def __init__(
        self, descriptor: int, most: int, idle_s: float = IDLE_S, whole_s: float = WHOLE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._descriptor = descriptor
        self._left = most
        self._most = most
        self._idle_s = idle_s
        self._clock = clock
        self._whole_s = whole_s
        self._end = clock() + whole_s
        self._file = io.FileIO(descriptor, "rb", closefd=False)

    def read(self, size: int, /) -> bytes:
        """At most `size` octets. Empty: the end."""
        ready = select.poll()  # `select` refuses descriptors above 1023
        ready.register(self._descriptor, select.POLLIN | select.POLLHUP)
        left = self._end - self._clock()
        if left <= 0:
            raise BundleError(f"{NAME} took longer than {self._whole_s:g} s: send it over a faster line")
        if not ready.poll(min(self._idle_s, left) * 1000):
            raise BundleError(f"nothing of {NAME} came for {min(self._idle_s, left):g} s: send it again")
        piece = self._file.read(min(size, self._left + 1)) or b""
        self._left -= len(piece)
        if self._left < 0:
            raise BundleError(f"{NAME} is larger than {self._most:,} bytes, the most that is allowed here")
        return piece


def receive_bundle(store: Path, descriptor: int, keys: Path, key: str, most: int) -> Tape:
    """Like `open_bundle`, from a descriptor. `key`: the fingerprint that must have signed it; without one, it must be this site's own key,
    which is in the folder `keys`. `most`: octets that its parts may have together. Raises BundleError, StoreError, KeyFileError, OSError;
    then nothing has changed."""

    def trusted(tape: Tape) -> None:
        if tape.manifest.octets > most:
            raise BundleError(f"{NAME} holds {tape.manifest.octets:,} bytes, and {most:,} is the most that is allowed here")
        if not key and own_fingerprint(keys) != tape.fingerprint:
            raise BundleError(
                f"{NAME} is signed with the key {tape.fingerprint}, which is not this site's own, and no other key is allowed here: "
                f"compare the fingerprint, then add --key {tape.fingerprint} to crowbar shell"
            )

    stream = BoundedStream(descriptor, most + LARGEST_MANIFEST + FRAME)
    return open_stream(store, stream, NAME, key, judged=trusted)
