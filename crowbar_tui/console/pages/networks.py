"""6: networks with their ranges and how full they are, then all addresses in use."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from engine.api.views import AddressRow, NetworkView, addresses, networks, short

from .. import glyphs as g
from ..formats import age
from ..page import Listing, Sort
from ..screen import Hint, Subject
from ..styled import Line, clip, line

_KIND = {"fixed": "good", "bound": "", "offered": "busy", "declined": "bad"}


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

    def heads(self, columns: int) -> list[Line]:
        out: list[Line] = [line((f" {'network':<9}{'subnet':<19}{'range':<6}{'from':<16}{'to':<16}used", "head"))]
        for n in self._networks():
            first = True
            for r in n.ranges or ():
                share = r.used / r.size if r.size else 0.0
                full, left = g.bar(share, 3 if columns < 120 else 12)
                style = "bad" if share >= 1 else "ask" if share > 0.9 else "dim"
                out.append(
                    line(
                        (f" {clip(n.name if first else '', 8):<9}", "name"),
                        (f"{n.subnet if first else '':<19}", ""),
                        f"{clip(r.name, 5):<6}",
                        (f"{r.first:<16}{r.last:<16}", "dim"),
                        (full, style),
                        (left, "dim"),
                        (f" {r.used}/{r.size}", style if style != "dim" else ""),
                        (self._more(n) if first and columns >= 120 else "", "dim"),
                    )
                )
                first = False
            if not n.ranges:
                out.append(line((f" {clip(n.name, 8):<9}", "name"), f"{n.subnet:<19}", ("no ranges", "dim")))
        heads = f" {'address':<17}{'network':<10}{'kind':<10}{'node':<16}{'mac':<18}{'lease':>7}"
        out += [line((g.RULE * columns, "dim")), line((heads, "head"))]
        return out

    def _more(self, n: NetworkView) -> str:
        facts = [f"router {n.router}" if n.router else "", f"vlan {n.vlan}" if n.vlan else "", f"on {n.carried}" if n.carried else ""]
        facts += [f"v6 {n.v6}" if n.v6 else "", f"of {n.deployment}" if n.deployment else ""]
        return "   " + "  ".join(f for f in [*facts, f"strangers: {n.strangers}"] if f)

    def draw(self, thing: AddressRow, columns: int, chosen: bool) -> list[Line]:
        now = self.session.world.meta.now
        left = "" if not thing.until else age(thing.until - now) if thing.until > now else "over"
        node = short(thing.node) if thing.node else "-"
        return [
            line(
                (f" {thing.address:<17}", "name"),
                f"{clip(thing.network, 9):<10}",
                (f"{thing.kind:<10}", _KIND.get(thing.kind, "")),
                (f"{clip(node, 15):<16}", "" if thing.node else "dim"),
                (f"{thing.mac:<18}", "dim"),
                (f"{left:>7}", "dim"),
            )
        ]

    def hints(self) -> list[Hint]:
        return [Hint("enter", "open", "the node with this address"), Hint("s", "sort", "by address, node, kind")]

    def subject(self) -> Subject:
        thing = self.chosen()
        node = self.session.node(thing.node) if thing is not None and thing.node else None
        return Subject((node.id,)) if node is not None else Subject()
