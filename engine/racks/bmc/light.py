"""The identify light of a simulated machine. IPMI and Redfish of its BMC show the same one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

Shown = Literal["off", "temporary", "indefinite"]
"""As IPMI says it (2.0, table of section 28.2: Chassis Identify State)."""


class Light:
    """Any thread may use it: its state is one assignment."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = 0.0
        """0: off; infinite: until another order."""

    def identify(self, seconds: int) -> None:
        """Blinks; 0 stops, -1 means until another order."""
        self._until = float("inf") if seconds < 0 else self._clock() + seconds if seconds else 0.0

    @property
    def shown(self) -> Shown:
        until = self._until
        return "indefinite" if until == float("inf") else "temporary" if until > self._clock() else "off"
