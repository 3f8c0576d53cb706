"""The detail of a node, beside a list: the same parts as its page, in the order in which a technician asks for them."""

from __future__ import annotations

from ..formats import light_words, since
from ..session import Session
from ..standing import STYLE, standing
from ..styled import Line, flow, line, wrap
from .node import STATE, NodeScreen
from .node_parts import stacked


class NodeDetail(NodeScreen):
    """A node's page without a cursor."""

    def lines(self, columns: int, rows: int) -> list[Line]:
        """At most `rows` lines. The roles that are done are one line."""
        page = self.page()
        if page is None:
            return [line(), line(" ", ("this node no longer exists", "dim"))]
        r = self.session.row(self.id)
        told = f" since {since(self.session.wall(), r.since)}" if r.since else ""
        serial = line(("S/N ", "dim"), page.serial) if page.serial else line()
        place = line(("at ", "dim"), r.place) if r.place else line()
        state = line((f" {r.state}{told}", STYLE[standing(r)]))
        light = line((light_words(self.session.wall(), r.light), "ask"))
        head = [
            *(line((" " if i == 0 else "   ", ""), (part, "name")) for i, part in enumerate(wrap(self.crumb(), columns - 4))),
            *flow([state, light, place, line((page.row.family, "dim")), serial], columns, indent=1),
        ]
        parts = [[*head, *self._top(page, columns, rows)], self._open_roles(columns), self._ports(page, columns)]
        parts.append(self._networks(page, columns) if page.networks else [])
        used = sum(len(part) + 1 for part in parts if part)
        parts.append(self._story(columns, max(rows - used, 0)))
        return stacked(parts, columns)[:rows]

    def _open_roles(self, columns: int) -> list[Line]:
        """Each role that is not done, with what it waits for; those that are done are counted."""
        out: list[Line] = []
        done = 0
        for thing in self.things():
            r = thing.row
            if r.state in ("active", "skipped") and not r.findings:
                done += 1
                continue
            mark = "!" if r.state == "error" or r.findings else " "
            words, style = self._told(thing)
            out.append(line((f"{mark}", "bad"), (f"{r.role} ", "name"), (r.state, STATE.get(r.state, ""))))
            out += [line("    ", (part, style)) for part in wrap(words, columns - 6) if part]
        if done:
            out.insert(0, line((f" {done} role{'s' if done > 1 else ''} done", "good")))
        return out


def node_beside(session: Session, node: str, columns: int, rows: int) -> list[Line]:
    """The detail of this node."""
    return NodeDetail(session, node).lines(columns, rows)
