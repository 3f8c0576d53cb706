"""Which engine of several decides: when a standby may take the store over, and when a leader may act no more.

All engines of a site see one row, `Row`. The leader's transactions count `renewed` up, and an idle leader renews it. A standby watches the
row by its own monotonic clock and compares no clocks of two machines. What follows from a wrong guess is a needless take-over, never two
leaders: the store's epoch decides that (`store.database`).

    |--- renewed ------------- step_down_s ---- take_over_s --> time without a renewal
         the leader acts       it stops itself  a standby takes the store over
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

RELEASED = -1
"""`Row.renewed` of a leader that has stopped deciding: a standby need not wait. `Row.holder` then names the one that shall take over;
empty: any."""
TAKE_OVER_S = 10.0
LEAST_TAKE_OVER_S = 1.0


class Times(Struct, frozen=True, kw_only=True):
    """All in seconds."""

    take_over_s: float = TAKE_OVER_S
    """The leader's silence after which a standby takes over. At least LEAST_TAKE_OVER_S."""

    @property
    def step_down_s(self) -> float:
        """Without a confirmed renewal the leader acts no more after so long."""
        return self.take_over_s / 2

    @property
    def renew_s(self) -> float:
        """Between two renewals of an idle leader."""
        return self.take_over_s / 10

    @property
    def look_s(self) -> float:
        """Between two looks of a standby: a hand-over takes less than a second."""
        return min(0.2, self.take_over_s / 10)


class Row(Struct, frozen=True):
    """What the store says of its leader. Epoch 0: nobody has led it yet."""

    epoch: int
    holder: str
    renewed: int

    @property
    def released(self) -> bool:
        return self.renewed == RELEASED or self.epoch == 0


class Seen(Struct, frozen=True):
    """A row, and since when it is the same, by the monotonic clock of the one that looks."""

    row: Row
    since: float


class Verdict(Enum):
    FOLLOW = "follow"
    TAKE_OVER = "take over"


def seen(before: Seen | None, row: Row, now: float) -> Seen:
    """What a standby knows after it has read `row`. A row that moved back (an older copy of the database) is a change too."""
    return before if before is not None and before.row == row else Seen(row, now)


def judged(what: Seen, now: float, name: str, times: Times) -> Verdict:
    """What the standby called `name` does now.

    | row                      | it takes over                          |
    |--------------------------|----------------------------------------|
    | nobody has led yet       | at once                                |
    | released, for any        | at once                                |
    | released, for this one   | at once                                |
    | released, for another    | if that one has not within take_over_s |
    | led                      | after take_over_s without a change     |
    """
    if what.row.released and what.row.holder in ("", name):
        return Verdict.TAKE_OVER
    return Verdict.TAKE_OVER if now - what.since >= times.take_over_s else Verdict.FOLLOW


def may_act(confirmed: float, now: float, times: Times) -> bool:
    """True if a leader whose last successful renewal began at `confirmed` may still act. Both by its own monotonic clock."""
    return now - confirmed < times.step_down_s
