"""Redfish: each odd answer has its reason."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from redfish_odd import failed
from redfish_rig import FALLS_SILENT, RESET, SYSTEM, Raw, Service, redfish

from engine.power import PowerDone, PowerState
from engine.power.redfish_body import LARGEST


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((401, {}, {}), "refused", "HTTP 401"),
        ((403, {}, {}), "refused", "HTTP 403"),
        ((404, {}, {}), "unsupported", "HTTP 404"),
        ((301, {"Location": "https://elsewhere.example/redfish/v1/Systems/1"}, {}), "refused", "redirect"),
        ((500, {}, {}), "refused", "HTTP 500"),
        ((503, {"Retry-After": "3600"}, {}), "refused", "3600 s"),
        ({"PowerState": "Unknown"}, "refused", "does not say"),
        ({}, "refused", "does not say"),
        ((200, {}, ["a list"]), "unsupported", "not HTTP with JSON"),
        (Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnot {json"), "unsupported", "not HTTP with JSON"),
        (Raw(b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 200_000), "unsupported", "not HTTP with JSON"),
        (Raw(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (LARGEST + 1)), "unsupported", "not HTTP with JSON"),
        (Raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"), "unsupported", "not HTTP with JSON"),
        (Raw(b"SSH-2.0-dropbear\r\n"), "unsupported", "not HTTP with JSON"),
        (Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}"), "timeout", "broke off"),
        (Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{}"), "timeout", "broke off"),
        (Raw(b""), "timeout", "broke off"),
    ],
    ids=lambda value: str(value)[:24] if not isinstance(value, str) else "",
)
def test_each_answer_has_its_reason(tmp_path: Path, answer: Any, kind: str, words: str) -> None:
    with Service(tmp_path, {f"GET {SYSTEM}": answer}) as service:
        failed(redfish(service.port).read(), kind, words)


def test_an_answer_in_pieces(tmp_path: Path) -> None:
    answer = Raw(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{"PowerS\r\nC\r\ntate": "On"}\r\n0\r\n\r\n')
    with Service(tmp_path, {f"GET {SYSTEM}": answer}) as service:
        assert redfish(service.port).read() == PowerDone(state=PowerState.ON)


def test_an_answer_that_never_ends_is_given_up_in_time(tmp_path: Path) -> None:
    """An octet now and then is no reason to wait for ever."""
    over = threading.Event()

    def drip(_: Service) -> Any:
        over.wait(0.1)
        return Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")

    class Slowly(Service):
        def _turn(self, sock: Any, lines: Any) -> bool:
            going_on = super()._turn(sock, lines)
            while not going_on and not over.is_set():
                sock.sendall(b" ")
                over.wait(0.05)
            return going_on

    with Slowly(tmp_path, {f"GET {SYSTEM}": drip}) as service:
        begun = time.monotonic()
        failed(redfish(service.port, FALLS_SILENT).read(), "timeout", "no answer in time")
        assert time.monotonic() - begun < 30
        over.set()


def test_its_words_are_told_but_not_all_of_them(tmp_path: Path) -> None:
    said = {"error": {"@Message.ExtendedInfo": [{"Message": "calvin\x1b[31m may not" + "!" * 500}]}}
    with Service(tmp_path, {RESET: (400, {}, said)}) as service:
        result = failed(redfish(service.port).set("on"), "refused", "it would not (HTTP 400): ***", "may not")
    assert "\x1b" not in result.message
    assert len(result.message) < 250


@pytest.mark.parametrize(
    "path", ["https://elsewhere.example/x", "//elsewhere.example/x", "/a b", "/a\r\nHost: x", "urn:x", 7, None, "/" + "x" * 999]
)
def test_a_resource_elsewhere_is_not_asked_for(tmp_path: Path, path: Any) -> None:
    with Service(tmp_path, {"GET /redfish/v1/Systems": {"Members": [{"@odata.id": path}]}}) as service:
        failed(redfish(service.port).read(), "unsupported", "no path")
