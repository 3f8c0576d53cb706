"""The systems that can be installed. Whoever lets a person choose one (plan, console, command line, API) asks here. Pure."""

from __future__ import annotations

from difflib import get_close_matches

from ... import reasons
from ...definitions import Catalog, Json
from ...reasons import Reason

SYSTEM, METHOD = "target-os", "install-method"
"""The attributes that choose what is installed, and how."""


def systems(catalog: Catalog, method: str = "") -> list[str]:
    """The systems that can be installed: with one method, or with any."""
    images = catalog.images.values()
    written = [image.name for image in images if image.kind == "system" and method in ("", "image")]
    return sorted({*written, *(image.installs for image in images if image.kind == "installer" and method in ("", image.method))})


def no_image(catalog: Catalog, name: str, value: Json) -> Reason | None:
    """Why an attribute cannot have that value: it names a system without an image. None: it can, or the catalogue has no images."""
    known = systems(catalog)
    if name != SYSTEM or value in known or not known or not isinstance(value, str):
        return None
    near = get_close_matches(value, known, n=3) or known
    return reasons.unknown_thing(what="image", name=value[:60], nearest=", ".join(near[:8]))
