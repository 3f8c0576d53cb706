"""An engine with a plan, and installed machines that it may adopt."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from installed_machine import Installed, why_not

from engine.files.catalog import shipped
from engine.files.paths import keys_beside
from engine.files.plan_file import read
from engine.rehearsal.session import _free_lane
from engine.runtime.config import Config
from engine.runtime.engine import Engine
from engine.wire.reach import Reach

ADDRESS = "10.0.0.200"
PLAN = """\
crowbar: 1
site: {name: r1, domain: r1.test, admin: {address: 10.0.0.1}, trust: network}
patience: 0.04
networks:
  admin: {subnet: 10.0.0.0/24, ranges: {dhcp: 10.0.0.21-10.0.0.80, host: 10.0.0.101-10.0.0.150}}
deployments:
  cloud: {roles: {example-motd: {node: old-db}}}
"""


@pytest.fixture()
def make(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Starts an engine on the test's store."""
    lane = _free_lane("10.0.0.1", str(tmp_path))
    running: list[Engine] = []

    def start() -> Engine:
        store = tmp_path / "store"
        engine = Engine(Config(store=store, keys=keys_beside(store), reach=Reach(lane, ["10.0.0.0/24"]), silence_s=1.0))
        engine.start()
        running.append(engine)
        if engine.world.plan is None:
            engine.commit(read(PLAN, "plan", shipped()), "test")
        return engine

    yield start
    for engine in running:
        engine.stop()


@pytest.fixture()
def engine(make: Callable[..., Engine]) -> Engine:
    return make()


@pytest.fixture()
def machines(engine: Engine, tmp_path: Path) -> Iterator[Callable[..., Installed]]:
    """Makes machines that listen where the engine reaches their address."""
    why = why_not()
    if why:
        pytest.skip(why)
    made: list[Installed] = []

    def machine(address: str = ADDRESS, port: int = 22, **more: Any) -> Installed:
        made.append(Installed(tmp_path / f"machine{len(made)}", *engine.config.reach(address, port), **more))
        return made[-1]

    yield machine
    for one in made:
        one.stop()
