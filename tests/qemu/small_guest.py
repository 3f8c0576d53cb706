"""A small virtual machine: the kernel of the image debian-12 with a few programs of this machine, and a shell on its serial line.

It starts in seconds, because it has no firmware, disk or system. Its Ethernet ports lead to ports of another one, frame by frame through Unix
sockets, so that no bond, VLAN or bridge of this machine's kernel takes part.
"""

from __future__ import annotations

import base64
import gzip
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("dash", "mawk", "ip", "bridge", "ping", "arping", "sed", "grep", "cmp")
"""With their libraries. Everything else is busybox."""
MODULES = ("virtio_pci", "virtio_net", "bonding", "8021q", "bridge", "ipv6", "af_packet")
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/sbin:/bin:/usr/bin:/work HOME=/
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
for one in MODULES; do modprobe $one 2>/dev/null; done
ip link set lo up
exec </dev/ttyS0 >/dev/ttyS0 2>&1  # a terminal that is closed in between drops what was typed
stty -echo
export PS1= PS2=
echo READY
exec setsid -c sh
"""
LINE = 3000
PATIENCE_S = 900.0
"""An emulated processor that shares a busy one takes minutes for what takes a second."""
MARK, READY = "end-of-answer", "the-guest-is-ready"


def kernel_folder(into: Path) -> Path | None:
    """A folder with `boot/vmlinuz-VERSION` and `lib/modules/VERSION`: that of CROWBAR_GUEST_KERNEL (an unpacked kernel package), or what the
    built image debian-12 has. None: neither is there."""
    named = os.environ.get("CROWBAR_GUEST_KERNEL", "")
    if named:
        return Path(named)
    images = os.environ.get("CROWBAR_IMAGES", "")
    root = Path(images) / "debian-12" / "root.ext4.zst"
    if not images or not root.exists():
        return None
    blocks = into / "root.ext4"
    if subprocess.run(["zstd", "-dqf", str(root), "-o", str(blocks)], check=False).returncode:
        return None
    (into / "lib").mkdir()
    for folder, place in (("/boot", into), ("/usr/lib/modules", into / "lib")):
        subprocess.run(["debugfs", "-R", f"rdump {folder} {place}", str(blocks)], capture_output=True, check=True)
    blocks.unlink()
    return into


def lacking() -> str:
    """What such a machine needs and this one has not got; empty: nothing."""
    for program in ("qemu-system-x86_64", "busybox", "depmod", "cpio", "zstd", "debugfs", *PROGRAMS):
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
            return f"the program {program!r} is not installed"
    if (
        not os.environ.get("CROWBAR_GUEST_KERNEL")
        and not (Path(os.environ.get("CROWBAR_IMAGES", "/none")) / "debian-12/root.ext4.zst").exists()
    ):
        return "the image debian-12 is not built, or CROWBAR_IMAGES does not say where it is"
    return ""


def build(
    folder: Path, kernel: Path, files: dict[str, Path], programs: tuple[str, ...] = (), modules: tuple[str, ...] = ()
) -> tuple[Path, Path]:
    """Kernel and initramfs. `files`: path in the machine -> file or folder of this one; `programs`, `modules`: besides the usual ones."""
    tree = folder / "tree"
    for name in ("bin", "sbin", "usr/bin", "proc", "sys", "dev", "tmp", "root", "lib64", "work"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    for name in ("busybox", *PROGRAMS, *programs):
        there = Path(str(shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin"))).resolve()
        shutil.copy(there, tree / ("bin" if name == "busybox" else "sbin") / Path(name).name)
        said = subprocess.run(["ldd", str(there)], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"(/\S+\.so[^\s]*)", said):
            target = tree / library.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(library).resolve(), target)
    for link, to in (("sbin/sh", "dash"), ("sbin/awk", "mawk")):
        (tree / link).symlink_to(to)
    _modules(tree, kernel, (*MODULES, *modules))
    for path, source in files.items():
        target = tree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    (tree / "init").write_text(INIT.replace("MODULES", " ".join((*MODULES, *modules))).replace("READY", READY))
    (tree / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    packed = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=tree, input=names.encode(), capture_output=True, check=True).stdout
    initrd = folder / "initrd.gz"
    initrd.write_bytes(gzip.compress(packed, 1))
    return next(iter(sorted((kernel / "boot").glob("vmlinuz-*")))), initrd


def _modules(tree: Path, kernel: Path, modules_wanted: tuple[str, ...]) -> None:
    """The modules with those that they need, by the index that depmod makes."""
    (modules,) = sorted((kernel / "lib/modules").iterdir())
    if not (modules / "modules.dep").exists():
        subprocess.run(["depmod", "-b", str(kernel), modules.name], check=True)
    needs = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[re.sub(r"\.ko.*", "", Path(path).name).replace("-", "_")] = [path, *rest.split()]
    target = tree / "lib/modules" / modules.name
    for name in modules_wanted:
        for path in needs.get(name, ()):
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(modules / path, target / path)
    for index in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        shutil.copy(modules / index, target / index)
    subprocess.run(["depmod", "-b", str(tree), modules.name], check=True)


class Guest:
    """One machine, and its shell. `ports`: for each one this side's socket and the other's."""

    def __init__(
        self,
        name: str,
        kernel: Path,
        initrd: Path,
        ports: list[tuple[Path, Path]],
        number: int,
        more: tuple[str, ...] = (),
        memory_mb: int = 256,
        arguments: str = "console=ttyS0 quiet panic=1 no_timer_check ipv6.disable=0",
        folder: Path | None = None,
    ) -> None:
        """`more`: further words for QEMU; `arguments`: of the kernel; `folder`: where the process runs."""
        words = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", str(memory_mb), "-nographic", "-no-reboot", "-nodefaults"]
        words += more
        words += [
            "-kernel",
            str(kernel),
            "-initrd",
            str(initrd),
            "-append",
            arguments,
            "-serial",
            "stdio",
            "-serial",
            f"file:{folder / 'console.log'}" if folder else "null",
        ]
        for i, (here, there) in enumerate(ports):
            mac = f"52:54:00:00:{number:02x}:{i + 1:02x}"
            local, remote = f"local.type=unix,local.path={here}", f"remote.type=unix,remote.path={there}"
            words += [
                "-netdev",
                f"dgram,id=p{i},{local},{remote}",
                "-device",
                f"virtio-net-pci,netdev=p{i},mac={mac},romfile=,speed=10000,duplex=full",
            ]
        self.name = name
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder)
        self._said = ""
        self._new = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        self._count = 0

    def _read(self) -> None:
        assert self._process.stdout is not None
        while data := os.read(self._process.stdout.fileno(), 4096):
            with self._new:
                self._said += data.decode("utf-8", "replace").replace("\r", "")
                self._new.notify_all()
        self._process.wait()
        with self._new:
            self._new.notify_all()  # who waits sees that it has ended

    def boot(self, timeout_s: float = PATIENCE_S) -> None:
        """Waits for its shell. What is typed before is lost."""
        deadline = time.monotonic() + timeout_s
        with self._new:
            while READY not in self._said:
                left = deadline - time.monotonic()
                assert left > 0, f"{self.name} does not start: {self._said[-2000:]}"
                assert self._process.poll() is None, f"{self.name} ended: {self._said[-2000:]}"
                self._new.wait(left)
            self._said = ""

    def run(self, command: str, timeout_s: float = PATIENCE_S) -> tuple[int, str]:
        """Exit code and output of a shell command."""
        self._count += 1
        mark = f"{MARK}-{self._count}"
        assert self._process.stdin is not None
        self._process.stdin.write(f"{{ {command}\n}}; echo {mark}:$?\n".encode())
        self._process.stdin.flush()
        deadline = time.monotonic() + timeout_s
        with self._new:
            while (found := re.search(rf"{mark}:(\d+)\n", self._said)) is None:
                left = deadline - time.monotonic()
                assert left > 0, f"{self.name} does not answer {command!r}: {self._said[-2000:]}"
                assert self._process.poll() is None, f"{self.name} ended: {self._said[-2000:]}"
                self._new.wait(left)
            said, self._said = self._said[: found.start()], self._said[found.end() :]
        return int(found[1]), said

    def write(self, path: str, text: str) -> None:
        """A file on the machine. A line of a terminal has at most 4,095 characters (N_TTY_BUF_SIZE)."""
        coded = base64.b64encode(text.encode()).decode()
        self.must(f": >{path}.coded")
        for i in range(0, len(coded), LINE):
            self.must(f"echo {coded[i : i + LINE]} >>{path}.coded")
        self.must(f"base64 -d <{path}.coded >{path} && rm {path}.coded")

    def must(self, command: str, timeout_s: float = PATIENCE_S) -> str:
        code, said = self.run(command, timeout_s)
        assert code == 0, (self.name, command, said)
        return said

    def close(self) -> None:
        self._process.kill()
        self._process.wait(60)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@contextmanager
def star(
    folder: Path, files: dict[str, Path], programs: tuple[str, ...] = (), modules: tuple[str, ...] = ()
) -> Iterator[tuple[Guest, Guest, Guest]]:
    """Two nodes and the switch between them: port eth0 of node N leads to port eth(N-1) of the switch. All run, and nothing is set up."""
    kernel = kernel_folder(folder)
    assert kernel is not None
    vmlinuz, initrd = build(folder, kernel, files, programs, modules)
    cables = [(folder / f"n{i}", folder / f"s{i}") for i in (0, 1)]
    one, two = (Guest(f"node-{i + 1}", vmlinuz, initrd, [cable], i + 1) for i, cable in enumerate(cables))
    switch = Guest("tor1", vmlinuz, initrd, [(there, here) for here, there in cables], 9)
    try:
        for guest in (one, two, switch):
            guest.boot()
        yield one, two, switch
    finally:
        for guest in (one, two, switch):
            guest.close()
