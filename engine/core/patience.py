"""How long the engine waits: each of its own deadlines in one word of the plan (`patience`), so that a site with slow firmware waits longer
and a rehearsal with faults does not take an afternoon. Pure.

Rules
* Only waits of the engine are scaled: deadlines of boots, distances of probes and retries, silence. The time-out of a
  role is its own, it is enforced on the node.
* Below 1, firmware and installs may be as quick as they like, but packets take the time that they take: no deadline goes under LEAST.
"""

from __future__ import annotations

from typing import Protocol

from ..plan import Plan

LEAST = 5.0
"""Seconds: a boot's deadline is not made shorter than that (or than it was, if that is less)."""
LEAST_PAUSE = 1.0
"""The same for pauses between two looks or tries."""


class _Planned(Protocol):
    @property
    def plan(self) -> Plan | None: ...


def deadline_s(view: _Planned, seconds: float) -> float:
    """Seconds within which something that takes `seconds` at most must come here."""
    return of_plan(view.plan, seconds, LEAST)


def pause_s(view: _Planned, seconds: float) -> float:
    """Seconds between two looks or tries that are `seconds` apart by default."""
    return of_plan(view.plan, seconds, LEAST_PAUSE)


def of_plan(plan: Plan | None, seconds: float, least: float) -> float:
    """`seconds` by the plan's patience, but not under `least` where it was above."""
    factor = plan.patience if plan is not None else 1.0
    return seconds * factor if factor >= 1.0 else max(seconds * factor, min(seconds, least))
