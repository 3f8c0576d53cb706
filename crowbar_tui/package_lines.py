"""The package cache in lines: how full it is, what was found in it, what it could not give, and which mirrors are away."""

from __future__ import annotations

from typing import Any

from .console.formats import since

SHOWN = 5
"""Missing packages in a status; `crowbar packages` shows all."""


def figures(cache: dict[str, Any]) -> str:
    """`1,234 files, 1.2 GiB of 20 GiB; 900 from the cache, 40 from the bundle, 300 from mirrors`."""
    asked = f"{cache['kept']:,} answers from the cache, {cache['bundled']:,} from the bundle, {cache['asked']:,} requests to mirrors"
    evicted = f", {cache['evicted']:,} files removed to make room" if cache["evicted"] else ""
    return f"{cache['files']:,} files, {gib(cache['octets'])} of {gib(cache['most'])}; {asked}{evicted}"


def gib(octets: int) -> str:
    """In binary units: `20 GiB`, `1.5 MiB`."""
    value = float(octets)
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.3g} {unit}" if unit != "bytes" else f"{octets} bytes"
        value /= 1024
    return f"{value:.3g} GiB"


def troubles(cache: dict[str, Any], now: float, most: int = SHOWN) -> list[str]:
    """Mirrors that are away, and packages that are missing, the longest first. Empty: nothing is missing."""
    out = [
        f"the package mirror {one['mirror']} does not answer for {since(now, one['since'])} ({one['why']}); kept packages are served"
        for one in cache.get("away", [])
    ]
    missing = cache.get("missing", [])
    for one in missing[:most]:
        who = one.get("node") or one["asker"]
        times = f", {one['count']} times" if one["count"] > 1 else ""
        out.append(f"{who} did not get the package {one['path']} for {since(now, one['since'])}{times}: {one['why']}")
    if len(missing) > most:
        out.append(f"{len(missing) - most} more packages are missing; crowbar packages shows them")
    return out
