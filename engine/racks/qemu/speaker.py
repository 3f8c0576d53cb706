"""The switches' LLDP (IEEE 802.1AB): a frame on each port, at once on request and then every INTERVAL_S.

Each frame is written to the port's own interface, so each port sends its own name whatever the bridge forwards. Real switches speak
every 30 s.
"""

from __future__ import annotations

import asyncio
import logging
import socket

from ..simulated.switch import frame

INTERVAL_S = 5.0
log = logging.getLogger("rack")


class Speaker:
    """Of all switches. Needs CAP_NET_RAW in the rack's namespace."""

    def __init__(self, ports: dict[str, tuple[str, str]]) -> None:
        self._frames = {interface: frame(*of) for interface, of in ports.items()}
        self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._sock.setblocking(False)
        self.sent = self.failed = 0

    def plug(self, interface: str, port: tuple[str, str]) -> None:
        """From now on this switch and port speak there; ("", ""): none."""
        self._frames.pop(interface, None)
        if port[0]:
            self._frames[interface] = frame(*port)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            for interface, octets in list(self._frames.items()):
                try:
                    self._sock.sendto(octets, (interface, 0))
                    self.sent += 1
                except OSError:  # no machine holds the tap, or its queue is full: sent again in a moment
                    self.failed += 1
            await asyncio.sleep(INTERVAL_S)

    def close(self) -> None:
        self._sock.close()
