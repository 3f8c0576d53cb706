"""`hdparm -I`: what an ATA drive says it is. Source: hdparm's identify.c. It tells neither health nor wear."""

from __future__ import annotations

import re

from engine.parts import Drive, Parts
from engine.readers import plain
from engine.readers.report import Refused, told

_START = re.compile(r"^ATAPI? device, with (?:non-)?removable|^(?:ATA|CompactFlash ATA|ATAPI[ \w-]*) device", re.MULTILINE)

_LBA28 = 268435455
"""What a larger drive tells in 28 bits; its size is in the line of LBA48."""


def looks(text: str) -> bool:
    return bool(_START.search(text[:2000]))


def read(text: str) -> Parts:
    """A drive for each `/dev/...:` in it. Raises Refused where hdparm identified none."""
    body = "\n".join(plain.whole_lines(text))
    heads = list(re.finditer(r"^(/dev/\S+):$", body, re.MULTILINE))
    ends = [head.start() for head in heads[1:]] + [len(body)]
    pages = [(head[1], body[head.end() : end]) for head, end in zip(heads, ends, strict=False)] or [("", body)]
    drives, odd = [], []
    for path, page in pages[:256]:
        if not plain.printable(page):
            odd.append(f"{path} sent no identity of an ATA drive".strip())
        elif _START.search(page):
            drives.append(_drive(path, page))
        else:
            odd.append(f"{path}: {plain.first(page.splitlines())}")
    if not drives:
        raise Refused(f"hdparm identified no drive; it said: {odd[0] if odd else plain.first(body.splitlines())}")
    return Parts(drives=tuple(drives), odd=tuple(odd[:50]))


def _drive(path: str, page: str) -> Drive:
    one = plain.pairs(page.splitlines())
    block = plain.leading(one.get("Logical Sector size") or one.get("Logical/Physical Sector size"), "bytes")
    sectors = plain.integer(one.get("LBA48 user addressable sectors")) or plain.integer(one.get("LBA user addressable sectors"))
    if sectors == _LBA28:
        sectors = 0
    rate = one.get("Nominal Media Rotation Rate", "")
    rpm = plain.integer(rate, 100_000)
    return Drive(
        name=path.removeprefix("/dev/"),
        model=told(one.get("Model Number", "")),
        serial=told(one.get("Serial Number", "")),
        firmware=told(one.get("Firmware Revision", "")),
        wwn=plain.wwn(one.get("Logical Unit WWN Device Identifier")),
        size=sectors * (block or 512),
        block=block,
        medium="optical" if "CD-ROM" in page[:200] else "ssd" if rate == "Solid State Device" else "hdd" if rpm > 1 else "",
        protocol="sata" if "SATA" in one.get("Transport", "") or "Serial" in one.get("Transport", "") else "",
        rpm=rpm if rpm > 1 else 0,
    )
