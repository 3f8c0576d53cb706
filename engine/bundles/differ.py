"""What two bundles do not have in common. Pure."""

from __future__ import annotations

import re

from msgspec import Struct

from .manifest import Manifest, Part

_DEB = re.compile(r"packages/.*/([A-Za-z0-9+.-]+)_([^_/]+)_([a-z0-9-]+)\.u?deb")
_WHEEL = re.compile(r"wheels/([A-Za-z0-9._]+)-([A-Za-z0-9._+!]+)-.*\.whl")


class Difference(Struct, frozen=True, kw_only=True):
    """One part, package or program that is not the same. Empty `old`: new; empty `new`: gone."""

    kind: str
    name: str
    old: str
    new: str


def differences(old: Manifest, new: Manifest) -> list[Difference]:
    """By kind and name. A package or a wheel counts by its name and version, others by their checksums."""
    before, after = _things(old), _things(new)
    return [
        Difference(kind=kind, name=name, old=before.get((kind, name), ""), new=after.get((kind, name), ""))
        for kind, name in sorted(before.keys() | after.keys())
        if before.get((kind, name)) != after.get((kind, name))
    ]


def _things(manifest: Manifest) -> dict[tuple[str, str], str]:
    out: dict[tuple[str, str], str] = {("program", "crowbar-tui"): manifest.program}
    for part in manifest.parts:
        kind, name, version = _thing(part)
        known = out.get((kind, name))
        out[kind, name] = version if known is None else f"{known}, {version}"
    for name, (version, digest) in manifest.barclamps.items():
        out["barclamp", name] = f"{version} {digest[:12]}"
    return out


def _thing(part: Part) -> tuple[str, str, str]:
    """Kind, name and version of what a part is."""
    if match := _DEB.fullmatch(part.name):
        return "package", match[1], match[2].replace("%3a", ":")
    if match := _WHEEL.fullmatch(part.name):
        return "wheel", match[1], match[2]
    if part.kind in ("plan", "images", "barclamps", "sources"):
        return part.kind.removesuffix("s"), part.name.partition("/")[2] or part.name, part.sha256[:12]
    return "list", part.name.partition("/")[2], part.sha256[:12]
