"""os-install: which disk, and disks that are gone, too small or not blank."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from node_folder import REPO
from writer_lab import LABEL, UUID, a_disk, chosen, disk, image, installer


def test_no_disk(machine: Any) -> None:
    wanted = installer(machine, image()) | {"disks": [], "install-disk": None}
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert "no disk was found in this machine" in done.err


def test_a_disk_that_is_gone(machine: Any) -> None:
    wanted = installer(machine, image())
    shutil.rmtree(machine.root / "sys/block/sda")
    assert "the disk that was sda cannot be used: none is there by that name: discover" in machine.run("os-install", wanted).err


def test_a_disk_too_small_is_told_before_it_is_touched(machine: Any) -> None:
    wanted = installer(machine, image())
    wanted["image"]["size"] = 3 << 30
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert done.err == "os-install: disk sda is too small: it has 8192 MiB, and debian-12 needs 12803 MiB\n"
    assert not any(call.startswith(("wipefs", "sfdisk")) for call in machine.calls)


def test_a_disk_that_changed_its_name_is_found_by_its_serial_number(machine: Any) -> None:
    disks = [disk("sda", 8 << 30, "S1")]
    wanted = installer(machine, image()) | {"disks": disks, "install-disk": chosen(disks)}
    a_disk(machine, "sda", serial="S2")
    a_disk(machine, "sdb", serial="S1")
    done = machine.run("os-install", wanted)
    assert done.code == 0, done.err
    assert done.gives["installed"] == {"os": "debian-12", "disk": "sdb", "root": UUID, "serial": "S1"}
    assert not any(call.endswith("/dev/sda") for call in machine.calls if call.startswith("wipefs"))
    a_disk(machine, "sdb", serial="S3")
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert "the disk that was sda cannot be used: none is there by that name: discover the machine again" in done.err


@pytest.mark.parametrize(
    ("held", "label", "code"),
    [("", "", 0), ("gpt", LABEL, 0), ("gpt", "11111111-2222-4333-8444-555555555555", 1), ("ext4", "", 1), ("unknown", "", 1)],
)
def test_the_plans_word_for_blank_disks_is_tested_just_before_writing(machine: Any, held: str, label: str, code: int) -> None:
    """Somebody used the disk after discovery. What this role itself began to write is no hindrance to write it again."""
    wanted = installer(machine, image())
    answer = "exit 8" if held == "unknown" else f'case "$*" in *PTUUID*) echo "{label}" ;; *PTTYPE*) echo "{held}" ;; *) exit 2 ;; esac'
    machine.tool("blkid", answer)
    done = machine.run("os-install", wanted | {"install-disk": chosen(wanted["disks"], blank=True)})
    assert done.code == code, done.err
    if code:
        assert f"disk sda is not blank any more: it holds {held}, and the plan approves blank disks only" in done.err
        assert not any(call.startswith(("wipefs", "sfdisk")) for call in machine.calls)
        assert machine.run("os-install", wanted).code == 0, "an operator approved it, so it may hold anything"
    else:
        assert f"label-id: {LABEL}\n" in machine.read("table")


@pytest.mark.parametrize(
    ("volumes", "root_disk", "taken"),
    [
        ([{"name": "md1", "level": "raid10", "disks": ["sda"], "size": 1}], "", "sdb"),
        ([], "sdb", "sdb"),
    ],
)
def test_which_disk(machine: Any, volumes: list[Any], root_disk: str, taken: str) -> None:
    disks = [disk("sda", 8 << 30), disk("sdb", 8 << 30)]
    wanted = installer(machine, image()) | {"volumes": volumes, "root-disk": root_disk, "disks": disks}
    wanted["install-disk"] = chosen(disks, volumes, root_disk)
    a_disk(machine, "sdb")
    assert machine.run("os-install", wanted).gives["installed"]["disk"] == taken


def test_no_disk_that_firmware_can_read(machine: Any) -> None:
    volumes = [{"name": "md1", "level": "raid0", "disks": ["sda"], "size": 1}]
    wanted = installer(machine, image()) | {"volumes": volumes}
    wanted["install-disk"] = chosen(wanted["disks"], volumes)
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert "no disk of n1 is fit for an install: sda: a member of volume md1" in done.err


@pytest.mark.parametrize("broken", [False, True])
def test_a_serial_number_with_signs_of_json(machine: Any, broken: bool) -> None:
    """Such a value is read by itself. If that fails, it is not taken for a missing one."""
    wanted = installer(machine, image())
    serial = 'WD "5\\x'
    machine.write("sys/block/sda/serial", serial + "\n")
    wanted["install-disk"] = chosen([disk("sda", 8 << 30, serial)])
    if broken:
        real = REPO / "images/node/attribute"
        machine.tool("attribute", f'case "$*" in install-disk/serial) exit 2 ;; esac\nexec "{real}" "$@"')
    done = machine.run("os-install", wanted)
    assert done.code == (1 if broken else 0), done.err
    if broken:
        assert "its names cannot be read" in done.err
        assert not [call for call in machine.calls if call.startswith("wipefs")]
    else:
        assert done.gives["installed"]["serial"] == serial
