"""What all readers of reports share: the refusal, the bound on the text, and the words that mean "not told"."""

from __future__ import annotations

import re

MOST_CHARACTERS = 8 * 1024 * 1024
"""Of one report. `lshw` of a large server has 1 MiB, a whole Redfish tree 5 MiB."""
MOST_ITEMS = 4096
"""In one list of a record."""


class Refused(Exception):
    """The report cannot be read. The text says what was seen, in a short sentence without a full stop."""


_NOTHING = re.compile(
    r"(?:not (?:specified|available|provided|present|applicable|set|known|installed)|none|unknown|n/?a|null|undefined|unspecified"
    r"|default string|to be filled by o\.?e\.?m\.?|system (?:manufacturer|product name|serial number|version)"
    r"|(?:base ?board|chassis|asset)[ -]?(?:serial number|tag|asset tag)"
    r"|no (?:dimm|asset (?:tag|information)|module installed)|empty|<out of spec>|\[?empty\]?|0x0+|x+|\.+|-+|0123456789|123456789|f{8,})",
    re.IGNORECASE,
)


def told(text: object, most: int = 200) -> str:
    """The text without spaces at its ends; empty if it is a placeholder. Unprintable characters become spaces."""
    if not isinstance(text, str):
        return ""
    clean = " ".join("".join(c if c.isprintable() else " " for c in text[: most * 4]).split())
    return "" if _NOTHING.fullmatch(clean) else clean[:most]
