"""2: the racks by unit, with the state of each machine and its problem. A wide terminal shows several racks side by side."""

from __future__ import annotations

from collections.abc import Sequence

from engine.api.views import NodeRow, RackRoom, RackView, rack_room

from .. import marks
from ..formats import count, light_words
from ..names import apart
from ..page import Page
from ..panes import DETAIL
from ..screen import Hint, Subject
from ..session import Session
from ..standing import COUNTED, STYLE, standing
from ..styled import Line, fit, flow, line
from .detail import node_beside
from .elevation import EDGE, NAMED, UNIT_BARS, elevation, label
from .machine import HEADS, name_of, record_of

_CHECKS = (("swapped", "ask"), ("missing", "ask"), ("silent", "dim"), ("unknown", "dim"))
MOST = 78
"""Most cells of one rack."""


class RackScreen(Page):
    name = "rack"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.index = 0
        self.top = 0
        self._drawn: dict[str, tuple[tuple[object, ...], list[Line]]] = {}
        """Rack -> what its lines depend on, and the lines."""

    def room(self) -> RackRoom:
        return self.session.remember("rack", lambda: rack_room(self.session.world, self.session.links()))

    def things(self) -> list[NodeRow]:
        """The machines in cursor order: rack by rack from the top, then those without a known place."""
        room = self.room()
        out = [s.node for r in room.racks for s in sorted(r.slots, key=lambda s: -s.unit) if s.node is not None]
        return [*out, *room.elsewhere]

    def body(self, columns: int, rows: int) -> list[Line]:
        return self._draw(columns, rows, beside=False)

    def listing(self, columns: int, rows: int) -> list[Line]:
        return self._draw(columns, rows, beside=True)

    def list_width(self, columns: int) -> int:
        return columns - DETAIL - 3 if len(self.room().racks) > 1 else columns // 2

    def beside(self, columns: int, rows: int) -> list[Line] | None:
        nodes = self.subject().nodes
        return node_beside(self.session, nodes[0], columns, rows) if nodes else None

    def _draw(self, columns: int, rows: int, beside: bool) -> list[Line]:
        """`beside`: the words of a fault also stand in the detail."""
        room = self.room()
        things = self.things()
        self.index = max(min(self.index, len(things) - 1), 0)
        chosen = things[self.index].id if things else ""
        foot = self._foot(room, columns)
        tall = rows - len(foot)
        if not room.racks:
            lines: list[Line] = [line(), line("  ", ("the plan has no rack: the nodes by name", "dim")), line()]
            return self._window([*lines, *self._unplaced(room.elsewhere, columns, chosen)], rows, chosen)
        names = [len(name_of(s.node)) for r in room.racks for s in r.slots if s.node is not None]
        each = max([NAMED, *(EDGE + 2 + many for many in names)])
        side = max(min(len(room.racks), columns // each), 1)
        wide = min(columns // side, MOST)
        out: list[Line] = []
        for i in range(0, len(room.racks), side):
            group = [self._rack(r, wide - (2 if side > 1 else 0), tall, chosen, not beside) for r in room.racks[i : i + side]]
            for y in range(max(len(one) for one in group)):
                spans: list[tuple[str, str]] = []
                for one in group:
                    spans += fit(one[y] if y < len(one) else (), wide)
                out.append(tuple(spans))
            if i + side < len(room.racks) or room.elsewhere:
                out.append(line())
        if room.elsewhere:
            out.append(line((" place unknown", "head")))
            out += self._unplaced(room.elsewhere, columns, chosen)
        return [*self._window(out, tall, chosen), *foot]

    def _rack(self, rack: RackView, wide: int, tall: int, chosen: str, insert: bool) -> list[Line]:
        """The rack's lines. A key in one rack draws no other: a thousand machines are twenty-five racks."""
        session = self.session
        mine = [s.node.id for s in rack.slots if s.node is not None]
        percents = tuple(p.percent for node in mine if (p := session.progress(node)) is not None)
        here = chosen if chosen in mine else ""
        lights = tuple(light_words(session.wall(), s.node.light) for s in rack.slots if s.node is not None and s.node.light)
        key = (session.seen(), wide, tall, insert, here, session.marks.intersection(mine), percents, lights)
        found = self._drawn.get(rack.name)
        if found is None or found[0] != key:
            self._drawn[rack.name] = found = (key, elevation(session, rack, wide, tall, here, insert))
        return found[1]

    def _unplaced(self, rows: Sequence[NodeRow], columns: int, chosen: str) -> list[Line]:
        """Machines without a known place."""
        names = apart((name_of(r) for r in rows), max(columns - EDGE - 1, 8))
        out: list[Line] = []
        for r in rows:
            how = standing(r)
            first, *rest = label(self.session, r, names, columns - EDGE)
            one: Line = ((" " * 6, "dim"), (UNIT_BARS[how], STYLE[how]), ("  ", ""), *first)
            out.append(tuple((text, f"{style}+") for text, style in fit(one, columns)) if r.id == chosen else one)
            out += [((" " * EDGE, ""), *more) for more in rest]
        return out

    def _window(self, lines: list[Line], rows: int, chosen: str) -> list[Line]:
        """Scrolls so that the cursor is visible."""
        at = next((i for i, one in enumerate(lines) if any(style.endswith("+") for _, style in one)), 0)
        if at < self.top + 1:
            self.top = max(at - 1, 0)
        if at >= self.top + rows:
            self.top = at - rows + 1
        self.top = max(min(self.top, len(lines) - rows), 0)
        out = lines[self.top : self.top + rows]
        return [*out, *([line()] * (rows - len(out)))]

    def _foot(self, room: RackRoom, columns: int) -> list[Line]:
        """Cables, switches and machines without a name, on as many lines as they need."""
        cables = room.cables
        parts = [line((" cables: ", "dim"), (f"{cables.get('right', 0)} right", "good"))]
        parts += [line((f"{cables[one]} {one}", style)) for one, style in _CHECKS if cables.get(one)]
        parts += [line((f"  {name} heard on {count(heard, 'port')}", "dim")) for name, heard in room.switches]
        parts += [line(("you are here: ", "dim"), (room.here, "name"))] if room.here else []
        if room.unborn:
            parts.append(line((f"   {count(len(room.unborn), 'machine')} not identified yet", "ask")))
        return flow(parts, columns, indent=1)

    def table(self) -> list[Sequence[str]]:
        return [HEADS, *(record_of(self.session, row) for row in self.things())]

    def fields(self) -> list[tuple[str, str]]:
        things = self.things()
        row = record_of(self.session, things[min(self.index, len(things) - 1)]) if things else ()
        return [(name, value) for name, value in zip(HEADS, row, strict=False) if value]

    def hints(self) -> list[Hint]:
        return [Hint("enter", "open", "the node")]

    def subject(self) -> Subject:
        things = self.things()
        return Subject((things[min(self.index, len(things) - 1)].id,)) if things else Subject()

    def point(self, x: int, y: int, text: str) -> str:
        """The machine whose name stands in that line, the nearest one if there are several."""
        named = [(abs(at - x), i) for i, one in enumerate(self.things()) if (at := text.find(name_of(one))) >= 0 and x < self.list_cells]
        if not named:
            return ""
        where = "there" if min(named)[1] == self.index else "moved"
        self.index = min(named)[1]
        return where

    def press(self, key: str) -> bool:
        moves = {"up": -1, "k": -1, "down": 1, "j": 1, "pageup": -10, "pagedown": 10, "home": -9999, "g": -9999, "end": 9999, "G": 9999}
        if key in moves:
            self.index = max(min(self.index + moves[key], len(self.things()) - 1), 0)
            return True
        if key in marks.KEYS:
            marks.press(self.session, key, [t.id if t.kind in COUNTED else "" for t in self.things()], self.index, self.put)
            return True
        return False

    def put(self, index: int) -> None:
        """The cursor onto this machine, in the order of `things`."""
        self.index = index
