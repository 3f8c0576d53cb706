"""The row that says which engine leads a store in PostgreSQL, over a connection of its own: a commit that waits must not keep the leader
from seeing that it was deposed, nor a standby from watching.

Nothing here decides (`core.leading` does), and nothing is a fence: that is in each commit (`database`).

Standbys write nothing, so the leader finds them by the names of their connections (view pg_stat_activity).
"""

from __future__ import annotations

import threading
from pathlib import Path

from ..core.leading import RELEASED, Row
from . import check, place, postgres

LONGEST_NAME = 40
"""Most characters of an engine's name. PostgreSQL keeps 63 octets of the name of a connection."""
_STANDBY = "crowbar standby "


def shared(directory: Path) -> str:
    """The database of this folder's store that other engines may use too. Empty: only this machine can. Raises StoreError."""
    return place.named(directory)


def name_of(holder: str) -> str:
    """The name of an engine, from `Row.holder`."""
    return holder.partition(",")[0]


class Seat:
    """Thread-safe; one call at a time. A lost connection is made anew by the next call. All methods raise StoreError."""

    def __init__(self, database: str, name: str, *, standby: bool) -> None:
        """Connects with the first call. `name`: of this engine."""
        self._database = database
        self._as = _STANDBY + name if standby else f"crowbar leader {name}"
        self._lock = threading.Lock()
        self._db: postgres.PostgresDatabase | None = None

    def row(self) -> Row | None:
        """None: no engine has made the tables yet."""
        with self._lock:
            db = self._connected()
            with check.telling(db):
                if not db.columns("engine"):
                    return None
                epoch, holder, renewed = db.execute("SELECT epoch, holder, renewed FROM engine").fetchone()
                return Row(int(epoch), str(holder), int(renewed))

    def leads(self, epoch: int) -> bool:
        """True if this is the epoch of the leader now. Says nothing about a moment later."""
        found = self.row()
        return found is not None and found.epoch == epoch and not found.released

    def renew(self, epoch: int) -> bool:
        """Shows the standbys that the leader of this epoch lives, as durable as a commit. False: it leads no more."""
        return self._changed("UPDATE engine SET renewed = renewed + 1 WHERE epoch = ? AND renewed >= 0 RETURNING epoch", (epoch,))

    def release(self, epoch: int, to: str = "") -> bool:
        """The leader of this epoch decides no more. `to`: the name of the one that shall take over. False: it led no more."""
        return self._changed(f"UPDATE engine SET renewed = {RELEASED}, holder = ? WHERE epoch = ? RETURNING epoch", (to, epoch))

    def standbys(self) -> list[str]:
        """Names of the engines that follow now."""
        sql = "SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE ?"
        with self._lock:
            db = self._connected()
            with check.telling(db):
                return sorted(str(row[0]).removeprefix(_STANDBY) for row in db.execute(sql, (f"{_STANDBY}%",)))

    def _changed(self, sql: str, values: tuple[object, ...]) -> bool:
        with self._lock:
            db = self._connected()
            with check.telling(db):
                return db.execute(sql, values).fetchone() is not None

    def _connected(self) -> postgres.PostgresDatabase:
        if self._db is not None and self._db.closed:
            self._db = None
        if self._db is None:
            self._db = postgres.connect(self._database, application_name=self._as)
        return self._db

    def close(self) -> None:
        """Waits for a call under way."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None
