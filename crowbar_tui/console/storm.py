"""The rates of the boot services, sampled from the engine's counters while the console runs. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

SERVICES = ("dhcp", "tftp", "http")
"""Counters of answers; `octets` counts bytes of files."""
SAMPLES = 3600


class Rates(NamedTuple):
    """Per second, since the sample before."""

    at: float
    """Wall time."""
    dhcp: float
    tftp: float
    http: float
    octets: float


class Storm:
    def __init__(self) -> None:
        self.samples: deque[Rates] = deque(maxlen=SAMPLES)
        self._before: tuple[float, dict[str, int]] | None = None

    def take(self, traffic: Mapping[str, Any] | None, at: float) -> None:
        """`traffic`: counters since the engine's start, as of wall time `at`. A new engine counts from zero again."""
        if not traffic:
            return
        now = {name: int(traffic.get(name, 0)) for name in (*SERVICES, "octets")}
        if self._before is not None:
            seconds = at - self._before[0]
            if 0 <= seconds < 0.9:  # the counters are read once a second
                return
            grown = [now[name] - self._before[1][name] for name in (*SERVICES, "octets")]
            if seconds > 0 and min(grown) >= 0:
                self.samples.append(Rates(at, *(many / seconds for many in grown)))
        self._before = (at, now)

    def last(self) -> Rates | None:
        return self.samples[-1] if self.samples else None
