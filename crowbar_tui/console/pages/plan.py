"""5: the plan: deployments and their progress, revisions, and the plan's text."""

from __future__ import annotations

from functools import partial

from engine.api.views import DeploymentView, PlanPage, plan_page

from .. import glyphs as g
from ..formats import age, ago, count, day
from ..overlays import AskedPath, Entry, Menu
from ..page import Scroll
from ..screen import Hint
from ..session import Session
from ..styled import Line, fit, flow, line, wrap
from .attributes import AttributesScreen
from .commit import RevisionsScreen, coloured, preview_file
from .drift import DriftScreen, drift_words
from .proposals import ProposalsScreen, summary_lines

_STYLE = {
    "validated": "good",
    "ready": "good",
    "working": "busy",
    "committed": "busy",
    "proposed": "ask",
    "in error": "bad",
    "empty": "dim",
    "deleted": "dim",
}


class PlanScreen(Scroll):
    name = "plan"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.whole = False

    def page(self) -> PlanPage:
        return self.session.remember("plan", lambda: plan_page(self.session.world))

    def text(self, columns: int) -> list[Line]:
        page = self.page()
        if not page.text:
            return [
                line(),
                line("  no plan is committed yet"),
                line(),
                line("  ", ("write a plan (docs/plan.md; eight lines are enough), then press c and type its name", "dim")),
            ]
        text = [coloured(one) for one in page.text.splitlines()]
        if self.whole:
            return text
        head, beside = self._head(page, columns), self._drift(columns)
        if columns >= 120:
            half = columns // 2 + 4
            edits = summary_lines(self.session, page.edits, half - 2)
            left = [*edits, *self._deployments(page, half - 2), line(), *self._revisions(page, half - 2)]
            rows = []
            for i in range(max(len(left), len(text))):
                told = text[i] if i < len(text) else ()
                rows.append((*fit(left[i] if i < len(left) else (), half), (g.SIDE + " ", "dim"), *told))
            return [*head, *beside, line(), *rows]
        edits = summary_lines(self.session, page.edits, columns)
        rest = [*self._deployments(page, columns), line(), *self._revisions(page, columns), line(), line((" plan", "head")), *text]
        return [*head, *beside, line(), *edits, *rest]

    def _drift(self, columns: int) -> list[Line]:
        """What stands beside the plan, in one line where it fits."""
        words, key = drift_words(self.session), (self.session.manner.keymap.words("   d shows each of them"), "dim")
        if not words:
            return []
        fits = len(words) + 32 <= columns
        first, *rest = wrap(words, columns - 9)
        out = [line((" drift: ", "ask"), first, *([key] if fits else [])), *(line(" " * 8, more) for more in rest)]
        return [*out, *([] if fits else [line(" " * 5, key)])]

    def _head(self, page: PlanPage, columns: int) -> list[Line]:
        within = f" within {age(page.within)}" if page.within else ""
        parts = [
            line((f" {page.site}", "name"), (f" {page.domain}", "dim")),
            line((f"expects {page.expect} nodes" if page.expect else "expects any machine", ""), (within, "dim")),
            line(("disks: ", "dim"), (page.approve, "ask" if page.approve in ("all", "foreign") else "")),
            line((f"allocate: {page.allocate}", "dim")),
        ]
        return flow(parts, columns, between="   ", indent=1)

    def _deployments(self, page: PlanPage, columns: int) -> list[Line]:
        wide = 1 + max([21, *(2 * d.depth + len(d.name) for d in page.deployments)])
        bars = 10 if columns >= wide + 48 else 0
        gap = "  " if bars else ""
        out: list[Line] = [line((f" {'deployment':<{wide}}{'state':<10}{'done':>9}{gap}{'':<{bars}}  error  proposed"[:columns], "head"))]
        for d in page.deployments:
            name = "  " * d.depth + d.name
            full, left = g.bar(d.done / d.roles if d.roles else 0.0, bars)
            style = _STYLE[d.state]
            out.append(
                line(
                    (f" {name:<{wide}}", "name"),
                    (f"{d.state:<10}", style),
                    (f"{d.done:>4} / {d.roles:<3}", ""),
                    (gap, ""),
                    (full, "dim" if d.state in ("ready", "validated") else style),
                    (left, "dim"),
                    (f"  {d.error or '-':>5}", "bad" if d.error else "dim"),
                    (f"  {d.proposed or '-':>8}", "ask" if d.proposed else "dim"),
                )
            )
            if d.runs not in (d.state, "empty"):
                out.append(line((f"   {'  ' * d.depth}committed: {d.runs}", "dim")))
            if told := self._held_up(d):
                inner = "dim" if style == "good" else style
                out += [line((f"   {'  ' * d.depth}{text}", inner)) for text in wrap(told, columns - 6 - 2 * d.depth)]
            if owns := _owns(d):
                out += [line((f"   {'  ' * d.depth}{text}", "dim")) for text in wrap(owns, columns - 6 - 2 * d.depth)]
            for role, on in d.wants:
                pad = f"   {'  ' * d.depth}{role:<21} "
                texts = wrap(f"on {on}", max(columns - len(pad) - 1, 16))
                out += [line((" " * len(pad) if i else pad, ""), (text, "dim")) for i, text in enumerate(texts)]
        return out

    def _held_up(self, d: DeploymentView) -> str:
        """The node role that holds a deployment up, and why. Empty: nothing does."""
        if d.why is None:
            return f"{d.holder} is at work" if d.holder else ""
        return self.session.say(f"{d.holder}: {d.why.sentence}" if d.holder else d.why.sentence)

    def _revisions(self, page: PlanPage, columns: int) -> list[Line]:
        out: list[Line] = [line((f" {'revision':<10}{'by':<16}when", "head"))]
        for r in page.revisions[:50]:
            parts = [line((f"{r.who:<15}", "")), line((day(r.at), "dim")), line((ago(self.session.wall(), r.at), "dim"))]
            parts += [line(("current", "good"))] if r.current else []
            first, *rest = flow(parts, columns - 11)
            out += [line((f" {r.number:<10}", "name"), *first), *(line(" " * 11, *more) for more in rest)]
        return out

    def hints(self) -> list[Hint]:
        return [
            Hint("c", "commit", "read a plan from a file, see what it would change, commit it"),
            Hint("p", "proposals", "edits of single deployments that wait: preview, commit or recall them"),
            Hint("v", "revisions", "earlier commits: look at one, go back to it"),
            Hint("A", "settings", "attributes of a deployment"),
            *([Hint("d", "drift", "settings and roles beside the plan, one by one")] if drift_words(self.session) else []),
            Hint("tab", "text", "the whole plan as text, or its progress"),
        ]

    def _settings(self, deployment: str) -> None:
        self.session.push(AttributesScreen(self.session, deployment=deployment))

    def press(self, key: str) -> bool:
        if key == "c":
            if self.session.may_do() and self.session.may_use_machine():
                self.session.overlay = AskedPath(self.session, "commit which plan file?", lambda path: preview_file(self.session, path))
            return True
        if key == "d" and drift_words(self.session):
            self.session.push(DriftScreen(self.session))
            return True
        if key == "p":
            self.session.push(ProposalsScreen(self.session))
            return True
        if key == "v":
            self.session.push(RevisionsScreen(self.session))
            return True
        if key == "A":
            names = [d.name for d in self.page().deployments]
            if len(names) == 1:
                self._settings(names[0])
            elif names:
                entries = [Entry(str(i), name, "its settings", partial(self._settings, name)) for i, name in enumerate(names[:9], 1)]
                self.session.overlay = Menu(self.session, "settings of which deployment?", entries)
            return True
        if key == "tab":
            self.whole = not self.whole
            self.top = 0
            return True
        return super().press(key)


def _owns(d: DeploymentView) -> str:
    """What belongs to a deployment. Empty: nothing; and the root, which has what nobody else has."""
    if not d.parent:
        return ""
    nodes = [count(d.owned_nodes, "node")] if d.owned_nodes else []
    networks = [f"network {', '.join(d.owned_networks)}"] if d.owned_networks else []
    return f"owns {' and '.join([*nodes, *networks])}" if nodes or networks else ""
