"""What a choice of disks comes to: the disks that are taken, and a reason for each of the others."""

from __future__ import annotations

from msgspec import Struct

from ...reasons import Reason
from .disks import Disk
from .written import Volume


class Left(Struct, frozen=True, kw_only=True):
    """A disk that is not taken."""

    disk: Disk
    reason: Reason


class Choice(Struct, frozen=True, kw_only=True):
    taken: tuple[Disk, ...] = ()
    """One disk, the members of a volume, or the disks to wipe."""
    volume: Volume | None = None
    """The volume to install on, instead of a disk."""
    left: tuple[Left, ...] = ()
    """All other disks."""
    refused: Reason | None = None
    """Why nothing is taken."""

    def why(self, name: str) -> Reason | None:
        """Why this disk is not taken. None: it is taken."""
        return next((one.reason for one in self.left if one.disk.name == name), None)
