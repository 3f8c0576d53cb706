"""A QEMU machine on a bridge of its own, whose first stages are said by HTTP and whose installation is Debian's own installer's: kernel and
initrd of Debian's package of it, packages through a proxy on this machine, then the installed system from its disk.

Needs root (a bridge and a tap), qemu and debian-installer-12-netboot-amd64. Nothing leaves the bridge but what the proxy fetches.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from package_proxy import serving

ADMIN, PORT = "192.168.250.1", 3142
MAC, UUID = "52:54:00:0a:00:01", "4c4c4544-0000-1000-8000-000000000001"
INSTALLER = Path("/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64")
BRIDGE, TAP = "cbinst0", "cbinst1"
NEEDS = {
    "qemu-system-x86_64": "qemu-system-x86", "qemu-img": "qemu-utils", "ip": "iproute2",
    str(INSTALLER / "linux"): "debian-installer-12-netboot-amd64",
}  # fmt: skip
PLAN = f"""\
crowbar: 1
site: {{name: r07, domain: r07.example.net, admin: {{address: {ADMIN}}}}}
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
    attributes:
      target-os: debian-12
      install-method: preseed
      package-proxy: "http://{ADMIN}:{PORT}"
    roles: {{ready: all}}
"""
GIVES: dict[str, dict[str, Any]] = {
    "inventory": {
        "product": "Standard PC", "vendor": "QEMU", "memory-mb": 1536, "cpus": 2, "firmware": "bios", "kexec": False,
        "disks": [{"name": "vda", "size": 6 << 30, "serial": "D1", "rotational": False, "signature": "", "transport": "virtio"}],
        "nics": [{"name": "ens3", "mac": MAC, "speed": 0, "link": True, "driver": "virtio_net", "pci": ""}],
    },
    "lldp": {"neighbours": []}, "bmc-discover": {"bmc": {}}, "bios-configure": {"bios-settings": {}}, "raid-configure": {"volumes": []},
}  # fmt: skip


def missing() -> list[str]:
    """Names of packages that are not there."""
    return [package for program, package in NEEDS.items() if shutil.which(program) is None and not Path(program).exists()]


def call(method: str, path: str, body: Any = None, token: str = "") -> tuple[int, bytes]:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"http://{ADMIN}{path}", data, method=method)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=100) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def is_there(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=20).close()
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except OSError:
        return False
    return True


def kernel_line() -> str:
    """What the boot script says, as a loader reads it."""
    status, script = call("GET", f"/boot/script?mac={MAC}&uuid={UUID}")
    assert status == 200, script
    line = next(line for line in script.decode().splitlines() if line.startswith("kernel "))
    return line.removeprefix("kernel ").partition(" || ")[0].replace("${netX/mac:hexhyp}", MAC.replace(":", "-")).partition(" ")[2]


def discover() -> None:
    """Says hello as sledgehammer, and does what it is told until it is told to boot anew."""
    nonce = re.search(r"crowbar\.nonce=([0-9a-f]+)", kernel_line())
    assert nonce is not None
    body = {
        "nonce": nonce[1], "boot_id": "first", "environment": "sledgehammer", "uuid": UUID, "serial": "SN1", "macs": [MAC], "arch": "x86_64",
    }  # fmt: skip
    status, answer = call("POST", "/agent/hello", body)
    assert status == 200, answer
    token = json.loads(answer)["token"]
    while True:
        status, answer = call("GET", "/agent/next", token=token)
        if status != 200:
            continue
        order = json.loads(answer)
        if order["do"] == "reboot":
            return
        if order["do"] != "run":
            continue
        status, task = call("GET", f"/agent/task/{order['id']}", token=token)
        assert status == 200, task
        with tarfile.open(fileobj=io.BytesIO(task)) as tar:
            about = json.loads(tar.extractfile("task.json").read())  # type: ignore[union-attr]
        done = {"id": order["id"], "state": "ended", "exit": 0, "gives": GIVES[about["role"]]}
        status, answer = call("POST", "/agent/result", done, token)
        assert status == 200, answer


def build(folder: Path) -> None:
    """`crowbar image build`, into the folder that CROWBAR_IMAGES names."""
    words = [sys.executable, "-m", "crowbar_tui.cli", "--store", str(folder / "store"), "image", "build", "debian-12-installer"]
    subprocess.run(words, check=True, capture_output=True, timeout=300)


def fetched(folder: Path, file: str) -> Path:
    """A file of the installer, as a loader fetches it."""
    path = folder / file
    with urllib.request.urlopen(f"http://{ADMIN}/image/debian-12-installer/{file}", timeout=100) as answer, path.open("wb") as kept:
        shutil.copyfileobj(answer, kept)
    return path


@contextmanager
def bridge() -> Iterator[None]:
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
def package_cache(folder: Path, refused: str = "") -> Iterator[None]:
    """Packages, by way of this machine; none whose name ends like `refused`. CROWBAR_PACKAGES names a folder that keeps them for another run."""
    with serving(ADMIN, PORT, Path(os.environ.get("CROWBAR_PACKAGES") or folder), refused):
        yield


@contextmanager
def machine(folder: Path, name: str, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """QEMU without KVM. Its serial console goes to `NAME.serial`; a reboot ends it."""
    disk = folder / "disk.qcow2"
    if not disk.exists():
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "6G"], check=True)
    words = [
        "nice", "-n", "10", "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1536", "-uuid", UUID,
        "-display", "none", "-no-reboot", "-device", "virtio-rng-pci",
        "-chardev", f"socket,id=s,path={folder / name}.socket,server=on,wait=off,logfile={folder / name}.serial", "-serial", "chardev:s",
        "-drive", f"file={disk},if=none,id=d,cache=unsafe", "-device", "virtio-blk-pci,drive=d,serial=D1",
        "-netdev", f"tap,id=n,ifname={TAP},script=no,downscript=no", "-device", f"virtio-net-pci,netdev=n,mac={MAC},romfile=", *more,
    ]  # fmt: skip
    guest = GUESTS[(folder, name)] = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    try:
        yield guest
    finally:
        guest.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            guest.wait(10)
        guest.kill()
        guest.wait()


GUESTS: dict[tuple[Path, str], subprocess.Popen[bytes]] = {}


def runs(folder: Path, name: str) -> bool:
    return GUESTS[(folder, name)].poll() is None


def wait_for(true: Callable[[], bool], seconds: float, what: Callable[[], str]) -> float:
    """Seconds that it took. Raises AssertionError with `what()`."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds, what()
        time.sleep(0.5)
    return time.monotonic() - begun


def tail(file: Path, octets: int = 3000) -> str:
    return file.read_bytes()[-octets:].decode("utf-8", "replace") if file.exists() else ""


def fit() -> str:
    """Why this machine cannot do it; empty where it can."""
    if os.geteuid() != 0:
        return "making a bridge needs root"
    return "not installed: " + ", ".join(missing()) if missing() else ""
