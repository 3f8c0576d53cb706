"""Whether the interface that serves the rack is there. If it was deleted and made again, the services open their sockets on it again.

    gone, down, no address, no link    a reason, which `status` and the console show until it is over
    there again with another index     sockets of the old one are deaf for ever (packet(7), SO_BINDTODEVICE in socket(7)): `again`
    there again with the same index    the kernel's sockets go on by themselves, and so do those that listen on an address that comes back

It looks with each round of `watch`, by ioctl and not by /sys: /sys shows the interfaces of the network namespace in which it was mounted.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import socket
import struct
import time
from collections.abc import Callable
from typing import NamedTuple

from ..definitions import Json
from ..reasons import (
    Reason,
    advice,
    interface_down,
    interface_gone,
    interface_no_address,
    interface_no_link,
    interface_not_served,
    sentence,
)
from ..serve import ServiceError

_SIOCGIFFLAGS, _IFF_UP, _IFF_RUNNING = 0x8913, 0x1, 0x40  # netdevice(7)

log = logging.getLogger(__name__)


class Seen(NamedTuple):
    """An interface as the kernel reports it. `number` is its index; 0: there is none with that name."""

    number: int
    up: bool = True
    link: bool = True
    address: bool = True
    """True if this machine has the address, on whatever interface."""


def seen(interface: str, address: str) -> Seen:
    """`interface` may be empty: then only the address counts."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
            has = True
        except OSError as error:
            has = error.errno != errno.EADDRNOTAVAIL
        if not interface:
            return Seen(1, address=has)
        try:
            number = socket.if_nametoindex(interface)
            told = fcntl.ioctl(probe, _SIOCGIFFLAGS, struct.pack("16sH14x", interface.encode(), 0))
        except OSError:
            return Seen(0, address=has)
    flags: int = struct.unpack_from("16xH", told)[0]
    return Seen(number, bool(flags & _IFF_UP), bool(flags & _IFF_RUNNING), has)


class Link:
    """`again` opens the sockets anew; it raises ServiceError. One thread calls this object, any thread reads."""

    def __init__(self, interface: str, address: str, again: Callable[[], None], look: Callable[[str, str], Seen] = seen) -> None:
        self._interface, self._address, self._again, self._look = interface, address, again, look
        self._served = look(interface, address).number
        self.trouble: Reason | None = None
        self.since = 0.0
        """Seconds since 1970 at which the trouble was seen."""

    def __call__(self) -> None:
        """One look."""
        try:
            now = self._look(self._interface, self._address)
        except OSError as error:  # no free descriptor: the next look finds one
            log.warning("cannot look at the interface: %s", error)
            return
        found = self._wrong(now)
        if now.number and now.up and now.address and now.number != self._served:
            found = self._opened(now.number) or found
        if found != self.trouble:
            self.trouble, self.since = found, time.time()
            log.warning("%s", sentence(found) if found is not None else f"the engine serves {self._interface or self._address} again")

    def as_json(self) -> dict[str, Json]:
        body: dict[str, Json] = {"name": self._interface, "address": self._address, "code": "", "sentence": "", "advice": "", "since": 0.0}
        if (found := self.trouble) is not None:
            body |= {"code": found.code, "sentence": sentence(found), "advice": advice(found), "since": self.since}
        return body

    def _wrong(self, now: Seen) -> Reason | None:
        if not now.number:
            return interface_gone(interface=self._interface)
        if not now.up:
            return interface_down(interface=self._interface)
        if not now.address:
            return interface_no_address(address=self._address)
        return None if now.link else interface_no_link(interface=self._interface)

    def _opened(self, number: int) -> Reason | None:
        try:
            self._again()
        except (ServiceError, OSError) as error:
            return interface_not_served(interface=self._interface, message=str(error))
        self._served = number
        return None
