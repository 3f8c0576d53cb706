"""Redfish: boot orders for services that do not follow the standard's example."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redfish_odd import FUTURE, failed
from redfish_rig import ONE_LOOK, SYSTEM, Obeys, Service, redfish

from engine.power import PowerDone, PowerState
from engine.power.redfish_system import boot_bodies

SETTINGS = f"{SYSTEM}/Settings"


class Future(Obeys):
    """Takes boot orders at its future state, which becomes the present one with a reset."""

    def __init__(self) -> None:
        super().__init__(**{"@Redfish.Settings": {"SettingsObject": {"@odata.id": SETTINGS}}})
        self.coming: dict[str, Any] = {"Boot": dict(self.now["Boot"])}
        self.refuses = lambda _: (400, {}, FUTURE)

    def replies(self) -> dict[str, Any]:
        more = {f"GET {SETTINGS}": lambda _: (200, {"ETag": '"s1"'}, self.coming), f"PATCH {SETTINGS}": self.later}
        return super().replies() | more

    def later(self, service: Service) -> Any:
        if service.seen[-1][1].get("if-match") != '"s1"':
            return (412, {}, {})
        self.coming = {"Boot": self.coming["Boot"] | service.seen[-1][2]["Boot"]}
        return {}

    def reset(self, service: Service) -> Any:
        self.now["Boot"] = self.coming["Boot"]
        return super().reset(service)


def test_a_boot_order_at_the_future_state(tmp_path: Path) -> None:
    future = Future()
    with Service(tmp_path, future.replies()) as service:
        pending = PowerDone(state=PowerState.OFF, boot_device="network", pending=True)
        assert redfish(service.port).set_boot("network", persistent=False, uefi=None) == pending
        assert redfish(service.port).read() == pending
        assert future.now["Boot"]["BootSourceOverrideTarget"] == "None"
        done = redfish(service.port).boot("disk", persistent=True, uefi=None)
        assert done == PowerDone(state=PowerState.ON, boot_device="disk", persistent=True, pending=True)
        assert redfish(service.port).read() == PowerDone(state=PowerState.ON, boot_device="disk", persistent=True)


def test_a_future_state_that_keeps_nothing_is_found_out(tmp_path: Path) -> None:
    future = Future()
    with Service(tmp_path, future.replies() | {f"PATCH {SETTINGS}": {}}) as service:
        failed(redfish(service.port, ONE_LOOK).set_boot("network", persistent=False, uefi=None), "not_obeyed", "reads back none")


def test_a_refusal_without_a_future_state_is_told(tmp_path: Path) -> None:
    obeys = Obeys()
    obeys.refuses = lambda _: (400, {}, FUTURE)
    with Service(tmp_path, obeys.replies()) as service:
        failed(redfish(service.port).set_boot("network", persistent=False, uefi=None), "refused", "HTTP 400", "future state")


@pytest.mark.parametrize(
    ("shown", "uefi", "mode"), [("UEFI", None, "UEFI"), ("Legacy", None, "Legacy"), ("UEFI", True, "UEFI"), (None, True, "UEFI")]
)
@pytest.mark.parametrize("device", ["network", "disk", "none"])
def test_the_whole_boot_object_where_it_is_wanted(tmp_path: Path, shown: str | None, uefi: bool | None, mode: str, device: Any) -> None:
    obeys = Obeys(
        Boot={"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Cd"} | ({"BootSourceOverrideMode": shown} if shown else {})
    )
    missing = {"error": {"@Message.ExtendedInfo": [{"MessageId": "Base.1.8.PropertyMissing"}]}}
    obeys.refuses = lambda body: (400, {}, missing) if len(body["Boot"]) < 3 else None
    with Service(tmp_path, obeys.replies()) as service:
        done = redfish(service.port).set_boot(device, persistent=False, uefi=uefi)
        assert isinstance(done, PowerDone), done
        assert done.boot_device == device
        assert obeys.now["Boot"]["BootSourceOverrideMode"] == mode


@given(
    st.sampled_from(["network", "disk", "none"]),
    st.booleans(),
    st.none() | st.booleans(),
    st.none() | st.sampled_from(["UEFI", "Legacy"]),
    st.lists(st.sampled_from(["Once", "Continuous", "Disabled"])),
)
def test_what_is_sent_for_a_boot_order(device: Any, persistent: bool, uefi: bool | None, shown: str | None, offered: list[str]) -> None:
    """The first asks for least; the last is whole where a mode is known; none changes the mode unless it was asked for."""
    boot = {"BootSourceOverrideMode": shown, "BootSourceOverrideEnabled@Redfish.AllowableValues": offered}
    bodies = boot_bodies(boot, device, persistent, uefi)
    assert len({json.dumps(one, sort_keys=True) for one in bodies}) == len(bodies) <= 3
    modes = {one["BootSourceOverrideMode"] for one in bodies if "BootSourceOverrideMode" in one}
    assert modes <= {shown, None if uefi is None else "UEFI" if uefi else "Legacy"}
    assert ("BootSourceOverrideMode" in bodies[-1]) == (shown is not None or uefi is not None)
    often = {one["BootSourceOverrideEnabled"] for one in bodies}
    assert often == ({"Disabled"} if device == "none" else {("Once", "Continuous")[persistent]}) or often <= set(offered)


def test_a_mode_that_goes_back_to_its_default_is_said_again(tmp_path: Path) -> None:
    """Supermicro takes what is not said for its default."""
    obeys = Obeys(Boot={"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None", "BootSourceOverrideMode": "UEFI"})

    def patch(service: Service) -> Any:
        obeys.now["Boot"] |= {"BootSourceOverrideMode": "Legacy"} | service.seen[-1][2]["Boot"]
        return {}

    with Service(tmp_path, obeys.replies() | {f"PATCH {SYSTEM}": patch}) as service:
        done = redfish(service.port).set_boot("network", persistent=False, uefi=None)
        assert done == PowerDone(state=PowerState.OFF, boot_device="network", uefi=True)
        assert len(service.asked(f"PATCH {SYSTEM}")) == 2
