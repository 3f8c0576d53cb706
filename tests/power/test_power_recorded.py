"""The Redfish driver against every recorded tree of a real service. The test serves the tree read-only, and the driver reads power, boot
order, sensors and identity. The test computes the expected result from the JSON, and by OpenStack's sushy if sushy can read the tree.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace
from redfish_rig import Pace, Service, redfish

from engine.power import PowerDone, PowerFailed, SensorsRead

HERE = Path(__file__).parents[2]
RECORDED = Path(os.environ.get("CROWBAR_RECORDED", HERE.parent / "shared" / "recorded"))
PACE = Pace(web_s=60.0, sensors_s=60.0, poll_s=0.01)
SYSTEM = re.compile(r"/redfish/v1/Systems/[^/]+")
_SET = re.compile(
    r"mockups-[^-]+|DL325|Gigabyte|Intel|XL675d_A40|src-model-testdata|providers-\w+|internal-redfishwrapper-fixtures(-dell|-smc_1.14.0)?"
)
"""How the names of one machine's files begin, in the folders that hold more than one."""
STATES = {"On": "on", "PoweringOff": "on", "Paused": "on", "Off": "off", "PoweringOn": "off"}
DEVICES = {"None": "none", "Pxe": "network", "UefiHttp": "network", "Hdd": "disk"}
GONE = ("Absent", "Disabled", "UnavailableOffline")


class Case(NamedTuple):
    name: str
    tree: dict[str, Any]
    """Path -> resource."""
    path: str
    """Of the system that is meant."""

    @property
    def system(self) -> dict[str, Any]:
        found: dict[str, Any] = self.tree[self.path]
        return found


def cases() -> list[Case]:
    """One for each recorded system; the resources of its machine are around it."""
    around: dict[str, dict[str, Any]] = defaultdict(dict)
    systems: list[tuple[str, str, dict[str, Any]]] = []
    for file in sorted(RECORDED.rglob("*.json")) if RECORDED.is_dir() else []:
        try:
            body = json.loads(file.read_text(encoding="utf-8-sig"))
        except ValueError:
            continue
        path = body.get("@odata.id") if isinstance(body, dict) else None
        if not isinstance(path, str):
            continue
        begins = _SET.match(file.name)
        machine = f"{file.parent.name}/{begins[0] if begins else ''}"
        around[machine].setdefault(path.rstrip("/"), body)
        if SYSTEM.fullmatch(path.rstrip("/")) and {"PowerState", "Boot"} & set(body):
            systems.append((f"{machine}-{file.stem.rpartition('-')[2]}", machine, body))
    return [
        Case(name, around[machine] | {body["@odata.id"].rstrip("/"): body}, body["@odata.id"].rstrip("/"))
        for name, machine, body in systems
    ]


CASES = cases()
each = (
    pytest.mark.parametrize("case", CASES, ids=lambda case: case.name) if CASES else pytest.mark.skip(f"no recorded hardware at {RECORDED}")
)


def served(case: Case, folder: Path) -> Service:
    """With what no recording lacks on a real machine: a root, and a collection that the system is in."""
    tree = {"/redfish/v1/Systems": {"Members": [{"@odata.id": case.path}]}} | case.tree
    if not any(member.get("@odata.id", "").rstrip("/") == case.path for member in tree["/redfish/v1/Systems"]["Members"]):
        tree["/redfish/v1/Systems"] = {"Members": [{"@odata.id": case.path}]}
    root = {"RedfishVersion": "1.0.0", "Systems": {"@odata.id": "/redfish/v1/Systems"}} | case.tree.get("/redfish/v1", {})
    replies = {f"GET {path}{slash}": body for path, body in tree.items() for slash in ("", "/")}
    links = {**root.get("Links", {}), "Sessions": {"@odata.id": "/redfish/v1/SessionService/Sessions"}}
    account = {"POST /redfish/v1/SessionService/Sessions": (405, {}, {})}
    return Service(folder, replies | account | {"GET /redfish/v1/": root | {"Links": links}})


def driver(case: Case, service: Service, pace: Pace = PACE) -> Any:
    """Its UUID in another spelling, as the node's own tools may write it."""
    uuid = str(case.system.get("UUID") or "").replace("-", "").upper()
    return redfish(service.port, pace, uuid=uuid, serial=str(case.system.get("SerialNumber") or ""))


@each
def test_power_and_boot_order(case: Case, tmp_path: Path) -> None:
    boot = case.system.get("Boot") or {}
    with served(case, tmp_path) as service:
        read = driver(case, service).read()
    if case.system.get("PowerState") not in STATES:
        assert isinstance(read, PowerFailed), read
        assert "does not say whether it has power" in read.message
        return
    assert isinstance(read, PowerDone), read
    assert read.state == STATES[case.system["PowerState"]]
    enabled, target = boot.get("BootSourceOverrideEnabled"), boot.get("BootSourceOverrideTarget")
    if enabled is None:
        assert read.boot_device is None
    elif enabled == "Disabled" or target is None:
        assert read.boot_device == "none" or read.pending
    else:
        assert read.boot_device == DEVICES.get(target, "other")
        assert read.uefi == (boot.get("BootSourceOverrideMode") == "UEFI" and read.boot_device != "none")
        assert read.persistent == (enabled == "Continuous" and read.boot_device != "none")


@each
def test_as_sushy_reads_it(case: Case, tmp_path: Path) -> None:
    sushy = pytest.importorskip("sushy", reason="sushy is not installed (pip install sushy)")
    from sushy.resources.system import system as theirs

    class Reply:
        def __init__(self, body: Any) -> None:
            self.content = json.dumps(body)
            self.headers: dict[str, str] = {}

        def json(self) -> Any:
            return json.loads(self.content)

    class Connector:
        def get(self, path: str, **_: Any) -> Reply:
            return Reply(case.tree[path.rstrip("/")])

    try:
        told = theirs.System(Connector(), case.path)
        state = told.power_state.value if told.power_state is not None else None
    except (sushy.exceptions.SushyError, KeyError, AttributeError) as error:
        pytest.skip(f"sushy cannot read it: {type(error).__name__}")
    if state is None:
        pytest.skip("sushy reads no power state")
    with served(case, tmp_path) as service:
        read = driver(case, service).read()
    assert isinstance(read, PowerDone), read
    assert read.state == STATES[state]
    override = told.boot or {}
    if override.get("enabled") is not None and override["enabled"].value != "Disabled" and override.get("target") is not None:
        assert read.boot_device == DEVICES.get(override["target"].value, "other")


def links(found: Any) -> list[str]:
    return [one["@odata.id"].rstrip("/") for one in found or [] if isinstance(one, dict)]


def readings(case: Case) -> tuple[set[tuple[str, float]], int]:
    """(name, value) of each sensor that is there and has its reading where the schema says, and how many are told of, in the older way."""
    good: set[tuple[str, float]] = set()
    told = 0
    for chassis in links((case.system.get("Links") or {}).get("Chassis")):
        body = case.tree.get(chassis, {})
        for resource, group, field in (
            ("Thermal", "Temperatures", "ReadingCelsius"),
            ("Thermal", "Fans", "Reading"),
            ("Power", "Voltages", "ReadingVolts"),
            ("Power", "PowerControl", "PowerConsumedWatts"),
            ("Power", "PowerSupplies", "PowerInputWatts"),
        ):
            link = (body.get(resource) or {}).get("@odata.id", "")
            for row in case.tree.get(link.rstrip("/"), {}).get(group, []):
                told += 1
                name, state = row.get("Name") or row.get("FanName") or row.get("MemberId"), (row.get("Status") or {}).get("State")
                if row.get(field) is not None and state not in GONE:
                    good.add((name, float(row[field])))
    return good, told


@each
def test_sensors(case: Case, tmp_path: Path) -> None:
    """Each one is there with its reading, or left out with a reason."""
    good, told = readings(case)
    with served(case, tmp_path) as service:
        read = driver(case, service).sensors()
        newer = [line for line, _, _ in service.seen if "Subsystem" in line or line.endswith("/Sensors")]
    chassis = links((case.system.get("Links") or {}).get("Chassis"))
    if chassis and not any(one in case.tree for one in chassis):
        assert isinstance(read, PowerFailed), read  # its chassis was not recorded
        assert "does not know" in read.message
        return
    assert isinstance(read, SensorsRead), read
    assert all(one.why and one.name for one in read.left_out)
    assert all(one.value is not None or one.states or one.kind == "Power Supply" for one in read.sensors)
    if not any(line.removeprefix("GET ").rstrip("/") in case.tree for line in newer):
        assert good <= {(one.name, one.value) for one in read.sensors}
        assert told <= len(read.sensors) + len(read.left_out)


@each
def test_the_clock_of_its_manager(case: Case, tmp_path: Path) -> None:
    managers = links((case.system.get("Links") or {}).get("ManagedBy"))
    shows = [case.tree[one].get("DateTime") for one in managers[:2] if one in case.tree]
    with served(case, tmp_path) as service:
        read = driver(case, service).read()
    if not isinstance(read, PowerDone) or not any(shows) or managers[0] not in case.tree:
        pytest.skip("no manager's clock was recorded")
    assert read.clock is not None
    assert read.clock.shows in shows
    assert read.clock.off_s < 0  # recorded in the past


@each
def test_the_one_among_several(case: Case, tmp_path: Path) -> None:
    """Its neighbour is another recording's system, with another UUID and serial."""
    uuid, serial = case.system.get("UUID"), case.system.get("SerialNumber")
    others = [one for one in CASES if one.system.get("UUID") not in (None, uuid) and one.system.get("SerialNumber") != serial]
    if not others or not (uuid or serial):
        pytest.skip("it has neither UUID nor serial")
    neighbour = {"@odata.id": "/redfish/v1/Systems/Neighbour", **{k: v for k, v in others[0].system.items() if k != "@odata.id"}}
    members = {"Members": [{"@odata.id": neighbour["@odata.id"]}, {"@odata.id": case.path}]}
    with served(case, tmp_path) as service:
        service.replies |= {
            f"GET {neighbour['@odata.id']}": neighbour,
            "GET /redfish/v1/Systems": members,
            "GET /redfish/v1/Systems/": members,
        }
        # A recording never shows what was written: the order is read back until its time is over.
        driver(case, service, replace(PACE, web_s=10.0)).set_boot("none", persistent=False, uefi=None)
        asked = [line for line, _, _ in service.seen if line.startswith("PATCH")]
    if case.system.get("PowerState") in STATES:
        assert asked
    assert all(case.path in line for line in asked)
