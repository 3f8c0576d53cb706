"""Tests of the HTTP API: a real engine on a store of three nodes, its API on loopback, and operators with tokens."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from cli_store import brought_up, store  # noqa: F401  fixtures

from engine.api.http_client import HttpClient
from engine.files.paths import keys_beside
from engine.rehearsal.session import _free_lane
from engine.runtime.config import Config
from engine.runtime.engine import Engine
from engine.trust.operators import make_token
from engine.wire.reach import Reach


@pytest.fixture()
def engine(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:  # noqa: F811
    monkeypatch.setenv("CROWBAR_BMC_PASSWORD", "rehearsal")
    lane = _free_lane("10.0.0.1", str(store))
    made = Engine(Config(store=store, keys=keys_beside(store), api="127.0.0.1:0", reach=Reach(lane)))
    made.start()
    yield made
    made.stop()


@pytest.fixture()
def url(engine: Engine) -> str:
    assert engine.api.service is not None
    host, port = engine.api.service.address
    return f"http://{host}:{port}"


@pytest.fixture()
def token(store: Path) -> str:  # noqa: F811
    return make_token(keys_beside(store), "alice", time.time())


@pytest.fixture()
def client(url: str, token: str) -> Iterator[HttpClient]:
    with HttpClient(url, token) as made:
        yield made
