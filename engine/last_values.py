"""The fields of records that only say when something was last heard, promised or asked. The journal does not follow them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from msgspec.structs import replace

from .model import Journalled, Lease, Row, Sighting

LAST_VALUES: dict[str, tuple[str, ...]] = {
    "leases": ("expires",),
    "sightings": ("last", "last_sign"),
    "nodes": ("probe", "probes"),
    "watches": ("due", "look", "looks", "open", "repairs"),
}
"""Table -> fields that only say when something was last heard, promised or asked. They are as durable as others, but a change of only
these fields makes no journal row. Otherwise an idle rack's heartbeats would push older events out of the journal. In the journal, these
fields are as old as the last row of their record."""


class Quiet(NamedTuple):
    """A changed row whose only changes are in the fields of LAST_VALUES, or that the journal does not follow (`Journalled`)."""

    table: str
    key: Hashable
    row: Row | None


def same_but_last(table: str, one: Row | None, other: Row | None) -> bool:
    """True if two rows of a table differ only in the fields of LAST_VALUES. What the journal does not follow differs in nothing else."""
    return bool(behind(one) or behind(other)) or differs_in_last_values(table, one, other)


def differs_in_last_values(table: str, one: Row | None, other: Row | None) -> bool:
    """The same, whatever the journal follows."""
    if one is None or other is None or table not in LAST_VALUES:
        return one == other
    return replace(one, **{name: getattr(other, name) for name in LAST_VALUES[table]}) == other


def behind(row: Row | None) -> Journalled:
    """How far the journal is behind this record (`Journalled`)."""
    return row.journal if isinstance(row, Sighting | Lease) else ""
