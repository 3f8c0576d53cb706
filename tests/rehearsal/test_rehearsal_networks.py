"""network-NAME on a simulated machine: its files, and the faults of switch ports with the sentences of the real scripts."""

from __future__ import annotations

import asyncio
import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from fake_admin import task_tar
from test_rehearsal_ssh_side import go, installed

from engine.files.paths import shipped_folder
from engine.jigs.leg_report import LegReport
from engine.jigs.ssh_attempts import Attempts
from engine.racks.simulated.spec import Faults

LINKS = [
    {"link": f"10g{n}", "name": f"eth{n}", "mac": f"02:00:00:00:00:0{n}", "why": "", "switch": "tor1", "port": f"swp{n}"} for n in (1, 2)
]
BOND = {"name": "bond0", "mode": "802.3ad", "hash": "layer2+3", "miimon": 100}
WANTED: dict[str, Any] = {
    "name": "storage",
    "address": "10.1.0.81",
    "mask": "255.255.240.0",
    "router": "10.1.0.1",
    "preference": 20,
    "vlan": 200,
    "mtu": 9000,
    "v6": {"address": "fd00:1::81", "prefix": 64, "router": ""},
    "links": LINKS,
    "bond": BOND,
    "bridge": "br-storage",
}
TARGETS = [{"node": f"n{n}", "address": f"10.1.0.8{n}", "v6": "", "mtu": 9000, "switch": "tor1", "port": "", "link": ""} for n in (2, 3)]


def test_files_and_faults(tmp_path: Path) -> None:
    async def work() -> None:
        async with installed(tmp_path) as (_, rack, pool, target, _key):
            tool, numbers = Attempts(pool, "n", target), itertools.count()
            machine = next(iter(rack._runners.values())).machine

            async def role(action: str, **faults: Any) -> LegReport:
                machine.faults = Faults(**faults)
                attempt = f"n{next(numbers)}.1"
                tar = task_tar("network", "network-storage", {"network": WANTED, "network-targets": TARGETS}, action, attempt)
                await asyncio.to_thread(tool.start, attempt, tar, 60)
                told, _ = await asyncio.to_thread(tool.wait, attempt, 30)
                assert isinstance(told, LegReport), told
                if told.exit:
                    said = await asyncio.to_thread(tool.log, attempt, 0)
                    assert isinstance(said, bytes)
                    logs.append(said.decode())
                return told

            logs: list[str] = []
            assert (await role("verify")).exit == 1, "it did not run yet"
            ran = await role("run")
            assert (ran.exit, ran.gives) == (0, {"addresses": ["10.1.0.81/20", "fd00:1::81/64"]})
            assert machine.system is not None
            files = {path.rpartition("/")[2]: text for path, text in machine.system.files.items() if "/interfaces.d/" in path}
            assert files.keys() >= {"bond0", "bond0.200", "br-storage", "network-storage"}
            assert "gateway 10.1.0.1 metric 20\n" in files["network-storage"]
            looked = await role("verify")
            assert (looked.exit, looked.gives) == (0, ran.gives)
            for faults, says in (
                ({"no_lacp": True}, "port tor1:swp1 (cable 10g1) does not speak LACP, which bond0 needs"),
                ({"no_vlan": 200}, "port tor1:swp1 (cable 10g1) does not carry VLAN 200: none of the 2 nodes on network storage answers"),
                ({"frame_most": 1500}, "port tor1:swp1 (cable 10g1) does not pass frames of 9000 octets: n2 answers only small ones"),
            ):
                assert (await role("verify", **faults)).exit == 1, faults
                assert says in logs[-1]
            assert (await role("verify", no_vlan=300, frame_most=9000)).exit == 0

    go(work())


@pytest.mark.parametrize(
    "part", ["does not speak LACP, which", "does not pass frames of", "answers only small ones. Raise the MTU of the switch's ports"]
)
def test_the_sentences_are_those_of_the_real_scripts(part: str) -> None:
    folder = shipped_folder("barclamps") / "network"
    real = (folder / "roles/network/reach").read_text()
    simulated = re.sub(r'"\n\s+f?"', "", (folder / "rehearsal.py").read_text())
    assert part in real
    assert part in simulated
