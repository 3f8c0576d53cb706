"""Updates of firmware that are under way: when the machine starts, and what counts as applied, failed or unknown. Liars included."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.hardware.firmware_run import MOST_LOOKS, MOST_WRONG, SETTLE, Look, Underway, looked, next_step
from engine.core.hardware.firmware_update import FirmwareUpdate, accepted

BIOS = Underway(entry="/f/BIOS", task="/t/1", boot_id="b1", update=accepted(FirmwareUpdate(part="bios", want="2.0", had="1.0")))
BMC = Underway(entry="/f/BMC", task="/t/2", boot_id="b1", update=accepted(FirmwareUpdate(part="bmc", want="2.0", had="1.0")))
AWAY = Look(answered=False)


def seen(version: str = "1.0", task: Any = "running", gone: bool = False) -> Look:
    return Look(answered=True, version=version, task=task, gone=gone)


def after(one: Underway, *looks: tuple[Look, str] | Look) -> Underway:
    for look in looks:
        one = looked(one, *(look if isinstance(look, tuple) else (look, "b1")))
    return one


def test_the_machine_starts_once_its_tasks_have_taken_the_files_in() -> None:
    assert next_step([after(BIOS, seen())]) == "look"
    assert next_step([after(BIOS, seen(task="completed"))]) == "start"
    assert next_step([after(BIOS, *[seen()] * SETTLE)]) == "start"
    nic = Underway(entry="/f/NIC", update=accepted(FirmwareUpdate(part="nic", want="3")))
    assert next_step([after(BIOS, seen(task="completed")), after(nic, seen())]) == "look", "one start for both"


def test_a_bios_is_applied_after_a_start_and_three_good_answers() -> None:
    started = after(BIOS, seen(task="completed"), (seen("2.0"), "b2"))
    assert (started.update.stage, started.update.good) == ("back", 1)
    assert next_step([started]) == "look"
    assert after(started, (seen("2.0"), "b2"), (seen("2.0"), "b2")).update.stage == "applied"


def test_a_version_that_shows_without_a_start_is_not_enough() -> None:
    """Some BMCs show the staged version at once. Nor does the BMC's own absence say anything of the machine."""
    one = after(BIOS, *[seen("2.0", "completed")] * 5, AWAY, *[seen("2.0", "completed")] * 5)
    assert one.update.stage == "accepted"
    assert next_step([one]) == "start"


def test_a_bmc_goes_away_and_comes_back() -> None:
    assert after(BMC, AWAY).update.stage == "away"
    assert after(BMC, AWAY, *[seen("2.0", "vanished")] * 3).update.stage == "applied"
    assert after(BMC, AWAY, seen("2.0"), seen("2.0"), AWAY, seen("2.0")).update.good == 1, "it went away again"
    assert after(BMC, *[seen("2.0", "completed")] * 9).update.stage == "accepted", "it never went away"
    assert next_step([after(BMC, AWAY)]) == "look"


@pytest.mark.parametrize(
    ("looks", "stage", "words"),
    [
        ([AWAY, *[seen("1.0", "completed")] * 3], "failed", "1.0 reads back"),
        ([AWAY, *[seen("1.0", "vanished")] * MOST_WRONG], "unknown", "its task vanished"),
        ([seen("1.0", "running")] * MOST_LOOKS, "unknown", "its task still runs"),
        ([seen("2.0", "vanished")] * MOST_LOOKS, "unknown", "nothing went away although it shows 2.0"),
        ([AWAY] * MOST_LOOKS, "unknown", "did not come back"),
        ([seen("1.0", "failed")], "failed", "its task failed"),
    ],
    ids=["lies", "forgets", "endless", "shows the staged one", "dead", "says that it failed"],
)
def test_liars(looks: list[Look], stage: str, words: str) -> None:
    one = after(BMC, *looks)
    assert (one.update.stage, words in one.update.why) == (stage, True), one.update.why
    assert next_step([one]) == "over"


def test_an_order_that_nobody_heard_is_unknown_in_the_end() -> None:
    """The engine was killed between the order and its answer: nothing is staged twice, and nothing is believed."""
    one = Underway(entry="/f/BIOS", boot_id="b1", update=FirmwareUpdate(part="bios", want="2.0"))
    now = after(one, *[(seen("2.0", "none"), f"b{n}") for n in range(5)])
    assert next_step([now]) == "look"
    assert after(now, *[seen("2.0", "none")] * MOST_LOOKS).update.stage == "unknown"


def test_one_failure_ends_all_of_it() -> None:
    assert next_step([after(BIOS, seen(task="failed")), BMC]) == "over"
    assert next_step([]) == "over"
