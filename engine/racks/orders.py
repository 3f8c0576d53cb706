"""What racks of both kinds share for orders."""

from __future__ import annotations

from .bmc.ipmi import DEAD, LIES, LOCKED, OBEDIENT, Mood, odd, slow
from .bmc.redfish_moods import ODDITIES


class WrongOrder(ValueError):
    """The rack cannot do what was ordered; the text says why."""


def mood(name: str) -> Mood:
    """`obedient` or empty, `lies`, `locked`, `dead`, `slow`, `slow:SECONDS`, or an oddity of `redfish_moods`. Raises WrongOrder."""
    kind, _, seconds = name.partition(":")
    fixed = {"": OBEDIENT, "obedient": OBEDIENT, "lies": LIES, "locked": LOCKED, "dead": DEAD, "slow": slow(2.0)}
    if name in ODDITIES:
        return odd(name)
    if kind not in fixed or (seconds and kind != "slow"):
        raise WrongOrder(f"no such mood of a BMC: {name[:50]!r}")
    try:
        return slow(float(seconds)) if seconds else fixed[kind]
    except ValueError as wrong:
        raise WrongOrder(f"no such mood of a BMC: {name[:50]!r}") from wrong
