"""Roles that the engine carries out by the machines' own BMCs, on a rack of simulated machines: BIOS settings, firmware, volumes.

The third machine's BMC speaks Redfish, those of the others IPMI only. Its maker is Supermicro, by which a rule puts it into the group `mine`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from faulty_rack import PLAN, FaultyRack, faulty

from engine.core.hardware import firmware_run
from engine.events import Commit
from engine.files import plan_file
from engine.files.catalog import shipped
from engine.plan import Plan
from engine.racks.bmc.redfish_insides import image
from engine.reasons import sentence
from engine.runtime import bios_orders, volume_orders

ALONE = "{match: {vendor: Supermicro}, group: mine, name: "


def wanted(attributes: str, roles: str, approve: str = "blank") -> Plan:
    """The usual plan with these attributes instead of its BIOS settings and its volume, and with these roles besides."""
    text = PLAN.replace("      bios-wanted: {virtualization: enabled}\n      raid-wanted: {level: raid1}\n", attributes)
    text = text.replace("wipe: blank", f"wipe: {approve}").replace("{network-admin: all,", f"{{{roles}, network-admin: all,")
    text = text.replace("  - {match: {}", f'  - {ALONE}"node-{{number}}"}}\n  - {{match: {{}}')
    return plan_file.read(text, "plan.yml", shipped())


@contextmanager
def rack_of(tmp_path: Path, attributes: str, roles: str, faults: str = "{}", approve: str = "blank") -> Iterator[FaultyRack]:
    with faulty(tmp_path, f"faults: {faults}", nodes=3, wanted=wanted(attributes, roles, approve)) as rack:
        yield rack


def role(rack: FaultyRack, machine: str, name: str) -> Any:
    node = rack.node(machine)
    assert node is not None
    return rack.engine.world.node_roles[node.id, name]


def gave(rack: FaultyRack, machine: str, name: str, attribute: str) -> Any:
    return role(rack, machine, name).gave.get(attribute)


def failure(rack: FaultyRack, machine: str, name: str) -> str:
    """Waits until a role has failed for good."""
    rack.until(lambda: rack.why(machine) == "failed")
    found = role(rack, machine, name)
    assert found.failure is not None, found
    return sentence(found.failure)


def boots(rack: FaultyRack) -> dict[str, Any]:
    return {machine["name"]: machine["boots"] for machine in rack.rack.machines()}


def settings(rack: FaultyRack, machine: str) -> Any:
    return rack.machine(machine)["bios"]


# -- BIOS ----------------------------------------------------------------------------------------------------------

BIOS = "      bios-wanted: {virtualization: enabled, post-delay: 5}\n"


def test_bios_by_the_bmc_with_one_reboot(tmp_path: Path) -> None:
    """m3 gets its settings from its BMC, the others theirs in band: each with one reboot. A replay changes nothing."""
    with rack_of(tmp_path, BIOS, "bios-bmc: all") as rack:
        rack.all_ready()
        for name in ("m1", "m2", "m3"):
            assert (settings(rack, name)["virtualization"], settings(rack, name)["post-delay"]) == ("enabled", "5")
        told = gave(rack, "m3", "bios-bmc", "bios-report")
        assert told["way"] == "redfish"
        assert {(one["setting"], one["have"], one["state"]) for one in told["settings"]} == {
            ("virtualization", "enabled", "read back"),
            ("post-delay", 5, "read back"),
        }
        assert gave(rack, "m1", "bios-bmc", "bios-report")["way"] == "kernel"
        assert boots(rack) == {"m1": 2, "m2": 2, "m3": 2}
        attempts = role(rack, "m3", "bios-bmc").attempt
        rack.engine.submit(Commit(who="again", plan=rack.engine.world.plan))  # type: ignore[arg-type]
        rack.all_ready()
        assert (boots(rack)["m3"], role(rack, "m3", "bios-bmc").attempt) == (2, attempts)


def test_nothing_to_change_is_no_reboot(tmp_path: Path) -> None:
    with rack_of(tmp_path, "      bios-wanted: {hyperthreading: enabled, post-delay: 0}\n", "bios-bmc: all") as rack:
        rack.all_ready()
        assert boots(rack) == {"m1": 1, "m2": 1, "m3": 1}
        assert {one["state"] for one in gave(rack, "m3", "bios-bmc", "bios-report")["settings"]} == {"read back"}


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ("bios-wanted: {hyper-threading: enabled}", "no setting hyper-threading; the nearest are hyperthreading"),
        ("bios-wanted: {post-delay: 31}", "cannot be 31: it can be from 0 to 30"),
    ],
    ids=["no such setting", "out of range"],
)
def test_what_the_registry_does_not_allow_is_refused_before_anything_is_written(tmp_path: Path, attributes: str, words: str) -> None:
    with rack_of(tmp_path, f"      {attributes}\n", "bios-bmc: {group: mine}") as rack:
        assert words in failure(rack, "m3", "bios-bmc")
        assert boots(rack)["m3"] == 1
        assert settings(rack, "m3")["virtualization"] == "disabled"


def test_a_bios_that_accepts_and_does_not_apply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bios_orders, "LOOKS", 2)
    with rack_of(tmp_path, BIOS, "bios-bmc: {group: mine}", "{m3: {bios_lies: true}}") as rack:
        assert "virtualization = enabled does not read back: the BIOS shows disabled" in failure(rack, "m3", "bios-bmc")
        assert boots(rack)["m3"] == 4, "one start for each attempt"


# -- firmware ------------------------------------------------------------------------------------------------------

OF_BIOS = "      firmware-wanted: [{part: bios, version: 3.0.0, file: bios-3.0.0.bin}]\n"
OF_BMC = "      firmware-wanted: [{part: bmc, version: '2.1', file: bmc-2.1.bin}]\n"
BOTH = OF_BIOS.replace("}]", "}, {part: bmc, version: '2.1', file: bmc-2.1.bin}]")


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """The files that the plans' wishes name, in the store's folder."""
    folder = tmp_path / "store" / "firmware"
    folder.mkdir(parents=True)
    for part, version in (("bios", "3.0.0"), ("bmc", "2.1")):
        (folder / f"{part}-{version}.bin").write_bytes(image(part, version))
    return folder


@pytest.mark.usefixtures("shelf")
def test_firmware_of_the_machine_and_of_its_bmc(tmp_path: Path) -> None:
    """The BMC's own is replaced first, and the machine starts once for its BIOS."""
    with rack_of(tmp_path, BOTH, "firmware-bmc: {group: mine}") as rack:
        rack.all_ready()
        told = {one["part"]: (one["had"], one["version"], one["state"]) for one in gave(rack, "m3", "firmware-bmc", "firmware-report")}
        assert told == {"bios": ("2.4.1", "3.0.0", "applied"), "bmc": ("1.0", "2.1", "applied")}
        assert boots(rack) == {"m1": 1, "m2": 1, "m3": 2}
        assert not list((tmp_path / "store" / "bmc-firmware").iterdir())


@pytest.mark.parametrize(
    ("updates", "attributes", "code", "words"),
    [
        ("lies", OF_BIOS, "firmware_failed", "its task completed, and 2.4.1 reads back instead of 3.0.0"),
        ("forgets", OF_BIOS, "firmware_unknown", "its task vanished"),
        ("endless", OF_BMC, "firmware_unknown", "it was accepted, and nothing went away; its task still runs"),
    ],
    ids=["lies", "forgets", "endless"],
)
@pytest.mark.usefixtures("shelf")
def test_bmcs_that_accept_firmware_and_keep_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, updates: str, attributes: str, code: str, words: str
) -> None:
    """`forgets` loses the task, `endless` works on it for ever. None of that is a success."""
    monkeypatch.setattr(firmware_run, "MOST_LOOKS", 12)
    monkeypatch.setattr(firmware_run, "MOST_WRONG", 5)
    with rack_of(tmp_path, attributes, "firmware-bmc: {group: mine}", f"{{m3: {{updates: {updates}}}}}") as rack:
        assert words in failure(rack, "m3", "firmware-bmc")
        assert role(rack, "m3", "firmware-bmc").failure.code == code


# -- volumes -------------------------------------------------------------------------------------------------------

VOLUMES = """\
      raid-wanted: {volumes: [{level: raid1, name: os, boot: true}, {level: raid1, name: data}]}
"""
BY_BMC = "raid-bmc: {group: mine}"


def test_volumes_by_the_bmc(tmp_path: Path) -> None:
    """The BMC makes them of the chosen drives, and the system goes on the one to boot from, which the kernel knows by its WWN."""
    with rack_of(tmp_path, VOLUMES, BY_BMC, approve="all") as rack:
        rack.all_ready()
        made, volumes = gave(rack, "m3", "raid-bmc", "raid-volumes-bmc"), gave(rack, "m3", "raid-configure", "volumes")
        assert [(one["name"], one["line"]) for one in made] == [("os", "raid1 0,1"), ("data", "raid1 2,3")]
        assert [(one["wwn"], one["boot"]) for one in volumes] == [(f"naa.{made[0]['wwn']}", True), (f"naa.{made[1]['wwn']}", False)]
        rows = {row["name"]: row for row in rack.rack.disks() if row["machine"] == "m3"}
        assert rows["os"]["system"] == "debian-12"
        assert {name for name, row in rows.items() if row["kind"] == "disk" and row["wipes"]} == {"sda", "sdb", "sdc", "sdd"}
        assert role(rack, "m1", "raid-configure").gave["volumes"][0]["name"] == "os", "in band, by mdadm"


def test_a_controller_that_accepts_and_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume_orders, "MAKE_S", 3.0)
    with rack_of(tmp_path, VOLUMES, BY_BMC, "{m3: {raid_lies: true}}", approve="all") as rack:
        assert "does not read back" in failure(rack, "m3", "raid-bmc")
        assert not [row for row in rack.rack.disks() if row["machine"] == "m3" and row["wipes"]]


def test_volumes_wait_for_an_approval(tmp_path: Path) -> None:
    """Nobody can see what a drive behind a controller holds, so `wipe: blank` does not cover it."""
    with rack_of(tmp_path, VOLUMES, BY_BMC) as rack:
        rack.until(lambda: rack.why("m3") in ("failed", "approval", "raid_not_blank"))
        assert not [row for row in rack.rack.disks() if row["machine"] == "m3" and row["wipes"]]


# -- firmware by fwupd ---------------------------------------------------------------------------------------------

BY_FWUPD = "      firmware-wanted: [{part: bios, version: 3.0.0, file: bios.cab}]\n"


@pytest.mark.long
def test_firmware_by_fwupd_on_the_machine_itself(tmp_path: Path) -> None:
    """The machine fetches the file from the engine, starts once, and the version reads back. A replay changes nothing."""
    folder = tmp_path / "store" / "firmware"
    folder.mkdir(parents=True)
    (folder / "bios.cab").write_bytes(image("bios", "3.0.0"))
    with faulty(tmp_path, "faults: {}", nodes=1, wanted=wanted(BY_FWUPD, "firmware-fwupd: all")) as rack:
        rack.all_ready()
        [told] = gave(rack, "m1", "firmware-fwupd", "fwupd-report")
        assert (told["version"], told["state"]) == ("3.0.0", "applied")
        assert told["had"] != "3.0.0"
        attempt = role(rack, "m1", "firmware-fwupd").attempt
        before = boots(rack)
        rack.engine.submit(Commit(who="again", plan=rack.engine.world.plan))  # type: ignore[arg-type]
        rack.all_ready()
        assert (boots(rack), role(rack, "m1", "firmware-fwupd").attempt) == (before, attempt)


# -- disks that are written -----------------------------------------------------------------------------------------


@pytest.mark.long
def test_new_disks_are_written_and_a_slow_one_is_named(tmp_path: Path) -> None:
    """m1 is good and becomes ready: written disks still count as blank. m2 has a slow disk, and is put on hold."""
    with faulty(tmp_path, "faults: {m2: {slow_disk: 0}}", nodes=2, wanted=wanted("", "burn-in-write: all")) as rack:
        rack.until(lambda: rack.ready() == {"m1"} and rack.why("m2") not in ("", "-"))
        rack.until(lambda: role(rack, "m2", "burn-in-write").failure is not None)
        assert gave(rack, "m1", "burn-in-write", "burn-in-write-report")["failed"] == 0
        report = gave(rack, "m2", "burn-in-write", "burn-in-write-report")
        assert report["failed"] == 1
        assert "it writes" in sentence(role(rack, "m2", "burn-in-write").failure)
        assert "os-install" not in {
            name for (node, name), one in rack.engine.world.node_roles.items() if one.succeeded and node == rack.node("m2").id
        }  # type: ignore[union-attr]
