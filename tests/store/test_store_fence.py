"""One engine writes: each commit, and whatever leaves without a commit, is behind the epoch. The same on both databases."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from postgres_cluster import Cluster

from engine.effects import Refuse
from engine.events import Happened, NodeDue, Outcome, Tick
from engine.model import Deployment
from engine.reasons import no_plan
from engine.requests import Asker, Request
from engine.runtime.loop import Loop
from engine.store import sql_store
from engine.store.database import take_over
from engine.store.file import LOCK
from engine.store.place import DATABASE
from engine.store.store import Change, Deposed, Store, StoreError

KINDS = ("sqlite", "postgres")


class Place:
    """One database, which several engines open as if each were alone: an admin node of its own for PostgreSQL; for SQLite, the lock's
    file is deleted each time."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self._engines = 0

    def lead(self) -> Store:
        self._engines += 1
        if not self.name:
            (self.folder / LOCK).unlink(missing_ok=True)
            return Store.open(self.folder)
        folder = self.folder / f"admin-{self._engines}"
        folder.mkdir()
        (folder / DATABASE).write_text(self.name)
        return Store.open(folder)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return Place(tmp_path, "")
    made: Cluster = request.getfixturevalue("postgres")
    return Place(tmp_path, made.new())


def event(i: int, who: str = "") -> tuple[Happened, list[Change]]:
    return Happened(1.7e9, float(i), Tick(subjects=(NodeDue(f"n{i}"),))), [("deployments", f"d{i}", Deployment(name=f"d{i}", parent=who))]


def test_each_leader_has_the_next_epoch(place: Place) -> None:
    for epoch in (1, 2, 3):
        with place.lead() as store:
            assert store.epoch == epoch
            store.commit([event(epoch)])
            assert store.seq == epoch


def test_a_deposed_engine_writes_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_store, "IDLE_S", 0.0)
    with place.lead() as first:
        first.commit([event(1), event(2)])
        with place.lead() as second:
            for call in (lambda: first.commit([event(3)]), lambda: first.prune(1), lambda: first.commit([]), lambda: first.look()):
                with pytest.raises(StoreError) as error:
                    call()
                assert "\n" not in str(error.value)
            with pytest.raises(Deposed, match=r"another engine \(.*, pid \d+\) has taken .* over \(epoch 2, this engine has 1\)"):
                first.commit([event(3)])
            assert second.seq == second.last_seq() == 2
            assert second.load()["deployments"].keys() == {"d1", "d2"}
            assert second.commit([event(3, "second")]) == 3
            assert second.verify() == []


def test_a_deposed_engine_runs_no_effect(place: Place) -> None:
    """Neither behind a commit nor for an event that changes nothing. The loop stops, and says why."""
    done: list[Any] = []

    class Work:
        rest = binds = False

        def __init__(self, world: int) -> None:
            self.world = world
            self.effects: list[Any] = []
            self.wakes: list[Any] = []

        def finish(self) -> int:
            return self.world

    def apply(work: Work, happened: Happened) -> list[Change]:
        work.effects.append(Refuse(request=Request(asker=Asker.HTTP, number=1), reason=no_plan()))
        changes = isinstance(happened.event, Tick)
        return event(int(happened.now * 1000) % 1000 + 10)[1] if changes else []

    for happens in (Tick(subjects=(NodeDue("n1"),)), Outcome(attempt="a.1", node="n1", what="running")):
        with place.lead() as first:
            loop = Loop(store=first, world=0, apply=apply, work=Work, run_effects=done.extend)
            loop.submit(happens)
            assert loop.turn() == 1
            assert len(done) == 1
            with place.lead():
                loop.submit(happens)
                assert loop.turn() == 0
            assert "has taken" in loop.failure
            assert not loop.submit(happens)
            assert len(done) == 1
            done.clear()


@pytest.mark.parametrize("place", ["sqlite", pytest.param("postgres", marks=pytest.mark.long)], indirect=True)
def test_engines_that_take_over_from_each_other(place: Place) -> None:
    """Three of them, at any moment. What was acknowledged is there, once, and the journal has no gap."""
    acknowledged: dict[int, str] = {}
    begun: list[str] = []
    stopped: list[StoreError] = []
    failures: list[BaseException] = []
    turns = threading.Lock()

    def life(who: str) -> None:
        """Commits until another takes over; the last one ends by itself."""
        with turns:  # the folders are this test's; the fence is not behind it
            store = place.lead()
            begun.append(who)
        with store:
            done = 0
            while len(begun) < 6 or begun[-1] != who or done < 10:
                done += 1
                now = store.now() + 1
                change = ("deployments", who, Deployment(name=who, parent=str(now)))
                seq = store.commit([(Happened(1.7e9, now, Tick(subjects=())), [change])])
                assert acknowledged.setdefault(seq, who) == who, "two engines have one number"

    def lives(number: int) -> None:
        for again in range(2):
            try:
                life(f"{number}.{again}")
            except StoreError as error:
                stopped.append(error)
            except BaseException as error:
                failures.append(error)

    threads = [threading.Thread(target=lives, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(250)
    assert not failures
    assert len(stopped) == len(begun) - 1 == 5
    with place.lead() as store:
        rows = {row.seq: row.rows[0][1] for row in store.journal(limit=1_000_000)}
        assert list(rows) == list(range(1, store.seq + 1))
        assert {seq: rows[seq] for seq in acknowledged} == acknowledged
        assert store.verify() == []


# -- PostgreSQL ------------------------------------------------------------------------------------------------------


@pytest.fixture()
def two(postgres: Cluster, tmp_path: Path) -> Iterator[tuple[Place, Store, Any]]:
    """A leader, and a connection beside it."""
    import psycopg

    place = Place(tmp_path, postgres.new())
    with ExitStack() as stack:
        store = stack.enter_context(place.lead())
        yield place, store, stack.enter_context(psycopg.connect(place.name, autocommit=True))


def waits(beside: Any) -> bool:
    return bool(beside.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchone()[0])


def wait_for(what: Any) -> None:
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_take_over_waits_for_the_commit_under_way(two: tuple[Place, Store, Any]) -> None:
    """Else both would hold it: the old engine as saved, the new one as never seen."""
    place, first, beside = two
    db = first.database  # type: ignore[attr-defined]
    db.execute(db.WRITE)
    assert db.execute(db.FENCE, (first.epoch,)).fetchone() is not None
    db.execute("INSERT INTO journal VALUES (1, 1, 1, 'Tick', '{}', '[]', NULL)")
    seen: list[int] = []

    def second() -> None:
        with place.lead() as store:
            seen.extend((store.epoch, store.seq))

    thread = threading.Thread(target=second)
    thread.start()
    wait_for(lambda: waits(beside))
    assert not seen
    db.execute("COMMIT")
    thread.join(60)
    assert seen == [2, 1]


def test_a_commit_that_waits_for_a_take_over_finds_itself_deposed(two: tuple[Place, Store, Any]) -> None:
    """The row changed while it waited, so the fence looks again at the new row."""
    import psycopg

    place, first, beside = two
    with psycopg.connect(place.name) as other:
        other.execute("UPDATE engine SET epoch = epoch + 1, holder = 'other'")
        told: list[BaseException] = []

        def commit() -> None:
            try:
                first.commit([event(1)])
            except StoreError as error:
                told.append(error)

        thread = threading.Thread(target=commit)
        thread.start()
        wait_for(lambda: waits(beside))
        other.commit()
        thread.join(60)
    assert isinstance(told[0], Deposed)
    assert beside.execute("SELECT count(*) FROM journal").fetchone() == (0,)


def test_a_lost_connection_is_the_end_of_this_engine(two: tuple[Place, Store, Any]) -> None:
    """No retry behind anybody's back: the next start reads what is there."""
    place, first, beside = two
    first.commit([event(1)])
    beside.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()")
    for _ in range(2):
        with pytest.raises(StoreError, match="the connection to .* was lost .*: start the engine again") as error:
            first.commit([event(2)])
        assert "\n" not in str(error.value)
    first.close()
    with place.lead() as second:
        assert second.seq == 1
        assert second.commit([event(2)]) == 2


def test_the_count_of_commits_shows_that_a_leader_lives(two: tuple[Place, Store, Any]) -> None:
    _, first, beside = two
    first.commit([event(1)])
    first.commit([event(2), event(3)])
    assert beside.execute("SELECT epoch, renewed FROM engine").fetchall() == [(1, 2)]
    assert take_over(first.database) == 2  # type: ignore[attr-defined]
    assert beside.execute("SELECT epoch, renewed FROM engine").fetchall() == [(2, 0)]
