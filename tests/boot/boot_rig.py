"""Machines of QEMU that boot from the real engine, on a bridge of their own: real firmware, real loaders, a real kernel.

    namespace `server`: bridge br0 192.168.124.10 (engine)  <-- tap -->  one machine at a time

What runs in memory is small, so that a boot is quick without KVM: Debian's cloud kernel and an initramfs of busybox, wget and the node's agent. It says
hello, shows what the site's initramfs gave it, and switches the machine off.

Packages: qemu-system-x86 ovmf ipxe busybox wget udhcpc; the kernel is taken from linux-image-cloud-amd64 by `apt-get download`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from net_lab import HERE, Lab, stop

from engine.netboot.site_image import Entry, cpio

ROOT = Path(__file__).resolve().parents[2]
NODE = ROOT / "images" / "node"
IPXE = Path("/usr/lib/ipxe")
OVMF = Path("/usr/share/OVMF")
AAVMF = Path("/usr/share/AAVMF")
MODULES = (
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "failover",
    "net_failover",
    "virtio_net",
)
MAC = "52:54:00:00:00:01"
UUID = "4c4c4544-0001-1002-8003-000000000001"
STARVED = "IO-APIC + timer doesn't work"
BOOT_S = 300.0
"""For a whole boot on a slow machine without KVM."""

INIT = """#!/bin/sh
export PATH=/bin:/usr/lib/crowbar
busybox mkdir -p /proc /sys /dev /tmp /run /var/lib/crowbar
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
busybox --install -s /bin
for module in MODULES; do insmod /modules/$module.ko; done
echo "SITE $(ls /etc/crowbar 2>&1 | tr '\\n' ' ')"
for link in /sys/class/net/e*; do
    link=${link##*/}
    ip link set $link up
    udhcpc -i $link -f -q -n -t 10 -T 2 -s /dhcp
done
agent hello
echo "HELLO $?"
sync
poweroff -f
"""
DHCP = """#!/bin/sh
[ "$1" = bound ] && ip addr add $ip/24 dev $interface
exit 0
"""


def why_not(*files: str) -> str:
    """What is missing to boot machines, in one sentence; empty: nothing. `files` beside what every boot needs."""
    packages = {
        "qemu-system-x86_64": "qemu-system-x86",
        "busybox": "busybox",
        "wget": "wget",
        "udhcpc": "udhcpc",
        "apt-get": "apt",
        "dpkg-deb": "dpkg",
        "qemu-system-aarch64": "qemu-system-arm",
        "dnsmasq": "dnsmasq-base",
        "grub-mkimage": "grub-common",
        "mkfs.vfat": "dosfstools",
        "mcopy": "mtools",
        str(IPXE / "undionly.kpxe"): "ipxe",
        str(OVMF / "OVMF_CODE_4M.fd"): "ovmf",
        str(OVMF / "OVMF_CODE_4M.secboot.fd"): "ovmf",
        "/usr/lib/shim/shimx64.efi.signed": "shim-signed",
        "/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed": "grub-efi-amd64-signed",
        "/usr/lib/grub/x86_64-efi/normal.mod": "grub-efi-amd64-bin",
        "/usr/lib/grub/i386-pc/normal.mod": "grub-pc-bin",
        "/usr/share/AAVMF/AAVMF_CODE.fd": "qemu-efi-aarch64",
        "/dev/net/tun": "a kernel with tun",
    }
    wanted = ("qemu-system-x86_64", "busybox", "wget", "udhcpc", "apt-get", "dpkg-deb", str(IPXE / "undionly.kpxe"), "/dev/net/tun", *files)
    missing = [packages[file] for file in wanted if not (Path(file).exists() if file.startswith("/") else shutil.which(file))]
    return f"not installed: {' '.join(dict.fromkeys(missing))}" if missing else ""


def kernel_package(folder: Path, name: str = "linux-image-cloud-amd64", options: tuple[str, ...] = ()) -> Path:
    """Debian's kernel, unpacked; RuntimeError with a sentence where it cannot be had."""
    kept = os.environ.get("CROWBAR_TEST_KERNEL", "")
    if kept and not options:
        return Path(kept)
    about = subprocess.run(["apt-cache", *options, "depends", name], capture_output=True, text=True, check=False).stdout
    found = re.search(r"Depends: (linux-image-\S+)", about)
    package = found[1] if found else name
    fetched = subprocess.run(["apt-get", *options, "download", package], cwd=folder, capture_output=True, text=True, check=False)
    files = list(folder.glob("linux-image-*.deb"))
    if not files:
        raise RuntimeError(f"{package} cannot be downloaded: {fetched.stderr.strip()[-200:]}")
    subprocess.run(["dpkg-deb", "-x", files[0], folder / "kernel"], check=True)
    return folder / "kernel"


def with_libraries(*programs: str) -> Iterator[Entry]:
    """Programs of this machine with the libraries that they need, in /bin and where the loader looks."""
    files: dict[str, Path] = {}
    for program in programs:
        path = shutil.which(program)
        assert path is not None, program
        files[f"bin/{program}"] = Path(path)
        listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"(/\S+) \(0x", listed):
            files[library.lstrip("/")] = Path(library)
    folders = sorted({"/".join(name.split("/")[:i]) for name in files for i in range(1, name.count("/") + 1)})
    yield from (Entry(name=name, mode=0o755) for name in folders)
    yield from (Entry(name=name, mode=0o755, content=path.read_bytes()) for name, path in files.items())


def initramfs(kernel: Path, init: str = INIT) -> bytes:
    """The system in memory. Its length is no multiple of four, which is what the site's initramfs must stand."""
    there = {file.name.split(".")[0]: file for file in kernel.glob("lib/modules/*/kernel/**/*.ko")}
    entries = [*with_libraries("busybox", "wget", "udhcpc"), Entry(name="usr", mode=0o755)]
    entries = list({entry.name: entry for entry in entries}.values())
    names = {entry.name for entry in entries}
    entries += [Entry(name=name, mode=0o755) for name in ("usr/lib", "usr/lib/crowbar", "modules", "etc") if name not in names]
    entries += [Entry(name=f"modules/{name}.ko", mode=0o644, content=there[name].read_bytes()) for name in MODULES if name in there]
    entries += [
        Entry(name=f"usr/lib/crowbar/{name}", mode=0o755, content=(NODE / name).read_bytes()) for name in ("agent", "attempt", "attribute")
    ]
    entries += [Entry(name="init", mode=0o755, content=init.replace("MODULES", " ".join(n for n in MODULES if n in there)).encode())]
    entries += [Entry(name="dhcp", mode=0o755, content=DHCP.encode())]
    entries += [Entry(name="bin/sh", mode=0o755, content=Path(shutil.which("busybox") or "").read_bytes())]
    return packed(cpio(entries))


def packed(archive: bytes) -> bytes:
    done = subprocess.run(["zstd", "-3", "-c"], input=archive, capture_output=True, check=True).stdout
    return done + bytes(-(len(done) + 3) % 4)  # one more than a multiple of four; the kernel skips zeroes


def hello(site: Site, *words: str, program: str = "qemu-system-x86_64") -> str:
    """Boots a machine until its system in memory has said hello; what its console shows.

    Trap: on a machine with too much to do, a guest's kernel may find that its timer does not work, and panics. That says nothing of us."""
    for _ in range(3):
        machine = site.machine(*words, program=program)
        try:
            return machine.shows("HELLO 0", unless=partial(_starved, machine))
        except AssertionError:
            if STARVED not in machine.console():
                raise
        finally:
            machine.end()
    raise AssertionError(STARVED)


def _starved(machine: Machine) -> str:
    return STARVED if STARVED in machine.console() else ""


def ipxe() -> dict[str, bytes]:
    """The loaders that an image `loader` must have."""
    return {name: (IPXE / name).read_bytes() for name in ("undionly.kpxe", "snponly.efi")}


def image(store: Path, name: str, files: dict[str, bytes]) -> None:
    """An image in the store, with its checksums."""
    folder = store / "images" / name
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (folder / file).write_bytes(content)
    (folder / "SHA256SUMS").write_text("".join(f"{hashlib.sha256(content).hexdigest()}  {file}\n" for file, content in files.items()))


class Site:
    """The engine on the bridge, with images in its store."""

    def __init__(self, folder: Path, plan: str) -> None:
        self.folder = folder
        self.store = folder / "store"
        self.lab = Lab()
        self._plan = plan
        self._engine: subprocess.Popen[str] | None = None
        self._number = 0

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *_: object) -> None:
        self.lab.close()

    def start(self) -> None:
        plan = self.folder / "plan.yml"
        plan.write_text(self._plan)
        words = (sys.executable, str(HERE / "net_engine.py"), str(self.store), str(plan), "br0", "built")
        with (self.folder / "engine.log").open("w") as errors:
            self._engine = self.lab.popen("server", *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert self.ask("") == {"ready": True}, (self.folder / "engine.log").read_text()

    def ask(self, word: str, seconds: float = 60.0) -> Any:
        assert self._engine is not None
        assert self._engine.stdin is not None
        assert self._engine.stdout is not None
        if word:
            self._engine.stdin.write(word + "\n")
            self._engine.stdin.flush()
        ready, _, _ = select.select([self._engine.stdout], [], [], seconds)
        assert ready, f"no answer to {word!r} in {seconds:g} s: {(self.folder / 'engine.log').read_text()}"
        line = self._engine.stdout.readline()
        assert line, (self.folder / "engine.log").read_text()
        return json.loads(line)

    def nodes(self) -> list[dict[str, Any]]:
        return [node for node in self.ask("nodes") if node["kind"] == "server"]

    def machine(self, *words: str, program: str = "qemu-system-x86_64", tap: bool = True) -> Machine:
        self._number += 1
        name = f"tap{self._number}"
        if tap:
            self.lab.run("server", "ip", "tuntap", "add", name, "mode", "tap")
            self.lab.run("server", "ip", "link", "set", name, "master", "br0", "up")
        serial = self.folder / f"serial{self._number}.log"
        return Machine(self.lab, program, name, serial, words)


class Machine:
    """One QEMU; its console goes to a file. Ended with the lab."""

    def __init__(self, lab: Lab, program: str, tap: str, serial: Path, words: tuple[str, ...]) -> None:
        self.serial = serial
        words = tuple(word.replace("TAP", tap) for word in words)
        line = (
            "nice",
            "-n",
            "10",
            program,
            "-accel",
            "tcg,thread=multi",
            "-nographic",
            "-monitor",
            "none",
            "-serial",
            f"file:{serial}",
            *words,
        )
        self._errors = serial.with_suffix(".err")
        with self._errors.open("w") as errors:
            self.process = lab.popen("server", *line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)

    def console(self) -> str:
        return self.serial.read_bytes().decode("utf-8", "replace") if self.serial.exists() else ""

    def shows(self, text: str, seconds: float = BOOT_S, *, unless: Callable[[], str] = lambda: "") -> str:
        """Waits for a text on its console; what it shows then."""
        end = time.monotonic() + seconds
        while True:
            shown = self.console()
            if text in shown:
                return shown
            problem = unless() or (f"it ended: {self._errors.read_text()}" if self.process.poll() is not None else "")
            if time.monotonic() > end or problem:
                raise AssertionError(
                    f"no {text!r} on the console ({problem or f'{seconds:g} s'}):\n{shown[-3000:]}\n{self._errors.read_text()[-500:]}"
                )
            time.sleep(0.2)

    def end(self) -> None:
        stop(self.process)


def no_pxe() -> tuple[str, ...]:
    """UEFI goes the way of HTTP only."""
    return _off("IPv4PXESupport")


def _off(what: str) -> tuple[str, ...]:
    return ("-fw_cfg", f"name=opt/org.tianocore/{what},string=n")


def secure() -> tuple[str, ...]:
    """What Secure Boot's variables need of the machine."""
    return ("-machine", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on")


def disk(file: Path, index: int = 0) -> tuple[str, ...]:
    """A disk that firmware asks after the network."""
    return ("-drive", f"if=none,id=d{index},format=raw,file={file}", "-device", f"virtio-blk-pci,drive=d{index},bootindex={index + 2}")


def pc(memory: int = 768) -> tuple[str, ...]:
    return ("-machine", "q35", "-cpu", "max", "-m", str(memory), "-no-reboot", "-uuid", UUID, "-smbios", "type=1,serial=SN1")


def nic(model: str = "virtio-net-pci", **options: str) -> tuple[str, ...]:
    more = "".join(f",{key}={value}" for key, value in options.items())
    return ("-netdev", "tap,id=n0,ifname=TAP,script=no,downscript=no", "-device", f"{model},netdev=n0,mac={MAC}{more}")


def ovmf(folder: Path, code: str = "OVMF_CODE_4M.fd", variables: str = "OVMF_VARS_4M.fd") -> tuple[str, ...]:
    """UEFI with variables of its own. Without PXE over IPv6, which takes minutes to find nobody."""
    own = folder / "vars.fd"
    shutil.copyfile(OVMF / variables, own)
    return (
        "-drive",
        f"if=pflash,format=raw,unit=0,readonly=on,file={OVMF / code}",
        "-drive",
        f"if=pflash,format=raw,unit=1,file={own}",
        *_off("IPv6PXESupport"),
    )


def flash_arm64(folder: Path) -> tuple[str, ...]:
    """The same for arm64."""
    own = folder / "arm-vars.fd"
    shutil.copyfile(AAVMF / "AAVMF_VARS.fd", own)
    code = f"if=pflash,format=raw,unit=0,readonly=on,file={AAVMF}/AAVMF_CODE.fd"
    return "-drive", code, "-drive", f"if=pflash,format=raw,unit=1,file={own}"
