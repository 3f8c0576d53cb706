"""A session at the console, without a terminal: the last snapshot and its consequences, the stack of screens, marks, notes.

Keys and snapshots change it, and `frame` draws it. It does no I/O: commands leave through `send`, and answers arrive by `answered`.

Rules
* A row is rebuilt only when the journal names its node, or when somebody looks at it: 1,000 nodes with 200 changes a second cost a few
  per cent. Expensive values (topology, next step, estimate) may use at most 2.5 % of the time, and no key waits for them.
* The cursor stays on its thing, not on its line, even if rows are sorted or move.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from engine.api.views import (
    Estimate,
    Node,
    NodeRow,
    Progress,
    QueuedProblem,
    Step,
    Topology,
    World,
    WrongCable,
    estimate,
    lost,
    machines,
    next_step,
    node_row,
    problem_queue,
    progress,
    short,
    sighting_reason,
    topology,
    why,
    wrong_cables,
)

from .chart_feed import ChartFeed
from .company import Console
from .dear import Dear
from .defects import Defects, unreadable
from .hearing import Alert, Hearing
from .keeping import Keeping
from .manner import CAPTIVE, READ_ONLY, Manner
from .orders import Batch, Note, Order
from .screen import Overlay, Screen, Subject
from .snapshot import LookBack, Said, Snapshot, Source, TaskProgress
from .standing import COUNTED, standing
from .storm import Storm
from .terminal import Terminal

T = TypeVar("T")

STORY = 5000
NOTES = 200
CALM_S = 0.15
"""Seconds after which the screen of a past moment is complete."""
NOTE_S = 6.0
"""Seconds that an answer stays above the next line."""


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
        self._attend()
        self.feed = ChartFeed(where)
        self.storm = Storm()
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
        self.hurried = False
        """True while the answer to a key is drawn: expensive values may be those of a moment ago."""
        self._remember_nothing(snapshot)
        self._take(snapshot._replace(touched=None))
        self.body_rows = 0
        """Lines of the body as it was drawn last."""
        self.manner = Manner()
        self.screens = [make(self) for make in screens]
        self.stack: list[Screen] = [self.screens[0]]
        self.earlier: list[Screen] = []

    def _remember_nothing(self, snapshot: Snapshot) -> None:
        """What the session knows before its first snapshot is taken in."""
        self.defects = Defects()
        self.defects.note = lambda text, advice: self.note(Said(False, text, advice))
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
        self._placed: dict[str, tuple[str, Any]] = {}
        """Node -> name and place, on which the order depends."""
        self._whole = False
        """True after a snapshot that could not be taken in: the next one is taken in as a whole."""
        self._fresh: dict[str, int] = {}
        self._links, self._step, self._estimate, self._queue = Dear(), Dear(), Dear(), Dear()
        self._cables: tuple[Topology | None, dict[str, tuple[WrongCable, ...]]] = None, {}
        self._progress: dict[str, tuple[tuple[NodeRow, tuple[float, ...]], Progress, tuple[NodeRow, float]]] = {}
        """Node id -> its row and what stages take, its progress by both, and the last share that was shown, with the row then."""
        self._batches: list[Batch] = []
        self._hearing = Hearing(self)
        self.needy: set[str] = set()
        """Nodes that need a person."""
        self._memory: dict[Any, tuple[tuple[int, int], Any]] = {}

    def _attend(self) -> None:
        """What the keys and the alerts remember."""
        self.terminal = Terminal()
        self.keeping = Keeping()
        self.search: object = None
        """What the palette finds, once it was opened."""
        self.last_mark = ""
        """Id of the node that was marked last, where a range begins."""
        self.before = ""
        """The key before this one, for keys of two letters."""
        self.kept_place: tuple[Screen, Any, bool] | None = None
        """A page with the key under its cursor before `g`, and whether the user had moved it."""
        self.problem_at = ""
        """Key of the problem that `[` and `]` went to last."""
        self.alert = Alert("", "")
        """The loud line, until the next key."""
        self.ring: Callable[[str], None] = lambda _text: None
        """Rings the terminal's bell, with a notification."""

    # -- what is shown ---------------------------------------------------------------------------------------------

    @property
    def page(self) -> Screen:
        return self.stack[-1]

    @property
    def world(self) -> World:
        return self.snapshot.world

    def remember(self, key: Any, make: Callable[[], T]) -> T:
        """A value, cached until the world or its topology changes."""
        found = self._memory.get(key)
        if found is None or found[0] != self.seen():
            if len(self._memory) > 64:
                self._memory.clear()
            value = make()  # this may compute the topology
            self._memory[key] = found = (self.seen(), value)
        kept: T = found[1]
        return kept

    def seen(self) -> tuple[int, int]:
        """What is shown now: changes with the world, and with the topology, which may be older."""
        return self.version, self._links.version

    def links(self) -> Topology:
        return self._links.get(self.version, lambda: topology(self.world), self._calm(), self.hurried)

    def step(self) -> Step:
        return self._step.get(self.version, lambda: next_step(self.world, self.links()), self._calm(), self.hurried)

    def cables(self, row: NodeRow) -> tuple[WrongCable, ...]:
        """The node's wrong cables."""
        links = self.links()
        if self._cables[0] is not links:
            found: dict[str, tuple[WrongCable, ...]] = {}
            for one in wrong_cables(links):
                found[one.node] = (*found.get(one.node, ()), one)
            self._cables = links, found
        return self._cables[1].get(short(row.name), ())

    def estimate(self) -> Estimate:
        return self._estimate.get(self.version, lambda: estimate(self.world, self.wall()), self._calm(), self.hurried)

    def queue(self) -> list[QueuedProblem]:
        """What needs a person, the worst first."""

        def make() -> list[QueuedProblem]:
            return problem_queue(self.world, self.links(), [row for row in self.rows.values() if row.kind in COUNTED], self.step())

        return self._queue.get(self.version, make, self._calm())

    def _calm(self) -> bool:
        """True if a past moment does not change: then everything on the screen must belong to it."""
        return self.past is not None and time.perf_counter() - self._moved > CALM_S

    def row(self, node: str) -> NodeRow:
        """The row from the present world, for rows that somebody looks at."""
        row = self.rows[node]
        found = self.world.nodes.get(node)
        return row if found is None or self._fresh.get(node) == self.version else self._put(self.world, found)

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
        return self.world.nodes.get(name) or self.world.node_named(name)

    def drop(self, machine: str) -> dict[str, Any] | None:
        """The last packet of this node (id) or MAC that was dropped or read in part, or None."""
        found = self.snapshot.health.get("drops_of") or {}
        node = self.world.nodes.get(machine)
        several = [found[mac] for mac in (node.macs if node is not None else (machine,)) if mac in found]
        return min(several, key=lambda d: (d["answered"], -d["at"])) if several else None

    def progress(self, node: str) -> TaskProgress | None:
        return self.snapshot.progress.get(node)

    def share(self, row: NodeRow) -> float:
        """Progress of a node over its whole life, from 0 to 1. It goes back only if a stage or role has to run again."""
        node = self.world.nodes.get(row.id)
        if not row.roles or node is None:
            return 0.0
        if row.state == "ready":
            return 1.0
        kept, weights = self._progress.get(row.id), self.estimate().pace.of(self.world, node.family)
        if kept is None or kept[0][0] is not row or kept[0][1] != weights:
            shown = kept[2] if kept is not None else (row, 0.0)
            kept = self._progress[row.id] = (row, weights), progress(self.world, node, weights), shown
        told = self.progress(row.id) if row.task else None
        share = kept[1].share(told.percent if told is not None else 0.0)
        before, most = kept[2]
        if row.done >= before.done and self.past is None:
            share = max(share, most)  # what was measured meanwhile changes the weights
        self._progress[row.id] = kept[0], kept[1], (row, share)
        return share

    def last_seen(self, row: NodeRow) -> float:
        """Wall time of the last sign of life."""
        progress = self.progress(row.id)
        return max(row.signal_at, row.task_since, progress.at if progress is not None and row.task else 0.0)

    # -- snapshots -------------------------------------------------------------------------------------------------

    def take(self, snapshot: Snapshot) -> None:
        before = self.snapshot
        self.snapshot = snapshot
        self.storm.take(snapshot.health.get("traffic"), snapshot.at)
        if snapshot.said is not None:
            self.note(snapshot.said)
        if snapshot.trouble != before.trouble and snapshot.connection in ("alone", "failed"):
            self.note(Said(False, snapshot.trouble or "the engine does not answer any more"))
        elif snapshot.connection != before.connection and before.connection in ("alone", "failed"):
            self.note(Said(True, "the engine answers again"))
        if snapshot.world is not before.world or snapshot.told or snapshot.anew or self._whole:
            whole, self._whole = self._whole, True
            self._take(snapshot._replace(touched=None) if whole else snapshot)
            self._whole = False
        if self.past is None:
            self._hearing.take(snapshot)

    @property
    def company(self) -> list[Console]:
        """The consoles of others at this engine."""
        return self._hearing.company

    def _take(self, snapshot: Snapshot) -> None:
        self.version += 1
        self._moved = time.perf_counter()
        if snapshot.anew:
            self.story.clear()
        self.story.extend(row for row in snapshot.told)
        world, known = snapshot.world, self._placed
        nodes = world.nodes
        # The world may be newer than the rows that name what changed. So who came and who went is read from the world.
        touched = {n for n in snapshot.touched if n in nodes} if snapshot.touched is not None else set(nodes)
        touched.update(n for n in nodes if n not in known)
        gone = [n for n in known if n not in nodes]
        moved = False
        for node in gone:
            del known[node]
            self._drop(node)
            self.marks.discard(node)
        for node in touched:
            record = nodes[node]
            placed = (record.name, record.place)
            moved = moved or known.get(node) != placed
            known[node] = placed
            self._put(world, record)
        if moved or gone or not self.order:
            self.order = [n.id for n in machines(world)]

    def _drop(self, node: str) -> None:
        """The node's row goes, and the counts with it."""
        old = self.rows.pop(node, None)
        self.needy.discard(node)
        if old is not None and old.kind in COUNTED:
            self.counts[standing(old)] -= 1

    def _put(self, world: World, node: Node) -> NodeRow:
        """The node's row as it is now, and the counts with it."""
        self._drop(node.id)
        row = self.defects.guarded(f"the state of {short(node.name)}", lambda: node_row(world, node), lambda _: unreadable(node))
        self.rows[node.id] = row
        self._fresh[node.id] = self.version
        if row.kind in COUNTED:
            how = standing(row)
            self.counts[how] += 1
            if how in ("problem", "waiting"):
                self.needy.add(node.id)
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
        if self.past is None and not self.manner.read_only:
            return True
        self.overlay = None
        if self.past is None:
            self.note(READ_ONLY)
            return False
        way = "B returns to now" if self.beside is not None else "q leaves"
        self.note(Said(False, "this is a look back: you cannot change the past", way))
        return False

    def may_use_machine(self) -> bool:
        """True if the user may name files here and start programs. Otherwise shows a note with the reason."""
        if self.manner.captive:
            self.overlay = None
            self.note(CAPTIVE)
        return not self.manner.captive

    def give(self, orders: list[Order], done: Callable[[list[Note]], None] | None = None) -> None:
        """Sends commands. `done` gets all answers, in the order of the commands, when the last one has come."""
        if not self.may_do():
            return
        if self.snapshot.connection in ("alone", "failed"):
            self.note(Said(False, self.snapshot.trouble or "no engine runs on this store", "start one with crowbar"))
            return
        self.waiting += len(orders)
        if done is not None:
            self._batches.append(Batch(orders, done))
        self.send(orders)

    def answered(self, order: Order, said: Said) -> None:
        self.waiting -= 1
        head = "" if short(self._name(order.node)) in said.text else f"{short(self._name(order.node))}: "
        self.note(said._replace(text=head + said.text))
        for batch in self._batches:
            if batch.took(order, self.notes[-1]):
                break
        self._batches = [batch for batch in self._batches if batch.left]

    def _name(self, node: str) -> str:
        found = self.world.nodes.get(node)
        return found.name if found is not None else node

    def note(self, said: Said) -> None:
        self.notes.append(Note(self.real(), said.ok, self.say(said.text), self.say(said.advice)))

    def say_so(self, text: str) -> None:
        """A note that nobody asked for."""
        self.note(Said(True, text))

    def refuse(self, text: str, advice: str = "") -> None:
        self.note(Said(False, text, advice))

    def toast(self) -> Note | None:
        """The last answer, while it is new."""
        last = self.notes[-1] if self.notes else None
        return last if last is not None and self.real() - last.at < NOTE_S else None

    # -- screens ---------------------------------------------------------------------------------------------------

    def show(self, number: int) -> None:
        if self.stack != [self.screens[number]]:
            self.earlier = self.stack
        self.stack = [self.screens[number]]

    def last_view(self) -> None:
        """What was shown before the last change of screens, and back."""
        if self.earlier:
            self.stack, self.earlier = self.earlier, self.stack

    def push(self, page: Screen) -> None:
        if self.page.ident() != page.ident():
            self.keeping.restore(page)
            self.stack.append(page)
            del self.stack[1:-12]

    def back(self) -> bool:
        if len(self.stack) > 1:
            self.stack.pop()
            return True
        return False

    def press(self, key: str) -> None:
        """Handles one key, as it was pressed."""
        self.alert = Alert("", "")
        typed = self.page.typing if self.overlay is None else not self.overlay.commands
        self._keys(self, key if typed else self.manner.keymap.own(key))

    def command(self, own: str) -> None:
        """What one of the console's own keys does, wherever the user has put it."""
        self.alert = Alert("", "")
        self._keys(self, own)

    def key(self, own: str) -> str:
        """What to press here for keys of the console."""
        return own if self.page.typing else self.manner.keymap.shown(own)

    def advise(self, text: str) -> str:
        """A sentence that tells what to press, with the user's keys and short host names."""
        return self.manner.keymap.words(self.say(text))
