"""fwupd-discover and firmware-fwupd: what is listed, fetched, accepted, applied and read back. Once with the real fwupdtool."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from fwupd_lab import DEVICE, OTHER, Firmware, step, wants
from node_folder import Machine

from engine.core.hardware.fwupd_steps import fwupd_steps
from engine.core.world.load import load_world
from engine.files.catalog import shipped
from engine.files.firmware_shelf import MOST, FirmwareShelf
from engine.model import Node, NodeRole
from engine.runtime.handles import Handles
from engine.trust.tokens import Keys
from engine.trust.vault import Vault

BIOS = {"part": "bios", "version": "1.1.0", "file": "bios.cab"}


def reports(machine: Machine, attributes: dict[str, Any], action: str = "run") -> tuple[int, list[tuple[str, str]], str]:
    done = machine.run("firmware-fwupd", attributes, action)
    rows = done.gives["fwupd-report"] if isinstance(done.gives, dict) else []
    return done.code, [(one["version"], one["state"]) for one in rows], done.err


def test_what_fwupd_lists(machine: Machine) -> None:
    Firmware(machine)
    found = machine.run("fwupd-discover", {}).gives["fwupd-devices"]
    assert [(one["DeviceId"], one["Version"], one["Flags"]) for one in found] == [
        (DEVICE, "1.0.0", ["updatable"]),
        (OTHER, "1.2.2", ["updatable"]),
    ]
    assert found[1]["Name"] == 'BCM5719 "quad"'


def test_without_fwupd_or_devices_the_list_is_empty(machine: Machine) -> None:
    done = machine.run("fwupd-discover", {})
    assert (done.code, done.gives) == (0, {"fwupd-devices": []})
    assert "not in this image" in done.out
    Firmware(machine).change(devices=[])
    assert machine.run("fwupd-discover", {}).gives == {"fwupd-devices": []}
    assert reports(machine, wants({})) == (0, [], "")


def test_a_device_that_updates_at_once(machine: Machine) -> None:
    firmware = Firmware(machine)
    asked = wants(firmware.file("bios.cab", "cab of 1.1.0\n"), step())
    assert reports(machine, asked, "verify")[0] == 1
    assert reports(machine, asked) == (0, [("1.1.0", "applied")], "")
    assert firmware.versions[DEVICE] == "1.1.0"
    assert reports(machine, asked, "verify") == (0, [("1.1.0", "applied")], "")
    before = len(machine.calls)
    assert reports(machine, asked) == (0, [("1.1.0", "applied")], "")
    assert not any("install" in call or "curl" in call for call in machine.calls[before:]), "nothing is written again"
    assert not any("n1.tag.mac" in call for call in machine.calls), "the ticket is in no argument list"


def test_a_device_that_needs_a_start(machine: Machine) -> None:
    firmware = Firmware(machine)
    firmware.at_next_start()
    asked = wants(firmware.file("bios.cab", "cab of 1.1.0\n"), step())
    assert reports(machine, asked) == (64, [("1.0.0", "accepted")], "")
    assert reports(machine, asked, "verify")[0] == 1, "a promise is not enough"
    firmware.start()
    assert reports(machine, asked, "verify") == (0, [("1.1.0", "applied")], "")


def test_an_update_that_is_accepted_and_not_applied(machine: Machine) -> None:
    firmware = Firmware(machine)
    firmware.change(lies=True)
    code, rows, err = reports(machine, wants(firmware.file("bios.cab", "cab of 1.1.0\n"), step()))
    assert (code, rows) == (1, [])
    assert "the file was accepted, and 1.0.0 reads back instead of 1.1.0" in err


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"files": {}}, 1, "is not in the folder firmware"),
        ({"sha256": "0" * 64}, 66, "another SHA-256 than is wanted"),
        ({"content": "no cabinet"}, 1, "FuStructCabHeader"),
        ({"other": True}, 1, "came with another SHA-256"),
        ({"refused": "bios 1.0 cannot become x"}, 66, "cannot become"),
    ],
)
def test_what_is_refused(machine: Machine, change: dict[str, Any], code: int, words: str) -> None:
    firmware = Firmware(machine)
    files = firmware.file("bios.cab", change.get("content", "cab of 1.1.0\n"))
    if "other" in change:
        machine.write("engine/bios.cab", "cab of 6.6.6\n")
    asked = wants(change.get("files", files), step(**({"sha256": change["sha256"]} if "sha256" in change else {})))
    if "refused" in change:
        asked["fwupd-steps"] = {"refused": change["refused"]}
    found, rows, err = reports(machine, asked)
    assert (found, rows) == (code, [])
    assert words in err
    assert firmware.versions[DEVICE] == "1.0.0"


def test_an_older_version_goes_on_only_where_it_is_allowed(machine: Machine) -> None:
    firmware = Firmware(machine)
    files = firmware.file("bios.cab", "cab of 0.9.0\n")
    assert reports(machine, wants(files, step(wanted="0.9.0")))[0] == 1
    assert reports(machine, wants(files, step(wanted="0.9.0", older=True))) == (0, [("0.9.0", "applied")], "")


# -- what the engine computes --------------------------------------------------------------------------------------


def steps(wanted: Any, *devices: dict[str, Any]) -> Any:
    node = Node(id="n1", name="n1")
    told = NodeRole(node="n1", role="fwupd-discover", deployment="system", gave={"fwupd-devices": list(devices)})
    about = NodeRole(node="n1", role="inventory", deployment="system", gave={"vendor": "Acme", "product": "One"})
    world = load_world(shipped(), {"nodes": {"n1": node}, "node_roles": {one.key: one for one in (told, about)}})
    return fwupd_steps(world, node, wanted)


def device(version: str = "1.0.0", *flags: str) -> dict[str, Any]:
    return {
        "DeviceId": DEVICE,
        "Name": "System Firmware",
        "Plugin": "uefi_capsule",
        "Version": version,
        "Flags": list(flags or ("updatable",)),
    }


def test_the_engine_compares_versions_and_names_the_device() -> None:
    assert steps([BIOS], device())["steps"] == [step()]
    assert steps([BIOS], device("1.1.0"))["steps"][0]["had"] == "1.1.0"
    assert steps([BIOS | {"file": "bios.bin"}], device()) == {"steps": []}, "that one is for the BMC"
    assert steps([BIOS | {"product": "Other *"}], device()) == {"steps": []}
    assert steps([BIOS], device("1.2.0")) == {"steps": []}, "newer, and it may not go back"
    assert steps([BIOS | {"back": True}], device("1.2.0"))["steps"][0]["older"] is True
    assert steps([BIOS]) == {"steps": []}, "fwupd does not list it"
    assert steps([BIOS | {"sha256": "AB" * 32}], device())["steps"][0]["sha256"] == "ab" * 32


@pytest.mark.parametrize(
    ("wanted", "devices", "words"),
    [
        ([BIOS], [device("build-x7", "updatable")], "cannot be told"),
        ([BIOS], [device("1.0.0", "internal")], "cannot be updated"),
        ([{"part": 7}], [], "cannot be read"),
    ],
)
def test_what_cannot_be_carried_out_refuses_all(wanted: Any, devices: list[dict[str, Any]], words: str) -> None:
    assert words in steps(wanted, *devices)["refused"]


def test_odd_reports_of_a_machine_stop_nothing() -> None:
    for odd in ({}, {"DeviceId": 7, "Version": []}, {"Flags": "updatable", "Version": "1"}):
        assert steps([BIOS], odd) == {"steps": []}


def test_the_shelf_serves_plain_files_only(tmp_path: Path) -> None:
    shelf = FirmwareShelf(tmp_path)
    assert shelf.cabinets() == {}
    shelf.folder.mkdir()
    (shelf.folder / "a.cab").write_text("one")
    (shelf.folder / "b.cab").symlink_to("/etc/passwd")
    (shelf.folder / "c.cab").mkdir()
    assert set(shelf.cabinets()) == {"a.cab"}
    first = shelf.file("a.cab")
    (shelf.folder / "a.cab").write_text("another")
    assert first is not None
    assert shelf.file("a.cab") != first, "another content has another sum"
    for name in ("../keys", "..", "", "a/b", ".hidden", "x" * 200):
        assert shelf.file(name) is None
    assert MOST >= 100


def test_a_machine_gets_a_ticket_for_the_files_and_for_its_boot_only(tmp_path: Path) -> None:
    shelf = FirmwareShelf(tmp_path)
    shelf.folder.mkdir()
    (shelf.folder / "bios.cab").write_text("cab of 1.1.0\n")
    (shelf.folder / "bios.bin").write_text("for the BMC")
    keys, node = Keys(b"k" * 32), Node(id="n1", name="n1", boot_id="b1")
    handles = Handles(
        keys=keys, vault=Vault(tmp_path, tmp_path / "keys"), public_key="", images=lambda: None, folder=tmp_path / "keys", firmware=shelf
    )
    told = handles.open(load_world(shipped(), {}), node, {"$firmware": "cabinets"})
    assert isinstance(told, dict)
    assert set(told["files"]) == {"bios.cab"}
    ticket = str(told["ticket"])
    assert keys.check_ticket(ticket, "firmware", lambda _node: "b1") == "n1"
    assert keys.check_ticket(ticket, "firmware", lambda _node: "b2") is None
    assert keys.check_ticket(ticket, "debian-12", lambda _node: "b1") is None


# -- the real one --------------------------------------------------------------------------------------------------

WEBCAM = "08d460be0f1f9f128413f816022a6439e0078018"
"""The device of fwupd's own plugin for tests. It forgets an update with its process, so the update is accepted and never applied."""
CABINETS = Path("/usr/share/installed-tests/fwupd")


@pytest.mark.client
def test_the_real_fwupdtool(machine: Machine) -> None:
    program, cabinet = shutil.which("fwupdtool"), CABINETS / "fakedevice124.cab"
    if program is None or not cabinet.exists():
        pytest.skip("fwupd and fwupd-tests are not installed")
    machine.tool("fwupdtool", f'exec {program} "$@"')
    machine.tool("curl", f'cat >/dev/null\nwhile [ "$1" != -o ]; do shift; done\ncp \'{cabinet}\' "$2"')
    state = machine.root / "state"
    (state / "etc/fwupd").mkdir(parents=True)
    (state / "etc/fwupd/fwupd.conf").write_text("[fwupd]\nTestDevices=true\nOnlyTrusted=false\n")
    machine.environment |= {"CROWBAR_FWUPD": str(state), "CROWBAR_FWUPD_WORDS": "--plugins test"}
    found = {one["DeviceId"]: one for one in machine.run("fwupd-discover", {}).gives["fwupd-devices"]}
    if WEBCAM not in found:
        pytest.skip("this fwupd has no plugin for tests")
    assert (found[WEBCAM]["Plugin"], "updatable" in found[WEBCAM]["Flags"]) == ("test", True)
    had = found[WEBCAM]["Version"]
    files = {"cam.cab": {"sha256": hashlib.sha256(cabinet.read_bytes()).hexdigest(), "size": cabinet.stat().st_size}}
    code, rows, err = reports(machine, wants(files, step(WEBCAM, had, "1.2.4", "cam.cab")))
    assert (code, rows) == (1, [])
    assert f"the file was accepted, and {had} reads back instead of 1.2.4" in err
    assert reports(machine, wants(files, step(WEBCAM, had, had, "cam.cab"))) == (0, [(had, "read back")], "")
