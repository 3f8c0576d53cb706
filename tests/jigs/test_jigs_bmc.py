"""The jig `bmc`: what it promises of each leg, whatever the work does, and whenever the engine is killed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jig_orders import Inbox, order, until

from engine import reasons
from engine.jigs.bmc import BmcJig, BmcTask, Work, not_applied
from engine.jigs.logs import Logs
from engine.wire.agent import Ended

Make = Callable[[Work], BmcJig]


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path / "logs")


@pytest.fixture
def make(tmp_path: Path, inbox: Inbox, logs: Logs) -> Iterator[Make]:
    """A jig with this work under the name `bios`. A second one is that of the next engine."""
    made: list[BmcJig] = []

    def jig(work: Work) -> BmcJig:
        made.append(BmcJig(inbox, logs, tmp_path / "bmc", {"bios": work}, workers=2))
        return made[-1]

    yield jig
    for one in made:
        one.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    role = tmp_path / "role"
    role.mkdir()
    (role / "bmc").write_text("bios\n")
    return role


def test_done_with_gives_and_a_log(make: Make, inbox: Inbox, logs: Logs, folder: Path) -> None:
    def work(task: BmcTask) -> Ended:
        task.say(f"set \x1b[31m{task.get('a/b')}\x1b[0m with s3cret-word")
        return Ended(exit=64, gives={"x": 1})

    make(work).start(order(folder=folder, gives=("x",), jig="bmc", attributes={"a": {"b": 7}}, secrets=("s3cret-word",)))
    (event,) = inbox.wait()
    assert (event.what, event.gives, event.reboot) == ("done", {"x": 1}, True)
    assert logs.tail("ab-1.0")[0] == "set 7 with ***\n"


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (Ended(exit=1, message="it would not"), "script_failed"),
        (Ended(exit=0, gives={"y": 1}), "bad_result"),
        (reasons.power_failed(node="n1", address="192.0.2.1", message="unreachable"), "power_failed"),
        (Ended(), "bad_result"),
    ],
    ids=["refused", "other gives", "a reason", "no exit code"],
)
def test_a_failure_has_its_reason(make: Make, inbox: Inbox, folder: Path, ended: Any, code: str) -> None:
    make(lambda _task: ended).start(order(folder=folder, jig="bmc"))
    (event,) = inbox.wait()
    assert event.what == "failed"
    assert event.failure is not None
    assert event.failure.code == code


def test_a_work_that_breaks_is_a_failure(make: Make, inbox: Inbox, folder: Path) -> None:
    def work(_task: BmcTask) -> Ended:
        raise ZeroDivisionError("by a BMC")

    jig = make(work)
    jig.start(order(folder=folder, jig="bmc"))
    jig.start(order("ab-2.0", folder=folder, jig="bmc"))  # and its thread goes on
    assert {one.failure.fields["line"] for one in inbox.wait(2) if one.failure} == {"the engine broke: ZeroDivisionError: by a BMC"}


def test_verify_says_no(make: Make, inbox: Inbox, folder: Path) -> None:
    make(lambda task: not_applied("x is 1") if task.verifies else Ended()).start(order(folder=folder, jig="bmc", action="verify"))
    (event,) = inbox.wait()
    assert event.failure is not None
    assert (event.failure.code, event.failure.fields["line"]) == ("verify_failed", "x is 1")


def test_over_its_time(make: Make, inbox: Inbox, folder: Path) -> None:
    def work(task: BmcTask) -> Ended:
        while True:
            task.pause(60.0)

    make(work).start(order(folder=folder, jig="bmc", timeout_s=0.1))
    (event,) = inbox.wait()
    assert event.failure is not None
    assert event.failure.code == "timed_out"


def test_an_unknown_work(make: Make, inbox: Inbox, folder: Path) -> None:
    (folder / "bmc").write_text("coffee")
    make(lambda _task: Ended(exit=0)).start(order(folder=folder, jig="bmc"))
    (event,) = inbox.wait()
    assert event.failure is not None
    assert "coffee" in str(event.failure.fields["line"])


def test_the_same_leg_is_carried_out_once(make: Make, inbox: Inbox, folder: Path) -> None:
    goes, runs = threading.Event(), []

    def work(task: BmcTask) -> Ended:
        runs.append(task.order.attempt)
        assert goes.wait(60)
        return Ended(exit=0)

    jig = make(work)
    jig.start(order(folder=folder, jig="bmc"))
    until(lambda: runs)
    jig.start(order(folder=folder, jig="bmc", resume=True))
    assert inbox.wait()[0].what == "running"
    goes.set()
    assert inbox.wait(2)[1].what == "done"
    jig.start(order(folder=folder, jig="bmc"))  # the engine asks again: the outcome is told again, and nothing is done
    assert inbox.wait(3)[2].what == "done"
    assert runs == ["ab-1.0"]


def test_a_killed_engine_leaves_lost_or_the_outcome(make: Make, inbox: Inbox, tmp_path: Path, folder: Path) -> None:
    """Begun and not ended: lost, since the BMC may have taken all of it. Ended: the outcome is told. Unknown: lost."""
    hangs = threading.Event()
    first = make(lambda task: Ended(exit=0) if task.order.attempt == "ab-1.0" else (hangs.wait(60), Ended(exit=0))[1])
    first.start(order("ab-1.0", folder=folder, jig="bmc"))
    inbox.wait()
    first.start(order("ab-2.0", folder=folder, jig="bmc"))
    until(lambda: (tmp_path / "bmc" / "ab-2.0").exists())
    first.close()
    again = make(lambda _task: pytest.fail("nothing is carried out twice"))
    for attempt, resume in (("ab-1.0", True), ("ab-2.0", True), ("ab-2.0", False), ("ab-3.0", True)):
        before = len(inbox.outcomes)
        again.start(order(attempt, folder=folder, jig="bmc", resume=resume))
        assert inbox.wait(before + 1)[before].what == ("done" if attempt == "ab-1.0" else "lost"), attempt
    again.acknowledge("ab-1.0", "n1")
    assert not (tmp_path / "bmc" / "ab-1.0").exists()
    again.acknowledge("../../etc/passwd", "n1")  # no name of a leg
    hangs.set()


def test_a_torn_record_is_lost(make: Make, inbox: Inbox, tmp_path: Path, folder: Path) -> None:
    jig = make(lambda _task: Ended(exit=0))
    (tmp_path / "bmc" / "ab-1.0").write_bytes(b'{"outcome": {"att')
    jig.start(order(folder=folder, jig="bmc"))
    assert inbox.wait()[0].what == "lost"


def test_a_full_lane_gets_it_later(make: Make, inbox: Inbox, folder: Path) -> None:
    inbox.full = 2
    make(lambda _task: Ended(exit=0)).start(order(folder=folder, jig="bmc"))
    assert inbox.wait()[0].what == "done"
    assert inbox.refused == 2


def test_closing_does_not_wait_for_a_silent_bmc(make: Make, folder: Path) -> None:
    waits = threading.Event()

    def work(task: BmcTask) -> Ended:
        waits.set()
        task.pause(3600.0)
        return Ended(exit=0)

    jig = make(work)
    jig.start(order(folder=folder, jig="bmc", timeout_s=7200.0))
    assert waits.wait(60)
    jig.close()
    jig.start(order("ab-2.0", folder=folder, jig="bmc"))  # a closed jig begins nothing
