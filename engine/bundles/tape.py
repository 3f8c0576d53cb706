"""A bundle's bytes: a plain tar whose members follow from the manifest. Written and read as a stream, in pieces.

    manifest.json    the list of the parts
    manifest.sig     the public key and the signature over manifest.json
    ...              the parts, in the order of the manifest

The members are not compressed: images and packages are already. No member has a time or an owner of this machine. So the same parts and
the same key give the same bytes, and any tar program can list them.

The reader never parses a tar header of a stranger: it computes the header that must stand there, and compares. So nothing but plain files
with the names and sizes of the signed manifest can be in a bundle, and nothing unpacks to more than it says.
"""

from __future__ import annotations

import base64
import hashlib
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Protocol

import msgspec
from msgspec import Struct

from ..trust.bundle_key import KEY_BYTES, SIGNATURE_BYTES, BundleKey, fingerprint, signed_by
from . import BundleError
from .manifest import LARGEST_MANIFEST, MANIFEST, SIGNATURE, Manifest, Part, decode, encode

Moved = Callable[[int, int], None]
"""Gets the octets that are read or written, and of how many."""
PIECE = 1 << 20
_BLOCK = tarfile.BLOCKSIZE
_END = 2 * _BLOCK
_LARGEST_SIGNATURE = 4096


class Octets(Protocol):
    """What a bundle is read from, once and in order."""

    def read(self, size: int, /) -> bytes:
        """At most so many octets. Empty: the end."""
        ...


class _Signature(Struct, frozen=True, kw_only=True):
    """`manifest.sig`, in base64."""

    key: str
    signature: str


def write(
    out: IO[bytes], manifest: Manifest, key: BundleKey, opened: Callable[[Part], IO[bytes]], moved: Moved = lambda _done, _all: None
) -> None:
    """Writes the bundle. `opened` opens the content of a part. Raises BundleError if a part changed since it was listed, and OSError."""
    text = encode(manifest)
    if len(text) > LARGEST_MANIFEST:
        raise BundleError(f"the bundle's manifest would have {len(text)} bytes, and {LARGEST_MANIFEST} is the most")
    signature = _Signature(key=base64.b64encode(key.public).decode(), signature=base64.b64encode(key.sign(text)).decode())
    for name, data in ((MANIFEST, text), (SIGNATURE, msgspec.json.encode(signature, order="deterministic") + b"\n")):
        out.write(_head(name, len(data)))
        out.write(data)
        out.write(bytes(-len(data) % _BLOCK))
    written = 0
    for part in manifest.parts:
        out.write(_head(part.name, part.size))
        digest, left = hashlib.sha256(), part.size
        with opened(part) as source:
            while piece := source.read(PIECE):
                digest.update(piece)
                left -= len(piece)
                out.write(piece)
                written += len(piece)
                moved(written, manifest.octets)
        if left or digest.hexdigest() != part.sha256:
            raise BundleError(f"{part.name} changed while the bundle was written: run the command again")
        out.write(bytes(-part.size % _BLOCK))
    out.write(bytes(_END))


def _head(name: str, size: int) -> bytes:
    """The header of a member. GNU's format has names and sizes of any length without a second way to write them."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    return entry.tobuf(tarfile.GNU_FORMAT)


class Tape:
    """Reads a bundle once, from its beginning to its end. Making it reads the manifest and checks its signature. Raises BundleError and
    OSError."""

    def __init__(self, source: Octets, name: str, moved: Moved = lambda _done, _all: None) -> None:
        self._source = source
        self._name = name
        self._moved = moved
        self._octets = 0
        self.text = self._first()
        self.public = self._signed(self.text)
        self.manifest = decode(self.text)

    @property
    def fingerprint(self) -> str:
        """Of the key that signed it."""
        return fingerprint(self.public)

    def parts(self) -> Iterator[tuple[Part, Iterator[bytes]]]:
        """Each part and its content in pieces. The content must be used up before the next part. Raises BundleError for a part that is
        missing or damaged, and for anything behind the last one."""
        for part in self.manifest.parts:
            wanted = _head(part.name, part.size)
            if self._read(len(wanted), f"before {part.name}") != wanted:
                raise BundleError(f"{self._name} lacks the part {part.name}, or holds something else in its place: copy the bundle again")
            pieces = self._content(part)
            yield part, pieces
            for _ in pieces:  # what the caller left
                pass
        if any(self._read(_END, "at its end")) or self._source.read(1):
            raise BundleError(f"{self._name} goes on behind its last part: copy the bundle again")

    def _content(self, part: Part) -> Iterator[bytes]:
        digest, left = hashlib.sha256(), part.size
        while left:
            piece = self._read(min(left, PIECE), f"in the part {part.name}")
            digest.update(piece)
            left -= len(piece)
            self._octets += len(piece)
            self._moved(self._octets, self.manifest.octets)
            yield piece
        if any(self._read(-part.size % _BLOCK, f"behind {part.name}")) or digest.hexdigest() != part.sha256:
            raise BundleError(
                f"the part {part.name} of {self._name} is damaged: its SHA-256 is not that of the manifest; copy the bundle again"
            )

    def _read(self, many: int, where: str) -> bytes:
        data = b""
        while len(data) < many:
            piece = self._source.read(many - len(data))
            if not piece:
                raise BundleError(f"{self._name} ends too early, {where}: copy the bundle again")
            data += piece
        return data

    def _first(self) -> bytes:
        head = self._read(_BLOCK, "before its manifest")
        try:
            size = int(head[124:135].decode("ascii"), 8)
        except (UnicodeDecodeError, ValueError):
            size = -1
        if not 0 <= size <= LARGEST_MANIFEST or head != _head(MANIFEST, size):
            raise BundleError(f"{self._name} is not a bundle: it does not begin with {MANIFEST}")
        text = self._read(size, "in its manifest")
        if any(self._read(-size % _BLOCK, "behind its manifest")):
            raise BundleError(f"the manifest of {self._name} is damaged: copy the bundle again")
        return text

    def _signed(self, text: bytes) -> bytes:
        """The public key whose signature fits the manifest."""
        wrong = BundleError(f"the signature of {self._name} does not fit its manifest, so it is damaged or was changed: do not use it")
        head = self._read(_BLOCK, "before its signature")
        try:
            size = int(head[124:135].decode("ascii"), 8)
        except (UnicodeDecodeError, ValueError):
            raise wrong from None
        if not 0 <= size <= _LARGEST_SIGNATURE or head != _head(SIGNATURE, size):
            raise wrong
        data = self._read(size, "in its signature")
        if any(self._read(-size % _BLOCK, "behind its signature")):
            raise wrong
        try:
            found = msgspec.json.decode(data, type=_Signature)
            public, signature = base64.b64decode(found.key, validate=True), base64.b64decode(found.signature, validate=True)
        except (msgspec.MsgspecError, ValueError):
            raise wrong from None
        if (len(public), len(signature)) != (KEY_BYTES, SIGNATURE_BYTES) or not signed_by(public, signature, text):
            raise wrong
        return public


def verify(path: Path, key: str = "", moved: Moved = lambda _done, _all: None) -> Tape:
    """Reads all of a bundle and checks it. `key`: the fingerprint that must have signed it; empty: any. Raises BundleError, OSError."""
    with path.open("rb") as source:
        tape = Tape(source, path.name, moved)
        pinned(tape, path.name, key)
        for _ in tape.parts():
            pass
    return tape


def pinned(tape: Tape, name: str, key: str) -> None:
    """Raises BundleError if another key than that with the fingerprint `key` signed the bundle."""
    if key and key.lower().removeprefix("sha256:") != tape.fingerprint:
        raise BundleError(f"{name} is signed with the key {tape.fingerprint}, and not with {key[:80]}: do not use it")
