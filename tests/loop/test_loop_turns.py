"""The loop, turn by turn, with a clock that stands still: what is durable when, and what becomes of what cannot be
done."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pytest

from engine.effects import Acknowledge, Refuse
from engine.events import Commit, Continue, Event, Fetched, Happened, NodeDue, Operate, Outcome, Started, Tick, Wake
from engine.model import Deployment
from engine.plan import Plan, Site
from engine.requests import Asker, Request
from engine.runtime.inbox import Inbox
from engine.runtime.loop import LETTERS, Change, Clock, Loop
from engine.runtime.wakes import AGAIN_S, TICK_SUBJECTS
from engine.store.sql_store import SqlStore
from engine.store.store import Store, StoreError, Unstorable

World = dict[str, int]
"""Of this test: node -> how many outcomes were seen."""


class Work:
    def __init__(self, world: World) -> None:
        self.world = dict(world)
        self.effects: list[Any] = []
        self.wakes: list[Wake] = []
        self.rest = self.binds = False
        self.unfinished = ""

    def finish(self) -> World:
        if self.unfinished:
            raise RuntimeError(self.unfinished)
        return self.world


class Rig:
    """A loop on a real store in memory, with a step that counts, and a record of the order of things."""

    def __init__(self, store: Store | None = None, clock_at: float = 50.0, **options: Any) -> None:
        self.store = store or Store.memory()
        self.monotonic = clock_at
        self.wall = 1.7e9
        self.seen: list[Happened] = []
        self.effects: list[Any] = []
        self.order: list[str] = []
        self.published: list[int] = []
        self.wakes: dict[str, list[tuple[float, str]]] = {}
        self.loop: Loop[World] = Loop(
            store=self.store,
            world={},
            apply=self.apply,
            work=Work,
            run_effects=self.run_effects,
            publish=self.publish,
            clock=Clock(wall=lambda: self.wall, monotonic=lambda: self.monotonic),
            **options,
        )

    def _wake(self, work: Work, subject: str) -> None:
        work.wakes += [Wake(at, NodeDue(node)) for at, node in self.wakes.get(subject, [])]

    def apply(self, work: Work, happened: Happened) -> list[Change]:
        self.seen.append(happened)
        event = happened.event
        if isinstance(event, Tick):
            subjects = [due.node for due in event.subjects if isinstance(due, NodeDue)]
            for subject in subjects:
                self._wake(work, subject)
            if "bad" in subjects:
                raise LookupError("bad subject")
            return [("deployments", s, Deployment(name=s, parent="ticked")) for s in subjects]
        if isinstance(event, Operate | Fetched | Continue | Started):
            if isinstance(event, Operate) and event.verb == "break":
                raise ZeroDivisionError("no such thing")
            if isinstance(event, Operate) and event.verb == "rest":
                work.rest = True
            if isinstance(event, Started) and event.admin == "break":
                raise ZeroDivisionError("no such thing")
            if isinstance(event, Continue) and event in BROKEN:
                raise LookupError("cannot go on")
            return []
        assert isinstance(event, Outcome)
        count = work.world[event.node] = work.world.get(event.node, 0) + 1
        work.effects.append(Acknowledge(attempt=event.attempt, node=event.node))
        self._wake(work, event.node)
        if event.node == "broken":
            raise ValueError("a defect")
        if event.node == "unfinished":
            work.unfinished = "cannot finish"
        value: Any = "\ud800" if event.node == "unstorable" else str(count)
        if event.node == "unstorable by SQLite":
            value = None
        return [("deployments", event.node, Deployment(name=event.node, parent=value))]

    def run_effects(self, effects: list[Any]) -> None:
        self.order.append(f"effects {self.store.seq}")
        self.effects += effects

    def publish(self, seq: int) -> None:
        self.order.append(f"publish {seq}")
        self.published.append(seq)

    def put(self, *nodes: str) -> None:
        for node in nodes:
            assert self.loop.submit(outcome(node))

    def settle(self) -> int:
        turns = 0
        while self.loop.turn():
            turns += 1
            assert turns < 1000, "it never comes to rest"
        return turns

    def parents(self) -> dict[Any, str]:
        return {k: r.parent for k, r in self.store.load()["deployments"].items()}  # type: ignore[union-attr]


BROKEN: list[Event] = []


def outcome(node: str) -> Outcome:
    return Outcome(attempt=f"{node}.1", node=node, what="done")


def test_one_batch() -> None:
    rig = Rig()
    rig.put("a", "b", "a")
    assert rig.loop.turn() == 3
    assert rig.loop.world == {"a": 2, "b": 1}
    assert rig.parents() == {"a": "2", "b": "1"}
    assert [row.seq for row in rig.store.journal()] == [1, 2, 3]
    assert [e.node for e in rig.effects] == ["a", "b", "a"]
    assert rig.order == ["effects 3", "publish 3"], "committed before, once each"
    assert rig.loop.turn() == 0
    assert rig.order == ["effects 3", "publish 3"]


def test_stamps() -> None:
    """Wall time may jump; engine time is monotonic and goes on from the last committed event."""
    store = Store.memory()
    store.commit([(Happened(1.0, 700.0, outcome("z")), [("deployments", "z", Deployment(name="z"))])])
    rig = Rig(store)
    rig.put("a")
    rig.loop.turn()
    rig.monotonic += 2.5
    rig.wall -= 3600
    rig.put("b", "c")
    rig.loop.turn()
    assert [(h.at, h.now) for h in rig.seen] == [(1.7e9, 700.0), (1.7e9 - 3600, 702.5), (1.7e9 - 3600, 702.5)]
    assert rig.loop.now() == 702.5
    assert store.now() == 702.5
    assert Rig(store).loop.now() == 702.5, "downtime counts against nobody"
    assert Rig(store, now=900.0).loop.now() == 900.0
    assert store.verify() == []


@pytest.mark.parametrize(("last", "monotonic"), [(0.1, 1000.3), (1234.5678, 98765.4321), (7.1, 3.3), (1e6 + 0.7, 0.1)])
def test_time_never_goes_back_over_a_start(last: float, monotonic: float) -> None:
    """A difference that is added to what it was taken from may be an ulp less."""
    for i in range(200):
        store = Store.memory()
        before = last + i * 0.0137
        store.commit([(Happened(1.0, before, outcome("z")), [("deployments", "z", Deployment(name="z"))])])
        rig = Rig(store, clock_at=monotonic + i * 0.311)
        rig.put("a")
        rig.loop.turn()
        assert rig.seen[0].now >= before
        assert store.verify() == []
        store.close()


def test_nothing_to_record_is_not_published() -> None:
    rig = Rig()
    rig.loop.submit(Fetched(address="10.0.0.1", what="loader"))
    assert rig.loop.turn() == 1
    assert (rig.published, rig.store.seq) == ([], 0)


def test_limits_of_a_batch() -> None:
    rig = Rig(limit=4)
    rig.put(*"abcdefghij")
    assert [rig.loop.turn() for _ in range(4)] == [4, 4, 2, 0]
    slow = Rig(slice_s=0.005)
    apply = slow.loop._apply

    def takes_2_ms(work: Work, happened: Happened) -> Sequence[Change]:
        slow.monotonic += 0.002
        return apply(work, happened)

    slow.loop._apply = takes_2_ms
    slow.put(*"abcdefgh")
    assert [slow.loop.turn() for _ in range(4)] == [3, 3, 2, 0]
    assert [h.event.node for h in slow.seen] == list("abcdefgh")  # type: ignore[attr-defined]
    assert slow.loop.health().slowest_s == pytest.approx(0.002)
    assert slow.loop.health().slowest == "Outcome"


# -- wakes --------------------------------------------------------------------------------------------------------


def test_wakes_become_one_tick() -> None:
    rig = Rig()
    rig.wakes = {"a": [(52.0, "n1"), (53.0, "n2"), (52.0, "n1")], "b": [(52.0, "n1"), (99.0, "n3")]}
    rig.put("a", "b")
    rig.loop.turn()
    start = rig.loop.now()
    assert start == 0.0
    assert rig.loop.next_wake() == 52.0
    rig.monotonic += 51.9
    assert rig.loop.turn() == 0
    rig.monotonic += 2
    assert rig.loop.turn() == 1
    assert rig.seen[-1].event == Tick(subjects=(NodeDue("n1"), NodeDue("n2")))
    assert rig.seen[-1].now == pytest.approx(53.9)
    assert rig.loop.turn() == 0
    assert rig.loop.next_wake() == 99.0
    assert rig.loop.health().wakes == 1


def test_many_wakes_are_taken_in_pieces() -> None:
    rig = Rig()
    rig.wakes = {"a": [(1.0, f"n{i}") for i in range(TICK_SUBJECTS * 2 + 5)]}
    rig.put("a")
    rig.loop.turn()
    rig.monotonic += 1
    rig.settle()
    ticks = [h.event for h in rig.seen if isinstance(h.event, Tick)]
    assert [len(t.subjects) for t in ticks] == [TICK_SUBJECTS, TICK_SUBJECTS, 5]


def test_a_wake_that_is_due_at_once_does_not_spin() -> None:
    """A step that answers each tick with the same due wake is a defect; it shall not eat the machine."""
    rig = Rig()
    rig.wakes = {"a": [(0.0, "n")], "n": [(0.0, "n")]}
    rig.put("a")
    rig.settle()
    ticks = sum(isinstance(h.event, Tick) for h in rig.seen)
    assert ticks == 1
    for _ in range(10):
        rig.monotonic += AGAIN_S
        rig.settle()
    assert 10 <= sum(isinstance(h.event, Tick) for h in rig.seen) - ticks <= 20


def test_a_past_wake_set_anew_later_ticks_at_once() -> None:
    """It was ticked long ago and is set again: as when a hold is lifted after the time of a retry."""
    rig = Rig()
    rig.wakes = {"a": [(1.0, "n")]}
    rig.put("a")
    rig.settle()
    rig.monotonic += 1
    rig.settle()
    rig.monotonic += 30
    rig.put("a")
    rig.settle()
    assert [h.now for h in rig.seen if isinstance(h.event, Tick)] == [1.0, 31.0]


def test_continue_follows_a_rest() -> None:
    rig = Rig()
    rig.loop.submit(Operate(who="ann", verb="rest", node="n"))
    assert rig.loop.turn() == 1
    rig.put("a")
    assert [rig.loop.turn() for _ in range(3)] == [1, 1, 0]
    assert [type(h.event).__name__ for h in rig.seen] == ["Operate", "Continue", "Outcome"], "each by itself"


# -- defects ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", ["broken", "unstorable", "unstorable by SQLite", "unfinished"])
@pytest.mark.parametrize("place", [0, 1, 3, 6])
def test_a_defect_costs_one_event(bad: str, place: int, caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    nodes = list("abcdef")
    nodes.insert(place, bad)
    rig.put(*nodes)
    with caplog.at_level(logging.ERROR):
        rig.settle()
    assert rig.loop.world == dict.fromkeys("abcdef", 1)
    assert rig.parents() == dict.fromkeys("abcdef", "1")
    assert [row.seq for row in rig.store.journal()] == [1, 2, 3, 4, 5, 6]
    assert [e.node for e in rig.effects] == list("abcdef"), "each once, in order, none of the bad one"
    assert rig.store.verify() == []
    health = rig.loop.health()
    assert (health.refused, health.failure, len(health.letters)) == (1, "", 1)
    letter = health.letters[0]
    assert letter.event == outcome(bad)
    assert letter.what == "Outcome"
    assert "Traceback" in letter.traceback
    assert "is refused" in caplog.text
    assert "Traceback" in caplog.text


def test_many_defects_and_a_bound_of_letters() -> None:
    rig = Rig()
    rig.put(*["broken", "a"] * 100)
    turns = rig.settle()
    assert rig.loop.world == {"a": 100}
    assert rig.loop.refused == 100
    assert len(rig.loop.letters) == LETTERS
    assert turns <= 201
    assert len(rig.seen) < 200 * 4, "each defect costs two steps more, not a batch"


def test_a_refused_request_is_answered() -> None:
    rig = Rig()
    rig.loop.submit(Operate(request=Request(Asker.OPERATOR, 17), who="ann", verb="break", node="n"))
    rig.settle()
    (answer,) = rig.effects
    assert isinstance(answer, Refuse)
    assert answer.request == Request(Asker.OPERATOR, 17)
    assert answer.reason.code == "engine_error"
    assert answer.reason.fields["event"] == "Operate"
    assert "no such thing" in str(answer.reason.fields["error"])


def test_a_bad_subject_costs_only_its_own_tick() -> None:
    rig = Rig()
    rig.wakes = {"a": [(1.0, "x"), (1.0, "bad"), (1.0, "y")]}
    rig.put("a")
    rig.loop.turn()
    rig.monotonic += 1
    rig.settle()
    assert rig.parents() == {"a": "1", "x": "ticked", "y": "ticked"}
    assert [letter.event for letter in rig.loop.letters] == [Tick(subjects=(NodeDue("bad"),))]


def test_a_broken_continue_does_not_come_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.BROKEN", [Continue()])
    rig = Rig()
    rig.loop.submit(Operate(who="ann", verb="rest", node="n"))
    assert rig.settle() <= 3
    assert rig.loop.refused == 1


def test_callbacks_that_raise_are_noted() -> None:
    rig = Rig()

    def broken(_: Any) -> None:
        raise OSError("gone")

    rig.loop._run = broken
    rig.put("a")
    rig.settle()
    rig.loop._run = rig.run_effects
    rig.put("b")
    rig.settle()
    assert rig.loop.world == {"a": 1, "b": 1}
    assert [(letter.what, letter.error) for letter in rig.loop.letters] == [("effects", "OSError: gone")]
    assert rig.published == [1, 2]


# -- the store ----------------------------------------------------------------------------------------------------


class Failing(SqlStore):
    """A store whose disk is full when it is told so."""

    full = False

    def commit(self, batch: Sequence[tuple[Happened, Sequence[Change]]]) -> int:
        if self.full:
            raise StoreError("the disk is full: free some space")
        return super().commit(batch)


def test_a_failed_commit_stops_the_loop_and_has_no_effect() -> None:
    store = Failing.memory()
    assert isinstance(store, Failing)
    rig = Rig(store)
    rig.put("a")
    rig.loop.turn()
    store.full = True
    rig.put("a", "b")
    assert rig.loop.turn() == 0
    assert rig.loop.failure == "the disk is full: free some space"
    assert rig.loop.world == {"a": 1}
    assert [e.node for e in rig.effects] == ["a"]
    assert rig.published == [1, 1], "whoever waits is woken, and nothing is claimed"
    store.full = False
    assert rig.loop.turn() == 0, "it stays stopped"
    assert not rig.loop.submit(outcome("c"))
    assert rig.parents() == {"a": "1"}
    assert rig.loop.health().failure


def test_a_commit_is_tried_in_halves_when_nobody_knows_which_event_it_was() -> None:
    class Picky(SqlStore):
        def commit(self, batch: Sequence[tuple[Happened, Sequence[Change]]]) -> int:
            if any(h.event == outcome("bad") for h, _ in batch):
                raise Unstorable(None, "one of them")
            return super().commit(batch)

    rig = Rig(Picky.memory())
    rig.put(*["x"] * 100, "bad", *["y"] * 100)
    assert rig.settle() < 25
    assert rig.loop.world == {"x": 100, "y": 100}
    assert [letter.event for letter in rig.loop.letters] == [outcome("bad")]


def test_journal_is_pruned() -> None:
    rig = Rig(keep=100, limit=50)
    for i in range(1200):
        rig.put(f"n{i % 7}")
        if i % 50 == 49:
            rig.settle()
    assert rig.store.seq == 1200
    assert 100 <= rig.store.rows <= 100 + 256 + 50
    assert rig.store.verify() == []


# -- begin and end ------------------------------------------------------------------------------------------------


def test_begin() -> None:
    rig = Rig()
    rig.loop.begin(Started(installation="ab", admin="admin"))
    assert [row.event for row in rig.store.journal()] == ["Started"]
    assert rig.order[-1] == "publish 1"


def test_begin_that_cannot() -> None:
    rig = Rig()
    rig.loop.begin(Started(installation="ab", admin="break"))
    assert rig.loop.failure.startswith("the engine cannot start: ZeroDivisionError")
    full = Failing.memory()
    assert isinstance(full, Failing)
    full.full = True
    rig = Rig(full)
    rig.loop.begin(Started(installation="ab", admin="admin"))
    assert rig.loop.failure == "the disk is full: free some space"
    assert rig.effects == []


def test_stop_works_off_what_was_handed_in() -> None:
    rig = Rig(inbox=Inbox(), limit=2)
    rig.put(*"abcde")
    rig.loop.submit(Fetched(address="10.0.0.1", what="loader"))
    rig.loop.submit(Operate(who="ann", verb="rest", node="n"))
    assert rig.loop.stop()
    assert rig.loop.world == dict.fromkeys("abcde", 1)
    assert not any(isinstance(h.event, Fetched | Continue) for h in rig.seen)
    assert not rig.loop.submit(outcome("f"))


def test_a_plan_that_is_committed_goes_through() -> None:
    rig = Rig()
    rig.loop._apply = lambda work, happened: []
    rig.loop.submit(Commit(who="ann", plan=Plan(site=Site(name="r07"))))
    assert rig.settle() == 1
    assert rig.published == [1]
