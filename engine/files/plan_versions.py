"""Reads `versions`: the versions with which a plan was saved. `plan_file` reads the rest; `core.plan.pinned` compares them."""

from __future__ import annotations

import re

from ..plan import FORMAT, BarclampPin, Versions
from .element import Element
from .mistakes import shown
from .spelling import NAME, VERSION

_DIGEST = re.compile(r"[0-9a-f]{64}")


def read_versions(element: Element) -> Versions:
    """The versions. Another format than this program's is a mistake; other barclamps and images are not."""
    keys = element.fields(("plan", "barclamps", "images"), ("plan",))
    if "plan" in keys:
        given = keys["plan"].integer(1, 1_000_000)
        if given != FORMAT:
            keys["plan"].fail(f"plan format {given} is unknown: this program reads format {FORMAT}")
    barclamps = {}
    for name, one in keys["barclamps"].entries("a map from barclamps to versions").items() if "barclamps" in keys else ():
        if not _is_name(name):
            one.fail(f"expected a barclamp's name, not {shown(name)}")
            continue
        own = one.fields(("version", "sha256"), ("version",))
        barclamps[name] = BarclampPin(
            version=own["version"].name("a version like 1 or 2.0.1", VERSION) if "version" in own else "",
            sha256=_digest(own["sha256"]) if "sha256" in own else "",
        )
    images = {}
    for name, one in keys["images"].entries("a map from images to checksums").items() if "images" in keys else ():
        if _is_name(name):
            images[name] = _digest(one)
        else:
            one.fail(f"expected an image's name, not {shown(name)}")
    return Versions(barclamps=barclamps, images=images)


def _is_name(name: str) -> bool:
    return len(name) <= 63 and NAME.fullmatch(name) is not None


def _digest(element: Element) -> str:
    return element.name("a SHA-256 of 64 hexadecimal digits", _DIGEST, 64)
