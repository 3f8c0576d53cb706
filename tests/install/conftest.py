"""The small worlds of tests/core, the shells of tests/images and the machines of tests/catalog that are folders serve here too."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / one) for one in ("core", "images", "catalog"))]

from node_folder import Machine  # noqa: E402
from node_shell import shell  # noqa: E402

__all__ = ["machine", "shell"]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)
