"""The whole engine, a simulated rack in its namespace, and the real named: DNS follows what happens to nodes, and repairs itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import racks as rehearsal
from engine.racks import BmcAccess, RehearsalRack, namespace
from engine.racks.simulated.spec import SimulatedRackSpec

WHY_NOT = namespace.why_not()
pytestmark = [pytest.mark.net, pytest.mark.slow, pytest.mark.skipif(bool(WHY_NOT), reason=f"no network namespaces: {WHY_NOT}")]

RACK: dict[str, Any] = {
    "nodes": 4,
    "seed": 7,
    "speed": "max",
    "lane": None,
    "namespace": True,
    "networks": {"admin": "192.168.124.0/24", "bmc": "192.168.125.0/24"},
    "bmc": BmcAccess(first="192.168.125.21"),
}
"""Two networks of a /24, as most racks have them."""


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[RehearsalRack]:
    rehearsal.create(tmp_path / "rack", SimulatedRackSpec(**RACK))
    found = rehearsal.start(tmp_path / "rack")
    yield found
    found.stop()


def test_dns_follows_the_nodes(rack: RehearsalRack, tmp_path: Path) -> None:
    script = Path(__file__).with_name("engine_and_dig.py")
    words = [sys.executable, str(script), str(rack.folder), str(tmp_path / "store")]
    environment = {**os.environ, "PYTHONPATH": str(script.parents[2])}
    done = subprocess.run(namespace.command(rack.folder, words), capture_output=True, text=True, timeout=600, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    assert seen["answers"], "the name or the address of a node is not answered"
    assert seen["admin"] == ["192.168.124.10"]
    assert seen["clients"] == 3
    assert seen["kept"]
    within = {what: seen[what] for what in ("renamed", "replaced", "deleted")}
    assert max(within.values()) < 1.0, within
    assert seen["repaired"] < 60.0
    assert seen["noticed"] < 60.0
    assert seen["finding"] == "changed_by_hand"
    assert seen["put right"]
