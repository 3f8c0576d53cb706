"""os-install: disks that fail, fill up, are held or cannot be written."""

from __future__ import annotations

from typing import Any

import pytest
from writer_lab import image, installer

from engine.jigs.cause import first_cause


def test_a_disk_that_fills_up(machine: Any) -> None:
    wanted = installer(machine, image())
    machine.tool(
        "tar", 'case $1 in --version) exit 0 ;; esac; cat >/dev/null; echo "tar: usr: Cannot write: No space left on device" >&2; exit 2'
    )
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert done.err.startswith("os-install: disk sda is too small: the image does not fit into the 8192 MiB")


def test_a_disk_that_fails(machine: Any) -> None:
    wanted = installer(machine, image())
    machine.tool(
        "tar", 'case $1 in --version) exit 0 ;; esac; head -c 99 >/dev/null; echo "tar: usr: Cannot write: Input/output error" >&2; exit 2'
    )
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert done.err.startswith("os-install: disk sda fails: tar: usr: Cannot write: Input/output error")


@pytest.mark.parametrize(
    ("tool", "line"),
    [("mkfs.ext4", "the root file system cannot be made: no luck"), ("sfdisk", "disk sda cannot be partitioned: no luck")],
)
def test_a_disk_that_cannot_be_written(machine: Any, tool: str, line: str) -> None:
    wanted = installer(machine, image())
    machine.tool(tool, "echo error: first >&2; echo no luck >&2; exit 1")
    done = machine.run("os-install", wanted)
    assert (done.code, done.gives) == (1, None)
    assert line in done.err
    assert line in first_cause(done.err, 1), "which is what the operator sees at the node"


@pytest.mark.parametrize(
    ("file", "text", "code", "line"),
    [
        ("queue/logical_block_size", "4096", 1, "its blocks have 4096 octets, and BIOS reads 512"),
        ("queue/logical_block_size", "520", 1, "its blocks have 520 octets"),
        ("holders/dm-0/dm/uuid", "mpath-3600508b4", 1, "disk sda is a path of mpatha, and nothing is written to a path"),
    ],
)
def test_a_disk_that_cannot_be_used_is_told_before_it_is_touched(machine: Any, file: str, text: str, code: int, line: str) -> None:
    wanted = installer(machine, image())
    machine.write(f"sys/block/sda/{file}", text + "\n")
    machine.write("sys/block/sda/holders/dm-0/dm/name", "mpatha\n")
    done = machine.run("os-install", wanted)
    assert (done.code, line in done.err) == (code, True), done.err
    assert not any(call.startswith(("wipefs", "sfdisk", "dmsetup")) for call in machine.calls)


def test_4k_blocks_and_uefi(machine: Any) -> None:
    """sfdisk takes the sizes of the table in MiB, so that nothing depends on the size of a block."""
    wanted = installer(machine, image())
    machine.write("sys/block/sda/queue/logical_block_size", "4096\n")
    machine.write("sys/firmware/efi/systab")
    assert machine.run("os-install", wanted).code == 0
    sizes = [line.split("=")[1].split(",")[0] for line in machine.read("table").splitlines() if line.startswith("size=")]
    assert sizes == ["1MiB", "512MiB"]


def test_what_holds_the_disk_lets_go(machine: Any) -> None:
    """An old RAID on its partition, with a logical volume on top."""
    wanted = installer(machine, image())
    machine.write("sys/block/sda/sda2/partition", "2\n")
    machine.write("sys/block/sda/sda2/holders/md127")
    machine.write("sys/block/md127/holders/dm-0")
    machine.write("sys/block/dm-0/dm/name", "vg0-root\n")
    machine.tool("mdadm", "")
    machine.tool("dmsetup", "")
    done = machine.run("os-install", wanted)
    assert done.code == 0, done.err
    order = [call for call in machine.calls if call.startswith(("dmsetup", "mdadm", "wipefs"))]
    assert [call.split()[0] for call in order] == ["dmsetup", "mdadm", "wipefs", "wipefs"]
    assert order[0] == "dmsetup remove --retry vg0-root"
    assert order[2].endswith("/dev/sda2")


def test_a_disk_in_use_is_left_alone(machine: Any) -> None:
    wanted = installer(machine, image())
    machine.write("proc/mounts", f"{machine.root}/dev/sda2 /data ext4 rw 0 0\n")
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert "it is mounted on /data" in done.err
    machine.write("proc/mounts", f"{machine.root}/dev/sdaa /data ext4 rw 0 0\n")
    assert machine.run("os-install", wanted).code == 0, "another disk whose name begins the same"


def test_nothing_is_claimed_while_something_stays_mounted(machine: Any) -> None:
    wanted = installer(machine, image())
    machine.tool(
        "umount",
        't=${1%/}; [ "${t##*/}" != root ] || [ -e "$CROWBAR_ROOT/once" ] && { rm -f "${1%/}"; mkdir "${1%/}"; exit 0; }; : >"$CROWBAR_ROOT/once"; exit 1',
    )
    done = machine.run("os-install", wanted)
    assert (done.code, done.gives) == (1, None)
    assert "disk sda cannot be unmounted" in done.err
