"""1: one line per machine: place, name, state, last signal and its age, progress. The reason stands below a row that waits."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from engine.api.views import NodeRow, boot_next, short

from .. import glyphs as g
from ..formats import ago, since
from ..overlays import Sure
from ..page import Listing, Sort
from ..screen import Hint, Subject
from ..session import MARK, STYLE, Order, Session, standing
from ..styled import Line, clip, line
from ..table import Col, head, layout, row

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
    empty = "no machine seen yet: power one on; it boots from the network"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.sorts = (
            Sort("", None),
            Sort("state", lambda r: _ORDER[standing(r)]),
            Sort("name", lambda r: r.name),
            Sort("age", lambda r: session.last_seen(r)),
            Sort("progress", lambda r: session.share(r)),
        )

    def things(self) -> Sequence[NodeRow]:
        return self.session.listed()

    def key_of(self, thing: NodeRow) -> Hashable:
        return thing.id

    def searched_text(self, thing: NodeRow) -> str:
        reason = thing.why.sentence if thing.why is not None else ""
        return f"{short(thing.name)} {thing.state} {thing.place} {thing.group} {thing.family} {thing.address} {thing.task} {reason}"

    def heads(self, columns: int) -> list[Line]:
        return [head(layout(_COLUMNS, columns))]

    def draw(self, thing: NodeRow, columns: int, chosen: bool) -> list[Line]:
        session = self.session
        r = session.row(thing.id) if thing.id in session.rows else thing
        how = standing(r)
        style = STYLE[how]
        at = layout(_COLUMNS, columns)
        if r.kind == "sighting":  # its name is a MAC, which people compare with a label: never cut it
            both = sum(w for c, w in at if c.key in ("node", "state"))
            at = [(c, _MAC if c.key == "node" else both - _MAC if c.key == "state" else w) for c, w in at]
        widths = {c.key: w for c, w in at}
        share = session.share(r)
        full, left = g.bar(share, widths["bar"])
        quiet = how == "ready"
        last_seen = session.last_seen(r)
        mark = ("*", "ask") if r.id in session.marks else (MARK[how], style)
        cells: dict[str, Any] = {
            "mark": mark,
            "unit": (r.place.rpartition(":")[2], "dim"),
            "node": (name_of(r), "name"),
            "state": (r.state, style),
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
            out.append(line("      ", (clip(session.say(r.why.sentence), columns - 7), "" if how != "working" else "dim")))
        if how != "ready" and (drop := session.drop(r.id)) is not None:
            out.append(line("      ", (clip(drop_words(session, drop), columns - 7), "dim" if drop["answered"] else "ask")))
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
        if key == "space":
            thing = self.chosen()
            if thing is not None and thing.kind == "server":
                session.marks ^= {thing.id}
                self.move(self.index + 1)
            return True
        if key == "b":
            thing = self.chosen()
            if thing is not None and thing.kind == "sighting" and session.may_do():
                told = "the engine ignores the machine until you lift the ban (: unban)"
                session.overlay = Sure(session, f"ban {thing.name}?", told, None, lambda: session.give([Order("ban", thing.id)]))
                return True
        if key == "*":
            session.marks |= {t.id for t in self.shown() if t.kind == "server"}
            return True
        return super().press(key)


def drop_words(session: Session, drop: dict[str, Any]) -> str:
    """From `engine.packets.drops`: the machine's last packet that was dropped or read in part."""
    many, what = drop["count"], str(drop["protocol"]).upper()
    when = ago(session.wall(), drop["at"])
    if drop["answered"]:
        return f"{what}: {drop['fault']} ({many} times, {when})"
    return f"{many} {what} packet{'s' if many != 1 else ''} dropped, {when}: {drop['fault']}; P shows them"


def name_of(row: NodeRow) -> str:
    return short(row.name) if row.kind != "sighting" else row.name


def signal_of(session: Session, row: NodeRow) -> str:
    """The newest signal: of the task, or else of the boot."""
    if row.task:
        progress = session.progress(row.id)
        return progress.text if progress is not None and progress.text else f"{row.task} runs"
    node = session.node(row.id)
    if node is not None and node.boot is not None:
        return f"{row.signal} {g.NEXT} {boot_next(node)}"
    if row.kind == "sighting":
        return f"{row.signal} {g.NEXT} first hello"
    if row.kind == "admin":
        return "this machine"
    return ": ".join(part for part in (row.signal, row.runs) if part)
