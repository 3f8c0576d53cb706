"""HTTP: boot scripts, and an engine that is full or silent."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from http_rig import Rig, greeting, ticket, until

from engine.events import ScriptAsked


def test_a_loader_gets_its_script_with_a_fresh_nonce(rig: Rig) -> None:
    status, text, headers = rig.call("GET", "/boot/script?mac=52-54-00-AA-00-01&uuid=ABC-1")
    assert status == 200
    assert headers["content-type"].startswith("text/plain")
    assert headers["cache-control"] == "no-store"
    (asked,) = rig.seen(ScriptAsked)
    assert (asked.mac, asked.uuid, asked.address) == ("52:54:00:aa:00:01", "abc-1", "192.168.124.1")
    nonce = rig.scripts[0][1]
    assert re.fullmatch("[0-9a-f]{48}", nonce)
    assert asked.nonce == rig.keys.check_nonce(nonce)
    assert nonce.encode() in text
    rig.call("GET", "/boot/script?mac=525400aa0001")
    assert rig.scripts[1][1] != nonce


def test_a_request_of_a_loader_is_recorded_without_what_may_be_secret(rig: Rig) -> None:
    rig.call("GET", "/boot/script?mac=52:54:00:aa:00:01&uuid=SECRET&token=SECRET")
    rig.call("GET", "/boot/script?mac=00:00:00:00:00:bb")
    rig.call("GET", "/image/none/file")
    rig.call("POST", "/agent/hello", greeting(nonce=ticket(1)))
    here = socket.inet_aton("127.0.0.1")
    words = [data.decode() for kind, who, data in rig.record.heard_ if (kind, who) == ("http", here)]
    assert words[:2] == [f"GET /boot/script?mac={mac} HTTP/1.1\r\n\r\n" for mac in ("52:54:00:aa:00:01", "00:00:00:00:00:bb")]
    assert not any("SECRET" in one or "hello" in one or rig.scripts[0][1] in one for one in words)
    assert rig.record.causes[0] == (here, "refused (403): 00:00:00:00:00:bb is banned")


def test_scripts_refused(rig: Rig) -> None:
    status, body, _ = rig.call("GET", "/boot/script?mac=00:00:00:00:00:bb")
    assert (status, body) == (403, {"code": "banned", "message": "00:00:00:00:00:bb is banned"})
    for query in ("", "?mac=", "?mac=x", "?mac=52:54:00:aa:00", "?mac=52:54:00:aa:00:01:02", "?uuid=1"):
        assert rig.call("GET", "/boot/script" + query)[0] == 400
    rig.call("GET", "/boot/script?mac=52:54:00:aa:00:01&uuid=" + "%22%3b" * 20)
    assert rig.seen(ScriptAsked)[-1].uuid == ""


def test_a_full_lane_and_a_silent_engine_are_503(tmp_path: Path) -> None:
    rig = Rig(tmp_path, answer_s=0.2)
    try:
        rig.full = True
        status, body, headers = rig.call("GET", "/boot/script?mac=52:54:00:aa:00:01")
        assert (status, body["code"], headers["retry-after"]) == (503, "lane_full", "1")
        assert rig.call("POST", "/agent/hello", greeting(nonce=ticket(1)))[1]["code"] == "lane_full"
        rig.full, rig.silent = False, True
        status, body, headers = rig.call("GET", "/boot/script?mac=52:54:00:aa:00:01")
        assert (status, body["code"], headers["retry-after"]) == (503, "no_answer", "1")
        assert rig.http.counters()["waiting_for_the_engine"] == 0
        late = rig.seen(ScriptAsked)[0]
        rig.step(late)
        rig.silent = False
        assert rig.call("GET", "/boot/script?mac=52:54:00:aa:00:01")[0] == 200
    finally:
        rig.stop()


def test_calls_that_wait_for_the_engine_are_bounded(tmp_path: Path) -> None:
    rig = Rig(tmp_path, pending=3, answer_s=20.0)
    rig.silent = True
    try:
        connections = []
        for _ in range(3):
            connections.append(socket.create_connection((rig.host, rig.port)))
            connections[-1].sendall(b"GET /boot/script?mac=52:54:00:aa:00:01 HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: rig.http.counters()["waiting_for_the_engine"] == 3)
        assert rig.call("GET", "/boot/script?mac=52:54:00:aa:00:01")[1]["code"] == "too_many_pending"
        for one in connections:
            one.close()
        until(lambda: rig.http.counters()["waiting_for_the_engine"] == 0)
    finally:
        rig.stop()
