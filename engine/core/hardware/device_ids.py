"""The id of a device, from what it calls itself on the network. Pure."""

from __future__ import annotations

import re
from hashlib import sha256

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def device_id(chassis: str) -> str:
    """`sw-5254ffaabbcc` for a chassis known by its MAC; otherwise the hash of its chassis id."""
    low = chassis.strip().lower()
    return f"sw-{low.replace(':', '')}" if _MAC.fullmatch(low) else f"sw-{sha256(low.encode()).hexdigest()[:12]}"
