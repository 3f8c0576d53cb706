"""A cloud of containers, for tests of its services."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
# The tool of the roles, and roles whose decisions are tested without a node.
sys.path.extend([str(Path(__file__).parents[2] / "images/node/cloud"), *(str(one) for one in sorted(Path(__file__).parents[2].glob("barclamps/*/roles/*-*")))])

from cloud_lab import CloudLab, why_not


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudLab]:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    made = CloudLab(tmp_path_factory.mktemp("cloud"), {})
    yield made
    made.close()
