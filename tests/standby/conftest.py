"""A PostgreSQL cluster, and engines on a new database in it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))  # fake_machine
from members import One, own_lane
from postgres_cluster import Cluster, cluster, missing


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    if why := missing():
        pytest.skip(why)
    with cluster() as made:
        yield made


@pytest.fixture()
def engines(postgres: Cluster, tmp_path: Path) -> Iterator[Callable[..., One]]:
    """`engines(name, lane=..., take_over_s=..., plan=..., address=...)` makes one of a new database; it is not started."""
    database = postgres.new()
    made: list[One] = []

    def make(name: str, lane: int = 0, take_over_s: float = 3.0, plan: str = "", address: str = "") -> One:
        made.append(One(tmp_path, name, database, lane or own_lane(tmp_path, name), take_over_s, plan, address))
        return made[-1]

    yield make
    for one in made:
        one.end()
