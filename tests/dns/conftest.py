"""A site with a name server, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dns_site import Site, missing


@pytest.fixture(scope="session", autouse=True)
def _programs() -> None:
    why = missing()
    if why:
        pytest.skip(why)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One that runs, for tests that leave nothing behind."""
    made = Site(tmp_path_factory.mktemp("site"))
    made.good("dns-server")
    made.good("dns-records")
    yield made
    made.close()
