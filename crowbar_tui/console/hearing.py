"""What a session hears beside its own commands: what others did, who came and went, and that the rack is ready or needs a person."""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from engine.api.views import NodeRow, World, short

from .alerts import Alerts
from .company import changes, consoles, of_others
from .orders import Note
from .snapshot import Snapshot


class Alert(NamedTuple):
    """A line that is drawn loudly. No text: none."""

    text: str
    style: str


class Hears(Protocol):
    """What a session is to its hearing."""

    snapshot: Snapshot
    order: list[str]
    rows: dict[str, NodeRow]
    counts: Counter[str]
    needy: set[str]
    notes: deque[Note]
    alert: Alert
    real: Callable[[], float]
    ring: Callable[[str], None]

    @property
    def world(self) -> World: ...

    def say(self, text: str) -> str: ...

    def say_so(self, text: str) -> None: ...


class Hearing:
    def __init__(self, session: Hears) -> None:
        self._session = session
        self._alerts = Alerts()
        self.company = consoles(session.snapshot.health, os.getpid())

    def take(self, snapshot: Snapshot) -> None:
        session = self._session
        did = of_others(snapshot.told)
        if snapshot.health:
            company = consoles(snapshot.health, os.getpid())
            did = "; ".join(part for part in (did, changes(self.company, company)) if part)
            self.company = company
        if did:
            session.say_so(did)
        expect = session.world.plan.expect.nodes if session.world.plan is not None else 0
        ready = session.counts["ready"]
        kind, new = self._alerts.take(session.needy, ready, max(len(session.order), expect), time.monotonic())
        if kind == "ready":
            self._alarm(f"the rack is ready: {ready} of {len(session.order)} nodes", "good")
        elif kind == "person":
            self._alarm(self._needs_you(new), "ask")

    def _needs_you(self, new: frozenset[str]) -> str:
        session = self._session
        first = next(n for n in session.order if n in new) if new & set(session.order) else min(new)
        row = session.rows[first]
        cause = f": {session.say(row.why.sentence)}" if row.why is not None else ""
        more = f" and {len(new) - 1} more need" if len(new) > 1 else " needs"
        return f"{short(row.name)}{more} you{cause}"

    def _alarm(self, text: str, style: str) -> None:
        session = self._session
        session.alert = Alert(text, style)
        session.notes.append(Note(session.real(), style == "good", text, ""))
        session.ring(text)
