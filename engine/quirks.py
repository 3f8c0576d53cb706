"""Quirks: one table of firmware and BMCs that behave differently from others. Pure.

A row names the products with the quirk, what they do, the evidence, and the words that the code uses (`value`). The code reads the row.
So a change for one more product touches only this file.

Not here: what the Redfish driver finds out from a service's answers (`racks.bmc.redfish_moods.ODDITIES` imitates those), and UUIDs and
serials that identify nothing (`core.boot.junk`).
"""

from __future__ import annotations

import fnmatch
from typing import Literal

from msgspec import Struct


class Quirk(Struct, frozen=True, kw_only=True):
    product: str
    """Products, or a family of firmware, with the quirk."""
    does: str
    seen: str
    """Evidence: a document, a report, or the test that shows the quirk."""
    value: tuple[str, ...] = ()
    """The words by which the code recognises or handles it."""


_SANBOOT = "sanboot --no-describe --drive 0x80 || exit 1"

DISK_BOOT: dict[str, Quirk] = {
    "": Quirk(
        product="most",
        does="UEFI boots the next entry after a failure is reported. BIOS is told to start the disk.",
        seen="tests/boot on SeaBIOS and OVMF",
        value=("iseq ${platform} efi && exit 1 ||", _SANBOOT),
    ),
    "exit": Quirk(
        product="BIOS with network and disk in its boot order; some UEFI",
        does="boots the next entry after a success, and starts over after a failure",
        seen="tests/boot on SeaBIOS; reports from the field",
        value=("exit",),
    ),
    "exit-1": Quirk(
        product="EDK 2, and UEFI made of it",
        does="opens its menu after a success, and boots the next entry after a failure",
        seen="UEFI 2.10, 3.1.1; tests/boot on OVMF",
        value=("exit 1",),
    ),
    "sanboot": Quirk(
        product="BIOS whose boot order does not come to the disk",
        does="boots the first disk by INT 13, whatever its boot order says",
        seen="tests/boot on SeaBIOS",
        value=(_SANBOOT,),
    ),
    "grub": Quirk(
        product="UEFI whose boot order names no loader of the disk",
        does="runs GRUB, which looks for boot loaders on all disks",
        seen="tests/boot on OVMF",
        value=("iseq ${platform} efi && chain URL/image/loader/grubx64.efi ||", _SANBOOT),
    ),
}
"""Value of the attribute `disk-boot` -> how that firmware continues from the network to the disk. `value` is the iPXE command, where URL
is the engine's. Empty: the attribute is not set."""

DHCP_CLASSES: dict[str, Quirk] = {
    "bmc": Quirk(
        product="Dell iDRAC, HPE iLO (CPQRIB too), Lenovo XCC, Fujitsu iRMC, OpenBMC",
        does="names itself in the vendor class of its DHCP requests",
        seen="the vendors' manuals",
        value=("idrac", "ilo", "cpqrib", "bmc", "ipmi", "xcc", "irmc", "openbmc"),
    ),
    "switch": Quirk(
        product="Cumulus, ONIE, Arista, Cisco, Juniper, SONiC",
        does="names its maker or its loader in the vendor class of its DHCP requests",
        seen="the vendors' manuals of zero-touch provisioning",
        value=("cumulus", "onie", "arista", "cisco", "juniper", "sonic"),
    ),
}
"""Class of a DHCP client -> lower-case words; its vendor class (option 60) contains one of them."""

PROOF_WAYS: dict[str, Quirk] = {
    "system-name": Quirk(
        product="most",
        does="keeps the system name that its machine writes (22.14a, parameter 2), and shows it by 22.14b and as HostName by Redfish",
        seen="IPMI 2.0 table 22-16; ipmitool's `mc setsysinfo system_name`; DSP2046 ComputerSystem.HostName",
        value=("system-name", "sel-entry"),
    ),
    "sel-entry": Quirk(
        product="BMCs of IPMI 1.5, and firmware without the command for system information",
        does="answers C1h to 22.14a; keeps entries of type E0h to FFh in its event log (31.6), as all BMCs must",
        seen="IPMI 2.0 appendix G: 22.14a is optional, 31.6 is mandatory; tests/power/test_power_notes.py",
        value=("sel-entry",),
    ),
}
"""How a machine writes a challenge into its BMC (`core.roles.confirm`). `value`: what the agent tries, in this order. The system name is
first, because Redfish shows it too, and because an event log fills up. The primary operating system's name (parameter 3) is shown by no
Redfish service. Each product that must not be asked for its first way gets a row in PROOF_PRODUCTS."""

PROOF_PRODUCTS: dict[str, str] = {}
"""Beginning of `VENDOR PRODUCT`, in lower case -> its row of PROOF_WAYS. Of several rows the longest counts. A product without a row tries
all ways of `system-name`. Both words are those of the machine's inventory, for example `dell inc. poweredge r640`."""


def proof_ways(vendor: str, product: str) -> tuple[str, ...]:
    """What the agent of such a machine tries, in this order."""
    name = f"{vendor} {product}".lower()
    row = max((known for known in PROOF_PRODUCTS if name.startswith(known)), key=len, default="")
    return PROOF_WAYS[PROOF_PRODUCTS.get(row, "system-name")].value


PACKED_ONLY = Quirk(
    product="HPE iLO 5 (Gen10 Plus), for its registries",
    does="answers 406 where plain answers are asked for",
    seen="sushy, connector.py",
    value=("gzip", "deflate"),
)
GLUED_RESETS = Quirk(
    product="Supermicro, firmware 1.14",
    does="lists two ResetTypes as one word, with the comma forgotten",
    seen="a recorded service",
    value=("GracefulShutdownGracefulRestart",),
)
MODE_FORGOTTEN = Quirk(
    product="Supermicro",
    does="sets the boot mode back to its default when a boot order does not name the mode",
    seen="DMTF/Redfishtool#106",
)
HEALTH_LOGS = Quirk(
    product="Redfish services with several logs",
    does="keeps events of parts in one log, and logins, audits, dumps and lifecycle messages in others, under names of its own",
    seen="recorded services: Sel (Dell, Lenovo), SEL (AMI, OpenBMC), IML (HPE), Log1 (Supermicro), PlatformLog (Lenovo XCC2)",
    value=("sel", "iml", "platformlog", "log1", "activelog", "eventlog", "redfishlog", "bios"),
)
"""`value`: names of the logs that are read, in lower case, the best first."""

# -- IPMI or Redfish -----------------------------------------------------------------------------------------------

BmcUse = Literal["power", "health", "console"]
"""What the engine wants of a BMC: switch and boot the machine, read sensors and the event log, read the serial console."""
BmcProtocol = Literal["redfish", "ipmi"]


class BmcWay(Struct, frozen=True, kw_only=True):
    """The protocol that a family of BMCs does better. Elsewhere Redfish is better where the BMC has it."""

    products: tuple[str, ...]
    """Patterns of maker and model, `Dell* PowerEdge *`; upper and lower case are the same."""
    better: dict[BmcUse, BmcProtocol]
    """For the uses that differ from the rule. The other protocol is tried if the BMC does not answer by this one."""
    does: str
    seen: str
    """Evidence: the recorded trees are those of `tests/power/test_power_ways.py`."""


BMC_WAYS: tuple[BmcWay, ...] = (
    BmcWay(
        products=("HP* ProLiant * Gen1? Plus*", "Hewlett* ProLiant * Gen1? Plus*"),
        better={"power": "redfish", "health": "redfish", "console": "redfish"},
        does="may come with IPMI over LAN turned off; its serial console is reached by SSH",
        seen="recorded tree of a DL385 Gen10 Plus v2, iLO 5 2.72: IPMI.ProtocolEnabled is false, SSH is true",
    ),
    BmcWay(
        products=("Lenovo ThinkSystem *",),
        better={"power": "redfish", "health": "redfish", "console": "redfish"},
        does="comes with IPMI over LAN turned off; its serial console is reached by SSH",
        seen="recorded tree of a ThinkSystem SR670 V2, XCC 2.83: IPMI.ProtocolEnabled is false, SSH is true",
    ),
    BmcWay(
        products=("*BlueField-*",),
        better={"power": "redfish", "console": "redfish"},
        does="gives its serial console by SSH on a port of its own, to fifteen sessions at a time",
        seen="recorded tree of a BlueField-3, BF-24.10: SerialConsole.SSH has port 2200",
    ),
    BmcWay(
        products=("GIGABYTE H262-*",),
        better={"health": "ipmi"},
        does="shows temperatures by Redfish and no fan; its serial console is reached by IPMI only",
        seen="recorded tree of an H262-Z63, AMI MegaRAC 12.84: Thermal has 20 temperatures and no fan",
    ),
    BmcWay(
        products=("Intel* S2600*",),
        better={"health": "ipmi"},
        does="lists chassis by Redfish and answers 404 for them, so it has no sensors there",
        seen="recorded tree of an S2600BPB, BMC 1.93: Chassis/RackMount answers ResourceMissingAtURI",
    ),
    BmcWay(
        products=("Dell* PowerEdge ?[1-9]30*", "Dell* PowerEdge FC[1-9]30*"),
        better={"power": "ipmi", "health": "ipmi"},
        does="iDRAC 8: its web server stopped answering many clients of Redfish with firmware 2.83",
        seen="dell/iDRAC-Redfish-Scripting#214, a PowerEdge R430",
    ),
)
"""The first row that fits counts. A machine's maker and model are those of its inventory."""


def bmc_way(vendor: str, product: str, use: BmcUse) -> BmcProtocol | None:
    """The protocol that this machine's BMC does better for this use. None: no row says so, and the BMC is asked."""
    name = f"{vendor} {product}".strip().lower()
    for row in BMC_WAYS:
        if any(fnmatch.fnmatchcase(name, one.lower()) for one in row.products):
            return row.better.get(use)
    return None


class SshConsole(Struct, frozen=True, kw_only=True):
    """How a BMC whose Redfish service does not say it gives the serial console by SSH."""

    makers: tuple[str, ...]
    """Beginnings of the system's Manufacturer, in lower case."""
    enter: str
    """The command at the BMC's prompt that shows the console."""
    leave: bytes
    """What ends it and returns to the prompt."""
    seen: str


SSH_CONSOLES: tuple[SshConsole, ...] = (
    SshConsole(makers=("hp",), enter="vsp", leave=b"\x1b(", seen="HPE iLO 5 scripting and command line guide: virtual serial port"),
    SshConsole(makers=("dell",), enter="console com2", leave=b"\x1c", seen="iDRAC9 user's guide: serial console by SSH"),
    SshConsole(makers=("lenovo",), enter="console 1", leave=b"\x1b(", seen="XClarity Controller user's guide: console command"),
)
"""Only for services that have `SerialConsole` with SSH and no `ConsoleEntryCommand` (DSP0268, ComputerSystem 1.13)."""
