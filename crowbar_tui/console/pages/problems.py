"""!: everything that needs a person, the worst first. The problem under the cursor shows its cause and what to try."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from engine.api.views import QueuedProblem, short

from .. import go_to
from ..formats import since, stamp
from ..orders import Order
from ..overlays import Asked
from ..page import Listing, Sort
from ..screen import Hint, Subject
from ..styled import Line, clip, line, wrap

_WORDS = ("broken", "wrong", "asks", "stopped")
_STYLE = ("bad", "bad", "ask", "dim")
_INDENT = 9
_WHO, _AGE = 20, 7


class ProblemsScreen(Listing):
    name = "problems"
    empty = "nothing needs a person"
    sorts = (Sort("", None), Sort("age", lambda p: p.since or float("inf")), Sort("node", lambda p: p.name))

    def things(self) -> Sequence[QueuedProblem]:
        return self.session.queue()

    def key_of(self, thing: QueuedProblem) -> Hashable:
        return thing.key

    def searched_text(self, thing: QueuedProblem) -> str:
        return f"{short(thing.name)} {thing.role} {thing.code} {thing.sentence} {thing.who} {thing.note}"

    heads_of_table = ("node", "role", "how bad", "since", "cause", "try", "acknowledged by", "note")

    def records(self, thing: QueuedProblem) -> list[Sequence[str]]:
        say, worse = self.session.say, _WORDS[thing.worse]
        return [(short(thing.name), thing.role, worse, stamp(thing.since), say(thing.sentence), say(thing.advice), thing.who, thing.note)]

    def heads(self, columns: int) -> list[Line]:
        queue = self.session.queue()
        open_ = sum(one.open for one in queue)
        told = f"{open_} for a person" if open_ else "nothing new for a person"
        seen = len(queue) - open_
        more = f", {seen} acknowledged" if seen else ""
        return [line((f" {told}{more}", "ask" if open_ else "good"))]

    def draw(self, thing: QueuedProblem, columns: int, chosen: bool) -> list[Line]:
        say = self.session.say
        style = _STYLE[thing.worse] if thing.open else "dim"
        name = self._name(thing)
        aged = since(self.session.wall(), thing.since)
        cause = f"{thing.role}: {thing.sentence}" if thing.role and thing.role not in thing.sentence else thing.sentence
        wide = self._wide()
        room = columns - _INDENT - 2 - max(wide, len(name)) - _AGE
        texts = wrap(say(cause), room, 0 if chosen else 2)
        head = (
            ("! " if thing.open and thing.worse < 2 else "? " if thing.open else "  ", style),
            (f"{_WORDS[thing.worse] if thing.open else 'seen':<{_INDENT - 2}}", style),
            (f"{name:<{wide}} ", "name"),
            (f"{aged:>{_AGE - 1}} ", "dim"),
        )
        before = " " * sum(len(text) for text, _ in head)
        out = [line(*head, (texts[0], style if thing.open else "dim")), *(line(before, (more, style)) for more in texts[1:])]
        if thing.who:
            out += _labelled(f"{thing.who}:", thing.note, columns, "dim" if not chosen else "")
        if chosen and thing.advice:
            out += _labelled("try:", self.session.advise(thing.advice), columns, "ask" if thing.open else "")
        return out

    def _wide(self) -> int:
        """Cells of the longest name, so that the cause has the rest."""
        return max((min(len(self._name(one)), _WHO) for one in self.session.queue()), default=_WHO)

    def _name(self, thing: QueuedProblem) -> str:
        """A MAC is never cut: people compare it with a label."""
        return thing.name if thing.node not in self.session.world.nodes else clip(short(thing.name), _WHO)

    def hints(self) -> list[Hint]:
        chosen = self.chosen()
        again = chosen is not None and not chosen.open
        return [
            Hint("enter", "go there", "the page where it can be mended"),
            Hint("w", "why", "the chain of reasons"),
            Hint("K", "needs a person again" if again else "acknowledge", "you have seen it: it goes to the end, with your note"),
            Hint("r", "retry"),
            Hint("s", "sort", "by how bad, age, node"),
        ]

    def subject(self) -> Subject:
        thing = self.chosen()
        if thing is None or self.session.node(thing.node) is None:
            return Subject()
        return Subject((thing.node,), thing.role)

    def machine(self) -> str:
        thing = self.chosen()
        return thing.node if thing is not None else ""

    def press(self, key: str) -> bool:
        thing = self.chosen()
        if key == "enter" and thing is not None:
            go_to.problem(self.session, thing)
            return True
        if key == "K" and thing is not None:
            self._acknowledge(thing)
            return True
        return super().press(key)

    def _acknowledge(self, thing: QueuedProblem) -> None:
        session = self.session
        if not session.may_do():
            return
        if not thing.mark:
            session.refuse("only a problem of a node can be acknowledged", "enter shows where it can be mended")
            return

        def give(note: str) -> None:
            session.give([Order("acknowledge", thing.node, "", {"note": note, "problems": [thing.mark]})])

        if thing.open:
            session.overlay = Asked(session, f"acknowledge {short(thing.name)}: what happens about it", give)
        else:
            give("")


def _labelled(label: str, text: str, columns: int, style: str) -> list[Line]:
    before = f"{'':{_INDENT}}{label} "
    texts = wrap(text, max(columns - len(before) - 1, 20))
    return [line((before if i == 0 else " " * len(before), "dim"), (one, style)) for i, one in enumerate(texts)]
