"""1: one line per machine: place, name, state, last signal and its age, progress. The reason stands below a row that waits."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from engine.api.views import NodeRow, short

from .. import glyphs as g
from .. import marks
from ..formats import ago, light_words, since
from ..names import apart
from ..orders import Order
from ..overlays import Sure
from ..page import Listing, Sort
from ..screen import Hint, Subject
from ..session import Session
from ..standing import MARK, STYLE, standing
from ..styled import Line, line, wrap
from ..table import Col, Layout, cells_of, head, layout, row
from .detail import node_beside
from .machine import HEADS, name_of, record_of, signal_of, state_of

_COLUMNS = (
    Col("mark", "", 1),
    Col("unit", "U", 3, right=True, gap=0),
    Col("node", "node", 10, least=10, names=True),
    Col("state", "state", 19),
    Col("signal", "last signal", 19, grow=3, most=44, least=12, drop=2),
    Col("age", "age", 6, right=True, gap=1),
    Col("runs", "runs", 13, wide=140, drop=3),
    Col("address", "address", 15, wide=140, drop=4),
    Col("family", "family", 14, wide=150, drop=5, names=True),
    Col("bar", "progress", 8, grow=1, most=20, least=5, drop=1),
    Col("done", "", 4, right=True, gap=1, drop=3),
)
_LEAST = 15
"""Cells of mark, unit and age, and the gaps of a list that also has name and state."""
_MORE = 41
"""Cells that signal and progress like to have beside a detail."""
_ORDER = {"problem": 0, "waiting": 1, "working": 2, "ready": 3}


class NodesScreen(Listing):
    name = "nodes"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.sorts = (
            Sort("", None),
            Sort("state", lambda r: _ORDER[standing(r)]),
            Sort("name", lambda r: r.name),
            Sort("age", lambda r: session.last_seen(r)),
            Sort("progress", lambda r: session.share(r)),
        )

    def nothing(self) -> str:
        """What a person can do so that a machine shows up."""
        if self.session.world.plan is None:
            return "no machine can boot yet, because no plan is committed: type :setup to make one"
        if self.session.snapshot.connection in ("alone", "failed"):
            return "no machine seen yet, and no engine runs that could serve one"
        if self.session.rehearsal:
            return "no machine seen yet: the virtual machines power on by themselves"
        return "no machine seen yet: power one on; it boots from the network"

    def things(self) -> Sequence[NodeRow]:
        return self.session.listed()

    def key_of(self, thing: NodeRow) -> Hashable:
        return thing.id

    def searched_text(self, thing: NodeRow) -> str:
        reason = thing.why.sentence if thing.why is not None else ""
        words = (short(thing.name), thing.state, thing.place, thing.group, thing.family, thing.address, thing.task, reason)
        return f"{' '.join(words)}\n{self._labels(thing)}"

    def _labels(self, thing: NodeRow) -> str:
        """What stands on the machine itself: serial, UUID, MACs."""
        node = self.session.world.nodes.get(thing.id)
        return f"{node.serial} {node.uuid} {' '.join(node.macs)}" if node is not None else ""

    heads_of_table = HEADS

    def records(self, thing: NodeRow) -> list[Sequence[str]]:
        return [record_of(self.session, thing)]

    def heads(self, columns: int) -> list[Line]:
        return [head(self._layout(columns))]

    def _needs(self) -> dict[str, int]:
        """Cells of the widest text of a column. A name gets what it needs before other columns grow."""
        rows = self.things()
        return {
            "node": max((len(name_of(r)) for r in rows), default=0),
            "state": max((len(r.state) for r in rows), default=0),
            "family": max((len(r.family) for r in rows), default=0),
            "runs": max((len(r.runs) for r in rows), default=0),
        }

    def _cols(self) -> Sequence[Col]:
        return self.session.manner.columns(self.name, _COLUMNS)

    def _layout(self, columns: int) -> Layout:
        needs = self.session.remember("nodes-needs", self._needs)
        return self.session.remember(("nodes-layout", columns), lambda: layout(self._cols(), columns, needs))

    def list_width(self, columns: int) -> int:
        needs = self.session.remember("nodes-needs", self._needs)
        least = needs["node"] + needs["state"] + _LEAST
        return max(least, min(least + _MORE, columns * 14 // 25))

    def beside(self, columns: int, rows: int) -> list[Line] | None:
        thing: NodeRow | None = self.chosen()
        if thing is None:
            return None
        return node_beside(self.session, thing.id, columns, rows) if self.session.node(thing.id) else self._sighted(thing, columns)

    def _sighted(self, row: NodeRow, columns: int) -> list[Line]:
        """What is known of a machine that is not a node yet."""
        words = [(row.name, "name"), (f"not identified yet; first seen {ago(self.session.wall(), row.since)}", "")]
        words += [(f"its network card is by {row.family}", "dim")] if row.family else []
        words += [(f"address {row.address}", "dim")] if row.address else []
        words += [(f"last signal: {row.signal}, {ago(self.session.wall(), row.signal_at)}", "dim")]
        words += [(self.session.say(row.why.sentence), "ask"), (self.session.say(row.why.advice), "dim")] if row.why is not None else []
        return [line(" ", (part, style)) for text, style in words if text for part in wrap(text, columns - 2)]

    def draw(self, thing: NodeRow, columns: int, chosen: bool) -> list[Line]:
        session = self.session
        r = session.row(thing.id) if thing.id in session.rows else thing
        how = standing(r)
        style = STYLE[how]
        at = self._layout(columns)
        share = session.share(r)
        full, left = g.bar(share, cells_of(at, "bar"))
        quiet = how == "ready"
        room = cells_of(at, "node")
        names = session.remember(("nodes-names", room), lambda: apart([name_of(t) for t in self.things()], room))
        last_seen = session.last_seen(r)
        cables = session.cables(r) if r.why is None else ()
        mark = ("*", "ask") if r.id in session.marks else ("?", "ask") if cables else (MARK[how], style)
        cells: dict[str, Any] = {
            "mark": mark,
            "unit": (r.place.rpartition(":")[2], "dim"),
            "node": (names.get(name_of(r), name_of(r)), "name"),
            "state": (state_of(session, r), style),
            "signal": (signal_of(session, r), "dim" if quiet else ""),
            "age": (since(session.wall(), last_seen), "dim" if quiet else ""),
            "runs": (r.runs, "dim"),
            "address": (r.address, "dim"),
            "family": (r.family, "dim"),
            "bar": ((full, "busy" if how == "working" else "dim"), (left, "dim")) if r.roles else "",
            "done": (f"{share * 100:.0f}%" if r.roles and share < 1 else "", "dim"),
        }
        out = [row(at, cells)]
        if r.why is not None and (how != "working" or chosen):
            style = "" if how != "working" else "dim"
            out += [line("      ", (text, style)) for text in wrap(session.say(r.why.sentence), columns - 7)]
        if cables:
            more = f" ({len(cables)} cables)" if len(cables) > 1 else ""
            out += [line("      ", (text, "ask")) for text in wrap(cables[0].text + more, columns - 7)]
        if r.light:
            out.append(line("      ", (f"{light_words(session.wall(), r.light)}, i turns it off", "ask")))
        if how != "ready" and (drop := session.drop(r.id)) is not None:
            style = "dim" if drop["answered"] else "ask"
            out += [line("      ", (text, style)) for text in wrap(session.advise(drop_words(session, drop)), columns - 7)]
        return out

    def hints(self) -> list[Hint]:
        return [Hint("enter", "open", "one node on one page"), Hint("s", "sort", "by state, name, age, progress, place")]

    def subject(self) -> Subject:
        thing = self.chosen()
        return Subject((thing.id,)) if thing is not None and thing.kind != "sighting" else Subject()

    def machine(self) -> str:
        thing = self.chosen()
        return thing.id if thing is not None else ""

    def press(self, key: str) -> bool:
        session = self.session
        if key in marks.KEYS:
            self.chosen()
            marks.press(session, key, [t.id if t.kind == "server" else "" for t in self.shown()], self.index, self.move)
            return True
        if key == "b":
            thing = self.chosen()
            if thing is not None and thing.kind == "sighting" and session.may_do():
                told = "the engine ignores the machine until you lift the ban (: unban)"
                session.overlay = Sure(session, f"ban {thing.name}?", told, None, lambda: session.give([Order("ban", thing.id)]))
                return True
        return super().press(key)


def drop_words(session: Session, drop: dict[str, Any]) -> str:
    """From `engine.packets.drops`: the machine's last packet that was dropped or read in part."""
    many, what = drop["count"], str(drop["protocol"]).upper()
    when = ago(session.wall(), drop["at"])
    if drop["answered"]:
        return f"{what}: {drop['fault']} ({many} times, {when})"
    return f"{many} {what} packet{'s' if many != 1 else ''} dropped, {when}: {drop['fault']}; P shows them"
