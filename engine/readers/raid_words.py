"""What the readers of RAID tools share: sizes, levels, states and PCI addresses, and lines of `key : value`.

The tools of RAID controllers count in powers of two and write `GB` (storcli, MegaCli, arcconf, tw_cli, sas2ircu). HPE's tools write drives
in powers of ten and volumes in powers of two. Where a report tells sectors too, the size is exact. Otherwise it is as exact as the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from ..parts import Drive, DriveState, Health, Level, Parts, RaidVolume, VolumeState
from .report import MOST_CHARACTERS, MOST_ITEMS, Refused, told

_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*([KMGTPE]?)(i?)B(?:ytes)?\b", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_PAIR = re.compile(r"(\s*)([^:=\s][^:=]{0,79}?)\s*[:=](?:\s|$)\s?(.*)")
_TIGHT = re.compile(r"(\s*)([^:\s][^:]{0,79}?)\s*:\s?(.*)")
_HEX = re.compile(r"(?:0x)?([0-9a-f]{16}|[0-9a-f]{32})")
_PCI = re.compile(r"([0-9a-f]{2,8})h?:([0-9a-f]{1,2})h?:([0-9a-f]{1,2})h?[:.]([0-7]|0[0-7])h?", re.IGNORECASE)
_SPEED = re.compile(r"(\d{1,3}(?:\.\d{1,3})?)\s*G(?:b/s|bps|bit/s|b)", re.IGNORECASE)
_LEVELS: dict[str, Level] = {
    "0": "raid0", "1": "raid1", "5": "raid5", "6": "raid6", "10": "raid10", "1+0": "raid10", "50": "raid50", "5+0": "raid50",
    "60": "raid60", "6+0": "raid60", "1e": "raid1e", "4": "raid4", "adg": "raid6", "6 (adg)": "raid6", "6 reed-solomon": "raid6",
    "1(1+0)": "raid10", "1 adm": "other", "1 (adm)": "other", "10 adm": "other", "10 (adm)": "other", "1+0 (adm)": "other",
    "1 triple": "other", "10 triple": "other", "5 (triple parity)": "other", "1+0(adm)": "other", "00": "other", "5e": "other",
    "5ee": "other", "1t": "other", "10t": "other", "jbod": "jbod", "linear": "other", "spanned_volume": "other", "volume": "other",
    "simple_volume": "jbod", "simple volume": "jbod", "single": "jbod", "spare": "other", "container": "other", "multipath": "other",
}  # fmt: skip


def lines_of(text: str) -> list[str]:
    """The lines, without their ends. Raises Refused for an empty report, a long one, and one that is no text."""
    if not isinstance(text, str) or not text.strip():
        raise Refused("the report is empty")
    if len(text) > MOST_CHARACTERS:
        raise Refused(f"the report has {len(text)} characters, and the limit is {MOST_CHARACTERS}")
    if "\x00" in text[:4096]:
        raise Refused("the report is not text: it has a null character")
    return [line[:4000].replace("\t", "    ").rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]


def pair(line: str, tight: bool = False) -> tuple[int, str, str] | None:
    """Indentation, key in lower case and value of `Key : value` or `Key = value`. None for another line. `tight`: `Key:value` too."""
    found = (_TIGHT if tight else _PAIR).match(line)
    return (len(found[1]), " ".join(found[2].lower().split()), found[3].strip()) if found is not None else None


def pairs(lines: list[str]) -> Iterator[tuple[int, str, str]]:
    for line in lines:
        found = pair(line)
        if found is not None:
            yield found


def size_of(text: object, decimal: bool = False) -> int:
    """Bytes of `3.637 TB`; 0 where it is no size. `KiB` is always binary. `decimal`: `GB` means 10^9."""
    found = _SIZE.search(text) if isinstance(text, str) else None
    if found is None:
        return 0
    base = 1000 if decimal and not found[3] else 1024
    size = int(float(found[1]) * base ** _POWERS[found[2].upper()])
    return size if size < 1 << 63 else 0


def exact_size(text: str, blocks: int, least: int = 0) -> tuple[int, int]:
    """Bytes, and bytes of a block, of a size that is told in words and in blocks. The block size is the one that fits the words.

    `least`: bytes by which the two may differ, besides one per cent. The block size is 0 where none fits: then the words count.
    """
    about = size_of(text)
    for block in (512, 4096, 520, 528):
        if about and blocks < 1 << 50 and abs(blocks * block - about) <= max(about // 100, least):
            return blocks * block, block if block in (512, 4096) else 0
    return about, 0


def last_block(blocks: int) -> int:
    """The count of blocks. Firmware of HBAs (mpt2sas, mpt3sas) tells the number of the last block, which no drive has as its count."""
    return blocks + 1 if (blocks + 1) % 8 == 0 else blocks


def number(text: object, most: int = 1 << 53) -> int:
    """The whole number at the start of the text; 0 where there is none."""
    if isinstance(text, bool):
        return 0
    if isinstance(text, int):
        return text if 0 <= text <= most else 0
    found = re.match(r"\s*(\d{1,16})(?![\d.,]*\d)", text) if isinstance(text, str) else None
    return int(found[1]) if found is not None and int(found[1]) <= most else 0


def counted(text: object) -> int | None:
    """A counter: None where it is not told."""
    if isinstance(text, bool) or not isinstance(text, int | str):
        return None
    return number(text) if re.fullmatch(r"\s*\d{1,16}\s*", str(text)) else None


def degrees(text: object) -> int | None:
    """` 28C (82.40 F)` or `39 C` -> 28. None where it is no temperature of a drive."""
    found = re.match(r"\s*(\d{1,3})(?:\.\d+)?\s*(?:C\b|deg|°|$)", text) if isinstance(text, str) else None
    return int(found[1]) if found is not None and 0 < int(found[1]) < 150 else None


def wwn_of(text: object) -> str:
    """16 or 32 hexadecimal digits in lower case; empty where it is another text, or all digits are the same."""
    found = _HEX.fullmatch(re.sub(r"[\s:-]", "", text).lower()) if isinstance(text, str) else None
    return found[1] if found is not None and len(set(found[1])) > 1 else ""


def pci_of(text: object) -> str:
    """`00:3b:00:00`, `00h:01h:00h:00h` or `0000:5C:00.0` -> `0000:3b:00.0`."""
    found = _PCI.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        return ""
    domain, bus, device, function = (int(part, 16) for part in found.groups())
    return f"{domain:04x}:{bus:02x}:{device:02x}.{function}" if device < 32 else ""


def link_of(text: object) -> int:
    """Mbit/s of `6.0Gb/s`."""
    found = _SPEED.search(text) if isinstance(text, str) else None
    return int(float(found[1]) * 1000) if found is not None else 0


def level_of(text: object) -> Level:
    """`RAID 1+0`, `RAID10`, `raid5`, `6 Reed-Solomon`, `Raid5+0` -> the level. `other` for a level that the record has no word for."""
    clean = " ".join(text.lower().split())[:60] if isinstance(text, str) else ""
    clean = re.sub(r"^raid[ -]?(?:level)?[ :]?", "", clean).strip()
    return _LEVELS.get(clean, "other") if clean else ""


def spanned(level: Level, spans: int) -> Level:
    """The level of a volume of several spans."""
    grown: dict[Level, Level] = {"raid1": "raid10", "raid5": "raid50", "raid6": "raid60"}
    return grown.get(level, level) if spans > 1 else level


def health_of(state: DriveState | VolumeState) -> Health:
    match state:
        case "optimal" | "online" | "spare" | "unused" | "jbod":
            return "ok"
        case "failed" | "missing":
            return "failed"
        case "degraded" | "rebuilding":
            return "warning"
    return ""


def worst(*all_of: Health) -> Health:
    """The worst health that is told."""
    for one in ("failed", "warning", "ok"):
        if one in all_of:
            return one
    return ""


def medium_of(text: object) -> str:
    """`hdd`, `ssd`, or empty."""
    words = text.lower() if isinstance(text, str) else ""
    if re.search(r"solid state|\bssd\b|_ssd\b", words):
        return "ssd"
    return "hdd" if re.search(r"\bhdd\b|_hdd\b|hard disk", words) else ""


def protocol_of(text: object) -> str:
    """`sas`, `sata`, `nvme`, `scsi`, `ide`, or empty."""
    words = text.lower() if isinstance(text, str) else ""
    if re.search(r"\bnvme\b|\bpcie\b.*\bssd\b", words):
        return "nvme"
    if re.search(r"sata\b|serial[- ]ata\b|sata_", words):
        return "sata"
    if re.search(r"\bsas\b|serial[- ]attached|sas_", words):
        return "sas"
    if re.search(r"\bultra\s?\d+|\bscsi\b|\bultra2\b", words):
        return "scsi"
    return "ide" if re.search(r"\b(?:ata|pata|ide)\b", words) else ""


def vendor_and_model(text: object) -> tuple[str, str]:
    """`ATA     MTFDDAK960TCB`, `HP      EG0900FBLSK`: the vendor is the first 8 characters of SCSI's INQUIRY. `ATA` is no vendor."""
    words = text.rstrip() if isinstance(text, str) else ""
    if len(words) > 8 and words[7] == " " and words[8] != " ":
        vendor, model = told(words[:8]), told(words[8:])
        return ("" if vendor == "ATA" else vendor), model
    return "", told(words)


def bounded(parts: Parts, what: str) -> Parts:
    """The record, if it says anything and its lists are within the bound. Raises Refused otherwise."""
    lists = (parts.controllers, parts.drives, parts.volumes)
    if any(len(one) > MOST_ITEMS for one in lists):
        raise Refused(f"the report lists more than {MOST_ITEMS} parts")
    if parts == Parts(odd=parts.odd):
        raise Refused(f"the report of {what} names no controller, drive or volume" + (f": {parts.odd[0]}" if parts.odd else ""))
    return parts


def with_volumes(drives: list[Drive], volumes: list[RaidVolume]) -> list[Drive]:
    """The drives, each with the volume that lists it. A drive of several volumes has the first."""
    of: dict[tuple[str, str], str] = {}
    for volume in volumes:
        for place in (*volume.members, *volume.spares):
            of.setdefault((volume.controller, place), volume.place)
    return [msgspec.structs.replace(one, volume=one.volume or of.get((one.controller, one.place), "")) for one in drives]
