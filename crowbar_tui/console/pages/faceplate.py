"""Switches as pictures: the faceplate with its ports, and the links from each node's port to the switch's. Pure.

tor2  6 ports                                    1 2 3 4 5 6
┌────────────┐                     node-10 eno2 ─┘ · │ │ │ │
│  1  3  5   │                     node-12 eno2 ═════╝ │ │ │
│  █  !  █   │                     node-14 eno2 ─────┘ │ │ │
│  !  █  █   │
│  2  4  6   │
└────────────┘
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from engine.api.views import Link, Port, Topology, natural, port_of, ports_of, switch_of

from .. import glyphs as g
from ..canvas import Canvas
from ..names import apart
from ..styled import Line, line

STYLE = {"right": "good", "swapped": "bad", "missing": "bad", "silent": "dim", "unknown": "ask", None: "dim"}
SIGN = {"right": g.FULL, "swapped": "!", "missing": "!", "silent": g.LIGHT, "unknown": "?", None: g.DOT}
LEGEND = (("right", "right"), ("swapped", "wrong or missing"), ("unknown", "not in the plan"), ("silent", "not heard"), (None, "no link"))


class _Ink(NamedTuple):
    across: str
    up: str
    corner: str
    style: str
    rank: int


_INK = {
    "right": _Ink(g.RULE, g.SIDE, g.LOW_RIGHT, "good", 2),
    "unknown": _Ink(g.RULE, g.SIDE, g.LOW_RIGHT, "ask", 3),
    "silent": _Ink(g.DOT, "", "?", "dim", 1),
    "missing": _Ink(g.DOT, "", "x", "bad", 4),
    "swapped": _Ink(g.DOUBLE, g.DOUBLE_SIDE, g.DOUBLE_CORNER, "bad", 5),
}


def faceplate(links: Topology, switch: str, columns: int, chosen: str = "") -> list[Line]:
    """The switch's ports in two rows, as on its front: odd numbers above, even ones below. `chosen`: the port under the cursor."""
    ports = ports_of(links, switch)
    if not ports:
        return []
    each = max(len(p.number) for p in ports) + 1 if any(len(p.number) > 2 for p in ports) else 3
    across = max((columns - 5) // each, 1)
    pairs = [(ports[i], ports[i + 1] if i + 1 < len(ports) else None) for i in range(0, len(ports), 2)]
    wide = min(len(pairs), across) * each + 1
    out: list[Line] = [line((f" {g.TOP_LEFT}{g.RULE * wide}{g.TOP_RIGHT}", "dim"))]
    for start in range(0, len(pairs), across):
        bank = pairs[start : start + across]
        for number, cells in ((0, True), (0, False), (1, False), (1, True)):
            some = [_cell(pair[number], cells, each, chosen) for pair in bank]
            blank = " " * (wide - each * len(bank))
            out.append(line((f" {g.SIDE}", "dim"), *some, (blank, ""), (g.SIDE, "dim")))
    out.append(line((f" {g.LOW_LEFT}{g.RULE * wide}{g.LOW_RIGHT}", "dim")))
    return out


def _cell(port: Port | None, number: bool, each: int, chosen: str) -> tuple[str, str]:
    if port is None:
        return (" " * each, "")
    here = "+" if port.name == chosen else ""
    return (f"{port.number if number else SIGN[port.check]:>{each}}", ("dim" if number else STYLE[port.check]) + here)


def legend() -> list[Line]:
    """The signs of a faceplate, each with its meaning."""
    return [line((f" {SIGN[check]} ", STYLE[check]), (words, "dim")) for check, words in LEGEND]


def near_end(link: Link) -> str:
    return f"{link.node} {link.nic or link.link}"


def wires(
    links: Topology, switch: str, columns: int, rows: int, label: Callable[[Link], str] = near_end, chosen: Link | None = None
) -> list[Line]:
    """A line from each node's port to the switch's port. Wrong cables stand in front; dots show where the plan has them. The wrong ones and
    the one under the cursor come first if there is not room for all. `label`: of the near end."""
    mine = [one for one in links.links if switch_of(one) == switch]
    if not mine:
        return []
    labels = {_key(one): label(one) for one in mine}
    wide = min(max(len(text) for text in labels.values()), max(columns // 2, 12))
    texts = apart(labels.values(), wide)
    most = max((columns - wide - 4) // 3, 1)
    shown = _shown(mine, max(rows - 2, 1), most, switch, chosen)
    ports = sorted({name for one in shown for name in _ends(one, switch)}, key=natural)[:most]
    at = {name: wide + 4 + 3 * i for i, name in enumerate(ports)}
    paper = Canvas(columns, len(shown) + 1)
    numbers = {p.name: p.number for p in ports_of(links, switch)}
    for name, x in at.items():
        number = numbers.get(name, name)[-3:]
        paper.text(x - len(number) + 1, 0, number, "dim")
    for y, one in enumerate(shown, 1):
        here = "+" if chosen is not None and _key(one) == _key(chosen) else ""
        paper.text(1, y, f"{texts[labels[_key(one)]]:<{wide}}", f"name{here}", 9)
        _wire(paper, one, y, wide + 2, at, switch)
    out = paper.lines()
    if len(shown) < len(mine):
        out.append(line((f" and {len(mine) - len(shown)} more", "dim")))
    return out


def _key(link: Link) -> tuple[str, str, str]:
    return (link.node, link.nic, link.link)


def _ends(link: Link, switch: str) -> set[str]:
    """Its ports at this switch: where it ends, and where the plan has it."""
    planned, _, port = link.plan.partition(":")
    return {one for one in (port_of(link), port if planned == switch else "") if one}


def _shown(links: Sequence[Link], rows: int, most: int, switch: str, chosen: Link | None) -> list[Link]:
    """As many links as there is room for, in the order of the ports that they should have."""
    first = sorted(links, key=lambda one: (chosen is None or _key(one) != _key(chosen), -_INK[one.check].rank))
    taken: list[Link] = []
    ports: set[str] = set()
    for one in first:
        more = ports | _ends(one, switch)
        if len(taken) < rows and (len(more) <= most or not taken):
            taken.append(one)
            ports = more

    def due(link: Link) -> tuple[object, bool, str]:
        planned, _, port = link.plan.partition(":")
        return natural(port if planned == switch else port_of(link)), planned != switch, link.node

    return sorted(taken, key=due)


def _wire(paper: Canvas, link: Link, y: int, start: int, at: dict[str, int], switch: str) -> None:
    ink = _INK[link.check]
    end = at.get(port_of(link))
    planned, _, port = link.plan.partition(":")
    if link.check == "swapped" and planned == switch and port in at:
        for row in range(1, y):
            paper.put(at[port], row, g.DOT, "ask", 1)
    if end is None:
        return
    for x in range(start, end):
        crossed = paper.at(x, y) in (g.SIDE, g.CROSS) and ink.rank <= 3
        paper.put(x, y, g.CROSS if crossed else ink.across, ink.style, ink.rank)
    paper.put(end, y, ink.corner, ink.style, ink.rank)
    for row in range(1, y if ink.up else 1):
        crossed = paper.at(end, row) in (g.RULE, g.CROSS) and ink.rank <= 3
        paper.put(end, row, g.CROSS if crossed else ink.up, ink.style, ink.rank)
