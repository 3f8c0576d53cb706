"""The BMCs of a rack: some speak IPMI, some Redfish, as in a real rack. One interface for both kinds of rack.

The rack's `rack.yml` decides which machine has which: `bmc: {protocol: mixed}` gives every third machine Redfish.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from .commands import Chassis
from .ipmi import BmcFarm, Mood, SimBmc
from .label import About
from .lan import Lan
from .redfish import RedfishBmc, RedfishFarm, certificate
from .redfish_insides import Insides
from .session import ADMINISTRATOR

BmcProtocol = Literal["ipmi", "redfish"]
PORTS: dict[BmcProtocol, int] = {"ipmi": 623, "redfish": 443}
AnyBmc = SimBmc | RedfishBmc


InBand = Callable[[int, int, bytes], tuple[int, bytes]]
"""(network function, command, data) -> completion code and data"""


def in_band(bmc: AnyBmc) -> InBand:
    """The BMC as its own machine reaches it over the bus: no login, all privileges."""

    def execute(function: int, command: int, data: bytes) -> tuple[int, bytes]:
        return bmc.commands.execute(function, command, data, ADMINISTRATOR)

    return execute


class Bmcs:
    """`start`, `add`, then `close`. Each kind has a thread; the Redfish thread starts with the first one."""

    def __init__(self, folder: Path) -> None:
        """`folder` keeps the certificate, and accounts that were made."""
        self._folder = folder
        self._ipmi = BmcFarm()
        self._redfish: RedfishFarm | None = None

    def start(self) -> None:
        self._ipmi.start()

    def add(
        self,
        protocol: BmcProtocol,
        local: Callable[[int], tuple[str, int]],
        chassis: Chassis,
        *,
        mood: Mood,
        about: About,
        mac: str,
        insides: Insides | None = None,
        lan: Lan | None = None,
    ) -> AnyBmc:
        """`local`: where to bind for a port. `insides`: what a BMC that speaks Redfish shows of them. `lan`: None means that its address
        stays. Raises OSError if it is in use."""
        users = self.kept(mac)
        where, octets = local(PORTS[protocol]), bytes.fromhex(mac.replace(":", ""))
        if protocol == "ipmi":
            return self._ipmi.add(*where, chassis, mood=mood, about=about, mac=octets, users=users, lan=lan)
        if self._redfish is None:
            self._redfish = RedfishFarm(certificate(self._folder))
            self._redfish.start()
        return self._redfish.add(*where, chassis, mood=mood, about=about, mac=octets, users=users, insides=insides, lan=lan)

    def move(self, bmc: AnyBmc, local: Callable[[int], tuple[str, int]]) -> None:
        """The BMC is reached elsewhere. Raises OSError if that is in use."""
        if isinstance(bmc, SimBmc):
            self._ipmi.move(bmc, *local(PORTS["ipmi"]))
        elif self._redfish is not None:
            self._redfish.move(bmc, *local(PORTS["redfish"]))

    def kept(self, mac: str, what: str = "") -> Path:
        """The file that keeps what was changed in a BMC."""
        return self._folder / "bmcs" / f"{mac.replace(':', '')}{what}.json"

    def close(self) -> None:
        self._ipmi.close()
        if self._redfish is not None:
            self._redfish.close()

    def counts(self) -> dict[str, int]:
        """Since this process began: packets of IPMI and requests of Redfish together."""
        farms = [self._ipmi.counters, *([self._redfish.counters] if self._redfish is not None else [])]
        return {
            "bmc-logins": sum(one.logins for one in farms),
            "bmc-packets": sum(one.packets for one in farms),
            "bmc-malformed": sum(one.malformed for one in farms),
            "bmc-refused": sum(one.refused for one in farms),
        }
