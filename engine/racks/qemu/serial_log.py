"""The serial consoles of machines: a file for each start, `RACKDIR/machines/NAME/serial-BOOT.log`.

Bounded: LARGEST bytes per start, after which a line says that it was cut; the newest KEPT starts of a machine.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

LARGEST, KEPT = 4 << 20, 30
CUT = b"\n[the console's log ends here: it reached its limit]\n"
_FILE = re.compile(r"serial-(\d{1,9})\.log")
_SCREEN = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()=>].?|[\x00-\x08\x0b-\x1f\x7f-\xff]")


class SerialLog(Struct, frozen=True, kw_only=True):
    boot: int
    """Number of the start since the rack was made."""
    path: Path
    size: int
    at: float
    """Wall time of the last output."""


def serial_logs(rackdir: Path, machine: str) -> list[SerialLog]:
    """The kept logs of a machine, the newest first. Empty if there is no such rack or machine."""
    out = []
    try:
        for path in (rackdir / "machines" / machine).iterdir():
            if match := _FILE.fullmatch(path.name):
                about = path.stat()
                out.append(SerialLog(boot=int(match[1]), path=path, size=about.st_size, at=about.st_mtime))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(out, key=lambda one: -one.boot)


def last_line(data: bytes) -> str:
    """The last line with text on it, as plain text: what a person would see on the screen."""
    for line in reversed(data.replace(b"\r", b"\n").split(b"\n")):
        text = _SCREEN.sub(b"", line).decode("ascii", "replace").strip()
        if text:
            return text[:200]
    return ""


class Recorder:
    """Writes the log of one start."""

    def __init__(self, folder: Path, boot: int) -> None:
        for old in serial_logs(folder.parent.parent, folder.name)[KEPT - 1 :]:
            old.path.unlink(missing_ok=True)
        self._file: BinaryIO = open(folder / f"serial-{boot}.log", "wb", buffering=0)  # noqa: SIM115 - closed by `close`
        self._left = LARGEST
        self._end = b""

    @property
    def screen(self) -> str:
        return last_line(self._end)

    def write(self, data: bytes) -> None:
        """Raises OSError."""
        self._end = (self._end + data)[-2048:]
        if not self._left:
            return
        self._file.write(data[: self._left])
        self._left -= min(self._left, len(data))
        if not self._left:
            self._file.write(CUT)

    def close(self) -> None:
        self._file.close()
