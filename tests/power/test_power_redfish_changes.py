"""Redfish: how a service wants a change, and in which ways it answers one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from redfish_odd import ON, failed
from redfish_rig import RESET, SYSTEM, Obeys, Raw, Service, redfish

from engine.power import PowerDone, PowerState


def test_an_etag_where_none_is_shown_and_one_is_wanted(tmp_path: Path) -> None:
    obeys = Obeys()

    def patch(service: Service) -> Any:
        return obeys.patch(service) if service.seen[-1][1].get("if-match") == "*" else (428, {}, {})

    with Service(tmp_path, obeys.replies() | {f"PATCH {SYSTEM}": patch}) as service:
        assert isinstance(redfish(service.port).set_boot("disk", persistent=False, uefi=None), PowerDone)


@pytest.mark.parametrize(
    ("header", "inside", "wanted"),
    [
        ('W/"1"', None, '"1"'),
        ("1", None, '"1"'),
        ("W/1", None, "1"),
        ('"1"', '"inside"', '"inside"'),
        ("", 'W/"2"', '"2"'),
        ('"1-gzip"', None, '"1"'),
    ],
)
def test_an_etag_is_wanted_in_another_form(tmp_path: Path, header: str, inside: str | None, wanted: str) -> None:
    obeys = Obeys(**({"@odata.etag": inside} if inside else {}))

    def patch(service: Service) -> Any:
        return obeys.patch(service) if service.seen[-1][1].get("if-match") == wanted else (412, {}, {})

    shown = {f"GET {SYSTEM}": lambda _: (200, {"ETag": header} if header else {}, obeys.now), f"PATCH {SYSTEM}": patch}
    with Service(tmp_path, obeys.replies() | shown) as service:
        assert isinstance(redfish(service.port).set_boot("disk", persistent=False, uefi=None), PowerDone)
        assert len(service.asked(f"PATCH {SYSTEM}")) == 2


@pytest.mark.parametrize("answer", [(200, {}, {}), (204, {}, {}), (202, {"Location": "/redfish/v1/T/1"}, {}), (202, {}, {})])
def test_a_change_is_answered_in_four_ways(tmp_path: Path, answer: Any) -> None:
    obeys = Obeys()

    def patch(service: Service) -> Any:
        obeys.patch(service)
        return answer if answer[0] != 204 else Raw(b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}")

    with Service(tmp_path, obeys.replies() | {f"PATCH {SYSTEM}": patch}) as service:
        assert redfish(service.port).set_boot("disk", persistent=False, uefi=None) == PowerDone(state=PowerState.OFF, boot_device="disk")


def test_a_task_that_ends_badly_ends_the_wait(tmp_path: Path) -> None:
    told = {"TaskState": "Exception", "Messages": [{"Message": "The host refused."}]}
    replies = {RESET: (202, {"Location": "/redfish/v1/T/1"}, {}), "GET /redfish/v1/T/1": told}
    with Service(tmp_path, replies) as service:
        failed(redfish(service.port).set("on"), "refused", "Exception", "The host refused.")


@pytest.mark.parametrize("monitor", [(404, {}, {}), (410, {}, {}), {"TaskState": "Completed"}, (202, {}, {}), (204, {}, {}), (403, {}, {})])
def test_what_becomes_of_a_task_counts_less_than_what_is(tmp_path: Path, monitor: Any) -> None:
    obeys = Obeys()
    looks = iter([0, 1, 2])

    def state(_: Service) -> Any:
        if next(looks, None) is None:
            obeys.now["PowerState"] = "On"
        return obeys.now

    replies = {RESET: (202, {"Location": "/redfish/v1/T/1"}, {}), "GET /redfish/v1/T/1": monitor, f"GET {SYSTEM}": state}
    with Service(tmp_path, obeys.replies() | replies) as service:
        assert redfish(service.port).set("on") == ON
        assert service.asked("GET /redfish/v1/T/1")
