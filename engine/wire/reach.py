"""The real place of an address and port of the plan: the same on a real network, a loopback address in a rehearsal without root.

One rule without state, so that the engine, the rack's process and a test compute the same result without asking each other.

* Without a lane (real network, network namespace): unchanged.
* Lane x (1..254): address a.b.c.d is at 127.x.c.d. A port below 1024 is at 20000 + port; all others stay. Linux lets any process bind
  any address of 127/8, so simulated nodes have true peer addresses without root.
* Port 623 (IPMI) is at 21000 + (c * 256 + d) mod 40000. pyghmi takes BMCs with one port on different loopback addresses for one BMC.

The mapping drops the first two octets of the address. The way back takes them from the plan's subnets. So two subnets with the same low
16 bits are refused, and so is a subnet wider than /16.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network
from socket import AF_INET, inet_ntoa, inet_pton

IPMI_PORT = 623


class Reach:
    """Maps (address, port) of the plan to where it can be reached. Call it: `reach("192.168.124.10", 80)`."""

    __slots__ = ("_subnets", "lane")

    def __init__(self, lane: int | None = None, subnets: Sequence[str] = ()) -> None:
        """`subnets` are the site's networks (`192.168.124.0/24`), used by `back` only. Raises ValueError with a
        sentence."""
        if lane is not None and not 1 <= lane <= 254:
            raise ValueError(f"lane {lane} is not in 1..254")
        self.lane = lane
        self._subnets: list[tuple[int, int, int]] = []  # first and last of the low 16 bits, high 16 bits
        if lane is None:
            return
        seen: list[tuple[int, int, str]] = []
        for text in dict.fromkeys(subnets):
            network = IPv4Network(text)
            if network.prefixlen < 16:
                raise ValueError(f"{text} is wider than /16 and cannot be mapped to loopback addresses")
            first, last = int(network.network_address) & 0xFFFF, int(network.broadcast_address) & 0xFFFF
            for other_first, other_last, other in seen:
                if first <= other_last and other_first <= last:
                    raise ValueError(f"{text} and {other} share their last two octets and cannot both be mapped to loopback addresses")
            seen.append((first, last, text))
            self._subnets.append((first, last, int(network.network_address) & 0xFFFF0000))

    def __repr__(self) -> str:
        return f"Reach(lane={self.lane})"

    def __call__(self, address: str, port: int) -> tuple[str, int]:
        """(host, port) to connect or bind to. Raises ValueError if the address is not IPv4 or the port is not 0 to 65535."""
        if not 0 <= port <= 65535:
            raise ValueError(f"{port} is not a port")
        if self.lane is None:
            return address, port
        try:
            low = int.from_bytes(inet_pton(AF_INET, address)) & 0xFFFF
        except OSError:
            raise ValueError(f"{address!r} is not an IPv4 address") from None
        host = f"127.{self.lane}.{low >> 8}.{low & 0xFF}"
        if port == IPMI_PORT:
            return host, 21000 + low % 40000
        return host, 20000 + port if 0 < port < 1024 else port

    def back(self, host: str) -> str:
        """The plan's address that `host` stands for. A host outside this lane, or outside the site's subnets, is returned unchanged."""
        if self.lane is None:
            return host
        try:
            value = int.from_bytes(inet_pton(AF_INET, host))
        except (OSError, ValueError):
            return host
        if value >> 16 != (127 << 8 | self.lane):
            return host
        low = value & 0xFFFF
        for first, last, high in self._subnets:
            if first <= low <= last:
                return inet_ntoa((high | low).to_bytes(4))
        return host
