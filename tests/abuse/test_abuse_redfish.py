"""Mutated answers of a Redfish service, straight into the engine's client: each is an answer or a reason, never an exception."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

from mutate import mutations

from engine.power import SessionFailed
from engine.power.redfish_session import Answer, Line, RedfishSession

MANY = 20_000
BODY = json.dumps({"RedfishVersion": "1.6.0", "Systems": {"@odata.id": "/redfish/v1/Systems"}, "error": {"@Message.ExtendedInfo": [{"Message": "no"}]}}).encode()
SEEDS = [
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: W/\"1\"\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY),
    b"HTTP/1.1 201 Created\r\nX-Auth-Token: t0k\r\nLocation: /redfish/v1/S/7\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n" + BODY,
    b"HTTP/1.0 503 Busy\r\nRetry-After: 9999\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
]


class Wire:
    """As much of a TLS socket as the client uses: says these octets, then that there are no more."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets

    def settimeout(self, seconds: float) -> None:
        assert seconds > 0

    def sendall(self, octets: bytes) -> None: ...

    def recv_into(self, buffer: Any) -> int:
        size = min(len(buffer), len(self.octets))
        buffer[:size] = self.octets[:size]
        self.octets = self.octets[size:]
        return size

    def close(self) -> None: ...


class OneWire(Line):
    """A line to a service that says the same to whatever is asked."""

    said = b""

    def _connect(self) -> Any:
        self._sock = Wire(self.said)  # type: ignore[assignment]
        return self._sock


def told(line: Line) -> str:
    """What came of one question and of a login."""
    try:
        answer = line.ask("GET", "/redfish/v1/", {})
        assert isinstance(answer, Answer)
        assert isinstance(answer.body, dict)
        assert answer.etag.isprintable()
        with RedfishSession(line, "root", "calvin"):
            return "session"
    except SessionFailed as refused:
        failed = refused.failed
    assert len(failed.message) < 400
    assert "calvin" not in failed.message
    return failed.kind


def test_replies_are_used_or_refused() -> None:
    ended: Counter[str] = Counter()
    for octets in mutations(SEEDS, MANY, seed=20):
        line = OneWire("127.0.0.1", 443, deadline=time.monotonic() + 1.0, greet_s=1.0, sleep=lambda _: None, certificates=None)
        line.said = octets
        found = told(line)
        ended[found] += 1
    assert ended["session"] > MANY / 100
    assert min(ended[kind] for kind in ("unsupported", "refused", "timeout")) > 0
