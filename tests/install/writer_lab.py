"""A machine whose disk os-install writes: its tools, its disks, an image."""

from __future__ import annotations

import hashlib
import io
import tarfile
from typing import Any

from engine.core.hardware.disk_choice import choose
from engine.core.hardware.disks import Disk, read
from engine.core.hardware.written import Volume
from engine.reasons import sentence

MOUNT = r"""
[ "$1" = --bind ] && exit 0
[ "$1" != -o ] || shift 2
fs=$CROWBAR_ROOT/fs/${1##*/}; place=${2%/}
[ -d "$fs" ] || exit 32
rmdir "$place" && ln -s "$fs" "$place"
"""


# A curl that serves $CROWBAR_ROOT/image in pieces. BREAK: each answer ends after so many bytes. GONE: nobody answers. STATUS: an error.
# KILLED: it is killed in the middle of a piece.
CURL = r"""
all=$(wc -c <"$CROWBAR_ROOT/image"); from=0; to=$((all - 1)); head=/dev/null; out=/proc/self/fd/1; says=
while [ $# -gt 0 ]; do
    case $1 in
    -r) from=${2%-*}; to=${2#*-}; shift ;;
    -D) head=$2; shift ;;
    -o) out=$2; shift ;;
    -w) says=$2; shift ;;
    esac
    shift
done
# What curl prints at its end, whatever came of the transfer.
said() { [ "$says" != '%{size_download}' ] || printf %s "$1"; }
[ -z "${GONE:-}" ] || { said 0; echo "curl: (7) Failed to connect to 192.168.124.10 port 80: Connection refused" >&2; exit 7; }
if [ -n "${STATUS:-}" ]; then
    echo "HTTP/1.1 $STATUS No" >"$head"; said 0; echo "curl: (22) The requested URL returned error: $STATUS" >&2; exit 22
fi
if [ -n "${PLAIN:-}" ]; then echo "HTTP/1.1 200 OK" >"$head"; from=0 to=$((all - 1)); else echo "HTTP/1.1 206 Partial" >"$head"; fi
want=$((to - from + 1))
if [ -n "${BREAK:-}" ] && [ "$want" -gt "$BREAK" ]; then
    tail -c "+$((from + 1))" "$CROWBAR_ROOT/image" | head -c "$BREAK" >"$out" || exit 23
    [ -z "${KILLED:-}" ] || kill -9 $$
    said "$BREAK"
    echo "curl: (18) transfer closed with outstanding read data remaining" >&2
    exit 18
fi
tail -c "+$((from + 1))" "$CROWBAR_ROOT/image" | head -c "$want" >"$out" || { said 0; exit 23; }
said "$want"
"""
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB engine@admin"
SECRET = "c2VjcmV0.n1"
UUID = "6f8b1f9e-0000-4000-8000-000000000001"
MEBIBYTE = 2048
"""In sectors."""


def disk(name: str, size: int, serial: str = "") -> dict[str, Any]:
    return {"name": name, "size": size, "serial": serial, "rotational": True, "signature": "", "transport": "sas"}


LABEL = "0e3f9c51-7f0d-5a3e-8b21-2f1c8e0d7a55"


def chosen(disks: list[Any], volumes: list[Any] = [], named: str = "", blank: bool = False) -> dict[str, Any]:  # noqa: B006
    """What the engine gives to the role of its choice (`disk_choice.install_disk`)."""
    records = [Volume(name=v["name"], level=v["level"], disks=tuple(v["disks"]), size=v["size"]) for v in volumes]
    known = read(disks)
    found = choose("n1", known, records, named)

    def names(one: Disk) -> dict[str, Any]:
        return {"name": one.name, "wwn": one.wwn, "serial": one.serial, "path": one.path, "size": one.size}

    if found.refused is not None:
        return {"refused": sentence(found.refused)}
    if found.volume is not None:
        inside = [names(d) for d in known if d.name in found.volume.disks]
        return {"label": LABEL, "name": found.volume.name, "volume": True, "members": inside}
    return {"label": LABEL, "blank": blank, **names(found.taken[0])}


def image(*, os_release: str = "debian", more: tuple[str, ...] = (), large: bytes = b"") -> bytes:
    """`large`: the content of one more file."""
    out = io.BytesIO()
    names = ("etc/ssh/ssh_host_rsa_key", "boot/vmlinuz-6.1.0-9", "boot/vmlinuz-6.1.0-10", "boot/initrd.img-6.1.0-10", *more)
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in names:
            body = f"ID={os_release}\n".encode() if name == "etc/os-release" else (os_release + name).encode()
            member = tarfile.TarInfo(name)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
        if large:
            member = tarfile.TarInfo("usr/lib/large")
            member.size = len(large)
            tar.addfile(member, io.BytesIO(large))
    return out.getvalue()


def a_disk(machine: Any, name: str, mib: int = 8192, serial: str = "") -> None:
    machine.write(f"dev/{name}", "x")
    machine.write(f"sys/block/{name}/size", f"{mib * MEBIBYTE}\n")
    machine.write(f"sys/block/{name}/serial", f"{serial}\n")


def installer(machine: Any, content: bytes) -> dict[str, Any]:
    a_disk(machine, "sda")
    machine.write("proc/sys/kernel/random/uuid", UUID + "\n")
    machine.write("sys/class/net/eno1/address", "f4:02:70:aa:bb:01\n")
    (machine.root / "image").write_bytes(content)
    machine.tool("sfdisk", 'cat >"$CROWBAR_ROOT/table"; for d; do :; done; for n in 1 2 3; do : >"$d$n"; done')
    machine.tool("wipefs", "")
    machine.tool("mkfs.ext4", 'for d; do :; done; rm -rf "$CROWBAR_ROOT/fs/${d##*/}"; mkdir -p "$CROWBAR_ROOT/fs/${d##*/}"')
    machine.tool("mkfs.vfat", 'for d; do :; done; mkdir -p "$CROWBAR_ROOT/fs/${d##*/}"')
    machine.tool("mount", MOUNT)
    machine.tool("umount", '[ ! -L "${1%/}" ] || { rm "${1%/}"; mkdir "${1%/}"; }')
    machine.tool("zstd", "exec cat")
    machine.tool("curl", CURL)
    machine.tool("chroot", 'case "$*" in *--help) echo --force-extra-removable ;; esac')
    machine.tool("ssh-keygen", 'for f; do :; done; echo private >"$f"; echo "ssh-ed25519 AAAAhost x@y" >"$f.pub"')
    machine.tool("ip", 'case "$*" in *addr*) echo "2: eno1    inet 192.168.124.22/24 brd 192.168.124.255 scope global eno1" ;; esac')
    return {
        "target-os": "debian-12",
        "root-disk": "",
        "volumes": [],
        "disks": [disk("sda", 8 << 30)],
        "install-disk": chosen([disk("sda", 8 << 30)]),
        "hostname": "node-1",
        "domain": "r07.example.net",
        "admin-network": {"name": "admin", "address": "192.168.124.81", "mask": "255.255.255.0", "router": "192.168.124.1"},
        "engine-key": KEY,
        "engine-url": "http://192.168.124.10",
        "image": {
            "name": "debian-12",
            "url": "http://192.168.124.10/image/debian-12/root.tar.zst",
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
        },
        "credential": SECRET,
    }
