"""When a standby takes over, and when a leader acts no more: tables, and properties over random histories with pauses."""

from __future__ import annotations

from random import Random

import pytest

from engine.core.leading import LEAST_TAKE_OVER_S, RELEASED, Row, Seen, Times, Verdict, judged, may_act, seen

TIMES = Times(take_over_s=10.0)


@pytest.mark.parametrize(
    ("row", "age_s", "takes"),
    [
        (Row(0, "", 0), 0.0, True),  # nobody has led yet
        (Row(4, "", RELEASED), 0.0, True),
        (Row(4, "b", RELEASED), 0.0, True),
        (Row(4, "c", RELEASED), 0.0, False),
        (Row(4, "c", RELEASED), 9.9, False),
        (Row(4, "c", RELEASED), 10.0, True),  # c did not come
        (Row(4, "a, pid 7", 12), 0.0, False),
        (Row(4, "a, pid 7", 12), 9.9, False),
        (Row(4, "a, pid 7", 12), 10.0, True),
        (Row(4, "b, pid 7", 12), 9.9, False),  # the former process of this one: its name proves nothing
        (Row(4, "b", 12), 0.0, False),
    ],
)
def test_when_the_standby_b_takes_over(row: Row, age_s: float, takes: bool) -> None:
    assert (judged(Seen(row, 100.0), 100.0 + age_s, "b", TIMES) is Verdict.TAKE_OVER) == takes


@pytest.mark.parametrize(("age_s", "acts"), [(0.0, True), (4.9, True), (5.0, False), (60.0, False)])
def test_when_a_leader_acts(age_s: float, acts: bool) -> None:
    assert may_act(100.0, 100.0 + age_s, TIMES) == acts


def test_any_change_of_the_row_is_a_sign_of_life() -> None:
    first = seen(None, Row(4, "a", 5), 1.0)
    assert seen(first, Row(4, "a", 5), 7.0) == first
    for row in (Row(4, "a", 6), Row(5, "a", 5), Row(3, "a", 5), Row(4, "a", RELEASED)):
        assert seen(first, row, 7.0) == Seen(row, 7.0)


@pytest.mark.parametrize("take_over_s", [LEAST_TAKE_OVER_S, 3.0, 10.0, 600.0])
def test_the_times_fit_each_other(take_over_s: float) -> None:
    """A leader may miss two renewals, and has stopped acting long before a standby looks twice."""
    times = Times(take_over_s=take_over_s)
    assert 3 * times.renew_s < times.step_down_s
    assert times.step_down_s + 2 * times.look_s <= take_over_s
    assert times.look_s <= 0.2


def test_nobody_takes_over_from_a_leader_that_acts() -> None:
    """Random pauses of leader and standby, with clocks that run alike: whenever the standby takes over, the leader has stopped acting."""
    for number in range(300):
        random = Random(number)
        now, renewed, confirmed = 0.0, 0, 0.0
        watched: Seen | None = None
        leader_sleeps = standby_sleeps = 0.0
        while True:
            now += TIMES.look_s
            if random.random() < 0.02:
                leader_sleeps = now + random.uniform(0, 40)
            if random.random() < 0.02:
                standby_sleeps = now + random.uniform(0, 40)
            if now >= leader_sleeps and now - confirmed >= TIMES.renew_s and may_act(confirmed, now, TIMES):
                renewed, confirmed = renewed + 1, now
            if now < standby_sleeps:
                continue
            watched = seen(watched, Row(1, "a, pid 7", renewed), now)
            if judged(watched, now, "b", TIMES) is Verdict.TAKE_OVER:
                assert not may_act(confirmed, now, TIMES)
                break
