"""Drives to wipe, in a machine that is a folder: files with a pattern, and stand-ins for hdparm, nvme and blkdiscard that hold a drive's state."""

from __future__ import annotations

import shutil
from typing import Any

from disk_folder import PCI, Sysfs
from node_folder import Machine

PATTERN = b"CROWBAR-PATTERN-"
MIB = 1 << 20
SIZE = 2 * MIB + 512

DRIVE = """
for word; do case $word in */dev/*) device=$word ;; esac; done
state="$CROWBAR_ROOT/drive/${device##*/}"
size=$(stat -c %s "$device")
erase() { dd if=/dev/zero of="$device" bs=65536 iflag=count_bytes count="$size" conv=notrunc 2>/dev/null; }
noise() { tr '\\000-\\377' '\\101-\\377\\000-\\100' <"$device" >"$state.new" && cat "$state.new" >"$device" && rm "$state.new"; }
is() { if [ -e "$state/$1" ]; then printf '\\t\\t%s\\n' "$1"; else printf '\\tnot\\t%s\\n' "$1"; fi; }
"""
HDPARM = (
    DRIVE
    + r"""
given() { [ "$1" = "$(cat "$state/password" 2>/dev/null)" ] || { echo "SECURITY: Input/output error"; exit 5; }; }
case $* in
"-I "*)
    printf 'ATA device, with non-removable media\nCommands/features:\n\tEnabled\tSupported:\n'
    [ ! -e "$state/zeros" ] || printf '\t   *\tDeterministic read ZEROs after TRIM\n'
    printf '\t   *\tDeterministic read data after TRIM\n'
    if [ -e "$state/security" ]; then
        printf 'Security: \n\tMaster password revision code = 65534\n\t\tsupported\n'
        is enabled; is locked; is frozen
        printf '\tnot\texpired: security count\n'
        [ ! -e "$state/enhanced" ] || printf '\t\tsupported: enhanced erase\n'
        printf '\t2min for SECURITY ERASE UNIT. 8min for ENHANCED SECURITY ERASE UNIT.\n'
    fi
    printf 'Logical Unit WWN Device Identifier: 5000c500a1b2c3d4\nChecksum: correct\n' ;;
*--security-set-pass*)
    [ ! -e "$state/frozen" ] || { echo "SECURITY_SET_PASS: Input/output error"; exit 5; }
    echo "$4" >"$state/password"; : >"$state/enabled" ;;
*--security-unlock*) given "$4"; rm -f "$state/locked" ;;
*--security-erase*)
    given "$4"
    if [ -e "$state/weak" ]; then rm -f "$state/password" "$state/enabled"; exit 0; fi
    case $3 in *enhanced) noise ;; *) erase ;; esac
    rm -f "$state/password" "$state/enabled" "$state/locked" ;;
*) exit 22 ;;
esac
"""
)
NVME = (
    DRIVE
    + r"""
case $1 in
id-ctrl) cat "$state/ctrl" ;;
id-ns) cat "$state/space" ;;
format) case $* in *--ses=1*) erase ;; *--ses=2*) noise ;; *) exit 1 ;; esac ;;
sanitize)
    [ -e "$state/sanitizing" ] || case $* in *=2*) erase ;; *=4*) noise ;; esac
    echo 1 >"$state/sanitizing" ;;
sanitize-log)
    if [ -e "$state/stuck" ]; then printf '\000\000\003\000'
    elif [ -s "$state/sanitizing" ]; then : >"$state/sanitizing"; printf '\000\200\002\000'
    else rm -f "$state/sanitizing"; printf '\377\377\001\001'; fi ;;
*) exit 1 ;;
esac
"""
)


class Lab:
    """A machine with drives."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.sysfs = Sysfs(machine)
        self.disks: list[dict[str, Any]] = []
        for name in ("dd", "expr"):
            (machine.folder / "base" / name).symlink_to(shutil.which(name) or "/bin/false")
        machine.tool("hdparm", HDPARM)
        machine.tool("nvme", NVME)
        machine.tool("blkdiscard", DRIVE + '[ -e "$state/lies" ] || erase')
        machine.tool("blockdev", "")
        machine.tool("sleep", "")
        machine.tool("date", "echo 1700000000 2023-11-14T22:13:20Z")
        machine.tool("blkid", "exit 2")
        machine.write("dev/urandom").write_bytes(bytes(range(256)) * 200)

    def sata(self, name: str, port: int, *state: str, discard: bool = False, **more: str) -> None:
        self.sysfs.sata(name, port, SIZE, wwn=f"naa.5000c500{port:08x}", serial=f"S-{port}", **more)
        if discard:
            self.machine.write(f"sys/block/{name}/queue/discard_max_bytes", "1048576\n")
        self._fill(name, f"S-{port}", f"naa.5000c500{port:08x}", state)

    def nvme(self, name: str, *state: str, oacs: int = 0, fna: int = 0, sanicap: int = 0, dlfeat: int = 0) -> None:
        wwn, serial = f"eui.00253885{ord(name[4]):08x}{name[-1]}", f"N-{name}"
        self.sysfs.add(name, SIZE, f"pci0000:00/0000:{ord(name[4]):02x}:00.0/nvme/{name[:5]}", device={"serial": serial}, wwid=wwn)
        self._fill(name, serial, wwn, state)
        ctrl = bytearray(4096)
        ctrl[256:258] = oacs.to_bytes(2, "little")
        ctrl[524] = fna
        ctrl[328:332] = sanicap.to_bytes(4, "little")
        space = bytearray(4096)
        space[33] = dlfeat
        self.machine.write(f"drive/{name}/ctrl").write_bytes(bytes(ctrl))
        self.machine.write(f"drive/{name}/space").write_bytes(bytes(space))

    def sas(self, name: str, port: int) -> None:
        where = f"pci0000:00/0000:5e:00.0/host1/port-1:{port}/end_device-1:{port}/target1:0:{port}/1:0:{port}:0"
        self.sysfs.add(name, SIZE, where, udev={"ID_SERIAL_SHORT": f"Z-{port}"}, device={"wwid": f"naa.5000cca2{port:08x}"})
        self._fill(name, f"Z-{port}", f"naa.5000cca2{port:08x}", ())

    def _fill(self, name: str, serial: str, wwn: str, state: tuple[str, ...]) -> None:
        self.machine.write(f"dev/{name}").write_bytes((PATTERN * (SIZE // len(PATTERN) + 1))[:SIZE])
        (self.machine.root / f"drive/{name}").mkdir(parents=True)
        for one in state:
            word, _, text = one.partition("=")
            self.machine.write(f"drive/{name}/{word}", f"{text}\n" if text else "")
        self.disks.append({"name": name, "serial": serial, "wwn": wwn, "size": SIZE, "path": "", "model": f"Model of {name}"})

    def left(self, name: str) -> int:
        """How often the pattern, or any part of it of eight bytes, is on the disk."""
        held = (self.machine.root / "dev" / name).read_bytes()
        assert len(held) == SIZE
        doubled = PATTERN * 2
        return sum(held.count(doubled[i : i + 8]) for i in range(len(PATTERN)))

    def wants(self, method: str = "auto", samples: int = 7, blank: bool = False) -> dict[str, Any]:
        return {
            "wipe-disks": {"disks": self.disks, "blank": blank, "who": "anna", "machine": "n1.r1.test", "machine-serial": "SN7"},
            "wipe-method": method,
            "wipe-samples": samples,
        }


def scene(machine: Machine) -> dict[str, Any]:
    """One disk of each kind that goes another way."""
    lab = Lab(machine)
    lab.sata("sda", 1, "security")
    lab.nvme("nvme0n1", oacs=2, sanicap=2)
    return lab.wants()


__all__ = ["MIB", "PATTERN", "PCI", "SIZE", "Lab", "scene"]
