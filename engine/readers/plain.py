"""Plain text in reports: its lines, and the quantities and identities written in it.

The functions return empty text, 0 or None where a text is not what is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

import msgspec

from engine.readers.report import MOST_CHARACTERS, MOST_ITEMS, Refused, told

MOST_LINE = 4000
"""Characters of one line that are read."""
MOST_LINES = 200_000
"""Of a report that is read line by line. `dmidecode` of the largest server has 4,000, `lspci -vvv` 30,000."""
_UNITS = {"b": 1, "byte": 1, "bytes": 1, "octets": 1}
_UNITS |= {f"{letter}{tail}": 1024**power for power, letter in enumerate("kmgtpe", 1) for tail in ("ib", "")}
_BINARY = _UNITS | {f"{letter}b": 1024**power for power, letter in enumerate("kmgtpe", 1)}
_DECIMAL = _UNITS | {f"{letter}b": 1000**power for power, letter in enumerate("kmgtpe", 1)}
_SIZE = re.compile(r"([0-9][0-9,' _]{0,30}(?:\.[0-9]{1,12})?)\s*([a-z]{1,6})?", re.IGNORECASE)
_MAC = re.compile(r"[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}|[0-9a-f]{12}", re.IGNORECASE)
_MORE_JSON = re.compile(rb"^[ \t,]*(?:\{|\[\s*(?:[\[{\"\d]|$))", re.MULTILINE)
_COLOURS = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\([A-B0])")
"""What a terminal takes as an order: colours, mostly."""
MOST_BYTES = 2**60
"""Of one drive. Devices without a medium tell sizes beyond it."""
_DATES = ("%m/%d/%Y", "%Y-%m-%d", "%m-%d-%Y", "%Y/%m/%d", "%d %b %Y", "%b %d %Y", "%m/%d/%y")


def bounded(text: str) -> str:
    """The text without a byte order mark and with plain line ends, if it is of a size that readers take. Raises Refused."""
    if len(text) > MOST_CHARACTERS:
        raise Refused(f"the report has {len(text)} characters; at most {MOST_CHARACTERS} are read")
    bare = text.lstrip("\ufeff").rstrip("\0")
    if "\x1b" in bare:
        bare = _COLOURS.sub("", bare)
    if not bare.strip():
        raise Refused("the report is empty")
    return bare.replace("\r\n", "\n").replace("\r", "\n") if "\r" in bare else bare


def lines(text: str) -> list[str]:
    """The lines of a report, whatever ends them, without spaces behind. Raises Refused for an empty or a too large one."""
    if (count := text.count("\n")) > MOST_LINES:
        raise Refused(f"the report has {count} lines; at most {MOST_LINES} are read")
    return [line[:MOST_LINE].rstrip("\0 \t") for line in bounded(text).split("\n")]


def whole_lines(text: str) -> list[str]:
    """As `lines`, without a last line that has no end: what a cut left of a value may be another value. Raises Refused."""
    rows = lines(text)
    return rows if text.endswith(("\n", "\r")) else rows[:-1]


def printable(text: str) -> bool:
    """Whether all of it is ASCII text. What ATA drives say of themselves is."""
    return text.isascii() and not re.search(r"[\0-\x08\x0e-\x1f\x7f]", text)


def first(rows: list[str], most: int = 100) -> str:
    """The first line that is not empty, for the reason of a refusal."""
    return next((told(row, most) or row.strip()[:most] for row in rows if row.strip()), "")


def integer(value: object, most: int = 2**63) -> int:
    """A count from a JSON number or the digits of a text. 0 for all else, and for what is negative or larger than `most`."""
    if isinstance(value, bool):
        return 0
    if isinstance(value, float) and value == value and abs(value) <= most:
        value = int(value)
    if isinstance(value, str):
        bare = value.strip()[:40]
        value = int(bare) if re.fullmatch(r"[0-9]{1,20}", bare) else 0
    return value if isinstance(value, int) and 0 <= value <= most else 0


def maybe(value: object, most: int = 2**63) -> int | None:
    """As `integer`, but None for what is no count: 0 is a value here."""
    if isinstance(value, str):
        return integer(value, most) if re.fullmatch(r"\s*[0-9]{1,20}\s*", value[:40]) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        return None
    return int(value)


def size(value: object, binary: bool = True) -> int:
    """Bytes: `16384 MB`, `1.8T`, `500,107,862,016 bytes`. `binary`: whether MB is 2^20 (memory) or 10^6 (drives). MiB is always 2^20."""
    if not isinstance(value, str):
        return integer(value)
    found = _SIZE.fullmatch(value.strip()[:60])
    if not found:
        return 0
    digits = re.sub(r"[, '_]", "", found[1])
    unit = (found[2] or "b").lower()
    times = (_BINARY if binary else _DECIMAL).get(unit, 0)
    whole = float(digits) * times if "." in digits else int(digits) * times
    return int(whole) if whole < 2**63 else 0


def leading(value: object, unit: str = "") -> int:
    """The number at the start of a text, `3200` of `3200 MT/s`, where the text goes on with this unit (a pattern) and ends there."""
    found = re.fullmatch(rf"([0-9]{{1,12}})(?:\.0+)?\s*(?:{unit})", value.strip()[:60], re.IGNORECASE) if isinstance(value, str) else None
    return int(found[1]) if found else 0


def mac(value: object) -> str:
    """A MAC in lower case with colons. Empty for what is none, and for all zeros and all ones."""
    if not isinstance(value, str) or not _MAC.fullmatch(value.strip()):
        return ""
    digits = re.sub(r"[^0-9a-f]", "", value.lower())
    return "" if digits in ("0" * 12, "f" * 12) else ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def wwn(value: object) -> str:
    """A WWN, EUI-64 or NGUID as lower-case hexadecimal digits without a prefix (`0x`, `naa.`, `eui.`, `uuid.`) and separators."""
    if not isinstance(value, str):
        return ""
    digits = re.sub(r"^(?:0x|naa\.|eui\.|uuid\.|nvme\.)|[\s:-]", "", value.strip().lower()[:80])
    digits = re.sub(r"^0x", "", digits)
    return digits if re.fullmatch(r"[0-9a-f]{16}|[0-9a-f]{32}", digits) and digits.strip("0") else ""


def uuid(value: object) -> str:
    """A UUID as SMBIOS prints it. Empty for what is none, and for all zeros and all ones."""
    bare = value.strip().lower() if isinstance(value, str) else ""
    if not re.fullmatch(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", bare):
        return ""
    return "" if set(bare) in ({"0", "-"}, {"f", "-"}) else bare


def date(value: object) -> str:
    """A day as ISO 8601 from the spellings of firmware (`04/17/2024`: month first, as SMBIOS says). Empty for others."""
    bare = re.sub(r"^0+(\d\d/)", r"\1", value.strip()[:30]) if isinstance(value, str) else ""
    for form in _DATES:
        try:
            found = datetime.strptime(bare, form)  # noqa: DTZ007  - a day has no zone
        except ValueError:
            continue
        return found.date().isoformat() if found.year >= 1980 else ""
    return ""


def pairs(rows: Iterable[str], separator: str = ":") -> dict[str, str]:
    """`key : value` lines by key; the first of a repeated key, spaces at the ends cut."""
    out: dict[str, str] = {}
    for row in rows:
        key, found, value = row.partition(separator)
        if found:
            out.setdefault(" ".join(key.split()), value.strip())
    return out


def tree(text: str) -> Any:
    """The JSON value of a report. Lines of warnings before it and behind it are skipped; a second value is not.

    Raises Refused with the place of the mistake.
    """
    bare = bounded(text)
    start = re.search(r"^[ \t]*[\[{]", bare, re.MULTILINE)
    if not start:
        raise Refused(f"the report is no JSON; it begins with: {first(bare[:2000].splitlines(), 80)}")
    octets = bare[start.start() :].encode("utf-8", "replace")
    try:
        try:
            return msgspec.json.decode(octets)
        except msgspec.DecodeError as error:
            behind = re.search(r"trailing characters \(byte (\d{1,9})\)", str(error))
            end = int(behind[1]) - 1 if behind else 0
            if not end or _MORE_JSON.search(octets[end:]):
                raise
            return msgspec.json.decode(octets[:end])
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise Refused(f"the report is no whole JSON: {str(error)[:120]}") from None


def begins_json(text: str, *keys: str) -> bool:
    """Whether a report begins as JSON and has these keys somewhere: tools and their users sort the keys as they like."""
    return bool(re.search(r"^[ \t]*[\[{]", text[:4000], re.MULTILINE)) and all(f'"{key}"' in text for key in keys)


def item(value: object, *path: str) -> Any:
    """The value below these keys of JSON objects; None where one is absent."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def many(value: object) -> list[Any]:
    """A list as it is (at most 4,096 items), None as an empty one, all else as a list of one."""
    return value[:MOST_ITEMS] if isinstance(value, list) else [] if value is None else [value]


def markup(text: str) -> ElementTree.Element:
    """The root of an XML report. A report with its own entities is refused: tools write none. Raises Refused."""
    bare = bounded(text)
    bare = bare[max(bare.find("<"), 0) :]
    if re.search(r"<!(?:DOCTYPE|ENTITY)", bare):
        raise Refused("the XML declares entities; no tool writes that")
    try:
        return ElementTree.fromstring(re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", " ", bare))
    except (ElementTree.ParseError, ValueError) as error:
        raise Refused(f"the report is no whole XML: {str(error)[:120]}") from None
