"""Both databases that a store may be in, for the tests that say what a store is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_cluster import Cluster, cluster, missing

from engine.store.place import DATABASE


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    if why := missing():
        pytest.skip(why)
    with cluster() as made:
        yield made


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.long)])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder of a store that does not exist yet."""
    if request.param == "postgres":
        made: Cluster = request.getfixturevalue("postgres")
        (tmp_path / DATABASE).write_text(made.new() + "\n")
    return tmp_path
