"""The simulated rack in network namespaces of its own: the plan's addresses, ports 67, 69, 80, 22 and 623."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_admin import rack_spec

from engine import racks as rehearsal
from engine.racks import BmcAccess, RehearsalRack, namespace

WHY_NOT = namespace.why_not()
pytestmark = [pytest.mark.net, pytest.mark.skipif(bool(WHY_NOT), reason=f"no network namespaces: {WHY_NOT}")]


NETWORKS: dict[str, Any] = {
    "networks": {"admin": "192.168.112.0/20", "bmc": "192.168.128.0/20"},
    "bmc": BmcAccess(first="192.168.128.21"),
}
"""Of the plan that is shipped for one node."""


@pytest.fixture
def rack(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RehearsalRack]:
    more = getattr(request, "param", {})
    rehearsal.create(tmp_path / "rack", rack_spec(None, namespace=True, **more))
    found = rehearsal.start(tmp_path / "rack")
    yield found
    found.stop()


def run(rack: RehearsalRack, *words: str) -> str:
    code = Path(__file__).resolve().parent
    environment = {**os.environ, "PYTHONPATH": f"{code}{os.pathsep}{code.parent.parent}"}
    done = subprocess.run(namespace.command(rack.folder, words), capture_output=True, text=True, timeout=150, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_from_power_off_to_installed_on_real_ports(rack: RehearsalRack) -> None:
    assert not namespace.inside(rack.folder)
    seen = json.loads(run(rack, sys.executable, str(Path(__file__).with_name("on_veth.py")), str(rack.folder)))
    assert seen["giaddr"] == [""], "not through a relay"
    assert seen["exit"] == 0
    assert seen["environment"] == "debian-12"
    assert seen["wipes"] == 1
    assert seen["peers"] == sorted([*seen["leases"].values(), "192.168.124.81"])
    assert seen["ssh"].startswith("SSH-2.0-")


def test_the_bmc_answers_at_its_own_address(rack: RehearsalRack) -> None:
    presence = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(10)\n"
    presence += "s.sendto(bytes.fromhex('0600ff06000011be80000000'), ('192.168.125.21', 623)); print('sent')\n"
    assert run(rack, sys.executable, "-c", presence).strip() == "sent"
    assert "crowbar0" in run(rack, "ip", "-brief", "address")


@pytest.mark.parametrize("rack", [{"nodes": 3, **NETWORKS}], indirect=True)
def test_the_whole_engine_on_real_ports(rack: RehearsalRack, tmp_path: Path) -> None:
    script = str(Path(__file__).with_name("engine_on_veth.py"))
    seen = json.loads(run(rack, sys.executable, script, str(rack.folder), str(tmp_path / "store")))
    assert seen["verdict"] == "ready", seen
    assert seen["summary"]["ready"] == 3
    assert (seen["most"], seen["wipes"]) == (1, 9), "two members and the volume on them, each once"
    assert seen["counters"]["bmc-packets"] > 0
    assert all(address.startswith("192.168.118.") for address in seen["peers"])
