"""What is a problem of a machine's health, and when it ends."""

from __future__ import annotations

import pytest

from engine import reasons
from engine.core.hardware.ailments import ECC_MANY, GOOD, MOST, SILENT, judge, moment, present, told_of, unread
from engine.core.operator.problems import problems_of
from engine.core.step import step
from engine.core.world.load import load_world
from engine.core.world.work import Work
from engine.events import AilmentsFound, Happened
from engine.files.catalog import shipped
from engine.model import Node
from engine.views.node_view import node_page
from engine.vitals import Ailing, HealthMemory, LogEntry, LogPlace, SeenEntry, Sensor, VitalSigns

HOT = Sensor(name="CPU1", kind="Temperature", value=98, units="°C", states=("Upper critical",), ok=False, health="failed")
COOL = Sensor(name="CPU1", kind="Temperature", value=40, units="°C")
DAY = 86400.0


def after(*looks: tuple[Sensor, ...], on: bool | None = True, start: float = 0.0) -> HealthMemory:
    memory = HealthMemory()
    for n, sensors in enumerate(looks):
        memory = judge("n1", memory, VitalSigns(on=on, sensors=sensors), (), start + 300.0 * n)
    return memory


def codes(memory: HealthMemory) -> list[str]:
    return [one.reason.code for one in told_of("n1", memory)]


def test_a_critical_sensor_until_it_was_good_for_a_while() -> None:
    assert codes(after((HOT,))) == ["sensor_failed"]
    assert codes(after((HOT,), *[(COOL,)] * (GOOD - 1))) == ["sensor_failed"]
    memory = after((HOT,), *[(COOL,)] * GOOD)
    assert codes(memory) == []
    (ended,) = memory.ailments
    assert (ended.since, ended.ended) == (0.0, 300.0 * GOOD)


def test_a_sensor_that_flaps_has_one_problem() -> None:
    memory = after(*[(HOT,), (COOL,), (COOL,), (COOL,)] * 100)
    assert len(memory.ailments) == 1
    assert memory.ailments[0].times > 90
    assert memory.ailments[0].since == 0.0


def test_the_words_stay_while_values_move() -> None:
    first = after((HOT,))
    warmer = Sensor(name="CPU1", kind="Temperature", value=101, units="°C", states=("Upper non-recoverable",), ok=False, health="failed")
    assert told_of("n1", after((HOT,), (warmer,))) == told_of("n1", first)


def test_a_warning_is_no_problem() -> None:
    assert codes(after((Sensor(name="T", kind="Temperature", value=36, ok=False, health="warning"),))) == []


def test_a_fan_that_turned_stands_still() -> None:
    turns, stands = (Sensor(name="F", kind="Fan", value=n, units="RPM") for n in (4000, 0))
    assert codes(after((stands,))) == [], "a bay without a fan reads zero for ever"
    assert codes(after((turns,), (stands,))) == ["fan_stopped"]
    assert codes(after((turns,), (stands,), on=False)) == [], "fans of a machine that is off stand still"


def test_a_machine_that_is_off_keeps_its_problems_open() -> None:
    memory = after((HOT,))
    for n in range(GOOD + 1):
        memory = judge("n1", memory, VitalSigns(on=False, sensors=(COOL,)), (), 1000.0 + n)
    assert codes(memory) == ["sensor_failed"]


def test_a_power_supply_that_fails_leaves_or_is_not_listed_any_more() -> None:
    here = Sensor(name="PS1", kind="Power Supply", states=("Present",))
    lost = Sensor(name="PS1", kind="Power Supply", states=("Present", "Power input lost"), ok=False, health="failed")
    pulled = Sensor(name="PS1", kind="Power Supply")
    assert codes(after((here,))) == []
    assert codes(after((lost,), on=False)) == ["supply_lost"]
    assert codes(after((here,), (pulled,))) == ["supply_lost"]
    other = Sensor(name="PS2", kind="Power Supply", states=("Present",))
    assert codes(after((here, other), (other,))) == [], "a sensor may be left out once"
    assert codes(after((here, other), (other,), (other,))) == ["supply_lost"]
    redfish = Sensor(name="PSU", kind="Power Supply", value=200, units="W")
    assert codes(after((redfish,), (redfish,))) == []


def event(sensor: str, text: str, when: float, **more: object) -> SeenEntry:
    return SeenEntry(entry=LogEntry(id="1", sensor=sensor, text=text, **more), seen=when, when=when)  # type: ignore[arg-type]


def of_log(*entries: SeenEntry, now: float = DAY, sensors: tuple[Sensor, ...] = ()) -> list[str]:
    return codes(judge("n1", HealthMemory(), VitalSigns(on=True, sensors=sensors), entries, now))


def test_correctable_errors_count_when_they_are_many() -> None:
    one = event("DIMM A1", "Correctable error", DAY - 60, health="warning", asserted=True)
    assert of_log(*[one] * (ECC_MANY - 1)) == []
    assert of_log(*[one] * ECC_MANY) == ["memory_errors"]
    assert of_log(*[one] * ECC_MANY, now=3 * DAY) == [], "those of days ago do not"
    assert of_log(event("DIMM A1", "Uncorrectable error", DAY, health="failed", asserted=True)) == ["bmc_event"]


def test_an_event_that_a_sensor_repeats_or_that_ended_is_no_second_problem() -> None:
    hot = event("CPU1", "Upper critical", DAY, health="failed", asserted=True)
    assert of_log(hot) == ["bmc_event"]
    assert of_log(hot, sensors=(HOT,)) == ["sensor_failed"]
    assert of_log(hot, event("CPU1", "Upper critical deasserted", DAY + 1, asserted=False), now=DAY + 2) == []


def test_the_log_and_the_clock() -> None:
    for place, code in (
        (LogPlace(log="sel", full=0.95), True),
        (LogPlace(log="sel", lost=True), True),
        (LogPlace(log="sel", full=0.5), False),
    ):
        found = codes(judge("n1", HealthMemory(), VitalSigns(places=(place,)), (), 0.0))
        assert found == (["bmc_log_full"] if code else [])
    wrong = judge("n1", HealthMemory(), VitalSigns(clock_off_s=-86400.0), (), 0.0)
    assert codes(wrong) == ["bmc_clock_wrong"]
    assert codes(judge("n1", wrong, VitalSigns(clock_off_s=2.0), (), 1.0)) == []


def test_looks_that_fail_are_a_problem_after_a_while_and_end_nothing() -> None:
    memory = after((HOT,))
    for n in range(SILENT):
        assert codes(memory) == ["sensor_failed"]
        memory = unread("n1", memory, "no answer in time", 1000.0 + n)
    assert codes(memory) == ["sensor_failed", "health_unread"]
    assert codes(judge("n1", memory, VitalSigns(on=True, sensors=(HOT,)), (), 2000.0)) == ["sensor_failed"]
    partly = judge("n1", after((HOT,)), VitalSigns(left_out=("sensors: they do not end",)), (), 3000.0)
    assert codes(partly) == ["sensor_failed"]


def test_two_thousand_failed_sensors_are_few_problems_of_the_world() -> None:
    memory = after(tuple(Sensor(name=f"S{n:04}", kind="Voltage", ok=False, health="failed") for n in range(2000)))
    assert len(codes(memory)) == MOST + 1
    assert codes(memory)[-1] == "more_ailments"
    assert len(present(memory)) == 2000


@pytest.mark.parametrize(
    ("at", "off_s", "first", "when"),
    [
        (1_000_000_000.0, 0.0, False, 1_000_000_000.0),
        (1_000_003_600.0, 3600.0, False, 1_000_000_000.0),
        (100.0, 0.0, False, 1_000_000_500.0),
        (100.0, 0.0, True, 0.0),
        (None, None, False, 1_000_000_500.0),
        (None, None, True, 0.0),
        (2_000_000_000.0, 0.0, False, 1_000_000_500.0),
        (2_000_000_000.0, 0.0, True, 0.0),
    ],
    ids=["right", "ahead", "not-set", "not-set-old", "no-time", "no-time-old", "future", "future-old"],
)
def test_when_an_event_was(at: float | None, off_s: float | None, first: bool, when: float) -> None:
    assert moment(at, off_s, 1_000_000_500.0, first) == when


def test_what_the_world_hears_is_a_problem_of_the_node() -> None:
    ailing = Ailing(reason=reasons.fan_stopped(node="n1", sensor="FAN 1"), since=5.0)
    world = load_world(shipped(), {"nodes": {"n1": Node(id="n1", name="n1", allocated=True)}})
    work = Work(world)
    rows = step(work, Happened(at=9.0, now=9.0, event=AilmentsFound(node="n1", ailments=(ailing,))))
    after_it = work.finish()
    assert rows
    node = after_it.nodes["n1"]
    assert node.ailments == (ailing,)
    assert [(one.reason.code, one.since) for one in problems_of(after_it, node)][:1] == [("fan_stopped", 5.0)]
    assert node_page(after_it, node).ailments == (("fan FAN 1 of n1 stands still", 5.0),)
    again = Work(after_it)
    assert not step(again, Happened(at=10.0, now=10.0, event=AilmentsFound(node="n1", ailments=(ailing,)))), "nothing is journalled"
    nobody = Work(after_it)
    assert not step(nobody, Happened(at=11.0, now=11.0, event=AilmentsFound(node="n9", ailments=(ailing,))))
