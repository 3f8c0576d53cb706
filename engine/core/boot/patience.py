"""How long the engine waits. One word of the plan (`patience`) scales all of its deadlines, so that a site with slow firmware waits
longer, and a rehearsal with faults ends soon. Pure.

Rules
* Waits of the engine are scaled: deadlines of boots, intervals of probes and retries, silence.
* Above 1 the time limits of roles are scaled too, because a node with slow firmware or without KVM is slow at everything. The node enforces
  them. Below 1 they stay: a role needs the time that it needs.
* Below 1, firmware and installs may be faster, but packets are not: no deadline goes below LEAST.
"""

from __future__ import annotations

from typing import Protocol

from ...plan import Plan

LEAST = 5.0
"""Seconds: a boot's deadline is never made shorter than that (or than it was, if that is less)."""
LEAST_PAUSE = 1.0
"""The same for pauses between two probes or tries."""


class _Planned(Protocol):
    @property
    def plan(self) -> Plan | None: ...


def deadline_s(view: _Planned, seconds: float) -> float:
    """Seconds within which something must come here that takes at most `seconds` by default."""
    return of_plan(view.plan, seconds, LEAST)


def pause_s(view: _Planned, seconds: float) -> float:
    """Seconds between two probes or tries that are `seconds` apart by default."""
    return of_plan(view.plan, seconds, LEAST_PAUSE)


def limit_s(view: _Planned, seconds: float) -> float:
    """Seconds that a role may run here whose barclamp says `seconds`."""
    plan = view.plan
    return seconds * max(plan.patience, 1.0) if plan is not None else seconds


def held_s(plan: Plan | None, seconds: float) -> float:
    """Seconds for which an agent's long poll is held: never more than `seconds`, because an older agent gives up soon after that."""
    return min(seconds, of_plan(plan, seconds, LEAST_PAUSE))


def of_plan(plan: Plan | None, seconds: float, least: float) -> float:
    """`seconds` scaled by the plan's patience, but not below `least` if it was above."""
    factor = plan.patience if plan is not None else 1.0
    return seconds * factor if factor >= 1.0 else max(seconds * factor, min(seconds, least))
