"""Fixtures shared by the tests of the services."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from dhcp_rig import client, engine, start
from http_rig import Rig

__all__ = ["client", "engine", "rig", "start"]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path, answer_s=5.0)
    yield rig
    rig.stop()
