"""6: networks with their ranges and how full they are, then all addresses in use."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from engine.api.views import AddressRow, NetworkView, addresses, networks, short

from .. import glyphs as g
from ..formats import age
from ..names import apart
from ..page import Listing, Sort
from ..panes import list_room
from ..screen import Hint, Subject
from ..styled import Line, line, wrap
from ..table import Cell, Col, Layout, cells_of, head, layout, natural_width, row
from .detail import node_beside
from .node_parts import stacked

_KIND = {"fixed": "good", "bmc": "good", "bound": "", "offered": "busy", "declined": "bad"}
_RANGES = (
    Col("network", " network", 9, least=8, names=True, gap=0),
    Col("subnet", "subnet", 18, gap=1),
    Col("range", "range", 5, names=True, least=5, gap=1),
    Col("first", "from", 15, gap=1),
    Col("last", "to", 15, gap=1),
    Col("bar", "used", 4, grow=1, most=12, gap=1, least=3, drop=1),
    Col("used", "", 9, gap=1),
)
_COLUMNS = (
    Col("address", " address", 16, names=True, gap=0),
    Col("network", "network", 8, least=7, names=True),
    Col("kind", "kind", 8),
    Col("node", "node", 12, least=8, names=True),
    Col("mac", "mac", 17, drop=1),
    Col("lease", "lease", 6, right=True, gap=1, drop=2),
)


class NetworksScreen(Listing):
    name = "networks"
    empty = "the engine has given out no address yet"
    sorts = (Sort("", None), Sort("node", lambda a: (a.node == "", a.node)), Sort("kind", lambda a: a.kind))

    def _networks(self) -> tuple[NetworkView, ...]:
        return self.session.remember("networks", lambda: networks(self.session.world))

    def things(self) -> Sequence[AddressRow]:
        return self.session.remember("addresses", lambda: addresses(self.session.world))

    def key_of(self, thing: AddressRow) -> Hashable:
        return thing.address

    def searched_text(self, thing: AddressRow) -> str:
        return f"{thing.address} {thing.network} {thing.kind} {short(thing.node)} {thing.mac}"

    heads_of_table = ("address", "network", "kind", "node", "MAC", "lease ends in s")

    def records(self, thing: AddressRow) -> list[Sequence[str]]:
        left = f"{max(thing.until - self.session.world.meta.now, 0):.0f}" if thing.until else ""
        return [(thing.address, thing.network, thing.kind, short(thing.node), thing.mac, left)]

    def heads(self, columns: int) -> list[Line]:
        return [*self._ranges(columns), line((g.RULE * columns, "dim")), head(self._layout(columns))]

    def _ranges(self, columns: int) -> list[Line]:
        """Each network and range, and how full it is. What does not fit beside it stands below it."""
        found = self._networks()
        ranges = [r for n in found for r in n.ranges]
        needs = {
            "network": max((len(n.name) + 1 for n in found), default=0),
            "subnet": max((len(n.subnet) for n in found), default=0),
            "range": max((len(r.name) for r in ranges), default=0),
            "first": max((len(r.first) for r in ranges), default=14),
            "last": max((len(r.last) for r in ranges), default=0),
            "used": max((len(f"{r.used}/{r.size}") for r in ranges), default=0),
        }
        at = layout(_RANGES, columns, needs)
        out: list[Line] = [head(at)]
        cells: dict[str, Cell]
        for n in found:
            for i, r in enumerate(n.ranges):
                share = r.used / r.size if r.size else 0.0
                full, left = g.bar(share, cells_of(at, "bar"))
                style = "bad" if share >= 1 else "ask" if share > 0.9 else "dim"
                cells = {
                    "network": (f" {n.name}" if i == 0 else "", "name"),
                    "subnet": n.subnet if i == 0 else "",
                    "range": r.name,
                    "first": (r.first, "dim"),
                    "last": (r.last, "dim"),
                    "bar": ((full, style), (left, "dim")),
                    "used": (f"{r.used}/{r.size}", style if style != "dim" else ""),
                }
                out.append(row(at, cells))
            if not n.ranges:
                cells = {"network": (f" {n.name}", "name"), "subnet": n.subnet, "first": ("no ranges", "dim")}
                out.append(row(at, {**cells, "used": str(n.outside or "")}))
            elif n.outside:
                out.append(row(at, {"first": ("elsewhere", "dim"), "used": str(n.outside)}))
        return out

    def _cols(self) -> Sequence[Col]:
        return self.session.manner.columns(self.name, _COLUMNS)

    def _layout(self, columns: int) -> Layout:
        return self.session.remember(("addresses", columns), lambda: layout(self._cols(), columns, self._needs()))

    def _needs(self) -> dict[str, int]:
        rows = self.things()
        each: dict[str, Callable[[AddressRow], str]] = {
            "network": lambda a: a.network,
            "node": lambda a: short(a.node),
            "address": lambda a: f" {a.address}",
        }
        return {key: max((len(text(a)) for a in rows), default=0) for key, text in each.items()}

    def draw(self, thing: AddressRow, columns: int, chosen: bool) -> list[Line]:
        now = self.session.world.meta.now
        left = "" if not thing.until else age(thing.until - now) if thing.until > now else "over"
        at = self._layout(columns)
        room = cells_of(at, "node")
        names = self.session.remember(("networks-names", room), lambda: apart([short(a.node) for a in self.things()], room))
        cells: dict[str, Cell] = {
            "address": (f" {thing.address}", "name"),
            "network": thing.network,
            "kind": (thing.kind, _KIND.get(thing.kind, "")),
            "node": (names[short(thing.node)] or "-", "" if thing.node else "dim"),
            "mac": (thing.mac, "dim"),
            "lease": (left, "dim"),
        }
        return [row(at, cells)]

    def list_width(self, columns: int) -> int:
        needs = self._needs()
        return max(79, list_room(columns, natural_width(self._cols(), needs), natural_width(self._cols(), needs, least=True)))

    def beside(self, columns: int, rows: int) -> list[Line] | None:
        """The network of the address under the cursor, and the node that has it."""
        thing: AddressRow | None = self.chosen()
        if thing is None:
            return None
        out: list[Line] = [line((f" {thing.address}", "name"), (f"  {thing.kind}", _KIND.get(thing.kind, "")))]
        for n in self._networks():
            if n.name == thing.network:
                out += [line(" ", (part, "dim")) for words in self._facts(n) for part in wrap(words, columns - 2)]
        nodes = self.subject().nodes
        below = node_beside(self.session, nodes[0], columns, rows - len(out) - 1) if nodes else []
        return stacked([out, below], columns)

    def _facts(self, n: NetworkView) -> list[str]:
        facts = [f"router {n.router}" if n.router else "", f"VLAN {n.vlan}" if n.vlan else "", f"on {n.carried}" if n.carried else ""]
        facts += [f"v6 {n.v6}" if n.v6 else "", f"of {n.deployment}" if n.deployment else "", f"strangers: {n.strangers}"]
        return [f"network {n.name}, {n.subnet}", "  ".join(one for one in facts if one)]

    def hints(self) -> list[Hint]:
        return [Hint("enter", "open", "the node with this address"), Hint("s", "sort", "by address, node, kind")]

    def subject(self) -> Subject:
        thing = self.chosen()
        node = self.session.node(thing.node) if thing is not None and thing.node else None
        return Subject((node.id,)) if node is not None else Subject()
