"""What an engine is started with: one record, made once by whoever starts it."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from .reach import Reach

DEFAULT_STORE = "~/.local/share/crowbar"


class Config(Struct, frozen=True, kw_only=True):
    """Everything that is not in the plan."""

    store: Path
    keys: Path
    """Folder of the keys, outside the store: seal key, site secret, SSH key."""
    interface: str | None = None
    """The interface that is served; None: all, by address."""
    address: str = ""
    """Where the services listen before a plan says it; empty: as the plan says."""
    reach: Reach = Reach()
    synthetic: bool = False
    """Make images that exist for simulated machines only."""
    admin: str = "admin"
    """Host name of this machine."""
    silence_s: float = 90.0
    """A node believed alive is probed after so many seconds without a word."""
    bmc_user: str = "admin"
    bmc_rest_s: float = 1.0
    """Time off in a power cycle; simulated machines have nothing that must discharge."""


def keys_beside(store: Path) -> Path:
    """Where the keys of a store are by default: beside it, not in it."""
    return store.with_name(store.name + ".keys")
