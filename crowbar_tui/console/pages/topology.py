"""3: the cables: wrong ones first, identical ones together. A wide terminal draws the switch of the cable under the cursor beside them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from engine.api.views import Link, LinkGroup, Switch, in_order, natural, port_of, switch_of

from .. import glyphs as g
from ..formats import ago, count, since, stamp
from ..names import apart
from ..page import Listing, Sort
from ..panes import list_room
from ..screen import Hint, Subject
from ..session import Session
from ..styled import Line, flow, line, wrap
from ..table import Cell, Col, Layout, cells_of, head, layout, natural_width, row
from .faceplate import faceplate, legend, wires

_STYLE = {"right": "good", "swapped": "bad", "missing": "bad", "silent": "dim", "unknown": "ask"}
_SOURCES = {"lldp": "LLDP", "relay": "the DHCP relay", "table": "the switch's table of addresses"}
_COLUMNS = (
    Col("mark", "", 2, gap=0),
    Col("switch", "switch", 6, least=6, names=True, gap=1),
    Col("port", "port", 6, least=5, names=True),
    Col("wire", "", 1, gap=1),
    Col("node", "node", 8, least=8, names=True, gap=1),
    Col("nic", "nic", 4, least=4, names=True),
    Col("link", "link", 4),
    Col("check", "cable", 7),
    Col("age", "age", 6, right=True, drop=1),
    Col("by", "by", 5, drop=2),
)
_PLATE = 8
"""Fewest lines of another switch."""
_SWITCHES = 4
"""Most switches that a line above the list names."""


class TopologyScreen(Listing):
    name = "topology"
    empty = "no link is known yet: nodes listen for LLDP during discovery"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.sorts = (Sort("", None), Sort("port", lambda t: (natural(switch_of(t.first)), natural(port_of(t.first)))))

    def things(self) -> Sequence[LinkGroup]:
        links = self.session.links().links
        return [LinkGroup(links=(one,)) for one in links] if self.sort % len(self.sorts) else in_order(links)

    def unfold(self) -> None:
        """All cables one by one, by switch and port."""
        self.sort = 1

    def key_of(self, thing: LinkGroup) -> Hashable:
        return (thing.first.node, thing.first.nic, thing.first.link)

    def searched_text(self, thing: LinkGroup) -> str:
        return "  ".join(f"{t.switch}:{t.port} {t.node} {t.nic} {t.link} {t.check} {t.why} {t.plan}" for t in thing.links)

    def _cols(self) -> Sequence[Col]:
        return self.session.manner.columns(self.name, _COLUMNS)

    def _layout(self, columns: int) -> Layout:
        return self.session.remember(("links", columns), lambda: layout(self._cols(), columns, self._needed()))

    def _needed(self) -> dict[str, int]:
        return self.session.remember("links-needs", self._needs)

    def _needs(self) -> dict[str, int]:
        links = self.session.links().links
        each: dict[str, Callable[[Link], str]] = {
            "switch": switch_of,
            "port": port_of,
            "node": lambda one: f"({one.node})",
            "nic": lambda one: one.nic,
            "link": lambda one: one.link,
        }
        return {key: max((len(text(one)) for one in links), default=0) for key, text in each.items()}

    def _names(self, columns: int) -> dict[str, dict[str, str]]:
        """Column -> name -> its text there."""
        at, links = self._layout(columns), self.session.links().links

        def make() -> dict[str, dict[str, str]]:
            return {key: apart([text(one) for one in links], cells_of(at, key)) for key, text in _NAMED.items()}

        return self.session.remember(("links-names", columns), make)

    def draw(self, thing: LinkGroup, columns: int, chosen: bool) -> list[Line]:
        one = thing.first
        style = _STYLE[one.check]
        if len(thing.links) > 1:
            return self._together(thing, columns, chosen)
        at = self._layout(columns)
        names = self._names(columns)
        node = one.node if one.switch else f"({one.node})"
        cells: dict[str, Cell] = {
            "mark": (" !", style) if one.check in ("swapped", "missing") else (" !", "ask") if one.faulty else "",
            "switch": (names["switch"][switch_of(one)], "dim"),
            "port": names["port"][port_of(one)] or "?",
            "wire": (g.RULE, "dim"),
            "node": (node if len(node) <= cells_of(at, "node") else names["node"][one.node], "name" if one.switch else "dim"),
            "nic": one.nic or "-",
            "link": (one.link, "dim"),
            "check": (one.check, style),
            "age": (since(self.session.wall(), one.at), "dim"),
            "by": (one.source, "dim"),
        }
        out = [row(at, cells)]
        if one.why:
            out += [line("     ", (text, style)) for text in wrap(one.why, columns - 6)]
        if one.faulty:
            out += [line("     ", (text, "ask")) for text in wrap(one.faulty, columns - 6)]
        return out

    def _together(self, thing: LinkGroup, columns: int, chosen: bool) -> list[Line]:
        """Several links that say the same. Under the cursor: all of them."""
        one, style = thing.first, _STYLE[thing.first.check]
        what = f"{one.link} cables" if one.link else "cables"
        texts = wrap(f"{one.check}: {one.why}", columns - 20)
        out = [line((f"   {len(thing.links)} {what:<14}", "name"), (texts[0], style)), *(line(" " * 18, (t, style)) for t in texts[1:])]
        each = [line((f"{x.node} {x.plan or x.nic}", "dim")) for x in thing.links]
        if chosen:
            out += [line("     ", *part) for part in flow(each, columns - 6, between=", ")]
        return out

    heads_of_table = ("switch", "port", "node", "NIC", "link", "cable", "in the plan", "by", "heard", "why")

    def records(self, thing: LinkGroup) -> list[Sequence[str]]:
        return [
            (x.switch, x.port, x.node, x.nic, x.link, x.check, x.plan, x.source if x.at else "", stamp(x.at), x.why) for x in thing.links
        ]

    def heads(self, columns: int) -> list[Line]:
        found = self.session.links()
        return [*self._told(found.switches, columns), head(self._layout(columns))] if found.switches else []

    def _told(self, switches: Sequence[Switch], columns: int) -> list[Line]:
        wall = self.session.wall()
        some = [
            f"{s.name} {count(s.ports_seen, 'port')}" + (f", heard {ago(wall, s.at)}" if s.at else ", never heard")
            for s in switches[:_SWITCHES]
        ]
        some += [f"and {count(len(switches) - _SWITCHES, 'switch', 'switches')} more"] if len(switches) > _SWITCHES else []
        here = self.session.links().here
        texts = wrap(here.words, columns - 16) if here is not None else []
        own = [line((" " * 15 if i else " you are here: ", "dim"), (text, "name")) for i, text in enumerate(texts)]
        return [*own, *flow([line(f" {text}") for text in some], columns)]

    def list_width(self, columns: int) -> int:
        needs = self._needed()
        return list_room(columns, natural_width(self._cols(), needs), natural_width(self._cols(), needs, least=True))

    def _label(self, link: Link, room: int) -> str:
        """The near end of a wire: node and port. A rack with longer names has places there."""
        links = self.session.links().links
        longest = self.session.remember("links-longest", lambda: max((len(one.node) for one in links), default=0))
        node = self.session.node(link.node)
        place = f"{node.place.rack}:{node.place.unit}" if node is not None and node.place is not None else link.node
        return f"{link.node if longest + 8 <= room else place} {link.nic or link.link}"

    def beside(self, columns: int, rows: int) -> list[Line] | None:
        """The switch of the link under the cursor with its ports and wires, what is known of the link, then the other switches."""
        thing: LinkGroup | None = self.chosen()
        if thing is None:
            return None
        links, one = self.session.links(), thing.first
        mine = switch_of(one)
        plate = faceplate(links, mine, columns, port_of(one))
        out = [line((f" {mine or 'no switch'}", "name")), *plate]
        out += flow(legend(), columns) if plate else []
        words = self._words(one, columns)
        room = max(rows - len(out) - len(words) - 2, 4)
        out += [line(), *wires(links, mine, columns, room, lambda x: self._label(x, columns // 2), one), line(), *words]
        for switch in links.switches:
            if len(out) + _PLATE > rows:
                break
            if switch.name != mine:
                out += self._other(switch.name, columns, rows - len(out))
        return out

    def _other(self, switch: str, columns: int, rows: int) -> list[Line]:
        """Another switch with its wires, or only its ports if there is no room for more."""

        def make() -> list[Line]:
            links = self.session.links()
            plate = faceplate(links, switch, columns)
            wired = wires(links, switch, columns, max(rows - len(plate) - 3, 4), lambda x: self._label(x, columns // 2))
            both = [line(), line((f" {switch}", "name")), *plate, line(), *wired]
            return both if len(both) <= rows else both[: len(plate) + 2] if plate and len(plate) + 2 <= rows else []

        return self.session.remember(("switch", switch, columns, rows), make)

    def _words(self, one: Link, columns: int) -> list[Line]:
        """What is known of a link, in sentences."""
        style = _STYLE[one.check]
        ends = f"ends in {one.switch} {one.port}" if one.switch else "is not heard by any switch port"
        told = [(f"{one.node} {one.nic or one.link} {ends}", "name")]
        told += [(f"the plan has {one.link or 'it'} in {one.plan.replace(':', ' ')}", style)] if one.plan else []
        told += [(f"{one.check}: {one.why}" if one.why else one.check, style)]
        if one.optics is not None:
            told.append((one.faulty or one.optics.words, "ask" if one.faulty else "dim"))
        told += [(f"also heard: {other}", "dim") for other in one.others]
        if one.at:
            told.append((f"by {_SOURCES.get(one.source, one.source)}, {ago(self.session.wall(), one.at)}", "dim"))
        return [line(" ", (part, style)) for text, style in told for part in wrap(text, columns - 2)]

    def rule(self) -> str:
        checks = self.session.links().checks
        told = "  ".join(f"{many} {check}" for check, many in checks.items() if many)
        rest = super().rule()
        return f"{told}   {rest}" if rest and told else told or rest

    def hints(self) -> list[Hint]:
        return [
            Hint("enter", "open", "the node at the other end"),
            Hint("s", "sort", "wrong links first and identical ones together, or all by switch and port"),
        ]

    def subject(self) -> Subject:
        thing: LinkGroup | None = self.chosen()
        node = self.session.node(thing.first.node) if thing is not None else None
        return Subject((node.id,)) if node is not None else Subject()


_NAMED: dict[str, Callable[[Link], str]] = {"switch": switch_of, "port": port_of, "node": lambda one: one.node}
