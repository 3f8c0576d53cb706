"""4: nodes by roles, one letter each. `tab` shows the annealer's lists instead: failed, running, todo, blocked."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from engine.api.views import ABSENT, LETTERS, Column, Lists, Node, Waiting, bearers, cells, columns, lists, role_row, short

from .. import glyphs as g
from .. import marks
from ..canvas import Canvas
from ..formats import since, stamp
from ..names import apart
from ..page import Listing
from ..screen import Hint, Subject
from ..session import Session
from ..standing import COUNTED
from ..styled import Line, flow, line, wrap
from ..table import Cell, Col, Layout, cells_of, head, layout, row
from .detail import node_beside
from .node_parts import stacked
from .why import WhyScreen

_STYLE = {"A": "good", "T": "busy", "t": "", "b": "dim", "E": "bad", "p": "ask", "s": "dim", ".": "dim", "?": "ask"}
_STATE = {"error": "bad", "transition": "busy", "todo": "", "blocked": "dim"}


_WIDE, _LETTERS = 96, 40
"""Cells from which a matrix has its names whole, and the cells that its letters then keep."""
_HEADS = 3
"""Most lines of column heads: a name may reach over the columns whose names stand on the other lines."""
_LISTS = (
    Col("mark", "", 2, gap=0),
    Col("node", "node", 12, least=8, names=True, gap=1),
    Col("role", "role", 19, least=12, names=True),
    Col("state", "state", 10),
    Col("since", "since", 6, right=True, gap=1),
)


class _Shape(NamedTuple):
    """How the matrix fits: cells before it, cells of a column, the first visible column, how many are visible, lines of heads."""

    left: int
    each: int
    first: int
    many: int
    lines: int


class RolesScreen(Listing):
    name = "roles"
    empty = "no node has a role yet"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.lists = False
        self.column = 0
        self._drawn: _Shape | None = None

    def _columns(self) -> tuple[Column, ...]:
        return self.session.remember("columns", lambda: columns(self.session.world))

    def _lists(self) -> Lists:
        return self.session.remember("lists", lambda: lists(self.session.world))

    def things(self) -> Sequence[Any]:
        return self._lists().lines if self.lists else self.session.remember("bearers", lambda: bearers(self.session.world))

    def key_of(self, thing: Node | Waiting) -> Hashable:
        return (thing.node, thing.role) if isinstance(thing, Waiting) else thing.id

    def searched_text(self, thing: Node | Waiting) -> str:
        if isinstance(thing, Waiting):
            return f"{short(thing.node)} {thing.role} {thing.state} {thing.sentence}"
        return f"{short(thing.name)} {thing.group} {thing.family}"

    # -- the matrix ------------------------------------------------------------------------------------------------

    def _names(self, room: int) -> dict[str, str]:
        """The node names as they fit beside the matrix."""

        def make() -> dict[str, str]:
            found = [short(n.name) for n in self.session.remember("bearers", lambda: bearers(self.session.world))]
            most = room // 3 if room < _WIDE else room - _LETTERS
            return apart(found, min(max((len(name) for name in found), default=4), max(most, 8)))

        return self.session.remember(("roles-names", room), make)

    def _shape(self, room: int) -> _Shape:
        names = self._columns()
        left = 2 + max((len(text) for text in self._names(room).values()), default=4)
        longest = max((len(c.role) for c in names), default=4) + 1
        for lines in range(1, _HEADS + 1):
            each = max(-(-longest // lines), 4)
            if each * len(names) + longest - each <= room - left or lines == _HEADS:
                break
        many = max((room - left - (longest - each)) // each, 1)
        first = max(min(self.column - many + 1, len(names) - many), 0) if self.column >= many else 0
        return _Shape(left, each, first, min(many, len(names)), lines)

    def heads(self, columns: int) -> list[Line]:
        if self.lists:
            counts = self._lists().counts
            told = [(f" {counts.get(s, 0)} {s} ", style if counts.get(s) else "dim") for s, style in _STATE.items()]
            more = counts.get("waiting", 0)
            return [line(*told, (f" {more} more wait" if more else "", "dim")), head(self._layout(columns))]
        shape = self._shape(columns)
        names = self._columns()[shape.first : shape.first + shape.many]
        paper = Canvas(columns, shape.lines)
        for i, c in enumerate(names):
            x, y = shape.left + i * shape.each, i % shape.lines
            here = i + shape.first == self.column
            for below in range(y + 1, shape.lines):
                paper.put(x + 1, below, g.SIDE, "dim")
            paper.text(x + 1, y, c.role, "name" if here else "head", 1)
        return paper.lines()

    def _layout(self, columns: int) -> Layout:
        lines = self._lists().lines
        needs = {"node": max((len(short(t.node)) for t in lines), default=0), "role": max((len(t.role) for t in lines), default=0)}
        return self.session.remember(("lists", columns), lambda: layout(_LISTS, columns, needs))

    def draw(self, thing: Node | Waiting, columns: int, chosen: bool) -> list[Line]:
        if isinstance(thing, Waiting):
            return self._waiting(thing, columns)
        shape = self._shape(columns)
        letters = cells(self.session.world, thing.id, self._columns()[shape.first : shape.first + shape.many])
        mark = "*" if thing.id in self.session.marks else " "
        name = self._names(columns)[short(thing.name)]
        spans: list[tuple[str, str]] = [(mark, "ask"), (f"{name:<{shape.left - 1}}", "name")]
        for i, letter in enumerate(letters, shape.first):
            here = chosen and i == self.column
            text = f"[{letter}]" if here else f" {letter} "
            spans.append((f"{text:<{shape.each}}", _STYLE.get(letter, "")))
        return [tuple(spans)]

    def _waiting(self, thing: Waiting, columns: int) -> list[Line]:
        at = self._layout(columns)
        room = cells_of(at, "node")
        names = self.session.remember(("lists-names", room), lambda: apart([short(t.node) for t in self._lists().lines], room))
        style = "bad" if thing.state == "error" else "dim"
        cells_: dict[str, Cell] = {
            "mark": (" !" if thing.state == "error" else "", "bad"),
            "node": (names.get(short(thing.node), short(thing.node)), "name"),
            "role": thing.role,
            "state": (thing.state, _STATE.get(thing.state, "")),
            "since": (since(self.session.wall(), thing.since), "dim"),
        }
        return [row(at, cells_), *(line("     ", (text, style)) for text in wrap(self.session.say(thing.sentence), columns - 6) if text)]

    def table(self) -> list[Sequence[str]]:
        """The matrix, or the lists with their reasons."""
        if self.lists:
            return [("node", "role", "state", "since", "why"), *(row for thing in self.shown() for row in self.records(thing))]
        return [("node", *(column.role for column in self._columns())), *(row for thing in self.shown() for row in self.records(thing))]

    def records(self, thing: Node | Waiting) -> list[Sequence[str]]:
        if isinstance(thing, Waiting):
            return [(short(thing.node), thing.role, thing.state, stamp(thing.since), self.session.say(thing.sentence))]
        return [(short(thing.name), *cells(self.session.world, thing.id, self._columns()))]

    def fields(self) -> list[tuple[str, str]]:
        thing = self.chosen()
        if thing is None:
            return []
        return [(name, value) for name, value in zip(self.table()[0], self.records(thing)[0], strict=True) if value]

    def rule(self) -> str:
        rest = super().rule()
        many = len(self._columns())
        shape = self._drawn
        if self.lists or shape is None or shape.many >= many:
            return rest
        told = f"roles {shape.first + 1}-{shape.first + shape.many} of {many}: left, right"
        return f"{told}   {rest}" if rest else told

    def body(self, columns: int, rows: int) -> list[Line]:
        return self._matrix(columns, rows, told=True)

    def listing(self, columns: int, rows: int) -> list[Line]:
        return self._matrix(columns, rows, told=False)

    def _matrix(self, columns: int, rows: int, told: bool) -> list[Line]:
        """`told`: the role under the cursor in words, below."""
        self.empty = "nothing failed, nothing runs, nothing waits" if self.lists else "no node has a role yet"
        if self.lists:
            return super().body(columns, rows)
        self.column = max(min(self.column, len(self._columns()) - 1), 0)
        self._drawn = self._shape(columns)
        letters = [*LETTERS.items(), ("no such role", ABSENT)]
        legend = [line((letter, _STYLE.get(letter, "")), (f" {shown}", "dim")) for shown, letter in letters]
        words = self._told(columns) if told else []
        words += [line()] * (2 - len(words)) if told else []
        foot = [*(line(" ", *one) for one in flow(legend, columns - 2)), *words]
        body = super().body(columns, max(rows - len(foot), 2))
        return [*body, *([line()] * (rows - len(foot) - len(body))), *foot]

    def list_width(self, columns: int) -> int:
        longest = max((len(c.role) for c in self._columns()), default=4)
        names = max((len(text) for text in self._names(columns).values()), default=4)
        return max(
            names + _LETTERS + 2 if names > _LETTERS else 0,
            names + 4 + len(self._columns()) * (-(-(longest + 1) // _HEADS)) + longest,
            columns // 2,
        )

    def beside(self, columns: int, rows: int) -> list[Line] | None:
        """The role under the cursor: why it waits or failed, and the rest of its node."""
        found = self.subject()
        if not found.nodes:
            return None
        why = WhyScreen(self.session, found.nodes[0], found.role).text(columns) if found.role else self._told(columns)
        return stacked([why, node_beside(self.session, found.nodes[0], columns, max(rows - len(why) - 1, 0))], columns)

    def _told(self, columns: int) -> list[Line]:
        """The role under the cursor, in words."""
        thing = self.chosen()
        names = self._columns()
        if thing is None or not names:
            return [line()]
        column = names[self.column]
        record = self.session.world.node_roles.get((thing.id, column.role))
        if record is None:
            words = f"({column.stage}): {short(thing.name)} does not have this role"
            return flow([line((f" {column.role}", "name")), *(line((f" {word}", "dim")) for word in words.split())], columns, "", 1)
        r = role_row(self.session.world, record)
        wrong = (*r.why, *r.findings)
        style = _STYLE.get(LETTERS.get(r.state, "?"), "")
        parts = [
            line((f" {r.role}", "name")),
            line((f" ({r.stage})", "dim")),
            line((f" on {short(thing.name)}:", "dim")),
            line((f" {r.state}", style)),
        ]
        first = flow(parts, columns, between="", indent=1)
        said = wrap(self.session.say(wrong[0].sentence), columns - 4) if wrong else []
        return [*first, *(line("   ", text) for text in said)]

    def hints(self) -> list[Hint]:
        return [
            Hint("tab", "lists", "the matrix, or the roles that failed, run, wait or are blocked"),
            Hint("left right", "role", "the role under the cursor"),
            Hint("enter", "open", "the node"),
        ]

    def subject(self) -> Subject:
        thing = self.chosen()
        if isinstance(thing, Waiting):
            node = self.session.node(thing.node)
            return Subject((node.id,), thing.role) if node is not None else Subject()
        names = self._columns()
        if thing is None or not names:
            return Subject()
        role = names[max(min(self.column, len(names) - 1), 0)].role
        return Subject((thing.id,), role if (thing.id, role) in self.session.world.node_roles else "")

    def pick(self, role: str) -> None:
        """The column of this role, if the rack has it."""
        names = [column.role for column in self._columns()]
        if role in names:
            self.lists, self._cache, self.column = False, None, names.index(role)

    def press(self, key: str) -> bool:
        if key == "tab":
            self.lists = not self.lists
            self.at, self.index, self.top, self._cache = None, 0, 0, None
            return True
        if not self.lists and key in ("left", "right"):
            self.column = max(min(self.column + (1 if key == "right" else -1), len(self._columns()) - 1), 0)
            return True
        if not self.lists and key in marks.KEYS:
            self.chosen()
            marks.press(self.session, key, [t.id if t.kind.value in COUNTED else "" for t in self.shown()], self.index, self.move)
            return True
        return super().press(key)
