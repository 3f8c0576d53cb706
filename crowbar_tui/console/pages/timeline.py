"""L: the bring-up as a picture: one line per machine, from its first packet to now. Below: the boot storm, or the chosen machine."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from engine.api.views import Arrow, ChartView, MachineLife, NodeRow, Span, WaitsFor, arrows, per_column, short, spent, waits_for_others

from .. import glyphs as g
from ..formats import age, clock, count, left, size, stamp
from ..page import Listing, Sort
from ..screen import Hint, Subject
from ..session import Session
from ..standing import MARK, STYLE, standing
from ..storm import SERVICES
from ..styled import Line, clip, fit, line, spread
from ..timeline_lines import MARK as SIGN
from ..timeline_lines import axis, legend, life_line, sparkline, spent_words

LOWER = ("storm", "machine", "")
"""What stands below the lines."""
WINDOWS = (0, 86_400, 14_400, 3600, 900, 300)
"""Seconds up to now that are shown; 0: all."""
LANES = 4
_UNIT, _LEAST, _MOST, _RIGHT = 4, 10, 24, 8
_SIZE = {"storm": 6, "machine": 6, "": 1}


class TimelineScreen(Listing):
    name = "timeline"
    empty = "no machine seen yet"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.sorts = (Sort("", None), Sort("first seen", self._begun), Sort("longest", lambda r: -self._busy(r)))
        self.lower = 0
        self.window = 0
        self.connected = False
        """True: roles that wait for another machine's role are connected with it by an arrow."""
        self._lives: tuple[object, dict[str, MachineLife]] = (None, {})

    # -- what is shown ---------------------------------------------------------------------------------------------

    def things(self) -> Sequence[NodeRow]:
        return self.session.listed()

    def key_of(self, thing: NodeRow) -> Hashable:
        return thing.id

    def searched_text(self, thing: NodeRow) -> str:
        reason = thing.why.sentence if thing.why is not None else ""
        return f"{short(thing.name)} {thing.state} {thing.place} {thing.group} {thing.task} {reason}"

    def view(self) -> ChartView | None:
        return self.session.feed.view

    def now(self, view: ChartView) -> float:
        """Engine time of the right edge."""
        snapshot = self.session.snapshot
        if snapshot.moment is not None:
            return snapshot.moment.now
        return view.engine(self.session.wall()) if snapshot.connection in ("embedded", "attached") else view.now

    def lives(self, view: ChartView) -> dict[str, MachineLife]:
        now = self.now(view)
        key = (view.seq, now)
        if self._lives[0] != key:
            self._lives = (key, {life.id: life for life in view.lives(now)})
        return self._lives[1]

    def span(self, view: ChartView, cells: int) -> Span:
        now = self.now(view)
        begins = min((life.begins for life in self.lives(view).values() if life.kind == "server"), default=view.begins)
        window = WINDOWS[self.window]
        return Span(max(begins, now - window) if window else begins, max(now, begins + 1.0), cells)

    def _begun(self, row: NodeRow) -> float:
        life = self.life(row)
        return life.begins if life is not None else 0.0

    def _busy(self, row: NodeRow) -> float:
        life = self.life(row)
        return sum(seconds for stage, seconds in spent(life).items() if stage != "ready") if life is not None else 0.0

    def life(self, row: NodeRow) -> MachineLife | None:
        view = self.view()
        if view is None:
            return None
        return view.stranger(row.id, self.now(view)) if row.kind == "sighting" else self.lives(view).get(row.id)

    heads_of_table = ("node", "state", "began", "discovery s", "hardware s", "install s", "system s", "other s")

    def records(self, thing: NodeRow) -> list[Sequence[str]]:
        """Seconds that each stage took."""
        life, view = self.life(thing), self.view()
        took = dict(spent(life)) if life is not None else {}
        began = stamp(view.wall(life.begins)) if life is not None and view is not None else ""
        stages = [took.pop(stage, 0.0) for stage in ("discovery", "hardware", "install", "system")]
        took.pop("ready", None)
        seconds = (f"{one:.0f}" for one in (*stages, sum(took.values())))
        return [(short(thing.name), thing.state, began, *(seconds if life is not None else [""] * 5))]

    # -- drawing ---------------------------------------------------------------------------------------------------

    def body(self, columns: int, rows: int) -> list[Line]:
        session = self.session
        moment = session.snapshot.moment
        session.feed.ask(moment.last if moment is not None else session.snapshot.seq, session.work)
        lower = self._lower(columns, rows)
        out = super().body(columns, max(rows - len(lower), 4))
        if self.connected:
            out = self._connect(out, columns)
        room = rows - len(lower)
        return [*out[:room], *[line()] * max(room - len(out), 0), *lower]

    def _name_room(self) -> int:
        longest = max((len(short(r.name)) for r in self.session.listed()), default=_LEAST)
        return max(min(longest, _MOST), _LEAST) + 1

    def _cells(self, columns: int) -> int:
        return max(columns - _UNIT - self._name_room() - _RIGHT - (2 * LANES + 1 if self.connected else 0) - 2, 10)

    def heads(self, columns: int) -> list[Line]:
        view = self.view()
        out = [self._rack(columns)]
        if view is None:
            return [
                *out,
                line("  ", (self.session.feed.trouble or "reading the journal ...", "bad" if self.session.feed.trouble else "dim")),
            ]
        indent = " " * (2 + _UNIT + self._name_room())
        times = axis(self.span(view, self._cells(columns)), view.wall, view.commits)
        edge = "now" if self.session.past is None else "moment"
        return [*out, (*fit(line((indent, "")), len(indent)), *times, (f"{edge:>{_RIGHT}}", "head"))]

    def _rack(self, columns: int) -> Line:
        """The whole rack as one bar, and the time left."""
        session = self.session
        rows = [session.rows[n] for n in session.order]
        share = sum(1.0 if standing(r) == "ready" else session.share(r) for r in rows) / len(rows) if rows else 0.0
        found = session.estimate()
        if not found.working:
            told = "all ready" if rows and session.counts["ready"] == len(rows) else ""
        else:
            told = f"{left(found.seconds)} left" if found.seconds is not None else "time left unknown"
        tail = line(f" {share * 100:3.0f}%  ", (f"{session.counts['ready']} of {len(rows)} ready", "good"), (f"  {told} ", "name"))
        head = line(" rack ")
        full, open_ = g.bar(share, max(columns - len(head[0][0]) - sum(len(t) for t, _ in tail), 5))
        return (*head, (full, "busy" if share < 1 else "good"), (open_, "dim"), *tail)

    def draw(self, thing: NodeRow, columns: int, chosen: bool) -> list[Line]:
        session = self.session
        r = session.rows.get(thing.id, thing)
        room = self._name_room()
        head = line(
            (f"{MARK[standing(r)]}", STYLE[standing(r)]),
            (f"{r.place.rpartition(':')[2]:>{_UNIT - 1}}  ", "dim"),
            (f"{clip(short(r.name) if r.kind != 'sighting' else r.name[-room + 1 :], room - 1):<{room}}", "name"),
        )
        view = self.view()
        cells = self._cells(columns)
        life = self.life(r)
        if view is None or life is None:
            return [line(*head, (f"{r.state:<{cells}}", "dim"))]
        bar = life_line(life, self.span(view, cells))
        return [(*head, *bar, *self._took(r, life))]

    def _took(self, r: NodeRow, life: MachineLife) -> Line:
        """How long the machine took, or takes so far."""
        seconds = sum(seconds for stage, seconds in spent(life).items() if stage != "ready")
        style = "good" if standing(r) == "ready" else STYLE[standing(r)]
        return ((f"{age(seconds):>{_RIGHT}}", style),)

    def _connect(self, lines: list[Line], columns: int) -> list[Line]:
        """Arrows in the strip at the right edge, among the lines that are seen."""
        head = len(self.heads(columns))
        seen = self.shown()[self.top : self.top + len(lines) - head]
        place = {row.id: i for i, row in enumerate(seen)}
        found = [Arrow(place[w.node], place[w.on]) for row in seen for w in self._waits(row.id) if w.on in place]
        strips = arrows(found, len(seen), LANES)
        out = list(lines[:head])
        for i, one in enumerate(lines[head:]):
            out.append((*fit(one, columns - 2 * LANES - 1), (strips[i], "ask")) if i < len(strips) else one)
        return out

    def _waits(self, node: str) -> list[WaitsFor]:
        session = self.session
        return session.remember(("waits", node), lambda: waits_for_others(session.world, node))

    # -- the lower part --------------------------------------------------------------------------------------------

    def _lower(self, columns: int, rows: int) -> list[Line]:
        what = LOWER[self.lower]
        view = self.view()
        if view is None or rows < _SIZE[what] + 6:
            return []
        signs = line(" ", *legend(columns))
        if what == "storm":
            return [line((g.RULE * columns, "dim")), *self._storm(view, columns), signs]
        if what == "machine":
            return [line((g.RULE * columns, "dim")), *self._machine(view, columns), signs]
        return [signs]

    def _storm(self, view: ChartView, columns: int) -> list[Line]:
        """Requests by time, on the axis above; at the right end the rate of this second."""
        span = self.span(view, self._cells(columns))
        now = self.session.storm.last() if self.session.past is None else None
        indent, room = " " * _UNIT + "  ", self._name_room()
        seconds = max((span.ends - span.begins) / span.cells, 0.001)
        out: list[Line] = []
        for service in SERVICES:
            rates = [many / seconds for many in per_column(view.asked[service], span.begins, span.ends, span.cells)]
            rate = getattr(now, service) if now is not None else None
            most = max(rates, default=0.0)
            label = f"{service} {most:.{1 if most < 10 else 0}f}/s" if most and room > 10 else service
            tail = f"{rate:.0f}/s" if rate is not None else ""
            out.append(line(indent, (f"{clip(label, room - 1):<{room}}", "head"), (sparkline(rates), "busy"), (f"{tail:>{_RIGHT}}", "")))
        if now is None:
            told = "the journal does not count bytes" if self.session.past is not None else "no engine counts bytes"
            return [*out, line(indent, (f"{'bytes':<{room}}", "head"), (told, "dim"))]
        octets = [0.0] * span.cells
        for sample in self.session.storm.samples:
            at = self.now(view) - (self.session.wall() - sample.at)
            if span.begins <= at <= span.ends:
                octets[span.cell(at)] = max(octets[span.cell(at)], sample.octets)
        label = f"bytes {size(int(max(octets)))}/s" if max(octets, default=0.0) and room > 13 else "bytes"
        tail = f"{size(int(now.octets))}/s"
        out.append(line(indent, (f"{clip(label, room - 1):<{room}}", "head"), (sparkline(octets), "busy"), (f"{tail:>{_RIGHT}}", "")))
        return out

    def _machine(self, view: ChartView, columns: int) -> list[Line]:
        """The machine under the cursor: how long its stages took, for what it waits, and its last marks."""
        row = self.chosen()
        life = self.life(row) if row is not None else None
        if row is None or life is None:
            return [line()] * 4
        total = sum(one.ends - one.begins for one in life.segments)
        first = line((f" {short(row.name)}  ", "name"), *spent_words(spent(life)))
        out = [spread(first, ((f"{age(total)} in all ", "dim"),), columns)]
        waits = self._waits(row.id)
        if waits:
            one = waits[0]
            other = self.session.node(one.on)
            more = f" and {count(len(waits) - 1, 'other role')}" if len(waits) > 1 else ""
            words = f"{one.role} waits for {one.on_role} on {short(other.name) if other is not None else one.on}{more}"
            out.append(line("   ", (clip(words, columns - 4), "ask")))
        for mark in reversed(life.marks[-(4 - len(out)) :]):
            sign, style = SIGN[mark.kind]
            out.append(line(f"   {clock(view.wall(mark.at))} ", (sign, style), " ", clip(self.session.say(mark.text), columns - 16)))
        return [*out, *[line()] * (4 - len(out))]

    def rule(self) -> str:
        window = WINDOWS[self.window]
        return "  ".join(part for part in (super().rule(), f"last {age(window)}" if window else "") if part)

    # -- keys ------------------------------------------------------------------------------------------------------

    def hints(self) -> list[Hint]:
        window = WINDOWS[self._next_window()]
        return [
            Hint("enter", "open", "one node on one page"),
            Hint("o", LOWER[(self.lower + 1) % len(LOWER)] or "lines only", "changes the lower part: boot storm, machine, nothing"),
            Hint("z", f"last {age(window)}" if window else "all", "shows less of the past, then all again"),
            Hint("c", "hide arrows" if self.connected else "arrows", "connects roles that wait with the machine they wait for"),
            Hint("s", "sort", "by place, first seen, longest"),
        ]

    def _next_window(self) -> int:
        """The next shorter window that leaves something out."""
        view = self.view()
        whole = self.now(view) - view.begins if view is not None else 0.0
        return next((i for i in range(self.window + 1, len(WINDOWS)) if WINDOWS[i] < whole), 0)

    def subject(self) -> Subject:
        thing = self.chosen()
        return Subject((thing.id,)) if thing is not None and thing.kind != "sighting" else Subject()

    def machine(self) -> str:
        thing = self.chosen()
        return thing.id if thing is not None else ""

    def press(self, key: str) -> bool:
        if key == "o":
            self.lower = (self.lower + 1) % len(LOWER)
        elif key == "z":
            self.window = self._next_window()
        elif key == "c":
            self.connected = not self.connected
        else:
            return super().press(key)
        return True
