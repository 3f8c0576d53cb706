"""The wipe's scripts: which method a drive gets, what its samples say, and that nothing is left of a pattern. Drives are files, or loop devices."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from calls import KILLED, Counted
from node_folder import Machine, shipped
from wipe_lab import PATTERN, SIZE, Lab

FOLDER = Path(shipped().folders["wipe"]) / "roles" / "disk-wipe"
FORMAT, CRYPTO_FORMAT, ALL_FORMAT = 2, 4, 2
BLOCK, CRYPTO = 2, 1


def method(wanted: str, **facts: Any) -> tuple[str, str]:
    """Method, and why this one or none."""
    text = "".join(f"{name} {value}\n" for name, value in facts.items())
    done = subprocess.run(["sh", str(FOLDER / "method"), wanted], input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, 1)
    name, _, reason = done.stdout.strip().partition("\t")
    return (name, reason) if done.returncode == 0 else ("", done.stderr.strip())


@pytest.mark.parametrize(
    ("facts", "auto", "secure", "crypto"),
    [
        ({"kind": "nvme", "namespaces": 1, "oacs": 2, "sanicap": BLOCK}, "nvme-sanitize-block", "nvme-sanitize-block", ""),
        ({"kind": "nvme", "namespaces": 1, "oacs": 2, "sanicap": CRYPTO}, "nvme-format", "nvme-format", "nvme-sanitize-crypto"),
        ({"kind": "nvme", "namespaces": 1, "oacs": 2, "fna": 4}, "nvme-format", "nvme-format", "nvme-format-crypto"),
        ({"kind": "nvme", "namespaces": 2, "oacs": 2, "fna": 4, "sanicap": 3}, "nvme-format", "nvme-format", "nvme-format-crypto"),
        ({"kind": "nvme", "namespaces": 2, "oacs": 2, "fna": 6, "sanicap": 3}, "overwrite", "", ""),
        ({"kind": "nvme", "namespaces": 1, "oacs": 0, "sanicap": CRYPTO}, "nvme-sanitize-crypto", "", "nvme-sanitize-crypto"),
        ({"kind": "nvme", "namespaces": 1, "oacs": 0, "sanicap": 4}, "overwrite", "", ""),
        ({"kind": "nvme", "namespaces": 1, "discards": 1, "zeros": 1}, "discard", "", ""),
        ({"kind": "ata", "security": 1, "enhanced": 1, "rotational": 1}, "ata-enhanced-erase", "ata-enhanced-erase", ""),
        ({"kind": "ata", "security": 1}, "ata-erase", "ata-erase", ""),
        ({"kind": "ata", "security": 1, "enabled": 1}, "ata-erase", "ata-erase", ""),
        ({"kind": "ata", "security": 1, "frozen": 1}, "overwrite", "", ""),
        ({"kind": "ata", "security": 1, "expired": 1}, "overwrite", "", ""),
        ({"kind": "ata", "discards": 1, "zeros": 1}, "discard", "", ""),
        ({"kind": "ata", "discards": 1, "zeros": 1, "rotational": 1}, "overwrite", "", ""),
        ({"kind": "ata", "discards": 1}, "overwrite", "", ""),
        ({"kind": "ata", "security": 1, "frozen": 1, "locked": 1}, "", "", ""),
        ({"kind": "sas", "rotational": 1}, "overwrite", "", ""),
        ({"kind": "virtio"}, "overwrite", "", ""),
        ({}, "overwrite", "", ""),
    ],
)
def test_the_method_follows_from_what_the_drive_offers(facts: dict[str, Any], auto: str, secure: str, crypto: str) -> None:
    locked = bool(facts.get("locked"))
    assert [method(word, **facts)[0] for word in ("auto", "secure", "crypto")] == [auto, secure, crypto]
    assert method("overwrite", **facts)[0] == ("" if locked else "overwrite")
    assert all(method(word, **facts)[1] for word in ("auto", "secure", "crypto", "overwrite")), "there is a reason for each"


def test_a_frozen_drive_is_told_with_advice() -> None:
    found, why = method("secure", kind="ata", security=1, frozen=1)
    assert found == ""
    assert "frozen" in why
    assert "power-cycle the drive" in why
    assert "can be wiped by overwrite" in why


def test_an_unknown_method_is_refused() -> None:
    assert method("shred", kind="ata") == ("", "the method shred is not known")


@pytest.mark.parametrize(
    ("name", "lines", "told"),
    [
        ("overwrite", ["0 a Z", "4096 b Z"], "2 2 0 0"),
        ("overwrite", ["0 a Z", "4096 b c"], "old data is left at byte 4096"),
        ("overwrite", ["0 a F"], "old data is left at byte 0"),
        ("discard", ["0 a c"], "old data is left at byte 0"),
        ("nvme-format", ["0 a Z", "1 b F", "2 c d"], "3 1 1 1"),
        ("nvme-format", ["0 a a", "1 b c"], "old data is left at byte 0"),
        ("nvme-format", ["0 Z Z"], "1 1 0 0"),
        ("ata-erase", ["0 F F"], "1 0 1 0"),
        ("ata-erase", [], "no sample was read"),
        ("ata-erase", ["0 a"], "a sample cannot be read: 0 a"),
        ("ata-erase", ["0 a b", ""], "a sample cannot be read: "),
    ],
)
def test_what_samples_say(name: str, lines: list[str], told: str) -> None:
    text = "".join(line + "\n" for line in lines)
    done = subprocess.run(
        ["sh", str(FOLDER / "judge"), name, "Z", "F"], input=text, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout + done.stderr).strip() == told.strip()
    assert done.returncode == (0 if told[0].isdigit() else 1)


# -- the scripts -------------------------------------------------------------------------------------------------------


@pytest.fixture
def lab(machine: Any) -> Lab:
    return Lab(machine)


def by_serial(gives: Any) -> dict[str, dict[str, Any]]:
    return {one["serial"]: one for one in gives["wipe-certificates"]}


def test_nothing_is_left_of_a_pattern(lab: Lab) -> None:
    lab.sata("sda", 1, "security", "enhanced")
    lab.sata("sdb", 2, "security", "frozen")
    lab.sata("sdd", 4, "zeros", discard=True, queue__rotational="0")
    lab.nvme("nvme0n1", oacs=2, sanicap=2)
    lab.nvme("nvme1n1", oacs=2, fna=4)
    lab.sas("sde", 5)
    assert all(lab.left(one["name"]) > 100_000 for one in lab.disks)
    done = lab.machine.run("disk-wipe", lab.wants())
    assert (done.code, done.err) == (0, "")
    assert [lab.left(one["name"]) for one in lab.disks] == [0] * 6
    found = by_serial(done.gives)
    assert {serial: one["method"] for serial, one in found.items()} == {
        "S-1": "ata-enhanced-erase",
        "S-2": "overwrite",
        "S-4": "discard",
        "N-nvme0n1": "nvme-sanitize-block",
        "N-nvme1n1": "nvme-format",
        "Z-5": "overwrite",
    }
    one = found["Z-5"]
    assert (one["who"], one["machine"], one["machine_serial"], one["wwn"], one["size"], one["result"]) == (
        *("anna", "n1.r1.test", "SN7"),
        *("naa.5000cca200000005", SIZE, "wiped"),
    )
    assert one["samples"] == {"read": 7, "zeros": 7, "ones": 0, "changed": 0}
    assert "frozen" in found["S-2"]["reason"]
    assert (lab.machine.folder / "progress").read_text().splitlines()[-1].startswith(("100 ", "9")), "progress is reported"


@pytest.mark.parametrize(("wanted", "name"), [("crypto", "nvme-format-crypto"), ("secure", "nvme-format"), ("overwrite", "overwrite")])
def test_the_wanted_method_is_taken(lab: Lab, wanted: str, name: str) -> None:
    lab.nvme("nvme0n1", oacs=2, fna=4)
    done = lab.machine.run("disk-wipe", lab.wants(wanted))
    assert done.code == 0
    (one,) = done.gives["wipe-certificates"]
    assert (one["method"], lab.left("nvme0n1")) == (name, 0)
    assert one["samples"]["changed" if wanted == "crypto" else "zeros"] == 7


@pytest.mark.parametrize(
    ("state", "wanted", "line"),
    [
        (("security", "frozen"), "secure", "does not offer the method secure: the firmware has frozen its security"),
        (("security", "weak"), "secure", "old data is left at byte 0"),
        (("security", "enabled", "locked", "password=other"), "auto", "the drive is locked with a password that is not 'crowbar'"),
        (("zeros", "lies"), "auto", "old data is left at byte 0"),
    ],
)
def test_a_drive_that_is_not_wiped_gets_no_certificate(lab: Lab, state: tuple[str, ...], wanted: str, line: str) -> None:
    lab.sata("sda", 1, *state, discard=True, queue__rotational="0")
    done = lab.machine.run("disk-wipe", lab.wants(wanted))
    assert (done.code, done.gives) == (1, None)
    assert "disk S-1 (sda)" in done.err
    assert line in done.err
    assert lab.machine.run("disk-wipe", lab.wants(wanted), "verify").code == 1


def test_a_drive_that_an_earlier_attempt_had_locked(lab: Lab) -> None:
    """Power fails between the password and the erase: the drive comes back locked, with the password of this role."""
    lab.sata("sda", 1, "security", "enabled", "locked", "password=crowbar")
    done = lab.machine.run("disk-wipe", lab.wants())
    assert (done.code, lab.left("sda")) == (0, 0), done.err
    assert not list((lab.machine.root / "drive/sda").glob("[elp]*")), "the drive has no password any more"


def test_a_sanitize_that_fails_is_told(lab: Lab) -> None:
    lab.nvme("nvme0n1", "stuck", oacs=2, sanicap=2)
    done = lab.machine.run("disk-wipe", lab.wants())
    assert done.code == 1
    assert "the drive failed to sanitize: its state is 3" in done.err


def test_disks_that_are_not_approved_keep_each_octet(lab: Lab) -> None:
    lab.sata("sda", 1)
    lab.sata("sdb", 2)
    lab.disks.pop()
    before = (lab.machine.root / "dev/sdb").read_bytes()
    assert lab.machine.run("disk-wipe", lab.wants()).code == 0
    assert lab.left("sda") == 0
    assert (lab.machine.root / "dev/sdb").read_bytes() == before


def test_names_that_changed_wipe_the_right_disk(lab: Lab) -> None:
    """The kernel calls the approved disk sdb now, and another one has its name."""
    lab.sata("sda", 1)
    lab.sata("sdb", 2)
    approved = lab.disks.pop()
    lab.disks[:] = [approved | {"name": "sda"}]
    done = lab.machine.run("disk-wipe", lab.wants())
    assert done.code == 0
    assert (lab.left("sda") > 0, lab.left("sdb")) == (True, 0)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"wwn": "naa.1"}, "sda has that serial number and the WWN naa.5000c50000000001"),
        ({"serial": "S-9"}, "no disk has that serial number and WWN"),
        ({"size": SIZE + 512}, f"has {SIZE} bytes, not {SIZE + 512}"),
        ({"serial": ""}, "a disk without a serial number is not wiped"),
        ({"wwn": ""}, "the WWN naa.5000c50000000001"),
    ],
)
def test_another_disk_is_not_wiped(lab: Lab, change: dict[str, Any], line: str) -> None:
    lab.sata("sda", 1)
    lab.disks[0] |= change
    done = lab.machine.run("disk-wipe", lab.wants())
    assert (done.code, lab.left("sda") > 0) == (1, True)
    assert line in done.err


def test_a_disk_in_use_is_not_wiped(lab: Lab) -> None:
    lab.sata("sda", 1)
    lab.machine.write("sys/block/sda/sda1/partition", "1\n")
    lab.machine.write("proc/mounts", f"{lab.machine.root}/dev/sda1 /data ext4 rw 0 0\n")
    done = lab.machine.run("disk-wipe", lab.wants())
    assert (done.code, lab.left("sda") > 0) == (1, True)
    assert "in use at /data" in done.err


def test_a_path_of_multipath_is_not_wiped(lab: Lab) -> None:
    lab.sas("sda", 1)
    lab.machine.write("sys/block/dm-0/dm/uuid", "mpath-35000cca200000001\n")
    lab.machine.write("sys/block/dm-0/dm/name", "mpatha\n")
    lab.machine.link("sys/block/sda/holders/dm-0", "../../dm-0")
    done = lab.machine.run("disk-wipe", lab.wants())
    assert (done.code, lab.left("sda") > 0) == (1, True)
    assert "a path of a multipath device" in done.err


def test_one_disk_over_two_paths_is_not_wiped(lab: Lab) -> None:
    lab.sas("sda", 1)
    lab.sysfs.add("sdb", SIZE, "pci0000:00/x/end_device-2/target", udev={"ID_SERIAL_SHORT": "Z-1"}, device={"wwid": "naa.5000cca200000001"})
    done = lab.machine.run("disk-wipe", lab.wants())
    assert (done.code, lab.left("sda") > 0) == (1, True)
    assert "2 paths" in done.err


def test_only_a_blank_disk_where_the_plan_approves_blank_ones(lab: Lab) -> None:
    lab.sata("sda", 1)
    lab.machine.tool("blkid", 'case "$*" in *PTTYPE*) echo gpt ;; *) exit 2 ;; esac')
    done = lab.machine.run("disk-wipe", lab.wants(blank=True))
    assert (done.code, lab.left("sda") > 0) == (1, True)
    assert "it holds gpt" in done.err


def test_what_the_engine_refused_is_told(lab: Lab) -> None:
    lab.sata("sda", 1)
    wanted = lab.wants()
    wanted["wipe-disks"]["refused"] = "nothing on n1 is wiped"
    done = lab.machine.run("disk-wipe", wanted)
    assert (done.code, "nothing on n1 is wiped" in done.err, lab.left("sda") > 0) == (1, True, True)


def test_a_disk_that_was_written_since_is_wiped_again(lab: Lab) -> None:
    lab.sata("sda", 1)
    assert lab.machine.run("disk-wipe", lab.wants()).code == 0
    assert lab.machine.run("disk-wipe", lab.wants(), "verify").code == 0
    with (lab.machine.root / "dev/sda").open("r+b") as disk:
        disk.write(PATTERN)
    assert lab.machine.run("disk-wipe", lab.wants(), "verify").code == 1
    assert lab.machine.run("disk-wipe", lab.wants()).code == 0
    assert lab.left("sda") == 0


def test_one_bad_disk_of_three(lab: Lab) -> None:
    """The others are wiped, and are not wiped again by the next attempt."""
    lab.sata("sda", 1)
    lab.sata("sdb", 2, "security", "weak")
    lab.sas("sdc", 3)
    first = lab.machine.run("disk-wipe", lab.wants())
    assert (first.code, lab.left("sda"), lab.left("sdb") > 0, lab.left("sdc")) == (1, 0, True, 0)
    assert "sdb" in first.err
    assert "sda" not in first.err
    (lab.machine.root / "drive/sdb/weak").unlink()
    second = lab.machine.run("disk-wipe", lab.wants())
    assert (second.code, second.out.count("wiped in this boot already")) == (0, 2)
    assert [one["serial"] for one in second.gives["wipe-certificates"]] == ["S-1", "S-2", "Z-3"]


def test_killed_in_the_middle_of_an_overwrite(machine: Any, tmp_path: Path) -> None:
    lab = Lab(machine)
    lab.sas("sda", 1)
    counted = Counted(machine)
    calls = (counted.run("disk-wipe", lab.wants()), counted.calls)[1]
    at = next(number for number, call in enumerate(calls, 1) if call.startswith("dd if=/dev/zero"))
    fresh = tmp_path / "again"
    fresh.mkdir()
    other = Machine(fresh)
    lab = Lab(other)
    lab.sas("sda", 1)
    assert Counted(other).run("disk-wipe", lab.wants(), die=at).code == KILLED
    assert lab.left("sda") > 0
    assert other.run("disk-wipe", lab.wants(), "verify", tidy=False).code == 1
    assert other.run("disk-wipe", lab.wants(), tidy=False).code == 0
    assert lab.left("sda") == 0


# -- a real block device -----------------------------------------------------------------------------------------------


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root makes loop devices")
    backing = tmp_path / "backing"
    backing.write_bytes((PATTERN * (4 << 16))[: 4 << 20])
    made = subprocess.run(["losetup", "--find", "--show", str(backing)], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no loop devices: {made.stderr.strip()}")
    yield Path(made.stdout.strip())
    subprocess.run(["losetup", "--detach", made.stdout.strip()], check=True)


def test_a_real_block_device(lab: Lab, loop: Path) -> None:
    """The kernel's own cache lies between the script and the disk here: what the script reads back comes from the disk."""
    lab.sas("sda", 1)
    there = lab.machine.root / "dev/sda"
    there.unlink()
    there.symlink_to(loop)
    lab.machine.write("sys/block/sda/size", f"{(4 << 20) // 512}\n")
    lab.disks[0]["size"] = 4 << 20
    for name in ("blockdev", "blkdiscard"):
        (lab.machine.tools / name).unlink()
        (lab.machine.tools / name).symlink_to(f"/usr/sbin/{name}" if Path(f"/usr/sbin/{name}").exists() else f"/sbin/{name}")
    assert loop.read_bytes().count(PATTERN) == 4 << 16
    done = lab.machine.run("disk-wipe", lab.wants())
    assert (done.code, done.err) == (0, "")
    subprocess.run(["sync"], check=True)
    backing = (
        loop.parent / subprocess.run(["losetup", "-nO", "BACK-FILE", str(loop)], capture_output=True, text=True, check=True).stdout.strip()
    )
    assert set(backing.read_bytes()) == {0}
