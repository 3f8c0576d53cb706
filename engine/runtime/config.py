"""The configuration of an engine: one record, made once by the code that starts it."""

from __future__ import annotations

import platform
from pathlib import Path

from msgspec import Struct
from msgspec.structs import force_setattr

from ..core.leading import TAKE_OVER_S, Times
from ..files.paths import absolute
from ..wire.reach import Reach


class Config(Struct, frozen=True, kw_only=True):
    """Everything that is not in the plan."""

    store: Path
    keys: Path
    """Folder of the keys, outside the store: seal key, site secret, SSH key."""
    interface: str | None = None
    """The interface that is served. None: all, by address."""
    address: str = ""
    """The address at which a standby serves bytes. Empty: it serves none."""
    name: str = ""
    """This engine among those that share a store. Empty: the host's name."""
    take_over_s: float = TAKE_OVER_S
    """Seconds of the leader's silence after which a standby takes a shared store over (`core.leading.Times`)."""
    api: str = ""
    """`ADDRESS:PORT` of the HTTP API for operators. Empty: there is none."""
    api_requires_both: bool = False
    """An operator needs a token and a certificate for the HTTP API. False: one of them is enough."""
    reach: Reach = Reach()
    rack: Path | None = None
    """Folder of the virtual rack that this engine serves. None: the rack is real."""
    synthetic: bool = False
    """Generate stand-ins for images, for simulated machines only."""
    admin: str = "admin"
    """Host name of this machine."""
    silence_s: float = 90.0
    """A node that counts as alive is probed after so many seconds of silence."""
    bmc_user: str = "admin"
    health_s: float = 300.0
    """Seconds between two looks at a machine's health, at least. 0: none but those that are asked for."""
    bmc_rest_s: float = 1.0
    """Seconds off in a power cycle. Simulated machines have nothing that must discharge."""

    def __post_init__(self) -> None:
        # Tasks of the admin node, racks and other processes get these paths, and have other working directories.
        force_setattr(self, "store", absolute(self.store))
        force_setattr(self, "keys", absolute(self.keys))
        force_setattr(self, "rack", self.rack and absolute(self.rack))
        force_setattr(self, "name", self.name or platform.node() or "admin")

    @property
    def times(self) -> Times:
        return Times(take_over_s=self.take_over_s)
