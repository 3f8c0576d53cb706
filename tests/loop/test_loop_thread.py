"""The loop in its own thread: it sleeps, wakes, ends, and says why when it ends by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from engine.events import Happened, NodeDue, Outcome, Tick, Wake
from engine.model import Deployment
from engine.runtime.loop import LONGEST_SLEEP_S, Change, Loop
from engine.store.store import Store


class Work:
    def __init__(self, world: int) -> None:
        self.count = world
        self.effects: list[Any] = []
        self.wakes: list[Wake] = []
        self.rest = self.binds = False

    def finish(self) -> int:
        return self.count


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def outcome(i: int) -> Outcome:
    return Outcome(attempt=f"{i}.1", node=f"n{i % 50}", what="done")


def count(work: Work, happened: Happened) -> list[Change]:
    work.count += 1
    event = happened.event
    if isinstance(event, Tick):
        return []
    assert isinstance(event, Outcome)
    work.effects.append(event.attempt)
    return [("deployments", event.node, Deployment(name=event.node, parent=event.attempt))]


def made(apply: Callable[[Work, Happened], list[Change]] = count, **options: Any) -> tuple[Loop[int], list[str]]:
    ran: list[str] = []
    loop: Loop[int] = Loop(
        store=options.pop("store", None) or Store.memory(),
        world=0,
        apply=apply,
        work=Work,
        run_effects=ran.extend,
        **options,
    )
    return loop, ran


def test_many_threads_hand_in() -> None:
    store = Store.memory()
    loop, ran = made(store=store)
    loop.start()
    threads = [threading.Thread(target=lambda t=t: [loop.submit(outcome(t * 1000 + i)) for i in range(200)]) for t in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert loop.stop(20)
    assert loop.world == 800
    assert len(set(ran)) == 800
    assert store.seq == 800
    assert store.verify() == []
    assert loop.batches < 800, "what waits together is committed together"
    assert not loop.submit(outcome(1))
    assert loop.failure == ""


def test_it_wakes_at_the_time_of_a_wake() -> None:
    ticked = threading.Event()

    def apply(work: Work, happened: Happened) -> list[Change]:
        if isinstance(happened.event, Tick):
            assert happened.now >= 0.05
            ticked.set()
        else:
            work.wakes.append(Wake(0.05, NodeDue("n")))
        return []

    loop, _ = made(apply)
    loop.start()
    loop.submit(outcome(1))
    assert ticked.wait(60)
    assert loop.stop(20)
    assert loop.letters == ()


def test_outcomes_put_from_within_effects() -> None:
    loop, _ = made()
    seen: list[str] = []

    def run(effects: list[str]) -> None:
        for attempt in effects:
            seen.append(attempt)
            if len(seen) < 100:
                assert loop.submit(outcome(len(seen)))

    loop._run = run
    loop.start()
    loop.submit(outcome(0))
    until(lambda: len(seen) >= 100)
    assert loop.stop(20)


@pytest.mark.filterwarnings("error")
def test_a_defect_of_the_loop_itself_is_said() -> None:
    """Not an event's, not a callback's: the thread ends, callers are sent away, and the sentence says so."""

    def apply(work: Work, happened: Happened) -> list[Change]:
        raise SystemExit(3)

    loop, ran = made(apply)
    loop.start()
    loop.submit(outcome(1))
    until(lambda: bool(loop.failure))
    assert loop.failure.startswith("the engine's loop ended on a defect (SystemExit: 3)")
    assert loop.stop(20)
    assert not loop.submit(outcome(2))
    assert ran == []


def test_an_idle_loop_sleeps() -> None:
    loop, _ = made()
    turns: list[int] = []
    turn = loop.turn
    loop.turn = lambda: turns.append(1) or turn()  # type: ignore[method-assign,func-returns-value]
    loop.start()
    until(lambda: loop.inbox._asleep)
    loop.submit(outcome(1))
    until(lambda: loop.world == 1 and loop.inbox._asleep)
    assert len(turns) <= 4, "it looks again after each batch, and then sleeps"
    assert loop._sleep_s() == LONGEST_SLEEP_S
    assert loop.stop(20)
