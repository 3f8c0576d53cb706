"""The table of report formats, and the one way in: the text or the octets of a report -> `Parts`.

Rules
* One line for each format: its name, what it is, its reader, its test, and the command that makes it.
* `looks` is cheap, never raises, and is true of at most one format for any real report.
* The report of an `octets` format (frames, captures) is text in latin-1: one character for each octet.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from engine.parts import Parts
from engine.readers import dmidecode, plain
from engine.readers.report import Refused


class ReportFormat(Struct, frozen=True):
    about: str
    read: Callable[[str], Parts]
    looks: Callable[[str], bool]
    command: str
    octets: bool = False


FORMATS: dict[str, ReportFormat] = {
    "dmidecode": ReportFormat("SMBIOS tables", dmidecode.read, dmidecode.looks, "dmidecode"),
}
"""By name. A reader that serves several formats has a line for each."""


def read(text: str, format: str = "") -> Parts:
    """What the report says. With an empty format the text is recognised. Raises Refused, also for an unknown format."""
    name = format or recognise(text)
    if name not in FORMATS:
        raise Refused(f"there is no format {name!r:.60}; `crowbar hardware formats` lists them")
    return FORMATS[name].read(plain.bounded(text))


def recognise(text: str) -> str:
    """The name of the format that the text has. Raises Refused if it is none of the table."""
    plain.bounded(text)
    for name, one in FORMATS.items():
        if one.looks(text):
            return name
    raise Refused(f"no format of the table fits; the report begins with: {plain.first(plain.lines(text[:10000]), 80)}")


def read_octets(data: bytes, format: str = "") -> tuple[str, Parts]:
    """(format, what it says) of a report as a file has it: UTF-8, UTF-16 with a mark, latin-1, or octets. Raises Refused."""
    raw = data.decode("latin-1")
    for name, one in FORMATS.items():
        if one.octets and (name == format or (not format and one.looks(raw))):
            return name, read(raw, name)
    text = as_text(data)
    name = format or recognise(text)
    return name, read(text, name)


def as_text(data: bytes) -> str:
    """Text as a file has it. Octets that are no UTF-8 are taken as latin-1, as the tools copy them from the hardware."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
