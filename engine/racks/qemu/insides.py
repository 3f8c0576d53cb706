"""The inside of a QEMU machine as its BMC sees it (`bmc.redfish_insides.Insides`): settings and versions that the machine really has.

A setting is a feature of the processor, and the BIOS's version stands in SMBIOS. So the machine's own system sees what the BMC reads back.
Both take effect at the next start through firmware (`at_self_test`). Methods are called from the BMC's thread: what is ordered is assigned
as a whole, so that it can be read back at once.
"""

from __future__ import annotations

from collections.abc import Callable

from ..bmc.redfish_insides import InsideDrive, InsideVolume
from .nonvolatile import NonVolatile

ON, OFF = "Enabled", "Disabled"
FEATURES = {"ProcVirtualization": ("svm", "vmx"), "ProcAes": ("aes",), "ProcRandom": ("rdrand", "rdseed")}
"""Setting -> the features of the processor that it switches off."""
FACTORY = {"bios": "1.0.0", "bmc": "1.0.0"}
"""Part -> the factory's version of its firmware."""


def settings(nonvolatile: NonVolatile) -> dict[str, str]:
    return dict.fromkeys(FEATURES, ON) | nonvolatile.bios


def versions(nonvolatile: NonVolatile) -> dict[str, str]:
    return FACTORY | nonvolatile.firmware


def switched_off(nonvolatile: NonVolatile) -> list[str]:
    """Features that the processor lacks."""
    now = settings(nonvolatile)
    return [feature for name, features in FEATURES.items() if now[name] == OFF for feature in features]


def at_self_test(nonvolatile: NonVolatile) -> None:
    """What was ordered counts from now on."""
    nonvolatile.bios = nonvolatile.bios | nonvolatile.bios_pending
    nonvolatile.firmware = nonvolatile.firmware | nonvolatile.firmware_pending
    nonvolatile.bios_pending, nonvolatile.firmware_pending = {}, {}


class GuestInsides:
    def __init__(self, nonvolatile: Callable[[], NonVolatile], save: Callable[[], object]) -> None:
        """`save`: has the machine's loop save the record."""
        self._nonvolatile = nonvolatile
        self._save = save

    @property
    def updates(self) -> str:
        """A QEMU machine's BMC does what it says."""
        return ""

    def settings(self) -> dict[str, str]:
        return settings(self._nonvolatile())

    def waiting(self) -> dict[str, str]:
        return dict(self._nonvolatile().bios_pending)

    def write(self, settings: dict[str, str]) -> None:
        now = self._nonvolatile()
        now.bios_pending = {**now.bios_pending, **settings}
        self._save()

    def choices(self) -> dict[str, tuple[str, ...]]:
        return dict.fromkeys(FEATURES, (ON, OFF))

    def numbers(self) -> dict[str, tuple[int, int]]:
        return {}

    def versions(self) -> dict[str, str]:
        return versions(self._nonvolatile())

    def staged(self) -> dict[str, str]:
        return dict(self._nonvolatile().firmware_pending)

    def stage(self, part: str, version: str) -> None:
        now = self._nonvolatile()
        if part == "bmc":
            now.firmware = {**now.firmware, part: version}
        else:
            now.firmware_pending = {**now.firmware_pending, part: version}
        self._save()

    def drives(self) -> list[InsideDrive]:
        """None: its disks are not behind a RAID controller that its BMC knows."""
        return []

    def volumes(self) -> list[InsideVolume]:
        return []

    def make(self, name: str, level: str, serials: list[str]) -> None:  # noqa: ARG002
        raise AssertionError("a volume needs drives")

    def delete(self, wwn: str) -> None:  # noqa: ARG002
        raise AssertionError("there is no volume")
