"""Why something waits: the chain of reasons to its root, the facts there, and what to try."""

from __future__ import annotations

from collections.abc import Hashable

from engine.api.views import WhyChain, short, why_chain

from .. import repair
from ..formats import ago
from ..page import Scroll
from ..screen import Hint, Subject
from ..session import Session
from ..styled import Line, line, wrap

_STYLE = {
    "error": "bad",
    "problem": "bad",
    "swapped": "bad",
    "missing": "bad",
    "transition": "busy",
    "blocked": "",
    "todo": "",
    "active": "good",
}

_NARROW = 36
"""Cells that a sentence needs beside its head. With fewer it stands below."""


class WhyScreen(Scroll):
    name = "why"

    def __init__(self, session: Session, node: str, role: str = "") -> None:
        super().__init__(session)
        self.id = node
        self.role = role

    def ident(self) -> Hashable:
        return ("why", self.id, self.role)

    def crumb(self) -> str:
        name = short(self.session.rows[self.id].name) if self.id in self.session.rows else self.id
        return f"why {self.role or name}"

    def chain(self) -> WhyChain | None:
        node = self.session.node(self.id)
        if node is None:
            return None
        return self.session.remember(
            ("chain", self.id, self.role), lambda: why_chain(self.session.world, node, self.role, self.session.links())
        )

    def text(self, columns: int) -> list[Line]:
        chain = self.chain()
        if chain is None:
            return [line(), line("  ", ("this node no longer exists", "dim"))]
        out: list[Line] = [*(line(" ", (text, "name")) for text in wrap(chain.question, columns - 2)), line()]
        deepest = max((x.depth for x in chain.links), default=0)
        start = 3 + 2 * deepest + max((len(x.subject) for x in chain.links), default=0) + 2
        start = min(start, columns // 2)
        for x in chain.links:
            style = _STYLE.get(x.state, "ask")
            head = f"{' ' * (3 + 2 * x.depth)}{x.subject}"
            head = f"{head:<{start}}{x.state:<11}"
            under = 5 + 2 * x.depth if columns - len(head) < _NARROW else len(head)
            texts = wrap(self.session.say(x.sentence), columns - under - 1)
            first = [] if under < len(head) else texts[:1]
            out.append(line((head[:start], "name" if style == "bad" else ""), (head[start:], style), *first))
            out += [line(" " * under, more) for more in texts[len(first) :]]
        out.append(line())
        node = self.session.node(self.id)
        if node is not None and repair.of(self.session, node):
            out += _labelled("by hand", self.session.manner.keymap.words("m repairs it (virtual rack)"), columns, "ask")
        if chain.advice:
            out += _labelled("try", self.session.advise(chain.advice), columns, "ask")
        else:
            out += _labelled("try", "nothing to do: wait", columns, "dim")
        out.append(line())
        for fact in chain.facts:
            when = f", {ago(self.session.wall(), fact.at)}" if fact.at else ""
            out += _labelled(fact.label, self.session.say(fact.text) + when, columns, "")
        out += self._meanwhile(chain, columns)
        return out

    def _meanwhile(self, chain: WhyChain, columns: int) -> list[Line]:
        """Refusals that concern the machine."""
        node = self.session.node(chain.node)
        out: list[Line] = []
        for code, told in (self.session.snapshot.health.get("refusals") or {}).items():
            if node is not None and (told.get("mac") in node.macs or code in ("other_server", "pool_empty")):
                when = ago(self.session.wall(), told["at"])
                out += _labelled("seen meanwhile", f"{told['sentence']}, {told['count']} times, last {when}", columns, "")
        return out

    def hints(self) -> list[Hint]:
        return [Hint("r", "retry"), Hint("enter", "the node"), Hint(".", "more"), Hint("esc", "back")]

    def subject(self) -> Subject:
        chain = self.chain()
        if chain is None:
            return Subject()
        return Subject((chain.node,), chain.role if self.role or chain.role else "")


def _labelled(label: str, text: str, columns: int, style: str) -> list[Line]:
    texts = wrap(text, columns - 24)
    return [line((f"   {label:<18} " if i == 0 else " " * 22, "dim"), (one, style)) for i, one in enumerate(texts)]
