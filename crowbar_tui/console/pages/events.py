"""7: one stream of events from the journal. It follows the end until the cursor leaves it; `f` follows again."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from engine.api.views import short

from ..formats import clock
from ..page import Listing
from ..screen import Hint, Subject
from ..session import Session
from ..styled import Line, clip, line, wrap

_STYLE = {"operate": "ask", "commit": "ask", "set-attribute": "ask", "hello": "good", "bye": "dim", "missed": "ask", "tick": "dim"}


class EventsScreen(Listing):
    name = "events"
    empty = "nothing has happened yet"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.follow = True
        self.all = False

    def things(self) -> Sequence[dict[str, Any]]:
        return list(self.session.story) if self.all else [t for t in self.session.story if t.get("text")]

    def key_of(self, thing: dict[str, Any]) -> Hashable:
        seq: int = thing["seq"]
        return seq

    def searched_text(self, thing: dict[str, Any]) -> str:
        return f"{thing['type']} {self._who(thing)} {thing.get('text', '')}"

    def _who(self, thing: dict[str, Any]) -> str:
        name = str(thing.get("node") or "")
        node = self.session.rows.get(name)
        return short(node.name if node is not None else name) if name else str(thing.get("mac") or "")

    def heads(self, columns: int) -> list[Line]:
        return [line((f" {'seq':>6} {'time':<9}{'what':<14}{'who':<18}text", "head"))]

    def draw(self, thing: dict[str, Any], columns: int, chosen: bool) -> list[Line]:
        bad = "problem" in thing or "reason" in thing or "error" in (thing.get("roles") or {}).values()
        style = "bad" if bad else _STYLE.get(str(thing["type"]), "")
        head = f" {thing['seq']:>6} "
        text = str(thing.get("text", ""))
        room = columns - 49
        lines = wrap(text, room, 6) if chosen and not self.follow else [clip(text, room)]
        first = line(
            (head, "dim"),
            (f"{clock(thing['at'])} ", "dim"),
            (f"{clip(str(thing['type']), 13):<14}", style),
            (f"{clip(self._who(thing), 17):<18}", "name"),
            (lines[0], "bad" if bad else ""),
        )
        return [first, *(line(" " * 48, more) for more in lines[1:])]

    def body(self, columns: int, rows: int) -> list[Line]:
        if self.follow:
            self.move(len(self.shown()) - 1)
        return super().body(columns, rows)

    def rule(self) -> str:
        told = "following" if self.follow else "f follows"
        rest = super().rule()
        return f"{rest}   {told}" if rest else told

    def hints(self) -> list[Hint]:
        return [
            Hint("f", "follow", "follow new events"),
            Hint("t", "all", "also show events without a visible change"),
            Hint("enter", "open", "the node"),
        ]

    def subject(self) -> Subject:
        thing = self.chosen()
        node = self.session.node(str(thing.get("node"))) if thing is not None and thing.get("node") else None
        return Subject((node.id,)) if node is not None else Subject()

    def press(self, key: str) -> bool:
        if key == "f":
            self.follow = not self.follow
            return True
        if key == "t":
            self.all = not self.all
            self._cache = None
            return True
        if super().press(key):
            self.follow = key in ("end", "G") or (key in ("down", "j") and self.index >= len(self.shown()) - 1)
            return True
        return False
