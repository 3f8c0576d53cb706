"""What the switches say on their ports: LLDP (IEEE 802.1AB), a frame at once on request and then every INTERVAL_S; and LACP on the ports of
port channels (`lacp`).

Each frame is written to the port's own interface, so each port sends its own name whatever the bridge forwards. Real switches send LLDP
every 30 s.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from contextlib import suppress

from ..simulated.switch import chassis_mac, frame
from . import lacp

INTERVAL_S = 5.0
LARGEST = 2048
SYSTEM = chassis_mac("tor")
"""The MAC that both switches use as the system of their port channels."""
log = logging.getLogger("rack")


class Speaker:
    """Of all switches. Needs CAP_NET_RAW in the rack's namespace."""

    def __init__(self, ports: dict[str, tuple[str, str]], channels: dict[str, tuple[int, int]] | None = None) -> None:
        self._frames = {interface: frame(*of) for interface, of in ports.items()}
        self.channels = channels or {}
        """Interface -> key of its port channel and number of its port."""
        self._partners: dict[str, tuple[lacp.Port, float]] = {}
        """Interface -> the machine's side, and when it was heard last (monotonic)."""
        self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._sock.setblocking(False)
        self._slow = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(lacp.ETHERTYPE))
        self._slow.setblocking(False)
        self.sent = self.failed = 0

    def plug(self, interface: str, port: tuple[str, str]) -> None:
        """From now on this switch and port speak there; ("", ""): none."""
        self._frames.pop(interface, None)
        if port[0]:
            self._frames[interface] = frame(*port)

    async def run(self) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._slow.fileno(), self._listen)
        try:
            told = -INTERVAL_S
            while True:
                now = time.monotonic()
                if now - told >= INTERVAL_S:
                    told = now
                    self._send(dict(self._frames))
                self._send({interface: self._lacpdu(interface, now) for interface in self.channels if interface in self._frames})
                await asyncio.sleep(lacp.PERIOD_S)
        finally:
            loop.remove_reader(self._slow.fileno())

    def _send(self, frames: dict[str, bytes]) -> None:
        for interface, octets in frames.items():
            try:
                self._sock.sendto(octets, (interface, 0))
                self.sent += 1
            except OSError:  # no machine holds the tap, or its queue is full: sent again in a moment
                self.failed += 1

    def _lacpdu(self, interface: str, now: float) -> bytes:
        key, port = self.channels[interface]
        partner, at = self._partners.get(interface, (None, 0.0))
        return lacp.answer(SYSTEM, key, port, partner if now - at <= lacp.SILENCE_S else None)

    def _listen(self) -> None:
        """Answers a machine at once: its bond waits for that."""
        with suppress(BlockingIOError):
            while True:
                octets, (interface, _, kind, *_) = self._slow.recvfrom(LARGEST)
                heard = lacp.decode(octets) if kind != socket.PACKET_OUTGOING and interface in self.channels else None
                if heard is not None:
                    before = self._partners.get(interface)
                    now = time.monotonic()
                    self._partners[interface] = (heard, now)
                    if before is None or before[0] != heard:
                        self._send({interface: self._lacpdu(interface, now)})

    def close(self) -> None:
        self._sock.close()
        self._slow.close()
