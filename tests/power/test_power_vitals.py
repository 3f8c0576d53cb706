"""The health of a machine by its BMC: sensors and event log, read once, and never in the way of an order."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ipmi_rig import EAGER, power_of
from redfish_rig import SYSTEM, Service, redfish, system

from engine.power import GaveWay, Pace, PowerDone, PowerFailed, VitalSigns
from engine.power.gate import Gates, Limits
from engine.power.ipmi_vitals import BACKLOG, MOST_ENTRIES
from engine.racks.bmc.ipmi import BmcFarm, SimBmc, slow
from engine.racks.bmc.redfish import RedfishFarm
from engine.racks.bmc.sim_vitals import FAN, SUPPLY, TEMPERATURE, SimSensor
from engine.vitals import LogPlace

PACE = Pace(total_s=60.0, sensors_s=60.0, rest_s=0.0, poll_s=0.05)


@pytest.fixture
def bmc(machine: Any) -> Iterator[SimBmc]:
    with BmcFarm() as farm:
        yield farm.add("127.0.0.1", 0, machine)


def entry(sensor: int, offset: int, *, type: int = TEMPERATURE, event: int = 0x01, ended: bool = False, at: int = 0) -> bytes:
    """A SEL record without its number (IPMI 2.0 table 32-1)."""
    stamp = struct.pack("<I", at or int(time.time()))
    return b"\x02" + stamp + bytes((0x20, 0, 4, type, sensor, event | (0x80 if ended else 0), offset, 0xFF, 0xFF))


def signs(bmc: SimBmc, *places: LogPlace, pace: Pace = PACE) -> VitalSigns:
    read = power_of(bmc.port, pace=pace).vitals(places)
    assert isinstance(read, VitalSigns), read
    return read


def test_sensors_with_how_bad_they_are(bmc: SimBmc) -> None:
    bmc.commands.vitals.sensors = [
        SimSensor(name="CPU1 Temp", type=TEMPERATURE, value=98, beyond="upper critical"),
        SimSensor(name="Inlet", type=TEMPERATURE, value=36, beyond="upper non-critical"),
        SimSensor(name="FAN 1", type=FAN, value=100),
        SimSensor(name="PS1", type=SUPPLY, states=0x09),
    ]
    read = signs(bmc)
    assert [(one.name, one.value, one.units, one.health) for one in read.sensors] == [
        ("CPU1 Temp", 98.0, "°C", "failed"),
        ("Inlet", 36.0, "°C", "warning"),
        ("FAN 1", 6000.0, "RPM", ""),
        ("PS1", None, "", "failed"),
    ]
    assert read.sensors[3].states == ("Present", "Power input lost")
    assert (read.on, read.left_out) == (False, ())
    assert read.clock_off_s is not None
    assert abs(read.clock_off_s) < 60


def test_each_entry_is_read_once_also_when_the_log_was_cleared_or_wraps(bmc: SimBmc) -> None:
    bmc.commands.vitals.sensors = [SimSensor(name="CPU1 Temp", type=TEMPERATURE, value=40)]
    bmc.commands.events += [entry(2, 9), entry(2, 9, ended=True)]
    first = signs(bmc)
    assert [(one.id, one.sensor, one.text, one.health, one.asserted) for one in first.log] == [
        ("0001", "CPU1 Temp", "Upper critical", "failed", True),
        ("0002", "CPU1 Temp", "Upper critical deasserted", "", False),
    ]
    second = signs(bmc, *first.places)
    assert (second.log, second.places) == ((), first.places)
    bmc.commands.events.append(entry(2, 7))
    third = signs(bmc, *second.places)
    assert [one.id for one in third.log] == ["0003"]
    bmc.commands.events[:] = [entry(2, 7, at=1_700_000_000)]  # cleared: its numbers begin again
    bmc.commands.vitals.erased += 1
    fourth = signs(bmc, *third.places)
    assert [(one.id, one.at) for one in fourth.log] == [("0001", "2023-11-14T22:13:20")]
    bmc.commands.vitals.first = 0xFFF0  # wrapped: other entries under other numbers
    bmc.commands.events[:] = [entry(2, 9, at=1_700_000_100 + i) for i in range(3)]
    fifth = signs(bmc, *fourth.places)
    assert [one.id for one in fifth.log] == ["fff0", "fff1", "fff2"]
    bmc.commands.events.clear()
    assert signs(bmc, *fifth.places).log == ()


def test_a_very_long_log_is_read_from_near_its_end_and_in_pieces(bmc: SimBmc) -> None:
    many = 60_000
    bmc.commands.vitals.room = 0xFFFF
    bmc.commands.events += [entry(2, 9, at=1_700_000_000 + i) for i in range(many)]
    places: tuple[LogPlace, ...] = ()
    found: list[str] = []
    looks = 0
    while not places or places[0].behind:
        read = signs(bmc, *places)
        assert len(read.log) <= MOST_ENTRIES
        found += [one.id for one in read.log]
        places = read.places
        looks += 1
    assert looks == BACKLOG // MOST_ENTRIES
    assert found == [f"{n:04x}" for n in range(many - BACKLOG + 1, many + 1)]


def test_a_full_log_says_so(bmc: SimBmc) -> None:
    bmc.commands.events += [entry(2, 9)] * 64
    (place,) = signs(bmc).places
    assert (place.entries, place.full, place.lost) == (64, 1.0, True)


def test_records_that_lead_in_a_circle_end(bmc: SimBmc) -> None:
    bmc.commands.vitals.sensors = [SimSensor(name="T", type=TEMPERATURE)]
    bmc.commands.vitals.endless = True
    bmc.commands.events.append(entry(2, 9))
    read = signs(bmc)
    assert read.left_out == ("sensors: its sensor records cannot be read: they do not end",)
    assert [one.sensor for one in read.log] == ["Sensor 32.2.0"], "the log is read all the same"


def test_a_name_cannot_command_a_terminal(bmc: SimBmc) -> None:
    bmc.commands.vitals.sensors = [SimSensor(name="\x1b[2JCPU\x07\x9b1m", type=TEMPERATURE, value=3)]
    read = signs(bmc)
    assert read.left_out == ()
    (one,) = read.sensors
    assert one.name.isprintable()
    assert "CPU" in one.name


def test_an_order_does_not_wait_for_a_look(bmc: SimBmc) -> None:
    gates = Gates(limits=EAGER)
    bmc.commands.vitals.sensors = [SimSensor(name=f"T{n}", type=TEMPERATURE, value=n) for n in range(200)]
    bmc.mood = slow(0.1)  # 200 records and 200 readings: at least 40 s
    found: list[Any] = []
    power = power_of(bmc.port, gates=gates, pace=PACE)
    look = threading.Thread(target=lambda: found.append(power.vitals(())))
    look.start()
    deadline = time.monotonic() + 60
    while bmc.commands.vitals.sensors and not any(gate.lock.locked() for gate in gates._gates.values()):
        assert time.monotonic() < deadline
    begun = time.monotonic()
    assert isinstance(power.read(), PowerDone)
    took = time.monotonic() - begun
    look.join(60)
    (failed,) = found
    assert isinstance(failed, PowerFailed)
    assert failed.message == GaveWay().failed.message
    assert took < 30, "the look alone takes longer"


def test_a_look_begins_only_at_an_idle_bmc_and_leaves_calls_to_orders(bmc: SimBmc) -> None:
    gates = Gates(limits=Limits(burst=3, per_s=0.001))
    power = power_of(bmc.port, gates=gates, pace=PACE)
    assert isinstance(power.vitals(()), VitalSigns)
    refused = power.vitals(())
    assert isinstance(refused, PowerFailed)
    assert refused.message == "too many calls to this BMC"
    assert isinstance(power.read(), PowerDone)
    (gate,) = gates._gates.values()
    with gate.lock:
        busy = power.vitals(())
    assert isinstance(busy, PowerFailed)
    assert (busy.kind, busy.message) == ("timeout", "another call has this BMC")


# -- Redfish -------------------------------------------------------------------------------------------------------


def at(path: str) -> dict[str, str]:
    return {"@odata.id": f"/redfish/v1/{path}"}


LOGS = {
    "GET /redfish/v1/Managers/1": {"LogServices": at("Managers/1/LogServices"), "DateTime": "2026-12-01T00:00:00Z"},
    "GET /redfish/v1/Managers/1/LogServices": {"Members": [at("L/AuditLog"), at("L/Sel"), at("L/Lclog")]},
    "GET /redfish/v1/L/Sel": {
        "LogEntryType": "SEL",
        "Entries": at("L/Sel/Entries"),
        "MaxNumberOfRecords": 4,
        "OverWritePolicy": "NeverOverWrites",
    },
}
LINKS = {"Links": {"ManagedBy": [at("Managers/1")], "Chassis": []}}


def told(number: int, **more: Any) -> dict[str, Any]:
    usual = {"@odata.id": f"/redfish/v1/L/Sel/Entries/{number}", "Id": str(number), "Created": f"2026-11-30T00:00:{number % 60:02}Z"}
    return usual | {"Severity": "Critical", "SensorType": "Power Supply / Converter", "Message": "AC lost", "EntryCode": "Assert"} | more


def by_redfish(tmp_path: Path, replies: dict[str, Any], *places: LogPlace) -> tuple[VitalSigns, list[str]]:
    with Service(tmp_path, {f"GET {SYSTEM}": system(**LINKS)} | LOGS | replies) as service:
        read = redfish(service.port, PACE).vitals(places)
    assert isinstance(read, VitalSigns), read
    return read, [line for line, _, _ in service.seen]


def test_the_log_of_parts_and_no_other(tmp_path: Path) -> None:
    entries = {"Members": [told(2, EntryCode="Deassert"), told(1)], "Members@odata.count": 2}
    read, asked = by_redfish(tmp_path, {"GET /redfish/v1/L/Sel/Entries": entries})
    assert [(one.id, one.sensor, one.text, one.health, one.asserted) for one in read.log] == [
        ("1", "Power Supply / Converter", "AC lost", "failed", True),
        ("2", "Power Supply / Converter", "AC lost", "", False),
    ]
    assert [(one.log, one.last, one.entries, one.full) for one in read.places] == [("/redfish/v1/L/Sel", "2", 2, 0.5)]
    assert not any("Audit" in line or "Lclog" in line for line in asked)
    assert read.clock_off_s is not None


def test_links_are_followed_only_beyond_the_entry_that_was_read_last(tmp_path: Path) -> None:
    links = {"Members": [at(f"L/Sel/Entries/{n}") for n in range(1, 6)], "Members@odata.count": 5}
    replies = {"GET /redfish/v1/L/Sel/Entries": links} | {f"GET /redfish/v1/L/Sel/Entries/{n}": told(n) for n in range(1, 6)}
    read, asked = by_redfish(tmp_path, replies, LogPlace(log="/redfish/v1/L/Sel", last="3"))
    assert [one.id for one in read.log] == ["4", "5"]
    assert sum("Entries/" in line for line in asked) == 2


def test_a_hundred_thousand_entries_cost_two_pages(tmp_path: Path) -> None:
    many, size = 100_000, 512

    def page(skip: int) -> dict[str, Any]:
        more = {"Members@odata.nextLink": f"/redfish/v1/L/Sel/Entries?$skip={skip + size}"} if skip + size < many else {}
        members = [told(n, Created=f"2026-01-01T00:00:00.{n:06}Z") for n in range(skip + 1, skip + size + 1)]
        return {"Members": members, "Members@odata.count": many} | more

    replies = {
        "GET /redfish/v1/L/Sel/Entries": page(0),
        f"GET /redfish/v1/L/Sel/Entries?$skip={many - size}": page(many - size),
    }
    read, asked = by_redfish(tmp_path, replies)
    assert (len(read.log), read.log[-1].id) == (size, str(many))
    assert sum("Entries" in line for line in asked) == 2
    assert read.places[0].full == 1.0


@pytest.mark.parametrize(
    "entries",
    [
        {"Members": "none", "Members@odata.count": "many"},
        {"Members": [None, 3, "/redfish/v1/L/Sel/Entries/1", {}, {"@odata.id": 7, "Severity": [], "Message": {}, "Created": 1}]},
        {"Members": [], "Members@odata.nextLink": "/redfish/v1/L/Sel/Entries"},
        {"Members": [{"Id": "\x1b[2J", "Message": "\x1b]0;owned\x07", "Created": "x" * 999, "Severity": "Critical"}]},
    ],
    ids=["no-list", "odd-members", "a-circle", "escapes"],
)
def test_nonsense_costs_no_more_than_itself(entries: dict[str, Any], tmp_path: Path) -> None:
    read, _ = by_redfish(tmp_path, {"GET /redfish/v1/L/Sel/Entries": entries})
    for one in read.log:
        assert all(part.isprintable() and len(part) <= 200 for part in (one.id, one.at, one.sensor, one.text))
    assert all(part.isprintable() for part in read.left_out)


def test_the_same_machine_tells_the_same_by_redfish_and_by_ipmi(bmc: SimBmc, redfish_farm: RedfishFarm, machines: Any) -> None:
    """One set of sensors and events, read over both protocols by the engine's own drivers."""
    other = redfish_farm.add("127.0.0.1", 0, machines())
    assert redfish(other.port, pace=PACE).vitals(()).sensors == (), "a machine without sensors shows none"  # type: ignore[union-attr]
    for commands in (bmc.commands, other.commands):
        commands.vitals.clock_off_s = -3600.0
        commands.vitals.sensors = [
            SimSensor(name="CPU1 Temp", type=TEMPERATURE, value=98, beyond="upper critical"),
            SimSensor(name="Inlet", type=TEMPERATURE, value=36, beyond="upper non-critical"),
            SimSensor(name="FAN 1", type=FAN, value=100),
            SimSensor(name="PS1", type=SUPPLY, states=0x09),
        ]
        commands.events += [entry(2, 9, at=1_700_000_000), entry(2, 9, ended=True, at=1_700_000_060), b"\xe0" + bytes(13)]
    by_ipmi, by_redfish = signs(bmc), redfish(other.port, pace=PACE).vitals(())
    assert isinstance(by_redfish, VitalSigns), by_redfish

    def told(found: VitalSigns) -> set[tuple[str, str, str]]:
        return {(one.name, one.kind.split(" /")[0], one.health) for one in found.sensors}

    assert told(by_redfish) == told(by_ipmi)
    values = {one.name: one.value for one in by_redfish.sensors}
    assert (values["CPU1 Temp"], values["FAN 1"]) == (98.0, 6000.0)
    assert [(one.health, one.asserted) for one in by_redfish.log][:2] == [(one.health, one.asserted) for one in by_ipmi.log][:2]
    assert [one.at[:19] for one in by_redfish.log][:2] == [one.at[:19] for one in by_ipmi.log][:2]
    assert by_redfish.clock_off_s is not None
    assert abs(by_redfish.clock_off_s + 3600) < 60
    again = redfish(other.port, pace=PACE).vitals(by_redfish.places)
    assert isinstance(again, VitalSigns)
    assert again.places == by_redfish.places
    other.commands.events.clear()
    cleared = redfish(other.port, pace=PACE).vitals(by_redfish.places)
    assert isinstance(cleared, VitalSigns)
    assert cleared.log == ()
