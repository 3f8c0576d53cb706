"""The lives of the machines as a picture: what each was doing from its first packet to now, from the rows of a journal. Pure.

    chart = Chart(base, rows[0].now, seq)      # the records after row `seq`, the last one that is not kept
    for row in rows: chart.take(row)      # once each, in order; later the new ones
    lives = chart.lives(now)              # as of that engine time

A life is a chain of segments without gap or overlap, from the machine's first packet on. A segment has a stage and a condition. Marks stand
on it: failures, reboots, orders of an operator.

Rules
* Times are engine seconds: they never go back, and stand still while no engine runs. `wall` gives the clock time.
* It reads rows as plain data: 100,000 rows cost some seconds, one new row some microseconds. Only what a row changed is made again.
* Everything is bounded: SEGMENTS and MARKS of one life (then the shortest old segments are merged), GONE lives of deleted nodes.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from math import inf
from typing import Any, NamedTuple

from msgspec import ValidationError, convert, to_builtins

from ..model import Kind, State, Way
from ..reasons import Reason, sentence
from ..store.journal import JournalRow
from ..store.schema import Tables
from .orders import done

SEGMENTS = 400
MARKS = 200
GONE = 2000
COMMITS = 500
STRANGERS = 20_000
"""MACs whose first packet is remembered until they become nodes."""
RATES = 200_000
"""Requests of each kind whose time is kept."""
FIRST_STAGE = "discovery"
"""What a machine does before its first stage is recorded."""

BOOT, WORK, WAITS, PROBLEM, STOPPED, DONE = "boot", "work", "waits", "problem", "stopped", "done"
CONDITIONS = (BOOT, WORK, WAITS, PROBLEM, STOPPED, DONE)
"""`boot`: it boots, or does not answer. `work`: a role runs. `waits`: none does, and some are not done. `problem`: the node has a
problem, or a role failed. `stopped`: an operator holds it, powered it off, or made it unavailable. `done`: all committed roles are done."""

FAILURE, REBOOT, ORDER = "failure", "reboot", "order"

ASKED = {"DhcpAsked": "dhcp", "DhcpOverheard": "dhcp", "ScriptAsked": "http", "Hello": "http"}
"""Event -> the service that it came by."""


class Segment(NamedTuple):
    stage: str
    condition: str
    begins: float
    ends: float
    """Engine seconds. In an open life, the last segment ends at infinity until `lives` cuts it."""


class Mark(NamedTuple):
    at: float
    """Engine seconds."""
    kind: str
    """`failure`, `reboot` or `order`."""
    text: str


class MachineLife(NamedTuple):
    id: str
    name: str
    kind: str
    """A value of `model.Kind`."""
    begins: float
    known: float
    """When the machine became a node: its first packets came before."""
    ends: float
    """When the node was deleted. Infinity: it was not."""
    older: bool
    """True if its beginning is no longer in the journal."""
    segments: tuple[Segment, ...]
    marks: tuple[Mark, ...]


class _Line:
    """A life that grows."""

    def __init__(self, id_: str, begins: float, older: bool) -> None:
        self.id, self.begins, self.known, self.older = id_, begins, begins, older
        self.name, self.kind, self.ends = id_, Kind.SERVER.value, inf
        self.stage, self.boot, self.boots = "", -1, 0
        self.body: Mapping[str, Any] = {}
        self.roles: dict[str, tuple[str, int]] = {}
        """Role -> its stored state, and its failed attempts."""
        self.now = (FIRST_STAGE, BOOT)
        self.since = begins
        self.segments: list[Segment] = []
        self.marks: list[Mark] = []
        self.life: MachineLife | None = None

    def turn(self, at: float) -> None:
        """What it does from this moment on, if that is something else."""
        new = (self.body.get("stage") or FIRST_STAGE if self.kind == Kind.SERVER.value else "system", self._condition())
        self.life = None
        if new == self.now:
            return
        if at > self.since:
            self.segments.append(Segment(*self.now, self.since, at))
            self.since = at
            if len(self.segments) > SEGMENTS:
                self.segments = merged(self.segments, SEGMENTS // 2)
        elif self.segments and self.segments[-1][:2] == new:
            self.since = self.segments.pop().begins  # it was something else for no time at all
        self.now = new

    def _condition(self) -> str:
        body = self.body
        states = [state for state, _ in self.roles.values()]
        if body.get("problem") is not None or State.ERROR.value in states:
            return PROBLEM
        if body.get("hold") or body.get("off") is not None or not body.get("available", True):
            return STOPPED
        if body.get("boot") is not None or not body.get("alive", False):
            return BOOT
        if State.TRANSITION.value in states:
            return WORK
        if State.WAITING.value in states:
            return WAITS
        return DONE if body.get("allocated") or self.kind != Kind.SERVER.value else WAITS

    def mark(self, at: float, kind: str, text: str) -> None:
        self.marks.append(Mark(at, kind, text))
        if len(self.marks) > MARKS:
            del self.marks[0]
        self.life = None

    def whole(self) -> MachineLife:
        """The same value until something changes."""
        if self.life is None:
            chain = (*self.segments, *([Segment(*self.now, self.since, self.ends)] if self.ends > self.since else []))
            self.life = MachineLife(self.id, self.name, self.kind, self.begins, self.known, self.ends, self.older, chain, tuple(self.marks))
        return self.life


class Chart:
    """Not for two threads at once; what `view` returns never changes."""

    def __init__(self, base: Tables, now: float, seq: int = 0) -> None:
        """`base`: the records after row `seq`, before the first one that is kept. `now`: engine time of the first row."""
        self.seq = seq
        """The last row that was taken."""
        self.begins = self.now = now
        self._lines: dict[str, _Line] = {}
        self._gone: list[_Line] = []
        self._strangers: dict[str, float] = {}
        self._commits: list[Mark] = []
        self._clock: list[tuple[float, float]] = []
        """(engine time, wall minus engine time) from there on."""
        self._asked = {service: array("d") for service in ("dhcp", "tftp", "http")}
        for role in base.get("node_roles", {}).values():
            body = to_builtins(role)
            self._line(body["node"], now, True).roles[body["role"]] = (body["state"], body["tries"])
        for key, node in base.get("nodes", {}).items():
            self._node(self._line(str(key), now, True), to_builtins(node), now, quiet=True)

    def _line(self, node: str, at: float, older: bool = False) -> _Line:
        line = self._lines.get(node)
        if line is None:
            line = self._lines[node] = _Line(node, at, older)
        return line

    # -- rows ------------------------------------------------------------------------------------------------------

    def take(self, row: JournalRow) -> None:
        """The next row."""
        at = self.now = max(row.now, self.now)
        self.seq = row.seq
        if not self._clock or abs(self._clock[-1][1] - (row.at - row.now)) > 1.0:
            self._clock.append((at, row.at - row.now))
            del self._clock[:-1000]
        self._count(row, at)
        touched: dict[str, _Line] = {}
        for table, key, body in row.rows:
            if table == "nodes":
                self._took_node(str(key), body, at, touched)
            elif table == "sightings" and body is not None:
                self._sighted(str(key), body, at)
        for table, key, body in row.rows:  # now that their nodes are known
            if table == "node_roles" and isinstance(key, list):
                self._took_role(str(key[0]), str(key[1]), body, at, touched)
        for line in touched.values():
            line.turn(at)
        self._ordered(row, at, touched)

    def _count(self, row: JournalRow, at: float) -> None:
        what = row.fields.get("what")
        service = ASKED.get(row.event) or ({"loader": "tftp"}.get(str(what), "http") if row.event == "Fetched" else "")
        times = self._asked.get(service)
        if times is not None:
            times.append(at)
            if len(times) > RATES:
                del times[: RATES // 10]

    def _sighted(self, mac: str, body: Mapping[str, Any], at: float) -> None:
        if not body.get("node"):
            self._strangers.setdefault(mac, at)
            if len(self._strangers) > STRANGERS:
                del self._strangers[next(iter(self._strangers))]

    def _took_node(self, node: str, body: Mapping[str, Any] | None, at: float, touched: dict[str, _Line]) -> None:
        if body is None:
            line = self._lines.pop(node, None)
            touched.pop(node, None)
            if line is not None:
                line.ends, line.life = at, None
                for mac in line.body.get("macs") or ():
                    self._strangers.pop(mac, None)
                self._gone.append(line)
                del self._gone[:-GONE]
            return
        line = self._lines.get(node)
        if line is None:
            seen = [self._strangers[mac] for mac in body.get("macs") or () if mac in self._strangers]
            line = self._line(node, min([*seen, at]))
            line.known = at
        self._node(line, body, at)
        touched[node] = line

    def _node(self, line: _Line, body: Mapping[str, Any], at: float, quiet: bool = False) -> None:
        before, line.body = line.body, body
        line.name, line.kind = str(body.get("name", line.id)), str(body.get("kind", line.kind))
        boot, boots = body.get("boot"), int(body.get("boots", 0))
        generation = int(boot["generation"]) if boot else line.boot
        if not quiet and boot and generation != line.boot and boot.get("way") != Way.KEXEC.value:
            line.mark(at, REBOOT, f"boots {boot.get('environment', '')}")
        elif not quiet and before and boots > line.boots and boot is None and before.get("boot") is None:
            line.mark(at, REBOOT, "rebooted by itself")
        line.boot, line.boots = generation, boots
        problem = body.get("problem")
        if problem is not None and not quiet and problem != before.get("problem"):
            line.mark(at, FAILURE, _words(problem))
        if quiet:
            line.now = (line.body.get("stage") or FIRST_STAGE if line.kind == Kind.SERVER.value else "system", line._condition())

    def _took_role(self, node: str, role: str, body: Mapping[str, Any] | None, at: float, touched: dict[str, _Line]) -> None:
        line = self._lines.get(node)
        if line is None:
            return  # of a node that goes in the same row
        if body is None:
            line.roles.pop(role, None)
        else:
            state, tries = str(body["state"]), int(body.get("tries", 0))
            known = line.roles.get(role, ("", 0))
            line.roles[role] = (state, tries)
            if (state == State.ERROR.value and known[0] != state) or tries > known[1]:
                line.mark(at, FAILURE, f"{role}: {_words(body.get('failure'))}")
        touched[node] = line

    def _ordered(self, row: JournalRow, at: float, touched: Mapping[str, _Line]) -> None:
        """The marks of a person's order: at the node that it names, or on the whole rack."""
        who = str(row.fields.get("who") or "")
        if row.event == "Operate" and row.rows:
            words = done(row.fields)
            named = str(row.fields.get("node"))
            for line in [one for one in touched.values() if named in (one.id, one.name, one.name.split(".")[0])]:
                line.mark(at, ORDER, f"{who} {words}")
        elif row.event in ("Commit", "CommitProposals") and any(table == "revisions" for table, _, _ in row.rows):
            number = next((body["number"] for table, _, body in row.rows if table == "revisions" and body is not None), "")
            self._commits.append(Mark(at, ORDER, f"{who} committed revision {number}"))
            del self._commits[:-COMMITS]

    # -- what is shown ---------------------------------------------------------------------------------------------

    def view(self) -> ChartView:
        """The chart as it is, for other threads. Costs a copy of the list of lives, and what changed since the last call."""
        lives = [line.whole() for line in (*self._gone, *self._lines.values())]
        asked = {service: times[:] for service, times in self._asked.items()}
        return ChartView(
            self.seq, self.begins, self.now, tuple(lives), tuple(self._commits), tuple(self._clock), asked, dict(self._strangers)
        )


class ChartView(NamedTuple):
    seq: int
    begins: float
    now: float
    """Engine time of the last row."""
    all: tuple[MachineLife, ...]
    """Of nodes that were deleted too, open to the end."""
    commits: tuple[Mark, ...]
    clock: tuple[tuple[float, float], ...]
    asked: Mapping[str, array[float]]
    """Service -> engine time of each request that changed something."""
    first_packets: Mapping[str, float]
    """MAC -> engine time of its first packet, of nodes and of machines that are none yet."""

    def lives(self, now: float) -> list[MachineLife]:
        """The lives of the nodes that are there at this engine time, up to it."""
        return [until(life, now) for life in self.all if life.known <= now < life.ends]

    def stranger(self, mac: str, now: float) -> MachineLife | None:
        """The life of a machine that is no node yet. None: the journal does not know it."""
        begins = self.first_packets.get(mac)
        if begins is None or begins >= now:
            return None
        boots = (Segment(FIRST_STAGE, BOOT, begins, now),)
        return MachineLife(mac, mac, Kind.SERVER.value, begins, inf, inf, False, boots, ())

    def wall(self, now: float) -> float:
        """The wall time of an engine time. 0: the journal is empty."""
        if not self.clock:
            return 0.0
        i = max(bisect_right(self.clock, (now, inf)) - 1, 0)
        return now + self.clock[i][1]

    def engine(self, wall: float) -> float:
        """The engine time now, at this wall time after the last row. A clock that was set back counts as no time."""
        return self.now + max(wall - self.wall(self.now), 0.0) if self.clock else self.now


def until(life: MachineLife, now: float) -> MachineLife:
    """The life up to this engine time: its last segment ends there."""
    if not life.segments or life.segments[-1].ends <= now:
        return life
    kept = [one for one in life.segments if one.begins < now]
    if kept:
        kept[-1] = kept[-1]._replace(ends=min(kept[-1].ends, now))
    return life._replace(segments=tuple(kept), marks=tuple(mark for mark in life.marks if mark.at <= now))


def merged(segments: list[Segment], most: int) -> list[Segment]:
    """The same span in at most so many segments: the shortest one joins its longer neighbour, again and again. Keeps the newest half."""
    keep = segments[len(segments) - most // 2 :]
    old = segments[: len(segments) - most // 2]
    while len(old) + len(keep) > most and len(old) > 1:
        pairs = len(old) // 2
        joined = []
        for i in range(pairs):
            one, other = old[2 * i], old[2 * i + 1]
            longer = one if one.ends - one.begins >= other.ends - other.begins else other
            joined.append(longer._replace(begins=one.begins, ends=other.ends))
        old = joined + old[2 * pairs :]
    return old + keep


def spent(life: MachineLife) -> dict[str, float]:
    """Seconds in each stage, in the order of the stages' first times. What came after the last work of a stage that is done counts as
    `ready`."""
    out: dict[str, float] = {}
    for one in life.segments:
        stage = "ready" if one.condition == DONE else one.stage
        out[stage] = out.get(stage, 0.0) + one.ends - one.begins
    return out


def per_column(times: Iterable[float], begins: float, ends: float, columns: int) -> list[int]:
    """How many of these times fall into each column of a span."""
    out = [0] * columns
    length = ends - begins
    if length > 0:
        for at in times:
            if begins <= at <= ends:
                out[min(int((at - begins) / length * columns), columns - 1)] += 1
    return out


def _words(body: Any) -> str:
    if body is None:
        return "no cause is known"
    try:
        return sentence(convert(body, Reason))
    except ValidationError:
        return str(body)[:200]
