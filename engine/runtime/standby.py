"""A standby: follows a store that another engine leads, holds its world in memory, and answers on the attach socket. It decides nothing
and writes nothing.

It polls, because a notification of each commit would make PostgreSQL's commits wait for each other (src/backend/commands/async.c takes a
lock for the whole database).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from msgspec import to_builtins

from .. import reasons
from ..attach.protocol import DoJoin, DoPropose
from ..attach.server import AttachService
from ..core.leading import Row, Seen, Verdict, judged, seen
from ..core.world.world import World
from ..definitions import Catalog, Json, versions
from ..effects import Accept, Refuse
from ..events import Asked, SetAttribute
from ..process import rights
from ..reasons import Reason
from ..store.errors import StoreError
from ..store.seat import Seat, name_of, shared
from ..views.follow import Follower
from .config import Config
from .followed import Bytes

log = logging.getLogger(__name__)


class Standby:
    """`start`, then `look` again and again from one thread, then `stop`. The world and what it says of itself are for any thread."""

    def __init__(self, config: Config, catalog: Catalog, clock: Callable[[], float] = time.monotonic) -> None:
        self._config, self._catalog, self._clock = config, catalog, clock
        self._seat = Seat(shared(config.store), config.name, standby=True)
        self._attach = AttachService(config.store, StandbyHost(self))
        self._bytes = Bytes(config, catalog, lambda: self.world)
        self._follower: Follower | None = None
        self._seen: Seen | None = None
        self._moved = threading.Condition()
        self._since = time.time()
        self.stop_asked = threading.Event()
        self.world: World | None = None
        """None until the store was read for the first time."""
        self.seq = 0
        self.trouble = ""
        """Why it cannot follow, or what it waits for to take over, as a sentence. Empty: it follows."""
        self.trouble_since = 0.0
        """Wall time."""

    def start(self) -> None:
        """Raises AttachError."""
        self._attach.start()

    def stop(self) -> None:
        self._attach.stop()
        self._bytes.stop()
        self._lose_follower()
        self._seat.close()
        with self._moved:
            self._moved.notify_all()

    # -- in the thread that looks ----------------------------------------------------------------------------------

    def look(self) -> Verdict:
        """Reads who leads and what is new. `row` is then the row on which the verdict is based."""
        now = self._clock()  # before the row: if this process stands still here, the row is newer than the verdict
        try:
            row = self._seat.row()
            if row is None:  # an empty database
                return Verdict.TAKE_OVER
            self._note(seen(self._seen, row, now))
            self._follow()
        except StoreError as error:
            self._lose_follower()
            self.say(str(error))
            return Verdict.FOLLOW
        self.say("")
        self._bytes.look()
        assert self._seen is not None
        return judged(self._seen, now, self._config.name, self._config.times)

    @property
    def row(self) -> Row | None:
        return self._seen.row if self._seen is not None else None

    def _note(self, found: Seen) -> None:
        if self._seen is None or found.row.epoch != self._seen.row.epoch:
            self._since = time.time()
        self._seen = found

    def _follow(self) -> None:
        if self._follower is None:
            self._follower = Follower(self._config.store, self._catalog)
        else:
            self._follower.catch_up()
        if self._follower.world is not self.world or self._follower.seq != self.seq:
            with self._moved:
                self.world, self.seq = self._follower.world, self._follower.seq
                self._moved.notify_all()

    def _lose_follower(self) -> None:
        if self._follower is not None:
            self._follower.close()
            self._follower = None

    def say(self, trouble: str) -> None:
        """What keeps it from following or taking over. Empty: nothing."""
        if trouble and not self.trouble:
            self.trouble_since = time.time()
            log.warning("standby: %s", trouble)
        elif self.trouble and not trouble:
            log.warning("standby: it follows again")
        self.trouble = trouble

    # -- for any thread --------------------------------------------------------------------------------------------

    def wait(self, seq: int, timeout_s: float) -> int:
        """Waits until row `seq` + 1 of the journal was read, or the time is over. Returns the newest number."""
        with self._moved:
            self._moved.wait_for(lambda: self.seq > seq, timeout_s)
            return self.seq

    def refusal(self) -> Reason:
        """Why it takes no order, and who does."""
        if self.trouble:
            return reasons.no_leader(message=self.trouble)
        row = self.row
        if row is None or row.released:
            return reasons.no_leader(message="the last leader stopped, and a standby takes over")
        return reasons.not_leading(leader=name_of(row.holder))

    def shown(self) -> dict[str, Json]:
        """`role`, `name`, `leader` (empty: none), `epoch`, `since` (wall time since which that leader is seen), `silent_s` (seconds since
        its last renewal), `take_over_s`, `serves_not` (why it serves no bytes; empty: it does), and `trouble` with `trouble_since`."""
        found = self._seen
        row = found.row if found is not None else None
        return {
            "role": "standby",
            "name": self._config.name,
            "leader": name_of(row.holder) if row is not None and not row.released else "",
            "epoch": row.epoch if row is not None else 0,
            "since": self._since,
            "silent_s": round(self._clock() - found.since, 1) if found is not None else 0.0,
            "take_over_s": self._config.take_over_s,
            "serves_not": self._bytes.trouble,
            "trouble": self.trouble,
            "trouble_since": self.trouble_since if self.trouble else 0.0,
        }

    def health(self) -> dict[str, Json]:
        """What it can say of itself, in the words of an engine's health."""
        return {
            "leading": self.shown(),
            "seq": self.seq,
            "traffic": self._bytes.traffic(),
            "failure": "",
            "pid": os.getpid(),
            "process": to_builtins(rights.now()),
            "consoles": self._attach.consoles(),
            "barclamps": {name: list(one) for name, one in versions(self._catalog).items()},
            "stages": [stage.name for stage in self._catalog.stages],
        }


class StandbyHost:
    """`attach.desk.Host` of a standby: it shows, and refuses each order with the leader's name. Called from the threads of the clients."""

    failure = ""

    def __init__(self, standby: Standby) -> None:
        self._standby = standby

    def _refuse(self) -> Refuse:
        return Refuse(request=None, reason=self._standby.refusal())

    def ask(self, event: Asked, timeout_s: float = 30.0) -> Accept | Refuse:
        return self._refuse()

    def set_secret(self, event: SetAttribute, secret: str) -> Accept | Refuse:
        return self._refuse()

    def commit_text(
        self, text: str, name: str, who: str, secrets: Mapping[str, str] | None = None, expects: int | None = None
    ) -> Accept | Refuse:
        return self._refuse()

    def propose(self, edit: DoPropose, who: str) -> Accept | Refuse:
        return self._refuse()

    def commit_proposals(self, deployments: Sequence[str], seen: Mapping[str, float], who: str) -> Accept | Refuse:
        return self._refuse()

    def join(self, wanted: DoJoin, who: str) -> Accept | Refuse:
        return self._refuse()

    def hand_over(self, to: str, who: str) -> Accept | Refuse:
        return self._refuse()

    def wait(self, seq: int, timeout_s: float) -> int:
        return self._standby.wait(seq, timeout_s)

    def health(self) -> dict[str, Json]:
        return self._standby.health()

    def progress(self) -> dict[str, Json]:
        """Only the leader hears the nodes."""
        return {"nodes": {}, "seq": self._standby.seq}

    def disks(self, nodes: list[str]) -> dict[str, Json]:
        return {}

    def bmc(self, node: str, inventory: bool, interop: bool = False) -> dict[str, Json] | Reason:
        return self._standby.refusal()

    def machine_health(self, node: str) -> dict[str, Json] | Reason:
        return self._standby.refusal()

    def packets(self, of: str, after: int) -> dict[str, Json] | Reason:
        return self._standby.refusal()

    def ask_to_stop(self, who: str) -> None:
        log.warning("%s asked this standby to stop", who)
        self._standby.stop_asked.set()
