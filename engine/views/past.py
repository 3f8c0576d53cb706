"""The worlds of a journal, moment by moment, for *look back*. It applies rows; it does not run the engine's code again.

    past = Past(journal, catalog)
    while past.read(): ...                        # once through, some seconds for a large one; later for new rows
    world = past.world(seq)                       # as it was after that row

One pass reads every row once. It keeps the time of each row, where problems began and ended, which rows changed which node, and, every
so many rows, the world itself. A world consists of persistent maps, so a kept world costs only the changes since the previous one. A
moment is the nearest kept world before it, plus the rows from there on.

Rules
* A moment is the sequence number of a row. `first` is before the oldest row: an empty store, or the deleted rows, folded together.
* Everything is bounded: at most KEPT worlds (above that, every other one is dropped) and PROBLEMS problems. Rows stay in the journal and
  are read when needed.
* If rows are deleted from the journal meanwhile, the beginning is lost here too (`Pruned`).
* A plan makes another catalogue, and with it new indexes. So at a revision the world is loaded again from its tables.

Trap: the lists of work to do (`queues`, `touched`) belong to the engine. Here they are empty, and nobody may step these worlds.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any, Protocol, cast

from msgspec import Struct, ValidationError

from ..core.world.load import load_world
from ..core.world.work import Work
from ..core.world.world import World
from ..definitions import Catalog
from ..model import KEYS, Key, Node, NodeRole, State
from ..reasons import Reason
from ..store.errors import StoreError
from ..store.store import Change, JournalRow, Tables

PIECE = 500
"""Rows that one `read` takes: some tens of milliseconds."""
EVERY = 250
"""Rows between kept worlds, until there are too many."""
KEPT = 256
FINE, FINE_KEPT = 16, 48
"""Rows between the worlds that are cached near the viewed moment, and the number of these."""
PROBLEMS = 10_000


class Journal(Protocol):
    """A store opened for reading, or an exported file (`store.journal_file`)."""

    def base(self) -> tuple[Tables, int]: ...
    def journal(self, after: int = 0, limit: int = 1000) -> list[JournalRow]: ...
    def last_seq(self) -> int: ...
    def close(self) -> None: ...


class Pruned(Exception):
    """Needed rows were deleted meanwhile: the journal begins later now (`Past.first`)."""


class Problem(Struct, frozen=True, kw_only=True):
    """A problem began in this row: a node got a problem, or one of its roles failed."""

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
    """Begin of each problem."""
    bad: tuple[tuple[float, float], ...]
    """Spans in which at least one problem existed."""


class Past:
    """Raises StoreError if rows cannot be read. Not for two threads at once."""

    def __init__(self, journal: Journal, catalog: Catalog) -> None:
        self._journal = journal
        self._catalog = catalog
        self.problems: list[Problem] = []
        self._begin()

    def _begin(self) -> None:
        """Starts again from the base."""
        tables, self.first = self._journal.base()
        self.last = self.first
        """Sequence number of the last row that was read."""
        self.total = max(self._journal.last_seq(), self.first)
        """Sequence number of the last existing row."""
        self._tip = load_world(self._catalog, tables)
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
        }
        self._spans: list[tuple[float, float]] = []
        self._bad_since: float | None = None

    def close(self) -> None:
        self._journal.close()

    # -- reading ---------------------------------------------------------------------------------------------------

    def read(self, many: int = PIECE) -> bool:
        """Takes in the next rows. False: there are none at present."""
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
        return load_world(self._catalog, tables)

    def _note(self, row: JournalRow, changes: Sequence[Change], before: Work) -> None:
        """Records the row's time, its nodes, and its problems."""
        self._at.append(row.at)
        self._now.append(row.now)
        self._high.append(max(row.at, self._high[-1]) if self._high else row.at)
        about = set()
        for table, key, record in changes:
            if table == "nodes":
                about.add(str(key))
                was = before.nodes.get(str(key))
                if isinstance(record, Node) and record.problem is not None:
                    if was is None or was.problem is None:
                        self._went_wrong(row, record.id, "", record.problem)
                    self._bad[record.id] = ""
                else:
                    self._bad.pop(str(key), None)
            elif table == "node_roles":
                node_id, name = cast(Key, key)
                about.add(node_id)
                role = before.node_roles.get((node_id, name))
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
        """The world after row `seq`, limited to `first` ... `last`. `near`: a moment that the caller has, with its world. Raises Pruned."""
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
        """Caches a world between two kept ones, because a step back comes this way again."""
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
        """Handles that the oldest rows were deleted: their moments are gone too."""
        tables, first = self._journal.base()
        if first <= self.first:
            raise StoreError("the journal has a gap: look at it with crowbar doctor")
        if first >= self.last:
            self._begin()
        else:
            self.first = first
            self._fine.clear()
            i = bisect_left(self._seqs, first)
            self._seqs, self._worlds = [first, *self._seqs[i:]], [load_world(self._catalog, tables), *self._worlds[i:]]
            self.problems = [p for p in self.problems if p.seq > first]
        raise Pruned(f"the journal begins at {self.first + 1} now")

    def at(self, seq: int) -> float:
        """Wall time of a row. For `first`: that of the next row. 0: there is no row."""
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
        """The last row at this wall time. If a clock was set back, the latest time that it had shown counts."""
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
