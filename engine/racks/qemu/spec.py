"""The spec of a rack of QEMU machines: the file `rack.yml` (kind `qemu`) and the machines that follow from it. Pure.

As in the simulated rack, machine number i depends only on the seed and i. Machines are called m1, m2, ...; link `1g0` is in port swpI of
tor1, `1g1` in that of tor2, the BMC in port I of mgmt. Firmware alternates, BIOS first, unless the spec sets it.
"""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Literal

import msgspec
import yaml
from msgspec import Struct, field

from ..simulated.spec import BmcAccess, RackFileWrong, tree

Firmware = Literal["seabios", "ovmf"]
Nic = Literal["virtio", "e1000e"]
Bus = Literal["virtio", "nvme", "ahci", "megasas"]
"""Disk controllers. OVMF does not start from megasas, a RAID controller. Debian's cloud kernel knows only virtio and nvme."""
NICS = re.compile(r"1g[01]")
CHANNEL = re.compile(r"[0-9]|1[0-4]")
_PORT = re.compile(r"(tor[12]):([A-Za-z0-9][A-Za-z0-9/._-]{0,30})")


class Faults(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Faults of a QEMU machine: those of a simulated machine that a real guest can have, under the same names."""

    bmc: str = ""
    """Mood of its BMC, one of `scenario.MOODS`. Empty: it works."""
    disk_fails: bool = False
    """Each write to any of its disks ends in an I/O error."""
    disks_mb: tuple[int, ...] | None = None
    """Sizes of its disks in MiB, instead of its own; empty list: no disk. From the start only."""
    cables: dict[str, str] = {}
    """Link (`1g0`, `1g1`, `bmc`) -> `switch:port` of tor1 or tor2, or empty for no cable."""
    disks_out: tuple[int, ...] = ()
    """Numbers of the pulled disks. A running machine loses a disk at once, if its guest lets go of it."""
    disks_new: tuple[int, ...] = ()
    """Numbers of the disks in whose place is a new, blank one: from the moment it is plugged, or from the next start."""
    slow_disk: int = -1
    """Number of the disk that moves 4 MB/s; -1: none."""
    lossy: dict[str, float] = {}
    """Link (`1g1`) -> percent of frames that its cable loses, in each direction."""
    ecc: dict[str, int] = {}
    """Memory channel (`0` to `14`) -> 0: none. Else the processor reports corrected errors of it, one after the other."""
    secure_boot: bool = False
    """Secure Boot is switched on in the firmware of a UEFI machine, with Microsoft's keys: from the next start."""


class Ports(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the two switch ports of a machine are set up. As delivered: each by itself, all VLANs, packets of any size."""

    channel: bool = False
    """Both ports are one port channel, and the switches speak LACP on them."""
    vlans: tuple[int, ...] | None = None
    """The VLANs whose tagged frames the ports carry; None: all. Untagged frames always pass."""
    mtu: int = 0
    """Octets of the largest packet that the ports pass; 0: any."""


class Own(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one machine differs from the rest of the rack. Missing values are those of the rest."""

    firmware: Firmware | None = None
    bmc: Literal["ipmi", "redfish"] | None = None
    """What its BMC speaks."""
    memory_mb: int | None = None
    cpus: int | None = None
    disks_mb: tuple[int, ...] | None = None
    nic: Nic | None = None
    bus: Bus | None = None


class QemuRackSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file `rack.yml`."""

    rack: Literal[1] = 1
    """Version of this file."""
    kind: Literal["qemu"] = "qemu"
    nodes: int = 1
    seed: int = 1
    admin: str = "192.168.124.10"
    networks: dict[str, str] = field(default_factory=lambda: {"admin": "192.168.124.0/24", "bmc": "192.168.125.0/24"})
    """Name -> subnet."""
    bmc: BmcAccess = BmcAccess()
    firmware: Literal["alternating", "seabios", "ovmf"] = "alternating"
    memory_mb: int = 2048
    cpus: int = 1
    disks_mb: tuple[int, ...] = (6144, 4096)
    """Sizes of the disks in MiB; files grow as they are written."""
    nic: Nic = "virtio"
    bus: Bus = "virtio"
    at_once: int = 0
    """Most machines with a process at a time; the others wait for theirs with power on; 0: all."""
    accel: Literal["auto", "tcg", "kvm"] = "auto"
    """`auto`: KVM where a kernel boots with it, else TCG."""
    uplink: bool = True
    """True if the two switches are joined, so that the second NIC reaches the admin network too."""
    kernel: str = ""
    """File of a kernel to try KVM with. Empty: no trial, and TCG."""
    machines: dict[str, Own] = {}
    ports: dict[str, Ports] = {}
    """Machine name or `all` -> its ports; a machine's own entry counts whole."""
    faults: dict[str, Faults] = {}
    """Machine name or `all`."""

    @property
    def lane(self) -> None:
        """A QEMU rack has network namespaces, always."""
        return

    @property
    def namespace(self) -> bool:
        return True


class GuestNic(Struct, frozen=True, kw_only=True):
    link: str
    """Name in cable plans: `1g0`."""
    mac: str
    tap: str
    """Its interface in the rack's namespace; at most 15 characters."""
    switch: str
    port: str


class GuestDisk(Struct, frozen=True, kw_only=True):
    file: str
    serial: str
    size_mb: int


class Guest(Struct, frozen=True, kw_only=True):
    """A machine as it was put into the rack."""

    number: int
    name: str
    firmware: Firmware
    vendor: str
    product: str
    serial: str
    uuid: str
    memory_mb: int
    cpus: int
    nics: tuple[GuestNic, ...]
    disks: tuple[GuestDisk, ...]
    bmc_address: str
    bmc_protocol: Literal["ipmi", "redfish"]
    bmc_mac: str
    nic: Nic = "virtio"
    bus: Bus = "virtio"


def parse(text: str) -> QemuRackSpec:
    """The spec in a YAML text. Raises RackFileWrong."""
    try:
        found = msgspec.convert(tree(text), QemuRackSpec)
    except msgspec.ValidationError as wrong:
        raise RackFileWrong(str(wrong)) from wrong
    if not 1 <= found.nodes <= 250:
        raise RackFileWrong(f"nodes must be 1 to 250 in a rack of QEMU machines, not {found.nodes} - at `$.nodes`")
    names = {f"m{i}" for i in range(1, found.nodes + 1)}
    named = {"machines": set(found.machines), "ports": set(found.ports) - {"all"}, "faults": set(found.faults) - {"all"}}
    for where, given in named.items():
        if unknown := sorted(given - names):
            raise RackFileWrong(f"no machine {unknown[0]!r} in a rack of {found.nodes} - at `$.{where}`")
    for machine, ports in found.ports.items():
        check_ports(machine, ports)
    for one in guests(found):
        if not 256 <= one.memory_mb <= 1 << 20 or not 1 <= one.cpus <= 64:
            raise RackFileWrong(f"{one.name} has {one.memory_mb} MB and {one.cpus} processors - at `$`")
        check_faults(one, faults_of(found, one.name))
        if len(one.disks) > 8 or any(not 1 <= disk.size_mb <= 1 << 24 for disk in one.disks):
            raise RackFileWrong(f"disks of {one.name} are not 0 to 8 of 1 MiB to 16 TiB - at `$.disks_mb`")
    return found


def check_ports(machine: str, ports: Ports) -> None:
    """Raises RackFileWrong."""
    if any(not 1 <= vlan <= 4094 for vlan in ports.vlans or ()) or len(ports.vlans or ()) > 64:
        raise RackFileWrong(f"the ports of {machine} can carry at most 64 VLANs, each from 1 to 4094 - at `$.ports`")
    if ports.mtu and not 68 <= ports.mtu <= 9216:
        raise RackFileWrong(f"the ports of {machine} pass packets of 68 to 9216 octets, not {ports.mtu} - at `$.ports`")


def ports_of(spec: QemuRackSpec, name: str) -> Ports:
    """How the switch ports of a machine are set up."""
    return spec.ports.get(name) or spec.ports.get("all", Ports())


def render(spec: QemuRackSpec) -> str:
    """The YAML text of a spec: `parse(render(spec)) == spec`."""
    return str(yaml.safe_dump(msgspec.to_builtins(spec), sort_keys=False))


def faults_of(spec: QemuRackSpec, name: str) -> Faults:
    """The faults of a machine: those of `all`, with its own on top."""
    return over(spec.faults.get("all", Faults()), spec.faults.get(name, Faults()))


def over(below: Faults, above: Faults) -> Faults:
    """Both, those `above` winning where they say something."""
    blank = Faults()
    mine = {name: value for name in Faults.__struct_fields__ if (value := getattr(above, name)) != getattr(blank, name)}
    return msgspec.structs.replace(below, **mine)


def spoiled(spec: QemuRackSpec, faults: Mapping[str, Struct]) -> QemuRackSpec:
    """The rack with a scenario's faults on top of its own. Of each, what QEMU machines do not know must be as usual."""
    merged = dict(spec.faults)
    for name, given in faults.items():
        mine = Faults(**{field: getattr(given, field) for field in Faults.__struct_fields__ if hasattr(given, field)})
        merged[name] = over(merged.get(name, Faults()), mine)
    return msgspec.structs.replace(spec, faults=merged)


def fits(link: str, cable: str) -> bool:
    """True if a machine of this rack can have that cable in this link. Its BMC's cable can only be missing."""
    return (link in ("1g0", "1g1", "bmc") and not cable) or (link in ("1g0", "1g1") and _PORT.fullmatch(cable) is not None)


def check_faults(guest: Guest, faults: Faults) -> None:
    """Raises RackFileWrong."""
    if odd := [link for link, cable in faults.cables.items() if not fits(link, cable)]:
        raise RackFileWrong(f"{guest.name} cannot have that cable in {odd[0][:20]!r} - at `$.faults`")
    if odd := [link for link, percent in faults.lossy.items() if not NICS.fullmatch(link) or not 0 <= percent <= 100]:
        raise RackFileWrong(f"{guest.name} has no link {odd[0][:20]!r} that loses 0 to 100 percent - at `$.faults`")
    if odd := [label for label, count in faults.ecc.items() if not CHANNEL.fullmatch(label) or count < 0]:
        raise RackFileWrong(f"{guest.name} has no memory channel {odd[0][:20]!r}: expected 0 to 14 - at `$.faults`")
    there = range(-1, len(guest.disks))
    if wrong := [disk for disk in (*faults.disks_out, *faults.disks_new, faults.slow_disk) if disk not in there]:
        raise RackFileWrong(f"{guest.name} has no disk {wrong[0]} - at `$.faults`")


def wiring(guest: Guest, faults: Faults) -> list[tuple[str, str]]:
    """Switch and port of each NIC as it is cabled; ("", ""): it has no cable."""
    ports = [faults.cables.get(nic.link, f"{nic.switch}:{nic.port}").partition(":") for nic in guest.nics]
    return [(switch, port) for switch, _, port in ports]


def guests(spec: QemuRackSpec) -> list[Guest]:
    """All machines of a rack, in order."""
    return [_guest(spec, i) for i in range(1, spec.nodes + 1)]


def _guest(spec: QemuRackSpec, number: int) -> Guest:
    rng = random.Random(f"{spec.seed}/{number}")
    name = f"m{number}"
    own = spec.machines.get(name, Own())
    firmware = own.firmware or _firmware(spec, number)
    missing = faults_of(spec, name).disks_mb
    sizes = next(given for given in (missing, own.disks_mb, spec.disks_mb) if given is not None)

    def mac(kind: int) -> str:
        # 52:54:00 is what QEMU's own machines have; the rest keeps racks and machines apart
        return f"52:54:00:{spec.seed & 255:02x}:{number & 255:02x}:{kind:02x}"

    def serial(prefix: str, length: int) -> str:
        return prefix + "".join(rng.choice("0123456789ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(length))

    return Guest(
        number=number,
        name=name,
        firmware=firmware,
        vendor="QEMU",
        product="Q35 BIOS" if firmware == "seabios" else "Q35 UEFI",
        serial=serial("Q", 5) + f"{number:04d}",
        uuid=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        memory_mb=own.memory_mb or spec.memory_mb,
        cpus=own.cpus or spec.cpus,
        nics=tuple(GuestNic(link=f"1g{i}", mac=mac(i), tap=f"{name}-1g{i}", switch=f"tor{i + 1}", port=f"swp{number}") for i in range(2)),
        disks=tuple(
            GuestDisk(file=f"disk{i}.qcow2", serial=serial("D", 6) + f"{number:04d}{i}", size_mb=size) for i, size in enumerate(sizes)
        ),
        bmc_address=str(IPv4Address(spec.bmc.first) + number - 1),
        bmc_protocol=own.bmc or spec.bmc.spoken(number),
        bmc_mac=mac(0xFF),
        nic=own.nic or spec.nic,
        bus=own.bus or spec.bus,
    )


def _firmware(spec: QemuRackSpec, number: int) -> Firmware:
    if spec.firmware == "alternating":
        return "seabios" if number % 2 else "ovmf"
    return spec.firmware
