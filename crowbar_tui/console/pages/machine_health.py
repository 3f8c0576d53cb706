"""The health of a machine by its BMC: what is wrong, each sensor with its history, and the newest entries of the event log."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

from engine.api.machine_health import Reading, SeenEntry, Sensor, VitalRecord, VitalsShelf, present, sentence

from ..formats import age, ago, stamp
from ..page import Scroll
from ..session import Session
from ..styled import Line, clean, line, shorten, wrap

EVENTS = 200
"""Newest entries that are shown."""
_GRADES = {"failed": ("critical", "bad"), "warning": ("warning", "ask")}
_PROTOCOLS = {"redfish": "Redfish", "ipmi": "IPMI"}

Told = tuple[VitalRecord | None, list[Reading], list[SeenEntry]]


class MachineHealthScreen(Scroll):
    name = "machine health"

    def __init__(self, session: Session, node: str) -> None:
        super().__init__(session)
        self.id = node
        self.told: Told | None = None
        self.failed = ""
        self._busy = False
        self.tick()

    def ident(self) -> Hashable:
        return ("machine health", self.id)

    def crumb(self) -> str:
        return "health"

    def machine(self) -> str:
        return self.id

    def tick(self) -> None:
        """Reads in a thread: the kept values of a machine have up to half a MiB."""
        if self._busy:
            return
        self._busy = True
        shelf, node = VitalsShelf(Path(self.session.snapshot_where)), self.id

        def job() -> Told:
            record = shelf.of(node)
            return record, shelf.readings(node) if record is not None else [], shelf.events(node)[-EVENTS:] if record is not None else []

        self.session.work(job, self._took)

    def _took(self, found: Any) -> None:
        self._busy = False
        self.failed = str(found) if isinstance(found, Exception) else ""
        if not self.failed:
            self.told = found

    def text(self, columns: int) -> list[Line]:
        if self.failed:
            return [line(), line("  ", (self.failed, "bad"))]
        if self.told is None:
            return [line(), line("  ", ("reading ...", "dim"))]
        return shown(*self.told, self.session.wall(), columns)


def shown(record: VitalRecord | None, readings: Sequence[Reading], events: Sequence[SeenEntry], now: float, columns: int) -> list[Line]:
    """The page. Pure. `now`: wall time."""
    if record is None:
        words = "nobody has looked at the health of this machine yet: the engine looks at each machine whose BMC it may use"
        return [line(), *(line("  ", (part, "dim")) for part in wrap(words, columns - 4))]
    by = _PROTOCOLS.get(record.protocol, "its BMC")
    seen = f"seen {ago(now, record.at)} by {by}, in {record.took_s:.1f} s" if record.at else "never seen"
    out = [line((f" {part}", "dim")) for part in wrap(f"{seen}; a look every {age(record.next_s)}", columns - 2)]
    if record.failed:
        out += _wrapped(f"the last look failed, {ago(now, record.tried)}: {record.failed}", columns, "bad")
    here = present(record.memory)
    out += [line(), line((" problems" if here else " no problem", "head"))]
    for one in here:
        often = f", {one.times} times" if one.times > 1 else ""
        out += _wrapped(f"{sentence(one.reason)} (since {ago(now, one.since)}{often})", columns, "bad")
    for one in [one for one in record.memory.ailments if one.ended]:
        out += _wrapped(f"ended: {sentence(one.reason)} (until {stamp(one.ended)})", columns, "dim")
    out += [line(), *_sensors(record.signs.sensors, readings, columns)]
    out += [part for text in record.signs.left_out for part in _wrapped(f"not read: {clean(text)}", columns, "dim")]
    return [*out, line(), *_events(record, events, columns)]


def _wrapped(text: str, columns: int, style: str) -> list[Line]:
    first, *rest = wrap(clean(text), columns - 6)
    return [line("   ", (first, style)), *(line("     ", (part, style)) for part in rest)]


def _sensors(sensors: Sequence[Sensor], readings: Sequence[Reading], columns: int) -> list[Line]:
    """The worst first, each with its lowest and highest kept value."""
    if not sensors:
        return [line((" the BMC shows no sensor", "dim"))]
    begins = f", kept since {stamp(readings[0].at)}" if readings else ""
    out = [line((f" {len(sensors)} sensors{begins}", "head"))]
    wide = min(max(len(clean(one.name)) for one in sensors), max(12, columns - 52))
    for one in sorted(sensors, key=lambda each: (each.health != "failed", not each.health, each.kind, each.name)):
        grade, style = _GRADES.get(one.health, ("ok", "good"))
        value = "" if one.value is None else f"{one.value:g} {clean(one.units)}".strip()
        kept = [each.values[one.name] for each in readings if one.name in each.values]
        was = f"{min(kept):g} to {max(kept):g}" if kept else ""
        states = shorten(clean(", ".join(one.states)), max(0, columns - wide - 46))
        name = shorten(clean(one.name), wide)
        out.append(line("  ", (f"{grade:<9}", style), (f"{name:<{wide}} ", "name"), f"{value:<14}", (f"{was:<16} ", "dim"), states))
    return out


def _events(record: VitalRecord, events: Sequence[SeenEntry], columns: int) -> list[Line]:
    """The newest first."""
    full = [f"{place.full:.0%} full" for place in record.signs.places if place.full is not None]
    told = f" {len(events)} entries of the event log" if events else " the event log has no entry"
    out = [line((told + (f", {', '.join(full)}" if full else ""), "head"))]
    for one in reversed(events):
        entry = one.entry
        grade, style = _GRADES.get(entry.health, ("", "dim"))
        at = stamp(one.when) if one.when else "no time"
        ended = " (ended)" if entry.asserted is False else ""
        words = " ".join(part for part in (clean(entry.sensor), clean(entry.text)) if part) + ended
        first, *rest = wrap(words, max(20, columns - 31)) or [""]
        out.append(line("  ", (f"{at:<17} ", "dim"), (f"{grade:<9}", style), first))
        out += [line(" " * 29, part) for part in rest]
    return out
