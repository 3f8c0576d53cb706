"""1: each machine on a line: where, who, what, what was seen of it last and when, how far. The reason stands under a row that waits."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from engine.views.show import NodeRow, boot_next, short

from .. import glyphs as g
from ..desk import INK, MARK, Order, standing
from ..ink import Line, clip, line
from ..overlays import Sure
from ..page import Hint, Listing, Sort, Subject
from ..table import Col, head, layout, row
from ..words import age

if TYPE_CHECKING:
    from ..desk import Desk

_COLUMNS = (
    Col("mark", "", 1),
    Col("unit", "U", 3, right=True, gap=0),
    Col("node", "node", 10, grow=2, most=24),
    Col("state", "state", 19),
    Col("signal", "last signal", 19, grow=3, most=44),
    Col("age", "age", 6, right=True, gap=1),
    Col("runs", "runs", 13, grow=1, most=24, wide=120),
    Col("address", "address", 15, wide=130),
    Col("family", "family", 14, grow=1, most=28, wide=140),
    Col("bar", "progress", 8, grow=1, most=20),
    Col("done", "", 4, right=True, gap=1),
)
_MAC = 18
_ORDER = {"problem": 0, "waiting": 1, "working": 2, "ready": 3}


class NodesScreen(Listing):
    name = "nodes"
    empty = "no machine was seen yet: power one on; it boots from the network"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.sorts = (
            Sort("", None),
            Sort("state", lambda r: _ORDER[standing(r)]),
            Sort("name", lambda r: r.name),
            Sort("age", lambda r: desk.heard(r)),
            Sort("progress", lambda r: desk.share(r)),
        )

    def things(self) -> Sequence[NodeRow]:
        return self.desk.listed()

    def key_of(self, thing: NodeRow) -> Hashable:
        return thing.id

    def words(self, thing: NodeRow) -> str:
        reason = thing.why.sentence if thing.why is not None else ""
        return f"{short(thing.name)} {thing.state} {thing.place} {thing.group} {thing.family} {thing.address} {thing.task} {reason}"

    def heads(self, columns: int) -> list[Line]:
        return [head(layout(_COLUMNS, columns))]

    def draw(self, thing: NodeRow, columns: int, chosen: bool) -> list[Line]:
        desk = self.desk
        r = desk.row(thing.id) if thing.id in desk.rows else thing
        how = standing(r)
        ink = INK[how]
        at = layout(_COLUMNS, columns)
        if r.kind == "sighting":  # its name is a MAC, to be compared with a label: it is never cut
            both = sum(w for c, w in at if c.key in ("node", "state"))
            at = [(c, _MAC if c.key == "node" else both - _MAC if c.key == "state" else w) for c, w in at]
        widths = {c.key: w for c, w in at}
        share = desk.share(r)
        full, left = g.bar(share, widths["bar"])
        quiet = how == "ready"
        heard = desk.heard(r)
        mark = ("*", "ask") if r.id in desk.marks else (MARK[how], ink)
        cells: dict[str, Any] = {
            "mark": mark,
            "unit": (r.place.rpartition(":")[2], "dim"),
            "node": (name_of(r), "name"),
            "state": (r.state, ink),
            "signal": (signal_of(desk, r), "dim" if quiet else ""),
            "age": (age(desk.wall() - heard) if heard else "", "dim" if quiet else ""),
            "runs": (r.runs, "dim"),
            "address": (r.address, "dim"),
            "family": (r.family, "dim"),
            "bar": ((full, "busy" if how == "working" else "dim"), (left, "dim")) if r.roles else "",
            "done": (f"{share * 100:.0f}%" if r.roles and share < 1 else "", "dim"),
        }
        out = [row(at, cells)]
        if r.why is not None and how != "ready" and (how != "working" or chosen):
            out.append(line("      ", (clip(desk.say(r.why.sentence), columns - 7), "" if how != "working" else "dim")))
        return out

    def hints(self) -> list[Hint]:
        return [Hint("enter", "open", "one node on one page"), Hint("s", "sort", "by state, name, age, progress, place")]

    def subject(self) -> Subject:
        thing = self.chosen()
        return Subject((thing.id,)) if thing is not None and thing.kind != "sighting" else Subject()

    def press(self, key: str) -> bool:
        desk = self.desk
        if key == "space":
            thing = self.chosen()
            if thing is not None and thing.kind == "server":
                desk.marks ^= {thing.id}
                self.move(self.index + 1)
            return True
        if key == "b":
            thing = self.chosen()
            if thing is not None and thing.kind == "sighting" and desk.may_do():
                told = "the machine is left alone until the ban is lifted (by name: unban)"
                desk.overlay = Sure(desk, f"ban {thing.name}?", told, None, lambda: desk.give([Order("ban", thing.id)]))
                return True
        if key == "*":
            desk.marks |= {t.id for t in self.shown() if t.kind == "server"}
            return True
        return super().press(key)


def name_of(row: NodeRow) -> str:
    return short(row.name) if row.kind != "sighting" else row.name


def signal_of(desk: Desk, row: NodeRow) -> str:
    """The last that was seen: of the task, else of the boot."""
    if row.task:
        live = desk.live(row.id)
        return live.text if live is not None and live.text else f"{row.task} runs"
    node = desk.node(row.id)
    if node is not None and node.boot is not None:
        return f"{row.signal} {g.NEXT} {boot_next(node)}"
    if row.kind == "sighting":
        return f"{row.signal} {g.NEXT} first hello"
    if row.kind == "admin":
        return "this machine"
    return f"{row.signal}: {row.runs}" if row.runs else row.signal
