"""The smallest machine that shows that servers work: the node's own kernel, and a RAM disk with busybox.

It says hello on its console, asks for an address by DHCP, and answers pings. Nothing is downloaded, so it works without a connection to the
outside. Nova starts kernel and RAM disk directly, so there is no boot loader. The disk of the server is empty.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import re
import stat
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from cloud_api import Fault, Keystone

HELLO = "hello from the guest of Tempest"
NAME = "tempest-guest"
MODULES = ("virtio_pci", "virtio_net", "af_packet")
BUSYBOX = ("/usr/bin/busybox", "/bin/busybox")
_LIBRARY = re.compile(r"(/\S+) \(0x[0-9a-f]+\)$", re.M)
"""In what ldd prints: `NAME => PATH (ADDRESS)`, and `PATH (ADDRESS)` for the loader."""
FLAVORS = {"flavor": ("tempest-small", 192), "flavor-alt": ("tempest-medium", 256)}
"""Name in the configuration -> name and MiB of memory."""
_INIT = f"""\
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec </dev/console >/dev/console 2>&1
echo "{HELLO}"
for module in /modules/*; do insmod "$module" 2>/dev/null; done
ip link set lo up
for link in /sys/class/net/e*; do
    link=${{link##*/}}
    ip link set "$link" up && udhcpc -i "$link" -s /lease -t 20 -b
done
while :; do sleep 3600; done
"""
_LEASE = """\
#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip address replace "$ip/$mask" dev "$interface"
[ -z "$router" ] || ip route replace default via "${router%% *}" dev "$interface"
echo "guest: $interface has the address $ip"
"""


def kernel(root: Path = Path("/")) -> tuple[Path, Path]:
    """The kernel that runs, or the newest one that is installed, and the folder of its modules. Raises Fault."""
    folders = sorted((root / "lib/modules").glob("*"), key=lambda one: (one.name == os.uname().release, one.name), reverse=True)
    for folder in folders:
        image = root / "boot" / f"vmlinuz-{folder.name}"
        if image.is_file() and (folder / "modules.dep").is_file():
            return image, folder
    raise Fault("this node has no kernel in /boot with modules in /lib/modules, so there is nothing to make a guest of")


def needed(folder: Path) -> list[Path]:
    """The files of the modules in the order in which they are loaded. What is built into the kernel needs none."""
    files: dict[str, tuple[str, list[str]]] = {}
    for line in (folder / "modules.dep").read_text(encoding="utf-8").splitlines():
        file, _, after = line.partition(":")
        files[_name(file)] = (file, after.split())
    out: dict[str, Path] = {}

    def take(file: str) -> None:
        # modules.dep names all that a module needs, and what is needed first stands last.
        for one in [*reversed(files[_name(file)][1]), file]:
            out.setdefault(one, folder / one)

    for module in MODULES:
        if module in files:
            take(files[module][0])
    return list(out.values())


def _name(file: str) -> str:
    return file.rpartition("/")[2].partition(".ko")[0].replace("-", "_")


def unpacked(file: Path) -> bytes:
    """A module without its compression."""
    data = file.read_bytes()
    match file.suffix:
        case ".xz":
            return lzma.decompress(data)
        case ".gz":
            return gzip.decompress(data)
        case ".zst":
            return subprocess.run(["zstd", "-dc", str(file)], check=True, capture_output=True).stdout
        case _:
            return data


def ramdisk(folder: Path, busybox: bytes, libraries: Mapping[str, bytes]) -> bytes:
    """The same kernel and busybox give the same bytes. `libraries`: what busybox loads, by path."""
    entries: list[tuple[str, int, bytes]] = [(one, stat.S_IFDIR | 0o755, b"") for one in ("bin", "dev", "modules", "proc", "sys", "tmp")]
    above = {str(parent) for path in libraries for parent in Path(path.lstrip("/")).parents} - {"."}
    entries += [(one, stat.S_IFDIR | 0o755, b"") for one in sorted(above)]
    entries += [(path.lstrip("/"), stat.S_IFREG | 0o755, libraries[path]) for path in sorted(libraries)]
    entries += [("bin/busybox", stat.S_IFREG | 0o755, busybox)]
    entries += [("init", stat.S_IFREG | 0o755, _INIT.encode()), ("lease", stat.S_IFREG | 0o755, _LEASE.encode())]
    entries += [("bin/sh", stat.S_IFLNK | 0o777, b"busybox")]
    for number, file in enumerate(needed(folder)):
        entries.append((f"modules/{number:02d}-{_name(file.name)}.ko", stat.S_IFREG | 0o644, unpacked(file)))
    return gzip.compress(_cpio(entries), mtime=0)


def _cpio(entries: Iterable[tuple[str, int, bytes]]) -> bytes:
    """The format newc of the kernel (Documentation/driver-api/early-userspace/buffer-format.rst)."""
    out = bytearray()
    for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        out += b"070701" + b"".join(f"{one:08X}".encode() for one in fields) + name.encode() + b"\0"
        out += b"\0" * (-len(out) % 4) + data
        out += b"\0" * (-len(out) % 4)
    return bytes(out)


def busybox() -> Path:
    for name in BUSYBOX:
        if Path(name).is_file():
            return Path(name)
    raise Fault("this node has no busybox: its package busybox is missing")


def libraries(program: Path) -> dict[str, bytes]:
    """What the program loads at its start, by path. Empty for a static one, at which ldd fails."""
    done = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"})
    return {path: Path(path).read_bytes() for path in _LIBRARY.findall(done.stdout)}


# -- into the cloud --------------------------------------------------------------------------------------------------


def publish(keystone: Keystone) -> dict[str, str]:
    """Image and flavours, made if they are not there. Name in the configuration -> id. Raises Fault, Http."""
    image, modules = kernel()
    parts = {"kernel": image.read_bytes(), "ramdisk": ramdisk(modules, busybox().read_bytes(), libraries(busybox()))}
    ids = {name: _image(keystone, f"{NAME}-{name}", {"kernel": "aki", "ramdisk": "ari"}[name], data, {}) for name, data in parts.items()}
    more = {"kernel_id": ids["kernel"], "ramdisk_id": ids["ramdisk"], "os_shutdown_timeout": "1", "hw_rng_model": "virtio"}
    found = {"image": _image(keystone, NAME, "raw", bytes(1 << 20), more)}
    for key, (name, memory) in FLAVORS.items():
        found[key] = _flavor(keystone, name, memory)
    return found


def _image(keystone: Keystone, name: str, form: str, data: bytes, more: Mapping[str, str]) -> str:
    url = keystone.endpoint("image")
    version = hashlib.sha256(data + repr(sorted(more.items())).encode()).hexdigest()
    for one in keystone.call("GET", f"{url}/v2/images?name={name}")["images"]:
        if one.get("crowbar_version") == version and one["status"] == "active":
            return str(one["id"])
        keystone.call("DELETE", f"{url}/v2/images/{one['id']}")
    container = "bare" if form == "raw" else form
    about = {"name": name, "disk_format": form, "container_format": container, "visibility": "public", "crowbar_version": version, **more}
    made = keystone.call("POST", f"{url}/v2/images", about)
    keystone.call("PUT", f"{url}/v2/images/{made['id']}/file", data, {"Content-Type": "application/octet-stream"})
    return str(made["id"])


def _flavor(keystone: Keystone, name: str, memory: int) -> str:
    url = keystone.endpoint("compute")
    for one in keystone.call("GET", f"{url}/flavors/detail?is_public=None")["flavors"]:
        if one["name"] == name and one["ram"] == memory:
            return str(one["id"])
        if one["name"] == name:
            keystone.call("DELETE", f"{url}/flavors/{one['id']}")
    return str(keystone.call("POST", f"{url}/flavors", {"flavor": {"name": name, "ram": memory, "vcpus": 1, "disk": 1}})["flavor"]["id"])
