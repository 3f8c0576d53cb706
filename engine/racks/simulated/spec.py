"""The spec of a simulated rack: the file `rack.yml` and the hardware that follows from it. Pure.

The hardware of machine number i depends only on the seed and i. So a rack of 20 equals the first 20 machines of a rack of 1,000, and the
same spec always gives the same serials, MACs and disks.

Rules
* Machines are called m1, m2, ... and are cabled to ports of the same number: link `1g0` to tor1, `1g1` to tor2, the BMC to mgmt.
* Faults are given per machine name, or under `all`. The machine's own win, field by field.
* Unknown keys in the file are refused with their path (in msgspec's words), not guessed.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any, Literal

import msgspec
import yaml
from msgspec import Struct, field

from ...plan import SPEEDS
from .families import BIOS, FAMILIES, Family
from .reached import BmcAccess as BmcAccess
from .reached import PduDef

PORTS = 8
"""Most ports of one speed: the functions of a PCI device."""

_BAYS = 24

UPDATES = ("lies", "endless", "forgets")
Level = Literal["raid0", "raid1", "raid10", "jbod", "none"]


class RackFileWrong(ValueError):
    """The rack's spec is not valid. The text names the path and what was expected."""


class Faults(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Faults of a machine. Percentages are of packets (DHCP, TFTP, IPMI), connections (`drop_http`, `drop_ssh`) or calls."""

    bmc: str = ""
    """Mood of its BMC, one of `scenario.MOODS`. Empty: it works."""
    drop_dhcp: float = 0.0
    drop_tftp: float = 0.0
    drop_http: float = 0.0
    drop_bmc: float = 0.0
    drop_ssh: float = 0.0
    double_dhcp: float = 0.0
    double_tftp: float = 0.0
    late_dhcp: float = 0.0
    """Later packets overtake late packets (`packet_loss`)."""
    late_tftp: float = 0.0
    repeat_http: float = 0.0
    """The answer of a call is lost after the call was carried out, so the machine makes the call again."""
    never_calls_back: bool = False
    """Its kernel starts, and the engine hears nothing from it."""
    disk_fails: bool = False
    """Each write to any of its disks ends in an I/O error."""
    disks_mb: tuple[int, ...] | None = None
    """Sizes of its disks in MiB, instead of its family's; empty list: no disk. From the start only."""
    odd_disks: bool = False
    """Its bays report removable disks. An eMMC of 4 GB and a LUN over four paths come before them. From the start only."""
    bios_lies: bool = False
    """Its BIOS accepts each setting and changes nothing."""
    updates: str = ""
    """One of UPDATES: what its BMC does with firmware that it accepted. It keeps the old one and says that it is done (`lies`), works on it
    for ever (`endless`), or forgets its task (`forgets`)."""
    raid_lies: bool = False
    """Its RAID controller accepts each order and makes no volume."""
    wipe_lies: bool = False
    """Its disks accept each erase and keep their data."""
    slow_disk: int = -1
    """Number of the disk that reads at a third of its siblings' speed; -1: none."""
    lossy: dict[str, float] = {}
    """Link (`1g1`) -> percent of frames that its cable loses under load."""
    ecc: dict[str, int] = {}
    """Label of a DIMM -> corrected errors that it has counted."""
    mac_of: str = ""
    """Its first NIC has the MAC of that machine's first NIC."""
    serial_of: str = ""
    uuid_of: str = ""
    cables: dict[str, str] = {}
    """Link (`1g0`, `1g1`, `bmc`) -> `switch:port`, or empty for no cable."""
    dimms_out: int = 0
    """DIMMs that are not seated: its tools report their slots as empty."""
    light: dict[str, float] = {}
    """Link (`1g1`) -> dBm that the optical module of its port receives. Without an entry the port is copper."""
    firmware_s: float = 0.0
    """Seconds of its firmware's self test; 0: as its family has."""
    stall_s: float = 0.0
    """Seconds that its self test takes besides, at any speed."""
    work_s: float = 0.0
    """The same for each piece of a role's work."""
    boot_nic: int = 0
    """Number of the NIC that it boots from."""
    clock_s: int = 0
    """Seconds by which its clock is ahead until something sets it; negative: behind."""
    bmc_address: str = ""
    """Address that its BMC has from the factory; empty: one of the rack's network of BMCs."""
    bmc_channel: int = 1
    """LAN channel on which its BMC has its address; those before it have none."""
    phone: bool = False
    """A telephone stands between its first NIC and the switch. LLDP hears both."""
    no_lacp: bool = False
    """The switch does not speak LACP on its ports."""
    silent_devices: int = 0
    no_vlan: int = 0
    """This VLAN does not pass on its ports; 0: all do."""
    frame_most: int = 0
    """Octets of the largest packet that its ports pass; 0: any."""


class Own(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one machine differs from its family. None: not in this."""

    memory_mb: int | None = None
    cpus: int | None = None
    disks_mb: tuple[int, ...] | None = None
    """Sizes in MiB."""


class SimulatedRackSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file `rack.yml`."""

    rack: Literal[1] = 1
    """Version of this file."""
    kind: Literal["simulated"] = "simulated"
    nodes: int = 1
    seed: int = 1
    speed: float | Literal["max"] = "max"
    """Factor by which firmware and tasks run faster; `max` waits for nothing."""
    lane: int | None = None
    """1 to 254: addresses are mapped to 127.LANE/16 by the rule of `engine.wire.reach`."""
    namespace: bool = False
    """Instead of a lane: the rack has its own network namespaces, with real addresses and ports (`namespace`)."""
    admin: str = "192.168.124.10"
    relay: str = "192.168.124.1"
    """With a lane: DHCP comes as from a relay with this address."""
    networks: dict[str, str] = field(default_factory=lambda: {"admin": "192.168.124.0/24", "bmc": "192.168.125.0/24"})
    """Name -> subnet."""
    ports: dict[str, int] = {}
    """Speed (`1g`, `25g`) -> ports of each machine. Empty: two ports of 10 Gbit/s, which cable plans call `1g0` and `1g1`."""
    bmc: BmcAccess = BmcAccess()
    machines: dict[str, Own] = {}
    engine_key: str = ""
    """`ssh-ed25519 AAAA...`: may log in to installed systems besides the key from their install. Empty: only the latter."""
    switches: dict[str, str] = {}
    """Switch -> its management address (`switch_side`). Other switches can only be heard."""
    pdus: dict[str, PduDef] = {}
    sans: dict[str, str] = {}
    powered: bool = False
    """The machines have power on when the rack is first started."""
    barclamps: tuple[str, ...] = ()
    """Folders of barclamps with a `rehearsal.py`. Empty: the shipped ones."""
    faults: dict[str, Faults] = {}
    """Machine name or `all`."""


class Nic(Struct, frozen=True, kw_only=True):
    name: str
    link: str
    """Name in cable plans: `1g0`."""
    mac: str
    speed: int
    """Mbit/s."""
    driver: str
    pci: str
    switch: str
    port: str
    """Empty switch and port: no cable."""


class DiskDef(Struct, frozen=True, kw_only=True):
    name: str
    serial: str
    size: int
    """Bytes."""
    rotational: bool
    transport: str
    wwn: str = ""
    path: str = ""
    """Where it is plugged in, as udev's ID_PATH."""
    paths: tuple[str, ...] = ()
    """The kernel's names for it; empty: its one name."""
    removable: bool = False


class Hardware(Struct, frozen=True, kw_only=True):
    """A machine as it was put into the rack; what changes is in `nonvolatile`."""

    number: int
    name: str
    vendor: str
    product: str
    serial: str
    uuid: str
    arch: str
    firmware: Literal["bios", "efi"]
    firmware_s: float
    kexec: bool
    memory_mb: int
    cpus: int
    nics: tuple[Nic, ...]
    disks: tuple[DiskDef, ...]
    bios: dict[str, str]
    """Factory settings."""
    bmc_address: str
    bmc_protocol: Literal["ipmi", "redfish"]
    bmc_mac: str
    bmc_port: str
    tftp_window: int
    """Window size that its ROM asks for (RFC 7440). 1: it does not know the option."""


def tree(text: str) -> Any:
    """What a YAML text says, as maps, lists and words. Raises RackFileWrong."""
    try:
        return yaml.safe_load(text)
    except RecursionError:
        raise RackFileWrong("the lists and maps are nested too deep") from None
    except yaml.YAMLError as wrong:
        raise RackFileWrong(str(wrong)) from wrong


def parse(text: str) -> SimulatedRackSpec:
    """The spec in a YAML text. Raises RackFileWrong."""
    try:
        found = msgspec.convert(tree(text), SimulatedRackSpec)
    except msgspec.ValidationError as wrong:
        raise RackFileWrong(str(wrong)) from wrong
    if found.nodes < 1 or found.nodes > 20_000:
        raise RackFileWrong(f"nodes must be 1 to 20000, not {found.nodes} - at `$.nodes`")
    for speed, count in found.ports.items():
        if speed not in SPEEDS or not 1 <= count <= PORTS:
            raise RackFileWrong(f"a speed is one of {', '.join(SPEEDS)}, with 1 to {PORTS} ports, not {speed!r}: {count} - at `$.ports`")
    if found.lane is not None and not 1 <= found.lane <= 254:
        raise RackFileWrong(f"lane must be 1 to 254, not {found.lane} - at `$.lane`")
    if isinstance(found.speed, float) and found.speed <= 0:
        raise RackFileWrong(f"speed must be above 0 or `max`, not {found.speed} - at `$.speed`")
    if (found.lane is None) != found.namespace:
        raise RackFileWrong("either `lane` or `namespace` must be given - at `$`")
    for name, faults in found.faults.items():
        if faults.updates not in ("", *UPDATES):
            raise RackFileWrong(f"updates must be {', '.join(UPDATES)} or empty, not {faults.updates[:40]!r} - at `$.faults.{name}`")
        if faults.bmc_address and not _is_ipv4(faults.bmc_address):
            raise RackFileWrong(f"bmc_address must be an IPv4 address, not {faults.bmc_address[:40]!r} - at `$.faults.{name}`")
        if not 1 <= faults.bmc_channel <= 11:
            raise RackFileWrong(f"bmc_channel must be 1 to 11, not {faults.bmc_channel} - at `$.faults.{name}`")
    names = {f"m{i}" for i in range(1, found.nodes + 1)}
    for name, faults in found.faults.items():
        others = [other for other in (faults.mac_of, faults.serial_of, faults.uuid_of) if other]
        for one in [name, *others]:
            if one not in names and one != "all":
                raise RackFileWrong(f"no machine {one!r} in a rack of {found.nodes} - at `$.faults.{name}`")
    return found


def _is_ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def render(spec: SimulatedRackSpec) -> str:
    """The YAML text of a spec: `parse(render(spec)) == spec`."""
    return str(yaml.safe_dump(msgspec.to_builtins(spec), sort_keys=False))


def faults_of(spec: SimulatedRackSpec, name: str) -> Faults:
    """The faults of a machine: those of `all`, with its own on top."""
    common, own = spec.faults.get("all"), spec.faults.get(name)
    if common is None or own is None:
        return own or common or Faults()
    blank = Faults()
    mine = {f: getattr(own, f) for f in Faults.__struct_fields__ if getattr(own, f) != getattr(blank, f)}
    return msgspec.structs.replace(common, **mine)


def another_board(one: Hardware, board: int, keep_nics: bool) -> Hardware:
    """The machine after the `board`-th replacement of its main board: other UUID and serial, and other MACs unless the NICs were kept."""
    rng = random.Random(f"{one.uuid}/{board}")
    nics = one.nics
    if not keep_nics:
        nics = tuple(msgspec.structs.replace(nic, mac=f"52:55:{board & 255:02x}{nic.mac[8:]}") for nic in nics)
    return msgspec.structs.replace(
        one, serial=f"{one.serial[:5]}X{board}{one.serial[5:]}", uuid=str(uuid.UUID(int=rng.getrandbits(128), version=4)), nics=nics
    )


def hardware(spec: SimulatedRackSpec) -> list[Hardware]:
    """All machines of a rack, in order, faults of identity and cabling put in."""
    made = [_machine(spec, i) for i in range(1, spec.nodes + 1)]
    by_name = {one.name: one for one in made}
    return [_spoil(one, faults_of(spec, one.name), by_name) for one in made]


def home_ports(spec: SimulatedRackSpec, number: int) -> dict[str, str]:
    """Link of that machine -> the switch port that its cable belongs into."""
    one = _machine(spec, number)
    return {**{nic.link: f"{nic.switch}:{nic.port}" for nic in one.nics}, "bmc": one.bmc_port}


def _machine(spec: SimulatedRackSpec, number: int) -> Hardware:
    rng = random.Random(f"{spec.seed}/{number}")
    family = FAMILIES[(number - 1) % len(FAMILIES)]
    name = f"m{number}"
    own = spec.machines.get(name, Own())
    sizes = [family.disk_size] * family.disks if own.disks_mb is None else [size << 20 for size in own.disks_mb][:_BAYS]

    def mac(kind: int) -> str:
        # 52:54 is locally administered; the number keeps them apart, the seed keeps racks apart
        return f"52:54:{spec.seed & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}:{kind:02x}"

    def serial(prefix: str, length: int) -> str:
        return prefix + "".join(rng.choice("0123456789ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(length))

    return Hardware(
        number=number,
        name=name,
        vendor=family.vendor,
        product=family.product,
        serial=serial("S", 5) + f"{number:04d}",
        uuid=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        arch="x86_64",
        firmware=family.firmware,
        firmware_s=round(rng.uniform(*family.firmware_s), 1),
        kexec=family.kexec,
        memory_mb=own.memory_mb or family.memory_mb,
        cpus=own.cpus or family.cpus,
        nics=_ports(spec, family, number, mac),
        disks=tuple(
            DiskDef(
                name=f"sd{chr(97 + i)}",
                serial=serial("D", 6) + f"{number:04d}{i}",
                size=size,
                rotational=family.rotational,
                transport=family.transport,
                wwn=f"naa.5000c500{number:06x}{i:02x}",
                path=f"pci-0000:00:17.0-{'ata' if family.transport == 'sata' else 'sas-phy'}-{i + 1}",
            )
            for i, size in enumerate(sizes)
        ),
        bios={**BIOS, "boot-mode": "uefi" if family.firmware == "efi" else "legacy"},
        bmc_address=str(IPv4Address(spec.bmc.first) + number - 1),
        bmc_protocol=spec.bmc.spoken(number),
        bmc_mac=mac(0xFF),
        bmc_port=f"mgmt:{number}",
        tftp_window=1 if number % 8 == 5 else 16,
    )


def _ports(spec: SimulatedRackSpec, family: Family, number: int, mac: Callable[[int], str]) -> tuple[Nic, ...]:
    """The ports of a machine. Those of the first speed end in `tor1`, `tor2`, ..., those of another one in `tor1-25g`, `tor2-25g`, ..."""
    made = [(name, f"1g{i}", 10_000, f"0000:3b:00.{i}", f"tor{i + 1}") for i, name in enumerate(family.nics)]
    if spec.ports:
        made = [
            (
                f"ens{card}f{i}",
                f"{speed}{i}",
                SPEEDS[speed],
                f"0000:{0x3A + card:02x}:00.{i}",
                f"tor{i + 1}" + (f"-{speed}" if card > 1 else ""),
            )
            for card, (speed, count) in enumerate(spec.ports.items(), 1)
            for i in range(count)
        ]
    return tuple(
        Nic(name=name, link=link, mac=mac(n), speed=speed, driver=family.driver, pci=pci, switch=switch, port=f"swp{number}")
        for n, (name, link, speed, pci, switch) in enumerate(made)
    )


def _odd(disks: tuple[DiskDef, ...]) -> tuple[DiskDef, ...]:
    """Hot-plug disks behind an eMMC and a LUN, as the kernel names them."""
    serial = disks[0].serial if disks else "D"
    card = DiskDef(name="mmcblk0", serial=f"E{serial}", size=3_909_091_328, rotational=False, transport="mmc", wwn=f"mmc.{serial.lower()}")
    lun = DiskDef(
        name="sda",
        serial=f"L{serial}",
        size=2_199_023_255_552,
        rotational=True,
        transport="fc",
        wwn=f"naa.6{serial.lower()}",
        path="pci-0000:3b:00.0-fc-0x500143802426baf4-lun-1",
        paths=("sda", "sdb", "sdc", "sdd"),
    )
    local = (msgspec.structs.replace(disk, name=f"sd{chr(101 + i)}", removable=True) for i, disk in enumerate(disks))
    return (card, lun, *local)


def _spoil(one: Hardware, faults: Faults, by_name: dict[str, Hardware]) -> Hardware:
    nics = list(one.nics)
    if faults.mac_of and faults.mac_of != one.name:
        nics[0] = msgspec.structs.replace(nics[0], mac=by_name[faults.mac_of].nics[0].mac)
    for i, nic in enumerate(nics):
        if nic.link in faults.cables:
            switch, _, port = faults.cables[nic.link].partition(":")
            nics[i] = msgspec.structs.replace(nic, switch=switch, port=port)
    disks = one.disks
    if faults.disks_mb is not None:
        disks = tuple(msgspec.structs.replace(disk, size=size << 20) for disk, size in zip(one.disks, faults.disks_mb, strict=False))
    if faults.odd_disks:
        disks = _odd(disks)
    return msgspec.structs.replace(
        one,
        nics=tuple(nics),
        disks=disks,
        serial=by_name[faults.serial_of].serial if faults.serial_of else one.serial,
        uuid=by_name[faults.uuid_of].uuid if faults.uuid_of else one.uuid,
        bmc_port=faults.cables.get("bmc", one.bmc_port),
        bmc_address=faults.bmc_address or one.bmc_address,
        firmware_s=faults.firmware_s or one.firmware_s,
    )
