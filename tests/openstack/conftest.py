"""A cloud of containers, for tests of its services."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "images/node/cloud"))
# Roles whose decisions are tested without a node.
sys.path.extend(str(one) for one in sorted(Path(__file__).parents[2].glob("barclamps/*/roles/*-compute")))
sys.path.extend(str(one) for one in sorted(Path(__file__).parents[2].glob("barclamps/nova/roles/*-hosts")))
sys.path.extend(str(one) for one in sorted(Path(__file__).parents[2].glob("barclamps/cinder/roles/*-volume")))

from cloud_lab import CloudLab, why_not


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudLab]:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    made = CloudLab(tmp_path_factory.mktemp("cloud"), {})
    yield made
    made.close()
