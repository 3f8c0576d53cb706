"""One node: its life with durations, the boot signal by signal, roles with blockers; ports and disks, parts, networks, newest events."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from engine.api.views import ROOT, NodePage, RoleLine, Step, node_page, short, why_chain

from .. import glyphs as g
from ..formats import age, ago, clock, count, light_words, since, stamp
from ..page import Listing
from ..screen import Hint, Subject
from ..session import Session
from ..standing import STYLE, standing
from ..styled import Line, clip, columns_of, flow, line, wrap
from ..table import Col, Layout, cells_of, head, layout, row
from .machine import HEADS, record_of
from .node_parts import disk_lines, fitting, made_of_lines, network_lines, port_lines, stacked

_ROLES = (
    Col("role", " role", 19, least=12, names=True),
    Col("state", "state", 10, gap=1),
    Col("since", "since", 6, right=True, gap=0),
    Col("why", "why", 36, grow=6, least=24),
    Col("stage", "stage", 10, wide=120, drop=3),
    Col("attempt", "attempt", 14, wide=130, drop=2),
    Col("deployment", "deployment", 12, wide=140, drop=1),
)
STATE = {"active": "good", "transition": "busy", "todo": "", "blocked": "dim", "error": "bad", "proposed": "ask", "skipped": "dim"}
_STAGE = {"done": "good", "now": "busy", "error": "bad", "todo": "dim"}


MADE_OF = 1
"""Number of the lower part with what the machine is made of. Nothing is shown of a machine that nobody has looked at."""


def labelled(label: str, text: str, columns: int, style: str) -> list[Line]:
    """A label and a text on as many lines as it needs."""
    return [line((f" {'' if i else label:<6}", "dim"), (part, style)) for i, part in enumerate(wrap(text, columns - 8))]


def _bmc_clock(page: NodePage, columns: int) -> list[Line]:
    """A line if the machine's clock is wrong by a minute or more: its log times and certificates are then wrong too."""
    off = page.bmc_clock_off_s
    way = "ahead of ours" if off > 0 else "behind ours"
    return labelled("bmc", f"its clock is {age(abs(off))} {way}", columns, "ask") if off else []


def _ailments(page: NodePage, columns: int, rows: int) -> list[Line]:
    """What its BMC reports as wrong. A small terminal shows only the first."""
    room = 4 if rows > 30 else 1
    out: list[Line] = []
    for number, (told, _) in enumerate(page.ailments[:room], 1):
        left = len(page.ailments) - number if number == room else 0
        words = f"{told} (+{left}: press H)" if left else told
        out += labelled("" if number > 1 else "health", words, columns, "bad")
    return out


class NodeScreen(Listing):
    """The page. The cursor moves over the roles; the other parts are only text."""

    name = "node"
    keeps = False
    empty = "this node has no role"

    def __init__(self, session: Session, node: str) -> None:
        super().__init__(session)
        self.id = node
        self.part = 0
        """What the lower part shows: ports and disks, what it is made of, the networks, or the newest events."""

    def ident(self) -> Hashable:
        return ("node", self.id)

    def crumb(self) -> str:
        return short(self.session.rows[self.id].name) if self.id in self.session.rows else self.id

    def page(self) -> NodePage | None:
        node = self.session.node(self.id)
        if node is None:
            return None
        return self.session.remember(("node", self.id), lambda: node_page(self.session.world, node, self.session.links()))

    def middle(self) -> Line | None:
        if self.id not in self.session.rows:
            return line(("gone", "bad"))
        r = self.session.row(self.id)
        told = f" since {since(self.session.wall(), r.since)}" if r.since else ""
        owner = f"  of {r.deployment}" if r.deployment not in ("", ROOT) else ""
        light = f"  {light_words(self.session.wall(), r.light)}" if r.light else ""
        return line((f"{r.state}{told}", STYLE[standing(r)]), (light, "ask"), (owner, "dim"))

    def corner(self) -> Line | None:
        page = self.page()
        if page is None:
            return line()
        return line((clip(page.row.family, 22), "dim"), (f"  S/N {clip(page.serial, 12)}" if page.serial else "", "dim"))

    def step(self) -> Step | None:
        page, node = self.page(), self.session.node(self.id)
        if page is None or node is None or page.row.state == "ready":
            return None
        chain = self.session.remember(("chain", self.id, ""), lambda: why_chain(self.session.world, node, "", self.session.links()))
        if not chain.advice:
            return None
        again = "; then press r" if standing(page.row) == "problem" and "retry" not in chain.advice else ""
        return Step(kind="mend", text=chain.advice + again, node=node.name)

    # -- the list --------------------------------------------------------------------------------------------------

    def things(self) -> Sequence[RoleLine]:
        page = self.page()
        return page.roles if page is not None else ()

    def key_of(self, thing: RoleLine) -> Hashable:
        return thing.row.role

    def searched_text(self, thing: RoleLine) -> str:
        return f"{thing.row.role} {thing.row.state} {thing.row.stage}"

    heads_of_table = ("node", "role", "state", "since", "stage", "attempt", "deployment", "why")

    def records(self, thing: RoleLine) -> list[Sequence[str]]:
        r = thing.row
        return [(self.crumb(), r.role, r.state, stamp(r.since), r.stage, r.attempt, r.deployment, self._told(thing)[0])]

    def fields(self) -> list[tuple[str, str]]:
        """Those of the node, then those of the role under the cursor."""
        row = self.session.rows.get(self.id)
        mine = zip(HEADS, record_of(self.session, row), strict=True) if row is not None else ()
        return [*((name, value) for name, value in mine if value), *super().fields()[1:]]

    def heads(self, columns: int) -> list[Line]:
        return [head(self._layout(columns))]

    def _layout(self, columns: int) -> Layout:
        return layout(_ROLES, columns, {"role": 1 + max((len(one.row.role) for one in self.things()), default=0)})

    def draw(self, thing: RoleLine, columns: int, chosen: bool) -> list[Line]:
        r = thing.row
        at = self._layout(columns)
        told, style = self._told(thing)
        first, *rest = wrap(told, cells_of(at, "why"))
        mark = " !" if r.state == "error" or r.findings else "  "
        cells: dict[str, Any] = {
            "role": ((mark[1:], "bad"), (r.role, "name" if r.state not in ("active", "skipped") else "")),
            "state": (r.state, STATE.get(r.state, "")),
            "since": (since(self.session.wall(), r.since), "dim"),
            "why": (first, style),
            "stage": (r.stage, "dim"),
            "attempt": (r.attempt, "dim"),
            "deployment": (r.deployment, "dim"),
        }
        return [row(at, cells), *(row(at, {"why": (more, style)}) for more in rest)]

    def _told(self, thing: RoleLine) -> tuple[str, str]:
        """What the role does, why it does not, or how long it took."""
        r = thing.row
        progress = self.session.progress(self.id) if r.state == "transition" else None
        if progress is not None:
            return f"{progress.percent:.0f}% {progress.text}", "busy"
        if r.findings:
            return self.session.say(r.findings[0].sentence), "ask"
        if r.why:
            return self.session.say(r.why[0].sentence), "bad" if r.state == "error" else "dim"
        if r.state == "active" and thing.ended:
            return f"took {age(thing.ended - thing.began)}", "dim"
        return "", ""

    # -- the rest --------------------------------------------------------------------------------------------------

    def body(self, columns: int, rows: int) -> list[Line]:
        page = self.page()
        if page is None:
            return [line(), line("  ", ("this node no longer exists", "dim"))]
        top = self._top(page, columns, rows)
        lower = (self._ports(page, columns), made_of_lines(page, columns), self._networks(page, columns), self._story(columns, 6))[
            self.part
        ]
        split = (g.RULE * columns, "dim")
        many = len(page.roles) + 1
        room = rows - len(top) - 1
        below = min(len(lower), max(room - min(many, 6 if self.part == 0 else 4) - 1, 0))
        above = room - below - (1 if below else 0)
        if rows > 30:
            story = self._story(columns, max(above - many - 2, 0))
            if self.part == 0 and story and above - many > 3:
                lower = [*lower, line(split), *story]
                below = min(len(lower), room - many - 1)
                above = room - below - 1
        self.above = len(top) + 1
        body = super().body(columns, max(above, 2))
        body = body[: max(above, 2)] if len(body) >= above else [*body, *([line()] * (above - len(body)) if below and rows <= 30 else [])]
        return [*top, line(split), *body, *([line(split), *fitting(lower, below)] if below else [])]

    def listing(self, columns: int, rows: int) -> list[Line]:
        """Its life and its roles: the other parts stand beside them."""
        page = self.page()
        if page is None:
            return self.body(columns, rows)
        top = [*self._top(page, columns, rows), line((g.RULE * columns, "dim"))]
        self.above = len(top)
        return [*top, *super().body(columns, max(rows - len(top), 2))]

    def list_width(self, columns: int) -> int:
        return min(columns * 6 // 11, 110)

    def beside(self, columns: int, rows: int) -> list[Line] | None:
        """Ports and disks, what it is made of, networks and newest events; first the one that `o` chose."""
        page = self.page()
        if page is None:
            return None
        parts = [self._ports(page, columns), made_of_lines(page, columns), self._networks(page, columns)]
        used = sum(len(part) + 1 for part in parts)
        parts.append([line((" newest events", "head")), *self._story(columns, max(rows - used - 1, 4))])
        return stacked(parts[self.part :] + parts[: self.part], columns)

    def _top(self, page: NodePage, columns: int, rows: int) -> list[Line]:
        return [
            *self._life(page, columns),
            *self._boot(page, columns),
            *_ailments(page, columns, rows),
            *self._facts(page, columns, rows),
        ]

    def _life(self, page: NodePage, columns: int) -> list[Line]:
        wall = self.session.wall()
        parts = []
        for s in page.stages:
            bar = g.bar(s.done / s.roles if s.roles else 0.0, 4 if columns < 120 else 8)
            took = since(s.ended or wall, s.began) if s.state != "todo" else ""
            mark = "!" if s.state == "error" else ""
            style = _STAGE[s.state]
            parts.append(
                line((f"{s.name} ", "dim" if s.state == "todo" else ""), (bar[0], style), (bar[1], "dim"), (f" {took}{mark}", style))
            )
        first, *rest = flow(parts, columns - 8) or [()]
        return [((" life  ", "dim"), *first), *(((" " * 7, ""), *more) for more in rest)]

    def _boot(self, page: NodePage, columns: int) -> list[Line]:
        wall = self.session.wall()
        r = page.row
        boot = page.boot
        if boot is None:
            alive = ("answers", "good") if page.alive else ("does not answer", "ask") if r.runs else ("off, or not seen yet", "dim")
            facts: list[Line] = [line((" runs  ", "dim"), r.runs or "nothing known"), line(alive, (" at ", "dim"), r.address)]
            facts = facts if r.address else [facts[0], line(alive)]
            facts += [line((f"{page.bmc_protocol or 'bmc'} ", "dim"), page.bmc)] if page.bmc else []
            facts += [line((count(r.boots, "boot"), "dim"))]
            return [*flow(facts, columns, indent=7), *_bmc_clock(page, columns), *self._why(page, columns)]
        head: list[Line] = [line((f" boot  #{boot.generation} {boot.environment} by {boot.way}", ""))]
        if boot.tries > 1:
            head.append(line((f"try {boot.tries} of {boot.of}", "ask")))
        head.append(line((f"last signal {ago(wall, boot.at)}", "dim")))
        steps: list[Line] = []
        for one in boot.lines:
            style = {"seen": "good", "last": "name", "next": "busy", "todo": "dim"}[one.state]
            text = one.signal + (f" within {age(one.within)}" if one.state == "next" else "")
            steps.append(line((" > " if steps else " " * 7, "dim"), (text, style)))
        out = [*flow(head, columns, indent=7), *flow(steps, columns, between="", indent=6), *_bmc_clock(page, columns)]
        if not boot.obstacle:
            return [*out, *self._why(page, columns)]
        return [*out, *labelled("why", self.session.say(boot.obstacle), columns, "ask")]

    def _why(self, page: NodePage, columns: int) -> list[Line]:
        r = page.row
        if r.why is None or standing(r) in ("ready", "working"):
            return []
        return labelled("why", self.session.say(r.why.sentence), columns, STYLE[standing(r)])

    def _facts(self, page: NodePage, columns: int, rows: int) -> list[Line]:
        """Odd facts about the machine. A small terminal shows only the most important."""
        room = 4 if rows > 30 else 1
        out: list[Line] = []
        for number, (label, text) in enumerate(page.facts[:room], 1):
            left = len(page.facts) - number if number == room else 0
            words = f"{text} (+{left}: crowbar explain)" if left else text
            out += labelled(label, words, columns, "ask")
        return out

    def _ports(self, page: NodePage, columns: int) -> list[Line]:
        """NICs on the left, disks on the right; in a narrow pane the disks below."""
        if columns < 76:
            return [*port_lines(page, columns), line(), *disk_lines(page, columns)]
        half = columns // 2 + 2
        return columns_of(port_lines(page, half - 2), disk_lines(page, columns - half), columns, half)

    def _networks(self, page: NodePage, columns: int) -> list[Line]:
        return network_lines(page, columns)

    def _story(self, columns: int, most: int) -> list[Line]:
        name = self.session.rows[self.id].name if self.id in self.session.rows else self.id
        out: list[Line] = []
        for told in reversed(self.session.story):
            if len(out) >= most:
                break
            if told.get("node") in (name, self.id) and told.get("text"):
                head = (f" {clock(told['at'])}  ", "dim")
                out.append(line(head, (f"{clip(str(told['type']), 12):<13}", ""), clip(str(told["text"]), columns - 26)))
        return list(reversed(out))

    def hints(self) -> list[Hint]:
        return [
            Hint("p", "power"),
            Hint("r", "retry"),
            Hint("a", "approve"),
            Hint("h", "hold"),
            Hint("l", "log", "attempts of its roles, and its serial console"),
            Hint("A", "settings", "attributes: show, set, clear"),
            Hint("w", "why"),
            Hint("i", "identify"),
            Hint("o", "story", "ports and disks, what it is made of, its networks, or its newest events"),
            Hint("tab", "next", "the next node; shift+tab: the previous one"),
            Hint(".", "more"),
        ]

    def subject(self) -> Subject:
        thing = self.chosen()
        role = thing.row.role if thing is not None and self.picked else ""
        return Subject((self.id,), role)

    @property
    def picked(self) -> bool:
        """True if a command acts on the role under the cursor, not on the node: the user moved to a role that is not done."""
        thing = self.chosen()
        return self._moved and thing is not None

    _moved = False

    def pick(self, role: str) -> None:
        """Puts the cursor onto a role, as if the user had moved it there."""
        index = next((i for i, thing in enumerate(self.shown()) if thing.row.role == role), None)
        if index is not None:
            self.move(index)
            self._moved = True

    def press(self, key: str) -> bool:
        if key == "o":
            page = self.page()
            self.part = (self.part + 1) % 4
            if self.part == MADE_OF and page is not None and not page.made_of:
                self.part += 1
            return True
        if key in ("tab", "shift+tab"):
            order = self.session.order
            if self.id in order:
                self.id = order[(order.index(self.id) + (1 if key == "tab" else -1)) % len(order)]
                self.at, self.index, self.top, self._cache, self._moved = None, 0, 0, None, False
            return True
        if super().press(key):
            self._moved = key not in ("home", "g")
            return True
        return False
