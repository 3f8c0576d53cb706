"""How an engine comes to lead a store: at once if nobody else can, and on a shared store only after the leader's silence."""

from __future__ import annotations

import threading
import time

from msgspec import Struct

from ..core.leading import Row, Seen, Verdict, judged, seen
from ..definitions import Json
from ..store.errors import StoreError
from ..store.seat import Seat, name_of, shared
from ..store.store import Store
from .config import Config
from .tenure import Tenure


class Lead(Struct, frozen=True):
    """An open store, and how long its leader may act (None: nobody can depose it)."""

    store: Store
    tenure: Tenure | None

    def close(self) -> None:
        """Lets the next engine lead."""
        if self.tenure is not None:
            self.tenure.end()
        self.store.close()


def taken(config: Config) -> Lead:
    """Leads the store of an engine that is no standby. Waits on a shared store until its leader counts as silent. Raises StoreError, also
    if another engine leads it."""
    database = shared(config.store)
    if not database:
        return Lead(Store.open(config.store), None)
    seat = Seat(database, config.name, standby=False)
    try:
        return take_over(config, _silent(seat, config))
    finally:
        seat.close()


def take_over(config: Config, expects: Row | None, lock: int | None = None) -> Lead:
    """Leads a shared store, if its row is still the one that was seen. Raises StoreError, and Deposed if another engine leads. Blocks as
    long as the database takes no commit. `lock`: the folder's lock, if this process has it."""
    database = shared(config.store)
    began = time.monotonic()
    known = (expects.epoch, expects.renewed) if expects is not None else None
    store = Store.open(config.store, lock=lock, holder=config.name, expects=known)
    tenure = Tenure(database, config.name, store.epoch, config.times, began)
    tenure.start()
    return Lead(store, tenure)


def _silent(seat: Seat, config: Config) -> Row | None:
    """The row once this engine may take over. Raises StoreError if another engine leads."""
    found: Seen | None = None
    waiting = threading.Event()
    while (row := seat.row()) is not None:
        now = time.monotonic()
        known, found = found, seen(found, row, now)
        if judged(found, now, config.name, config.times) is Verdict.TAKE_OVER:
            return row
        if known is not None and known.row != row:
            raise StoreError(
                f"{name_of(row.holder)} leads the store, so this engine cannot: use that engine, or start this one as a standby, with "
                "crowbar engine"
            )
        waiting.wait(config.times.look_s)
    return None


def shown(config: Config, tenure: Tenure) -> dict[str, Json]:
    """Of a leader: `role`, `name`, `leader`, `epoch`, `since` (wall time of its take-over) and the names of its `standbys`. `trouble`: why
    they are not known."""
    body: dict[str, Json] = {"role": "leader", "name": config.name, "leader": config.name, "epoch": tenure.epoch, "since": tenure.since}
    try:
        return {**body, "standbys": tenure.standbys() if not tenure.lost else [], "trouble": tenure.lost}
    except StoreError as error:
        return {**body, "standbys": [], "trouble": str(error)}
