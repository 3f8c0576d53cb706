"""Delivers the world to the console and takes its commands. All I/O of the console is here, in threads.

    Embedded   the engine is in this process: its world is one reference; the journal comes from the store
    Elsewhere  another process holds the store: the journal is read from it, and commands go over the socket. Without an engine the store
               is shown as it is. If an engine starts, the source finds it

A snapshot is one immutable value. The watching thread makes it and passes it to the console. The newest one counts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.api.views import (
    Accept,
    Attached,
    AttachError,
    Catalog,
    DecodedPacket,
    Decoder,
    DoJoin,
    Follower,
    JournalRow,
    Look,
    Operate,
    Reason,
    Recall,
    SetAttribute,
    Store,
    StoreError,
    Story,
    from_json,
    looks_of,
    sentence,
    site_catalog,
)

from .company import Own
from .repair import RackWatch
from .snapshot import PacketsError, Said, Setting, Snapshot, TaskProgress, nodes_of, refused

if TYPE_CHECKING:
    from engine.api.running import Engine

TAIL = 500
"""Journal rows that are read at the start."""
VALUES_S = 1.0
"""Seconds between queries for live values and health."""


def _told(story: Story, own: Own, row: JournalRow) -> dict[str, Any]:
    """The row in words; `mine`: this console gave the order."""
    told = story.tell(row)
    if own.has(row):
        told["mine"] = True
    return told


class _Packets:
    """Asks for packets, one query after the other. A separate process decodes them."""

    def __init__(self) -> None:
        self._decoder = Decoder()

    def read(self, ask: Callable[[int], Any], after: int) -> tuple[list[DecodedPacket], int]:
        """`ask(after)` returns an answer like `attach.protocol.AskPackets`, or a reason."""
        out: list[DecodedPacket] = []
        while True:
            answer = ask(after)
            if isinstance(answer, Reason):
                raise PacketsError(sentence(answer))
            after = int(answer["next"])
            out += self._decoder.decode([from_json(one) for one in answer["packets"]])
            if not answer["more"]:
                return out, after

    def close(self) -> None:
        self._decoder.close()


class _LastValues:
    """Live values and health, queried at most once in VALUES_S."""

    def __init__(self) -> None:
        self.progress: dict[str, TaskProgress] = {}
        self.silence_s: dict[str, float] = {}
        self.health: dict[str, Any] = {}
        self.taken = -VALUES_S

    def due(self) -> bool:
        return time.monotonic() - self.taken >= VALUES_S

    def take(self, progress: dict[str, Any], health: dict[str, Any]) -> None:
        self.taken = time.monotonic()
        nodes = progress.get("nodes") or {}
        self.progress = {n: TaskProgress(v["percent"], v.get("text", ""), v.get("at", 0.0)) for n, v in nodes.items() if "percent" in v}
        self.silence_s = {n: float(v["heard"]) for n, v in nodes.items() if "heard" in v}
        self.health = health

    def clear(self) -> None:
        self.progress, self.silence_s, self.health = {}, {}, {}


class Embedded:
    """The engine of this process. `host` is `control.EngineHost(engine)`: this console gets the same answers as a console elsewhere."""

    def __init__(self, engine: Engine, host: Any, who: str) -> None:
        self.where = engine.config.store
        self._engine = engine
        self._host = host
        self._who = who
        self._last_values = _LastValues()
        self._story = Story()
        self._reader = Store.read(self.where)
        self._seq = max(self._reader.last_seq() - TAIL, 0)
        self._first = True
        self._packets = _Packets()
        self._rack = RackWatch(self.where)
        self._own = Own()

    def snapshot(self) -> Snapshot:
        engine = self._engine
        # The engine publishes after it has swapped the world, so the next world contains all rows of the journal up to here.
        seq = engine.seq
        world = engine.world
        told: list[dict[str, Any]] = []
        touched: set[str] = set()
        while rows := [row for row in self._reader.journal(self._seq, 1000) if row.seq <= seq]:
            told += [_told(self._story, self._own, row) for row in rows]
            for row in rows:
                touched |= nodes_of(row)
            self._seq = rows[-1].seq
        known = None if self._first or seq < self._seq else frozenset(touched)
        self._first = False
        if self._last_values.due():
            self._last_values.take(self._host.progress(), self._host.health())
        last = self._last_values
        connection = "failed" if engine.failure else "embedded"
        return Snapshot(
            world,
            self._seq,
            tuple(told),
            known,
            last.progress,
            last.silence_s,
            last.health,
            connection,
            engine.failure,
            time.time(),
            repairs=self._rack.repairs(),
        )

    def wait(self, seconds: float) -> None:
        self._engine.wait(self._seq, seconds)

    def ask(self, verb: str, node: str, role: str, value: Any) -> Said:
        self._own.gave("Operate", verb, node, role)
        return _said(self._host.ask(Operate(who=self._who, verb=verb, node=node, role=role, value=value), 90.0))

    def set_attribute(self, scope: str, what: Setting) -> Said:
        self._own.gave("SetAttribute", what.name, scope)
        layer: Any = what.layer
        return _said(
            self._host.ask(SetAttribute(who=self._who, layer=layer, scope=scope, name=what.name, value=what.value, clear=what.clear), 30.0)
        )

    def commit(self, text: str, name: str, expects: int | None = None) -> Said:
        self._own.gave("Commit")
        return _said(self._host.commit_text(text, name, self._who, expects=expects))

    def commit_proposals(self, seen: dict[str, float]) -> Said:
        self._own.gave("CommitProposals")
        return _said(self._host.commit_proposals(list(seen), seen, self._who))

    def recall(self, deployment: str) -> Said:
        self._own.gave("Recall", "", deployment)
        return _said(self._host.ask(Recall(who=self._who, deployment=deployment), 30.0))

    def join(self, address: str, host_key: str, password: str | None) -> Said | Reason:
        self._own.gave("Join", "", address)
        answer = self._host.join(DoJoin(address=address, host_key=host_key, password=password), self._who)
        return Said(True, answer.message) if isinstance(answer, Accept) else answer.reason

    def disks(self, nodes: list[str]) -> dict[str, Look]:
        return looks_of(self._host.disks(nodes))

    def packets(self, who: str, after: int) -> tuple[list[DecodedPacket], int]:
        return self._packets.read(lambda seen: self._host.packets(who, seen), after)

    def stop_engine(self) -> Said:
        self._engine.stop_asked.set()
        return Said(True, "the engine stops")

    def close(self) -> None:
        self._packets.close()
        self._reader.close()


def _said(answer: Any) -> Said:
    return Said(True, answer.message) if isinstance(answer, Accept) else refused(answer.reason)


class Elsewhere:
    """A store, with an engine in another process or without one. Raises StoreError if there is no store.

    It has two connections: one waits for news, one sends commands, so that a slow BMC does not delay the screen."""

    def __init__(self, where: Path, catalog: Catalog | None = None) -> None:
        self.where = where
        self._story = Story()
        self._own = Own()
        self._told: list[dict[str, Any]] = []
        self._touched: set[str] = set()
        self._loads = -1
        self._follower = Follower(where, catalog or site_catalog(where), self._tell)
        for row in self._follower.journal(max(self._follower.seq - TAIL, 0), TAIL):
            self._tell(row)
        self._last_values = _LastValues()
        self._wake: Attached | None = None
        self._hand: Attached | None = None
        self._packets = _Packets()
        self._rack = RackWatch(where)
        self._lock = threading.Lock()
        self._tried = 0.0
        self._trouble = ""

    def _tell(self, row: JournalRow) -> None:
        self._told.append(_told(self._story, self._own, row))
        self._touched |= nodes_of(row)

    def _connect(self) -> Attached | None:
        """The waiting connection. Retried once a second while nobody answers."""
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
        self._last_values.clear()

    def snapshot(self) -> Snapshot:
        engine = self._connect()
        if engine is not None and self._last_values.due():
            try:
                progress, health = engine.progress(), engine.health()
                self._last_values.take(_result(progress), _result(health))
            except AttachError as error:
                self._drop(error)
        self._follower.catch_up()
        told, self._told = tuple(self._told), []
        touched, self._touched = frozenset(self._touched), set()
        known = touched if self._loads == self._follower.loads else None
        self._loads = self._follower.loads
        last = self._last_values
        connection = "attached" if self._wake is not None else "alone"
        failure = str(last.health.get("failure", ""))
        if failure:
            connection = "failed"
        trouble = failure or self._trouble
        follower = self._follower
        return Snapshot(
            follower.world,
            follower.seq,
            told,
            known,
            last.progress,
            last.silence_s,
            last.health,
            connection,
            trouble,
            time.time(),
            repairs=self._rack.repairs(),
        )

    def wait(self, seconds: float) -> None:
        if self._wake is None:
            time.sleep(min(seconds, 0.5))
            return
        try:
            self._wake.wait(self._follower.seq, seconds)
        except AttachError as error:
            self._drop(error)

    def ask(self, verb: str, node: str, role: str, value: Any) -> Said:
        self._own.gave("Operate", verb, node, role)
        return self._order(lambda hand: hand.operate(verb, node, role, value))

    def set_attribute(self, scope: str, what: Setting) -> Said:
        self._own.gave("SetAttribute", what.name, scope)
        return self._order(lambda hand: hand.set_attribute(what.layer, scope, what.name, what.value, what.clear))

    def commit(self, text: str, name: str, expects: int | None = None) -> Said:
        self._own.gave("Commit")
        from engine.api.control import commit_plan  # all of the engine, which a console that only looks does not load

        return self._order(lambda hand: commit_plan(hand, text, name, expects))

    def commit_proposals(self, seen: dict[str, float]) -> Said:
        self._own.gave("CommitProposals")
        return self._order(lambda hand: hand.commit_proposals(list(seen), seen))

    def recall(self, deployment: str) -> Said:
        self._own.gave("Recall", "", deployment)
        return self._order(lambda hand: hand.recall(deployment))

    def join(self, address: str, host_key: str, password: str | None) -> Said | Reason:
        """Uses a separate connection, so that no command waits for it."""
        self._own.gave("Join", "", address)
        try:
            with Attached(self.where) as engine:
                answer = engine.join(address, host_key=host_key, password=password)
        except AttachError as error:
            return Said(False, str(error))
        return answer if isinstance(answer, Reason) else Said(True, answer.message)

    def disks(self, nodes: list[str]) -> dict[str, Look]:
        """Uses a separate connection, so that no command waits for it."""
        try:
            with Attached(self.where) as engine:
                return looks_of(_result(engine.disks(nodes)))
        except AttachError:
            return {}

    def packets(self, who: str, after: int) -> tuple[list[DecodedPacket], int]:
        """Uses a separate connection, so that no command waits for it."""
        try:
            with Attached(self.where, timeout_s=10.0) as engine:

                def ask(seen: int) -> Any:
                    answer = engine.packets(who, seen)
                    return answer if isinstance(answer, Reason) else answer.result

                return self._packets.read(ask, after)
        except AttachError as error:
            raise PacketsError(str(error)) from error

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
                    # A broken connection to a former engine says nothing about the present one, so try again. But never send a command
                    # twice that was already taken.
                    if fresh or not again or "does not answer" in str(error):
                        return Said(False, str(error))
        return Said(False, "no engine answers")

    def close(self) -> None:
        self._packets.close()
        self._follower.close()
        for connection in (self._wake, self._hand):
            if connection is not None:
                connection.close()


def _result(answer: Any) -> dict[str, Any]:
    found = getattr(answer, "result", None)
    return found if isinstance(found, dict) else {}


__all__ = ["Elsewhere", "Embedded", "StoreError"]
