"""7: one stream of events from the journal. It follows the end until the cursor leaves it; `f` follows again."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from engine.api.views import short

from ..formats import clock, stamp
from ..names import apart
from ..page import Listing
from ..panes import list_room
from ..screen import Hint, Subject
from ..session import Session
from ..styled import Line, line, wrap
from ..table import Cell, Col, Layout, cells_of, head, layout, natural_width, row
from .detail import node_beside
from .node_parts import stacked

_STYLE = {"operate": "ask", "commit": "ask", "set-attribute": "ask", "hello": "good", "bye": "dim", "missed": "ask", "tick": "dim"}

_COLUMNS = (
    Col("seq", "seq", 7, right=True, gap=0, drop=1),
    Col("time", "time", 9, right=True, gap=0),
    Col("what", "what", 13, least=8, gap=1),
    Col("who", "who", 12, names=True, least=10, gap=1),
    Col("text", "text", 28, grow=1, least=24, gap=1),
)


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

    heads_of_table = ("seq", "time", "what", "who", "text")

    def records(self, thing: dict[str, Any]) -> list[Sequence[str]]:
        return [(str(thing["seq"]), stamp(thing["at"]), str(thing["type"]), self._who(thing), str(thing.get("text") or ""))]

    def heads(self, columns: int) -> list[Line]:
        return [head(self._layout(columns))]

    def _cols(self) -> Sequence[Col]:
        return self.session.manner.columns(self.name, _COLUMNS)

    def _layout(self, columns: int) -> Layout:
        return self.session.remember(("events", columns), lambda: self._laid_out(columns))

    def _laid_out(self, columns: int) -> Layout:
        return layout(self._cols(), columns, {"who": max(len(name) for name in self._names())})

    def _names(self) -> list[str]:
        """Every name that an event may have; a machine without one is a MAC."""
        return ["-" * 17, *(short(r.name) for r in self.session.rows.values())]

    def draw(self, thing: dict[str, Any], columns: int, chosen: bool) -> list[Line]:
        bad = _bad(thing)
        at = self._layout(columns)
        whole = chosen and not self.follow
        lines = wrap(str(thing.get("text", "")), cells_of(at, "text"), 6 if whole else 2)
        names = self.session.remember(("events-names", columns), lambda: apart(self._names(), cells_of(at, "who")))
        who = self._who(thing)
        cells: dict[str, Cell] = {
            "seq": (str(thing["seq"]), "dim"),
            "time": (clock(thing["at"]), "dim"),
            "what": (str(thing["type"]), "bad" if bad else _STYLE.get(str(thing["type"]), "")),
            "who": (names.get(who, who), "name"),
            "text": (lines[0], "bad" if bad else ""),
        }
        return [row(at, cells), *(row(at, {"text": more}) for more in lines[1:])]

    def list_width(self, columns: int) -> int:
        needs = {"who": max(len(name) for name in self._names())}
        return list_room(columns, natural_width(self._cols(), needs) + 20, natural_width(self._cols(), needs, least=True))

    def beside(self, columns: int, rows: int) -> list[Line] | None:
        """The whole event, and its node as it is now."""
        thing = self.chosen()
        if thing is None:
            return None
        out = [line((f" {thing['type']}", "bad" if _bad(thing) else "name"), (f"  {clock(thing['at'])}", "dim"))]
        out += [line(" ", (text, "dim")) for text in wrap(self._who(thing), columns - 2) if text]
        out += [line(" ", text) for text in wrap(str(thing.get("text", "")), columns - 2) if text]
        nodes = self.subject().nodes
        return stacked([out, node_beside(self.session, nodes[0], columns, max(rows - len(out) - 1, 0)) if nodes else []], columns)

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


def _bad(thing: dict[str, Any]) -> bool:
    return "problem" in thing or "reason" in thing or "error" in (thing.get("roles") or {}).values()
