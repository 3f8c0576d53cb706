"""The inbox: which event goes first, which events are refused under load, and that none waits for ever."""

from __future__ import annotations

import threading
import time
import typing
from collections.abc import Callable

import pytest

from engine.events import AnyEvent, Bye, Event, Fetched, Hello, Operate, Outcome, Powered, Tick
from engine.runtime.inbox import AGENTS, FIRST, LANES, PACKETS, Inbox


def outcome(i: int) -> Event:
    return Outcome(attempt=f"a{i}.1", node="n", what="done")


def bye(i: int) -> Event:
    return Bye(node=f"n{i}", boot_id="b")


def packet(i: int) -> Event:
    return Fetched(address=f"10.0.0.{i}", what="loader")


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_each_event_has_a_lane() -> None:
    assert set(typing.get_args(AnyEvent)) == set(LANES)
    assert (LANES[Outcome], LANES[Operate], LANES[Hello], LANES[Fetched]) == (FIRST, FIRST, AGENTS, PACKETS)


def test_an_unknown_type_is_a_defect() -> None:
    class Other(Event, frozen=True, kw_only=True, gc=False):
        pass

    with pytest.raises(KeyError):
        Inbox().put(Other())


def test_order() -> None:
    inbox = Inbox()
    for event in (packet(1), bye(1), outcome(1), packet(2), outcome(2), bye(2)):
        assert inbox.put(event)
    assert inbox.depths() == {"outcomes": 2, "agents": 2, "packets": 2}
    assert inbox.drain(10) == [outcome(1), outcome(2), bye(1), bye(2), packet(1), packet(2)]
    assert inbox.drain(10) == []


@pytest.mark.parametrize("limit", [1, 2, 7, 64])
def test_lower_lanes_have_a_share(limit: int) -> None:
    """While outcomes never end, agents and packets get an eighth each."""
    inbox = Inbox(outcomes=10**6)
    for i in range(1000):
        inbox.put(bye(i))
        inbox.put(packet(i))
    taken: list[Event] = []
    while len(taken) < 1024:
        for i in range(limit):
            inbox.put(outcome(i))
        piece = inbox.drain(limit)
        assert len(piece) == limit
        assert [LANES[type(e)] for e in piece] == sorted(LANES[type(e)] for e in piece)
        taken += piece
    counts = {lane: sum(LANES[type(e)] == lane for e in taken) for lane in (AGENTS, PACKETS)}
    assert all(96 <= count <= 136 for count in counts.values()), counts
    assert [e for e in taken if isinstance(e, Bye)] == [bye(i) for i in range(counts[AGENTS])], "order of arrival"


def test_what_outcomes_leave_goes_down() -> None:
    inbox = Inbox()
    for i in range(3):
        inbox.put(outcome(i))
    for i in range(100):
        inbox.put(packet(i))
    piece = inbox.drain(32)
    assert piece == [outcome(i) for i in range(3)] + [packet(i) for i in range(29)]


def test_full_lanes_refuse_and_count() -> None:
    inbox = Inbox(agents=2, packets=3)
    assert [inbox.put(packet(i)) for i in range(5)] == [True] * 3 + [False] * 2
    assert [inbox.put(bye(i)) for i in range(3)] == [True, True, False]
    assert inbox.refused == {"Fetched": 2, "Bye": 1}
    assert inbox.put(outcome(1)), "another lane is not full"
    assert len(inbox.drain(10)) == 6
    assert inbox.put(packet(9))


def test_outcomes_wait_for_room() -> None:
    inbox = Inbox(outcomes=4)
    results: list[bool] = []
    threads = [threading.Thread(target=lambda i=i: results.append(inbox.put(outcome(i)))) for i in range(12)]
    for thread in threads:
        thread.start()
    until(lambda: inbox._waiting == 8)
    assert inbox.depths()["outcomes"] == 4
    taken: list[Event] = []

    def drained() -> bool:
        taken.extend(inbox.drain(3))
        return len(taken) == 12

    until(drained)
    for thread in threads:
        thread.join(60)
    assert results == [True] * 12
    assert inbox.refused == {}
    assert sorted(e.attempt for e in taken if isinstance(e, Outcome)) == sorted(f"a{i}.1" for i in range(12))


def test_callers_that_may_not_wait() -> None:
    inbox = Inbox(outcomes=1, waiting=0)
    assert inbox.put(outcome(1))
    assert not inbox.put(outcome(2), wait=False)
    assert not inbox.put(outcome(3)), "as many as may wait are waiting"
    patient = Inbox(outcomes=1, patience_s=0.01)
    assert patient.put(outcome(1))
    assert not patient.put(outcome(2)), "its patience is over"
    assert patient.refused == {"Outcome": 1}


def test_the_draining_thread_never_waits_for_itself() -> None:
    inbox = Inbox(outcomes=2)
    inbox.drain(1)
    assert [inbox.put(outcome(i)) for i in range(6)] == [True] * 6
    assert len(inbox.drain(10)) == 6


def test_closing_sends_waiting_callers_away() -> None:
    inbox = Inbox(outcomes=1)
    assert inbox.put(outcome(1))
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(inbox.put(outcome(2))))
    thread.start()
    until(lambda: inbox._waiting == 1)
    assert not inbox.close(if_empty=True)
    assert inbox.close()
    thread.join(60)
    assert results == [False]
    assert not inbox.put(outcome(3))
    assert inbox.drain(10) == [outcome(1)]


def test_shut() -> None:
    inbox = Inbox()
    for event in (packet(1), bye(1), outcome(1)):
        inbox.put(event)
    inbox.shut()
    assert [inbox.put(packet(2)), inbox.put(bye(2)), inbox.put(outcome(2))] == [False, False, True]
    assert inbox.drain(10) == [outcome(1), outcome(2)]
    assert inbox.close(if_empty=True)


def test_wait_and_wake() -> None:
    inbox = Inbox()
    inbox.wait(0.001)  # nothing comes: the time is over
    inbox.wake()
    inbox.wait(60)  # a wake before the wait counts
    inbox.put(Tick(subjects=()))
    inbox.wait(60)  # something is there
    inbox.drain(10)
    woken = threading.Event()

    def sleeper() -> None:
        inbox.wait(60)
        woken.set()

    thread = threading.Thread(target=sleeper)
    thread.start()
    until(lambda: inbox._asleep)
    inbox.put(Powered(node="n", generation=1))
    assert woken.wait(60)
    thread.join(60)


def test_many_threads_lose_nothing() -> None:
    inbox = Inbox(outcomes=16, packets=10**6)
    threads = [threading.Thread(target=lambda t=t: [inbox.put(outcome(t * 1000 + i)) for i in range(300)]) for t in range(6)]
    for thread in threads:
        thread.start()
    taken: list[Event] = []

    def done() -> bool:
        inbox.wait(0.01)
        taken.extend(inbox.drain(8))
        return len(taken) == 1800

    until(done)
    for thread in threads:
        thread.join(60)
    assert len({e.attempt for e in taken if isinstance(e, Outcome)}) == 1800
    assert inbox.refused == {}
