"""HTTP: polls of agents, and the end of the service."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

import pytest
from http_rig import Rig, until

from engine.effects import Accept, Acknowledge
from engine.requests import Asker, Request
from engine.serve import ServiceError
from engine.serve.http import Sites


def test_a_poll_ends_empty_in_time_and_a_second_one_replaces_the_first(tmp_path: Path) -> None:
    rig = Rig(tmp_path, poll_s=0.2)
    try:
        token = rig.hello()
        assert rig.call("GET", "/agent/next", token=token)[0] == 204
        assert rig.call("GET", "/agent/next?wait=9999", token=token)[0] == 204
        for wait in ("", "-1", "1e3", "99999", "x"):
            assert rig.call("GET", f"/agent/next?wait={wait}", token=token)[0] == 400
    finally:
        rig.stop()
    rig = Rig(tmp_path / "second")
    try:
        token = rig.hello()
        request = f"GET /agent/next HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        with socket.create_connection((rig.host, rig.port), 30) as first:
            first.sendall(request)
            until(lambda: "n1" in rig.http._agents._polls)
            with socket.create_connection((rig.host, rig.port), 30) as second:
                second.sendall(request)
                assert b" 204 " in first.recv(4096)
                until(lambda: "n1" in rig.http._agents._polls)
                rig.order("ab-1.0")
                assert b'"run"' in second.recv(4096)
    finally:
        rig.stop()


def test_a_poll_of_a_boot_that_ends_meanwhile_gets_no_command(rig: Rig) -> None:
    token = rig.hello(boot_id="boot-1")
    with socket.create_connection((rig.host, rig.port), 30) as sock:
        sock.sendall(f"GET /agent/next HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        until(lambda: "n1" in rig.http._agents._polls)
        rig.hello(boot_id="boot-2")
        rig.order("ab-1.0")
        assert b" 410 " in sock.recv(4096)


def test_stopping_sends_waiting_agents_home(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    token = rig.hello()
    with socket.create_connection((rig.host, rig.port), 30) as sock:
        sock.sendall(f"GET /agent/next HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        until(lambda: "n1" in rig.http._agents._polls)
        rig.stop()
        assert b" 204 " in sock.recv(4096)
    rig.http.stop()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((rig.host, rig.port), 5)
    assert rig.http.answer(Acknowledge(attempt="a-1.0", node="n1")) is False


def test_answers_for_others_are_left_to_them(rig: Rig) -> None:
    assert rig.http.answer(Accept(request=Request(Asker.OPERATOR, 1), message="done")) is False
    assert rig.http.answer(Acknowledge(attempt="a-1.0", node="n1")) is False


def test_a_port_in_use_is_one_sentence(rig: Rig, tmp_path: Path) -> None:
    rig.http._sites = Sites(clear=((rig.host, 0), (rig.host, rig.port)))
    with pytest.raises(ServiceError, match=f"tcp port {rig.port} of {rig.host}: it is in use"):
        rig.http.start()
    assert errno.EADDRINUSE
