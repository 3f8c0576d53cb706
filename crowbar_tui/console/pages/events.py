"""7: one stream of what happened, from the journal. It follows the end until the cursor leaves it; f goes back to following."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from engine.views.show import short

from ..ink import Line, clip, line, wrap
from ..page import Hint, Listing, Subject
from ..words import clock

_INK = {"operate": "ask", "commit": "ask", "set-attribute": "ask", "hello": "good", "bye": "dim", "missed": "ask", "tick": "dim"}


class EventsScreen(Listing):
    name = "events"
    empty = "nothing happened yet"

    def __init__(self, desk: Any) -> None:
        super().__init__(desk)
        self.follow = True
        self.all = False

    def things(self) -> Sequence[dict[str, Any]]:
        return list(self.desk.story) if self.all else [t for t in self.desk.story if t.get("text")]

    def key_of(self, thing: dict[str, Any]) -> Hashable:
        return thing["seq"]  # type: ignore[no-any-return]

    def words(self, thing: dict[str, Any]) -> str:
        return f"{thing['type']} {self._who(thing)} {thing.get('text', '')}"

    def _who(self, thing: dict[str, Any]) -> str:
        name = str(thing.get("node") or "")
        node = self.desk.rows.get(name)
        return short(node.name if node is not None else name) if name else str(thing.get("mac") or "")

    def heads(self, columns: int) -> list[Line]:
        return [line((f" {'seq':>6} {'time':<9}{'what':<14}{'who':<18}text", "head"))]

    def draw(self, thing: dict[str, Any], columns: int, chosen: bool) -> list[Line]:
        bad = "problem" in thing or "reason" in thing or "error" in (thing.get("roles") or {}).values()
        ink = "bad" if bad else _INK.get(str(thing["type"]), "")
        head = f" {thing['seq']:>6} "
        text = str(thing.get("text", ""))
        room = columns - 49
        lines = wrap(text, room, 6) if chosen and not self.follow else [clip(text, room)]
        first = line(
            (head, "dim"), (f"{clock(thing['at'])} ", "dim"), (f"{clip(str(thing['type']), 13):<14}", ink),
            (f"{clip(self._who(thing), 17):<18}", "name"), (lines[0], "bad" if bad else ""),
        )  # fmt: skip
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
            Hint("f", "follow", "stay at the end as it grows"), Hint("t", "all", "also those that changed nothing that is told"),
            Hint("enter", "open", "the node"),
        ]  # fmt: skip

    def subject(self) -> Subject:
        thing = self.chosen()
        node = self.desk.node(str(thing.get("node"))) if thing is not None and thing.get("node") else None
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
