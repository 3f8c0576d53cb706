"""Stores for end-to-end tests: each with the rack beside it, which is stopped however the test ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from crowbar_process import stop_rack


@pytest.fixture()
def store(tmp_path: Path) -> Iterator[Path]:
    """A directory that is not there yet, for a store; its rack ends with the test."""
    folder = tmp_path / "store"
    yield folder
    stop_rack(folder)
