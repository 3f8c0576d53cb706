"""Where the API listens: nowhere by default, else only on loopback or on an address of the admin network, there by TLS."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from cli_store import PLAN, plan_of

from crowbar_tui.api_option import ApiOption, api_option
from crowbar_tui.cli import _console_options, main
from engine.api.http_client import HttpApiError, HttpClient
from engine.files.paths import keys_beside
from engine.rehearsal.session import _free_lane
from engine.rest import where
from engine.runtime.config import Config
from engine.runtime.engine import Engine
from engine.serve import ServiceError
from engine.trust.operators import make_token
from engine.wire.reach import Reach


def started(store: Path, api: str, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setenv("CROWBAR_BMC_PASSWORD", "rehearsal")
    made = Engine(Config(store=store, keys=keys_beside(store), api=api, reach=Reach(_free_lane("10.0.0.1", str(store)))))
    made.start()
    return made


@pytest.mark.parametrize("text", ["", "8443", ":8443", "localhost:8443", "[::1]:8443", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536",
                                  "127.0.0.1:-1", "127.0.0.1:٣", "0.0.0.0:8443", "224.0.0.1:1", "255.255.255.255:1", "1.2.3.4:5:6"])  # fmt: skip
def test_what_is_no_place_to_listen_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ServiceError, match="API") as error:
        where.site_of(text)
    assert "--api" in str(error.value) or "ADDRESS:PORT" in str(error.value)


def test_only_loopback_and_the_admin_network_are_allowed() -> None:
    plan = plan_of()
    for address in ("127.0.0.1", "127.9.9.9", "10.0.0.1", "10.0.0.200"):
        where.check(address, plan)
    for address in ("10.0.1.5", "192.168.1.1", "8.8.8.8", "169.254.1.1"):
        with pytest.raises(ServiceError, match=r"admin network \(10\.0\.0\.0/24\)"):
            where.check(address, plan)


def test_without_the_option_nothing_listens(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = started(store, "", monkeypatch)
    try:
        assert engine.api.service is None
        assert not [thread for thread in threading.enumerate() if thread.name == "api"]
    finally:
        engine.stop()
    assert not (keys_beside(store) / "api.pem").exists()


@pytest.mark.parametrize("api", ["10.0.1.5:8443", "0.0.0.0:8443", "192.168.7.7:8443"])
def test_an_engine_with_a_wrong_address_does_not_start(store: Path, monkeypatch: pytest.MonkeyPatch, api: str) -> None:
    with pytest.raises(ServiceError, match="the API"):
        started(store, api, monkeypatch)
    engine = started(store, "127.0.0.1:0", monkeypatch)  # and holds nothing
    engine.stop()


def test_a_port_in_use_is_a_sentence(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(ServiceError, match="HTTP API cannot listen on tcp port"):
        started(store, f"127.0.0.1:{other.getsockname()[1]}", monkeypatch)


def test_on_the_admin_network_it_speaks_tls_with_the_certificate_of_the_site(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = started(store, "10.0.0.5:8443", monkeypatch)
    keys = keys_beside(store)
    try:
        token = make_token(keys, "alice", time.time())
        host, port = engine.config.reach("10.0.0.5", 8443)
        with HttpClient(f"https://{host}:{port}", token, ca=keys / "ca.crt") as client:
            assert client.about()["user"] == "alice"
        assert (keys / "api.pem").stat().st_mode & 0o777 == 0o600
        with pytest.raises(HttpApiError, match="CERTIFICATE_VERIFY_FAILED"):
            HttpClient(f"https://{host}:{port}", token).about()
        with pytest.raises(HttpApiError):
            HttpClient(f"http://{host}:{port}", token).about()
    finally:
        engine.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, port), 5)


def test_calls_that_wait_do_not_delay_the_end_of_the_engine(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = started(store, "127.0.0.1:0", monkeypatch)
    service = engine.api.service
    assert service is not None
    told: list[str] = []

    def follow() -> None:
        with HttpClient(f"http://127.0.0.1:{service.address[1]}", make_token(keys_beside(store), "alice", 1.0)) as client:
            try:
                at = engine.seq
                while True:
                    at = client.journal(at, wait=30)["next"]
            except HttpApiError as error:
                told.append(str(error))

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    end = time.monotonic() + 60
    while not service._gate._in_work["alice"]:
        assert time.monotonic() < end
        time.sleep(0.01)
    began = time.monotonic()
    engine.stop()
    assert time.monotonic() - began < 20, "less than the call would wait"
    follower.join(60)
    assert "does not answer" in told[0]


def test_before_the_first_plan_an_address_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = started(tmp_path / "store", "10.0.0.5:8443", monkeypatch)
    try:
        assert engine.api.service is None
        with pytest.raises(ServiceError, match="may not listen on 10.0.0.5"):
            engine.commit(plan_of(PLAN.replace("10.0.0.", "10.0.7.")), "test")
        assert not engine.services.running
        assert engine.world.plan is None
        engine.commit(plan_of(), "test")
        assert engine.api.service is not None
    finally:
        engine.stop()


def test_the_command_line_makes_lists_and_revokes_tokens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def crowbar(*words: str) -> tuple[int, str, str]:
        code = main(["--store", str(tmp_path / "store"), *words])
        return code, *capsys.readouterr()

    assert "no operator has a token or a certificate" in crowbar("api", "tokens")[1]
    assert "start an engine on this store first" in crowbar("api", "token", "alice")[2]
    (tmp_path / "store.keys").mkdir(0o700)
    code, token, note = crowbar("api", "token", "alice")
    assert code == 0
    assert token.startswith("crowbar_")
    assert len(token.split()) == 1
    assert "shown only now" in note
    code, out, _ = crowbar("api", "tokens", "--json")
    assert '"name": "alice"' in out
    assert token.strip() not in out
    code, _, error = crowbar("api", "token", "alice")
    assert (code, "already has a token" in error) == (2, True)
    code, _, error = crowbar("api", "token", "../x")
    assert (code, "cannot name an operator" in error) == (2, True)
    assert crowbar("api", "revoke", "alice")[:2] == (0, "revoked the token of alice\n")
    assert crowbar("api", "revoke", "alice")[0] == 1


@pytest.mark.parametrize(
    ("api", "said"),
    [
        ("127.0.0.1:0", "the HTTP API listens on http://127.0.0.1:"),
        ("10.0.0.5:8443", "the HTTP API on 10.0.0.5:8443 waits for the first plan"),
        ("", ""),
    ],
)
def test_status_says_where_the_api_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], api: str, said: str
) -> None:
    engine = started(tmp_path / "store", api, monkeypatch)
    try:
        assert main(["--store", str(tmp_path / "store"), "status"]) == 0
        text = capsys.readouterr().out
        assert said in text
        assert ("HTTP API" in text) == bool(said)
        assert main(["--store", str(tmp_path / "store"), "status", "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)["api"]
        assert shown == engine.api.shown() | ({"counters": shown["counters"]} if "counters" in shown else {})
        assert shown.get("why", {}).get("code") == (None if "127" in api else "api_waits" if api else "api_off")
    finally:
        engine.stop()


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ([], {}),
        (["--store", "s"], {"--store": "s"}),
        (["--store=s", "--api", "a:1"], {"--store": "s", "--api": "a:1"}),
        (["--api=a:1", "--api-requires-both"], {"--api": "a:1", "--api-requires-both": "1"}),
        (["--api"], None),
        (["status"], None),
        (["--api", "a:1", "status"], None),
        (["--json"], None),
    ],
)
def test_the_options_of_the_console(words: list[str], options: dict[str, str] | None) -> None:
    assert _console_options(words) == options


def test_the_option_of_the_console_is_no_option_of_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main(["--store", str(tmp_path), "--api", "127.0.0.1:1", "engine"])
    assert error.value.code == 2
    assert "give them after the command" in capsys.readouterr().err


def test_the_environment_says_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWBAR_API", "127.0.0.1:1")
    monkeypatch.setenv("CROWBAR_API_REQUIRES_BOTH", "1")
    assert api_option(None, False) == ApiOption(address="127.0.0.1:1", both=True)
    assert api_option("10.0.0.5:2", False) == ApiOption(address="10.0.0.5:2", both=True, given=True)
    monkeypatch.setenv("CROWBAR_API_REQUIRES_BOTH", "0")
    assert not api_option(None, False).both


@pytest.mark.parametrize("by_variable", [False, True])
def test_crowbar_engine_refuses_a_wrong_address(tmp_path: Path, by_variable: bool) -> None:
    """In a process of its own, because an engine gives up rights."""
    command = [sys.executable, "-m", "crowbar_tui.cli", "--store", str(tmp_path / "store"), "engine"]
    wrong = "0.0.0.0:8443"
    more = {"CROWBAR_API": wrong} if by_variable else {}
    done = subprocess.run(
        command if by_variable else [*command, "--api", wrong], env={**os.environ, **more}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert "the API never listens on 0.0.0.0" in done.stderr
