"""The identify light of a machine, as the engine last ordered it."""

from __future__ import annotations

from msgspec import Struct

from .reasons import Reason


class Light(Struct, frozen=True, kw_only=True, gc=False):
    """The light is on: its BMC agreed, or shows it."""

    who: str
    until: float
    """Engine time at which it goes off."""
    ends: float
    """The same as wall time, for people."""
    timed: bool = False
    """True if the BMC turns it off by itself (IPMI). Otherwise the engine does."""
    tries: int = 0
    """Failed orders to turn it off since its time was over."""
    failure: Reason | None = None
    """Why the last of them failed."""
