"""The works of the jig `bmc`, by the power orders' own door, on simulated BMCs: what is read, refused, accepted and read back. The machine
behind the BMC holds the state, so settings wait for a start."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bmc_machine import Machine
from msgspec.structs import replace

from engine.core.hardware.bios_ways import WAYS, ways_of
from engine.core.world.load import load_world
from engine.definitions import RoleDef
from engine.effects import Start
from engine.files.catalog import shipped
from engine.jigs import Order
from engine.jigs.bmc import BmcTask, OverTime, Work
from engine.model import Bmc, Node, NodeRole
from engine.power import BiosRead, Pace
from engine.racks.bmc.ipmi import BmcFarm
from engine.racks.bmc.redfish import RedfishFarm
from engine.racks.bmc.redfish_insides import InsideDrive, InsideVolume, image
from engine.racks.simulated.families import CHOICES, NUMBERS
from engine.reasons import Reason, sentence
from engine.runtime import bios_orders
from engine.runtime.bios_orders import BiosOrders
from engine.runtime.config import Config
from engine.runtime.firmware_orders import FirmwareOrders
from engine.runtime.power_orders import PowerOrders
from engine.runtime.volume_orders import RaidReports, VolumeOrders
from engine.wire.agent import Ended
from engine.wire.reach import Reach

REACH = Reach(os.getpid() % 200 + 20)  # a lane of its own for each worker of the tests
ADDRESS = f"10.0.{os.getpid() // 200 % 200}.33"
NODE = Node(id="n1", name="n1", allocated=True, bmc=Bmc(address=ADDRESS, entered=True), firmware="efi", boot_id="b1")
CATALOG = shipped()
BARCLAMPS = Path(CATALOG.folders["bios"]).parent
Result = Ended | Reason


class Inside:
    """A machine's inside that obeys at once, except for what waits for its start."""

    def __init__(self) -> None:
        self.now = {"virtualization": "disabled", "post-delay": "0", "hyperthreading": "enabled"}
        self.later: dict[str, str] = {}
        self.firmware = {"bios": "1.0", "bmc": "1.0"}
        self.pending: dict[str, str] = {}
        self.made: list[InsideVolume] = []
        self.updates = ""
        self.lies = False

    def start(self) -> None:
        if not self.lies:
            self.now |= self.later
            self.firmware |= self.pending
        self.later, self.pending = {}, {}

    def settings(self) -> dict[str, str]:
        return dict(self.now)

    def waiting(self) -> dict[str, str]:
        return dict(self.later)

    def write(self, settings: dict[str, str]) -> None:
        self.later = {**self.later, **settings}

    def choices(self) -> dict[str, tuple[str, ...]]:
        return CHOICES

    def numbers(self) -> dict[str, tuple[int, int]]:
        return NUMBERS

    def versions(self) -> dict[str, str]:
        return dict(self.firmware)

    def staged(self) -> dict[str, str]:
        return dict(self.pending)

    def stage(self, part: str, version: str) -> None:
        (self.firmware if part == "bmc" else self.pending)[part] = version

    def drives(self) -> list[InsideDrive]:
        return [
            InsideDrive(serial=f"S{n}", size=10**12, rotational=True, protocol="SAS", wwn=f"naa.5000c50000000{n:03x}") for n in range(4)
        ]

    def volumes(self) -> list[InsideVolume]:
        return list(self.made)

    def make(self, name: str, level: str, serials: list[str]) -> None:
        if not self.lies:
            wwn = f"6{len(self.made):031x}"
            self.made.append(InsideVolume(name=name, level=level, serials=tuple(serials), size=10**12, wwn=wwn))

    def delete(self, wwn: str) -> None:
        self.made = [one for one in self.made if one.wwn != wwn]


class Rig:
    """Works on one BMC. `log`: what they said."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.log: list[str] = []
        self.gave: dict[str, dict[str, Any]] = {}
        self.node = NODE
        pace = Pace(total_s=5.0, web_s=5.0, inventory_s=20.0, firmware_s=20.0, greet_s=2.0, rest_s=0.0, poll_s=0.05)
        self.orders = PowerOrders(
            Config(store=store, keys=store, reach=REACH), lambda _: ("root", "calvin"), lambda *_: False, lambda: pace, self.world
        )

    def world(self) -> Any:
        rows = {("n1", name): NodeRole(node="n1", role=name, deployment="system", gave=gave) for name, gave in self.gave.items()}
        return load_world(CATALOG, {"node_roles": rows})

    def work(self, kind: Callable[..., Work]) -> Work:
        if kind is RaidReports:
            return kind(self.orders)
        return kind(self.orders, self.world, self.store, lambda _s: 0.0) if kind is FirmwareOrders else kind(self.orders, self.world)

    def run(self, kind: Callable[..., Work], role: str, attributes: dict[str, Any], action: Any = "run", leg: int = 0) -> Result:
        definition: RoleDef = CATALOG.roles[role]
        order = Order(
            start=Start(attempt=f"a-1.{leg}", node="n1", role=role, action=action),
            node=self.node,
            role=definition,
            folder=str(BARCLAMPS / definition.barclamp / "roles" / role),
            attributes=attributes,
            timeout_s=60.0,
        )
        return self.work(kind)(BmcTask(order, self.log.append, threading.Event()))


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


@pytest.fixture
def inside() -> Inside:
    return Inside()


@pytest.fixture
def bmc(redfish_farm: RedfishFarm, machine: Machine, inside: Inside) -> Any:
    return redfish_farm.add(*REACH(ADDRESS, 443), machine, insides=inside)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bios_orders, "LOOK_AGAIN_S", 0.0)


def bios(rig: Rig, action: str = "run", **wanted: Any) -> Result:
    attributes = {"bios-wanted": wanted.pop("settings", {}), "bios-set": wanted.get("set", ""), "bios-way": wanted.get("way", "auto")}
    return rig.run(BiosOrders, "bios-bmc", attributes, action)


def report(done: Result) -> Any:
    assert isinstance(done, Ended), done
    return done.gives["bios-report"]


# -- the simulated BMC, by the driver ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("bmc")
def test_the_registry_comes_with_the_settings(rig: Rig) -> None:
    read, failed = rig.orders.by_redfish(NODE, lambda power: power.bios())
    assert failed is None
    assert isinstance(read, BiosRead)
    known = {one.name: one for one in read.settings}
    assert (known["post-delay"].type, known["post-delay"].value, known["post-delay"].most) == ("number", 0, 30)
    assert (known["virtualization"].type, known["virtualization"].allowed) == ("choice", ("enabled", "disabled"))


# -- BIOS ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("bmc")
def test_accepted_applied_read_back(rig: Rig, inside: Inside) -> None:
    done = bios(rig, settings={"virtualization": "enabled", "post-delay": "5"})
    assert isinstance(done, Ended)
    assert done.exit == 64
    assert {one["state"] for one in report(done)["settings"]} == {"accepted"}
    early = bios(rig, "verify", settings={"virtualization": "enabled"})
    assert isinstance(early, Ended)
    assert (early.exit, "accepted and is not applied" in early.message) == (1, True)
    again = bios(rig, settings={"virtualization": "enabled", "post-delay": 5})
    assert isinstance(again, Ended)
    assert again.exit == 64, "it waits: only the start is missing"
    inside.start()
    last = bios(rig, "verify", settings={"virtualization": "enabled", "post-delay": 5})
    assert isinstance(last, Ended)
    assert last.exit == 0
    assert {(one["setting"], one["state"]) for one in report(last)["settings"]} == {
        ("virtualization", "read back"),
        ("post-delay", "read back"),
    }
    same = bios(rig, settings={"virtualization": "enabled", "post-delay": 5})
    assert isinstance(same, Ended)
    assert same.exit == 0, "nothing to change, so no reboot"
    assert not any("calvin" in line for line in rig.log)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"virtualisation": "enabled"}, "bios_unknown_setting"),
        ({"post-delay": 31}, "bios_wrong_value"),
        ({"post-delay": True}, "bios_wrong_value"),
        ({"virtualization": "maybe"}, "bios_wrong_value"),
        ({"virtualization": "enabled", "post-delay": -1}, "bios_wrong_value"),
    ],
    ids=["unknown", "too much", "no number", "no choice", "one of two"],
)
@pytest.mark.usefixtures("bmc")
def test_nothing_is_written_where_something_is_refused(rig: Rig, inside: Inside, settings: dict[str, Any], code: str) -> None:
    refused = bios(rig, settings=settings)
    assert isinstance(refused, Reason), refused
    assert refused.code == code
    assert inside.later == {}


@pytest.mark.usefixtures("bmc")
def test_a_bios_that_does_not_apply(rig: Rig, inside: Inside) -> None:
    inside.lies = True
    bios(rig, settings={"virtualization": "enabled"})
    inside.start()
    found = bios(rig, "verify", settings={"virtualization": "enabled"})
    assert isinstance(found, Ended)
    assert (found.exit, found.message) == (1, "virtualization = enabled does not read back: the BIOS shows disabled")


def test_sets(rig: Rig) -> None:
    unknown = bios(rig, set="Virtualization")
    assert isinstance(unknown, Reason)
    assert unknown.code == "bios_no_family"
    rig.gave["inventory"] = {"vendor": "Dell Inc.", "product": "PowerEdge R750"}
    other = bios(rig, set="Virtual")
    assert isinstance(other, Reason)
    assert other.code == "bios_no_set"


def test_nobody_is_asked_without_need(rig: Rig) -> None:
    """There is no BMC here at all."""
    assert report(bios(rig))["way"] == ""
    assert report(bios(rig, settings={"a": "b"}, way="kernel"))["way"] == "kernel"
    rig.gave["inventory"] = {"vendor": "Dell Inc.", "product": "OptiPlex 7090"}
    assert report(bios(rig, settings={"a": "b"}))["way"] == "kernel"


def test_a_silent_bmc_is_a_failure_and_no_reason_for_another_way(rig: Rig) -> None:
    silent = bios(rig, settings={"virtualization": "enabled"})
    assert isinstance(silent, Reason)
    assert silent.code == "power_failed"


def test_a_bmc_without_redfish_leaves_it_to_the_kernel(rig: Rig, farm: BmcFarm, machine: Machine) -> None:
    farm.add(*REACH(ADDRESS, 623), machine)
    told = report(bios(rig, settings={"virtualization": "enabled"}))
    assert (told["way"], "only Redfish" in told["why"]) == ("kernel", True)
    only = bios(rig, settings={"virtualization": "enabled"}, way="redfish")
    assert isinstance(only, Reason)
    assert only.code == "power_failed"


def test_a_redfish_service_without_bios(rig: Rig, redfish_farm: RedfishFarm, machine: Machine) -> None:
    redfish_farm.add(*REACH(ADDRESS, 443), machine)
    assert report(bios(rig, settings={"virtualization": "enabled"}))["way"] == "kernel"


def test_the_table_of_ways() -> None:
    assert ways_of("Dell Inc.", "PowerEdge R640") == ("redfish", "kernel")
    assert ways_of("LENOVO", "ThinkPad T14") == ("kernel",)
    assert ways_of("", "") == ("redfish", "kernel")
    assert ways_of("Dell Inc.", "Precision 3660", "redfish") == ("redfish",)
    assert all(row.seen and row.ways for row in WAYS)
    assert WAYS[-1].products == ("*",)


# -- firmware ------------------------------------------------------------------------------------------------------

WISH = {"part": "bios", "version": "2.0", "file": "bios.bin"}


def firmware(rig: Rig, *wishes: dict[str, Any], action: str = "run") -> Result:
    return rig.run(FirmwareOrders, "firmware-bmc", {"firmware-wanted": list(wishes)}, action)


def shelve(rig: Rig, name: str, content: bytes) -> None:
    (rig.store / "firmware").mkdir(exist_ok=True)
    (rig.store / "firmware" / name).write_bytes(content)


@pytest.mark.usefixtures("bmc")
def test_a_bios_is_staged_once_started_once_and_read_back_three_times(rig: Rig, inside: Inside) -> None:
    shelve(rig, "bios.bin", image("bios", "2.0"))
    exits = []
    for _ in range(12):
        done = firmware(rig, WISH)
        assert isinstance(done, Ended), done
        exits.append(done.exit)
        if done.exit == 192:
            inside.start()
            rig.node = replace(NODE, boot_id="b2")
        if done.exit == 0:
            break
    assert exits == [128, 128, 128, 128, 192, 128, 128, 0], exits
    assert done.gives["firmware-report"] == [
        {"part": "bios", "had": "1.0", "version": "2.0", "wanted": "2.0", "state": "applied", "why": ""}
    ]
    assert sum("accepted: bios 2.0" in line for line in rig.log) == 1
    again = firmware(rig, WISH)
    assert isinstance(again, Ended)
    assert (again.exit, again.gives["firmware-report"][0]["state"]) == (0, "read back")


@pytest.mark.usefixtures("bmc")
def test_a_killed_engine_goes_on_looking(rig: Rig, inside: Inside) -> None:
    """What is under way is on the disk: another engine stages nothing again."""
    shelve(rig, "bios.bin", image("bios", "2.0"))
    firmware(rig, WISH)
    other = Rig(rig.store)
    looked = firmware(other, WISH, action="verify")
    assert isinstance(looked, Ended)
    assert (looked.exit, looked.message) == (1, "the update of bios is under way")
    firmware(other, WISH)
    assert not any("accepted:" in line for line in other.log)
    assert inside.pending == {"bios": "2.0"}


@pytest.mark.parametrize(
    ("wish", "code", "words"),
    [
        ({**WISH, "file": "none.bin"}, "firmware_no_file", "No such file"),
        ({**WISH, "file": "../keys"}, "firmware_no_file", "keys: No such file"),
        ({**WISH, "sha256": "0" * 64}, "firmware_no_file", "another SHA-256"),
        ({"part": "bios", "version": "2.0"}, "firmware_cannot", "no file for it is in the bundle"),
        ({**WISH, "version": "GDC6602Q"}, "firmware_cannot", "which of"),
        ({**WISH, "file": "junk.bin"}, "power_failed", "no firmware of this machine"),
        ({"part": "bios"}, "bad_result", "version"),
    ],
    ids=["no file", "outside", "another file", "none named", "no order", "refused", "no version"],
)
@pytest.mark.usefixtures("bmc")
def test_what_cannot_be_staged(rig: Rig, inside: Inside, wish: dict[str, Any], code: str, words: str) -> None:
    shelve(rig, "bios.bin", image("bios", "2.0"))
    shelve(rig, "junk.bin", b"MZ")
    failed = firmware(rig, wish)
    assert isinstance(failed, Reason), failed
    assert failed.code == code
    assert words in sentence(failed)
    assert inside.pending == {}
    assert firmware(rig, {**WISH, "version": "0.9"}).exit == 0  # type: ignore[union-attr]  # newer than wanted: reported, and nothing is under way


# -- volumes -------------------------------------------------------------------------------------------------------


def volume(name: str, level: str, *drives: int, serial: str = "S") -> dict[str, Any]:
    members = [{"name": f"RAID1/{n}", "serial": f"{serial}{n}", "size": 10**12} for n in drives]
    return {"tool": "redfish", "controller": "RAID1", "name": name, "level": level, "members": members, "spares": [], "stripe": 0}


def raid(rig: Rig, *volumes: dict[str, Any], action: str = "run") -> Result:
    looked = rig.run(RaidReports, "raid-discover-bmc", {})
    assert isinstance(looked, Ended), looked
    rig.gave["raid-discover-bmc"] = looked.gives
    return rig.run(VolumeOrders, "raid-bmc", {"raid-disks": {"volumes": list(volumes)}}, action)


@pytest.mark.usefixtures("bmc")
def test_volumes_are_made_once_and_known_by_their_wwn(rig: Rig, inside: Inside) -> None:
    before = raid(rig, volume("os", "raid1", 0, 1), action="verify")
    assert isinstance(before, Ended)
    assert (before.exit, before.message) == (1, "volume os does not read back from RAID1")
    done = raid(rig, volume("os", "raid1", 0, 1), volume("rest", "jbod", 2, 3))
    assert isinstance(done, Ended)
    assert [(one["name"], one["line"]) for one in done.gives["raid-volumes-bmc"]] == [
        ("os", "raid1 0,1"),
        ("rest0", "raid0 2"),
        ("rest1", "raid0 3"),
    ]
    assert done.gives["raid-volumes-bmc"][0]["wwn"] == inside.made[0].wwn
    wwns = [one.wwn for one in inside.made]
    again = raid(rig, volume("os", "raid1", 0, 1), volume("rest", "jbod", 2, 3))
    assert isinstance(again, Ended)
    assert again.exit == 0
    assert [one.wwn for one in inside.made] == wwns, "right volumes stay as they are"
    seen = raid(rig, volume("os", "raid1", 0, 1), action="verify")
    assert isinstance(seen, Ended)
    assert seen.exit == 0


@pytest.mark.usefixtures("bmc")
def test_an_exchanged_drive_stops_it(rig: Rig, inside: Inside) -> None:
    failed = raid(rig, volume("os", "raid1", 0, 1, serial="X"))
    assert isinstance(failed, Reason)
    assert "approved is X0" in sentence(failed)
    assert inside.made == []


@pytest.mark.usefixtures("bmc")
def test_a_wrong_volume_goes_only_if_all_its_drives_were_chosen(rig: Rig, inside: Inside) -> None:
    inside.make("old", "raid1", ["S1", "S2"])
    failed = raid(rig, volume("os", "raid1", 0, 1))
    assert isinstance(failed, Reason)
    assert "which nobody chose" in sentence(failed)
    done = raid(rig, volume("os", "raid1", 0, 1), volume("data", "raid1", 2, 3))
    assert isinstance(done, Ended)
    assert {one.name for one in inside.made} == {"os", "data"}


@pytest.mark.usefixtures("bmc")
def test_a_drive_that_is_not_there_any_more(rig: Rig) -> None:
    failed = raid(rig, volume("os", "raid1", 0, 9))
    assert isinstance(failed, Reason)
    assert "is not there any more" in sentence(failed)


def test_no_controller_and_no_wish(rig: Rig, farm: BmcFarm, machine: Machine) -> None:
    farm.add(*REACH(ADDRESS, 623), machine)
    done = raid(rig)
    assert isinstance(done, Ended)
    assert rig.gave["raid-discover-bmc"] == {"raid-report-bmc": []}


def test_a_task_ends_with_its_time(rig: Rig) -> None:
    order = Order(start=Start(attempt="a-1.0", node="n1", role="r", action="run"), node=NODE, role=CATALOG.roles["bios-bmc"], timeout_s=0.0)
    with pytest.raises(OverTime):
        BmcTask(order, rig.log.append, threading.Event()).pause(1.0)
