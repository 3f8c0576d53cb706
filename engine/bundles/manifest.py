"""The list of what is in a bundle: names, sizes and SHA-256 of its parts. It is the first member of the tar, and the signature is over it.

Names decide where a part goes when the bundle is opened:

    plan.yml                     the plan
    images/NAME/FILE             files of an image, with its SHA256SUMS
    barclamps/imported.tar       the barclamps that the site imported
    packages/HOST/PATH           a file of a mirror: lists that the distribution signed, and packages
    wheels/FILE.whl              this program, and what it needs
    sources/ID.bundle            a git repository
    sources/built-KEY/FILE       wheels that were built from one

Everything is checked before a byte is written: a name that leads out, a name that is there twice or is a file and a folder, a size above
the bounds. Pure.
"""

from __future__ import annotations

import re

import msgspec
from msgspec import Struct

from ..definitions import Json
from . import BundleError

FORMAT = 1
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
LARGEST_MANIFEST = 32 << 20
MOST_PARTS = 100_000
LARGEST_PART = 16 << 30
LARGEST = 1 << 40
"""Bytes of all parts together."""
KINDS = ("barclamps", "firmware", "images", "packages", "sources", "wheels")
"""Folders of a bundle."""
PLAN, BARCLAMPS = "plan.yml", "barclamps/imported.tar"
_PIECE = r"[A-Za-z0-9_][A-Za-z0-9._+~^:@%=,-]{0,199}"
_NAME = re.compile(rf"plan\.yml|({'|'.join(KINDS)})(/{_PIECE}){{1,24}}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
LONGEST_NAME = 1024


class Part(Struct, frozen=True, kw_only=True):
    name: str
    size: int
    """Bytes."""
    sha256: str

    @property
    def kind(self) -> str:
        """`plan`, or its folder."""
        return self.name.partition("/")[0] if "/" in self.name else "plan"


class Manifest(Struct, frozen=True, kw_only=True):
    format: int
    program: str
    """Version of the program that made the bundle."""
    site: str
    """Name of the plan's site."""
    systems: tuple[str, ...] = ()
    """Systems whose packages are in it."""
    barclamps: dict[str, tuple[str, str]] = {}
    """Barclamp of the plan's catalogue -> version and SHA-256; shipped ones too, which are no parts."""
    left_out: tuple[str, ...] = ()
    """Sentences: what the plan needs and the bundle does not hold."""
    parts: tuple[Part, ...] = ()

    @property
    def octets(self) -> int:
        return sum(part.size for part in self.parts)


def encode(manifest: Manifest) -> bytes:
    """The same manifest gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=1) + b"\n"


def decode(data: bytes) -> Manifest:
    """Raises BundleError."""
    try:
        head: Json = msgspec.json.decode(data)
        if isinstance(head, dict) and head.get("format") != FORMAT:
            raise BundleError(
                f"the bundle has format {str(head.get('format'))[:20]}, and this program reads {FORMAT}: use the program that made it"
            )
        found = msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise BundleError(f"the bundle's manifest is not valid ({error}): make the bundle again") from error
    check(found)
    return found


def check(manifest: Manifest) -> None:
    """Raises BundleError for what no bundle of this program has."""
    if len(manifest.parts) > MOST_PARTS:
        raise BundleError(f"the bundle has {len(manifest.parts)} parts, and {MOST_PARTS} is the most")
    names = [part.name for part in manifest.parts]
    for part in manifest.parts:
        if len(part.name) > LONGEST_NAME or not _NAME.fullmatch(part.name):
            raise BundleError(f"the bundle names a part {part.name[:80]!r}, which is not a name that a bundle may hold: do not use it")
        if not 0 <= part.size <= LARGEST_PART or not _SHA256.fullmatch(part.sha256):
            raise BundleError(f"the bundle's manifest gives no valid size and checksum for {part.name}: make the bundle again")
    if names != sorted(set(names)):
        raise BundleError("the parts of the bundle are not in order, or one is named twice: make the bundle again")
    files = set(names)
    for name in names:
        above = name.rpartition("/")[0]
        while above:
            if above in files:
                raise BundleError(f"the bundle names {above} as a file and as a folder: do not use it")
            above = above.rpartition("/")[0]
    if manifest.octets > LARGEST:
        raise BundleError(f"the bundle's parts have {manifest.octets} bytes together, and {LARGEST} is the most")
