"""The parts of one machine: the normalised record that all readers of hardware reports produce, in band and out of band.

Each reader (`engine/readers`) turns one report into a `Parts` with what that report says and nothing else. `engine/readers/join.py` makes
one record of several. So a record from one `smartctl` and one of a whole Redfish tree have the same type.

Rules
* Empty text, None and 0 mean: not told. A reader never guesses and never fills in a default.
* Text is what the hardware says, without spaces at its ends. Placeholders of makers ("To Be Filled By O.E.M.", "Not Specified") are
  not told.
* A part that a report lists as absent (an empty slot) is in the record only where its field `present` is False.
* `place` is the label on the machine, as the report spells it: `A1`, `32:4`, `Slot 3`, `CPU 1`. It and the serial number tell parts apart.
* Sizes are bytes, as the maker counts them where both are told. Speeds have their unit in the field's text.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Health = Literal["", "ok", "warning", "failed"]
"""`warning`: works, and something is wrong or will be soon. Empty: not told."""
DriveMedium = Literal["", "hdd", "ssd", "tape", "optical"]
Protocol = Literal["", "sata", "sas", "nvme", "scsi", "usb", "fc", "iscsi", "mmc", "ide"]
DriveState = Literal["", "online", "spare", "unused", "jbod", "rebuilding", "foreign", "missing", "failed", "other"]
"""What a RAID controller or mdadm does with a drive. `unused`: known and free. `other`: in the raw report."""
Level = Literal["", "raid0", "raid1", "raid5", "raid6", "raid10", "raid50", "raid60", "raid1e", "raid4", "jbod", "other"]
VolumeState = Literal["", "optimal", "degraded", "rebuilding", "failed", "other"]


class Piece(Struct, frozen=True, kw_only=True, omit_defaults=True):
    place: str = ""
    vendor: str = ""
    model: str = ""
    number: str = ""
    """The maker's part number."""
    serial: str = ""
    health: Health = ""
    note: str = ""
    """Why it is not `ok`, in the report's words. At most 200 characters."""


class Product(Piece, frozen=True):
    """The system, the board or the chassis."""

    family: str = ""
    sku: str = ""
    uuid: str = ""
    """In the order that SMBIOS prints: lower case, with hyphens."""
    version: str = ""
    asset: str = ""
    kind: str = ""
    """Of a chassis: `Rack Mount Chassis`, ..."""


class Firmware(Struct, frozen=True, kw_only=True, omit_defaults=True):
    part: str
    """`bios`, `bmc`, `cpld`, `nic`, `controller`, `drive`, `psu`, `enclosure`, `tpm`, or the report's own word."""
    version: str
    place: str = ""
    name: str = ""
    date: str = ""
    """ISO 8601, where it could be read; otherwise not told."""
    updateable: bool | None = None


class Processor(Piece, frozen=True):
    present: bool = True
    cores: int = 0
    threads: int = 0
    mhz: int = 0
    """The fastest that it is rated for."""
    architecture: str = ""
    """`x86_64`, `aarch64`, `ppc64le`, ..."""
    virtualization: bool | None = None
    """VT-x or AMD-V, where the report tells it."""


class Dimm(Piece, frozen=True):
    present: bool = True
    size: int = 0
    type: str = ""
    """`DDR4`, ..."""
    speed: int = 0
    """MT/s that it runs at now."""
    rated: int = 0
    """MT/s."""
    ranks: int = 0
    ecc: bool | None = None


class Drive(Piece, frozen=True):
    name: str = ""
    """The kernel's, without `/dev/`. It may be another one at the next start."""
    wwn: str = ""
    """Lower-case hexadecimal digits without a prefix; of an NVMe namespace its EUI-64 or NGUID."""
    size: int = 0
    block: int = 0
    """Bytes of a logical block."""
    medium: DriveMedium = ""
    protocol: Protocol = ""
    rpm: int = 0
    firmware: str = ""
    controller: str = ""
    """Of which controller it is the drive, as `Controller.place` spells it."""
    state: DriveState = ""
    volume: str = ""
    """Which volume it is a member of, as `RaidVolume.place`."""
    wear: int | None = None
    """Per cent of its rated writes that are used; over 100 is possible."""
    hours: int | None = None
    temperature: int | None = None
    """Degrees Celsius."""
    reallocated: int | None = None
    """Sectors, or entries of the grown defect list."""
    pending: int | None = None
    media_errors: int | None = None
    link: int = 0
    """Mbit/s of its link now."""
    boot: bool | None = None
    encrypts: bool | None = None


class Controller(Piece, frozen=True):
    """A storage controller."""

    pci: str = ""
    firmware: str = ""
    driver: str = ""
    mode: str = ""
    """`raid`, `hba`, or the report's own word."""
    cache: int = 0
    battery: Health = ""
    drives: int = 0
    volumes: int = 0


class RaidVolume(Piece, frozen=True):
    controller: str = ""
    name: str = ""
    wwn: str = ""
    """As of a drive: the volume's own."""
    device: str = ""
    """The kernel's name, without `/dev/`."""
    level: Level = ""
    size: int = 0
    stripe: int = 0
    state: VolumeState = ""
    progress: int | None = None
    """Per cent of a rebuild or a check."""
    members: tuple[str, ...] = ()
    """`Drive.place`; of mdadm `Drive.name`."""
    spares: tuple[str, ...] = ()
    boot: bool | None = None


class Optic(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The module of a network port."""

    kind: str = ""
    number: str = ""
    serial: str = ""
    rx: tuple[float, ...] = ()
    """dBm of each lane."""
    tx: tuple[float, ...] = ()
    temperature: float | None = None


class NetPort(Piece, frozen=True):
    """A network port. `place` is its slot and number, where told."""

    name: str = ""
    mac: str = ""
    """Lower case with colons."""
    kind: Literal["", "ethernet", "infiniband", "other"] = ""
    pci: str = ""
    driver: str = ""
    firmware: str = ""
    speed: int = 0
    """Mbit/s of the link now."""
    fastest: int = 0
    """Mbit/s."""
    link: bool | None = None
    functions: int | None = None
    """Virtual functions that SR-IOV allows."""
    optic: Optic | None = None


class Card(Piece, frozen=True):
    """A device on PCI, or in a slot that is told."""

    pci: str = ""
    """`0000:3b:00.0`, or shorter as the report spells it."""
    id: str = ""
    """`vendor:device`, four lower-case hexadecimal digits each."""
    subsystem: str = ""
    kind: str = ""
    """The class in lspci's words, or of a GPU: `GPU`."""
    driver: str = ""
    memory: int = 0


class PowerSupply(Piece, frozen=True):
    present: bool = True
    watts: int = 0
    """What it is rated for."""
    output: float | None = None
    """Watts now."""
    firmware: str = ""


class BmcLine(Piece, frozen=True):
    """A LAN channel of a BMC, or its port."""

    address: str = ""
    mac: str = ""
    mask: str = ""
    gateway: str = ""
    source: str = ""
    """`dhcp`, `static`, or the report's own word."""
    channel: int | None = None
    vlan: int = 0
    address6: tuple[str, ...] = ()


class SensorValue(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A sensor."""

    name: str
    value: float | None = None
    unit: str = ""
    health: Health = ""
    note: str = ""
    """Its state in words, or why it has no value."""


class LogEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of the BMC's event log."""

    id: str
    at: str = ""
    """ISO 8601, in the BMC's own time, where it could be read."""
    sensor: str = ""
    text: str = ""
    health: Health = ""
    asserted: bool | None = None


class Heard(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A neighbour by LLDP or CDP."""

    nic: str
    protocol: Literal["lldp", "cdp", "edp", "fdp", "sonmp", "other"] = "lldp"
    chassis: str = ""
    port: str = ""
    port_kind: str = ""
    port_description: str = ""
    system: str = ""
    system_description: str = ""
    addresses: tuple[str, ...] = ()
    vlan: int = 0
    vlans: tuple[int, ...] = ()
    capabilities: tuple[str, ...] = ()
    """The enabled ones, in lower case."""
    mtu: int = 0
    ttl: int = 0


class BiosSetting(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One setting of the firmware, with what its registry allows."""

    name: str
    value: str | int | bool | None = None
    pending: str | int | bool | None = None
    type: Literal["", "text", "number", "choice", "flag", "password"] = ""
    allowed: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None
    step: int = 0
    pattern: str = ""
    default: str | int | bool | None = None
    readonly: bool = False
    reset: bool | None = None
    """Whether it takes a reboot."""
    label: str = ""
    group: str = ""


class BiosCondition(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One comparison of a dependency between settings (DSP0266 AttributeRegistry, `MapFrom`)."""

    setting: str
    property: str = "CurrentValue"
    sign: Literal["EQU", "NEQ", "GTR", "GEQ", "LSS", "LEQ"] = "EQU"
    value: str | int | bool | None = None
    either: bool = False
    """Joined to the one before by "or" instead of "and"."""


class BiosDependency(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What other settings make of one: where all of `when` holds, `property` of `setting` is `value`."""

    setting: str
    property: str
    """In the registry's words: `ReadOnly`, `GrayOut`, `Hidden`, `CurrentValue`, `LowerBound`, ..."""
    value: str | int | bool | None = None
    when: tuple[BiosCondition, ...] = ()


class Parts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A machine's parts, or what one report says of them. In each list at most 4,096."""

    system: Product | None = None
    board: Product | None = None
    chassis: Product | None = None
    firmware: tuple[Firmware, ...] = ()
    memory: int = 0
    """Bytes that are installed, where the report has a sum."""
    slots: int = 0
    """For DIMMs, where told."""
    processors: tuple[Processor, ...] = ()
    dimms: tuple[Dimm, ...] = ()
    controllers: tuple[Controller, ...] = ()
    drives: tuple[Drive, ...] = ()
    volumes: tuple[RaidVolume, ...] = ()
    ports: tuple[NetPort, ...] = ()
    cards: tuple[Card, ...] = ()
    supplies: tuple[PowerSupply, ...] = ()
    bmcs: tuple[BmcLine, ...] = ()
    """One for each LAN channel that is told."""
    tpm: Piece | None = None
    tpm_version: str = ""
    secure_boot: bool | None = None
    boot_mode: Literal["", "bios", "efi"] = ""
    power: Literal["", "on", "off"] = ""
    readings: tuple[SensorValue, ...] = ()
    log: tuple[LogEntry, ...] = ()
    heard: tuple[Heard, ...] = ()
    settings: tuple[BiosSetting, ...] = ()
    dependencies: tuple[BiosDependency, ...] = ()
    odd: tuple[str, ...] = ()
    """What a reader could not read and left out, in words; at most 50."""
