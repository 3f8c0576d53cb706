"""The JSON of a Redfish service, read with bounds: what readers may ask of an object, and the facts that all resources share. Pure.

Rules
* A value of another type than the schema's is not told. Text counts as a number only where it is nothing but digits.
* `NaN`, `Infinity`, numbers with more than 18 digits, and nesting beyond Python's own limit are not data.
* Keys are taken as DSP0266 spells them, because services do.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from ..parts import Health
from .report import MOST_CHARACTERS, MOST_ITEMS, Refused, told

Json = Any
Body = dict[str, Json]
MIB, GIB = 1 << 20, 1 << 30
_DIGITS = 18
_HEALTH: dict[str, Health] = {"ok": "ok", "warning": "warning", "critical": "failed"}
_ABSENT = frozenset({"absent", "notpresent", "not present"})
_DEFAULT = re.compile(r"(?i)0?1234567(8(9(0?123456789)*)?)?(ab)?|free form asset tag|nil")
_DATES = ("%m/%d/%Y", "%b %d %Y", "%d %b %Y", "%Y/%m/%d", "%Y%m%d")


def object_of(text: str) -> Body:
    """The JSON object that the text is.

    Raises Refused: longer than MOST_CHARACTERS, no JSON, another thing than one object.
    """
    if len(text) > MOST_CHARACTERS:
        raise Refused(f"the text has {len(text)} characters, and at most {MOST_CHARACTERS} are read")
    clean = text.removeprefix("\ufeff").strip("\0 \t\r\n")
    if not clean:
        raise Refused("the text is empty")
    if clean[0] not in "{[":
        raise Refused(f"it is not JSON: it begins with {told(clean, 40)!r}")
    try:
        found = json.loads(clean, parse_int=_whole, parse_float=_real, parse_constant=lambda _: None)
    except ValueError as error:
        where = getattr(error, "lineno", None)
        raise Refused("it is not valid JSON" + (f" (line {where})" if where else "")) from None
    except RecursionError:
        raise Refused("its JSON is nested too deeply") from None
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict):
        raise Refused("its JSON is not one object")
    return found


def _whole(digits: str) -> int | None:
    return int(digits) if len(digits) <= _DIGITS + 1 else None


def _real(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def text(body: Body, *names: str, most: int = 200) -> str:
    """The first of these members that is told. AMI's defaults (`0123456789...`, `Free form asset tag`) are not."""
    found = (told(body.get(name), most) for name in names)
    return next((clean for clean in found if clean and not _DEFAULT.fullmatch(clean)), "")


def whole(body: Body, *names: str, most: int = 1 << 53) -> int:
    """The first of these that is a whole number from 1 to `most`; 0: not told."""
    for name in names:
        found = as_number(body.get(name))
        if found is not None and 0 < found <= most and float(found).is_integer():
            return int(found)
    return 0


def count(body: Body, *names: str, most: int = 1 << 53) -> int | None:
    """As `whole`, and zero is a number too."""
    for name in names:
        found = as_number(body.get(name))
        if found is not None and 0 <= found <= most and float(found).is_integer():
            return int(found)
    return None


def as_number(found: Json) -> int | float | None:
    """A number, or a text that is one; also the `Reading` in an excerpt of a sensor (DSP2046)."""
    if isinstance(found, dict):
        found = found.get("Reading")
    if isinstance(found, str) and re.fullmatch(r"\s*-?\d{1,15}(\.\d{1,9})?\s*", found):
        found = float(found) if "." in found else int(found)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return found if abs(found) < 10**_DIGITS else None


def flag(body: Body, *names: str) -> bool | None:
    return next((found for name in names if isinstance(found := body.get(name), bool)), None)


def inner(body: Json, *names: str) -> Body:
    """The object behind these names, one in another; empty if one of them is missing."""
    for name in names:
        body = body.get(name) if isinstance(body, dict) else None
    return body if isinstance(body, dict) else {}


def rows(body: Body, *names: str) -> list[Body]:
    """The objects in the first of these that is a list; a single object stands for a list of one."""
    for name in names:
        found = body.get(name)
        if isinstance(found, dict):
            return [found]
        if isinstance(found, list) and found:
            return [one for one in found[:MOST_ITEMS] if isinstance(one, dict)]
    return []


def words(found: Json) -> Iterator[str]:
    """The texts of a list, or a text alone."""
    for one in found[:MOST_ITEMS] if isinstance(found, list) else [found]:
        if clean := told(one):
            yield clean


def oem(body: Body, *vendors: str) -> Body:
    """The part of a vendor in `Oem`, whatever the case of its name (`Hp`, `Hpe`, `hpe`)."""
    wanted = {vendor.lower() for vendor in vendors}
    found = inner(body, "Oem")
    return next((part for name, part in found.items() if name.lower() in wanted and isinstance(part, dict)), {})


# -- what resources share --


def kind_of(body: Body) -> str:
    """`ComputerSystem` of `#ComputerSystem.v1_4_0.ComputerSystem`, or of the older `ComputerSystem.1.0.0`; empty: not told."""
    said = body.get("@odata.type") or body.get("Type")
    if not isinstance(said, str) or len(said) > 300:
        return ""
    return re.split(r"[.#]", said.strip().lstrip("#"), maxsplit=1)[0]


def path_of(body: Body) -> str:
    """Its own path without a slash at the end; empty: not told. The oldest services say `links/self/href`."""
    said = body.get("@odata.id") or inner(body, "links", "self").get("href")
    return path_in(said)


def path_in(said: Json) -> str:
    if isinstance(said, dict):
        said = said.get("@odata.id") or said.get("href")
    if not isinstance(said, str) or not said.startswith("/") or len(said) > 500:
        return ""
    return re.sub("/{2,}", "/", said).rstrip("/")


def last_of(path: str) -> str:
    return told(unquote(path.rpartition("/")[2]))


def parent_of(path: str, collection: str) -> str:
    """The name that follows `/collection/` in a path; empty: it is not in there."""
    found = re.search(rf"(?i)/{collection}/([^/#]+)", path)
    return told(unquote(found[1])) if found else ""


def links(body: Body, *names: str) -> list[str]:
    """The paths in a list of links."""
    return [path for one in rows(body, *names) if (path := path_in(one))]


def name_of(body: Body) -> str:
    return text(body, "Id", "MemberId") or last_of(path_of(body))


def label(body: Body) -> str:
    """The label on the machine, where told (`Location` or `PhysicalLocation`, DSP2046 Resource.Location)."""
    for name in ("PhysicalLocation", "Location"):
        for one in rows(body, name):
            if found := text(inner(one, "PartLocation"), "ServiceLabel") or text(one, "ServiceLabel"):
                return found
    return ""


def state_of(body: Body) -> str:
    said = inner(body, "Status").get("State")
    return said.strip().lower() if isinstance(said, str) else ""


def is_absent(body: Body) -> bool:
    return state_of(body) in _ABSENT


def health_of(body: Body) -> Health:
    status = inner(body, "Status")
    for name in ("Health", "HealthRollup", "HealthRollUp"):
        if found := _HEALTH.get(str(status.get(name)).strip().lower()):
            return found
    return ""


def note_of(body: Body) -> str:
    """Why it is not well: the conditions of its status, or its state."""
    if health_of(body) in ("", "ok"):
        return ""
    said = [text(one, "Message", "MessageId") for one in rows(inner(body, "Status"), "Conditions")]
    return "; ".join(one for one in said if one)[:200]


def uuid_of(found: Json) -> str:
    """Lower case with hyphens; empty: not told, or a placeholder of one octet again and again."""
    clean = re.sub(r"[-{}\s]|urn:uuid:", "", found.lower()) if isinstance(found, str) and len(found) < 64 else ""
    if not re.fullmatch(r"[0-9a-f]{32}", clean) or len(set(clean)) == 1 or clean == "0123456789abcdef0123456789abcdef":
        return ""
    return "-".join((clean[:8], clean[8:12], clean[12:16], clean[16:20], clean[20:]))


def mac_of(found: Json) -> str:
    """Lower case with colons; empty: no address of an Ethernet port."""
    if not isinstance(found, str) or len(found) > 40:
        return ""
    clean = re.sub(r"[-:.\s]", "", found.lower())
    if not re.fullmatch(r"[0-9a-f]{12}", clean) or clean in ("0" * 12, "f" * 12):
        return ""
    return ":".join(clean[at : at + 2] for at in range(0, 12, 2))


def day_of(found: Json) -> str:
    """A date as ISO 8601; empty: not told, or not one. `00:00:00Z` is what iDRAC says where it knows none."""
    clean = told(found)
    iso = re.match(r"(\d{4}-\d\d-\d\d)(T|$)", clean)
    for form, value in [("%Y-%m-%d", iso[1])] if iso else [(form, clean) for form in _DATES]:
        try:
            day = datetime.strptime(value, form).replace(tzinfo=UTC).date()
        except ValueError:
            continue
        return day.isoformat() if 1990 <= day.year <= 2100 and day.isoformat() not in ("1970-01-01", "2000-01-01") else ""
    return ""


def moment_of(found: Json) -> str:
    """A date and time as ISO 8601, as it was said; empty: not one."""
    clean = told(found, 60)
    try:
        datetime.fromisoformat(clean.replace("Z", "+00:00"))
    except ValueError:
        return ""
    return clean


def first(found: Iterable[str]) -> str:
    return next((one for one in found if one), "")
