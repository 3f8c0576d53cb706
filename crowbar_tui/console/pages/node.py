"""One node: its life with durations, the boot signal by signal, roles with blockers, ports and disks, networks, newest events."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from engine.api.views import ROOT, NodePage, RoleLine, Step, carrier_words, node_page, short, why_chain

from .. import glyphs as g
from ..formats import age, ago, clock, count, since, size, speed
from ..page import Listing
from ..screen import Hint, Subject
from ..session import STYLE, Session, standing
from ..styled import Line, Span, clip, fit, join, line, wrap
from ..table import Col, head, layout, row

_ROLES = (
    Col("role", " role", 19, grow=1, most=28),
    Col("state", "state", 10, gap=1),
    Col("since", "since", 6, right=True, gap=0),
    Col("why", "why", 36, grow=6),
    Col("stage", "stage", 10, wide=120),
    Col("attempt", "attempt", 14, wide=130),
    Col("deployment", "deployment", 12, wide=140),
)
_STYLE = {"active": "good", "transition": "busy", "todo": "", "blocked": "dim", "error": "bad", "proposed": "ask", "skipped": "dim"}
_CHECK = {"right": "good", "unknown": "dim", "swapped": "ask", "missing": "ask", "silent": "dim"}
_STAGE = {"done": "good", "now": "busy", "error": "bad", "todo": "dim"}


def _bmc_clock(page: NodePage, columns: int) -> list[Line]:
    """A line if the machine's clock is wrong by a minute or more: its log times and certificates are then wrong too."""
    off = page.bmc_clock_off_s
    way = "ahead of ours" if off > 0 else "behind ours"
    return [fit(((" bmc   ", "dim"), (f"its clock is {age(abs(off))} {way}", "ask")), columns)] if off else []


class NodeScreen(Listing):
    """The page. The cursor moves over the roles; the other parts are only text."""

    name = "node"
    empty = "this node has no role"

    def __init__(self, session: Session, node: str) -> None:
        super().__init__(session)
        self.id = node
        self.part = 0
        """What the lower part shows: ports and disks, the networks, or the newest events."""

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
        return line((f"{r.state}{told}", STYLE[standing(r)]), (owner, "dim"))

    def corner(self) -> Line | None:
        page = self.page()
        if page is None:
            return line()
        return line((clip(page.row.family, 22), "dim"), (f"  S/N {clip(page.serial, 12)}" if page.serial else "", "dim"))

    def step(self) -> Step | None:
        page, node = self.page(), self.session.node(self.id)
        if page is None or node is None or page.row.state == "ready":
            return None
        chain = self.session.remember(("chain", self.id, ""), lambda: why_chain(self.session.world, node))
        if not chain.advice:
            return None
        again = "; then press r" if standing(page.row) == "problem" and "retry" not in chain.advice else ""
        return Step(kind="mend", text=chain.advice + again)

    # -- the list --------------------------------------------------------------------------------------------------

    def things(self) -> Sequence[RoleLine]:
        page = self.page()
        return page.roles if page is not None else ()

    def key_of(self, thing: RoleLine) -> Hashable:
        return thing.row.role

    def searched_text(self, thing: RoleLine) -> str:
        return f"{thing.row.role} {thing.row.state} {thing.row.stage}"

    def heads(self, columns: int) -> list[Line]:
        return [head(layout(_ROLES, columns))]

    def draw(self, thing: RoleLine, columns: int, chosen: bool) -> list[Line]:
        r = thing.row
        told: Any = (self.session.say(r.why[0].sentence), "bad" if r.state == "error" else "dim") if r.why else ""
        progress = self.session.progress(self.id) if r.state == "transition" else None
        if progress is not None:
            told = (f"{progress.percent:.0f}% {progress.text}", "busy")
        elif r.findings:
            told = (self.session.say(r.findings[0].sentence), "ask")
        elif r.state == "active" and thing.ended:
            told = (f"took {age(thing.ended - thing.began)}", "dim")
        mark = " !" if r.state == "error" or r.findings else "  "
        cells: dict[str, Any] = {
            "role": ((mark[1:], "bad"), (r.role, "name" if r.state not in ("active", "skipped") else "")),
            "state": (r.state, _STYLE.get(r.state, "")),
            "since": (since(self.session.wall(), r.since), "dim"),
            "why": told,
            "stage": (r.stage, "dim"),
            "attempt": (r.attempt, "dim"),
            "deployment": (r.deployment, "dim"),
        }
        return [row(layout(_ROLES, columns), cells)]

    # -- the rest --------------------------------------------------------------------------------------------------

    def body(self, columns: int, rows: int) -> list[Line]:
        page = self.page()
        if page is None:
            return [line(), line("  ", ("this node no longer exists", "dim"))]
        top = [self._life(page, columns), *self._boot(page, columns), *self._facts(page, columns, rows)]
        lower = (self._ports(page, columns), self._networks(page, columns), self._story(columns, 6))[self.part]
        split = (g.RULE * columns, "dim")
        many = len(page.roles) + 1
        room = rows - len(top) - 1
        below = min(len(lower), max(room - min(many, 6) - 1, 0))
        above = room - below - (1 if below else 0)
        if rows > 30:
            story = self._story(columns, max(above - many - 2, 0))
            if self.part == 0 and story and above - many > 3:
                lower = [*lower, line(split), *story]
                below = min(len(lower), room - many - 1)
                above = room - below - 1
        body = super().body(columns, max(above, 2))
        body = body[: max(above, 2)] if len(body) >= above else [*body, *([line()] * (above - len(body)) if below and rows <= 30 else [])]
        return [*top, line(split), *body, *([line(split), *lower[:below]] if below else [])]

    def _life(self, page: NodePage, columns: int) -> Line:
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
        return fit((((" life  ", "dim")), *join(parts, "  ")), columns)

    def _boot(self, page: NodePage, columns: int) -> list[Line]:
        wall = self.session.wall()
        r = page.row
        boot = page.boot
        if boot is None:
            alive = ("answers", "good") if page.alive else ("does not answer", "ask") if r.runs else ("off, or not seen yet", "dim")
            facts = [(" runs  ", "dim"), (r.runs or "nothing known", ""), ("  ", ""), alive]
            facts += [(" at ", "dim"), (r.address, "")] if r.address else []
            facts += [(f"  {page.bmc_protocol or 'bmc'} ", "dim"), (page.bmc, "")] if page.bmc else []
            facts += [(f"  {count(r.boots, 'boot')}", "dim")]
            return [fit(tuple(facts), columns), *_bmc_clock(page, columns), *self._why(page, columns)]
        spans: list[Span] = [(f" boot  #{boot.generation} {boot.environment} by {boot.way}", "")]
        if boot.tries > 1:
            spans.append((f", try {boot.tries} of {boot.of}", "ask"))
        spans.append((f"  last signal {ago(wall, boot.at)}", "dim"))
        steps: list[Span] = [("       ", "")]
        for one in boot.lines:
            if len(steps) > 1:
                steps.append((" > ", "dim"))
            style = {"seen": "good", "last": "name", "next": "busy", "todo": "dim"}[one.state]
            text = one.signal + (f" within {age(one.within)}" if one.state == "next" else "")
            steps.append((text, style))
        out = [fit(tuple(spans), columns), fit(tuple(steps), columns), *_bmc_clock(page, columns)]
        if not boot.obstacle:
            return [*out, *self._why(page, columns)]
        return [*out, fit(line((" why   ", "dim"), (clip(self.session.say(boot.obstacle), columns - 8), "ask")), columns)]

    def _why(self, page: NodePage, columns: int) -> list[Line]:
        r = page.row
        if r.why is None or standing(r) in ("ready", "working"):
            return []
        return [fit(line((" why   ", "dim"), (clip(self.session.say(r.why.sentence), columns - 8), STYLE[standing(r)])), columns)]

    def _facts(self, page: NodePage, columns: int, rows: int) -> list[Line]:
        """Odd facts about the machine. A small terminal shows only the most important."""
        room = 4 if rows > 30 else 1
        out: list[Line] = []
        for number, (label, text) in enumerate(page.facts[:room], 1):
            left = len(page.facts) - number if number == room else 0
            words = f"{text} (+{left}: crowbar explain)" if left else text
            for i, part in enumerate(wrap(words, columns - 8)):
                out.append(fit(line((f" {'' if i else label:<6}", "dim"), (part, "ask")), columns))
        return out

    def _ports(self, page: NodePage, columns: int) -> list[Line]:
        """NICs on the left, disks on the right."""
        half = columns // 2 + 2
        nics = layout(
            (
                Col("nic", " nic", 9),
                Col("port", "port", 6, gap=1),
                Col("far", "neighbour", 11, grow=1, gap=1),
                Col("plan", "cable", 10, grow=2, gap=1),
            ),
            half - 2,
        )
        disks = layout(
            (
                Col("disk", "disk", 5),
                Col("size", "size", 5, right=True, gap=1),
                Col("serial", "serial", 12, grow=1, most=20, gap=1),
                Col("use", "use", 8, grow=2, gap=1),
            ),
            columns - half,
        )
        left: list[Line] = [head(nics)]
        for n in page.nics:
            link = n.link
            far = f"{link.switch} {link.port}" if link is not None and link.switch else ""
            word, style = ("", "dim") if link is None else (link.check, _CHECK[link.check])
            if link is not None and link.check in ("swapped", "missing"):
                word = f"not {link.plan.replace(':', ' ')}!" if link.check == "swapped" else "missing!"
            port = f"{speed(n.speed)} up" if n.up else "down"
            left.append(
                row(nics, {"nic": (f" {n.name}", "name"), "port": (port, "" if n.up else "dim"), "far": far, "plan": (word, style)})
            )
        right: list[Line] = [head(disks)]
        for d in page.disks:
            use = d.state or d.use or (f"holds {d.signature}" if d.signature else "blank" if d.size else "")
            use = "; ".join(part for part in (use, d.why) if part)
            style = "name" if d.chosen else "dim"
            amount = size(d.size) if d.size else ""
            right.append(row(disks, {"disk": (d.name, style), "size": amount, "serial": (d.serial, ""), "use": (use, "dim")}))
        out = []
        for i in range(max(len(left), len(right))):
            a = left[i] if i < len(left) else ()
            b = right[i] if i < len(right) else ()
            out.append(fit((*fit(a, half), *b), columns))
        return out

    def _networks(self, page: NodePage, columns: int) -> list[Line]:
        """Each network, what carries it, and the port that each link became, with the reason."""
        out: list[Line] = [line((f" {'network':<12}{'address':<20}carried by", "head"))] if page.networks else []
        for one in page.networks:
            words = clip("  ".join(part for part in (carrier_words(one), one.v6) if part), columns - 34)
            out.append(line((f" {clip(one.network, 11):<12}", "name"), f"{one.address or 'no address':<20}", words))
            for link in one.links:
                far = f"{link.switch} {link.port}" if link.switch else ""
                head = f"   {link.link:<8}{clip(link.name, 11):<12}"
                out.append(line((head, ""), (clip(f"{far}{'; ' if far else ''}{link.why}", columns - len(head) - 1), "dim")))
            if one.refused is not None:
                out += [line("   ", (part, "bad")) for part in wrap(one.refused.sentence, columns - 4)]
            elif one.found_by:
                out.append(line("   ", (clip(one.found_by, columns - 4), "dim")))
        return out or [line("  ", ("the node has no network yet", "dim"))]

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
            Hint("o", "story", "ports and disks, its networks, or its newest events"),
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

    def press(self, key: str) -> bool:
        if key == "o":
            self.part = (self.part + 1) % 3
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
