"""`lsscsi` (also `-g`): SCSI drives and controllers as INQUIRY tells them. Source: lsscsi(8); its columns have the widths of SPC-4."""

from __future__ import annotations

import re

from engine.parts import Controller, Drive, Parts
from engine.readers import plain
from engine.readers.report import Refused, told

_ROW = re.compile(r"\[(\d+:\d+:\d+:\d+)\]\s+(disk|cd/dvd|tape|storage|enclosu|mediumx|process) ?\s*(.{8}) (.{16}) (.{4})\s+(/dev/\S+|-)")


def looks(text: str) -> bool:
    return bool(_ROW.search(text[:4000]))


def read(text: str) -> Parts:
    """Raises Refused where no device is listed. A volume of a RAID controller is a disk here too: only its name tells."""
    found = [match for row in plain.whole_lines(text) if (match := _ROW.match(row))]
    if not found:
        raise Refused(f"lsscsi listed no device; it said: {plain.first(plain.lines(text))}")
    drives, controllers = [], []
    for one in found[:4096]:
        vendor, model, firmware = (told(one[n]) for n in (3, 4, 5))
        if one[2] in ("disk", "cd/dvd", "tape"):
            name = one[6].removeprefix("/dev/") if one[6] != "-" else ""
            medium = {"cd/dvd": "optical", "tape": "tape"}.get(one[2], "")
            drives.append(Drive(name=name, vendor=vendor, model=model, firmware=firmware, medium=medium))  # type: ignore[arg-type]
        elif one[2] == "storage":
            controllers.append(Controller(place=one[1], vendor=vendor, model=model, firmware=firmware))
    return Parts(drives=tuple(drives), controllers=tuple(controllers))
