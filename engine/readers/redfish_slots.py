"""Names of the slots of a chassis, as Redfish tells them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..definitions import Json

SLOT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


def slot_name(body: Mapping[str, Json]) -> str:
    """The slot of a Redfish Chassis (DSP0266, schema Chassis): its ordinal in the enclosure, or the number at the end of its label, or its
    Id. Empty: it has none that a plan could name."""
    location = body.get("Location")
    part = location.get("PartLocation") if isinstance(location, dict) else None
    ordinal, label = (part.get("LocationOrdinalValue"), part.get("ServiceLabel")) if isinstance(part, dict) else (None, None)
    if type(ordinal) is int and 0 <= ordinal < 10_000:
        return str(ordinal)
    number = re.search(r"(\d{1,4})$", label.strip()) if isinstance(label, str) else None
    found = number[1] if number is not None else str(body.get("Id") or "")
    return found if SLOT.fullmatch(found) else ""
