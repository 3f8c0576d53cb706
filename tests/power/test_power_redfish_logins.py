"""Redfish: logins that are no good, and services without sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from redfish_odd import READ_OFF, failed
from redfish_rig import Service, redfish

from engine.racks.bmc.ipmi import LOCKED, OBEDIENT
from engine.racks.bmc.redfish import RedfishFarm


def test_a_wrong_password_is_not_tried_again_at_once(redfish_farm: RedfishFarm, machine: Any) -> None:
    bmc = redfish_farm.add("127.0.0.1", 0, machine, mood=LOCKED)
    power = redfish(bmc.port)
    first = failed(power.read(), "authentication", "login refused")
    assert first.retry_in_s == 60.0
    asked = redfish_farm.counters.packets
    again = failed(power.read(), "authentication", "lest the account is locked")
    assert 50 < again.retry_in_s <= 60
    assert redfish_farm.counters.packets == asked
    bmc.mood = OBEDIENT
    assert redfish(bmc.port).read() == READ_OFF


def test_a_service_without_sessions_gets_the_account_with_each_request(tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        assert redfish(service.port).read() == READ_OFF
        asked = [(line, headers.get("authorization")) for line, headers, _ in service.seen]
    assert asked[0] == ("GET /redfish/v1/", None)
    assert {account for _, account in asked[1:]} == {"Basic cm9vdDpjYWx2aW4="}
    assert service.connections == 1


SESSIONS = {
    "GET /redfish/v1/": {
        "RedfishVersion": "1.6.0",
        "Systems": {"@odata.id": "/redfish/v1/Systems"},
        "Links": {"Sessions": {"@odata.id": "/redfish/v1/S"}},
    },
    "POST /redfish/v1/S": (201, {"X-Auth-Token": "t0k", "Location": "https://bmc.example.net/redfish/v1/S/7"}, {}),
    "DELETE /redfish/v1/S/7": {},
}


def test_a_session_is_ended_wherever_its_location_points(tmp_path: Path) -> None:
    with Service(tmp_path, SESSIONS) as service:
        assert redfish(service.port).read() == READ_OFF
    assert service.seen[1][2] == {"UserName": "root", "Password": "calvin"}
    assert {headers.get("x-auth-token") for _, headers, _ in service.seen[2:]} == {"t0k"}
    assert service.seen[-1][0] == "DELETE /redfish/v1/S/7"
    assert not any("authorization" in headers for _, headers, _ in service.seen)


@pytest.mark.parametrize("location", ["https://[broken", "nowhere", ""])
def test_a_session_that_nobody_can_find_ends_by_itself(tmp_path: Path, location: str) -> None:
    with Service(tmp_path, SESSIONS | {"POST /redfish/v1/S": (201, {"X-Auth-Token": "t0k", "Location": location}, {})}) as service:
        assert redfish(service.port).read() == READ_OFF
    assert not any(line.startswith("DELETE") for line, _, _ in service.seen)


def test_sessions_that_are_not_really_there(tmp_path: Path) -> None:
    with Service(tmp_path, SESSIONS | {"POST /redfish/v1/S": (405, {}, {})}) as service:
        assert redfish(service.port).read() == READ_OFF
    assert "authorization" in service.seen[-1][1]


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((401, {}, {}), "authentication", "login refused"),
        ((400, {}, {"error": {"@Message.ExtendedInfo": [{"MessageId": "iLO.2.14.UnauthorizedLoginAttempt"}]}}), "authentication", "Unauth"),
        ((403, {}, {}), "refused", "HTTP 403"),
        ((500, {}, {}), "refused", "HTTP 500"),
        ((201, {}, {}), "unsupported", "no token"),
        ((201, {"X-Auth-Token": "a b"}, {}), "unsupported", "no token"),
        ((307, {"Location": "https://elsewhere.example/redfish/v1/S"}, {}), "refused", "redirect"),
    ],
)
def test_a_login_that_is_no_good(tmp_path: Path, answer: Any, kind: str, words: str) -> None:
    with Service(tmp_path, SESSIONS | {"POST /redfish/v1/S": answer}) as service:
        failed(redfish(service.port).read(), kind, words)
