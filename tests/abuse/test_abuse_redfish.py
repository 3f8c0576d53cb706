"""Mutated answers of a Redfish service, straight into the engine's client: each is an answer or a reason, never an exception."""

from __future__ import annotations

import gzip
import http.client
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from mutate import mutations

from engine.power import NoteRead, Pace, PowerDone, PowerFailed, SensorsRead, SessionFailed
from engine.power import redfish as driver
from engine.power.certificates import Certificates
from engine.power.gate import Gates, Limits
from engine.power.redfish_line import Answer, Line
from engine.power.redfish_session import RedfishSession

MANY = 20_000
ROUNDS = 400
BODY = json.dumps(
    {"RedfishVersion": "1.6.0", "Systems": {"@odata.id": "/redfish/v1/Systems"}, "error": {"@Message.ExtendedInfo": [{"Message": "no"}]}}
).encode()
PACKED = gzip.compress(BODY, mtime=0)
SEEDS = [
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: W/"1"\r\nContent-Length: %d\r\n\r\n%s' % (len(BODY), BODY),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY),
    b"HTTP/1.1 201 Created\r\nX-Auth-Token: t0k\r\nLocation: /redfish/v1/S/7\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n" + BODY,
    b"HTTP/1.0 503 Busy\r\nRetry-After: 9999\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(PACKED), PACKED),
    b"HTTP/1.1 308 Moved\r\nLocation: https://127.0.0.1/redfish/v1/x#/y\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 202 Accepted\r\nLocation: /redfish/v1/T/1\r\nContent-Length: 2\r\n\r\n{}",
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


# A service that answers anything to anything, behind the whole driver

PATHS = [
    "/redfish/v1/Systems/1",
    "/redfish/v1/Systems",
    "/redfish/v1/X#/Members/0",
    "https://elsewhere.example/x",
    "//x",
    "x",
    "/redfish/v1/X?page=2",
    "",
]
NAMES = (
    "@odata.id PowerState Boot Actions #ComputerSystem.Reset target @Redfish.ActionInfo Parameters Links Chassis ManagedBy DateTime Members UUID "
    "BootSourceOverrideEnabled BootSourceOverrideTarget BootSourceOverrideMode @Redfish.Settings SettingsObject Thermal Power Sensors Temperatures Fans "
    "ThermalSubsystem PowerSubsystem ThermalMetrics PowerSupplies Metrics EnvironmentMetrics Reading ReadingCelsius Status Health State Name error "
    "@Message.ExtendedInfo TaskState Members@odata.nextLink @odata.etag ResetType@Redfish.AllowableValues LocationIndicatorActive"
).split()
LEAVES = [
    None,
    True,
    -1,
    2**70,
    1e308,
    "",
    "On",
    "Off",
    "Pxe",
    "Once",
    "Exception",
    "2019-01-01T00:00:00Z",
    "\0\x1b[31m calvin",
    "x" * 5000,
    *PATHS,
]
STATUSES = [200] * 150 + [201, 202, 204, 301, 308, 400, 401, 403, 404, 406, 409, 412, 428, 429, 500, 503, 599, 100]


def anything(rng: random.Random, depth: int = 0) -> Any:
    if depth > 4 or rng.random() < 0.4:
        return rng.choice(LEAVES)
    if rng.random() < 0.3:
        return [anything(rng, depth + 1) for _ in range(rng.randrange(3))]
    return {rng.choice(NAMES): anything(rng, depth + 1) for _ in range(rng.randrange(7))}


def plausible(rng: random.Random) -> dict[str, Any]:
    """A system of which some members are anything."""
    link = {"@odata.id": "/redfish/v1/Systems/1"}
    body = {
        "PowerState": rng.choice(["On", "Off", None]),
        "Members": [link],
        "Links": {"Chassis": [link], "ManagedBy": [link]},
        "Boot": {"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None"},
        "@Redfish.Settings": {"SettingsObject": link},
        "Actions": {"#ComputerSystem.Reset": {"target": "/redfish/v1/Systems/1"}},
        "LocationIndicatorActive": False,
        "Thermal": link,
        "Sensors": link,
    }
    for _ in range(rng.randrange(4)):
        body[rng.choice(NAMES)] = anything(rng)
    return body


class Hostile(Line):
    """Counts what it is asked; every path that comes here is one of this host."""

    rng = random.Random(9)
    asked = 0

    def _once(self, method: str, path: str, headers: dict[str, str], body: Any) -> Answer:
        assert path.startswith("/")
        assert not path.startswith("//")
        assert "elsewhere" not in path
        type(self).asked += 1
        rng = self.rng
        if time.monotonic() >= self.deadline:
            raise SessionFailed("timeout", "no answer in time")
        if rng.random() < 0.01:
            raise SessionFailed(rng.choice(["timeout", "unreachable", "unsupported"]), "no", passing=rng.random() < 0.5)
        headers_back = http.client.HTTPMessage()
        for name in ("Location", "ETag", "X-Auth-Token", "Retry-After", "Date"):
            if rng.random() < 0.3:
                headers_back[name] = rng.choice(
                    ["/redfish/v1/T/1", "https://elsewhere.example/T", 'W/"1"', "t0k", "0", "99999999", "Tue, 01 Jan 2019 00:00:00 GMT"]
                )
        status = rng.choice(STATUSES) if path != "/redfish/v1/" else 200
        found = plausible(rng) if rng.random() < 0.95 else anything(rng)
        found = found if isinstance(found, dict) else {}
        if path == "/redfish/v1/":
            found |= {"RedfishVersion": "1.6.0", "Systems": {"@odata.id": "/redfish/v1/Systems"}}
        return Answer(status=status, headers=headers_back, body=found)


CALLS: tuple[Callable[[driver.RedfishPower], object], ...] = (
    lambda power: power.read(),
    lambda power: power.set("on"),
    lambda power: power.set("cycle"),
    lambda power: power.set("soft"),
    lambda power: power.sensors(),
    lambda power: power.identify(3),
    lambda power: power.boot("network", persistent=False, uefi=True),
    lambda power: power.set_boot("none", persistent=False, uefi=None),
    lambda power: power.note(0, lambda shown: shown == "abc"),
)


@pytest.mark.parametrize("seed", range(3))
def test_a_hostile_service_gets_a_result_or_a_reason_in_time(
    seed: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(driver, "Line", Hostile)
    monkeypatch.setattr(Hostile, "rng", random.Random(seed))
    pace = Pace(web_s=0.04, soft_s=0.04, sensors_s=0.04, greet_s=0.04, rest_s=0.0, poll_s=0.008)
    target = driver.RedfishTarget(
        address="127.0.0.1", port=443, user="root", password="calvin", uuid="12345678-9abc-def0-1122-334455667788"
    )
    came: Counter[str] = Counter()
    for number in range(ROUNDS):
        power = driver.RedfishPower(
            target,
            gates=Gates(limits=Limits(burst=9)),
            certificates=Certificates(),
            pace=pace,
            owner=lambda said: "" if said is not None else "-",
        )
        before, began = Hostile.asked, time.monotonic()
        result = CALLS[number % len(CALLS)](power)
        assert time.monotonic() - began < 30
        assert Hostile.asked - before < 20_000
        assert isinstance(result, PowerDone | PowerFailed | SensorsRead | NoteRead)
        assert "calvin" not in repr(result).replace("\\x1b[31m calvin", "")
        if isinstance(result, PowerFailed):
            assert len(result.message) < 400
            assert result.message.isprintable()
        came[type(result).__name__] += 1
    assert min(came.values()) > 5, came
    assert not caplog.records
