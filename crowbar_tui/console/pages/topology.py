"""3: the machines at each switch port, and whether the plan agrees."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from engine.api.views import Link, Switch

from ..formats import ago, count, since
from ..page import Listing, Sort
from ..screen import Hint, Subject
from ..styled import Line, clip, line

_STYLE = {"right": "good", "swapped": "ask", "missing": "ask", "silent": "dim", "unknown": "dim"}


class TopologyScreen(Listing):
    name = "topology"
    empty = "no link is known yet: nodes listen for LLDP during discovery"
    sorts = (Sort("", None), Sort("check", lambda t: (("swapped", "missing", "silent", "unknown", "right").index(t.check),)))

    def things(self) -> Sequence[Link]:
        return self.session.links().links

    def key_of(self, thing: Link) -> Hashable:
        return (thing.node, thing.nic, thing.link)

    def searched_text(self, thing: Link) -> str:
        return f"{thing.switch}:{thing.port} {thing.node} {thing.nic} {thing.link} {thing.check} {thing.why} {thing.plan}"

    def _switch(self, link: Link) -> str:
        return link.switch or link.plan.partition(":")[0]

    def draw(self, thing: Link, columns: int, chosen: bool) -> list[Line]:
        name = self._switch(thing)
        port = thing.port or thing.plan.partition(":")[2] or "?"
        mark = "!" if thing.check in ("swapped", "missing") else " "
        style = _STYLE[thing.check]
        told = thing.why
        age_ = since(self.session.wall(), thing.at)
        node = thing.node if thing.switch else f"({thing.node})"
        wide = columns >= 120
        spans = [
            (f" {mark} ", style),
            (f"{clip(name, 10):<11}", "dim"),
            (f"{clip(port, 12):<13}", ""),
            ("─ ", "dim"),
            (f"{clip(node, 16):<17}", "name" if thing.switch else "dim"),
            (f"{clip(thing.nic or '-', 10):<11}", ""),
            (f"{thing.link:<5}", "dim"),
            (f"{thing.check:<8}", style),
        ]
        if wide:
            spans += [(f"{age_:>7}  ", "dim"), (f"{thing.source:<6}", "dim"), (clip(told, columns - 84), style)]
        else:
            spans.append((f"{age_:>6}", "dim"))
        out = [line(*spans)]
        if told and not wide and thing.check != "right":
            out.append(line("     ", (clip(told, columns - 6), style)))
        return out

    def heads(self, columns: int) -> list[Line]:
        found = self.session.links()
        if not found.switches:
            return []
        more = "    age  by    why" if columns >= 120 else "   age"
        head = f"   {'switch':<11}{'port':<13}  {'node':<17}{'nic':<11}{'link':<5}{'cable':<8}{more}"
        return [line((self._told(found.switches, columns), "")), line((head, "head"))]

    def _told(self, switches: Sequence[Switch], columns: int) -> str:
        wall = self.session.wall()
        some = [f"{s.name} {count(s.ports_seen, 'port')}" + (f", heard {ago(wall, s.at)}" if s.at else ", never heard") for s in switches]
        return clip(" " + "   ".join(some), columns)

    def rule(self) -> str:
        checks = self.session.links().checks
        told = "  ".join(f"{many} {check}" for check, many in checks.items() if many)
        rest = super().rule()
        return f"{told}   {rest}" if rest and told else told or rest

    def hints(self) -> list[Hint]:
        return [Hint("enter", "open", "the node at the other end"), Hint("s", "sort", "by switch and port, or wrong links first")]

    def subject(self) -> Subject:
        thing = self.chosen()
        node = self.session.node(thing.node) if thing is not None else None
        return Subject((node.id,)) if node is not None else Subject()
