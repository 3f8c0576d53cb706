"""The command line of one machine's QEMU process, from the machine's hardware and faults. Pure.

Rules
* A process is one start through firmware: `-no-reboot` ends it when the guest resets, and the rack starts another one with the boot
  order of that moment. So a one-time boot device is a matter of `bootindex`, and each start has its own console log.
* Console, QMP and the bus to the BMC are inherited sockets: no paths, no limit of 107 bytes.
* The process runs in the machine's folder; all file names are relative to it.
* Nothing is added that was not asked for (`-nodefaults -no-user-config`).

Traps: SeaBIOS boots from a NIC only with an option ROM: QEMU's iPXE. It must not be named, because QEMU writes the NIC's own ids into it
only as the default. OVMF has its own driver for virtio-net, so it needs no ROM there, but none for e1000e; it tries only devices with a
`bootindex`. QEMU 7.2 dies of a chardev of `ipmi-bmc-extern` that is connected before its device exists, so that one listens and is
connected to later. cache.no-flush spares the host's fsync. A killed process loses nothing, because the page cache is the host's and a
flush still writes qcow2's own tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct

from .spec import Faults, Guest

_SOUND = Faults()

Boot = Literal["network", "disk"]
CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd"
SECURE_CODE, SECURE_VARS = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"
"""With Secure Boot on: the variables hold Microsoft's keys, and the code guards them by SMM."""
QEMU = "qemu-system-x86_64"
NICS = {"virtio": "virtio-net-pci,speed=1000,duplex=full", "e1000e": "e1000e"}
"""Device of a port. Linux speaks LACP only on ports that report full duplex, and virtio-net reports nothing by itself."""
DISKS = {
    "virtio": {"driver": "virtio-blk-pci", "bus": "slot{}"},
    "nvme": {"driver": "nvme", "bus": "slot{}"},
    "ahci": {"driver": "ide-hd", "bus": "ide.{}"},
    "megasas": {"driver": "scsi-hd", "bus": "raid.0", "scsi-id": "{}"},
}
"""Device of a disk, with its number put in. A disk in a slot of its own can be pulled while the machine runs, one at AHCI cannot."""
ROM = "efi-virtio.rom"
"""QEMU's own choice for virtio-net; for both kinds of firmware."""


class Sockets(Struct, frozen=True, kw_only=True):
    """Descriptors that the process inherits."""

    qmp: int
    serial: int
    ipmi: int
    """Listens."""


class Inside(Struct, frozen=True, kw_only=True):
    """What a machine's BMC can change in it."""

    features_off: list[str] = []
    """Features that the processor lacks, in QEMU's words."""
    bios: str = ""
    """Version of the BIOS in SMBIOS; empty: what the firmware says of itself."""


_FACTORY = Inside()


def bound_to(parent: int, nice: int = 10) -> list[str]:
    """Prefix of a command that must not outlive process `parent`, whose child it is, however the parent dies.

    The kernel's signal works only from prctl(2) PR_SET_PDEATHSIG on: a process that finds another parent after it was too late."""
    return ["nice", "-n", str(nice), "setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"', str(parent)]


def command(guest: Guest, boot: Boot, accel: str, sockets: Sockets, faults: Faults = _SOUND, inside: Inside = _FACTORY) -> list[str]:
    """QEMU and its arguments."""
    out, secure = faults.disks_out, is_secure(guest, faults)
    words = [QEMU, "-name", guest.name, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    words += ["-machine", f"q35,graphics=off{',smm=on' if secure else ''}", *accelerated(accel, inside.features_off)]
    words += ["-m", str(guest.memory_mb), "-smp", str(guest.cpus), "-rtc", "base=utc"]
    words += _firmware(guest, secure)
    words += _identity(guest)
    words += ["-smbios", f"type=0,vendor={guest.vendor},version={inside.bios}"] if inside.bios else []
    words += [*_socket("qmp", sockets.qmp), "-mon", "chardev=qmp,mode=control"]
    words += [*_socket("serial", sockets.serial), "-serial", "chardev:serial"]
    words += ["-chardev", f"socket,id=ipmi,fd={sockets.ipmi},server=on,wait=off"]
    words += ["-device", "ipmi-bmc-extern,id=bmc,chardev=ipmi", "-device", "isa-ipmi-kcs,bmc=bmc"]
    words += ["-device", "virtio-rng-pci"]
    order = boot_order(guest, boot, out)
    for i, nic in enumerate(guest.nics):
        words += ["-netdev", f"tap,id=net{i},ifname={nic.tap},script=no,downscript=no"]
        rom = "" if i == 0 and (guest.firmware == "seabios" or guest.nic != "virtio") else ",romfile="
        words += ["-device", f"{NICS[guest.nic]},id=nic{i},netdev=net{i},mac={nic.mac}{rom}{_index(order, f'nic{i}')}"]
    words += disks(guest, faults, order)
    return words


def disks(guest: Guest, faults: Faults = _SOUND, order: Sequence[str] = ()) -> list[str]:
    """The words for a machine's disks and their slots. `order`: devices in the order in which firmware tries them."""
    words = ["-device", "megasas,id=raid"] if guest.bus == "megasas" else []
    for i in range(len(guest.disks)):
        if DISKS[guest.bus]["bus"].startswith("slot"):
            words += ["-device", f"pcie-root-port,id=slot{i},chassis={i + 1},slot={i + 1}"]
        if i in faults.disks_out:
            continue
        name, serial = disk_of(guest, i, faults)
        words += ["-blockdev", _joined(file(i, name)), "-blockdev", _joined(image(i, f"file{i}"))]
        words += ["-device", f"{_joined(device(guest, i, serial), 'driver')}{_index(order, f'drive{i}')}"]
    return words


def accelerated(accel: str, off: Sequence[str] = ()) -> list[str]:
    """`tcg` or `kvm`; `off`: features that the processor lacks."""
    lacks = "".join(f",{feature}=off" for feature in off)
    return ["-accel", "kvm", "-cpu", f"host{lacks}"] if accel == "kvm" else ["-accel", "tcg,thread=multi", "-cpu", f"max{lacks}"]


def boot_order(guest: Guest, boot: Boot, out: Sequence[int] = ()) -> list[str]:
    """Devices in the order in which firmware tries them: first the BMC's order. Only the first NIC boots."""
    drives = [f"drive{i}" for i in range(len(guest.disks)) if i not in out]
    return [*drives, "nic0"] if boot == "disk" else ["nic0", *drives]


def disk_command(file: str, size_mb: int) -> list[str]:
    """Makes an empty disk."""
    return ["qemu-img", "create", "-q", "-f", "qcow2", "-o", "preallocation=off,lazy_refcounts=off", file, f"{size_mb}M"]


def disk_of(guest: Guest, disk: int, faults: Faults) -> tuple[str, str]:
    """File and serial number of what is in the place of a disk."""
    one = guest.disks[disk]
    return (f"new-{one.file}", f"N{one.serial}"[:20]) if disk in faults.disks_new else (one.file, one.serial)


def file(disk: int, name: str) -> dict[str, Any]:
    """A disk's file, as QMP's `blockdev-add` wants it."""
    return {"driver": "file", "node-name": f"file{disk}", "filename": name, "cache": {"no-flush": True}, "discard": "unmap"}


def device(guest: Guest, disk: int, serial: str) -> dict[str, Any]:
    """A disk, as QMP's `device_add` wants it."""
    kind = {name: value.format(disk) for name, value in DISKS[guest.bus].items()}
    return {**kind, "id": f"drive{disk}", "drive": f"disk{disk}", "serial": serial}


def image(disk: int, file: str) -> dict[str, Any]:
    """A disk's qcow2 layer on that file's node, as QMP's `blockdev-reopen` wants it: all that the command line said, else it is lost."""
    options = {"cache": {"no-flush": True}, "discard": "unmap", "detect-zeroes": "unmap"}
    return {"driver": "qcow2", "node-name": f"disk{disk}", "file": file, **options}


def failing(disk: int) -> dict[str, Any]:
    """A layer on a disk's file in which each write ends in EIO, for QMP's `blockdev-add`."""
    return {
        "driver": "blkdebug",
        "node-name": f"bad{disk}",
        "image": f"file{disk}",
        "inject-error": [{"event": "none", "iotype": "write", "errno": 5}],
    }


def _joined(options: dict[str, Any], bare: str = "") -> str:
    """Options as one word of the command line. The value of `bare` stands without its name."""
    flat: list[str] = []
    for name, value in options.items():
        inner = {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
        flat += [str(one) if key == bare else f"{key}={'on' if one is True else one}" for key, one in inner.items()]
    return ",".join(flat)


def _index(order: Sequence[str], device: str) -> str:
    return f",bootindex={order.index(device) + 1}" if device in order else ""


def _socket(name: str, descriptor: int) -> list[str]:
    return ["-chardev", f"socket,id={name},fd={descriptor}"]


def is_secure(guest: Guest, faults: Faults) -> bool:
    return guest.firmware == "ovmf" and faults.secure_boot


def variables(guest: Guest, secure: bool) -> tuple[str, str]:
    """The file of a UEFI machine's variables, and its first content. Empty: it has none."""
    if guest.firmware == "seabios":
        return "", ""
    return ("vars-secure.fd", SECURE_VARS) if secure else ("vars.fd", VARS)


def _firmware(guest: Guest, secure: bool) -> list[str]:
    file, _ = variables(guest, secure)
    if not file:
        return []
    return [
        *(["-global", "driver=cfi.pflash01,property=secure,value=on"] if secure else []),
        "-drive",
        f"if=pflash,unit=0,format=raw,readonly=on,file={SECURE_CODE if secure else CODE}",
        "-drive",
        f"if=pflash,unit=1,format=raw,file={file}",
        "-fw_cfg",
        "name=opt/org.tianocore/IPv6PXESupport,string=n",  # nobody answers, and it waits long before the disk
    ]


def _identity(guest: Guest) -> list[str]:
    about = f"manufacturer={guest.vendor},product={guest.product},serial={guest.serial},uuid={guest.uuid}"
    return [
        "-uuid",
        guest.uuid,
        "-smbios",
        f"type=1,{about}",
        "-smbios",
        f"type=3,manufacturer={guest.vendor},serial=C{guest.serial}",
        "-smbios",
        "file=host-interface.bin",
    ]
