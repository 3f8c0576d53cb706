"""The state of a QEMU machine that survives power off, besides its disks: `machines/NAME/state.json`, replaced by rename."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from .command import Boot


class State(Struct, kw_only=True):
    power: bool = False
    boot_next: Literal["", "network", "disk"] = ""
    """For the next start only."""
    boot_always: Literal["", "network", "disk"] = ""
    boots: int = 0
    """Starts through firmware."""


def next_boot(state: State) -> Boot:
    """What the firmware tries first at its next start. Like a new server: the network."""
    return state.boot_next or state.boot_always or "network"


def load(path: Path) -> State:
    """The saved state, or that of a new machine. Raises OSError, msgspec.DecodeError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return State()


def save(path: Path, state: State) -> None:
    """Raises OSError."""
    new = path.with_suffix(".next")
    new.write_bytes(msgspec.json.encode(state))
    os.replace(new, path)
