"""The Redfish adapter against simulated BMCs, and against services that are odd in the ways that real ones are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from redfish_rig import ONE_LOOK, Obeys, Service, redfish, system

from engine.power import LeftOut, PowerDone, PowerFailed, PowerState, Sensor, SensorsRead

SYSTEM, RESET = "/redfish/v1/Systems/1", "POST /redfish/v1/Systems/1/Actions/Reset"
OFF = PowerDone(state=PowerState.OFF, boot_device="none")


def failed(result: object, kind: str, *words: str) -> PowerFailed:
    assert isinstance(result, PowerFailed), result
    assert result.kind == kind, result
    assert all(word in result.message for word in words), result
    assert "calvin" not in result.message
    return result


# What services take


def orders(service: Service) -> list[Any]:
    return [body for line, _, body in service.seen if line.startswith(("PATCH", "POST"))]


def test_reset_types_as_the_service_offers_them(tmp_path: Path) -> None:
    about = {"target": f"{SYSTEM}/Actions/Reset", "ResetType@Redfish.AllowableValues": ["ForceOn", "ForceOff"]}
    obeys = Obeys(Actions={"#ComputerSystem.Reset": about})
    with Service(tmp_path, obeys.replies()) as service:
        assert redfish(service.port).set("cycle") == PowerDone(state=PowerState.ON)
        assert redfish(service.port).set("cycle") == PowerDone(state=PowerState.ON)
        assert orders(service) == [{"ResetType": "ForceOn"}, {"ResetType": "ForceOff"}, {"ResetType": "ForceOn"}]
        failed(redfish(service.port).set("soft"), "unsupported", "cannot be switched soft", "ForceOff, ForceOn")


def test_reset_types_by_action_info(tmp_path: Path) -> None:
    info = {"Parameters": [{"Name": "Other"}, {"Name": "ResetType", "AllowableValues": ["On", "PowerCycle"]}]}
    about = {"target": f"{SYSTEM}/Actions/Reset", "@Redfish.ActionInfo": "/redfish/v1/Info"}
    obeys = Obeys(Actions={"#ComputerSystem.Reset": about})
    with Service(tmp_path, obeys.replies() | {"GET /redfish/v1/Info": info}) as service:
        assert redfish(service.port).set("on") == PowerDone(state=PowerState.ON)
        failed(redfish(service.port).set("off"), "unsupported", "cannot be switched off", "On, PowerCycle")


def test_what_it_is_already_is_not_ordered(tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        assert redfish(service.port).set("off") == PowerDone(state=PowerState.OFF)
        assert redfish(service.port).set("soft") == PowerDone(state=PowerState.OFF)
        assert orders(service) == []


def test_on_the_way_is_not_there(tmp_path: Path) -> None:
    said = iter(["Off", "PoweringOn", "PoweringOn", "On"])
    with Service(tmp_path, {f"GET {SYSTEM}": lambda _: system(PowerState=next(said, "On"))}) as service:
        assert redfish(service.port).set("on") == PowerDone(state=PowerState.ON)
    with Service(tmp_path, {f"GET {SYSTEM}": lambda _: system(PowerState="PoweringOff")}) as service:
        failed(redfish(service.port, ONE_LOOK).set("off"), "not_obeyed", "still on")


def test_accepted_and_not_applied(tmp_path: Path) -> None:
    """200, and the override reads back as before."""
    with Service(tmp_path) as service:
        result = redfish(service.port, ONE_LOOK).boot("network", persistent=False, uefi=True)
        failed(result, "not_obeyed", "set to network, it said yes and reads back none")
        assert RESET not in [line for line, _, _ in service.seen]
    with Service(tmp_path, {f"GET {SYSTEM}": {"PowerState": "Off"}}) as service:
        failed(redfish(service.port, ONE_LOOK).set_boot("disk", persistent=False, uefi=None), "not_obeyed", "reads back nothing")


@pytest.mark.parametrize(
    ("shown", "uefi", "sent"),
    [(None, True, None), ("UEFI", True, None), ("UEFI", None, None), ("Legacy", True, "UEFI"), ("UEFI", False, "Legacy")],
)
def test_the_mode_is_sent_where_it_differs(tmp_path: Path, shown: str | None, uefi: bool | None, sent: str | None) -> None:
    obeys = Obeys(Boot={"BootSourceOverrideEnabled": "Disabled"} | ({"BootSourceOverrideMode": shown} if shown else {}))
    with Service(tmp_path, obeys.replies()) as service:
        done = redfish(service.port).set_boot("network", persistent=True, uefi=uefi)
        assert done == PowerDone(state=PowerState.OFF, boot_device="network", persistent=True, uefi=(sent or shown) == "UEFI")
        mode = {"BootSourceOverrideMode": sent} if sent else {}
        assert orders(service) == [{"Boot": {"BootSourceOverrideEnabled": "Continuous", "BootSourceOverrideTarget": "Pxe"} | mode}]


def test_a_mode_that_is_refused_is_left_out(tmp_path: Path) -> None:
    obeys = Obeys(Boot={"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideMode": "UEFI"})
    obeys.refuses = lambda body: (400, {}, {}) if "BootSourceOverrideMode" in body["Boot"] else None
    with Service(tmp_path, obeys.replies()) as service:
        done = redfish(service.port).set_boot("disk", persistent=False, uefi=False)
        assert done == PowerDone(state=PowerState.OFF, boot_device="disk", uefi=True)
        assert orders(service)[-1] == {"Boot": {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Hdd"}}


def test_network_is_http_where_there_is_no_pxe(tmp_path: Path) -> None:
    allowed = {"BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "UefiHttp", "Cd"]}
    obeys = Obeys(Boot={"BootSourceOverrideEnabled": "Disabled", **allowed})
    with Service(tmp_path, obeys.replies()) as service:
        assert redfish(service.port).set_boot("network", persistent=False, uefi=None) == PowerDone(
            state=PowerState.OFF, boot_device="network"
        )
        assert orders(service)[-1]["Boot"]["BootSourceOverrideTarget"] == "UefiHttp"
        failed(redfish(service.port).set_boot("disk", persistent=False, uefi=None), "unsupported", "boot from disk", "Cd, None, UefiHttp")


def test_an_order_of_somebody_else_is_seen(tmp_path: Path) -> None:
    boot = {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "BiosSetup"}
    with Service(tmp_path, {f"GET {SYSTEM}": system(Boot=boot)}) as service:
        assert redfish(service.port).read() == PowerDone(state=PowerState.OFF, boot_device="other")


def test_etags(tmp_path: Path) -> None:
    """What was seen is what is changed; one that is out of date is asked for again, once."""
    obeys = Obeys()
    tags = iter(['W/"1"', 'W/"2"', 'W/"3"'])
    replies = obeys.replies() | {f"GET {SYSTEM}": lambda _: (200, {"ETag": next(tags, '"4"')}, obeys.now)}

    def patch(service: Service) -> Any:
        return obeys.patch(service) if service.seen[-1][1].get("if-match") == '"2"' else (412, {}, {})

    with Service(tmp_path, replies | {f"PATCH {SYSTEM}": patch}) as service:
        done = redfish(service.port).set_boot("disk", persistent=False, uefi=None)
        assert done == PowerDone(state=PowerState.OFF, boot_device="disk")
        assert [headers.get("if-match") for headers, _ in service.asked(f"PATCH {SYSTEM}")] == ['W/"1"', '"2"']
    with Service(tmp_path, replies | {f"PATCH {SYSTEM}": (412, {}, {})}) as service:
        failed(redfish(service.port).set_boot("disk", persistent=False, uefi=None), "refused", "HTTP 412")


def test_several_systems(tmp_path: Path) -> None:
    several = {
        "GET /redfish/v1/Systems": {"Members": [{"@odata.id": f"/redfish/v1/Systems/{n}"} for n in (1, 2, 3)]},
        "GET /redfish/v1/Systems/1": system(UUID="AAAA-1", SerialNumber="S1"),
        "GET /redfish/v1/Systems/2": system(UUID="AAAA-2", SerialNumber="S2", PowerState="On"),
        "GET /redfish/v1/Systems/3": system(UUID=None, SerialNumber="S3", Boot={}),
    }
    with Service(tmp_path, several) as service:
        on = PowerDone(state=PowerState.ON, boot_device="none")
        assert redfish(service.port, uuid="aaaa-2", serial="S1").read() == on
        assert redfish(service.port, uuid="bbbb", serial="S3").read() == PowerDone(state=PowerState.OFF)
        failed(redfish(service.port, uuid="bbbb", serial="S9").read(), "unsupported", "3 systems", "UUID or serial")
        failed(redfish(service.port).read(), "unsupported", "3 systems")
    with Service(tmp_path, {"GET /redfish/v1/Systems": {"Members": []}}) as service:
        failed(redfish(service.port).read(), "unsupported", "no system")


@pytest.mark.parametrize("has", [{"LocationIndicatorActive": False}, {"IndicatorLED": "Off"}, {}])
def test_the_light(tmp_path: Path, has: dict[str, Any]) -> None:
    with Service(tmp_path, Obeys(**has).replies()) as service:
        result = redfish(service.port).identify(30)
        if not has:
            failed(result, "unsupported", "no light")
            return
        assert result == PowerDone(state=PowerState.OFF)
        assert isinstance(redfish(service.port).identify(0), PowerDone)
        name = next(iter(has))
        lit, out = (True, False) if name == "LocationIndicatorActive" else ("Blinking", "Off")
        assert orders(service) == [{name: lit}, {name: out}]


@pytest.mark.parametrize(
    ("has", "kind"),
    [({"LocationIndicatorActive": False}, "not_obeyed"), ({"IndicatorLED": "Off"}, "not_obeyed"), ({"IndicatorLED": "Unknown"}, "")],
)
def test_a_light_that_stays_dark(tmp_path: Path, has: dict[str, Any], kind: str) -> None:
    """A service that does not say whether its light is on is believed."""
    with Service(tmp_path, {f"GET {SYSTEM}": system(**has), f"PATCH {SYSTEM}": {}}) as service:
        result = redfish(service.port).identify(30)
        if kind:
            failed(result, kind, "ordered its light on", "reads back off")
        else:
            assert result == PowerDone(state=PowerState.OFF)


def test_sensors(tmp_path: Path) -> None:
    links = {"Chassis": [{"@odata.id": "/redfish/v1/C/1"}, {"@odata.id": "/redfish/v1/C/2"}]}
    fine, hot, absent = {"State": "Enabled", "Health": "OK"}, {"State": "Enabled", "Health": "Critical"}, {"State": "Absent"}
    replies = {
        f"GET {SYSTEM}": system(Links=links),
        "GET /redfish/v1/C/1": {"Thermal": {"@odata.id": "/redfish/v1/T"}, "Power": {"@odata.id": "/redfish/v1/gone"}},
        "GET /redfish/v1/T": {
            "Temperatures": [
                {"Name": "CPU1", "ReadingCelsius": 91, "Status": hot},
                {"Name": "CPU2", "ReadingCelsius": None, "Status": absent},
            ],
            "Fans": [{"FanName": "Fan 1", "Reading": 4200, "ReadingUnits": "RPM", "Status": fine}, "nonsense"],
        },
        "GET /redfish/v1/C/2": {"Sensors": {"@odata.id": "/redfish/v1/N"}, "Thermal": {"@odata.id": "/redfish/v1/T"}},
        "GET /redfish/v1/N": {"Members": [{"@odata.id": "/redfish/v1/N/1"}]},
        "GET /redfish/v1/N/1": {"Name": "Inlet", "ReadingType": "Temperature", "Reading": 21.5, "ReadingUnits": "Cel", "Status": fine},
    }
    with Service(tmp_path, replies) as service:
        assert redfish(service.port).sensors() == SensorsRead(
            sensors=(
                Sensor(name="CPU1", kind="Temperature", value=91.0, units="°C", states=("Critical",), ok=False, health="failed"),
                Sensor(name="Fan 1", kind="Fan", value=4200.0, units="RPM"),
                Sensor(name="Inlet", kind="Temperature", value=21.5, units="°C"),
            ),
            left_out=(LeftOut(name="CPU2", why="its state is Absent"), LeftOut(name="Fan", why="it is no object")),
        )


# Is it there?
