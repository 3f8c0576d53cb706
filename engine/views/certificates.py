"""The certificates of wiped disks: of what the role `disk-wipe` reported, in the journal and now. Pure.

A certificate counts when the role succeeded: its `verify` has read the samples of the disk once more. The record of a node holds those of
its last wipe. Earlier ones, and those of deleted nodes, are in the journal as long as its rows are kept.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, ValidationError, convert

from ..core.world.world import World
from ..definitions import Json
from ..model import State
from ..store.store import JournalRow

GIVES = "wipe-certificates"


class Samples(Struct, frozen=True, kw_only=True):
    """How many places of the disk were read back, and what they held."""

    read: int
    zeros: int = 0
    ones: int = 0
    changed: int = 0
    """Other data than before the wipe."""


class WipeCertificate(Struct, frozen=True, kw_only=True):
    """One wiped disk."""

    at: str
    """When the wipe ended: ISO 8601, UTC, by the machine's clock."""
    who: str
    """Who approved it: a person, or `plan`."""
    machine: str
    machine_serial: str
    serial: str
    wwn: str
    model: str
    size: int
    """Bytes."""
    method: str
    reason: str
    samples: Samples
    result: str
    seconds: int


def certificates(world: World, rows: Iterable[JournalRow] = ()) -> list[WipeCertificate]:
    """All that are known, the oldest first, each once. A value of another form is left out."""
    found: dict[tuple[str, str, str, str], WipeCertificate] = {}
    for row in rows:
        for table, _, body in row.rows:
            if table == "node_roles" and body is not None and body.get("state") == State.ACTIVE.value:
                _take(found, body.get("gave"))
    for role in world.node_roles.values():
        if role.state is State.ACTIVE:
            _take(found, role.gave)
    return sorted(found.values(), key=lambda one: (one.at, one.machine, one.serial))


def _take(found: dict[tuple[str, str, str, str], WipeCertificate], gave: Json) -> None:
    listed = gave.get(GIVES) if isinstance(gave, dict) else None
    for item in listed if isinstance(listed, list) else ():
        try:
            one = convert(item, WipeCertificate)
        except ValidationError:
            continue
        found[one.machine, one.serial, one.wwn, one.at] = one
