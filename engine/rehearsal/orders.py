"""What racks of both kinds share in taking orders."""

from __future__ import annotations

from .bmc import DEAD, LIES, LOCKED, OBEDIENT, Mood, slow


class WrongOrder(ValueError):
    """What was asked of the rack cannot be done; the text says why."""


def mood(name: str) -> Mood:
    """`obedient` or empty, `lies`, `locked`, `dead`, `slow`, `slow:SECONDS`. Raises WrongOrder."""
    kind, _, seconds = name.partition(":")
    fixed = {"": OBEDIENT, "obedient": OBEDIENT, "lies": LIES, "locked": LOCKED, "dead": DEAD, "slow": slow(2.0)}
    if kind not in fixed or (seconds and kind != "slow"):
        raise WrongOrder(f"no such mood of a BMC: {name[:50]!r}")
    try:
        return slow(float(seconds)) if seconds else fixed[kind]
    except ValueError as wrong:
        raise WrongOrder(f"no such mood of a BMC: {name[:50]!r}") from wrong
