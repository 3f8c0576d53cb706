"""The devices of a storage node: XFS on each spare disk, mounted below /srv/node, and rsync, by which the nodes copy to each other.

* Only a blank disk is formatted. A disk with content stays as it is, unless it is a device of this Swift already.
* A device's name and the UUID of its file system come from the disk's WWN or serial number. So a disk that was in another storage node
  is known, and the disk of another Swift, which has other hashes, is not taken for one of this.
* Without a spare disk there is one device, a folder of the root file system. That is for rehearsals and for trying Swift out.
"""

import hashlib
import json
import os
import pwd
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud import Act, Check, File, Service, Site
from cloud_api import Fault
from cloud_disks import OBJECTS, find, share, wish
from cloud_rings import DEVICES, MODULE, SERVERS, SHARED, swift_conf
from cloud_run import with_systemd

GIB = 1 << 30
SMALLEST = 300 << 20
"""Bytes. mkfs.xfs refuses a smaller disk."""


@dataclass(frozen=True)
class Place:
    """A device. `disk` as `disks list` describes it; empty: a folder."""

    name: str
    size: int
    uuid: str = ""
    disk: Mapping[str, Any] | None = None

    @property
    def path(self) -> str:
        return f"{DEVICES}/{self.name}"

    @property
    def unit(self) -> str:
        return f"{self.path.strip('/').replace('/', '-')}.mount"

    @property
    def weight(self) -> int:
        return max(1, self.size // GIB)


def service(site: Site) -> Service:
    places = _places(site)
    devices = [{"name": place.name, "weight": place.weight} for place in places]
    text = json.dumps(devices, indent=1) + "\n"
    mounts = {f"/etc/systemd/system/{place.unit}": _mount(place) for place in places if place.disk is not None}
    return Service(
        files={
            "/etc/swift/swift.conf": swift_conf(site),
            "/etc/rsyncd.conf": File(_rsync(site), mode=0o644),
            f"{SHARED}/devices.json": File(text, mode=0o644, restarts=False),
            **mounts,
        },
        steps=[Act("devices", lambda: _make(places))],
        units=["rsync"],
        checks=[
            Check("the devices are mounted", lambda: _mounted(places)),
            Check("rsync shows the devices", lambda: _shown(site.address, text)),
        ],
        gives=lambda: {"swift-devices": devices},
    )


def _places(site: Site) -> list[Place]:
    done = subprocess.run([str(Path(__file__).with_name("disks")), "list"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Fault(f"the disks of this node cannot be listed: {done.stderr.strip()[:300]}")
    salt = site("swift-hash-suffix")
    disks, named = json.loads(done.stdout)["disks"], site("swift-disks", [])
    mine = share(disks, wish(site, "disks/volumes"), named, _members())
    spare = choose(disks, named, mine, lambda disk: _uuid_of(disk) == uuid_for(disk, salt))
    if spare:
        return [Place(name_for(disk), int(disk["size"]), uuid_for(disk, salt), disk) for disk in spare]
    machine = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    root = os.statvfs("/")
    return [Place("f" + hashlib.sha256(f"swift {machine}".encode()).hexdigest()[:10], root.f_blocks * root.f_frsize)]


def _members() -> list[str]:
    """Disks of the volume group of Cinder. Before `cinder-volume` has run there may be no LVM on the node."""
    try:
        done = subprocess.run(
            ["pvs", "--noheadings", "-o", "pv_name", "-S", "vg_name=cinder-volumes"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return []
    return done.stdout.split()


def choose(
    disks: Sequence[Mapping[str, Any]], named: Sequence[str], mine: Mapping[str, str], ours: Callable[[Mapping[str, Any]], bool]
) -> list[Mapping[str, Any]]:
    """The disks for Swift: those that were named, or all spare ones. `mine`: what `share` says. Raises Fault if a named one is missing,
    or has content."""
    out = []
    for name in named:
        disk = find(disks, name)
        if disk is None:
            raise Fault(f"swift-disks names {name}, and this node has no such disk")
        if disk["signature"] and not ours(disk):
            raise Fault(
                f"the disk {disk['name']} ({name}) is not blank ({disk['signature']}), and only blank disks are formatted. "
                f"If its data may go, run `wipefs -a {_device(disk)}` on the node, and retry the role"
            )
        out.append(disk)
    if named:
        return out
    local = [one for one in disks if not one.get("remote") and one["transport"] != "usb" and not one.get("read_only")]
    spare = [one["name"] for one in local if int(one["size"]) >= SMALLEST and mine.get(one["name"]) == OBJECTS]
    return [one for one in local if one["name"] in spare or (one["signature"] == "xfs" and ours(one))]


def identity(disk: Mapping[str, Any]) -> str:
    return str(disk.get("wwn") or disk["serial"] or disk.get("path") or disk["name"])


def name_for(disk: Mapping[str, Any]) -> str:
    """A label of XFS has at most 12 characters."""
    return "d" + hashlib.sha256(identity(disk).encode()).hexdigest()[:10]


def uuid_for(disk: Mapping[str, Any], salt: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, hashlib.sha256(f"{salt} {identity(disk)}".encode()).hexdigest()))


def _device(disk: Mapping[str, Any]) -> str:
    return "/dev/" + str(disk["name"]).replace("!", "/")


def _uuid_of(disk: Mapping[str, Any]) -> str:
    argv = ["blkid", "-p", "-s", "UUID", "-o", "value", _device(disk)]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()


def _mount(place: Place) -> File:
    lines = [
        "# Written by Crowbar. A change here is overwritten.",
        "[Unit]",
        f"Description=Device {place.name} of Swift",
        "[Mount]",
        f"What=/dev/disk/by-uuid/{place.uuid}",
        f"Where={place.path}",
        "Type=xfs",
        "Options=noatime,nodev,nosuid,noexec",
        # Not local-fs.target: a disk that is broken must not keep the node from booting.
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return File("\n".join(lines) + "\n", mode=0o644, restarts=False)


def _make(places: Sequence[Place]) -> None:
    # Swift's user owns a device, never the folder that it is mounted on: nothing may be written while the disk is not there.
    Path(DEVICES).mkdir(parents=True, exist_ok=True)
    for place in places:
        Path(place.path).mkdir(mode=0o755, exist_ok=True)
        if place.disk is not None:
            if not place.disk["signature"]:
                _format(place, place.disk)
            if not os.path.ismount(place.path) and with_systemd():
                _call("systemctl", "daemon-reload")
                _call("udevadm", "settle", "--timeout=30", may_fail=True)
                _call("systemctl", "enable", "--now", place.unit)
        if place.disk is None or os.path.ismount(place.path):
            swift = pwd.getpwnam("swift")
            if Path(place.path).stat().st_uid != swift.pw_uid:
                os.chown(place.path, swift.pw_uid, swift.pw_gid)


def _format(place: Place, disk: Mapping[str, Any]) -> None:
    """mkfs.xfs without -f refuses a disk that is not blank."""
    print(f"cloud: XFS on {_device(disk)}, which is blank: device {place.name}")
    _call("mkfs.xfs", "-q", "-L", place.name, "-m", f"uuid={place.uuid}", _device(disk))


def _call(*argv: str, may_fail: bool = False) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0 and not may_fail:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise Fault(f"{' '.join(argv[:3])} failed with exit code {done.returncode}: {said[-1][:300] if said else 'it said nothing'}")


def _mounted(places: Sequence[Place]) -> None:
    swift = pwd.getpwnam("swift").pw_uid
    for place in places:
        if place.disk is not None and not os.path.ismount(place.path):
            raise Fault(f"{place.path} is not mounted")
        if not Path(place.path).is_dir() or Path(place.path).stat().st_uid != swift:
            raise Fault(f"{place.path} does not belong to swift")


def _shown(address: str, text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _call("rsync", "-q", "--contimeout=10", "--timeout=20", f"rsync://{address}/{MODULE}/devices.json", folder)
        if (Path(folder) / "devices.json").read_text(encoding="utf-8") != text:
            raise Fault(f"rsync at {address} shows other devices")


def _rsync(site: Site) -> str:
    mask = site("admin-network/mask")
    lines = [
        "# Written by Crowbar. A change here is overwritten.",
        f"address = {site.address}",
        "use chroot = yes",
        f"hosts allow = {site.address}/{mask}",
        "log file = /var/log/rsyncd.log",
    ]
    for kind in SERVERS:
        lines += [f"[{kind}]", "uid = swift", "gid = swift", f"path = {DEVICES}", "read only = false"]
        lines += ["max connections = 25", f"lock file = /run/lock/swift-{kind}.lock"]
    lines += [f"[{MODULE}]", "uid = nobody", "gid = nogroup", f"path = {SHARED}", "read only = true"]
    return "\n".join(lines) + "\n"
