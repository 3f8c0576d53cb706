"""A store of three nodes that the pure core brought up, and an engine on it. There is no rack behind them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))

from rack import Machine, Rack

from crowbar_tui.cli import main
from engine.events import Commit, Happened
from engine.files.catalog import shipped
from engine.files.paths import keys_beside
from engine.files.plan_file import read
from engine.plan import Plan
from engine.rehearsal.session import _free_lane
from engine.runtime.config import Config
from engine.runtime.engine import Engine
from engine.store.store import Store
from engine.wire.reach import Reach

NODES = 3


class CabledRack(Rack):
    """Machines with two cabled ports and two disks; the last one's first cable is in a port that is not planned."""

    def value(self, machine: Machine, name: str) -> Any:
        ports = [f"tor1:swp{machine.number if machine.number < NODES else 40}", f"tor2:swp{machine.number}"]
        match name:
            case "nics":
                return [{"name": f"eno{i}", "mac": "", "speed": 10000, "link": True, "driver": "x", "pci": ""} for i in (1, 2)]
            case "neighbours":
                heard = [port.split(":") for port in ports]
                return [
                    {"nic": f"eno{i}", "chassis": "c", "system": s, "port": p, "port_description": ""} for i, (s, p) in enumerate(heard, 1)
                ]
            case "disks":
                common = {"size": 480 * 10**9, "signature": "gpt", "transport": "sata"}
                return [{"name": f"sd{x.lower()}", "serial": f"DISK{machine.number}{x}", **common} for x in "AB"]
            case "memory-mb":
                return 262144 if machine.number == 1 else 65536
            case "bmc":
                return {"address": f"10.0.1.{machine.number}", "mac": ""}
        return super().value(machine, name)

    def admin_value(self, name: str) -> Any:
        """As the roles' own scripts say, which look again on a real engine."""
        return ["10.0.0.1"] if name == "ntp-servers" else super().admin_value(name)


PLAN = """\
crowbar: 1
site: {name: r1, domain: r1.test, admin: {address: 10.0.0.1}, trust: network}
approve: {wipe: all}
networks:
  admin:
    subnet: 10.0.0.0/24
    ranges: {dhcp: 10.0.0.21-10.0.0.80, host: 10.0.0.101-10.0.0.250}
  bmc: {subnet: 10.0.1.0/24, conduit: bmc}
racks:
  - name: r1
    places:
      10: {cables: {1g0: "tor1:swp1", 1g1: "tor2:swp1", bmc: "mgmt:1"}}
      11: {cables: {1g0: "tor1:swp2", 1g1: "tor2:swp2", bmc: "mgmt:2"}}
      12: {cables: {1g0: "tor1:swp3", 1g1: "tor2:swp3", bmc: "mgmt:3"}}
rules:
  - {match: {memory: {min: 131072}}, group: control, name: "control-{place}"}
  - {match: {}, group: compute, name: "compute-{place}"}
deployments:
  cloud:
    attributes: {target-os: debian-12, raid-wanted: {level: raid1}}
    roles: {network-admin: all, ntp-client: all, ready: all}
secrets: {bmc-password: {env: CROWBAR_BMC_PASSWORD}}
"""


def plan_of(text: str = PLAN) -> Plan:
    return read(text, "plan.yml", shipped())


@pytest.fixture(scope="session")
def brought_up() -> CabledRack:
    rack = CabledRack(shipped(), plan_of(), nodes=NODES, seed=5)
    assert rack.run(), "\n".join(rack.state())
    return rack


@pytest.fixture()
def store(tmp_path: Path, brought_up: CabledRack) -> Path:
    directory = tmp_path / "store"
    rows = [(table, key, row) for table, records in brought_up.tables.items() for key, row in records.items()]
    with Store.open(directory) as made:
        made.commit([(Happened(1000.0, brought_up.now, Commit(who="test", plan=brought_up.plan)), rows)])
    return directory


@pytest.fixture()
def engine(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setenv("CROWBAR_BMC_PASSWORD", "rehearsal")
    lane = _free_lane("10.0.0.1", str(store))
    made = Engine(Config(store=store, keys=keys_beside(store), reach=Reach(lane)))
    made.start()
    yield made
    made.stop()


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture()
def crowbar(store: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command on the store: exit code, what it printed, what it complained."""

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        mask = os.umask(0)
        os.umask(mask)
        try:
            code = main(["--store", str(store), *words])
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            os.umask(mask)  # an engine's process narrows it
        out, err = capsys.readouterr()
        return code, out, err

    return run


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]
