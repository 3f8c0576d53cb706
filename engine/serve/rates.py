"""Rates: how much a source may send. Pure; whoever asks brings the time.

A rate is a bucket: it holds `burst` tokens, gets `per_s` new ones a second, and each packet takes one. Buckets of many sources are kept in
a table that forgets the one that was used longest ago, so inventing sources costs no memory.

`DhcpShares` is the rule for DHCP. Known machines always pass. A stranger passes five rates, from the narrowest to the widest: of its own
MAC, of its switch port (if the relay names one), of its relay or interface, and of all. Whoever invents MACs uses up the narrow one.
One thing tells a machine from an invention: a machine asks again. So a MAC that was turned away and asks again after AGAIN_S uses the
rate of machines that were seen before, which a flood of new MACs does not touch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from msgspec import Struct

from .standing import Standing

K = TypeVar("K", bound=Hashable)


class Rate(Struct, frozen=True):
    burst: float
    per_s: float


class Rates(Generic[K]):
    """A bucket of the same rate for each source; at most `most` are remembered."""

    def __init__(self, rate: Rate, most: int) -> None:
        self._rate, self._most = rate, most
        self._left: OrderedDict[K, tuple[float, float]] = OrderedDict()

    def has(self, source: K, now: float) -> bool:
        """True if the source may send now. Takes nothing."""
        return self._now(source, now) >= 1.0

    def take(self, source: K, now: float) -> bool:
        """The same, and takes one token."""
        left = self._now(source, now)
        passes = left >= 1.0
        self._left[source] = (left - 1.0 if passes else left, now)
        self._left.move_to_end(source)
        if len(self._left) > self._most:
            self._left.popitem(last=False)
        return passes

    def _now(self, source: K, now: float) -> float:
        left, at = self._left.get(source, (self._rate.burst, now))
        return min(self._rate.burst, left + max(now - at, 0.0) * self._rate.per_s)

    def __len__(self) -> int:
        return len(self._left)


OF_MAC = Rate(16, 2.0)
OF_PORT = Rate(128, 4.0)
"""Of a switch port: a chassis of machines that all boot for the first time."""
OF_SOURCE = {Standing.STRANGER: Rate(2048, 50.0), Standing.SEEN: Rate(8192, 400.0)}
"""Of a relay or an interface: the first boot of a thousand machines."""
OF_ALL = {Standing.STRANGER: Rate(3072, 100.0), Standing.SEEN: Rate(12288, 800.0)}
MACS, PORTS, SOURCES = 8192, 1024, 64
AGAIN_S, FORGET_S = 1.0, 120.0
AWAY = 65_536


class DhcpShares:
    """Not for two threads at once."""

    def __init__(self) -> None:
        self._macs: Rates[str] = Rates(OF_MAC, MACS)
        self._ports: Rates[tuple[str, str]] = Rates(OF_PORT, PORTS)
        self._sources: dict[Standing, Rates[str]] = {standing: Rates(rate, SOURCES) for standing, rate in OF_SOURCE.items()}
        self._all: dict[Standing, Rates[str]] = {standing: Rates(rate, 1) for standing, rate in OF_ALL.items()}
        self._turned_away = TurnedAway()

    def admits(self, mac: str, standing: Standing, source: str, port: str, now: float) -> bool:
        """True if the packet of this client may pass. `port`: its switch port; empty: unknown."""
        if standing is Standing.KNOWN:
            return True
        away = self._turned_away.since(mac)
        if away is not None and AGAIN_S <= now - away <= FORGET_S:
            standing = Standing.SEEN
        passes = (
            self._macs.take(mac, now)
            and (not port or self._ports.take((source, port), now))
            and self._sources[standing].take(source, now)
            and self._all[standing].take("", now)
        )
        if not passes and (away is None or now - away > FORGET_S):
            self._turned_away.note(mac, now)
        return passes


class TurnedAway:
    """Which MACs were turned away, and when first. Of the last ones, at least AWAY and at most twice as many are remembered: more than this
    service hears in the seconds until firmware asks again."""

    def __init__(self) -> None:
        self._last: dict[int, float] = {}
        self._before: dict[int, float] = {}

    def since(self, mac: str) -> float | None:
        number = int(mac.replace(":", ""), 16)
        found = self._last.get(number)
        return found if found is not None else self._before.get(number)

    def note(self, mac: str, now: float) -> None:
        self._last[int(mac.replace(":", ""), 16)] = now
        if len(self._last) >= AWAY:
            self._last, self._before = {}, self._last

    def __len__(self) -> int:
        return len(self._last) + len(self._before)
