"""The console's state, without a terminal: the last snapshot and what follows from it, the stack of screens, marks, filters, notes.

Keys and snapshots change it, `frame` draws it. It does no I/O: commands leave through `send`, whose answers come back by `answered`.

Rules
* A row is made anew only when the journal names its node, or when it is looked at: 1,000 nodes at 200 changes a second cost a few per
  cent. What is dear (topology, next step, estimate) is made at most so often that it takes a twentieth of the time.
* The cursor stays on its thing, not on its line, whatever sorts and moves around it.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from engine.views.show import (
    HUMAN,
    Estimate,
    Kind,
    Node,
    NodeRow,
    Step,
    Topology,
    World,
    estimate,
    lost,
    next_step,
    node_row,
    servers,
    short,
    topology,
    why,
)

from .overlays import Overlay
from .page import Listing, Page, Subject
from .source import Live, Said, Snapshot, Source

if TYPE_CHECKING:
    from .past import PastSource

T = TypeVar("T")

STORY = 5000
NOTES = 200
CALM_S = 0.15
"""Seconds after which a moment of the past stands still."""
NOTE_S = 6.0
"""Seconds that an answer stands over the next line."""


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
    """A value that costs much: made at most so often that it takes a twentieth of the time."""

    def __init__(self) -> None:
        self.version = -1
        self.value: Any = None
        self._until = 0.0

    def get(self, version: int, make: Callable[[], T], calm: bool = False) -> T:
        """`calm`: nothing else is going on, so it is made now if it is not of this version."""
        now = time.perf_counter()
        if self.version < 0 or (version != self.version and (calm or now >= self._until)):
            begun = time.thread_time()
            self.value = make()
            self.version = version
            cost = time.thread_time() - begun
            self._until = now + cost * (20 if cost > 0.002 else 0)
        value: T = self.value
        return value


class Desk:
    def __init__(self, snapshot: Snapshot, theme: str = "default", wall: Callable[[], float] = time.time, where: Path | str = "") -> None:
        from .pages import SCREENS

        self.wall = wall
        self.theme = theme
        self.snapshot_where = where
        self.send: Callable[[list[Order]], None] = lambda _orders: None
        self.leave: Callable[[bool], None] = lambda _stop: None
        """Ends the console; true: the engine as well."""
        self.begin: Callable[[list[str]], None] = lambda _words: None
        """Ends the console and its engine, and carries out another command in this terminal."""
        self.work: Callable[[Callable[[], Any], Callable[[Any], None]], None] = lambda job, done: done(job())
        """Does a job that takes time or touches files in a thread; `done` gets what it returned, or the exception, between two keys."""
        self.source: Source | None = None
        """For jobs only: the console itself does not wait for it."""
        self.redye: Callable[[], None] = lambda: None
        self.rehearsal = False
        """The rack is a virtual one, beside the store: its machines can be mended by a key."""
        self.look_back: Callable[[], None] = lambda: None
        """To the past, or back to now."""
        self.past: PastSource | None = None
        """This desk shows the past: what moves the moment."""
        self.beside: Desk | None = None
        """The present, to which a look back returns."""
        self.real: Callable[[], float] = lambda: self.wall()
        """What the clock on the wall says, whatever moment is shown."""
        self.version = 0
        self.snapshot = snapshot
        self.rows: dict[str, NodeRow] = {}
        self.order: list[str] = []
        self.counts: Counter[str] = Counter()
        self.story: deque[dict[str, Any]] = deque(maxlen=STORY)
        self.notes: deque[Note] = deque(maxlen=NOTES)
        self.marks: set[str] = set()
        self.waiting = 0
        """Commands that are not answered yet."""
        self.overlay: Overlay | None = None
        self._nodes: dict[str, Node] = {}
        self._fresh: dict[str, int] = {}
        self._links, self._step, self._estimate = _Dear(), _Dear(), _Dear()
        self._memory: dict[Any, tuple[int, Any]] = {}
        self._take(snapshot._replace(touched=None))
        self.screens = [make(self) for make in SCREENS]
        self.stack: list[Page] = [self.screens[0]]

    # -- what is shown ---------------------------------------------------------------------------------------------

    @property
    def page(self) -> Page:
        return self.stack[-1]

    @property
    def world(self) -> World:
        return self.snapshot.world

    def remember(self, key: Any, make: Callable[[], T]) -> T:
        """A value that holds for this state of the world."""
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
        """The past stands still: what is shown shall all be of this moment."""
        return self.past is not None and time.perf_counter() - self._moved > CALM_S

    def row(self, node: str) -> NodeRow:
        """As the world is now; for rows that are looked at."""
        row = self.rows[node]
        if self._fresh.get(node) != self.version and node in self._nodes:
            row = self.rows[node] = node_row(self.world, self._nodes[node])
            self._fresh[node] = self.version
        return row

    def listed(self) -> list[NodeRow]:
        """Servers by place and name, machines that are no nodes yet, and this machine while it is not ready."""
        return self.remember("listed", self._listed)

    def _listed(self) -> list[NodeRow]:
        out = [self.rows[n] for n in self.order]
        for s in lost(self.world):
            at = s.boot.at if s.boot is not None else s.last
            signal = s.boot.signal.value if s.boot is not None else "dhcp"
            reason = why(s.reason) if s.reason is not None else None
            out.append(
                NodeRow(
                    id=s.mac, name=s.mac, kind="sighting", state="sighted", place="", group="", family=s.vendor, address=s.address, runs="",
                    signal=signal, signal_at=at, since=s.first, done=0, roles=0, boots=0, why=reason,
                )
            )  # fmt: skip
        admin = self.rows.get("admin")
        if admin is not None and admin.state != "ready":
            out.insert(0, admin)
        return out

    def say(self, text: str) -> str:
        """A sentence of the engine without the site's domain: names are shown by their first label."""
        plan = self.world.plan
        return text.replace(f".{plan.site.domain}", "") if plan is not None else text

    def node(self, name: str) -> Node | None:
        """By id or name."""
        return self._nodes.get(name) or self.world.node_named(name)

    def live(self, node: str) -> Live | None:
        return self.snapshot.progress.get(node)

    def share(self, row: NodeRow) -> float:
        """How far a node is, 0 to 1: roles that are done, and the part of the one that runs."""
        if not row.roles:
            return 0.0
        live = self.live(row.id) if row.task else None
        return min((row.done + (live.percent / 100 if live is not None else 0.0)) / row.roles, 1.0)

    def heard(self, row: NodeRow) -> float:
        """Wall time of the last sign of life."""
        live = self.live(row.id)
        return max(row.signal_at, row.task_since, live.at if live is not None and row.task else 0.0)

    # -- snapshots -------------------------------------------------------------------------------------------------

    def take(self, snapshot: Snapshot) -> None:
        before = self.snapshot
        self.snapshot = snapshot
        if snapshot.said is not None:
            self.note(snapshot.said)
        if snapshot.trouble != before.trouble and snapshot.state in ("alone", "failed"):
            self.note(Said(False, snapshot.trouble or "the engine is gone"))
        elif snapshot.state != before.state and before.state in ("alone", "failed"):
            self.note(Said(True, "attached to the engine again"))
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
            old = self.rows.pop(node, None)
            if old is not None and old.kind == Kind.SERVER.value:
                self.counts[standing(old)] -= 1
            self.marks.discard(node)
        for node in touched:
            old = self.rows.get(node)
            row = self.rows[node] = node_row(world, nodes[node])
            self._fresh[node] = self.version
            if row.kind == Kind.SERVER.value:
                self.counts[standing(row)] += 1
                if old is not None:
                    self.counts[standing(old)] -= 1
        if moved or gone or not self.order:
            self.order = [n.id for n in servers(world)]

    # -- commands --------------------------------------------------------------------------------------------------

    def subject(self) -> Subject:
        """What a command is for: the marked nodes, else what the cursor is on."""
        found = self.page.subject()
        if self.marks and not found.role:
            return Subject(tuple(n for n in self.order if n in self.marks))
        return found

    def may_do(self) -> bool:
        """Something can be done now; else it is said why not."""
        if self.past is None:
            return True
        from .looking import refusal

        self.overlay = None
        self.note(refusal(self))
        return False

    def give(self, orders: list[Order]) -> None:
        if not self.may_do():
            return
        if self.snapshot.state in ("alone", "failed"):
            self.note(Said(False, self.snapshot.trouble or "no engine runs on this store", "start one: crowbar"))
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

    def go_where(self, other: Desk) -> None:
        """To the screen that the other one shows, as far as it is there."""
        from .pages.node import NodeScreen

        number = next((i for i, page in enumerate(other.screens) if page is other.stack[0]), 0)
        self.show(number)
        mine, theirs = self.page, other.stack[0]
        if isinstance(mine, Listing) and isinstance(theirs, Listing):
            mine.at, mine.index, mine.moved, mine.sort, mine.reverse = theirs.at, theirs.index, theirs.moved, theirs.sort, theirs.reverse
        node = next((page.id for page in other.stack if isinstance(page, NodeScreen)), "")
        if node and self.node(node) is not None:
            self.push(NodeScreen(self, node))

    def show(self, number: int) -> None:
        self.stack = [self.screens[number]]

    def push(self, page: Page) -> None:
        if self.page.ident() != page.ident():
            self.stack.append(page)
            del self.stack[1:-12]

    def back(self) -> bool:
        if len(self.stack) > 1:
            self.stack.pop()
            return True
        return False

    def press(self, key: str) -> None:
        """One key."""
        from .keys import press

        press(self, key)


def standing(row: NodeRow) -> str:
    """One of four: `ready`, `working`, `waiting` (for a person's word), `problem`."""
    if row.state == "ready" or (row.roles and row.done == row.roles and row.why is None and not row.task):
        return "ready"  # all that is asked of it is done: discovered, where the plan asks for no more
    code = row.why.code if row.why is not None else ""
    if row.state == "problem" or code in ("failed", "unverifiable"):
        return "problem"
    if row.state == "hold" or code in HUMAN:
        return "waiting"
    return "working"


INK = {"ready": "good", "working": "busy", "waiting": "ask", "problem": "bad"}
MARK = {"ready": " ", "working": " ", "waiting": "?", "problem": "!"}
"""By standing."""
