"""What `os-install` does to a simulated machine: the image really comes over HTTP and is hashed, or an installer works by the answers that
came over HTTP; the disk is wiped once per run and boots only when all of it was written.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from engine.racks.simulated.machine import Behaviour, DiskView, Machine, Result, Task
from engine.racks.simulated.nonvolatile import System

LEAST_MB = 1539
"""What the script wants of a disk: a GiB for the system, the EFI system partition, room for the boot loader and the table."""
WRITE_S = 90.0
SETTLE_S = 20.0
INSTALLER_S = 900.0
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def _target(machine: Machine, task: Task) -> DiskView | None:
    """The disk that the engine chose."""
    return machine.disk_named(task.get("install-disk"))


def _not_blank(disk: DiskView, task: Task) -> str:
    """Why the plan's approval of blank disks does not cover it any more; empty: it does."""
    held = disk.disk.signature
    if not task.get("install-disk/blank") or not held or disk.disk.label == task.get("install-disk/label"):
        return ""
    only = "the plan approves blank disks only. Look at it, then redeploy os-install"
    return f"disk {disk.name} is not blank any more: it holds {held}, and {only}"


def _gives(disk: DiskView, system: System) -> dict[str, Any]:
    root = uuid.uuid5(uuid.NAMESPACE_URL, f"{disk.serial}/{disk.disk.wipes}")
    names = {"wwn": disk.wwn, "serial": disk.serial} if disk.wwn else {}
    return {
        "installed": {"os": system.os, "disk": disk.name, "root": str(root), **names},
        "ssh-host-key": _public_line(system.host_key),
    }


def _new_host_key() -> str:
    """A new SSH host key (Ed25519, OpenSSH format), as an installation makes one."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode("ascii")


def _public_line(private: str) -> str:
    """`ssh-ed25519 AAAA...` of a private key. Raises ValueError."""
    key = load_ssh_private_key(private.encode("ascii"), password=None)
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")


def _wrong(disk: DiskView, task: Task) -> str:
    """How what is on the disk differs from the wanted image, as the script tells it; empty: it does not."""
    system = disk.disk.system
    if system is None:
        return f"the system on {disk.name} is not whole"
    if system.os != (wanted := task.get("target-os")):
        return f"{disk.name} holds {system.os!r}, not {wanted!r}"
    if system.sha256 != (checksum := task.get("image/sha256")):
        return f"{disk.name} holds an image with the checksum {system.sha256}, not {checksum}"
    return ""


async def os_install(machine: Machine, task: Task) -> Result:
    disk = _target(machine, task)
    if disk is None:
        wanted = task.get("install-disk/name")
        none = "no disk was found in this machine: is one plugged in, and is its controller switched on?"
        none = task.get("install-disk/refused") or none
        return Result(exit=1, message=f"disk {wanted} is missing: it is not there any more" if wanted else str(none))
    if task.action == "verify":
        await task.work(2.0)
        wrong = _wrong(disk, task)
        if wrong or disk.disk.system is None:
            return Result(exit=1, message=wrong)
        return Result(gives=_gives(disk, disk.disk.system))

    if str(task.get("install-method") or "image") != "image":
        return await _by_installer(machine, task, disk)
    hostname, image = str(task.get("hostname", "")), task.get("image") or {}
    admin = task.get("admin-network") or {}
    if not _NAME.fullmatch(hostname) or not admin.get("address"):
        return Result(exit=2, message="no host name or no address was given")
    if disk.size < LEAST_MB << 20:
        system = task.get("target-os")
        return Result(exit=1, message=f"disk {disk.name} is too small: it has {disk.size >> 20} MiB, and {system} needs {LEAST_MB} MiB")
    if why := _not_blank(disk, task):
        return Result(exit=1, message=why)
    machine.wipe(disk.disk)
    task.print(f"wiped {disk.name} ({disk.serial})")

    digest, size, total = hashlib.sha256(), 0, max(int(image.get("size", 0)), 1)

    def write(block: memoryview) -> None:
        nonlocal digest, size
        if not block:
            digest, size = hashlib.sha256(), 0
            return
        digest.update(block)
        size += len(block)
        task.progress(90 * size // total, f"writing {image.get('name', 'the image')}")

    await task.download(str(image.get("url", "")), write)
    if digest.hexdigest() != image.get("sha256"):
        return Result(exit=3, message=f"the image that came ({size} octets) is not the one that was named")
    task.print(f"wrote {size} octets")
    await task.work(WRITE_S)
    task.progress(95, "boot loader")
    await task.work(SETTLE_S)
    system = _make_own(machine, task, disk, hostname, digest.hexdigest())
    task.progress(100, "installed")
    return Result(gives=_gives(disk, system))


def _make_own(machine: Machine, task: Task, disk: DiskView, hostname: str, sha256: str = "") -> System:
    """The system on the disk, with this node's name, address and credential. `sha256`: of the image, where there was one."""
    admin = task.get("admin-network") or {}
    system = System(
        sha256=sha256,
        os=str(task.get("target-os", "")),
        hostname=hostname,
        domain=str(task.get("domain", "")),
        address=str(admin["address"]),
        mask=str(admin.get("mask", "")),
        router=str(admin.get("router", "") or ""),
        credential=str(task.get("credential", "")),
        url=str(task.get("engine-url", "")).rstrip("/"),
        engine_key=str(task.get("engine-key", "")),
        host_key=_new_host_key(),
    )
    disk.disk.signature = "gpt"
    disk.disk.label = str(task.get("install-disk/label") or "")
    disk.disk.system = system
    machine.save()
    return system


async def _by_installer(machine: Machine, task: Task, disk: DiskView) -> Result:
    """A distribution's installer at work: packages by the hundred, then the system is this node's own."""
    hostname, admin = str(task.get("hostname", "")), task.get("admin-network") or {}
    found = re.search(r"(?:get_hostname string |hostname[:=] ?\"?)([a-z0-9-]+)", task.answers)
    if found is None or found[1] != hostname:
        return Result(exit=1, message=f"the answers are not those of {hostname}")
    if not admin.get("address") or not task.get("credential"):
        return Result(exit=2, message="no address or no credential was given")
    machine.wipe(disk.disk)
    task.print(f"wiped {disk.name} ({disk.serial})")
    for percent, step in ((10, "partitions"), (20, "base system"), (50, "packages"), (85, "boot loader")):
        task.progress(percent, step)
        await task.work(INSTALLER_S / 4)
    system = _make_own(machine, task, disk, hostname)
    return Result(gives=_gives(disk, system))


ROLES: dict[str, Behaviour] = {"os-install": os_install}
