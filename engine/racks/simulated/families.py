"""The kinds of machines in a simulated rack: what each family is made of, its BIOS settings and its versions of firmware. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Family(Struct, frozen=True, kw_only=True):
    vendor: str
    product: str
    firmware: Literal["bios", "efi"]
    firmware_s: tuple[float, float]
    memory_mb: int
    cpus: int
    disks: int
    disk_size: int
    rotational: bool
    transport: str
    nics: tuple[str, str]
    driver: str
    kexec: bool = True


FAMILIES = (
    Family(
        vendor="Dell Inc.",
        product="PowerEdge R640",
        firmware="efi",
        firmware_s=(75, 110),
        memory_mb=196608,
        cpus=40,
        disks=4,
        disk_size=480_103_981_056,
        rotational=False,
        transport="sas",
        nics=("eno1", "eno2"),
        driver="bnxt_en",
    ),
    Family(
        vendor="HPE",
        product="ProLiant DL360 Gen10",
        firmware="efi",
        firmware_s=(90, 120),
        memory_mb=131072,
        cpus=32,
        disks=4,
        disk_size=960_197_124_096,
        rotational=False,
        transport="sata",
        nics=("ens1f0", "ens1f1"),
        driver="i40e",
    ),
    Family(
        vendor="Supermicro",
        product="SYS-6029P-TR",
        firmware="bios",
        firmware_s=(60, 80),
        memory_mb=98304,
        cpus=24,
        disks=8,
        disk_size=4_000_787_030_016,
        rotational=True,
        transport="sas",
        nics=("enp3s0f0", "enp3s0f1"),
        driver="ixgbe",
    ),
    Family(
        vendor="Quanta",
        product="D51B-1U",
        firmware="bios",
        firmware_s=(60, 95),
        memory_mb=65536,
        cpus=16,
        disks=4,
        disk_size=1_000_204_886_016,
        rotational=True,
        transport="sata",
        nics=("eth0", "eth1"),
        driver="igb",
        kexec=False,
    ),
)

BIOS = {
    "virtualization": "disabled",
    "sriov": "disabled",
    "hyperthreading": "enabled",
    "power-profile": "balanced",
    "numa": "enabled",
    "turbo": "enabled",
    "serial-console": "disabled",
    "boot-order": "network,disk",
    "after-power-loss": "last",
    "post-delay": "0",
}
"""Factory settings of the firmware."""
CHOICES: dict[str, tuple[str, ...]] = {
    "virtualization": ("enabled", "disabled"),
    "sriov": ("enabled", "disabled"),
    "hyperthreading": ("enabled", "disabled"),
    "power-profile": ("balanced", "performance", "efficient"),
    "numa": ("enabled", "disabled"),
    "turbo": ("enabled", "disabled"),
    "serial-console": ("enabled", "disabled"),
    "boot-order": ("network,disk", "disk,network"),
    "after-power-loss": ("last", "on", "off"),
    "boot-mode": ("uefi", "legacy"),
}
"""Setting -> what it can be, as the registry of a BMC says it. Others are numbers of NUMBERS."""
NUMBERS: dict[str, tuple[int, int]] = {"post-delay": (0, 30)}
"""Setting -> the least and the greatest value."""
BIOS_VERSIONS = {"bios": "2.4.1", "efi": "2.10.2"}
"""Kind of firmware -> the factory's version of the BIOS."""
VERSIONS = {"bmc": "1.0", "nic": "20.5.13"}
"""Other firmware -> the factory's version."""
