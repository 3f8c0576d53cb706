"""Redfish: the reset that means what was ordered, and orders that cross with a person at the button."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from redfish_odd import FUTURE, OFF, ON, failed
from redfish_rig import ONE_LOOK, RESET, SYSTEM, Obeys, Service, redfish, system

from engine.power import PowerDone, PowerState
from engine.quirks import GLUED_RESETS


@pytest.mark.parametrize("status", [400, 409, 500])
def test_somebody_pushed_the_button_in_between(tmp_path: Path, status: int) -> None:
    obeys = Obeys()

    def pushed(_: Service) -> Any:
        obeys.now["PowerState"] = "On"
        return (status, {}, {})

    with Service(tmp_path, obeys.replies() | {RESET: pushed}) as service:
        assert redfish(service.port).set("on") == ON
        assert len(service.asked(RESET)) == 1


def test_refused_because_it_is_on_its_way(tmp_path: Path) -> None:
    states = iter(["Off", "PoweringOn", None, "PoweringOn", "On"])
    with Service(tmp_path, {f"GET {SYSTEM}": lambda _: system(PowerState=next(states, "On")), RESET: (409, {}, {})}) as service:
        assert redfish(service.port).set("on") == ON
        assert len(service.asked(RESET)) == 1


def test_refused_and_not_as_wanted_is_refused(tmp_path: Path) -> None:
    with Service(tmp_path, {RESET: (409, {}, FUTURE)}) as service:
        failed(redfish(service.port).set("on"), "refused", "HTTP 409", "future state")


@pytest.mark.parametrize("unknown", [None, "Unknown", "", 7])
def test_no_state_for_a_while_after_an_order(tmp_path: Path, unknown: Any) -> None:
    states = iter(["Off", unknown, unknown, "On"])
    with Service(tmp_path, {f"GET {SYSTEM}": lambda _: system(PowerState=next(states, "On"))}) as service:
        assert redfish(service.port).set("on") == ON
        assert len(service.asked(RESET)) == 1
    states = iter([unknown, unknown, "on"])
    with Service(tmp_path, {f"GET {SYSTEM}": lambda _: system(PowerState=next(states, "on"))}) as service:
        assert redfish(service.port).read() == PowerDone(state=PowerState.ON, boot_device="none")


def test_no_state_for_ever_after_an_order(tmp_path: Path) -> None:
    states = iter(["Off"])
    with Service(tmp_path, {f"GET {SYSTEM}": lambda _: system(PowerState=next(states, None))}) as service:
        failed(redfish(service.port, ONE_LOOK).set("on"), "not_obeyed", "does not say whether it has power")


@pytest.mark.parametrize(
    ("offered", "action", "sent"),
    [
        (["PushPowerButton", "ForceOff"], "on", ["PushPowerButton"]),
        (["ForceOn", "PushPowerButton"], "on", ["ForceOn"]),
        (["ForceOff", "PushPowerButton"], "soft", ["PushPowerButton"]),
        ([*GLUED_RESETS.value, "On"], "soft", ["GracefulShutdown"]),
        (["PowerCycle", "On"], "off", []),
        (["ForceRestart", "PushPowerButton", "GracefulShutdown"], "off", []),
    ],
)
def test_the_nearest_reset_that_means_the_same(tmp_path: Path, offered: list[str], action: Any, sent: list[str]) -> None:
    about = {"target": f"{SYSTEM}/Actions/Reset", "ResetType@Redfish.AllowableValues": offered}
    obeys = Obeys(Actions={"#ComputerSystem.Reset": about}, PowerState="Off" if action == "on" else "On")

    def reset(service: Service) -> Any:
        obeys.now["PowerState"] = "Off" if obeys.now["PowerState"] == "On" else "On"
        return {}

    with Service(tmp_path, obeys.replies() | {RESET: reset}) as service:
        result = redfish(service.port).set(action)
        assert [body["ResetType"] for _, body in service.asked(RESET)] == sent
        if sent:
            assert result == (ON if action == "on" else OFF)
        else:
            failed(result, "unsupported", f"cannot be switched {action}", "it takes")


def test_a_reset_type_that_is_refused_has_another_that_means_the_same(tmp_path: Path) -> None:
    obeys = Obeys()

    def reset(service: Service) -> Any:
        return obeys.reset(service) if service.seen[-1][2]["ResetType"] == "ForceOn" else (400, {}, {})

    with Service(tmp_path, obeys.replies() | {RESET: reset}) as service:
        assert redfish(service.port).set("on") == ON


def test_an_action_info_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    obeys = Obeys(Actions={"#ComputerSystem.Reset": {"@Redfish.ActionInfo": "/redfish/v1/gone"}})
    usual = obeys.replies()
    with Service(tmp_path, usual | {f"POST {SYSTEM}/Actions/ComputerSystem.Reset": usual[RESET]}) as service:
        assert redfish(service.port).set("on") == ON
