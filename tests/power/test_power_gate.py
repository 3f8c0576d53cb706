"""The gate: serial, limited in rate, backed off after refused logins, bounded. The clock is ours."""

from __future__ import annotations

import threading

from engine.power import PowerFailed
from engine.power.gate import Gate, Gates, Limits


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


def gates_of(clock: Clock, **limits: float) -> Gates:
    return Gates(limits=Limits(**limits), now=clock.now, sleep=clock.sleep)  # type: ignore[arg-type]


def login(gates: Gates, credential: bytes, good: bool) -> PowerFailed | None:
    with gates.enter("10.0.0.1", 623, credential, 5.0) as gate:
        if isinstance(gate, PowerFailed):
            return gate
        if good:
            gates.accepted(gate)
        else:
            gates.refused(gate)
        return None


def test_refused_logins_wait_longer_each_time_and_a_good_one_forgets() -> None:
    clock = Clock()
    gates = gates_of(clock, burst=100)
    for pause in (60.0, 120.0, 240.0, 480.0, 960.0, 1800.0, 1800.0):
        assert login(gates, b"a", good=False) is None
        held = login(gates, b"a", good=True)
        assert held is not None
        assert held.kind == "authentication"
        assert held.retry_in_s == pause
        clock.at += pause - 1
        assert login(gates, b"a", good=True) is not None
        clock.at += 1
    assert login(gates, b"a", good=True) is None
    assert login(gates, b"a", good=False) is None
    again = login(gates, b"a", good=True)
    assert again is not None
    assert again.retry_in_s == 60.0


def test_a_corrected_password_is_tried_at_once_but_guessing_is_not() -> None:
    clock = Clock()
    gates = gates_of(clock, burst=100)
    assert login(gates, b"wrong", good=False) is None
    assert login(gates, b"corrected", good=True) is None
    passed = sum(login(gates, b"guess %d" % n, good=False) is None for n in range(50))
    assert passed == 3


def test_another_bmc_does_not_wait_for_this_one() -> None:
    clock = Clock()
    gates = gates_of(clock)
    assert login(gates, b"a", good=False) is None
    for address, port in (("10.0.0.2", 623), ("10.0.0.1", 624)):
        with gates.enter(address, port, b"a", 1.0) as gate:
            assert isinstance(gate, Gate)


def test_rate_is_limited_after_a_burst() -> None:
    clock = Clock()
    gates = gates_of(clock, burst=3, per_s=2.0)
    for _ in range(3):
        assert login(gates, b"a", good=True) is None
    assert clock.slept == []
    assert login(gates, b"a", good=True) is None
    assert login(gates, b"a", good=True) is None
    assert clock.slept == [0.5, 0.5]
    with gates.enter("10.0.0.1", 623, b"a", 0.1) as gate:
        assert isinstance(gate, PowerFailed)
        assert gate.kind == "timeout"
        assert gate.retry_in_s == 0.5
    clock.at += 3600
    for _ in range(3):
        assert login(gates, b"a", good=True) is None
    assert len(clock.slept) == 2


def test_one_call_at_a_time_and_who_waits_too_long_is_told() -> None:
    gates = Gates()
    with gates.enter("10.0.0.1", 623, b"a", 1.0) as held:
        assert isinstance(held, Gate)
        answers: list[Gate | PowerFailed] = []

        def second() -> None:
            with gates.enter("10.0.0.1", 623, b"a", 0.05) as gate:
                answers.append(gate)

        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        assert isinstance(answers[0], PowerFailed)
        assert answers[0].kind == "timeout"
    with gates.enter("10.0.0.1", 623, b"a", 1.0) as gate:
        assert gate is held


def test_the_gate_is_given_back_when_a_call_raises() -> None:
    gates = Gates()
    try:
        with gates.enter("10.0.0.1", 623, b"a", 1.0):
            raise RuntimeError
    except RuntimeError:
        pass
    with gates.enter("10.0.0.1", 623, b"a", 0.0) as gate:
        assert isinstance(gate, Gate)


def test_the_table_is_bounded_and_keeps_who_was_refused() -> None:
    clock = Clock()
    gates = gates_of(clock, gates=10)
    assert login(gates, b"a", good=False) is None
    for n in range(100):
        clock.at += 0.1
        with gates.enter(f"10.0.1.{n}", 623, b"a", 1.0):
            pass
    assert gates.size == 10
    assert login(gates, b"a", good=True) is not None
