"""Wanted firmware: which is older, what is staged, and when an update counts as applied."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.hardware import firmware_update as update
from engine.core.hardware.firmware_update import FirmwareUpdate
from engine.core.hardware.firmware_wanted import FirmwareWish, compare_firmware, compared
from engine.parts import Firmware


@pytest.mark.parametrize(
    ("have", "want", "found"),
    [
        ("2.9.4", "2.10.0", "older"),
        ("2.10.0", "2.9.4", "newer"),
        ("2.10", "2.10.0", "same"),
        ("U30 v2.54 (02/21/2022)", "2.54", "same"),
        ("U30 v2.54 (02/21/2022)", "U30 v2.62", "older"),
        ("A42 v2.60 (08/11/2022)", "2.68", "older"),
        ("iLO 5 v2.72", "2.99", "older"),
        ("22J-1.51", "1.60", "older"),
        ("00.2A.2B", "00.2C.01", "unknown"),
        ("MPK7625Q", "MPK7725Q", "unknown"),
        ("HPG0", "HPG1", "older"),
        ("C27", "D01", "unknown"),
        ("0x0D", "0x30", "unknown"),
        ("", "1.0", "unknown"),
    ],
)
def test_older_or_newer(have: str, want: str, found: str) -> None:
    difference, why = compared(have, want)
    assert difference == found
    assert bool(why) == (found == "unknown")


numbers = st.lists(st.integers(min_value=0, max_value=999), min_size=1, max_size=4)


@given(numbers, numbers)
def test_it_is_an_order(one: list[int], other: list[int]) -> None:
    left, right = ".".join(map(str, one)), ".".join(map(str, other))
    opposite = {"older": "newer", "newer": "older", "same": "same", "unknown": "unknown"}
    assert compared(right, left)[0] == opposite[compared(left, right)[0]]


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text(one: str, other: str) -> None:
    assert compared(one, other)[0] in ("same", "older", "newer", "unknown")


FOUND = (
    Firmware(part="bios", version="1.8.2", name="BIOS"),
    Firmware(part="bmc", version="6.10.30.00", name="iDRAC", updateable=False),
    Firmware(part="drive", version="GDC5602Q", name="MZWLR"),
    Firmware(part="nic", version="22.31.6", name="Broadcom 57414", place="NIC.1"),
    Firmware(part="nic", version="20.31.10", name="ConnectX-6", place="NIC.2"),
)


def differences(*wishes: FirmwareWish) -> list[tuple[str, str, bool, str]]:
    found = compare_firmware(wishes, FOUND, "Dell Inc.", "PowerEdge R750")
    return [(one.have.place or one.have.part if one.have else "", one.difference, one.stage, one.why) for one in found]


def test_differences() -> None:
    wish = FirmwareWish
    assert differences(wish(part="bios", version="1.10.1", file="a.exe")) == [("bios", "older", True, "")]
    assert differences(wish(part="bios", version="1.10.1")) == [("bios", "older", False, "no file for it is in the bundle")]
    assert differences(wish(part="bios", version="1.2", file="a")) == [
        ("bios", "newer", False, "it is newer than wanted, and the wish does not allow to go back")
    ]
    assert differences(wish(part="bios", version="1.2", file="a", back=True)) == [("bios", "newer", True, "")]
    assert differences(wish(part="bmc", version="7", file="a")) == [
        ("bmc", "older", False, "the machine says that this firmware cannot be updated")
    ]
    assert differences(wish(part="drive", version="GDC6602Q", file="a"))[0][1:3] == ("unknown", False)
    assert differences(wish(part="cpld", version="1")) == [("", "absent", False, "the machine names no firmware of its cpld")]
    assert differences(wish(part="bios", version="9", product="HPE *", file="a")) == []


def test_the_most_exact_wish_counts() -> None:
    found = differences(
        FirmwareWish(part="nic", version="22.31.6"),
        FirmwareWish(part="nic", version="20.40.0", model="ConnectX*", file="b"),
        FirmwareWish(part="nic", version="1", product="Lenovo*"),
    )
    assert found == [("NIC.1", "same", False, ""), ("NIC.2", "older", True, "")]


# -- when an update counts --

WANT, OLD = "2.0.0", "1.0.0"
ACCEPTED = (update.accepted,)
GONE = (update.gone,)


def after(*steps: tuple[Any, ...]) -> FirmwareUpdate:
    now = FirmwareUpdate(part="bmc", want=WANT, had=OLD)
    for function, *given_ in steps:
        now = function(now, *given_)
    return now


def test_applied() -> None:
    now = after(ACCEPTED, (update.task_seen, "running"), GONE, *[(update.answered, WANT)] * 3)
    assert (now.stage, now.reads) == ("applied", WANT)
    assert after(ACCEPTED, GONE, *[(update.answered, WANT)] * 2).stage == "back"


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([], "nobody answered the request"),
        ([ACCEPTED], "it was accepted, and nothing went away"),
        ([ACCEPTED, (update.task_seen, "completed")], "it was accepted, and nothing went away; its task says that it completed"),
        ([ACCEPTED, *[(update.answered, WANT)] * 9], "nothing went away although it shows 2.0.0"),
        ([ACCEPTED, GONE], "it went away and did not come back"),
        ([ACCEPTED, (update.task_seen, "running"), GONE, (update.task_seen, "vanished"), (update.answered, "")], "it came back, and shows no version; its task vanished"),
        ([ACCEPTED, GONE, (update.answered, WANT), (update.answered, OLD), (update.answered, WANT)], "2.0.0 was seen 1 times of 3"),
        ([ACCEPTED, GONE, (update.answered, WANT), (update.answered, WANT), GONE, (update.answered, WANT)], "2.0.0 was seen 1 times of 3"),
        ([ACCEPTED, GONE, *[(update.answered, OLD)] * 5], "it came back, and 1.0.0 reads back"),
    ],
)  # fmt: skip
def test_what_was_not_seen_is_unknown(steps: list[Any], why: str) -> None:
    now = update.time_over(after(*steps))
    assert now.stage == "unknown"
    assert why in now.why


def test_failures() -> None:
    assert after(ACCEPTED, (update.task_seen, "failed", "wrong image")).why == "its task failed: wrong image"
    assert after((update.refused, "no licence")).stage == "failed"
    wrong = after(ACCEPTED, (update.task_seen, "completed"), GONE, *[(update.answered, OLD)] * 3)
    assert (wrong.stage, wrong.why) == ("failed", "its task completed, and 1.0.0 reads back instead of 2.0.0")


events = st.sampled_from([
    ACCEPTED, GONE, (update.answered, WANT), (update.answered, OLD), (update.answered, ""), (update.task_seen, "running"),
    (update.task_seen, "completed"), (update.task_seen, "vanished"), (update.task_seen, "none"),
])  # fmt: skip


@given(st.lists(events, max_size=14))
def test_applied_means_all_of_it(steps: list[Any]) -> None:
    """Whatever the order: applied only if it was accepted, then away, and then the last three answers read the wanted version."""
    now = after(*steps)
    ended = update.time_over(now)
    assert ended.over
    if ended.stage != "applied":
        return
    names = [step[0] for step in steps]
    first = names.index(update.accepted)
    away = max(at for at, name in enumerate(names) if name is update.gone and at > first and at <= _applied_at(steps))
    answers = [step[1] for step in steps[away : _applied_at(steps) + 1] if step[0] is update.answered]
    assert answers[-3:] == [WANT] * 3


def _applied_at(steps: list[Any]) -> int:
    return next(at for at in range(len(steps)) if after(*steps[: at + 1]).stage == "applied")
