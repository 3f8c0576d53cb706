"""A changing copy of a world, and what a step leaves beside it: changed rows, effects, wakes, and what is to be looked at. It can be rolled
back to a checkpoint.

`work.Work` adds how records change. Nobody else uses a draft.
"""

from __future__ import annotations

from collections.abc import Hashable
from operator import attrgetter, methodcaller
from typing import Any, NamedTuple, TypeVar

from msgspec.structs import replace

from ...definitions import Catalog
from ...effects import Effect
from ...events import Due, Wake
from ...last_values import Quiet, behind, differs_in_last_values, same_but_last
from ...model import TABLES, Journalled, Key, Lease, Meta, NodeId, Row, Sighting
from ...plan import Plan
from ..hardware.delegates import devices_at
from ..hardware.san import ROLE as SAN
from .share import Share, spent
from .view import MAPS, Changing, View
from .world import World

Change = tuple[str, Hashable, Row | None]
"""Table, key, and the record as it is now; None: deleted."""
R = TypeVar("R", bound=Row)
S = TypeVar("S", Sighting, Lease)
_TABLE_OF: dict[type, str] = {kind: table for table, kind in TABLES.items()}
_MAPS = attrgetter(*MAPS)
_MUTATE, _FINISH = methodcaller("mutate"), methodcaller("finish")


class Checkpoint(NamedTuple):
    """A draft as it was."""

    world: World
    rows: dict[tuple[str, Hashable], Row | None]
    effects: int
    wakes: int
    touched: dict[Key, None]
    looked: dict[str, None]
    released: dict[str, None]
    binding: dict[NodeId, bool]
    answers: list[Effect]
    quiet: set[tuple[str, Hashable]]


class Draft(View, Changing):
    """A changing copy of a world, used by one thread for one batch."""

    def __init__(self, world: World) -> None:
        self.base: Catalog = world.base
        self.catalog: Catalog = world.catalog
        self.plan: Plan | None = world.plan
        self.meta: Meta = world.meta
        self.collectors = world.catalog.collectors
        self.memo: dict[str, Any] = world.memo
        self._open(world)
        self.at = 0.0
        self.now = 0.0
        self.rows: dict[tuple[str, Hashable], Row | None] = {}
        self.quiet: set[tuple[str, Hashable]] = set()
        """Of `rows`, those that changed in their last values alone."""
        self.effects: list[Effect] = []
        self.wakes: list[Wake] = []
        self.touched: dict[Key, None] = dict.fromkeys(world.touched)
        self.looked: dict[str, None] = dict.fromkeys(world.looked)
        self.late = bool(world.looked or world.binding)
        """Nodes are to be looked at that an earlier step touched."""
        self.binding: dict[NodeId, bool] = dict(world.binding)
        """Nodes that are still to be bound by the plan (`plan.pieces`), and whether that was tried."""
        self.answers: list[Effect] = list(world.answers)
        """Receipts that are due when all are bound."""
        self.defers = False
        """Who is stale is looked at later, for all."""
        self.released: dict[str, None] = dict.fromkeys(world.released)
        """Resources that somebody gave back, or whose size changed. In order, so that equal worlds give equal plans."""
        self.free_from: dict[str, int] = {}
        """Network -> number below which no address of its range is free, as far as this working copy has looked."""
        self.full: dict[str, float] = dict(world.full)
        self.loading = False
        """Records are put as they were stored, and `load_ends` comes at the end."""
        self.loaded: dict[str, list[Key]] = {}
        self.starts = 0
        self.looks = 0
        """Node roles that this step has started, and looked at."""
        self.share: Share = world.share
        self.follows = True
        """Records are taken as they are, with what the journal knows of them. `step` says no."""
        self.hushed: bool | None = None
        """This event's changes of strangers stay out of the journal. None: it has changed none yet."""

    def _open(self, world: World) -> None:
        vars(self).update(zip(MAPS, map(_MUTATE, _MAPS(world)), strict=True))

    def checkpoint(self) -> Checkpoint:
        """Where `rollback` comes back to. Cheap: persistent maps share all that is the same."""
        world = self.finish()
        self._open(world)
        return Checkpoint(
            world,
            dict(self.rows),
            len(self.effects),
            len(self.wakes),
            dict(self.touched),
            dict(self.looked),
            dict(self.released),
            dict(self.binding),
            list(self.answers),
            set(self.quiet),
        )

    def rollback(self, to: Checkpoint) -> None:
        """Forget everything since the checkpoint."""
        self.catalog, self.plan, self.meta = to.world.catalog, to.world.plan, to.world.meta
        self.collectors, self.memo = self.catalog.collectors, to.world.memo
        self._open(to.world)
        self.rows, self.touched, self.looked, self.released, self.quiet = to.rows, to.touched, to.looked, to.released, to.quiet
        self.binding, self.answers, self.defers = to.binding, to.answers, False
        self.free_from.clear()
        self.full = dict(to.world.full)
        del self.effects[to.effects :]
        del self.wakes[to.wakes :]

    def all(self, kind: type[R]) -> list[R]:
        """All records of this type. It walks the whole table, so it is only for decisions that concern all of them."""
        table = _TABLE_OF[kind]
        whole = getattr(self, table).finish()
        setattr(self, table, whole.mutate())
        return list(whole.values())

    def limits(self) -> list[str]:
        """Resources that somebody waits for."""
        whole = self.queues.finish()
        self.queues = whole.mutate()
        return list(whole)

    @property
    def rest(self) -> bool:
        """More was touched than the last step may work on: a `Continue` shall follow."""
        return bool(self.touched or self.released or self.looked or self.binding)

    @property
    def binds(self) -> bool:
        """Nodes are still to be bound."""
        return bool(self.binding)

    def finish(self, keep_touched: bool = True) -> World:
        """The new world. The draft is used up."""
        fields: dict[str, Any] = dict(zip(MAPS, map(_FINISH, _MAPS(self)), strict=True))
        fields["base"], fields["catalog"], fields["plan"], fields["meta"] = self.base, self.catalog, self.plan, self.meta
        fields["touched"] = tuple(self.touched) if keep_touched else ()
        fields["released"] = tuple(self.released) if keep_touched else ()
        fields["memo"] = self.memo
        fields["looked"] = tuple(self.looked) if keep_touched else ()
        fields["binding"] = tuple(self.binding.items()) if keep_touched else ()
        fields["answers"] = tuple(self.answers) if keep_touched else ()
        fields["full"] = tuple(self.full.items())
        fields["share"] = self.share
        return World.of(fields)

    def take_changes(self) -> list[Change]:
        """The rows changed since the last call, each once, as they are now; `Quiet` those that are no news."""
        quiet = self.quiet
        out: list[Change]
        if quiet:
            out = [Quiet(*at, row) if at in quiet else (*at, row) for at, row in self.rows.items()]
        else:
            out = [(*at, row) for at, row in self.rows.items()]
        self.rows.clear()
        quiet.clear()
        return out

    def _changed(self, at: tuple[str, Hashable], old: Row | None, new: Row) -> None:
        """Remember the new row of a table that has last values."""
        self._remember(at, new, same_but_last(at[0], old, new))

    def _remember(self, at: tuple[str, Hashable], new: Row, quiet: bool) -> None:
        if not quiet:
            self.quiet.discard(at)
        elif at not in self.rows:
            self.quiet.add(at)
        self.rows[at] = new

    def _gone(self, at: tuple[str, Hashable], old: Row) -> None:
        """Remember that a row was deleted. The journal hears nothing of a row that it never had."""
        if behind(old) == "never":
            self.quiet.add(at)
        else:
            self.quiet.discard(at)
        self.rows[at] = None

    def _followed(self, at: tuple[str, Hashable], old: S | None, new: S, stranger: bool) -> S:
        """Remember the new row of a table that strangers fill. Returns it with the mark of what the journal will know of it."""
        before = old.journal if old is not None else ""
        if not self.follows and new.journal != before:
            new = replace(new, journal=before)
        same = new.journal == before and differs_in_last_values(at[0], old, new)
        if not self.follows and not same:
            mark: Journalled = ""
            if stranger:
                if self.hushed is None:
                    self.share, self.hushed = spent(self.share, self.now)
                if self.hushed:
                    mark = "never" if old is None or before == "never" else "older"
            if new.journal != mark:
                new = replace(new, journal=mark)
        self._remember(at, new, same or bool(new.journal))
        return new

    # -- what follows from a change --------------------------------------------------------------------------------

    def touch(self, key: Key) -> None:
        self.touched[key] = None

    def touch_node(self, node: str) -> None:
        """Look at the node, and at its node roles that can start: its holder, which can only resume, or those that are ready. What waits
        for these is touched when they let it go."""
        self.looked[node] = None
        self.touch_ready(node)
        for device in devices_at(self, node) if self.bound.get(SAN) else ():  # what waits for the node that carries its delegate
            self.looked[device] = None
            self.touch_ready(device)

    def touch_ready(self, node: str) -> None:
        holder = self.holders.get(node)
        for key in (self.ready.get(node) or ()) if holder is None else (holder,):
            self.touched[key] = None

    def look_later(self) -> None:
        """Keeps the nodes of what was touched, instead of all that was touched on them: fewer entries to carry along."""
        self.looked.update(dict.fromkeys([key[0] for key in self.touched]))
        self.touched.clear()

    def touch_children(self, key: Key) -> None:
        for child in self.children.get(key) or ():
            self.touched[child] = None

    def wake(self, now: float, due: Due) -> None:
        """At this engine time, look at that."""
        self.wakes.append(Wake(now, due))

    def order(self, effect: Effect) -> None:
        self.effects.append(effect)
