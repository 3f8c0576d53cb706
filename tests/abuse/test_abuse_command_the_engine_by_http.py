"""Goal: read the rack, or give an order, without being an operator. Means: every kind of request to the HTTP API, by TLS and in clear."""

from __future__ import annotations

import json
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from cli_store import brought_up, store  # noqa: F401  fixtures

from engine.attach.protocol import LINE
from engine.files.paths import keys_beside
from engine.rehearsal.session import _free_lane
from engine.rest.gate import OF_ONE
from engine.rest.logins import FAILED
from engine.rest.openapi import document
from engine.rest.service import LIMITS
from engine.rest.table import SMALL
from engine.runtime.config import Config
from engine.runtime.engine import Engine
from engine.trust.operators import PREFIX, make_token
from engine.trust.operators import revoke_token as revoke
from engine.wire.reach import Reach

PATIENCE_S = 60.0
STRANGER = "10.0.0.77"
PATHS = sorted({path.replace("{", "").replace("}", "") for path in document()["paths"]})


class Api:
    """An engine with its API at 10.0.0.5 of the admin network, by TLS, on a lane of loopback."""

    def __init__(self, store: Path) -> None:  # noqa: F811
        self.keys = keys_beside(store)
        self.reach = Reach(_free_lane("10.0.0.1", str(store)))
        self.engine = Engine(Config(store=store, keys=self.keys, api="10.0.0.5:8443", reach=self.reach))
        self.engine.start()
        self.token = make_token(self.keys, "alice", time.time())
        self.tls = ssl.create_default_context(cafile=self.keys / "ca.crt")

    def connect(self, source: str = STRANGER) -> ssl.SSLSocket:
        here = self.reach(source, 0)
        plain = socket.create_connection(self.reach("10.0.0.5", 8443), PATIENCE_S, here)
        return self.tls.wrap_socket(plain, server_hostname=self.reach("10.0.0.5", 8443)[0])

    def says(
        self, head: str, token: str | None = None, body: bytes = b"", source: str = STRANGER, more: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """Sends a request and reads to the end. Returns the status and the body."""
        with self.connect(source) as client:
            client.sendall(self.request(head, token, body, more))
            return answer(read_all(client))

    def request(self, head: str, token: str | None, body: bytes = b"", more: str = "", close: bool = True) -> bytes:
        lines = [head if " HTTP/" in head else f"{head} HTTP/1.1", "Host: a"]
        if token is not None:
            lines.append(f"Authorization: Bearer {token}")
        if body:
            lines.append(f"Content-Length: {len(body)}")
        if close:
            lines.append("Connection: close")
        return "\r\n".join([*lines, *([more] if more else []), "", ""]).encode() + body


def read_all(client: socket.socket) -> bytes:
    out = b""
    try:
        while piece := client.recv(65536):
            out += piece
    except (ConnectionResetError, ssl.SSLEOFError):
        pass  # it was cut after its answer
    return out


def answer(data: bytes) -> tuple[int, dict[str, Any]]:
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"aiohttp" not in head
    assert b"Python" not in head
    found = json.loads(body)
    status = int(head.split()[1])
    if status != 200:
        assert set(found) == {"code", "fields", "sentence", "advice"}
    return status, found


@pytest.fixture()
def api(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:  # noqa: F811
    monkeypatch.setenv("CROWBAR_BMC_PASSWORD", "rehearsal")
    made = Api(store)
    yield made
    made.engine.stop()


def test_a_stranger_gets_nothing_but_401(api: Api) -> None:
    """Whatever it asks for, and whether that exists or not."""
    seq = api.engine.seq
    heads = [f"{method} {path}" for path in PATHS for method in ("GET", "POST", "PUT", "DELETE")] + [
        "GET /",
        "GET /x",
        "OPTIONS *",
        "PROPFIND /",
    ]
    for number, head in enumerate(heads):
        body = b'{"yes": true}' if number % 2 else b""
        source = f"10.0.0.{100 + number // 8}"
        status, found = api.says(head, body=body, source=source)
        assert (status, found["code"], found["fields"]) == (401, "no_token", {}), head
    with api.engine.reader() as reader:  # the engine itself may look for silent nodes meanwhile
        assert not [row.event for row in reader.journal(seq) if "who" in row.fields]


def test_only_a_present_token_opens(api: Api) -> None:
    wrong = [
        "",
        " ",
        "x",
        api.token[:-1],
        api.token + "x",
        api.token.upper(),
        PREFIX,
        PREFIX + "A" * 43,
        (api.keys / "api-tokens.json").read_text().split('"hash":"')[1][:64],
        (api.keys / "site.key").read_text().strip(),
        "A" * 3000,
    ]
    for number, token in enumerate(wrong):
        status, found = api.says("GET /api/v1/nodes", token, source=f"10.0.0.{100 + number // 8}")
        assert (status, found["code"]) == (401, "no_token"), token[:20]
    for more in (f"Authorization: Basic {api.token}", f"Authorization: {api.token}", f"X-Token: {api.token}", f"Cookie: token={api.token}"):
        assert api.says("GET /api/v1/nodes", more=more, source="10.0.0.110")[0] == 401
    assert api.says("GET /api/v1/nodes", api.token, more=f"Authorization: Bearer {api.token}", source="10.0.0.111")[0] == 401
    assert api.says(f"GET /api/v1/nodes?token={api.token}", source="10.0.0.111")[0] == 401
    status, found = api.says("GET /api/v1/about", api.token)
    assert (status, found["code"]) == (404, "no_route")
    assert api.says("GET /api/v1", api.token)[1]["user"] == "alice"


def test_a_revoked_token_is_worthless_at_once(api: Api) -> None:
    with api.connect() as client:
        client.sendall(api.request("GET /api/v1", api.token, close=False))
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
        revoke(api.keys, "alice")
        client.sendall(api.request("GET /api/v1", api.token))
        assert answer(read_all(client))[0] == 401
    fresh = make_token(api.keys, "alice", 1.0)
    assert api.says("GET /api/v1", api.token)[0] == 401
    assert api.says("GET /api/v1", fresh)[0] == 200


def test_a_damaged_or_readable_file_of_tokens_lets_nobody_in(api: Api) -> None:
    path = api.keys / "api-tokens.json"
    kept = path.read_bytes()
    for spoil in (lambda: path.write_bytes(b"[{"), lambda: path.write_bytes(b"null"), lambda: path.unlink()):
        spoil()
        assert api.says("GET /api/v1", api.token)[0] == 401
    path.write_bytes(kept)
    path.chmod(0o644)
    assert api.says("GET /api/v1", api.token)[0] == 401
    path.chmod(0o600)
    assert api.says("GET /api/v1", api.token)[0] == 200


def test_guessing_is_slowed_for_the_address_that_guesses_and_locks_no_operator_out(api: Api) -> None:
    operator = "10.0.0.60"
    assert api.says("GET /api/v1", api.token, source=operator)[0] == 200
    for source in (STRANGER, operator):
        counted = [api.says("GET /api/v1", f"{PREFIX}{number}", source=source)[0] for number in range(int(FAILED.burst) + 20)]
        assert counted[: int(FAILED.burst)] == [401] * int(FAILED.burst)
        assert counted.count(429) > 5
    status, found = api.says("GET /api/v1", PREFIX, source=STRANGER)
    if status == 429:
        assert found["code"] == "failed_logins"
        assert STRANGER in found["sentence"] or "127." in found["sentence"]
    assert api.says("GET /api/v1", api.token, source=operator)[0] == 200, "its token was good from there before"
    assert api.says("GET /api/v1", api.token, source="10.0.0.61")[0] == 200, "and other addresses are not concerned"


def test_bodies_are_bounded_typed_and_refused(api: Api) -> None:
    seq = api.engine.seq
    hold, set_, plan = "POST /api/v1/nodes/control-10/hold", "PUT /api/v1/nodes/control-10/attributes/bmc", "POST /api/v1/plan"
    deep = b'{"value": ' + b"[" * 40 + b"]" * 40 + b"}"
    for head, body, wanted in [
        (hold, b" " * (SMALL + 1), 413),
        (plan, b" " * (LINE + 1), 413),
        ("GET /api/v1/nodes", b"{}", 413),
        ("DELETE /api/v1/nodes/control-10/attributes/bmc", b"{}", 413),
        (hold, b'{"value": 1}', 422),
        (hold, b'{"yes": 1}', 422),
        (hold, b'{"yes": true, "force": true}', 422),
        (hold, b"[]", 422),
        (hold, b"{", 422),
        (hold, b"\xff", 422),
        (hold, b'{"yes": true}{}', 422),
        (hold, b"[" * 10_000, 422),
        (set_, deep, 422),
        (set_, b'{"value": "\\ud800"}', 422),
        (set_, b"{}", 422),
        (set_, b'{"value": 1, "layer": "hint"}', 422),
        (plan, b'{"plan": 1}', 422),
        (plan, b'{"plan": "x", "secrets": {"a": 1}}', 422),
        (plan, b'{"plan": "crowbar: 1", "who": "root"}', 422),
    ]:
        status, found = api.says(head, api.token, body)
        assert status == wanted, (head, body[:40], found)
        assert len(found["sentence"]) < 400
    chunked = "Transfer-Encoding: chunked\r\n\r\n" + f"{SMALL + 1:x}\r\n" + " " * (SMALL + 1) + "\r\n0"
    assert api.says(hold, api.token, more=chunked)[0] == 413
    for query in (
        "after=-1",
        "after=x",
        "limit=0",
        "limit=1001",
        "wait=31",
        "wait=nan",
        "wait=inf",
        "other=1",
        "after=1&after=2",
        "after",
        "%ff=1",
        "&" * 40,
    ):
        status, found = api.says(f"GET /api/v1/journal?{query}", api.token)
        assert (status, found["code"]) == (422, "bad_call"), query
    assert api.says("GET /api/v1/nodes?x=1", api.token)[0] == 422
    with api.engine.reader() as reader:  # the engine itself looks at its roles meanwhile
        assert not [row.event for row in reader.journal(seq) if "who" in row.fields]


@pytest.mark.parametrize(
    "path",
    ["/api/v1/nodes/../nodes", "/api/v1//nodes", "/api/v1/nodes/", "/api/v1/nodes/%2e%2e/hold", "/api/v1/nodes/..%2f..%2fetc", "/../api/v1/nodes",
     "/api/v2/nodes", "/API/v1/nodes", "/api/v1/nodes/a%00b", "/api/v1/revisions/1%2f", "/api/v1/nodes/" + "a" * 2000, "/api/v1/nodes/.hidden", "/boot/script"],
)  # fmt: skip
def test_no_other_path_leads_anywhere(api: Api, path: str) -> None:
    for method in ("GET", "POST"):
        status, found = api.says(f"{method} {path}", api.token)
        assert (status, found["code"]) == (404, "no_route")


def test_a_wrong_method_is_named(api: Api) -> None:
    for method in ("GET", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "PATCH", "PROPFIND"):
        with api.connect() as client:
            client.sendall(api.request(f"{method} /api/v1/nodes/control-10/hold", api.token))
            data = read_all(client)
        assert data.startswith(b"HTTP/1.1 405 "), method
        assert b"\r\nAllow: POST\r\n" in data
    assert not api.engine.world.node_named("control-10").hold  # type: ignore[union-attr]


def test_old_clients_and_pipelines_are_served_in_order(api: Api) -> None:
    assert api.says("GET /api/v1 HTTP/1.0", api.token)[1]["user"] == "alice"
    assert api.says("GET /api/v1 HTTP/1.0")[0] == 401
    with api.connect() as client:
        good = api.request("GET /api/v1/nodes/control-10/roles", api.token, close=False)
        client.sendall(good * 3 + api.request("GET /api/v1", None, close=False) + good + api.request("GET /api/v1", api.token))
        data = read_all(client)
    assert [part[:3] for part in data.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"200", b"401", b"200", b"200"]


def test_a_body_behind_a_refusal_is_no_second_request(api: Api) -> None:
    inner = api.request("POST /api/v1/nodes/control-10/hold", api.token)
    for head in ("POST /api/v1/nodes/control-10/hold", "GET /api/v1/nodes"):
        with api.connect() as client:
            client.sendall(api.request(head, None, inner, close=False))
            data = read_all(client)
        assert data.count(b"HTTP/1.1 ") == 1
        assert b" 401 " in data
        assert b"\r\nConnection: close\r\n" in data, "the body is not read"
    both = "Content-Length: 4\r\nTransfer-Encoding: chunked"
    with api.connect() as client:
        client.sendall(api.request("POST /api/v1/nodes/control-10/hold", api.token, more=both, close=False) + b"0\r\n\r\n" + inner)
        data = read_all(client)
    assert b" 400 " in data[:20]
    assert data.count(b"HTTP/1.") == 1
    assert not api.engine.world.node_named("control-10").hold  # type: ignore[union-attr]


@pytest.mark.parametrize("bad", [b"\x00" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"A: b\r\n" * 10, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n",
                                 b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", b"GET / HTTP/1.1\r\nA: " + b"b" * 9000 + b"\r\n\r\n"])  # fmt: skip
def test_what_is_no_request_gets_400_and_no_more(api: Api, bad: bytes) -> None:
    with api.connect() as client:
        client.sendall(bad)
        data = read_all(client)
    status, found = answer(data)
    assert (status, found["code"]) == (400, "bad_call")
    assert len(data) < 600


def test_slow_heads_and_bodies_end(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is real; only the limits are shorter."""
    assert LIMITS.head_s <= 10
    assert LIMITS.body_s <= 20
    service = api.engine.api.service
    assert service is not None
    monkeypatch.setattr(service._gate, "_body_s", 0.2)
    with api.connect() as client:
        client.sendall(api.request("POST /api/v1/nodes/control-10/hold", api.token, b"{}")[:-1])
        status, found = answer(read_all(client))
    assert (status, found["code"]) == (408, "slow_body")
    with api.connect() as client:
        client.sendall(b"GET /api/v1 HTTP/1.1\r\nHost:")
        assert read_all(client) == b"", "it is cut after head_s"
    assert not api.engine.world.node_named("control-10").hold  # type: ignore[union-attr]


def test_many_idle_strangers_and_one_greedy_operator_shut_nobody_out(api: Api) -> None:
    other = make_token(api.keys, "bob", 1.0)
    assert api.says("GET /api/v1", api.token)[0] == 200
    idle = [api.connect(f"10.0.0.{120 + number % 40}") for number in range(100)]  # of 32 places for strangers
    after = api.engine.seq + 1000  # the engine itself looks at its roles meanwhile
    waiting = []
    try:
        for _ in range(OF_ONE):
            client = api.connect()
            waiting.append(client)
            client.sendall(api.request(f"GET /api/v1/journal?after={after}&wait=30", api.token))
        service = api.engine.api.service
        assert service is not None
        end = time.monotonic() + PATIENCE_S
        while service._gate._in_work["alice"] < OF_ONE:
            assert time.monotonic() < end
            time.sleep(0.01)
        status, found = api.says("GET /api/v1", api.token)
        assert (status, found["code"]) == (429, "api_busy")
        assert api.says("POST /api/v1/nodes/control-10/hold", other, b"{}")[0] == 200
        assert {answer(read_all(client))[0] for client in waiting} == {200}, "and the order is news for those who wait"
        assert api.says("GET /api/v1", api.token)[0] == 200
    finally:
        for client in [*idle, *waiting]:
            client.close()


def test_no_log_and_no_answer_holds_a_token_or_a_secret(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    body = json.dumps({"plan": "crowbar: 1\nsite: 3\n", "secrets": {"bmc-password": "sw0rdfish"}}).encode()
    answers = [api.says("POST /api/v1/plan", api.token, body), api.says("POST /api/v1/plan", api.token, body[:-1] + b', "x": 1}')]
    answers += [api.says("GET /api/v1/x", api.token), api.says("GET /api/v1", api.token), api.says("GET /api/v1/health", api.token)]
    told = caplog.text + json.dumps(answers)
    assert "sw0rdfish" not in told
    assert api.token.removeprefix(PREFIX) not in told
    assert "alice" in caplog.text


def test_the_admin_network_gets_nothing_in_clear(api: Api) -> None:
    with socket.create_connection(api.reach("10.0.0.5", 8443), PATIENCE_S) as client:
        client.sendall(api.request("GET /api/v1", api.token))
        assert b"200" not in read_all(client)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(api.reach("10.0.0.99", 8443), PATIENCE_S).close()
