"""The worlds of a journal, moment by moment: what *look back* shows. Rows are applied, no code of the engine is run again.

    past = Past(journal, catalog)
    while past.read(): ...                        # once through, some seconds for a large one; later for what was added
    world = past.world(seq)                       # as it was after that row

One pass reads every row once: it keeps the time of each, where problems began and ended, which rows changed which node, and every so many
rows the world itself. A world is persistent maps, so a kept one costs what was changed since the one before. A moment is the nearest kept
world before it, and the rows from there on.

Rules
* A moment is the seq of a row; `first` is before the oldest one: an empty store, or what was pruned, folded together.
* Everything is bounded: KEPT worlds (when there are more, every other one goes), PROBLEMS problems. Rows stay where they are, and are read
  when they are needed.
* A journal that is pruned while it is looked at loses its beginning here too (`Pruned`).
* A plan makes another catalogue, and with it another index of nearly everything: at a revision the world is loaded anew from its tables.

Trap: the world's memory of work to do (`queues`, `touched`) is the engine's own; here it is empty, and nobody may step these worlds.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct, ValidationError

from ..core.work import Work
from ..core.world import World
from ..definitions import Catalog
from ..model import KEYS, Node, NodeRole, State
from ..reasons import Reason
from ..store.errors import StoreError
from ..store.store import Change, JournalRow, Tables

PIECE = 500
"""Rows that one `read` takes: some tens of milliseconds."""
EVERY = 250
"""Rows between kept worlds, as long as there are not too many."""
KEPT = 256
FINE, FINE_KEPT = 16, 48
"""Rows between worlds that are remembered where somebody looks, and how many of these."""
PROBLEMS = 10_000


class Journal(Protocol):
    """A store opened for reading, or an exported file (`store.journal_file`)."""

    def base(self) -> tuple[Tables, int]: ...
    def journal(self, after: int = 0, limit: int = 1000) -> list[JournalRow]: ...
    def last_seq(self) -> int: ...
    def close(self) -> None: ...


class Pruned(Exception):
    """Rows that are needed were pruned meanwhile: the journal begins later now (`Past.first`)."""


class Problem(Struct, frozen=True, kw_only=True):
    """Something went wrong in this row: a node got a problem, or a role of it failed."""

    seq: int
    node: str
    """Id."""
    role: str
    """Empty: the node itself."""
    reason: Reason | None


class Stretch(Struct, frozen=True, kw_only=True):
    """A journal from end to end, for a time bar. Times are engine seconds: they never go back, and stand still while no engine runs."""

    begins: float
    ends: float
    problems: tuple[float, ...]
    """When each began."""
    bad: tuple[tuple[float, float], ...]
    """From when to when at least one stood."""


class Past:
    """Raises StoreError where rows cannot be read. Not for two threads at once."""

    def __init__(self, journal: Journal, catalog: Catalog) -> None:
        self._journal = journal
        self._catalog = catalog
        self.problems: list[Problem] = []
        self._begin()

    def _begin(self) -> None:
        """From the base on, whatever was known."""
        tables, self.first = self._journal.base()
        self.last = self.first
        """Seq of the last row that was read."""
        self.total = max(self._journal.last_seq(), self.first)
        """Seq of the last row that is there."""
        self._tip = World.load(self._catalog, tables)
        self._seqs: list[int] = [self.first]
        self._worlds: list[World] = [self._tip]
        self._every = EVERY
        self._fine: dict[int, World] = {}
        self._at, self._now, self._high = array("d"), array("d"), array("d")
        self._zero = self.first
        self._of: dict[str, array[int]] = {}
        self.problems.clear()
        self._bad = {n.id: "" for n in self._tip.nodes.values() if n.problem is not None} | {
            r.key: "" for r in self._tip.node_roles.values() if r.state is State.ERROR
        }  # fmt: skip
        self._spans: list[tuple[float, float]] = []
        self._bad_since: float | None = None

    def close(self) -> None:
        self._journal.close()

    # -- reading ---------------------------------------------------------------------------------------------------

    def read(self, many: int = PIECE) -> bool:
        """Take in the next rows; False: there is no further one at present."""
        rows = self._journal.journal(self.last, many)
        if not rows:
            self.total = max(self.last, self.first)
            return False
        if rows[0].seq != self.last + 1:
            self._begin()
            raise Pruned(f"the journal begins at {self.first + 1} now")
        self.total = max(self.total, rows[-1].seq)
        start = 0
        while start < len(rows):
            end = min(start + self._every - (self.last - self._zero) % self._every, len(rows))
            self._tip = self._apply(self._tip, rows[start:end], note=True)
            self.last = rows[end - 1].seq
            if (self.last - self._zero) % self._every == 0:
                self._keep(self.last, self._tip)
            start = end
        return True

    def _keep(self, seq: int, world: World) -> None:
        if self._seqs[-1] == seq:
            self._worlds[-1] = world
            return
        self._seqs.append(seq)
        self._worlds.append(world)
        if len(self._seqs) > KEPT:
            self._seqs, self._worlds = self._seqs[::2], self._worlds[::2]
            self._every *= 2

    def _apply(self, world: World, rows: Sequence[JournalRow], note: bool = False) -> World:
        work = Work(world)
        for row in rows:
            try:
                changes = row.changes()
            except (KeyError, ValidationError) as error:
                raise StoreError(
                    f"row {row.seq} of the journal is no row of this program ({error}): look back with the version that wrote it"
                ) from error
            if note:
                self._note(row, changes, work)
            if any(table == "revisions" for table, _, _ in changes):
                world = self._revised(work.finish(keep_touched=False), changes)
                if note:
                    self._keep(row.seq, world)
                work = Work(world)
                continue
            for table, key, record in changes:
                if record is not None:
                    work.put(record)
                elif table != "node_roles":
                    work.drop(table, key)
                elif key in work.node_roles:
                    work.drop_role(key)  # type: ignore[arg-type]  # of that table, a pair
        return work.finish(keep_touched=False)

    def _revised(self, world: World, changes: Sequence[Change]) -> World:
        tables: dict[str, dict[Any, Any]] = {t: dict(getattr(world, t)) for t in KEYS if t != "meta"}
        tables["meta"] = {(): world.meta}
        for table, key, record in changes:
            if record is None:
                tables[table].pop(key, None)
            else:
                tables[table][key] = record
        return World.load(self._catalog, tables)

    def _note(self, row: JournalRow, changes: Sequence[Change], before: Work) -> None:
        """Remember when it was, whom it is about and what went wrong in it."""
        self._at.append(row.at)
        self._now.append(row.now)
        self._high.append(max(row.at, self._high[-1]) if self._high else row.at)
        about = set()
        for table, key, record in changes:
            if table == "nodes":
                about.add(str(key))
                was = before.nodes.get(key)
                if isinstance(record, Node) and record.problem is not None:
                    if was is None or was.problem is None:
                        self._went_wrong(row, record.id, "", record.problem)
                    self._bad[record.id] = ""
                else:
                    self._bad.pop(str(key), None)
            elif table == "node_roles":
                about.add(str(key[0]))  # type: ignore[index]  # of that table, a pair
                role = before.node_roles.get(key)
                if isinstance(record, NodeRole) and record.state is State.ERROR:
                    if role is None or role.state is not State.ERROR:
                        self._went_wrong(row, record.node, record.role, record.failure)
                    self._bad[key] = ""  # type: ignore[index]
                else:
                    self._bad.pop(key, None)  # type: ignore[call-overload]
        for node in about:
            self._of.setdefault(node, array("q")).append(row.seq)
        if self._bad and self._bad_since is None:
            self._bad_since = row.now
        elif not self._bad and self._bad_since is not None:
            self._spans.append((self._bad_since, row.now))
            self._bad_since = None

    def _went_wrong(self, row: JournalRow, node: str, role: str, reason: Reason | None) -> None:
        if len(self.problems) < PROBLEMS:
            self.problems.append(Problem(seq=row.seq, node=node, role=role, reason=reason))

    # -- moments ---------------------------------------------------------------------------------------------------

    def world(self, seq: int, near: tuple[int, World] | None = None) -> World:
        """As it was after row `seq`, which is put between `first` and `last`. `near`: a moment that the caller has, and its world. Raises
        Pruned."""
        seq = min(max(seq, self.first), self.last)
        if seq == self.last:
            return self._tip
        i = bisect_right(self._seqs, seq) - 1
        start, world = (self._seqs[i], self._worlds[i]) if i >= 0 else (-1, self._tip)
        if near is not None and start <= near[0] <= seq:
            start, world = near
        near_by = max((s for s in self._fine if start < s <= seq), default=0)
        if near_by:
            start, world = near_by, self._fine[near_by]
        rows = self.rows(start, seq)
        for i in range(0, len(rows), FINE):
            world = self._apply(world, rows[i : i + FINE])
            if i + FINE < len(rows):
                self._remember(rows[i + FINE - 1].seq, world)
        return world

    def _remember(self, seq: int, world: World) -> None:
        """A world between two kept ones: who steps back comes by again."""
        if len(self._fine) >= FINE_KEPT:
            del self._fine[next(iter(self._fine))]
        self._fine[seq] = world

    def rows(self, after: int, to: int) -> list[JournalRow]:
        """Rows with `after` < seq <= `to`. Raises Pruned."""
        out: list[JournalRow] = []
        while after < to:
            some = self._journal.journal(after, min(to - after, 1000))
            if not some or some[0].seq != after + 1:
                self._lose()
            out += some
            after = some[-1].seq
        return out

    def _lose(self) -> None:
        """The oldest rows are gone: so are the moments there."""
        tables, first = self._journal.base()
        if first <= self.first:
            raise StoreError("the journal has a gap: look at it with crowbar doctor")
        if first >= self.last:
            self._begin()
        else:
            self.first = first
            self._fine.clear()
            i = bisect_left(self._seqs, first)
            self._seqs, self._worlds = [first, *self._seqs[i:]], [World.load(self._catalog, tables), *self._worlds[i:]]
            self.problems = [p for p in self.problems if p.seq > first]
        raise Pruned(f"the journal begins at {self.first + 1} now")

    def at(self, seq: int) -> float:
        """Wall time of a row; of `first`, that of the row after it; 0: there is no row."""
        return self._at[self._place(seq)] if self._at else 0.0

    def now(self, seq: int) -> float:
        """Engine time of a row, likewise."""
        return self._now[self._place(seq)] if self._now else 0.0

    def _place(self, seq: int) -> int:
        return min(max(seq, self.first + 1), self.last) - self._zero - 1

    def by_now(self, now: float) -> int:
        """The last row at this engine time."""
        return max(self._zero + bisect_right(self._now, now), self.first)

    def by_clock(self, at: float) -> int:
        """The last row at this wall time. Of a clock that was put back, the latest time that it had shown counts."""
        return max(self._zero + bisect_right(self._high, at), self.first)

    # -- where to go -----------------------------------------------------------------------------------------------

    def problem_after(self, seq: int) -> Problem | None:
        return next((p for p in self.problems[bisect_right(self.problems, seq, key=_seq) :]), None)

    def problem_before(self, seq: int) -> Problem | None:
        i = bisect_left(self.problems, seq, key=_seq)
        return self.problems[i - 1] if i else None

    def change_after(self, node: str, seq: int) -> int | None:
        """The next row that changed this node or a role of it."""
        of = self._of.get(node)
        i = bisect_right(of, seq) if of else 0
        return of[i] if of and i < len(of) else None

    def change_before(self, node: str, seq: int) -> int | None:
        of = self._of.get(node)
        i = bisect_left(of, seq) if of else 0
        return of[i - 1] if of and i and of[i - 1] > self.first else None

    def stretch(self) -> Stretch:
        begins, ends = self.now(self.first), self.now(self.last)
        bad = [*self._spans, *([(self._bad_since, ends)] if self._bad_since is not None else [])]
        spans = tuple((max(a, begins), b) for a, b in bad if b >= begins)
        return Stretch(begins=begins, ends=ends, problems=tuple(self.now(p.seq) for p in self.problems), bad=spans)


def _seq(problem: Problem) -> int:
    return problem.seq
