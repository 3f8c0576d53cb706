"""The SMBIOS table in octets says what dmidecode's text of the same table says."""

from __future__ import annotations

import struct

import invented
import pytest

from engine.parts import Parts
from engine.readers import smbios
from engine.readers.formats import read, read_octets
from engine.readers.report import Refused

UUID = bytes.fromhex("44454c4c420010358052b4c04f4b4d32")
"""As the firmware stores it: the first three groups are little-endian (SMBIOS 2.6)."""


def structure(kind: int, handle: int, body: bytes, *strings: str) -> bytes:
    text = b"\0".join(one.encode() for one in strings) + b"\0\0" if strings else b"\0\0"
    return struct.pack("<BBH", kind, len(body) + 4, handle) + body + text


def memory(
    handle: int, array: int, size: int, kind: int, speeds: tuple[int, int], rank: int, widths: tuple[int, int], *strings: str
) -> bytes:
    places = [n + 1 if n < len(strings) else 0 for n in range(4)]  # locator, manufacturer, serial number, part number
    body = struct.pack(
        "<HHHHHBBBBBHHBBBBBIH",
        array,
        0xFFFE,
        *widths,
        size,
        9,
        0,
        places[0],
        0,
        kind,
        0,
        speeds[0],
        places[1],
        places[2],
        0,
        places[3],
        rank,
        0,
        speeds[1],
    )
    return structure(17, handle, body, *strings)


def processor(handle: int, status: int, cores: int, threads: int, *strings: str) -> bytes:
    body = bytearray(0x30 - 4)
    for at, value in (
        (4, 1),
        (5, 3),
        (7, 2 if len(strings) > 1 else 0),
        (0x10, 3 if len(strings) > 2 else 0),
        (0x18, status),
        (0x23, cores),
        (0x25, threads),
    ):
        body[at - 4] = value
    return structure(4, handle, bytes(body), *strings)


def supply(handle: int, watts: int, about: int, *strings: str) -> bytes:
    places = [n + 1 if n < len(strings) else 0 for n in range(4)]
    return structure(39, handle, struct.pack("<BBBBBBBBHH", 0, *places, 0, 0, 0, watts, about), *strings)


TABLE = b"".join(
    (
        structure(0, 0, bytes((1, 2, 0, 0, 3)) + bytes(11) + bytes((5, 15, 2, 65)), "Example Firmware", "2.10", "03/01/2024"),
        structure(
            1,
            1,
            bytes((1, 2, 3, 4)) + UUID + bytes((6, 5, 6)),
            "Example Inc.",
            "Server: 9000",
            "Not Specified",
            "EX1234",
            "To be filled by O.E.M.",
            "Rack",
        ),
        structure(16, 0x10, bytes((3, 3, 6)) + bytes(6) + struct.pack("<H", 3)),
        structure(16, 0x11, bytes((3, 5, 3)) + bytes(6) + struct.pack("<H", 1)),
        memory(0x20, 0x10, 16384, 0x1A, (3200, 2933), 2, (72, 64), "PROC  1 DIMM  1", "Example", "0A1B2C3D", "EX-16G-3200      "),
        memory(0x21, 0x10, 0, 2, (0, 0), 0, (0xFFFF, 0xFFFF), "PROC  1 DIMM  2"),
        memory(0x22, 0x10, 0x7FFF, 0x1A, (0, 0), 0, (64, 64), "PROC  1 DIMM  3").replace(
            struct.pack("<IH", 0, 0) + b"PROC", struct.pack("<IH", 32768, 0) + b"PROC"
        ),
        memory(0x23, 0x11, 16, 9, (0, 0), 0, (8, 8), "ROM"),
        processor(0x30, 0x41, 12, 24, "CPU 1", "Intel(R) Corporation", "Intel(R) Xeon(R) Silver 4310 CPU @ 2.10GHz"),
        processor(0x31, 0, 0, 0, "CPU 2"),
        supply(0x40, 800, 3 << 7 | 2, "Bay 1", "PSU-800", "Example", "PS0001"),
        supply(0x41, 0x8000, 0, "Bay 2"),
        structure(9, 0x50, bytes((1, 0xA5, 8, 4, 3, 0, 0, 0, 0)) + struct.pack("<HBB", 0, 0x3B, 0), "PCIe Slot 1"),
        structure(43, 0x60, b"IFX\0" + bytes((2, 0)) + bytes(8) + bytes((1,)) + bytes(12), "INFINEON"),
        structure(127, 0xFEFF, b""),
    )
)
ENTRY = b"_SM3_\0\x18\x03\x04\0".ljust(32, b"\0")


def text() -> Parts:
    return read_octets((invented.EXAMPLES / "dmidecode-crlf.txt").read_bytes())[1]


def test_the_table_says_what_dmidecode_says_of_it() -> None:
    name, parts = read_octets(ENTRY + TABLE)
    expected = text()
    assert name == "smbios"
    for field in Parts.__struct_fields__:
        if field not in ("firmware", "ports"):  # dmidecode also tells structures of HPE
            assert getattr(parts, field) == getattr(expected, field), field
    assert [one for one in expected.firmware if one.part not in ("tpm", "cpld")] == list(parts.firmware)


def test_without_the_version_there_is_no_uuid() -> None:
    _, parts = read_octets(TABLE)
    assert parts.system is not None
    assert (parts.system.uuid, parts.system.serial) == ("", "EX1234")
    _, old = read_octets(ENTRY.replace(b"\x03\x04", b"\x02\x05", 1) + TABLE)
    assert old.system == parts.system


def test_a_cut_table_says_what_its_whole_structures_say() -> None:
    dimms = text().dimms
    for at in range(0, len(TABLE), 3):
        try:
            parts = smbios.read(TABLE[:at].decode("latin-1"))
        except Refused:
            continue
        assert all(one.serial == dimms[n].serial and one.size == dimms[n].size for n, one in enumerate(parts.dimms))


def test_other_octets_are_refused() -> None:
    with pytest.raises(Refused, match="no SMBIOS table"):
        read("_SM3_" + "\0" * 60, "smbios")
    with pytest.raises(Refused, match="no SMBIOS table"):
        read("\x7f\x04\0\0\0\0", "smbios")
