"""Redfish: a BMC that restarts, and sessions and connections that are lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from redfish_odd import ON, failed, numbered
from redfish_rig import QUICK, RESET, SYSTEM, USUAL, Obeys, Raw, Service, redfish

from engine.power import PowerDone, PowerState
from engine.power.gate import Gates, Limits
from engine.power.redfish import RedfishPower


def with_sessions(**more: Any) -> dict[str, Any]:
    root = USUAL["GET /redfish/v1/"] | {"Links": {"Sessions": {"@odata.id": "/redfish/v1/S"}}}
    opened = (201, {"X-Auth-Token": "t0k", "Location": "/redfish/v1/S/7"}, {})
    return {"GET /redfish/v1/": root, "POST /redfish/v1/S": opened, "DELETE /redfish/v1/S/7": {}} | more


def test_a_bmc_that_starts_anew_in_the_middle(tmp_path: Path) -> None:
    """It breaks off at the order, is busy, knows nothing, has forgotten the session, and then has done it."""
    obeys = Obeys()
    says = iter([obeys.now, Raw(b""), Raw(b""), (500, {}, {}), (404, {}, {}), (401, {}, {})])

    def reset(service: Service) -> Any:
        obeys.reset(service)
        return Raw(b"")

    with Service(tmp_path, with_sessions() | obeys.replies() | {RESET: reset, f"GET {SYSTEM}": lambda _: next(says, obeys.now)}) as service:
        assert redfish(service.port).set("on") == ON
        assert len(service.asked("POST /redfish/v1/S")) == 2


def test_an_order_that_was_lost_with_the_connection_is_given_again(tmp_path: Path) -> None:
    obeys = Obeys()
    lost = [1, 1]
    with Service(tmp_path, obeys.replies() | {RESET: lambda s: Raw(b"") if lost and lost.pop() else obeys.reset(s)}) as service:
        assert redfish(service.port).set("on") == ON


def test_a_password_that_is_refused_in_the_middle_counts(tmp_path: Path) -> None:
    """The BMC got another password while it was away: one try, and then the pause that every refused login has."""
    logins = iter([(201, {"X-Auth-Token": "t0k"}, {})])
    replies = with_sessions(**{"POST /redfish/v1/S": lambda _: next(logins, (401, {}, {})), f"GET {SYSTEM}": (401, {}, {})})
    gates = Gates(limits=Limits(burst=1000))
    with Service(tmp_path, replies) as service:
        first = redfish(service.port)
        power = RedfishPower(first.target, gates=gates, certificates=first._certificates, pace=QUICK)
        assert failed(power.read(), "authentication").retry_in_s == 60.0
        failed(power.read(), "authentication", "next try in")
        assert len(service.asked("POST /redfish/v1/S")) == 2


@pytest.mark.parametrize(
    "answer",
    [
        (503, {}, {"error": {"@Message.ExtendedInfo": [{"MessageId": "Base.1.8.SessionLimitExceeded"}]}}),
        (503, {"Retry-After": "3600"}, {"error": {"code": "Base.1.0.SessionLimitExceeded", "message": "See ExtendedInfo"}}),
        (
            400,
            {},
            {
                "error": {
                    "@Message.ExtendedInfo": [
                        {"MessageId": "IDRAC.2.8.RAC0218", "Message": "The maximum number of user sessions is reached."}
                    ]
                }
            },
        ),
        (403, {}, {"error": "All sessions are in use"}),
    ],
    ids=numbered(),
)
def test_the_account_with_each_request_where_no_session_is_left(tmp_path: Path, answer: Any) -> None:
    with Service(tmp_path, with_sessions(**{"POST /redfish/v1/S": answer})) as service:
        assert redfish(service.port).read() == PowerDone(state=PowerState.OFF, boot_device="none")
        assert "authorization" in service.seen[-1][1]
        assert len(service.asked("POST /redfish/v1/S")) == 1


def test_a_wrong_password_is_not_tried_in_a_second_way(tmp_path: Path) -> None:
    with Service(tmp_path, with_sessions(**{"POST /redfish/v1/S": (401, {}, {})})) as service:
        failed(redfish(service.port).read(), "authentication")
        assert not any("authorization" in headers for _, headers, _ in service.seen)
