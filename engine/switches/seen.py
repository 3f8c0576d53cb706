"""Which entries of a switch's table of addresses say where a machine is. Pure.

A port behind which many addresses are is a way to other switches: it says nothing of where a cable ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ..core.hardware.port_names import natural
from ..core.hardware.port_table import SeenAddress

BEHIND = 8
"""Most addresses of a port in which one machine is. A server with its BMC on the same port, and some virtual machines, has fewer."""
MOST = 4096
"""Most entries that are kept."""


def kept(seen: Iterable[SeenAddress]) -> list[SeenAddress]:
    """The entries of ports with few addresses, each MAC once for each port, sorted."""
    newest: dict[tuple[str, str], SeenAddress] = {}
    for one in seen:
        old = newest.get((one.port, one.mac))
        if old is None or (0 <= one.age_s < old.age_s) or old.age_s < 0 <= one.age_s:
            newest[one.port, one.mac] = one
    behind = Counter(port for port, _ in newest)
    out = [one for (port, _), one in newest.items() if behind[port] <= BEHIND]
    return sorted(out, key=lambda one: (natural(one.port), one.mac))[:MOST]
