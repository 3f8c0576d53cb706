"""2: the racks by unit, with the state of each machine and its problem. A wide terminal shows several racks side by side."""

from __future__ import annotations

from engine.api.views import NodeRow, RackRoom, RackView, Slot, rack_room

from .. import glyphs as g
from ..formats import count
from ..page import Page
from ..screen import Hint, Subject
from ..session import STYLE, Session, standing
from ..styled import Line, clip, fit, line
from .nodes import name_of

_UNIT_BARS = {"ready": g.FULL * 4, "working": g.HALF * 4, "waiting": "????", "problem": "!!!!"}
_WIDE = 78


class RackScreen(Page):
    name = "rack"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.index = 0
        self.top = 0

    def room(self) -> RackRoom:
        return self.session.remember("rack", lambda: rack_room(self.session.world, self.session.links()))

    def things(self) -> list[NodeRow]:
        """The machines in cursor order: rack by rack from the top, then those without a known place."""
        room = self.room()
        out = [s.node for r in room.racks for s in sorted(r.slots, key=lambda s: -s.unit) if s.node is not None]
        return [*out, *room.elsewhere]

    def body(self, columns: int, rows: int) -> list[Line]:
        room = self.room()
        things = self.things()
        self.index = max(min(self.index, len(things) - 1), 0)
        chosen = things[self.index].id if things else ""
        foot = self._foot(room, columns)
        if not room.racks:
            lines: list[Line] = [line(), line("  ", ("the plan has no rack: the nodes by name", "dim")), line()]
            lines += [self._row(r, "", columns, r.id == chosen) for r in room.elsewhere]
            return self._window(lines, rows, chosen)
        wide = max(min(_WIDE, columns), 1)
        side = max(columns // wide, 1)
        out: list[Line] = []
        for i in range(0, len(room.racks), side):
            group = [self._rack(r, wide - (2 if side > 1 else 0), chosen) for r in room.racks[i : i + side]]
            tall = max(len(one) for one in group)
            for y in range(tall):
                spans: list[tuple[str, str]] = []
                for one in group:
                    spans += fit(one[y] if y < len(one) else (), wide)
                out.append(tuple(spans))
            out.append(line())
        if room.elsewhere:
            out.append(line((" place unknown", "head")))
            out += [self._row(r, "", columns, r.id == chosen) for r in room.elsewhere]
        return [*self._window(out, rows - len(foot), chosen), *foot]

    def _window(self, lines: list[Line], rows: int, chosen: str) -> list[Line]:
        """Scrolls so that the cursor is visible."""
        at = next((i for i, one in enumerate(lines) if any(style.endswith("+") for _, style in one)), 0)
        if at < self.top + 1:
            self.top = max(at - 1, 0)
        if at >= self.top + rows:
            self.top = at - rows + 1
        self.top = max(min(self.top, len(lines) - rows), 0)
        out = lines[self.top : self.top + rows]
        return [*out, *([line()] * (rows - len(out)))]

    def _rack(self, rack: RackView, wide: int, chosen: str) -> list[Line]:
        """From the top unit down. A run of empty units is one line."""
        out: list[Line] = [line((f" {rack.name}", "name"), (f"  {rack.units}U", "dim"))]
        by_unit: dict[int, Slot] = {}
        for slot in rack.slots:
            for unit in range(slot.unit, slot.unit + slot.height):
                by_unit[unit] = slot
        unit = rack.units
        while unit >= 1:
            here = by_unit.get(unit)
            if here is None:
                low = unit
                while low > 1 and low - 1 not in by_unit:
                    low -= 1
                text = f"{unit:>3}" if low == unit else f"{unit:>3}-{low}" if unit - low > 0 else f"{unit:>3}"
                out.append(line((f"{text} ", "dim"), (g.DOT if low != unit else "", "dim")))
                unit = low - 1
                continue
            node = here.node
            if unit == here.unit + here.height - 1:
                out.append(self._row(node, str(unit), wide, node is not None and node.id == chosen))
            else:
                bars = _UNIT_BARS[standing(node)] if node is not None else "[  ]"
                out.append(line((f"{unit:>3} ", "dim"), (bars, STYLE[standing(node)] if node is not None else "dim")))
            unit -= 1
        return out

    def _row(self, row: NodeRow | None, unit: str, wide: int, chosen: bool) -> Line:
        if row is None:
            return line((f"{unit:>3} ", "dim"), ("[  ]", "dim"), (" empty: no machine found here", "dim"))
        how = standing(row)
        style, bar = STYLE[how], "+" if chosen else ""
        said = ""
        if how in ("problem", "waiting") and row.why is not None:
            said = self.session.say(row.why.sentence)
        elif how == "working":
            said = f"{self.session.share(row) * 100:.0f}%  {row.task or row.runs}"
        mark = "*" if row.id in self.session.marks else " "
        spans = (
            (f"{unit:>3} ", f"dim{bar}"),
            (_UNIT_BARS[how], style + bar),
            (mark, f"ask{bar}"),
            (f"{clip(name_of(row), 16):<17}", f"name{bar}"),
            (f"{row.state:<20}", style + bar),
            (clip(said, wide - 47), (style if how == "problem" else "dim") + bar),
        )
        return fit(spans, wide, bar) if chosen else spans

    def _foot(self, room: RackRoom, columns: int) -> list[Line]:
        cables = room.cables
        spans: list[tuple[str, str]] = [(" cables: ", "dim"), (f"{cables.get('right', 0)} right", "good")]
        for check in ("swapped", "missing", "unknown"):
            many = cables.get(check, 0)
            spans.append((f"  {many} {check}", "dim" if not many or check == "unknown" else "ask"))
        names = ", ".join(f"{name} {heard}" for name, heard in room.switches)
        spans.append((f"     switches: {names}" if names else "", "dim"))
        if room.unborn:
            spans.append((f"     {count(len(room.unborn), 'machine')} not identified yet", "ask"))
        return [fit(tuple(spans), columns)]

    def hints(self) -> list[Hint]:
        return [Hint("enter", "open", "the node")]

    def subject(self) -> Subject:
        things = self.things()
        return Subject((things[min(self.index, len(things) - 1)].id,)) if things else Subject()

    def press(self, key: str) -> bool:
        moves = {"up": -1, "k": -1, "down": 1, "j": 1, "pageup": -10, "pagedown": 10, "home": -9999, "g": -9999, "end": 9999, "G": 9999}
        if key in moves:
            self.index = max(min(self.index + moves[key], len(self.things()) - 1), 0)
            return True
        if key == "space":
            for node in self.subject().nodes:
                self.session.marks ^= {node}
            self.index = min(self.index + 1, max(len(self.things()) - 1, 0))
            return True
        return False
