"""Hears LLDP on the admin node's interface (IEEE 802.1AB), for `crowbar packets` and for the engine's own place: the switch and port that
it is plugged into.

Only listens. Needs a packet socket. Without privilege it hears nothing, and `deaf` says why. A switch speaks every 30 s. At most RATE
frames a second are kept, so that nobody can flood the ring with them.

Trap: a NIC passes frames to 01:80:c2:00:00:0e on only if the socket joins that group on it (packet(7), PACKET_ADD_MEMBERSHIP).
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import struct
import time
from collections.abc import Callable
from threading import Thread

from engine.wire.lldp import ETHERTYPE, NEAREST_BRIDGE, LldpNeighbour, Malformed, decode_frame
from engine.wire.recording import NOBODY, Recorder

RATE = 20
_SOL_PACKET, _ADD_MEMBERSHIP, _MULTICAST = 263, 1, 0  # packet(7); Python has no names for them
_OUTGOING = 4

log = logging.getLogger(__name__)


class LldpListener:
    """On one interface. None: it hears nothing."""

    def __init__(self, interface: str | None, record: Recorder = NOBODY, heard: Callable[[LldpNeighbour], None] = lambda _: None) -> None:
        """`heard` gets each frame that is well-formed, in this thread."""
        self._interface = interface
        self._heard = heard
        self._record = record
        self._thread: Thread | None = None
        self._wake: int | None = None
        self._second, self._many = 0, 0
        self.received = 0
        self.deaf = ""

    @property
    def counters(self) -> dict[str, int]:
        """Since start."""
        return {"heard": self.received}

    def start(self) -> None:
        """Never fails: the rack boots without LLDP."""
        self.deaf = ""
        if self._interface is None:
            self.deaf = "no interface is named"
            return
        wire: socket.socket | None = None
        try:
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
            wire.bind((self._interface, ETHERTYPE))
            index = socket.if_nametoindex(self._interface)
            wire.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, struct.pack("iHH8s", index, _MULTICAST, len(NEAREST_BRIDGE), NEAREST_BRIDGE))
        except OSError as error:
            if wire is not None:
                wire.close()
            self.deaf = str(error)
            log.debug("LLDP is not heard", extra={"action": "lldp start", "cause": self.deaf})
            return
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = Thread(target=self._run, args=(wire, self._wake), name="lldp", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        thread, self._thread = self._thread, None
        if thread is None or self._wake is None:
            return
        os.eventfd_write(self._wake, 1)
        thread.join()
        os.close(self._wake)
        self._wake = None

    def _run(self, wire: socket.socket, wake: int) -> None:
        waiting = select.poll()
        waiting.register(wire, select.POLLIN)
        waiting.register(wake, select.POLLIN)
        with wire:
            while True:
                if any(fd == wake for fd, _ in waiting.poll()):
                    return
                with contextlib.suppress(OSError):  # ENETDOWN, once, when the link goes down
                    frame, source = wire.recvfrom(2048)
                    self.take(int(source[2]), frame)

    def take(self, kind: int, frame: bytes) -> None:
        """Handles a received frame. Ignores the machine's own frames."""
        second = int(time.monotonic())
        self._many = self._many + 1 if second == self._second else 1
        self._second = second
        if kind == _OUTGOING or self._many > RATE or len(frame) < 14:
            return
        self.received += 1
        who = frame[6:12]
        self._record.received("lldp", who, ("", 0), ("", 0), frame)
        try:
            found = decode_frame(frame)
        except Malformed as refused:
            self._record.lost("lldp", who, refused.reason, refused.option)
            return
        self._heard(found)
