"""The SMBIOS table in octets: `/sys/firmware/dmi/tables/DMI`, or what `dmidecode --dump-bin` writes. Source: DMTF DSP0134.

Each structure becomes one with the words that dmidecode prints, and `dmidecode.of_structures` reads those. The UUID needs the version of
the table, which only the dump tells: its octets are in another order before 2.6.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.parts import Parts
from engine.readers.dmidecode import Structure, of_structures
from engine.readers.report import MOST_ITEMS, Refused

_ANCHORS = (b"_SM_", b"_SM3_")
_TABLE_AT = 32
"""In a dump of dmidecode the table follows the entry point there."""
_CHASSIS = {
    3: "Desktop",
    7: "Tower",
    0x11: "Main Server Chassis",
    0x17: "Rack Mount Chassis",
    0x19: "Multi-system",
    0x1C: "Blade",
    0x1D: "Blade Enclosing",
}
_MEMORY = {
    3: "DRAM",
    7: "RAM",
    8: "ROM",
    9: "Flash",
    0x0F: "SDRAM",
    0x12: "DDR",
    0x13: "DDR2",
    0x18: "DDR3",
    0x1A: "DDR4",
    0x1F: "Logical non-volatile device",
}
_MEMORY |= {0x22: "DDR5", 0x23: "LPDDR5"}
_ONBOARD = {3: "Video", 4: "SCSI Controller", 5: "Ethernet", 7: "Sound", 9: "SATA Controller", 10: "SAS Controller"}
_UNKNOWN = 0xFFFF

Words = dict[str, str]


class _Raw:
    """One structure: its formatted octets, with 0 behind their end, and its strings."""

    def __init__(self, octets: bytes, strings: list[str]) -> None:
        self.octets = octets
        self.strings = strings

    def byte(self, at: int) -> int:
        return self.octets[at] if at < len(self.octets) else 0

    def number(self, at: int, size: int = 2) -> int:
        return int.from_bytes(self.octets[at : at + size], "little") if at + size <= len(self.octets) else 0

    def text(self, at: int) -> str:
        number = self.byte(at)
        return self.strings[number - 1] if 0 < number <= len(self.strings) else ""

    def pci(self, segment: int, bus: int) -> str:
        if bus + 1 >= len(self.octets):
            return ""
        function = self.byte(bus + 1)
        return f"{self.number(segment):04x}:{self.byte(bus):02x}:{function >> 3:02x}.{function & 7}"

    def texts(self, **places: int) -> Words:
        return {key.replace("_", " "): self.text(at) for key, at in places.items()}


def looks(octets: str) -> bool:
    data = octets[: 1 << 16].encode("latin-1", "replace")
    if data.startswith(_ANCHORS):
        return True
    return (
        data[:1] in (b"\0", b"\1")
        and len(found := _split(data, 4)) >= 2
        and found[0][0] in (0, 1)
        and 0x12 <= len(found[0][2].octets) <= 64
    )


def read(octets: str) -> Parts:
    """What the table says. Raises Refused where it has no structure of a system."""
    data = octets.encode("latin-1", "replace")
    version = (0, 0)
    if data.startswith(_ANCHORS):
        at = 7 if data.startswith(b"_SM3_") else 6
        version, data = (data[at], data[at + 1]) if len(data) > at + 1 else version, data[_TABLE_AT:]
    found = []
    for kind, handle, raw in _split(data, MOST_ITEMS):
        if kind in _OF:
            values = {key: value for key, value in _OF[kind](raw).items() if value and (key != "UUID" or version >= (2, 6))}
            found.append(Structure(handle=f"0x{handle:04X}", type=kind, title="", values=values, items={}))
    if not any(one.type in (0, 1, 4, 17) and one.values for one in found):
        raise Refused("the octets are no SMBIOS table: no BIOS, system, processor or memory device is in them")
    return of_structures(found)


def _split(data: bytes, most: int) -> list[tuple[int, int, _Raw]]:
    """(type, handle, structure) of those that are whole, up to the end of the table."""
    out: list[tuple[int, int, _Raw]] = []
    at = 0
    while at + 4 <= len(data) and len(out) < most:
        kind, length, handle = data[at], data[at + 1], int.from_bytes(data[at + 2 : at + 4], "little")
        end = data.find(b"\0\0", at + length)
        if length < 4 or end < 0:
            break
        strings = [one.decode("utf-8", "replace") for one in data[at + length : end].split(b"\0")]
        out.append((kind, handle, _Raw(data[at : at + length], strings)))
        at = end + 2
        if kind == 127:
            break
    return out


def _bios(raw: _Raw) -> Words:
    firmware = f"{raw.byte(0x16)}.{raw.byte(0x17)}" if len(raw.octets) > 0x17 and raw.byte(0x16) != 0xFF else ""
    return {**raw.texts(Vendor=4, Version=5, Release_Date=8), "Firmware Revision": firmware}


def _system(raw: _Raw) -> Words:
    one = raw.octets[8:24]
    order = one[3::-1] + one[5:3:-1] + one[7:5:-1] + one[8:]
    digits = order.hex()
    uuid = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])) if len(one) == 16 else ""
    return {**raw.texts(Manufacturer=4, Product_Name=5, Version=6, Serial_Number=7, SKU_Number=0x19, Family=0x1A), "UUID": uuid}


def _board(raw: _Raw) -> Words:
    texts = raw.texts(Manufacturer=4, Product_Name=5, Version=6, Serial_Number=7, Asset_Tag=8)
    return {**texts, "Type": "Motherboard" if raw.byte(0x0D) == 0x0A else ""}


def _chassis(raw: _Raw) -> Words:
    return {**raw.texts(Manufacturer=4, Version=6, Serial_Number=7, Asset_Tag=8), "Type": _CHASSIS.get(raw.byte(5) & 0x7F, "")}


def _processor(raw: _Raw) -> Words:
    """A count of 255 stands for the wider field behind it."""
    cores = raw.number(0x2A) if raw.byte(0x23) == 0xFF else raw.byte(0x23)
    threads = raw.number(0x2E) if raw.byte(0x25) == 0xFF else raw.byte(0x25)
    return {
        **raw.texts(Socket_Designation=4, Manufacturer=7, Version=0x10, Serial_Number=0x20, Part_Number=0x22),
        "Type": "Central Processor" if raw.byte(5) == 3 else "another",
        "Status": "Populated" if raw.byte(0x18) & 0x40 else "Unpopulated",
        "Core Count": str(cores or ""),
        "Thread Count": str(threads or ""),
    }


def _slot(raw: _Raw) -> Words:
    return {**raw.texts(Designation=4), "Current Usage": "In Use" if raw.byte(7) == 4 else "", "Bus Address": raw.pci(0x0D, 0x0F)}


def _array(raw: _Raw) -> Words:
    return {"Use": "System Memory" if raw.byte(5) == 3 else "another", "Number Of Devices": str(raw.number(0x0D))}


def _memory(raw: _Raw) -> Words:
    size, more = raw.number(0x0C), raw.number(0x1C, 4) & 0x7FFFFFFF
    told = "Unknown" if size == _UNKNOWN else f"{more} MB" if size == 0x7FFF else f"{size & 0x7FFF} kB" if size & 0x8000 else f"{size} MB"
    words = {
        **raw.texts(Locator=0x10, Bank_Locator=0x11, Manufacturer=0x17, Serial_Number=0x18, Part_Number=0x1A),
        "Array Handle": f"0x{raw.number(4):04X}",
        "Size": told if size else "No Module Installed",
        "Type": _MEMORY.get(raw.byte(0x12), ""),
        "Rank": str(raw.byte(0x1B) & 0x0F or ""),
    }
    for key, at, unit in (
        ("Total Width", 8, "bits"),
        ("Data Width", 0x0A, "bits"),
        ("Speed", 0x15, "MT/s"),
        ("Configured Memory Speed", 0x20, "MT/s"),
    ):
        number = raw.number(at)
        words[key] = f"{number} {unit}" if number not in (0, _UNKNOWN) else ""
    return words


def _supply(raw: _Raw) -> Words:
    about, power = raw.number(0x0E), raw.number(0x0C)
    state = {3: "OK", 4: "Non-critical", 5: "Critical"}.get(about >> 7 & 7, "Unknown")
    return {
        **raw.texts(Location=5, Name=6, Manufacturer=7, Serial_Number=8, Model_Part_Number=0x0A),
        "Max Power Capacity": f"{power} W" if power not in (0, 0x8000, _UNKNOWN) else "",
        "Status": f"Present, {state}" if about & 2 else "Not Present",
    }


def _onboard(raw: _Raw) -> Words:
    kind = raw.byte(5)
    status = "Enabled" if kind & 0x80 else "Disabled"
    return {**raw.texts(Reference_Designation=4), "Type": _ONBOARD.get(kind & 0x7F, ""), "Status": status, "Bus Address": raw.pci(7, 9)}


def _tpm(raw: _Raw) -> Words:
    vendor = raw.octets[4:8].rstrip(b"\0").decode("ascii", "replace")
    return {"Vendor ID": vendor, "Specification Version": f"{raw.byte(8)}.{raw.byte(9)}", "Description": raw.text(0x12)}


_OF: dict[int, Callable[[_Raw], Words]] = {
    0: _bios,
    1: _system,
    2: _board,
    3: _chassis,
    4: _processor,
    9: _slot,
    16: _array,
    17: _memory,
    39: _supply,
    41: _onboard,
    43: _tpm,
}
