"""The inventory by Redfish: recorded trees that are served as they are, a service with odd habits, and sushy-tools' emulator (in
test_power_sushy_tools).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from redfish_rig import QUICK, SYSTEM, Service, redfish, system

from engine.parts import Parts
from engine.power import InventoryRead, PowerFailed, redfish_inventory
from engine.readers import redfish_tree

sys.path.insert(0, str(Path(__file__).parents[1] / "readers"))
from redfish_recordings import TREES, known

GOLDEN = Path(__file__).parent / "inventory_golden.json"
WRITE = os.environ.get("CROWBAR_GOLDEN") == "write"
PACE = replace(QUICK, inventory_s=60.0)
LISTS = (
    "processors",
    "dimms",
    "controllers",
    "drives",
    "volumes",
    "ports",
    "cards",
    "supplies",
    "firmware",
    "bmcs",
    "settings",
    "readings",
)


def served(tree: dict[str, Any], folder: Path) -> Service:
    replies = {f"GET {path}{slash}": body for path, body in tree.items() for slash in ("", "/")}
    systems = sorted(path for path in tree if path.lower().startswith("/redfish/v1/systems/") and path.count("/") == 4)
    root = {"RedfishVersion": "1.6.0", **tree.get("/redfish/v1", {}), "Systems": {"@odata.id": "/redfish/v1/Systems"}}
    root["Links"] = {**root.get("Links", {}), "Sessions": {"@odata.id": "/redfish/v1/SessionService/Sessions"}}
    members = tree.get("/redfish/v1/Systems") or {"Members": [{"@odata.id": path} for path in systems]}
    fixed = {"GET /redfish/v1/": root, "GET /redfish/v1/Systems": members, "GET /redfish/v1/Systems/": members}
    return Service(folder, replies | {"POST /redfish/v1/SessionService/Sessions": (405, {}, {})} | fixed)


def main_system(tree: dict[str, Any]) -> dict[str, Any]:
    whole = redfish_tree.read_tree(tree)
    assert whole.system is not None
    return {"uuid": whole.system.uuid, "serial": whole.system.serial}


@known
@pytest.mark.parametrize("machine", sorted(TREES))
def test_a_recorded_machine(machine: str, tmp_path: Path) -> None:
    """What the walk finds by links is what all recorded resources say together, as far as links lead to them."""
    tree = TREES[machine]
    with served(tree, tmp_path) as service:
        found = redfish(service.port, PACE, **main_system(tree)).inventory()
        asked = [line for line, _, _ in service.seen]
    assert isinstance(found, InventoryRead), found
    whole = redfish_tree.read_tree(tree)
    assert found.parts.system == whole.system
    assert len(asked) - len(set(asked)) <= 4, "no resource is asked for twice, but those of the login"
    known = {one.serial for one in whole.drives} | {""}
    assert all(one.serial in known for one in found.parts.drives)
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    now = {name: len(getattr(found.parts, name)) for name in LISTS if getattr(found.parts, name)} | {"memory": found.parts.memory >> 30}
    if WRITE:
        GOLDEN.write_text(json.dumps(dict(sorted((golden | {machine: now}).items())), indent=1) + "\n")
        return
    assert now == golden[machine]


# -- a service with odd habits --

OK = {"State": "Enabled", "Health": "OK"}


def typed(kind: str, path: str, **members: Any) -> dict[str, Any]:
    return {"@odata.type": f"#{kind}.v1_0_0.{kind}", "@odata.id": path, **members}


def dimm(number: int) -> dict[str, Any]:
    return typed("Memory", f"{SYSTEM}/Memory/{number}", DeviceLocator=f"A{number}", CapacityMiB=16384, Status=OK)


def machine(**more: Any) -> dict[str, Any]:
    tree = {
        SYSTEM: typed("ComputerSystem", SYSTEM, **system(), SerialNumber="S1", Memory={"@odata.id": f"{SYSTEM}/Memory"}, Status=OK),
        f"{SYSTEM}/Memory": {"Members": [{"@odata.id": f"{SYSTEM}/Memory/{n}"} for n in (1, 2)]},
        f"{SYSTEM}/Memory/1": dimm(1),
        f"{SYSTEM}/Memory/2": dimm(2),
    }
    return tree | more


@pytest.fixture
def rig(tmp_path: Path) -> Any:
    """Serves a tree, and reads its inventory."""
    services: list[Service] = []

    def read(tree: dict[str, Any], **pace: float) -> tuple[InventoryRead | PowerFailed, list[str]]:
        service = served(tree, tmp_path)
        services.append(service)
        with service:
            found = redfish(service.port, replace(PACE, **pace)).inventory()
            return found, [line for line, _, _ in service.seen]

    return read


def parts(found: InventoryRead | PowerFailed) -> Parts:
    assert isinstance(found, InventoryRead), found
    return found.parts


def test_a_small_machine(rig: Any) -> None:
    found, _ = rig(machine())
    assert [one.place for one in parts(found).dimms] == ["A1", "A2"]
    assert parts(found).memory == 32 << 30
    assert found.left_out == ()


def test_pages_and_a_circle(rig: Any) -> None:
    pages = {
        f"{SYSTEM}/Memory": {"Members": [{"@odata.id": f"{SYSTEM}/Memory/1"}], "Members@odata.nextLink": f"{SYSTEM}/Memory?$skip=1"},
        f"{SYSTEM}/Memory?$skip=1": {"Members": [{"@odata.id": f"{SYSTEM}/Memory/2"}], "Members@odata.nextLink": f"{SYSTEM}/Memory"},
    }
    found, asked = rig(machine(**pages))
    assert [one.place for one in parts(found).dimms] == ["A1", "A2"]
    assert asked.count(f"GET {SYSTEM}/Memory") == 1


def test_members_that_are_written_out(rig: Any) -> None:
    found, asked = rig(machine(**{f"{SYSTEM}/Memory": {"Members": [dimm(1), dimm(2)]}}))
    assert len(parts(found).dimms) == 2
    assert f"GET {SYSTEM}/Memory/1" not in asked


@pytest.mark.parametrize("works", [True, False])
def test_expand_where_it_is_offered(works: bool, rig: Any) -> None:
    query = f"{SYSTEM}/Memory?$expand=.($levels=1)"
    root = {"/redfish/v1": {"ProtocolFeaturesSupported": {"ExpandQuery": {"NoLinks": True}}}}
    found, asked = rig(machine(**root, **({query: {"Members": [dimm(1), dimm(2)]}} if works else {})))
    assert len(parts(found).dimms) == 2
    assert f"GET {query}" in asked
    assert (f"GET {SYSTEM}/Memory/1" in asked) == (not works)


def test_nothing_leads_to_another_host(rig: Any) -> None:
    evil = {
        "Members": [
            {"@odata.id": "https://192.0.2.1/redfish/v1/Systems/1/Memory/1"},
            {"@odata.id": "//192.0.2.1/x"},
            {"@odata.id": f"{SYSTEM}/Memory/2"},
            7,
        ]
    }
    found, asked = rig(machine(**{f"{SYSTEM}/Memory": evil}))
    assert [one.place for one in parts(found).dimms] == ["A2"]
    assert not any("192.0.2.1" in line for line in asked)


def test_what_cannot_be_read_is_named(rig: Any) -> None:
    tree = machine()
    del tree[f"{SYSTEM}/Memory/2"]
    found, _ = rig(tree)
    assert len(parts(found).dimms) == 1
    assert [one.name for one in found.left_out] == [f"{SYSTEM}/Memory/2"]
    assert "does not know" in found.left_out[0].why


def test_a_tree_without_an_end(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redfish_inventory, "MOST_REQUESTS", 40)
    members = {"Members": [{"@odata.id": f"{SYSTEM}/Memory/{n}"} for n in range(1, 400)]}
    found, asked = rig(machine(**{f"{SYSTEM}/Memory": members}, **{f"{SYSTEM}/Memory/{n}": dimm(n) for n in range(1, 400)}))
    assert 30 < len(parts(found).dimms) < 41
    assert len(asked) < 50
    assert "40 answers were read" in found.left_out[-1].why


def test_the_time_is_over(rig: Any) -> None:
    """What was read by then is the result; the call ends in time."""
    found, _ = rig(machine(), inventory_s=1.0)
    assert isinstance(found, InventoryRead | PowerFailed)
    if isinstance(found, InventoryRead):
        assert any("time of the call" in one.why for one in found.left_out)


def test_neighbours_in_one_enclosure(rig: Any) -> None:
    """Chassis of other systems are theirs."""
    mine, other = "/redfish/v1/Chassis/1", "/redfish/v1/Chassis/2"
    supply = {"PowerSupplies": [{"Name": "P", "MemberId": "P", "SerialNumber": "X", "Status": OK}]}
    tree = machine(**{
        "/redfish/v1": {"Chassis": {"@odata.id": "/redfish/v1/Chassis"}},
        "/redfish/v1/Chassis": {"Members": [{"@odata.id": mine}, {"@odata.id": other}]},
        mine: typed("Chassis", mine, ChassisType="Sled", Links={"ComputerSystems": [{"@odata.id": SYSTEM}]}),
        other: typed("Chassis", other, ChassisType="Sled", Links={"ComputerSystems": [{"@odata.id": "/redfish/v1/Systems/2"}]}, Power={"@odata.id": f"{other}/Power"}),
        f"{other}/Power": typed("Power", f"{other}/Power", **supply),
    })  # fmt: skip
    found, asked = rig(tree)
    assert parts(found).supplies == ()
    assert f"GET {other}/Power" not in asked


def test_the_registry_of_the_bios(rig: Any) -> None:
    bios, registry = f"{SYSTEM}/Bios", "/redfish/v1/Registries/BiosReg.v1"
    tree = machine(**{
        SYSTEM: typed("ComputerSystem", SYSTEM, **system(), Bios={"@odata.id": bios}),
        "/redfish/v1": {"Registries": {"@odata.id": "/redfish/v1/Registries"}},
        "/redfish/v1/Registries": {"Members": [{"@odata.id": "/redfish/v1/Registries/Base"}, {"@odata.id": registry}]},
        registry: typed("MessageRegistryFile", registry, Location=[{"Language": "zh", "Uri": "/reg/zh.json"}, {"Language": "en", "Uri": "/reg/en.json"}]),
        "/reg/en.json": {"RegistryEntries": {"Attributes": [{"AttributeName": "Virt", "Type": "Boolean"}]}},
        bios: typed("Bios", bios, AttributeRegistry="BiosReg.v1", Attributes={"Virt": False}, **{"@Redfish.Settings": {"SettingsObject": {"@odata.id": f"{bios}/SD"}}}),
        f"{bios}/SD": typed("Bios", f"{bios}/SD", Attributes={"Virt": True}),
    })  # fmt: skip
    found, _ = rig(tree)
    assert [(one.name, one.value, one.pending, one.type) for one in parts(found).settings] == [("Virt", False, True, "flag")]


@pytest.mark.parametrize("long", [False, True])
def test_a_long_registry(long: bool, rig: Any) -> None:
    """A registry of 2 MiB is read; one of 10 MiB is left out, and so is any other answer of 2 MiB."""
    bios, registry = f"{SYSTEM}/Bios", "/redfish/v1/Registries/BiosReg.v1"
    entries = [{"AttributeName": f"S{n}", "Type": "Boolean", "HelpText": "x" * 2000} for n in range(5000 if long else 1000)]
    tree = machine(**{
        SYSTEM: typed("ComputerSystem", SYSTEM, **system(), Bios={"@odata.id": bios}, Memory={"@odata.id": f"{SYSTEM}/Memory"}),
        f"{SYSTEM}/Memory/2": {**dimm(2), "Description": "x" * (2 << 20)},
        "/redfish/v1": {"Registries": {"@odata.id": "/redfish/v1/Registries"}},
        "/redfish/v1/Registries": {"Members": [{"@odata.id": registry}]},
        registry: typed("MessageRegistryFile", registry, Location=[{"Uri": "/reg.json"}]),
        "/reg.json": {"RegistryEntries": {"Attributes": entries}},
        bios: typed("Bios", bios, AttributeRegistry="BiosReg.v1", Attributes={"S1": True}),
    })  # fmt: skip
    found, _ = rig(tree)
    assert [one.place for one in parts(found).dimms] == ["A1"]
    assert len(parts(found).settings) == (1 if long else 1000)
    assert [("registry" in one.name or "Memory/2" in one.name) for one in found.left_out] == [True] * (2 if long else 1)


def test_a_system_that_cannot_be_read(rig: Any) -> None:
    tree = machine()
    tree[SYSTEM] = (500, {}, {})
    found, _ = rig(tree)
    assert isinstance(found, PowerFailed)
