"""A machine without a BMC that starts from the network (SeaBIOS, iPXE) on a bridge of its own, and an engine that serves it: discovery, an
installation by image or by Debian's own installer, and the installed system, all in one QEMU process that reboots as it likes.

Needs root (a bridge and a tap), QEMU, and the built images. Nothing leaves the bridge; packages come through the engine.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.effects import Accept
from engine.files import plan_file
from engine.files.catalog import shipped
from engine.files.paths import keys_beside
from engine.images.shelf import image_states
from engine.model import Node, NodeRole, State
from engine.runtime.config import Config
from engine.runtime.engine import Engine

ADMIN = "192.168.250.1"
MAC, UUID = "52:54:00:0a:00:01", "4c4c4544-0000-1000-8000-000000000001"
BRIDGE, TAP = "cbinst0", "cbinst1"
PROGRAMS = {"qemu-system-x86_64": "qemu-system-x86", "qemu-img": "qemu-utils", "ip": "iproute2"}
PLAN = """\
crowbar: 1
site: {{name: r07, domain: r07.example.net, admin: {{address: {admin}}}, trust: network}}
approve: {{wipe: all}}
patience: 4
networks:
  admin:
    subnet: 192.168.250.0/24
    ranges: {{dhcp: 192.168.250.21-192.168.250.80, host: 192.168.250.81-192.168.250.160}}
rules:
  - {{match: {{}}, name: "web-{{number}}"}}
deployments:
  cloud:
    attributes: {{{attributes}}}
    roles: {{ready: all}}
"""


def unfit(*images: str) -> str:
    """Why this machine cannot do it with these images; empty where it can."""
    if os.geteuid() != 0:
        return "making a bridge needs root"
    lacking = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if lacking:
        return "not installed: " + ", ".join(lacking)
    whole = {row["name"] for row in image_states(Path("no-store")) if row["whole"]}
    absent = [name for name in images if name not in whole]
    return f"the images {', '.join(absent)} are not built, or CROWBAR_IMAGES does not say where they are" if absent else ""


class Site:
    """The engine, and the one machine of its rack."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        self._begun = time.monotonic()
        self.times: dict[str, int] = {}
        """What was reached -> seconds since the machine was switched on."""

    @property
    def node(self) -> Node | None:
        return next((node for node in self.engine.world.nodes.values() if node.boot_mac == MAC), None)

    @property
    def runs(self) -> str:
        return self.node.runs if self.node is not None else ""

    @property
    def install(self) -> NodeRole | None:
        return next((role for role in self.engine.world.node_roles.values() if role.role == "os-install"), None)

    def installed(self, state: State) -> bool:
        return self.install is not None and self.install.state is state

    @property
    def log(self) -> str:
        """What the attempt to install wrote."""
        role = self.install
        file = self.engine.config.store / "logs" / f"{role.attempt}.{max(role.leg, 1)}.log" if role is not None else Path()
        return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""

    @property
    def console(self) -> str:
        file = self.folder / "machine.serial"
        return file.read_bytes()[-4000:].decode("utf-8", "replace") if file.exists() else ""

    def now(self) -> str:
        return f"{self.times} {self.node} {self.install}\n{self.log[-3000:]}\n{self.console}"

    def until(self, what: str, true: Callable[[], bool], seconds: float) -> None:
        """Waits, and notes when. Raises AssertionError with all that there is to see."""
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, f"{what}: {self.now()}"
            assert not self.installed(State.ERROR) or "reason" in what, f"{what}: {self.now()}"
            time.sleep(0.5)
        self.times[what] = round(time.monotonic() - self._begun)


@contextmanager
def site(folder: Path, **attributes: str) -> Iterator[Site]:
    """From a machine that is switched on, with an empty disk."""
    folder.mkdir(parents=True, exist_ok=True)
    store = folder / "store"
    engine = Engine(Config(store=store, keys=keys_beside(store), interface=BRIDGE))
    words = ", ".join(f'{name.replace("_", "-")}: "{value}"' for name, value in attributes.items())
    with _bridge():
        engine.start()
        try:
            plan = PLAN.format(admin=ADMIN, attributes=words)
            answer = engine.commit(plan_file.read(plan, "plan.yml", shipped()), "test")
            assert isinstance(answer, Accept), answer
            with _machine(folder):
                yield Site(engine, folder)
        finally:
            engine.stop()


@contextmanager
def _bridge() -> Iterator[None]:
    def ip(*words: str, check: bool = True) -> None:
        subprocess.run(["ip", *words], check=check, capture_output=True)

    for name in (TAP, BRIDGE):
        ip("link", "del", name, check=False)
    try:
        ip("link", "add", BRIDGE, "type", "bridge")
        ip("addr", "add", f"{ADMIN}/24", "dev", BRIDGE)
        ip("tuntap", "add", TAP, "mode", "tap")
        ip("link", "set", TAP, "master", BRIDGE, "up")
        ip("link", "set", BRIDGE, "up")
        yield
    finally:
        for name in (TAP, BRIDGE):
            ip("link", "del", name, check=False)


@contextmanager
def _machine(folder: Path) -> Iterator[None]:
    """QEMU without KVM; its serial console goes to `machine.serial`, and can be spoken to by the socket `s`.

    QEMU 7.2 with two processors carries out cmpxchg16b wrongly, which Linux 6.12 makes memory with: it stops in kmalloc. So there is none."""
    disk = folder / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "6G"], check=True)
    words = [
        "nice",
        "-n",
        "10",
        "qemu-system-x86_64",
        "-accel",
        "tcg,thread=multi",
        "-cpu",
        "max,-cx16",
        "-smp",
        "2",
        "-m",
        "2048",
        "-uuid",
        UUID,
        "-machine",
        "q35,graphics=off",
        "-nodefaults",
        "-display",
        "none",
        "-device",
        "virtio-rng-pci",
        "-chardev",
        "socket,id=s,path=s,server=on,wait=off,logfile=machine.serial",
        "-serial",
        "chardev:s",
        "-drive",
        f"file={disk},if=none,id=d,cache=unsafe",
        "-device",
        "virtio-blk-pci,drive=d,serial=D1,bootindex=2",
        "-netdev",
        f"tap,id=n,ifname={TAP},script=no,downscript=no",
        "-device",
        f"virtio-net-pci,netdev=n,mac={MAC},bootindex=1",
    ]
    guest = subprocess.Popen(words, stdin=subprocess.DEVNULL, cwd=folder)
    try:
        yield
    finally:
        guest.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            guest.wait(10)
        guest.kill()
        guest.wait()
