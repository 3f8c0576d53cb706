"""A look back: a source that shows the world at a past moment. It makes the same snapshots as a live source, from a journal; keys move
the moment (`playback`).

Rules
* Commands come from the terminal's thread. The watching thread carries them out when it makes its next snapshot.
* Nobody can change the past: every command is refused with a sentence.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.api.views import (
    Catalog,
    DecodedPacket,
    Journal,
    JournalFile,
    JournalRow,
    Look,
    Past,
    Pruned,
    Store,
    StoreError,
    Story,
    Stretch,
    World,
    shipped,
    site_catalog,
)

from .formats import moment_of
from .playback import Playback
from .snapshot import Moment, Said, Setting, Snapshot, nodes_of

TAIL = 500
"""Rows before the moment that the events screen shows."""
WARM = 300
"""Rows before those that are read too, so that unchanged states are not reported again."""
BLOCK = 250
REMEMBERED = 4 * TAIL
NEAR = 200
"""After a jump over more rows than this, the snapshot no longer names the changed nodes."""
GROW_S = 0.1
"""Seconds of each second, at most, for reading what an engine adds."""
CALM_S = 0.2
"""Seconds after a move until one more snapshot, in which expensive values may be computed (`Session`)."""
REFUSED = "you cannot change the past"


class PastSource:
    """Raises StoreError if the journal cannot be read. Call `read` until it returns true; then take snapshots."""

    pace = 0.02
    """Shortest time between two snapshots in seconds: a key gets its answer at once."""

    def __init__(self, where: Path, journal: Journal, catalog: Catalog, growing: bool, remark: str = "") -> None:
        self.where = where
        self.growing = growing
        self._journal = journal
        self._past = Past(journal, catalog)
        self._play: Playback | None = None
        self._lines_known: dict[int, dict[str, Any]] = {}
        self._teller = Story()
        self._read_to = -1
        """Sequence number of the last row that the teller has read."""
        self._shown: tuple[int, World] | None = None
        self._stretch: tuple[tuple[int, int], Stretch] | None = None
        self._asked: deque[Callable[[Playback], Any]] = deque()
        self._wake = threading.Condition()
        self._looked = 0.0
        self._moved = True
        self._ticked = 0.0
        self._remark = remark
        self.over = False

    # -- opening ---------------------------------------------------------------------------------------------------

    def read(self) -> bool:
        """Reads the next piece of the journal. True: everything is read."""
        try:
            if self._past.read():
                return False
        except Pruned:
            return False
        if self._play is None:
            self._play = Playback(self._past)
        return True

    def progress(self) -> tuple[int, int]:
        """Number of rows read, and of all rows."""
        return self._past.last - self._past.first, self._past.total - self._past.first

    # -- commands, from any thread ---------------------------------------------------------------------------------

    def do(self, what: Callable[[Playback], Any]) -> None:
        """Moves the moment. The console shows the answer if it is a sentence."""
        with self._wake:
            self._asked.append(what)
            self._wake.notify()

    def go_to(self, text: str) -> Said | None:
        """Moves to a typed time; refuses a text that is not a time."""
        play = self._play
        assert play is not None
        past = self._past
        at = moment_of(text, play.at(), past.at(past.first), past.at(past.last))
        if at is None:
            return Said(False, f"{text!r} is not a time", "14:05, 14:05:30, 2026-03-01 14:05, +90s, -5m, -2h")
        self.do(lambda p: p.clock(at))
        return None

    # -- the source ------------------------------------------------------------------------------------------------

    def wait(self, seconds: float) -> None:
        play = self._play
        assert play is not None
        with self._wake:
            if not self._asked and not self.over:
                self._wake.wait(min(seconds, play.due(), CALM_S if self._moved else 1.0))

    def snapshot(self) -> Snapshot:
        play = self._play
        assert play is not None
        said = Said(True, self._remark) if self._remark else None
        self._remark = ""
        try:
            self._grow()
            now = time.monotonic()
            play.pass_(min(now - self._ticked, 1.0))
            self._ticked = now
            while self._asked:
                answer = self._asked.popleft()(play)
                said = self._said(answer) or said
            return self._snapshot(play, said)
        except Pruned as pruned:
            play.playing = False
            play.to(play.seq)
            self._shown = None
            return self._snapshot(play, Said(False, f"the engine has deleted older events meanwhile: {pruned}"))

    def _said(self, answer: Any) -> Said | None:
        return Said(False, answer) if isinstance(answer, str) and answer else None

    def _grow(self) -> None:
        """Takes new rows of the journal. At the end, the moment stays unless the look back plays."""
        if not self.growing or time.monotonic() - self._looked < 1.0:
            return
        self._looked = time.monotonic()
        while self._past.read() and time.monotonic() - self._looked < GROW_S:
            pass

    def _snapshot(self, play: Playback, said: Said | None) -> Snapshot:
        past = self._past
        before = self._shown
        world = past.world(play.seq, before)
        told, anew, touched = self._tell(play.seq, before[0] if before is not None else -1)
        self._moved = before is None or before[0] != play.seq
        self._shown = (play.seq, world)
        size = (past.first, past.last)
        if self._stretch is None or self._stretch[0] != size:
            self._stretch = (size, past.stretch())
        moment = Moment(
            play.seq,
            past.first,
            past.last,
            play.now,
            past.at(past.first),
            past.at(past.last),
            self._stretch[1],
            self._lines_known.get(play.seq, {}),
            play.word,
            play.playing,
            self.growing,
        )
        return Snapshot(world, play.seq, told, touched, {}, {}, {}, "past", "", play.at(), anew, moment, said)

    def _tell(self, seq: int, before: int) -> tuple[tuple[dict[str, Any], ...], bool, frozenset[str] | None]:
        """The events up to this row: rows to add, or all of them; and the changed nodes, if known."""
        if seq == before:
            return (), False, frozenset()
        past = self._past
        if past.first <= before < seq <= before + NEAR:
            return self._lines(before, seq), False, _nodes(past.rows(before, seq))
        touched = _nodes(past.rows(seq, before)) if before - NEAR <= seq < before else None
        begin = (seq - TAIL) // BLOCK * BLOCK  # in blocks, so that a step back finds its rows in the cache
        return self._lines(max(begin, past.first), seq), True, touched

    def _lines(self, after: int, to: int) -> tuple[dict[str, Any], ...]:
        """Rows in words, cached. A teller needs rows in order, so elsewhere it first reads the rows that lead there."""
        known = self._lines_known
        start = next((seq for seq in range(after + 1, to + 1) if seq not in known), 0)
        if start:
            if self._read_to != start - 1:
                self._teller = Story()
                for row in self._past.rows(max(start - 1 - WARM, self._past.first), start - 1):
                    self._teller.tell(row)
            for row in self._past.rows(start - 1, to):
                known[row.seq] = self._teller.tell(row)
            self._read_to = to
            if len(known) > REMEMBERED:
                self._lines_known = known = {seq: told for seq, told in known.items() if after < seq <= to}
        return tuple(known[seq] for seq in range(after + 1, to + 1))

    # -- nothing is done to the past -------------------------------------------------------------------------------

    def ask(self, verb: str, node: str, role: str, value: Any) -> Said:
        return Said(False, REFUSED)

    def set_attribute(self, scope: str, what: Setting) -> Said:
        return Said(False, REFUSED)

    def commit(self, text: str, name: str, expects: int | None = None) -> Said:
        return Said(False, REFUSED)

    def commit_proposals(self, seen: dict[str, float]) -> Said:
        return Said(False, REFUSED)

    def recall(self, deployment: str) -> Said:
        return Said(False, REFUSED)

    def join(self, address: str, host_key: str, password: str | None) -> Said:
        return Said(False, REFUSED)

    def disks(self, nodes: list[str]) -> dict[str, Look]:
        return {}

    def packets(self, who: str, after: int) -> tuple[list[DecodedPacket], int]:
        return [], after

    def stop_engine(self) -> Said:
        return Said(False, REFUSED)

    def close(self) -> None:
        with self._wake:
            self.over = True
            self._wake.notify()

    def end(self) -> None:
        """Called after the last snapshot, in the watching thread."""
        self._past.close()


def of_store(where: Path) -> PastSource:
    """Opens the journal of a store, with or without a running engine. Raises StoreError."""
    return PastSource(where, Store.read(where), site_catalog(where), growing=True)


def of_file(path: Path) -> PastSource:
    """Opens an exported journal. Raises StoreError."""
    journal = JournalFile(path)
    remark = ""
    if journal.catalog is None:
        other = "with other barclamps; the reasons on the screen follow the barclamps of this machine"
        remark = f"written by crowbar {journal.head.program}, {other}"
    return PastSource(path, journal, journal.catalog or shipped(), growing=False, remark=remark)


def _nodes(rows: list[JournalRow]) -> frozenset[str]:
    return frozenset().union(*(nodes_of(row) for row in rows)) if rows else frozenset()


__all__ = ["PastSource", "StoreError"]
