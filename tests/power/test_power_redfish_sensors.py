"""Redfish: sensors wherever they stand, and the clock of the BMC."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from redfish_odd import failed
from redfish_rig import QUICK, SYSTEM, USUAL, Service, redfish, system

from engine.power import LeftOut, PowerFailed, Sensor, SensorsRead
from engine.power.redfish import RedfishPower


def measured(tmp_path: Path, replies: dict[str, Any], **more: Any) -> SensorsRead:
    with Service(tmp_path, {f"GET {SYSTEM}": system(**more)} | replies) as service:
        read = redfish(service.port).sensors()
    assert isinstance(read, SensorsRead), read
    return read


CHASSIS = {"Links": {"Chassis": {"@odata.id": "/redfish/v1/Chassis/1"}}}
"""One object, where a list should be."""


def at(path: str) -> dict[str, str]:
    return {"@odata.id": f"/redfish/v1/{path}"}


def test_the_newer_subsystems(tmp_path: Path) -> None:
    ok = {"State": "Enabled", "Health": "OK"}
    read = measured(
        tmp_path,
        {
            "GET /redfish/v1/Chassis/1": {
                "Sensors": at("gone"),
                "ThermalSubsystem": at("T"),
                "PowerSubsystem": at("P"),
                "EnvironmentMetrics": at("E"),
                "Thermal": at("old"),
            },
            "GET /redfish/v1/T": {"ThermalMetrics": at("M"), "Fans": at("F")},
            "GET /redfish/v1/M": {
                "TemperatureReadingsCelsius": [{"DeviceName": "CPU1", "Reading": 40}, {"DeviceName": "CPU2", "Reading": None}]
            },
            "GET /redfish/v1/F": {"Members": [at("F/1"), at("F/2"), at("F/3")]},
            "GET /redfish/v1/F/1": {"Name": "Fan 1", "SpeedPercent": {"Reading": 30, "SpeedRPM": 4100}, "Status": ok},
            "GET /redfish/v1/F/2": {"Name": "Fan 2", "SpeedPercent": {"Reading": 30}, "Status": ok},
            "GET /redfish/v1/P": {"PowerSupplies": at("PS")},
            "GET /redfish/v1/PS": {"Members": [at("PS/1"), at("PS/2")]},
            "GET /redfish/v1/PS/1": {"Name": "PSU1", "Metrics": at("PS/1/M"), "Status": ok},
            "GET /redfish/v1/PS/1/M": {"Name": "Metrics", "InputPowerWatts": {"Reading": 210}},
            "GET /redfish/v1/PS/2": {"Name": "PSU2", "Status": {"State": "Enabled", "Health": "Critical"}},
            "GET /redfish/v1/E": {"PowerWatts": {"Reading": 333}},
        },
        **CHASSIS,
    )
    assert [(one.name, one.value, one.units, one.ok) for one in read.sensors] == [
        ("CPU1", 40.0, "°C", True),
        ("Fan 1", 4100.0, "RPM", True),
        ("Fan 2", 30.0, "%", True),
        ("PSU1", 210.0, "W", True),
        ("PSU2", None, "W", False),
        ("PowerWatts", 333.0, "W", True),
    ]
    left = {one.name: one.why for one in read.left_out}
    assert set(left) == {"Sensors", "CPU2", "3"}
    assert "null" in left["CPU2"]
    assert "HTTP 404" in left["3"]


def test_readings_in_other_fields(tmp_path: Path) -> None:
    read = measured(
        tmp_path,
        {
            "GET /redfish/v1/Chassis/1": {"Thermal": at("T")},
            "GET /redfish/v1/T": {
                "Temperatures": [
                    {"Name": "text", "ReadingCelsius": " 41.5 "},
                    {"Name": "other", "Reading": 20},
                    {"Name": "old", "CurrentReading": 21, "Units": "Cel"},
                    {"Name": "word", "ReadingCelsius": "warm"},
                    {"Name": "strange", "ReadingKelvin": 300},
                    {"Name": "none"},
                    7,
                ],
                "Fans": {"FanName": "one", "ReadingRPM": 900, "Units": "RPM"},
            },
        },
        **CHASSIS,
    )
    assert [(one.name, one.value) for one in read.sensors] == [("text", 41.5), ("other", 20.0), ("old", 21.0), ("one", 900.0)]
    assert read.left_out == (
        LeftOut(name="word", why="its ReadingCelsius is no number"),
        LeftOut(name="strange", why="it has no reading in a field that we know; it has ReadingKelvin"),
        LeftOut(name="none", why="it has no reading"),
        LeftOut(name="Temperature", why="it is no object"),
    )


def test_a_system_that_names_no_chassis(tmp_path: Path) -> None:
    root = USUAL["GET /redfish/v1/"] | {"Chassis": at("Chassis"), "Managers": at("Managers")}
    temperature = [{"Name": "Inlet", "ReadingCelsius": 21}]
    replies = {
        "GET /redfish/v1/": root,
        "GET /redfish/v1/Chassis": {"Members": [at("Chassis/Shelf"), at("Chassis/1")]},
        "GET /redfish/v1/Chassis/Shelf": {"Thermal": at("none")},
        "GET /redfish/v1/Chassis/1": {"Thermal": at("T"), "Links": {"ComputerSystems": [at("Systems/1")]}},
        "GET /redfish/v1/T": {"Temperatures": temperature},
    }
    assert measured(tmp_path, replies) == SensorsRead(sensors=(Sensor(name="Inlet", kind="Temperature", value=21.0, units="°C"),))


def test_where_nothing_can_be_read_it_is_no_result(tmp_path: Path) -> None:
    with Service(tmp_path, {f"GET {SYSTEM}": system(**CHASSIS), "GET /redfish/v1/Chassis/1": (403, {}, {})}) as service:
        failed(redfish(service.port).sensors(), "refused", "HTTP 403")


@pytest.mark.parametrize(
    ("shows", "offset", "off_s"),
    [
        ("2026-11-28T15:00:00+00:00", None, 0.0),
        ("2026-11-28T15:00:00Z", "+02:00", 0.0),
        ("2026-11-28T17:00:00+02:00", None, 0.0),
        ("2026-11-28T17:00:00", "+02:00", 0.0),
        ("2026-11-28T15:00:00", None, 0.0),
        ("2019-11-28T15:00:00Z", None, -7 * 365 * 86400.0 - 2 * 86400.0),
        ("2038-01-19T03:14:08Z", None, 2147483648.0 - 1795878000.0),
        ("yesterday", None, None),
        ("0000-00-00T00:00:00Z", None, None),
        (None, None, None),
        (1795878000, None, None),
    ],
)
def test_the_clock_of_a_bmc(tmp_path: Path, shows: Any, offset: str | None, off_s: float | None) -> None:
    manager = {"GET /redfish/v1/M": {"DateTime": shows, "DateTimeLocalOffset": offset}}
    about = system(Links={"ManagedBy": [at("M")]})
    with Service(tmp_path, {f"GET {SYSTEM}": about} | manager) as service:
        first = redfish(service.port)
        power = RedfishPower(first.target, gates=first._gates, certificates=first._certificates, pace=QUICK, now=lambda: 1795878000.0)
        for read in (power.read(), power.sensors()):
            assert not isinstance(read, PowerFailed), read
            assert (None if read.clock is None else read.clock.off_s) == off_s
