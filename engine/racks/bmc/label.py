"""What stands on a machine's label, and its FRU: the octets in which a BMC keeps that (Platform Management FRU Information Storage
Definition 1.0)."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct


class About(Struct, frozen=True, kw_only=True):
    """What stands on the machine's label."""

    guid: UUID
    vendor: str = ""
    product: str = ""
    serial: str = ""


def fru(about: About) -> bytes:
    """Common header (8), then the product area (12). Empty for a label without a serial."""
    if not about.serial:
        return b""
    fields = b"".join(_field(text) for text in (about.vendor, about.product, "", "", about.serial, "", "")) + b"\xc1"
    size = -(-(3 + len(fields) + 1) // 8)
    area = (bytes((1, size, 0)) + fields).ljust(size * 8 - 1, b"\x00")
    header = bytes((1, 0, 0, 0, 1, 0, 0))
    return header + _sum(header) + area + _sum(area)


def _field(text: str) -> bytes:
    """Type 3: 8-bit ASCII. A field of one character would read as the end."""
    octets = text.encode("ascii", "replace")[:63]
    octets = octets + b" " if len(octets) == 1 else octets
    return bytes((0xC0 | len(octets),)) + octets if octets else b"\x00"


def _sum(octets: bytes) -> bytes:
    return bytes((-sum(octets) & 0xFF,))
