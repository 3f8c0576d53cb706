"""Following detached attempts, over a fake host: one outcome per order, whatever goes wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from jig_orders import Inbox, order, role_folder, until

from engine import reasons
from engine.jigs import Order
from engine.jigs.detached import ChannelLost, Detached
from engine.jigs.leg_report import LegReport, Seen, parse_report
from engine.jigs.logs import Logs


class FakeHost:
    """Attempts that end when they are told to. Lost: nothing answers. Broken: what is said makes no sense."""

    def __init__(self) -> None:
        self.states: dict[str, LegReport] = {}
        self.output: dict[str, bytes] = {}
        self.started: list[str] = []
        self.forgotten: list[str] = []
        self.taken: list[str] = []
        """Acknowledged by a start."""
        self.patience: list[int] = []
        self.looks = 0
        self.lost = False
        self.broken = False
        self.gate = threading.Event()
        self.gate.set()

    def end(self, attempt: str, code: int = 0, **gives: object) -> None:
        self.states[attempt] = LegReport(id=attempt, state="ended", exit=code, gives=gives)

    def _answer(self, attempt: str) -> LegReport:
        self.gate.wait(60)
        if self.lost:
            raise ChannelLost(reasons.unreachable_node(node="n1", address="x", message="connection refused"))
        if self.broken:
            raise RuntimeError("a defect")
        return self.states.get(attempt, LegReport(id=attempt, state="lost"))

    def begin(self, order: Order, task: bytes, timeout_s: int, patience_s: int, acked: Sequence[str]) -> Seen:
        assert b"run" in task
        assert timeout_s == 60
        if not self.lost and order.attempt not in self.states:
            self.started.append(order.attempt)
            self.states[order.attempt] = LegReport(id=order.attempt, state="running", percent=5, text="at\x1b[2J it")
        self.patience.append(patience_s)
        report = self._answer(order.attempt)
        if report.state != "unstarted":
            self.taken += acked
        return Seen(report, self.read_log(order, 0))

    def look(self, order: Order, offset: int) -> Seen:
        self.looks += 1
        return Seen(self._answer(order.attempt), self.read_log(order, offset))

    def read_log(self, order: Order, offset: int) -> bytes:
        return self.output.get(order.attempt, b"")[offset : offset + 65536]

    def forget(self, order: Order) -> None:
        if self.lost:
            raise ChannelLost(reasons.unreachable_node(node="n1", address="x", message="connection refused"))
        self.forgotten.append(order.attempt)


class Rig:
    def __init__(self, tmp_path: Path, **more: Any) -> None:
        self.inbox = Inbox()
        self.host = FakeHost()
        self.logs = Logs(tmp_path / "logs")
        self.seen: list[tuple[str, str, int, str]] = []
        self.folder = role_folder(tmp_path / "role", "true")
        self.jig = Detached(self.inbox, self.logs, self.host, workers=4, progress=lambda *what: self.seen.append(what), **more)

    def start(self, attempt: str = "ab-1.0", resume: bool = False) -> None:
        self.jig.start(order(attempt, folder=self.folder, resume=resume))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.host.gate.set()
    rig.jig.close()


def test_from_start_to_acknowledgement(rig: Rig) -> None:
    rig.host.output["ab-1.0"] = b"x" * 200_000 + b"\nthe end\n"
    rig.start()
    until(lambda: rig.host.looks > 2)
    assert rig.inbox.outcomes == []
    assert rig.seen[0] == ("n1", "ab-1.0", 5, "at it")
    rig.host.end("ab-1.0")
    assert [o.what for o in rig.inbox.wait()] == ["done"]
    assert rig.logs.path("ab-1.0").stat().st_size == 200_009
    until(lambda: rig.jig.followed == 0)
    rig.jig.acknowledge("ab-1.0", "n1")
    until(lambda: rig.host.forgotten == ["ab-1.0"])
    assert rig.host.started == ["ab-1.0"]


def test_resume_asks_tells_running_once_and_follows(rig: Rig) -> None:
    rig.host.states["ab-1.0"] = LegReport(id="ab-1.0", state="running")
    rig.start(resume=True)
    rig.inbox.wait()
    looks = rig.host.looks
    until(lambda: rig.host.looks > looks + 2)
    rig.host.end("ab-1.0", 3)
    assert [o.what for o in rig.inbox.wait(2)] == ["running", "failed"]
    assert rig.host.started == []


def test_resume_of_what_the_host_does_not_know_is_lost(rig: Rig) -> None:
    rig.start(resume=True)
    assert [o.what for o in rig.inbox.wait()] == ["lost"]
    assert rig.host.started == []


def test_an_unreachable_host_ends_the_following_and_claims_nothing(rig: Rig) -> None:
    rig.start()
    until(lambda: rig.host.looks > 1)
    rig.host.lost = True
    (got,) = rig.inbox.wait()
    assert (got.what, got.unreachable) == ("failed", True)
    assert got.failure == reasons.unreachable_node(node="n1", address="x", message="connection refused")
    until(lambda: rig.jig.followed == 0)
    rig.host.lost = False
    rig.host.end("ab-1.0")
    rig.start(resume=True)
    assert rig.inbox.wait(2)[1].what == "done"


def test_a_defect_is_no_silence(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.host.broken = True
    rig.start()
    (got,) = rig.inbox.wait()
    assert got.unreachable
    assert "a defect" in caplog.text


def test_a_full_lane_is_offered_the_same_outcome_again(rig: Rig) -> None:
    rig.inbox.full = 2
    rig.host.end("ab-1.0")
    rig.start()
    assert [o.what for o in rig.inbox.wait()] == ["done"]
    assert rig.inbox.refused == 2


def test_a_second_order_replaces_the_first_under_way(rig: Rig) -> None:
    rig.host.gate.clear()
    rig.start()
    until(lambda: rig.host.started == ["ab-1.0"])
    rig.start(resume=True)
    rig.host.end("ab-1.0")
    rig.host.gate.set()
    rig.inbox.wait()
    until(lambda: rig.jig.followed == 0)
    rig.start("ab-2.0")
    until(lambda: "ab-2.0" in rig.host.started)
    assert [o.what for o in rig.inbox.outcomes] == ["done"]


def test_an_unpackable_role_fails_and_starts_nothing(rig: Rig, tmp_path: Path) -> None:
    rig.jig.start(order(folder=tmp_path / "nowhere"))
    (got,) = rig.inbox.wait()
    assert got.failure is not None
    assert got.failure.code == "script_failed"
    assert not got.unreachable
    assert rig.host.started == []


def test_an_acknowledgement_that_cannot_be_delivered_is_let_go(rig: Rig) -> None:
    rig.host.end("ab-1.0")
    rig.start()
    rig.inbox.wait()
    rig.host.lost = True
    rig.jig.acknowledge("ab-1.0", "n1")
    rig.jig.acknowledge("zz-1.0", "n1")
    rig.jig.close()
    assert rig.host.forgotten == []


@pytest.fixture
def later(tmp_path: Path) -> Iterator[Rig]:
    """Its acknowledgements wait for a start."""
    rig = Rig(tmp_path, acks_wait=True)
    yield rig
    rig.jig.close()


def done(rig: Rig, attempt: str, node: str = "n1") -> None:
    count = len(rig.inbox.outcomes)
    rig.host.end(attempt)
    rig.jig.start(order(attempt, folder=rig.folder, node=node))
    rig.inbox.wait(count + 1)


def test_the_next_start_takes_an_acknowledgement_along(later: Rig) -> None:
    done(later, "ab-1.0")
    later.jig.acknowledge("ab-1.0", "n1")
    done(later, "zz-1.0", node="n2")
    assert later.host.taken == [], "that is another node"
    done(later, "ab-2.0")
    assert later.host.taken == ["ab-1.0"]
    later.jig.acknowledge("ab-2.0", "n1")
    until(lambda: later.host.forgotten == ["ab-2.0"])
    assert later.host.taken == ["ab-1.0"]


def test_an_acknowledgement_whose_start_failed_goes_by_itself(later: Rig) -> None:
    done(later, "ab-1.0")
    later.jig.acknowledge("ab-1.0", "n1")
    later.host.states["ab-2.0"] = LegReport(id="ab-2.0", state="unstarted", error="no room")
    later.start("ab-2.0")
    later.inbox.wait(2)
    until(lambda: later.host.forgotten == ["ab-1.0"])


def test_the_end_of_the_engine_delivers_what_waits(later: Rig) -> None:
    done(later, "ab-1.0")
    later.jig.acknowledge("ab-1.0", "n1")
    later.jig.close()
    assert later.host.forgotten == ["ab-1.0"]


def test_a_start_stays_with_its_task_unless_many_wait(rig: Rig) -> None:
    rig.host.gate.clear()
    for i in range(20):
        rig.start(f"ab-{i}.0")
    until(lambda: len(rig.host.started) == 4)
    rig.host.gate.set()
    until(lambda: len(rig.host.patience) == 20)
    assert rig.host.patience[-1] == 1
    assert 0 in rig.host.patience


def test_a_thousand_attempts_need_four_threads(rig: Rig) -> None:
    before = set(threading.enumerate())
    for i in range(1000):
        rig.start(f"ab-{i}.0")
    until(lambda: len(rig.host.started) == 1000)
    assert rig.jig.followed == 1000
    for i in range(1000):
        rig.host.end(f"ab-{i}.0")
    assert {o.attempt for o in rig.inbox.wait(1000)} == {f"ab-{i}.0" for i in range(1000)}
    assert len(set(threading.enumerate()) - before) < 12


def test_polling_slows_down_with_age(tmp_path: Path) -> None:
    """In a clock that runs a thousand times as fast: an hour's task is looked at some 700 times, not 72,000."""
    inbox, host, begun = Inbox(), FakeHost(), time.monotonic()
    jig = Detached(inbox, Logs(tmp_path / "l"), host, clock=lambda: (time.monotonic() - begun) * 1000)
    jig._changed.wait = lambda timeout=None: threading.Condition.wait(  # type: ignore[method-assign]
        jig._changed, None if timeout is None else timeout / 1000
    )
    jig.start(order(folder=role_folder(tmp_path / "r", "true")))
    until(lambda: time.monotonic() - begun > 0.4 and host.looks > 5)
    looks, age_s = host.looks, (time.monotonic() - begun) * 1000
    jig.close()
    assert looks < 0.35 * age_s


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b'{"id":"x","state":"ended"}',
        b'{"id":"ab-1.0","state":"odd"}',
        b"\xff",
        b"[" * 9000,
        b'{"id":"ab-1.0","state":"ended","exit":"0"}',
        b'{"id":"ab-1.0","state":"ended","gives":[]}',
        b"x" * 500_000,
    ],
)
def test_what_is_no_state_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="attempt printed"):
        parse_report(line, "ab-1.0")


def test_states_of_the_tool_are_read() -> None:
    line = b'{"id":"ab-1.0","state":"ended","exit":3,"error":"gives are not a JSON object","gives":{"a":[1]}}\n'
    report = parse_report(line, "ab-1.0")
    assert (report.state, report.exit, report.error, report.gives) == (
        "ended",
        3,
        "gives are not a JSON object",
        {"a": [1]},
    )
