"""Where the console's world comes from, and where its commands go. All I/O of the console is here, called from threads.

    Embedded   the engine is in this process: its world is one reference, its journal is read from the store
    Elsewhere  another process holds the store: the journal is followed read-only, commands go over the socket; where no engine runs,
               the store is shown as it is, and an engine that starts is found again by itself

A snapshot is one immutable value, taken in the watching thread and handed to the console's; the latest wins.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from engine.views.show import (
    Accept,
    Attached,
    AttachError,
    Catalog,
    Follower,
    JournalRow,
    Operate,
    Reason,
    SetAttribute,
    Store,
    StoreError,
    Story,
    World,
    advice,
    sentence,
    shipped,
)

if TYPE_CHECKING:
    from engine.face import Engine

    from .past import Moment

TAIL = 500
"""Journal rows that are told at start."""
LIVE_S = 1.0
"""Seconds between looks at live values and health."""


class Live(NamedTuple):
    """How far the task of a node is."""

    percent: float
    text: str
    at: float


class Setting(NamedTuple):
    """A value of an attribute, to be set or taken back."""

    layer: str
    """`operator` (of a node, or of `NODE/ROLE`) or `deployment`."""
    name: str
    value: Any = None
    clear: bool = False


class Said(NamedTuple):
    """The answer to a command: a receipt, or a refusal with its reason."""

    ok: bool
    text: str
    advice: str = ""


class Snapshot(NamedTuple):
    world: World
    seq: int
    told: tuple[dict[str, Any], ...]
    """What was journalled since the snapshot before, in words."""
    touched: frozenset[str] | None
    """Ids of the nodes of which a record changed since then; None: any may have."""
    progress: dict[str, Live]
    heard: dict[str, float]
    """Node id -> seconds since it was last heard, as of `at`."""
    health: dict[str, Any]
    state: str
    """`embedded`, `attached`, `alone` (no engine runs), `failed`, or `past` (a look back)."""
    trouble: str
    """Why there is no engine, or why it stopped; empty while all is well."""
    at: float
    """Wall time at which it was taken; of a look back, the moment."""
    anew: bool = False
    """`told` is all that is told, not what is to be added."""
    moment: Moment | None = None
    """Of a look back: where it is."""
    said: Said | None = None
    """Something to be told once."""


class Source(Protocol):
    where: Path

    def snapshot(self) -> Snapshot: ...
    def wait(self, seconds: float) -> None:
        """Until something was committed after the last snapshot, or the time is over."""
        ...

    def ask(self, verb: str, node: str, role: str, value: Any) -> Said: ...
    def set_attribute(self, scope: str, what: Setting) -> Said: ...
    def commit(self, text: str, name: str) -> Said: ...
    def stop_engine(self) -> Said: ...
    def close(self) -> None: ...


def nodes_of(row: JournalRow) -> set[str]:
    """Ids of the nodes that a journal row is about."""
    out = set()
    for table, key, _ in row.rows:
        if table == "nodes":
            out.add(str(key))
        elif table == "node_roles":
            out.add(str(key[0]))
    return out


def refused(reason: Reason) -> Said:
    return Said(False, sentence(reason), advice(reason))


class _Live:
    """Live values and health, asked at most once in LIVE_S."""

    def __init__(self) -> None:
        self.progress: dict[str, Live] = {}
        self.heard: dict[str, float] = {}
        self.health: dict[str, Any] = {}
        self.taken = -LIVE_S

    def due(self) -> bool:
        return time.monotonic() - self.taken >= LIVE_S

    def take(self, progress: dict[str, Any], health: dict[str, Any]) -> None:
        self.taken = time.monotonic()
        nodes = progress.get("nodes") or {}
        self.progress = {n: Live(v["percent"], v.get("text", ""), v.get("at", 0.0)) for n, v in nodes.items() if "percent" in v}
        self.heard = {n: float(v["heard"]) for n, v in nodes.items() if "heard" in v}
        self.health = health

    def clear(self) -> None:
        self.progress, self.heard, self.health = {}, {}, {}


class Embedded:
    """The engine of this process. `host` is `face.EngineHost(engine)`: what a console elsewhere gets, this one gets alike."""

    def __init__(self, engine: Engine, host: Any, who: str) -> None:
        self.where = engine.config.store
        self._engine = engine
        self._host = host
        self._who = who
        self._live = _Live()
        self._story = Story()
        self._reader = Store.read(self.where)
        self._seq = max(self._reader.last_seq() - TAIL, 0)
        self._first = True

    def snapshot(self) -> Snapshot:
        engine = self._engine
        # Published after the world was swapped: what the journal has up to here is in the world that is read next.
        seq = engine.seq
        world = engine.world
        told: list[dict[str, Any]] = []
        touched: set[str] = set()
        while rows := [row for row in self._reader.journal(self._seq, 1000) if row.seq <= seq]:
            told += [self._story.tell(row) for row in rows]
            for row in rows:
                touched |= nodes_of(row)
            self._seq = rows[-1].seq
        known = None if self._first or seq < self._seq else frozenset(touched)
        self._first = False
        if self._live.due():
            self._live.take(self._host.progress(), self._host.health())
        live = self._live
        state = "failed" if engine.failure else "embedded"
        return Snapshot(world, self._seq, tuple(told), known, live.progress, live.heard, live.health, state, engine.failure, time.time())

    def wait(self, seconds: float) -> None:
        self._engine.wait(self._seq, seconds)

    def ask(self, verb: str, node: str, role: str, value: Any) -> Said:
        return _said(self._host.ask(Operate(who=self._who, verb=verb, node=node, role=role, value=value), 90.0))

    def set_attribute(self, scope: str, what: Setting) -> Said:
        layer: Any = what.layer
        return _said(
            self._host.ask(SetAttribute(who=self._who, layer=layer, scope=scope, name=what.name, value=what.value, clear=what.clear), 30.0)
        )

    def commit(self, text: str, name: str) -> Said:
        return _said(self._host.commit_text(text, name, self._who))

    def stop_engine(self) -> Said:
        self._engine.stop_asked.set()
        return Said(True, "the engine stops")

    def close(self) -> None:
        self._reader.close()


def _said(answer: Any) -> Said:
    return Said(True, answer.message) if isinstance(answer, Accept) else refused(answer.reason)


class Elsewhere:
    """A store beside, or without, an engine of another process. Raises StoreError where there is no store.

    Two connections: one that waits for what comes next, one for commands, so that a slow BMC does not hold up the picture."""

    def __init__(self, where: Path, catalog: Catalog | None = None) -> None:
        self.where = where
        self._story = Story()
        self._told: list[dict[str, Any]] = []
        self._touched: set[str] = set()
        self._loads = -1
        self._follower = Follower(where, catalog or shipped(), self._tell)
        for row in self._follower.journal(max(self._follower.seq - TAIL, 0), TAIL):
            self._tell(row)
        self._live = _Live()
        self._wake: Attached | None = None
        self._hand: Attached | None = None
        self._lock = threading.Lock()
        self._tried = 0.0
        self._trouble = ""

    def _tell(self, row: JournalRow) -> None:
        self._told.append(self._story.tell(row))
        self._touched |= nodes_of(row)

    def _connect(self) -> Attached | None:
        """The waiting connection; tried again once a second where nobody answers."""
        if self._wake is None and time.monotonic() - self._tried >= 1.0:
            self._tried = time.monotonic()
            try:
                self._wake = Attached(self.where)
                self._trouble = ""
            except AttachError as error:
                self._trouble = str(error)
        return self._wake

    def _drop(self, error: AttachError) -> None:
        self._trouble = str(error)
        if self._wake is not None:
            self._wake.close()
            self._wake = None
        self._live.clear()

    def snapshot(self) -> Snapshot:
        connection = self._connect()
        if connection is not None and self._live.due():
            try:
                progress, health = connection.progress(), connection.health()
                self._live.take(_result(progress), _result(health))
            except AttachError as error:
                self._drop(error)
        self._follower.catch_up()
        told, self._told = tuple(self._told), []
        touched, self._touched = frozenset(self._touched), set()
        known = touched if self._loads == self._follower.loads else None
        self._loads = self._follower.loads
        live = self._live
        state = "attached" if self._wake is not None else "alone"
        failure = str(live.health.get("failure", ""))
        if failure:
            state = "failed"
        trouble = failure or self._trouble
        follower = self._follower
        return Snapshot(follower.world, follower.seq, told, known, live.progress, live.heard, live.health, state, trouble, time.time())

    def wait(self, seconds: float) -> None:
        if self._wake is None:
            time.sleep(min(seconds, 0.5))
            return
        try:
            self._wake.wait(self._follower.seq, seconds)
        except AttachError as error:
            self._drop(error)

    def ask(self, verb: str, node: str, role: str, value: Any) -> Said:
        return self._order(lambda hand: hand.operate(verb, node, role, value))

    def set_attribute(self, scope: str, what: Setting) -> Said:
        return self._order(lambda hand: hand.set_attribute(what.layer, scope, what.name, what.value, what.clear))

    def commit(self, text: str, name: str) -> Said:
        return self._order(lambda hand: hand.commit(text, name))

    def stop_engine(self) -> Said:
        return self._order(lambda hand: hand.stop())

    def _order(self, what: Any) -> Said:
        with self._lock:
            for again in (True, False):
                try:
                    fresh = self._hand is None
                    self._hand = self._hand or Attached(self.where)
                    answer = what(self._hand)
                    return refused(answer) if isinstance(answer, Reason) else Said(True, answer.message)
                except AttachError as error:
                    if self._hand is not None:
                        self._hand.close()
                        self._hand = None
                    # A connection to an engine that has gone since tells nothing about the one that is there now; but a command that was
                    # taken is not given twice.
                    if fresh or not again or "does not answer" in str(error):
                        return Said(False, str(error))
        return Said(False, "no engine answers")

    def close(self) -> None:
        self._follower.close()
        for connection in (self._wake, self._hand):
            if connection is not None:
                connection.close()


def _result(answer: Any) -> dict[str, Any]:
    found = getattr(answer, "result", None)
    return found if isinstance(found, dict) else {}


__all__ = ["Elsewhere", "Embedded", "Live", "Said", "Snapshot", "Source", "StoreError"]
