"""The number of each network, for prefixes that the engine makes (`v6`)."""

from __future__ import annotations

from msgspec.structs import replace

from ...plan import Plan
from ..world.work import Work

NETWORKS = 0xFFFF
"""Highest number: prefixes have 16 bits for it (RFC 4193 section 3.1)."""


def number_networks(w: Work, plan: Plan) -> None:
    """Gives each network of the plan a number, which it keeps. If all are used, those of networks that the plan no longer has are free."""
    known = dict(w.meta.networks)
    new = [name for name in plan.networks if name not in known]
    if not new:
        return
    if len(known) + len(new) > NETWORKS:
        known = {name: number for name, number in known.items() if name in plan.networks}
    used, number = set(known.values()), 0
    for name in new:
        number = next(n for n in range(number + 1, NETWORKS + 1) if n not in used)
        known[name] = number
    w.put(replace(w.meta, networks=known))
