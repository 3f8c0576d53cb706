"""4: nodes by roles, one letter each. `tab` shows the annealer's lists instead: failed, running, todo, blocked."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from engine.api.views import LETTERS, Column, Lists, Node, Waiting, bearers, cells, columns, lists, role_row, short

from ..formats import since
from ..page import Listing
from ..screen import Hint, Subject
from ..session import Session
from ..styled import Line, clip, line

_STYLE = {"A": "good", "T": "busy", "t": "", "b": "dim", "E": "bad", "p": "ask", "s": "dim", ".": "dim", "?": "ask"}
_STATE = {"error": "bad", "transition": "busy", "todo": "", "blocked": "dim"}


class RolesScreen(Listing):
    name = "roles"
    empty = "no node has a role yet"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.lists = False
        self.column = 0

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

    def _shape(self, room: int) -> tuple[int, int, int]:
        """Width of a column in cells, the first visible column, and the number of columns."""
        names = self._columns()
        wide = max((len(c.role) for c in names), default=4)
        each = max(min(wide, (room - 16) // max(len(names), 1) - 1), 5)
        many = max((room - 16) // (each + 1), 1)
        first = max(min(self.column - many + 1, len(names) - many), 0) if self.column >= many else 0
        return each, first, many

    def heads(self, columns: int) -> list[Line]:
        if self.lists:
            counts = self._lists().counts
            told = [(f" {counts.get(s, 0)} {s} ", style if counts.get(s) else "dim") for s, style in _STATE.items()]
            more = counts.get("waiting", 0)
            return [
                line(*told, (f" {more} more wait" if more else "", "dim")),
                line((f"   {'node':<13}{'role':<20}{'state':<12}{'since':>6}  why", "head")),
            ]
        each, first, many = self._shape(columns)
        names = self._columns()[first : first + many]
        spans = [(f"{'':<15}", "head")]
        for i, c in enumerate(names, first):
            spans.append((f"{abbreviated(c.role, each):<{each}} ", "name" if i == self.column else "head"))
        return [line(*spans)]

    def draw(self, thing: Node | Waiting, columns: int, chosen: bool) -> list[Line]:
        if isinstance(thing, Waiting):
            mark = "!" if thing.state == "error" else " "
            head = f" {mark} {clip(short(thing.node), 12):<13}"
            told = self.session.say(thing.sentence)
            style = "bad" if thing.state == "error" else "dim"
            under = columns < 120 and (chosen or thing.state == "error")
            told_first = line(
                (head, "name"),
                f"{clip(thing.role, 19):<20}",
                (f"{thing.state:<12}", _STATE.get(thing.state, "")),
                (f"{since(self.session.wall(), thing.since):>6}  ", "dim"),
                ("" if under else clip(told, columns - 57), style),
            )
            return [told_first, *([line("     ", (clip(told, columns - 6), style))] if under else [])]
        each, first, many = self._shape(columns)
        letters = cells(self.session.world, thing.id, self._columns()[first : first + many])
        mark = "*" if thing.id in self.session.marks else " "
        spans: list[tuple[str, str]] = [(mark, "ask"), (f"{clip(short(thing.name), 13):<14}", "name")]
        for i, letter in enumerate(letters, first):
            here = chosen and i == self.column
            text = f"[{letter}]" if here else f" {letter} "
            spans.append((f"{text:<{each + 1}}", _STYLE.get(letter, "")))
        return [tuple(spans)]

    def body(self, columns: int, rows: int) -> list[Line]:
        if self.lists:
            self.empty = "nothing failed, nothing runs, nothing waits"
            return super().body(columns, rows)
        self.empty = "no node has a role yet"
        names = self._columns()
        self.column = max(min(self.column, len(names) - 1), 0)
        legend = [f"{letter} {shown}" for shown, letter in LETTERS.items()] + [". not bound"]
        if columns < 80:
            return super().body(columns, rows)
        body = super().body(columns - 16, rows - 1)
        out: list[Line] = []
        for i, one in enumerate(body):
            told = legend[i - 1] if 1 <= i <= len(legend) else ""
            letter = told[:1]
            chosen = any(style.endswith("+") for _, style in one)
            flat = one if chosen else (*one, (" " * max(columns - 16 - sum(len(t) for t, _ in one), 0), ""))
            out.append((*flat, (f"{letter:>2} ", _STYLE.get(letter, "")), (told[2:], "dim")) if told else flat)
        out += [line()] * (rows - 1 - len(out))
        return [*out, self._told(columns)]

    def _told(self, columns: int) -> Line:
        """The role under the cursor, in words."""
        thing = self.chosen()
        names = self._columns()
        if thing is None or not names:
            return line()
        column = names[self.column]
        record = self.session.world.node_roles.get((thing.id, column.role))
        if record is None:
            return line((f" {column.role}", "name"), (f" ({column.stage}): {short(thing.name)} does not have this role", "dim"))
        r = role_row(self.session.world, record)
        wrong = (*r.why, *r.findings)
        said = f"  {self.session.say(wrong[0].sentence)}" if wrong else ""
        style = _STYLE.get(LETTERS.get(r.state, "?"), "")
        return line((f" {r.role}", "name"), (f" ({r.stage}) on {short(thing.name)}: ", "dim"), (r.state, style), clip(said, columns - 40))

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

    def press(self, key: str) -> bool:
        if key == "tab":
            self.lists = not self.lists
            self.at, self.index, self.top, self._cache = None, 0, 0, None
            return True
        if not self.lists and key in ("left", "right"):
            self.column = max(min(self.column + (1 if key == "right" else -1), len(self._columns()) - 1), 0)
            return True
        if not self.lists and key == "space":
            thing = self.chosen()
            if thing is not None:
                self.session.marks ^= {thing.id}
                self.move(self.index + 1)
            return True
        return super().press(key)


def abbreviated(role: str, room: int) -> str:
    """The name if it fits; otherwise the start of both parts: `network-admin` becomes `net-a` in five cells."""
    if len(role) <= room:
        return role
    head, _, tail = role.partition("-")
    if not tail or room < 5:
        return role[:room]
    return head[: max(room - 2, 1)][:3] + "-" + tail[: room - 4] if len(head) > 3 else head + "-" + tail[: room - len(head) - 1]
