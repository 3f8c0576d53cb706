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
    r"(?:not (?:specified|available|provided|present|applicable|set|known|installed|defined)|\(?none\)?|unknown|n/?a|null|undefined"
    r"|unspecified|invalid|default string|(?:to be )?(?:filled|defined|fill|tbd) by (?:o\.?e\.?m\.?|odm)|to be (?:filled|determined).*|tbd"
    r"|system (?:manufacturer|product name|serial number|version)|(?:system|chassis|base ?board)? ?sku ?(?:number)?"
    r"|(?:base ?board|(?:oem )?chassis|asset)[ -]?(?:serial number|version|tag|asset tag|manufacturer)|family"
    r"|type\d ?-? ?[a-z]+\d?(?: version)?"
    r"|(?:a\d_|array\d_|dimm\d_?)?(?:manufacturer|(?:module)?part ?num(?:ber)?|ser(?:ial)?num(?:ber)?|assettag(?:num(?:ber)?)?)_?\d{1,2}"
    r"|no (?:dimm|asset (?:tag|information)|module installed|enclosure)|empty|<out of spec>|\[?empty\]?|0x0+|x+|\.+|-+|0{4,}|f{8,}"
    r"|01234567|0?12345678(?:9[0-9a-f]{0,20})?)",
    re.IGNORECASE,
)


def told(text: object, most: int = 200) -> str:
    """The text without spaces at its ends; empty if it is a placeholder. Unprintable characters become spaces."""
    if not isinstance(text, str):
        return ""
    clean = " ".join("".join(c if c.isprintable() else " " for c in text[: most * 4]).split())
    return "" if _NOTHING.fullmatch(clean) else clean[:most]
