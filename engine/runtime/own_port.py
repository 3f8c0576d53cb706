"""Looks at this machine itself: what it is, which addresses it has, and which switch port its interface hears. Changes go to the loop.

Strangers on the wire can speak LLDP. So a change of what is heard is passed on at most every PAUSE_S, and at most NEIGHBOURS are kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from ..doctor.interfaces import addresses
from ..events import AdminSeen
from ..here import HeardPort, Here
from ..wire.lldp import LldpNeighbour, PortKind

NEIGHBOURS = 16
PAUSE_S = 30.0
ADDRESSES_S = 60.0
"""Seconds between two looks at the addresses, which cost a process each."""
SETTLE_S = 40.0
"""Seconds after the start in which silence says nothing: switches speak every 30 s."""
_KINDS = {PortKind.MAC: "mac", PortKind.LOCAL: "local", PortKind.INTERFACE_ALIAS: "ifalias", PortKind.ADDRESS: "ip"}
"""Subtype of a port's id -> lldpd's name, where the id may not be the port's name."""
_NET, _DMI = Path("/sys/class/net"), Path("/sys/class/dmi/id")


class OwnPortWatch:
    """`known`: what the world has of this machine. `deaf`: why LLDP is not heard. One thread calls `look`, another `heard`."""

    def __init__(
        self,
        interface: str,
        submit: Callable[[AdminSeen], bool],
        known: Callable[[], Here | None],
        deaf: Callable[[], str] = str,
        clock: Callable[[], float] = time.monotonic,
        machine: Callable[[], Here] | None = None,
    ) -> None:
        self._interface, self._submit, self._known, self._deaf, self._clock = interface, submit, known, deaf, clock
        self._machine = machine or this_machine
        self._lock = threading.Lock()
        self._heard: dict[tuple[str, str], tuple[float, HeardPort]] = {}
        """Chassis and port -> until when it counts (monotonic), and what it said."""
        self._began, self._looked, self._told = clock(), float("-inf"), float("-inf")
        self._last: Here | None = None
        self._found = Here()

    def heard(self, one: LldpNeighbour) -> None:
        key = one.chassis_id, one.port_id
        with self._lock:
            if not one.ttl_s:
                self._heard.pop(key, None)
            elif key in self._heard or len(self._heard) < NEIGHBOURS:
                self._heard[key] = self._clock() + one.ttl_s, _port(one)

    def look(self) -> None:
        """Passes on what changed."""
        now = self._clock()
        if now - self._looked >= ADDRESSES_S:
            self._looked, self._found = now, self._machine()
        ports = self._present(now)
        known = self._known()
        if not ports and known is not None and now - self._began < SETTLE_S:
            ports = known.neighbours
        found = self._found
        here = Here(
            interface=self._interface,
            uuid=found.uuid,
            serial=found.serial,
            macs=found.macs,
            addresses=found.addresses,
            neighbours=ports,
            deaf=self._deaf(),
        )
        if here == (self._last or known) or (self._last is not None and now - self._told < PAUSE_S):
            return
        if self._submit(AdminSeen(here=here)):
            self._last, self._told = here, now

    def _present(self, now: float) -> tuple[HeardPort, ...]:
        with self._lock:
            self._heard = {key: one for key, one in self._heard.items() if one[0] > now}
            return tuple(self._heard[key][1] for key in sorted(self._heard))


def _port(one: LldpNeighbour) -> HeardPort:
    return HeardPort(
        chassis=one.chassis_id,
        port=one.port_id,
        system=one.system_name,
        port_description=one.port_description,
        port_kind=_KINDS.get(one.port_kind, ""),
        capabilities=one.capabilities or None,
    )


def this_machine() -> Here:
    """Its identity as its firmware has it, as far as this process may read it, and its addresses."""
    ports = sorted(one for one in _NET.iterdir() if (one / "device").exists()) if _NET.is_dir() else []
    return Here(
        uuid=_line(_DMI / "product_uuid"),
        serial=_line(_DMI / "product_serial"),
        macs=tuple(mac for one in ports if (mac := _line(one / "address")) and mac.strip("0:")),
        addresses=tuple(sorted(text for name, some in addresses().items() if name != "lo" for text in some)),
    )


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()[:128]
    except (OSError, UnicodeDecodeError):
        return ""
