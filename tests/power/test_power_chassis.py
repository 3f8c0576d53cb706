"""Chassis with several machines: what their managers say of the slots, by Redfish and by SNMP, and power by slot."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from pdu_agent import PduAgent
from redfish_rig import Service

from engine.chassis import __main__ as delegate
from engine.chassis.slots import by_redfish, by_snmp
from engine.core.hardware.slots import Slot
from engine.power import Pace, PowerDone, PowerFailed, PowerState
from engine.power.certificates import Certificates
from engine.power.gate import Gates, Limits
from engine.power.outlets import SLOTS, OutletPower, OutletTarget
from engine.power.redfish import RedfishTarget
from engine.power.redfish_line import Line
from engine.power.redfish_session import RedfishSession
from engine.power.snmp import SnmpAgent, SnmpTarget
from engine.readers.redfish_slots import slot_name

UUID = "4c4c4544-0001-1002-8003-b2c04f4d3432"
QUICK = Pace(web_s=5.0, greet_s=5.0, poll_s=0.02, rest_s=0.0)


class Enclosure:
    """A 2U chassis with four nodes; the last slot is empty. Chassis `Self` contains all, and is no slot."""

    def __init__(self) -> None:
        self.on = {"Node1": "On", "Node2": "Off", "Node3": "Off"}
        self.obeys = True

    def replies(self) -> dict[str, object]:
        base = "/redfish/v1/Chassis"
        out: dict[str, object] = {
            "GET /redfish/v1/": {"RedfishVersion": "1.15.0", "Chassis": {"@odata.id": base}},
            f"GET {base}": {"Members": [{"@odata.id": f"{base}/{name}"} for name in ("Self", *self.on, "Node4")]},
            f"GET {base}/Self": {
                "Id": "Self",
                "ChassisType": "Enclosure",
                "Links": {"ComputerSystems": [{"@odata.id": f"/redfish/v1/Systems/{name}"} for name in self.on]},
            },
            f"GET {base}/Node4": {"Id": "Node4", "ChassisType": "Sled", "Links": {"ComputerSystems": []}},
        }
        for number, name in enumerate(self.on, 1):
            out[f"GET {base}/{name}"] = lambda _service, name=name, number=number: self.body(name, number)
            out[f"POST {base}/{name}/Actions/Chassis.Reset"] = lambda service, name=name: self.reset(service, name)
            out[f"GET /redfish/v1/Systems/{name}"] = lambda _service, name=name, number=number: {
                "Id": name,
                "SerialNumber": f" SN{number}\u0007 ",
                "UUID": UUID.upper() if number == 1 else None,
                "PowerState": self.on[name],
            }
        return out

    def body(self, name: str, number: int) -> dict[str, object]:
        base = f"/redfish/v1/Chassis/{name}"
        return {
            "Id": name,
            "Location": {"PartLocation": {"LocationOrdinalValue": number} if number < 3 else {"ServiceLabel": "Slot 3"}},
            "PowerState": self.on[name],
            "Links": {"ComputerSystems": [{"@odata.id": f"/redfish/v1/Systems/{name}"}]},
            "Actions": {"#Chassis.Reset": {"target": f"{base}/Actions/Chassis.Reset"}},
        }

    def reset(self, service: Service, name: str) -> dict[str, object]:
        if self.obeys:
            self.on[name] = {"On": "On", "ForceOff": "Off"}[service.seen[-1][2]["ResetType"]]
        return {}


def session(service: Service, folder: Path) -> RedfishSession:
    known = Certificates(folder / "known")
    line = Line("127.0.0.1", service.port, deadline=time.monotonic() + 60, greet_s=10, sleep=time.sleep, certificates=known)
    return RedfishSession(line, "root", "calvin")


def power(service: Service, folder: Path, *slots: str, pace: Pace = QUICK) -> OutletPower:
    to = RedfishTarget(address="127.0.0.1", port=service.port, user="root", password="calvin")
    some = [OutletTarget(pdu="enc1", outlet=slot, table=SLOTS, redfish=to) for slot in slots]
    return OutletPower(some, gates=Gates(limits=Limits(burst=1000)), certificates=Certificates(folder / "known"), pace=pace)


def test_the_slots_by_redfish(tmp_path: Path) -> None:
    with Service(tmp_path, Enclosure().replies()) as service, session(service, tmp_path) as opened:
        found = by_redfish(opened)
    assert found == [
        Slot(slot="1", serial="SN1", uuid=UUID, power="on"),
        Slot(slot="2", serial="SN2", power="off"),
        Slot(slot="3", serial="SN3", power="off"),
    ]


def test_power_by_slot(tmp_path: Path) -> None:
    enclosure = Enclosure()
    with Service(tmp_path, enclosure.replies()) as service:
        two = power(service, tmp_path, "2")
        for action, want in (("on", "On"), ("cycle", "On"), ("off", "Off")):
            done = two.set(action)  # type: ignore[arg-type]
            assert isinstance(done, PowerDone), done
            assert enclosure.on == {"Node1": "On", "Node2": want, "Node3": "Off"}, "the other machines stay as they are"
        read = power(service, tmp_path, "1").read()
        assert isinstance(read, PowerDone)
        assert read.state is PowerState.ON
        missing = power(service, tmp_path, "9").read()
        assert isinstance(missing, PowerFailed)
        enclosure.obeys = False
        failed = power(service, tmp_path, "2", pace=Pace(web_s=1.0, greet_s=5.0, poll_s=0.05, rest_s=0.0)).set("on")
        assert isinstance(failed, PowerFailed)
        assert failed.kind == "not_obeyed", "accepted is not done"


@pytest.mark.parametrize(
    ("body", "slot"),
    [
        ({"Id": "Blade7"}, "Blade7"),
        ({"Id": "x", "Location": {"PartLocation": {"LocationOrdinalValue": 0}}}, "0"),
        ({"Id": "x", "Location": {"PartLocation": {"LocationOrdinalValue": True}}}, "x"),
        ({"Id": "x", "Location": {"PartLocation": {"LocationOrdinalValue": -1, "ServiceLabel": "Bay 12"}}}, "12"),
        ({"Id": "../../etc", "Location": "rack"}, ""),
        ({"Id": 7, "Location": {"PartLocation": []}}, "7"),
        ({}, ""),
    ],
)
def test_the_name_of_a_slot(body: dict[str, Any], slot: str) -> None:
    assert slot_name(body) == slot


def oid(text: str, value: object) -> dict[tuple[int, ...], object]:
    return {tuple(int(part) for part in text.split(".")): value}


@pytest.mark.parametrize(
    ("table", "rows", "want"),
    [
        (
            "dell-cmc",
            oid("1.3.6.1.4.1.674.10892.2.5.1.1.2.1", "ABC1234")
            | oid("1.3.6.1.4.1.674.10892.2.5.1.1.5.1", "3")
            | oid("1.3.6.1.4.1.674.10892.2.5.1.1.2.2", "N/A")
            | oid("1.3.6.1.4.1.674.10892.2.5.1.1.5.2", "N/A"),
            [Slot(slot="3", serial="ABC1234")],
        ),
        (
            "hpe-bladesystem",
            oid("1.3.6.1.4.1.232.22.2.4.1.1.1.8.1.1.1", 5) | oid("1.3.6.1.4.1.232.22.2.4.1.1.1.16.1.1.1", "CZJ1000001"),
            [Slot(slot="5", serial="CZJ1000001")],
        ),
        (
            "ibm-bladecenter",
            oid("1.3.6.1.4.1.2.3.51.2.2.21.4.1.1.8.2", "4C4C 4544 0001 1002 8003 B2C0 4F4D 3432")
            | oid("1.3.6.1.4.1.2.3.51.2.2.21.4.1.1.8.3", "0000 0000 0000 0000 0000 0000 0000 0000")
            | oid("1.3.6.1.4.1.2.3.51.2.22.1.5.1.1.4.2", 1),
            [Slot(slot="2", uuid=UUID, power="on")],
        ),
    ],
    ids=["dell-cmc", "hpe-bladesystem", "ibm-bladecenter"],
)
def test_the_slots_by_snmp(table: str, rows: dict[tuple[int, ...], object], want: list[Slot]) -> None:
    agent = PduAgent()
    agent.rows = rows
    try:
        target = SnmpTarget(address="127.0.0.1", port=agent.port, community=agent.community)
        found = by_snmp(SnmpAgent(target), table)
    finally:
        agent.close()
    assert [one for one in found if one.serial != "N/A"] == want


def test_the_delegate_gives_the_slots_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    attributes, gives = tmp_path / "attributes.json", tmp_path / "gives.json"
    with Service(tmp_path, Enclosure().replies()) as service:
        access = {"enc1": {"address": "127.0.0.1", "port": service.port, "user": "root"}}
        told = {"device": {"name": "enc1"}, "chassis-access": access, "chassis-password": "calvin"}
        attributes.write_text(json.dumps(told))
        for name, value in (("ATTRIBUTES", attributes), ("GIVES", gives), ("STATE", tmp_path)):
            monkeypatch.setenv(f"CROWBAR_{name}", str(value))
        assert delegate.main() == 0
    assert [one["slot"] for one in json.loads(gives.read_text())["chassis-slots"]] == ["1", "2", "3"]
    assert delegate.main() == 2, "the manager is gone"
    said = capsys.readouterr()
    assert "chassis: unreachable" in said.err
    assert "calvin" not in said.out + said.err
