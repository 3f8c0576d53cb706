"""The versions with which a plan was saved, and what differs from them here. A difference is reported and refuses nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...definitions import Catalog, versions
from ...plan import BarclampPin, Plan, Versions

MOST = 20
"""Most reported differences."""


def pins(catalog: Catalog, images: Mapping[str, str]) -> Versions:
    """The versions of this catalogue. `images`: image -> SHA-256 of its manifest."""
    barclamps = {name: BarclampPin(version=version, sha256=sha256) for name, (version, sha256) in versions(catalog).items()}
    return Versions(barclamps=barclamps, images=dict(sorted(images.items())))


def differences(plan: Plan, catalog: Catalog, images: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """One line for each barclamp and image that is not what the plan was saved with. `images`: see `pins`; None: they are not
    compared."""
    if plan.versions is None:
        return ()
    found = [*_barclamps(plan.versions, catalog), *(_images(plan.versions, images) if images is not None else ())]
    more = (f"{len(found) - MOST} more barclamps and images differ",) if len(found) > MOST else ()
    return (*found[:MOST], *more)


def _barclamps(saved: Versions, catalog: Catalog) -> Iterator[str]:
    here = versions(catalog)
    for name, pin in sorted(saved.barclamps.items()):
        version, sha256 = here.get(name, ("", ""))
        if name not in here:
            yield f"barclamp {name} is not here, the plan was saved with {pin.version}"
        elif version != pin.version:
            yield f"barclamp {name} is version {version} here, the plan was saved with {pin.version}"
        elif pin.sha256 and sha256 != pin.sha256:
            yield f"barclamp {name} {version} has other files here than the one with which the plan was saved"


def _images(saved: Versions, here: Mapping[str, str]) -> Iterator[str]:
    for name, sha256 in sorted(saved.images.items()):
        if name not in here:
            yield f"image {name} is not here, the plan was saved with {sha256[:12]}"
        elif here[name] != sha256:
            yield f"image {name} is {here[name][:12]} here, the plan was saved with {sha256[:12]}"
