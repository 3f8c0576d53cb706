"""What keeps a leader from acting when it leads no more, with a real database: `Seat`, `Tenure`, and the places that ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from members import until
from postgres_cluster import Cluster

from engine.core.leading import RELEASED, Row, Times
from engine.power import PowerFailed
from engine.power.gate import Gates
from engine.runtime.config import Config
from engine.runtime.lead import taken
from engine.runtime.tenure import Tenure
from engine.store.errors import Deposed, StoreError
from engine.store.place import DATABASE
from engine.store.seat import Seat, name_of, shared
from engine.store.store import Store

pytestmark = [pytest.mark.long]
TIMES = Times(take_over_s=4.0)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture()
def database(postgres: Cluster) -> str:
    return postgres.new()


@pytest.fixture()
def folder(database: str, tmp_path: Path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        path = tmp_path / name
        path.mkdir()
        (path / DATABASE).write_text(database + "\n")
        return path

    return make


@pytest.fixture()
def seat(database: str) -> Iterator[Seat]:
    made = Seat(database, "b", standby=True)
    yield made
    made.close()


def test_an_empty_database_has_no_row(seat: Seat) -> None:
    assert seat.row() is None


def test_a_file_is_not_shared(tmp_path: Path) -> None:
    assert shared(tmp_path) == ""


def test_renewals_release_and_take_over(seat: Seat, folder: Callable[[str], Path]) -> None:
    with Store.open(folder("a"), holder="a"):
        assert seat.row() == Row(1, seat.row().holder, 0)
        assert name_of(seat.row().holder) == "a"
        assert seat.renew(1)
        assert seat.row().renewed == 1
        assert seat.leads(1)
        assert not seat.renew(2)
        assert seat.release(1, "b")
        assert seat.row() == Row(1, "b", RELEASED)
        assert not seat.leads(1)
        assert not seat.renew(1), "a released store stays released"


def test_only_one_of_two_standbys_takes_over(seat: Seat, folder: Callable[[str], Path]) -> None:
    """Both saw the same row."""
    with Store.open(folder("a"), holder="a"):
        row = seat.row()
    expects = (row.epoch, row.renewed)
    with Store.open(folder("b"), holder="b", expects=expects) as second:
        assert second.epoch == 2
        with pytest.raises(Deposed, match="another engine leads"):
            Store.open(folder("c"), holder="c", expects=expects)
        assert name_of(seat.row().holder) == "b"


def test_a_leader_that_renewed_meanwhile_is_not_deposed(seat: Seat, folder: Callable[[str], Path]) -> None:
    with Store.open(folder("a"), holder="a") as first:
        row = seat.row()
        seat.renew(1)
        with pytest.raises(Deposed):
            Store.open(folder("b"), holder="b", expects=(row.epoch, row.renewed))
        first.look()


def test_the_standbys_are_found_by_their_connections(seat: Seat, database: str) -> None:
    other = Seat(database, "c", standby=True)
    leader = Seat(database, "a", standby=False)
    for one in (seat, other):
        one.row()
    assert leader.standbys() == ["b", "c"]
    other.close()
    until(lambda: leader.standbys() == ["b"])
    leader.close()


def test_a_lost_connection_is_made_anew(seat: Seat, database: str) -> None:
    import psycopg

    seat.row()
    with psycopg.connect(database, autocommit=True) as db:
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'crowbar standby b'")
    with pytest.raises(StoreError):
        seat.row()
    assert seat.row() is None


@pytest.fixture()
def tenure(database: str, folder: Callable[[str], Path]) -> Iterator[tuple[Tenure, Clock]]:
    clock = Clock()
    store = Store.open(folder("a"), holder="a")
    made = Tenure(database, "a", store.epoch, TIMES, clock.now, clock)
    yield made, clock
    made.start()
    made.end()
    store.close()


def test_a_tenure_that_was_not_renewed_ends_for_ever(tenure: tuple[Tenure, Clock]) -> None:
    made, clock = tenure
    assert made.acts()
    assert made.confirms()
    clock.now += 2.1
    assert not made.acts()
    clock.now -= 2.1
    assert not made.acts(), "what was dropped meanwhile is not ordered again"
    assert not made.confirms()
    assert "could not renew its lead for 2 s (the process stood still)" in made.lost


def test_a_deposed_leader_is_found_out_by_the_question(tenure: tuple[Tenure, Clock], folder: Callable[[str], Path]) -> None:
    """Its last renewal is recent, so only the database knows."""
    made, _ = tenure
    with Store.open(folder("b"), holder="b"):
        assert made.acts()
        assert not made.confirms()
        assert made.lost == "b leads now (epoch 2, this engine had 1)"
        assert not made.acts()


def test_renewals_keep_it_going_and_a_take_over_ends_them(database: str, folder: Callable[[str], Path], seat: Seat) -> None:
    with Store.open(folder("a"), holder="a") as store:
        made = Tenure(database, "a", store.epoch, TIMES, Clock().now, Clock())
        made.start()
        until(lambda: seat.row().renewed >= 2)
        with Store.open(folder("b"), holder="b"):
            until(lambda: made.lost)
        made.end()
        assert seat.row().epoch == 2
        assert not seat.row().released, "it does not release what is another's"


def test_a_tenure_releases_once(database: str, folder: Callable[[str], Path], seat: Seat) -> None:
    with Store.open(folder("a"), holder="a") as store:
        made = Tenure(database, "a", store.epoch, TIMES, Clock().now, Clock())
        made.start()
        made.end("b")
        made.end()
        assert seat.row() == Row(1, "b", RELEASED)


def test_no_bmc_is_called_by_an_engine_that_decides_no_more() -> None:
    may = [True, False]
    gates = Gates(may=lambda: may.pop(0))
    with gates.enter("10.0.0.1", 623, b"x", 1.0) as gate:
        assert not isinstance(gate, PowerFailed)
    with gates.enter("10.0.0.1", 623, b"x", 1.0) as gate:
        assert isinstance(gate, PowerFailed)
        assert "no longer decides" in gate.message
    assert not may


def test_an_engine_that_is_no_standby_waits_for_the_leaders_silence(folder: Callable[[str], Path]) -> None:
    path = folder("b")
    config = Config(store=path, keys=path / "keys", name="b", take_over_s=1.0)
    with Store.open(folder("a"), holder="a"):
        lead = taken(config)
        assert lead.store.epoch == 2
        lead.close()


def test_an_engine_that_is_no_standby_deposes_nobody(folder: Callable[[str], Path], database: str) -> None:
    path = folder("b")
    config = Config(store=path, keys=path / "keys", name="b", take_over_s=2.0)
    with Store.open(folder("a"), holder="a") as store:
        leader = Tenure(database, "a", store.epoch, Times(take_over_s=1.0), Clock().now, Clock())
        leader.start()
        with pytest.raises(StoreError, match="a leads the store, so this engine cannot"):
            taken(config)
        store.look()
        leader.end()
