"""What survives power off in a QEMU machine, besides its disks: `machines/NAME/state.json`, replaced by rename."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from .command import Boot


class NonVolatile(Struct, kw_only=True):
    power: bool = False
    boot_next: Literal["", "network", "disk"] = ""
    """For the next start only."""
    boot_always: Literal["", "network", "disk"] = ""
    boots: int = 0
    """Starts through firmware."""
    bios: dict[str, str] = {}
    """Settings of the firmware that were changed, and below those for the next start."""
    bios_pending: dict[str, str] = {}
    firmware: dict[str, str] = {}
    """Part -> version of its firmware, if it is not the factory's; below those for the next start."""
    firmware_pending: dict[str, str] = {}


def next_boot(nonvolatile: NonVolatile) -> Boot:
    """What the firmware tries first at its next start. Like a new server: the network."""
    return nonvolatile.boot_next or nonvolatile.boot_always or "network"


def load(path: Path) -> NonVolatile:
    """The saved record, or that of a new machine. Raises OSError, msgspec.DecodeError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=NonVolatile)
    except FileNotFoundError:
        return NonVolatile()


def save(path: Path, nonvolatile: NonVolatile) -> None:
    """Raises OSError."""
    new = path.with_suffix(".next")
    new.write_bytes(msgspec.json.encode(nonvolatile))
    os.replace(new, path)
