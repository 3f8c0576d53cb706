"""Joining by the HTTP API: the same desk as the command's, and a credential that no answer and no log repeats."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from holding import holding
from installed_machine import PASSWORD, Installed, why_not

from engine.api.http_client import HttpClient, Refusal
from engine.files.catalog import shipped
from engine.files.paths import keys_beside
from engine.files.plan_file import read
from engine.rehearsal.session import _free_lane
from engine.runtime.config import Config
from engine.runtime.engine import Engine
from engine.trust.operators import make_token
from engine.wire.reach import Reach

ADDRESS = "10.0.0.200"


@pytest.fixture()
def engine(tmp_path: Path) -> Iterator[Engine]:
    store, lane = tmp_path / "store", _free_lane("10.0.0.1", str(tmp_path))
    made = Engine(Config(store=store, keys=keys_beside(store), api="127.0.0.1:0", reach=Reach(lane, ["10.0.0.0/24"])))
    made.start()
    text = (
        "crowbar: 1\nsite: {name: r1, domain: r1.test, admin: {address: 10.0.0.1}, trust: network}\n"
        "networks: {admin: {subnet: 10.0.0.0/24, ranges: {dhcp: 10.0.0.21-10.0.0.80, host: 10.0.0.101-10.0.0.150}}}\ndeployments: {}\n"
    )
    made.commit(read(text, "plan", shipped()), "test")
    yield made
    made.stop()


@pytest.mark.client
@pytest.mark.slow  # beside five other workers the machine sometimes needs more than the 80 s of an adoption
def test_an_api_client_adopts_a_machine(engine: Engine, machines: Callable[..., Installed], tmp_path: Path) -> None:
    machine = machines()
    assert engine.api.service is not None
    host, port = engine.api.service.address
    with HttpClient(f"http://{host}:{port}", make_token(engine.config.keys, "alice", time.time())) as client:
        body = {"address": ADDRESS, "password": PASSWORD}
        with pytest.raises(Refusal) as error:
            client.request("POST", "/nodes", body)
        assert (error.value.status, error.value.reason.code) == (409, "join_host_key")
        assert PASSWORD not in repr(error.value.reason)
        with pytest.raises(Refusal) as error:
            client.request("POST", "/nodes", {**body, "host_key": machine.fingerprint, "shell": "sh"})
        assert error.value.status in (400, 422)
        receipt = client.request(
            "POST", "/nodes", {**body, "host_key": str(error.value.reason.fields.get("fingerprint", machine.fingerprint))}
        )
        assert "old-db.r1.test is joined" in receipt["message"]
        assert [node["kind"] for node in client.nodes()] == ["joined"]
    assert holding(tmp_path / "store", PASSWORD) == []


def test_the_machine_can_be_made_here_or_a_sentence_says_why_not() -> None:
    why = why_not()
    assert not why or len(why.split()) > 2, why
