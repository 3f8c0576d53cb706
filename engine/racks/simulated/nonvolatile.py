"""What survives power off in a simulated machine: disks, volumes, BIOS settings, the power button; and its file.

One JSON file per machine, replaced by rename on each change: after `kill -9` of the rack the file holds what was before or after a change,
never half of it. There is no fsync: the rack is a rehearsal, and the page cache outlives the process.

Rules
* `wipes` of a disk counts how often something destroyed its content. A volume is a separate disk: making it wipes its members,
  installing on it wipes it.
* A disk boots only if `system` is set, and that is set when everything is written.
* Attempts of an installed system are on its disk, so they outlive its boots and disappear with a wipe.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

Json = Any


class Attempt(Struct, kw_only=True):
    """A leg of an attempt that was started on an installed system."""

    id: str
    role: str = ""
    barclamp: str = ""
    action: str = "run"
    state: Literal["running", "ended"] = "running"
    exit: int = 0
    gives: dict[str, Json] = {}
    message: str = ""
    log: str = ""


class System(Struct, kw_only=True):
    """An operating system that is completely written to a disk."""

    os: str
    hostname: str
    sha256: str = ""
    """Of the image that was written."""
    domain: str = ""
    address: str = ""
    mask: str = ""
    router: str = ""
    credential: str = ""
    """The credential for its hello."""
    url: str = ""
    """The URL for its hello."""
    engine_key: str = ""
    """Public key that may log in as root."""
    host_key: str = ""
    """Private SSH host key, OpenSSH format."""
    attempts: dict[str, Attempt] = {}
    acknowledged: list[str] = []
    """Ids whose outcome the engine has recorded, the oldest first."""
    packages: list[str] = []
    """Installed because roles need them, sorted."""
    files: dict[str, Json] = {}
    """What roles wrote: `network/admin` -> its configuration, `ntp` -> servers, ..."""
    listens: dict[str, str] = {}
    """Port -> what answers there, besides SSH (`daemons`): `tcp`, `nrpe`, or the name of a barclamp's server."""
    serves: dict[str, str] = {}
    """Port -> the process that listens there. Without it, the port is closed."""
    killed: list[str] = []
    """Names of processes that somebody killed, and that nothing has started again."""

    def __repr__(self) -> str:
        return f"System(os={self.os!r}, hostname={self.hostname!r}, address={self.address!r})"


class Disk(Struct, kw_only=True):
    """A physical disk, or a volume as the operating system sees it."""

    serial: str
    signature: str = ""
    """The content of its start: empty, `gpt`, `raid-member`, ..."""
    wipes: int = 0
    label: str = ""
    """Name of its partition table: identifies the install that began it."""
    system: System | None = None
    certificate: dict[str, Json] = {}
    """What its last wipe reported. Empty: it was not wiped, or was written since."""
    wiped_in: int = 0
    """`NonVolatile.boots` at that wipe."""


class Volume(Struct, kw_only=True):
    name: str
    level: str
    disks: list[str]
    """Serials of its members."""
    size: int
    disk: Disk
    wwn: str = ""
    """Hexadecimal digits, if a RAID controller made it and shows it as a disk. Empty: the operating system made it."""


class NonVolatile(Struct, kw_only=True):
    power: bool = False
    boot_next: Literal["", "network", "disk"] = ""
    """For the next start only."""
    boot_always: Literal["", "network", "disk"] = ""
    bios: dict[str, str] = {}
    bios_pending: dict[str, str] = {}
    """Settings that the firmware applies at its next self test."""
    firmware: dict[str, str] = {}
    """Part -> version that replaced the factory's."""
    firmware_pending: dict[str, str] = {}
    """Versions that the next self test brings in."""
    disks: dict[str, Disk] = {}
    """By serial."""
    volumes: list[Volume] = []
    boots: int = 0
    """Starts through firmware."""
    board: int = 0
    """How often its main board was replaced."""
    keep_nics: bool = False
    """The last replacement that kept the NICs."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(NonVolatile)


class NonVolatileFile:
    """The file of one machine."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._next = f"{path}.next"

    def load(self) -> NonVolatile | None:
        """The saved record. None if there is none. Raises OSError, msgspec.DecodeError for a broken file."""
        try:
            with open(self._path, "rb") as file:
                return _decoder.decode(file.read())
        except FileNotFoundError:
            return None

    def save(self, nonvolatile: NonVolatile) -> None:
        fd = os.open(self._next, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            data = _encoder.encode(nonvolatile)
            if os.write(fd, data) != len(data):
                raise OSError(28, "the file of a machine could not be written whole", self._next)
        finally:
            os.close(fd)
        os.replace(self._next, self._path)
