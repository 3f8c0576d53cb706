"""A machine that is a folder: see node_folder.py."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[2] / "images/node/cloud"))

from node_folder import REPO, Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def recorded() -> Path:
    """Outputs of real hardware, beside the repository."""
    there = Path(os.environ.get("CROWBAR_RECORDED", REPO.parent / "shared" / "recorded"))
    if not there.is_dir():
        pytest.skip(f"no recorded hardware at {there}")
    return there
