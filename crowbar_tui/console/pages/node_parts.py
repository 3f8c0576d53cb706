"""Parts of a node's page as lines: its ports with their neighbours, its disks, its networks. Pure."""

from __future__ import annotations

from engine.api.views import Nic, NodePage, carrier_words

from .. import glyphs as g
from ..formats import size, speed
from ..styled import Line, line, wrap
from ..table import Cell, Col, cells_of, head, layout, row

CHECK = {"right": "good", "unknown": "dim", "swapped": "ask", "missing": "ask", "silent": "dim"}
"""Style of a cable's verdict."""
_NICS = (
    Col("nic", " nic", 9, gap=0, names=True),
    Col("port", "port", 6, gap=1),
    Col("far", "neighbour", 11, grow=1, gap=1, names=True),
    Col("plan", "cable", 10, grow=2, gap=1),
)
_DISKS = (
    Col("disk", "disk", 5, gap=0, names=True),
    Col("size", "size", 5, right=True, gap=1),
    Col("serial", "serial", 12, gap=1, names=True),
    Col("use", "use", 8, grow=2, gap=1),
)


def stacked(parts: list[list[Line]], columns: int) -> list[Line]:
    """Parts below each other, with a rule between."""
    out: list[Line] = []
    for part in parts:
        if part:
            out += [*([line((g.RULE * columns, "dim"))] if out else []), *part]
    return out


def fitting(part: list[Line], rows: int) -> list[Line]:
    """The first lines of a part, and how many more there are."""
    if len(part) <= rows:
        return part
    return [*part[: rows - 1], line((f" {len(part) - rows + 1} lines more: make the terminal taller", "dim"))] if rows > 1 else []


def port_lines(page: NodePage, columns: int) -> list[Line]:
    """Each NIC, its neighbour, and whether the cable is the plan's. A port that is a cable's target is not cut: it takes a line."""
    rows = [(_nic(n), n) for n in page.nics]
    needs = {key: max((len(_text(cells[key])) for cells, _ in rows), default=0) for key in ("nic", "far")}
    at = layout(_NICS, columns, needs)
    room = cells_of(at, "plan")
    out: list[Line] = [head(at)]
    for cells, nic in rows:
        words = _text(cells["plan"])
        style = cells["plan"][1] if isinstance(cells["plan"], tuple) else ""
        if len(words) <= room:
            out.append(row(at, cells))
        else:
            out += [row(at, {**cells, "plan": ""}), *(line("   ", (one, str(style))) for one in wrap(words, columns - 4))]
        if nic.link is not None and nic.link.optics is not None:
            told, style = nic.link.faulty or nic.link.optics.words, "ask" if nic.link.faulty else "dim"
            out += [line("   ", (one, style)) for one in wrap(told, columns - 4)]
    return out


def _text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else str(cell[0])


def _nic(nic: Nic) -> dict[str, Cell]:
    link = nic.link
    far = f"{link.switch} {link.port}" if link is not None and link.switch else ""
    word, style = ("", "dim") if link is None else (link.check, CHECK[link.check])
    if link is not None and link.check in ("swapped", "missing"):
        word = f"not {link.plan.replace(':', ' ')}!" if link.check == "swapped" else "missing!"
    port = f"{speed(nic.speed)} up" if nic.up else "down"
    return {"nic": (f" {nic.name}", "name"), "port": (port, "" if nic.up else "dim"), "far": far, "plan": (word, style)}


def disk_lines(page: NodePage, columns: int) -> list[Line]:
    """Each disk, its serial, and what it is used for, on as many lines as that needs."""
    needs = {"disk": max((len(d.name) for d in page.disks), default=0), "serial": max((len(d.serial) for d in page.disks), default=0)}
    at = layout(_DISKS, columns, needs)
    room = max(cells_of(at, "use"), 1)
    out: list[Line] = [head(at)]
    for d in page.disks:
        use = d.state or d.use or (f"holds {d.signature}" if d.signature else "blank" if d.size else "")
        words = wrap("; ".join(part for part in (use, d.why) if part), room)
        style = "name" if d.chosen else "dim"
        amount = size(d.size) if d.size else ""
        out.append(row(at, {"disk": (d.name, style), "size": amount, "serial": (d.serial, ""), "use": (words[0], "dim")}))
        out += [row(at, {"use": (more, "dim")}) for more in words[1:]]
    return out


def made_of_lines(page: NodePage, columns: int) -> list[Line]:
    """What changed since the look before, and the facts by which machines are compared."""
    if not page.made_of:
        return []
    wide = max(len(name) for name, _ in page.made_of) + 3
    out: list[Line] = [line((" made of", "head"), (f"   crowbar hardware show {page.row.name.split('.')[0]}", "dim"))]
    for change in page.changed:
        first, *rest = wrap(change, max(columns - wide - 1, 20))
        out.append(line((f" {'changed':<{wide - 1}}", "ask"), (first, "ask")))
        out += [line(" " * wide, (more, "ask")) for more in rest]
    for name, value in page.made_of:
        first, *rest = wrap(value, max(columns - wide - 1, 20))
        out.append(line((f" {name:<{wide - 1}}", "dim"), first))
        out += [line(" " * wide, more) for more in rest]
    return out


def network_lines(page: NodePage, columns: int) -> list[Line]:
    """Each network, what carries it, and the port that each link became, with the reason."""
    wide = max([7, *(len(one.network) for one in page.networks)]) + 1
    out: list[Line] = [line((f" {'network':<{wide}}{'address':<20}carried by", "head"))] if page.networks else []
    for one in page.networks:
        words = "  ".join(part for part in (carrier_words(one), one.v6) if part)
        first, *rest = wrap(words, max(columns - wide - 22, 12))
        out.append(line((f" {one.network:<{wide}}", "name"), f"{one.address or 'no address':<20}", first))
        out += [line(" " * (wide + 21), more) for more in rest]
        for link in one.links:
            far = f"{link.switch} {link.port}; " if link.switch else ""
            head = f"   {link.link:<8}{link.name:<12}"
            for i, part in enumerate(wrap(f"{far}{link.why}", max(columns - len(head) - 1, 12))):
                out.append(line((" " * len(head) if i else head, ""), (part, "dim")))
        if one.refused is not None:
            out += [line("   ", (part, "bad")) for part in wrap(one.refused.sentence, columns - 4)]
        elif one.found_by:
            out += [line("   ", (part, "dim")) for part in wrap(one.found_by, columns - 4)]
    return out or [line("  ", ("the node has no network yet", "dim"))]
