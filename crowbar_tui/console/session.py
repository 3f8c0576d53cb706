"""A session at the console, without a terminal: the last snapshot and its consequences, the stack of screens, marks, notes.

Keys and snapshots change it, and `frame` draws it. It does no I/O: commands leave through `send`, and answers arrive by `answered`.

Rules
* A row is rebuilt only when the journal names its node, or when somebody looks at it: 1,000 nodes with 200 changes a second cost a few
  per cent. Expensive values (topology, next step, estimate) may use at most 5 % of the time.
* The cursor stays on its thing, not on its line, even if rows are sorted or move.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from engine.api.views import (
    Estimate,
    Kind,
    Node,
    NodeRow,
    Step,
    Topology,
    World,
    estimate,
    is_failure,
    lost,
    machines,
    needs_person,
    next_step,
    node_row,
    short,
    sighting_reason,
    topology,
    why,
)

from .screen import Overlay, Screen, Subject
from .snapshot import LookBack, Said, Snapshot, Source, TaskProgress

T = TypeVar("T")
COUNTED = (Kind.SERVER.value, Kind.JOINED.value)
"""Kinds of node in the counts and the order of the rack."""

STORY = 5000
NOTES = 200
CALM_S = 0.15
"""Seconds after which the screen of a past moment is complete."""
NOTE_S = 6.0
"""Seconds that an answer stays above the next line."""


class Note(NamedTuple):
    at: float
    ok: bool
    text: str
    advice: str


class Order(NamedTuple):
    """A command to the engine."""

    verb: str
    node: str
    role: str = ""
    value: Any = None


class _Dear:
    """An expensive value: computing it takes at most 5 % of the time."""

    def __init__(self) -> None:
        self.version = -1
        self.value: Any = None
        self._until = 0.0

    def get(self, version: int, make: Callable[[], T], calm: bool = False) -> T:
        """`calm`: nothing else happens, so it is computed now if it is out of date."""
        now = time.perf_counter()
        if self.version < 0 or (version != self.version and (calm or now >= self._until)):
            begun = time.thread_time()
            self.value = make()
            self.version = version
            cost = time.thread_time() - begun
            self._until = now + cost * (20 if cost > 0.002 else 0)
        value: T = self.value
        return value


class Session:
    """`screens` makes the screens, in the order of their digits. `keys` handles a key. Both know pages; the session does not."""

    def __init__(
        self,
        snapshot: Snapshot,
        screens: Sequence[Callable[[Session], Screen]],
        keys: Callable[[Session, str], None],
        theme: str = "default",
        wall: Callable[[], float] = time.time,
        where: Path | str = "",
    ) -> None:
        self._keys = keys
        self.wall = wall
        self.theme = theme
        self.snapshot_where = where
        self.send: Callable[[list[Order]], None] = lambda _orders: None
        self.leave: Callable[[bool], None] = lambda _stop: None
        """Ends the console. True: stops the engine too."""
        self.begin: Callable[[list[str]], None] = lambda _words: None
        """Ends the console and its engine, and runs another command in this terminal."""
        self.work: Callable[[Callable[[], Any], Callable[[Any], None]], None] = lambda job, done: done(job())
        """Runs a slow job or one that reads files in a thread. `done` gets the result or the exception, between two keys."""
        self.source: Source | None = None
        """True for jobs only: the console does not wait for it at its end."""
        self.apply_theme: Callable[[], None] = lambda: None
        self.rehearsal = False
        """True if the rack beside the store is a virtual one: keys can repair its machines."""
        self.look_back: Callable[[], None] = lambda: None
        """Switches to the past, or back to now."""
        self.past: LookBack | None = None
        """The source whose moment the keys move, if this session shows the past."""
        self.beside: Session | None = None
        """The session of the present, to which a look back returns."""
        self.real: Callable[[], float] = lambda: self.wall()
        """The real wall time, whatever moment is shown."""
        self.version = 0
        self.snapshot = snapshot
        self.rows: dict[str, NodeRow] = {}
        self.order: list[str] = []
        self.counts: Counter[str] = Counter()
        self.story: deque[dict[str, Any]] = deque(maxlen=STORY)
        self.notes: deque[Note] = deque(maxlen=NOTES)
        self.marks: set[str] = set()
        self.waiting = 0
        """Commands without an answer yet."""
        self.overlay: Overlay | None = None
        self._nodes: dict[str, Node] = {}
        self._fresh: dict[str, int] = {}
        self._links, self._step, self._estimate = _Dear(), _Dear(), _Dear()
        self._memory: dict[Any, tuple[int, Any]] = {}
        self._take(snapshot._replace(touched=None))
        self.screens = [make(self) for make in screens]
        self.stack: list[Screen] = [self.screens[0]]

    # -- what is shown ---------------------------------------------------------------------------------------------

    @property
    def page(self) -> Screen:
        return self.stack[-1]

    @property
    def world(self) -> World:
        return self.snapshot.world

    def remember(self, key: Any, make: Callable[[], T]) -> T:
        """A value, cached until the world changes."""
        found = self._memory.get(key)
        if found is None or found[0] != self.version:
            if len(self._memory) > 64:
                self._memory.clear()
            self._memory[key] = found = (self.version, make())
        value: T = found[1]
        return value

    def links(self) -> Topology:
        return self._links.get(self.version, lambda: topology(self.world), self._calm())

    def step(self) -> Step:
        return self._step.get(self.version, lambda: next_step(self.world, self.links()), self._calm())

    def estimate(self) -> Estimate:
        return self._estimate.get(self.version, lambda: estimate(self.world, self.wall()), self._calm())

    def _calm(self) -> bool:
        """True if a past moment does not change: then everything on the screen must belong to it."""
        return self.past is not None and time.perf_counter() - self._moved > CALM_S

    def row(self, node: str) -> NodeRow:
        """The row from the present world, for rows that somebody looks at."""
        row = self.rows[node]
        if self._fresh.get(node) != self.version and node in self._nodes:
            row = self._put(self.world, node)
        return row

    def listed(self) -> list[NodeRow]:
        """Servers by place and name, then machines that are not nodes yet, and this machine while it is not ready."""
        return self.remember("listed", self._listed)

    def _listed(self) -> list[NodeRow]:
        out = [self.rows[n] for n in self.order]
        for s in lost(self.world):
            at = s.boot.at if s.boot is not None else s.last
            signal = s.boot.signal.value if s.boot is not None else "dhcp"
            told = sighting_reason(s)
            out.append(
                NodeRow(
                    id=s.mac,
                    name=s.mac,
                    kind="sighting",
                    state="sighted",
                    place="",
                    group="",
                    family=s.vendor,
                    address=s.address,
                    runs="",
                    signal=signal,
                    signal_at=at,
                    since=s.first,
                    done=0,
                    roles=0,
                    boots=0,
                    why=why(told) if told is not None else None,
                )
            )
        admin = self.rows.get("admin")
        if admin is not None and (admin.state != "ready" or admin.why is not None):
            out.insert(0, admin)
        return out

    def say(self, text: str) -> str:
        """A sentence of the engine with host names shortened to their first label."""
        plan = self.world.plan
        return text.replace(f".{plan.site.domain}", "") if plan is not None else text

    def node(self, name: str) -> Node | None:
        """Finds a node by id or name."""
        return self._nodes.get(name) or self.world.node_named(name)

    def drop(self, machine: str) -> dict[str, Any] | None:
        """The last packet of this node (id) or MAC that was dropped or read in part, or None."""
        found = self.snapshot.health.get("drops_of") or {}
        node = self._nodes.get(machine)
        several = [found[mac] for mac in (node.macs if node is not None else (machine,)) if mac in found]
        return min(several, key=lambda d: (d["answered"], -d["at"])) if several else None

    def progress(self, node: str) -> TaskProgress | None:
        return self.snapshot.progress.get(node)

    def share(self, row: NodeRow) -> float:
        """Progress of a node from 0 to 1: the finished roles, and the finished part of the running one."""
        if not row.roles:
            return 0.0
        progress = self.progress(row.id) if row.task else None
        return min((row.done + (progress.percent / 100 if progress is not None else 0.0)) / row.roles, 1.0)

    def last_seen(self, row: NodeRow) -> float:
        """Wall time of the last sign of life."""
        progress = self.progress(row.id)
        return max(row.signal_at, row.task_since, progress.at if progress is not None and row.task else 0.0)

    # -- snapshots -------------------------------------------------------------------------------------------------

    def take(self, snapshot: Snapshot) -> None:
        before = self.snapshot
        self.snapshot = snapshot
        if snapshot.said is not None:
            self.note(snapshot.said)
        if snapshot.trouble != before.trouble and snapshot.connection in ("alone", "failed"):
            self.note(Said(False, snapshot.trouble or "the engine does not answer any more"))
        elif snapshot.connection != before.connection and before.connection in ("alone", "failed"):
            self.note(Said(True, "the engine answers again"))
        if snapshot.world is not before.world or snapshot.told or snapshot.anew:
            self._take(snapshot)

    def _take(self, snapshot: Snapshot) -> None:
        self.version += 1
        self._moved = time.perf_counter()
        if snapshot.anew:
            self.story.clear()
        self.story.extend(row for row in snapshot.told)
        world = snapshot.world
        nodes, known = world.nodes, self._nodes
        named = snapshot.touched if snapshot.touched is not None else {*nodes, *known}
        touched = {n for n in named if n in nodes}
        gone = {n for n in named if n not in nodes and n in known}
        moved = any(n not in known or known[n].place != nodes[n].place or known[n].name != nodes[n].name for n in touched)
        for node in touched:
            known[node] = nodes[node]
        for node in gone:
            del known[node]
            self._drop(node)
            self.marks.discard(node)
        for node in touched:
            self._put(world, node)
        if moved or gone or not self.order:
            self.order = [n.id for n in machines(world)]

    def _drop(self, node: str) -> None:
        """The node's row goes, and the counts with it."""
        old = self.rows.pop(node, None)
        if old is not None and old.kind in COUNTED:
            self.counts[standing(old)] -= 1

    def _put(self, world: World, node: str) -> NodeRow:
        """The node's row as it is now, and the counts with it."""
        self._drop(node)
        row = self.rows[node] = node_row(world, self._nodes[node])
        self._fresh[node] = self.version
        if row.kind in COUNTED:
            self.counts[standing(row)] += 1
        return row

    # -- commands --------------------------------------------------------------------------------------------------

    def subject(self) -> Subject:
        """The nodes that a command acts on: the marked ones, or the one under the cursor."""
        found = self.page.subject()
        if self.marks and not found.role:
            return Subject(tuple(n for n in self.order if n in self.marks))
        return found

    def may_do(self) -> bool:
        """True if a command is possible now. Otherwise shows a note with the reason."""
        if self.past is None:
            return True
        self.overlay = None
        way = "B returns to now" if self.beside is not None else "q leaves"
        self.note(Said(False, "this is a look back: you cannot change the past", way))
        return False

    def give(self, orders: list[Order]) -> None:
        if not self.may_do():
            return
        if self.snapshot.connection in ("alone", "failed"):
            self.note(Said(False, self.snapshot.trouble or "no engine runs on this store", "start one with crowbar"))
            return
        self.waiting += len(orders)
        self.send(orders)

    def answered(self, order: Order, said: Said) -> None:
        self.waiting -= 1
        head = "" if short(self._name(order.node)) in said.text else f"{short(self._name(order.node))}: "
        self.note(said._replace(text=head + said.text))

    def _name(self, node: str) -> str:
        found = self._nodes.get(node)
        return found.name if found is not None else node

    def note(self, said: Said) -> None:
        self.notes.append(Note(self.real(), said.ok, self.say(said.text), self.say(said.advice)))

    def toast(self) -> Note | None:
        """The last answer, while it is new."""
        last = self.notes[-1] if self.notes else None
        return last if last is not None and self.real() - last.at < NOTE_S else None

    # -- screens ---------------------------------------------------------------------------------------------------

    def show(self, number: int) -> None:
        self.stack = [self.screens[number]]

    def push(self, page: Screen) -> None:
        if self.page.ident() != page.ident():
            self.stack.append(page)
            del self.stack[1:-12]

    def back(self) -> bool:
        if len(self.stack) > 1:
            self.stack.pop()
            return True
        return False

    def press(self, key: str) -> None:
        """Handles one key."""
        self._keys(self, key)


def standing(row: NodeRow) -> str:
    """One of four: `ready`, `working`, `waiting` (for a person), `problem`."""
    if row.state == "ready" or (row.roles and row.done == row.roles and row.why is None and not row.task):
        return "ready"  # it has done all that the plan asks: only discovery, for example
    code = row.why.code if row.why is not None else ""
    if row.state == "problem" or is_failure(code):
        return "problem"
    if row.state == "hold" or needs_person(code):
        return "waiting"
    return "working"


STYLE = {"ready": "good", "working": "busy", "waiting": "ask", "problem": "bad"}
MARK = {"ready": " ", "working": " ", "waiting": "?", "problem": "!"}
"""Groups rows by these four."""
