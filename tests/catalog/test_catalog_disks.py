"""Disks of real machines: what `images/node/disks` reports, which disk the engine takes and why not the others, and how the node finds it.

Cases from the field:
* hot-plug bays and aacraid (removable=1), SAS shelves, 4Kn, eMMC, NVMe multipath
* a LUN over four paths, volumes with one serial number
* small disks that come first, disks without a name, disks with the same name
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from disk_folder import GB, Sysfs
from thinned import thinned

from engine.core.hardware.disk_choice import choose
from engine.core.hardware.disks import read

Build = Callable[[Sysfs], None]


@pytest.fixture
def sysfs(machine: Any) -> Sysfs:
    machine.tool("blkid", "exit 2")
    return Sysfs(machine)


def usb(port: int) -> str:
    return f"pci0000:00/0000:00:14.0/usb1/1-{port}/1-{port}:1.0/host{port}{port}/target{port}{port}:0:0/{port}{port}:0:0:0"


def hot_plug(s: Sysfs) -> None:
    s.sata("sda", 1, wwn="naa.50000001", removable="1")
    s.sata("sdb", 2, wwn="naa.50000002", removable="1")


def aacraid(s: Sysfs) -> None:
    where = "pci0000:00/0000:00:03.0/0000:02:00.0/host0/target0:0:0/0:0:0:0"
    s.add("sda", 500 * GB, where, removable="1", device={"vendor": "Adaptec", "model": "system", "type": "0"})


def sticks(s: Sysfs) -> None:
    s.add("sda", 16 * GB, usb(1), removable="1", device={"vendor": "SanDisk", "model": "Ultra Fit", "type": "0"})
    s.add("sdb", 4 * GB, usb(2), device={"vendor": "iDRAC", "model": "LCDRIVE", "type": "0"})
    s.add("sdc", 0, usb(3), removable="1", device={"vendor": "Generic-", "model": "SD/MMC", "type": "0"})
    s.add("sdd", 1474560, usb(4), removable="1", device={"vendor": "TEAC", "model": "Floppy", "type": "0"})
    s.add("sr0", 4 * GB, usb(5), device={"vendor": "AMI", "model": "Virtual CDROM0", "type": "5"})
    s.add("sde", 4 * GB, usb(6), removable="1", device={"vendor": "AMI", "model": "Virtual CDROM0", "type": "5"})
    s.sata("sdf", 1, wwn="naa.50000001")


def array(s: Sysfs) -> None:
    s.lun("sda sdb sdc sdd")
    s.sata("sde", 1, wwn="naa.50000001")


def old_page_83(s: Sysfs) -> None:
    """A kernel without `wwid`: the name comes from the vital product data."""
    s.lun("sda sdb", wwn="")
    unit = b"\x01\x03\0\x10" + bytes.fromhex("600508b4000971840000500000180000")
    for block in ("sda", "sdb"):
        (s.machine.root / f"sys/block/{block}/device/vpd_pg83").write_bytes(b"\0\x83" + len(unit).to_bytes(2, "big") + unit)
    s.sata("sde", 1, wwn="naa.50000001")


def iscsi(s: Sysfs) -> None:
    s.add(
        "sda", 100 * GB, "platform/host9/session1/target9:0:0/9:0:0:1", udev={"ID_SERIAL_SHORT": "I1"}, device={"wwid": "naa.6001405aaaa"}
    )
    s.sata("sdb", 1, wwn="naa.50000001")


def shelf(s: Sysfs) -> None:
    """Each disk of a SAS shelf over two ports of one controller, and a SATA disk in the machine."""
    for i, name in enumerate("sda sdb sdc sdd".split()):
        where = f"pci0000:3a/0000:3b:00.0/host0/port-0:{i // 2}/expander-0:{i // 2}/end_device-0:{i // 2}:{i % 2}/target0:0:{i}/0:0:{i}:0"
        s.add(name, 8000 * GB, where, udev={"ID_SERIAL_SHORT": f"Z{i % 2}"}, device={"wwid": f"naa.5000cca25300000{i % 2}"})
    s.sata("sde", 1, wwn="naa.50000001")


def nvme_multipath(s: Sysfs) -> None:
    s.add("nvme0n1", 1920 * GB, "virtual/nvme-subsystem/nvme-subsys0", wwid="eui.36434630524000010025384500000001", device={"serial": "S1"})
    for number in (0, 1):
        s.machine.write(f"sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme{number}/transport", "pcie\n")
        s.machine.write(f"sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme{number}/nvme0c{number}n1/hidden", "1\n")
        s.add(f"nvme0c{number}n1", 1920 * GB, f"pci0000:5d/0000:5e:00.{number}/nvme/nvme{number}", hidden="1")


def nvme_over_tcp(s: Sysfs) -> None:
    s.add("nvme0n1", 1920 * GB, "virtual/nvme-fabrics/ctl/nvme0", wwid="uuid.7d0c", device={"serial": "S1", "transport": "tcp"})
    s.sata("sda", 1, wwn="naa.50000001")


def small_first(s: Sysfs) -> None:
    s.add(
        "mmcblk0",
        3909091328,
        "pci0000:00/0000:00:1c.0/mmc_host/mmc0/mmc0:0001",
        device={"type": "MMC", "cid": "150100344751524200", "serial": "0x1"},
    )
    for part in ("mmcblk0boot0", "mmcblk0boot1", "mmcblk0rpmb"):
        s.add(part, 4194304, "pci0000:00/0000:00:1c.0/mmc_host/mmc0/mmc0:0001")
    s.add(
        "sda",
        372 << 10,
        "pci0000:00/0000:00:1d.0/host1/target1:0:0/1:0:0:0",
        device={"vendor": "HPE", "model": "Flash", "wwid": "naa.50000009"},
    )
    s.sata("sdb", 1, wwn="naa.50000001")


def native_4k(s: Sysfs) -> None:
    s.sata("sda", 1, wwn="naa.50000001", queue__logical_block_size="4096")
    s.sata("sdb", 2, wwn="naa.50000002")


def other_blocks(s: Sysfs) -> None:
    s.sata("sda", 1, wwn="naa.50000001", queue__logical_block_size="520")
    s.sata("sdb", 2, wwn="naa.50000002", ro="1")
    s.sata("sdc", 3, wwn="naa.50000003")
    s.machine.write("sys/block/sdc/device/state", "offline\n")
    s.sata("sdd", 4, wwn="naa.50000004")


def nameless(s: Sysfs) -> None:
    for name, slot in (("vda", "05"), ("vdb", "0a")):
        s.add(name, 20 * GB, f"pci0000:00/0000:00:{slot}.0/virtio{slot[1]}", path=f"pci-0000:00:{slot}.0")


def liars(s: Sysfs) -> None:
    """Two disks with one WWN and one serial number: of two sizes, they are two disks; alike, nobody can tell them apart."""
    s.sata("sda", 1, size=500 * GB, wwn="naa.50000001", serial="ONE")
    s.sata("sdb", 2, size=960 * GB, wwn="naa.50000001", serial="ONE")
    s.sata("sdc", 3, wwn="naa.50000007", serial="SEVEN")
    s.sata("sdd", 4, wwn="naa.50000007", serial="SEVEN")


def zeros(s: Sysfs) -> None:
    """Names that name nothing, and udev's half of a name of 128 bits, which both volumes share."""
    s.sata("sda", 1, wwn="naa.0000000000000000", serial="A")
    for name, more in (("sdb", "0001"), ("sdc", "0002")):
        where = f"pci0000:00/0000:00:03.0/0000:02:00.0/host5/target5:2:{more[-1]}/5:2:{more[-1]}:0"
        udev = {"ID_WWN": "0x600508b1001c4242", "ID_WWN_WITH_EXTENSION": f"0x600508b1001c4242000000000000{more}", "ID_SERIAL_SHORT": "CTRL"}
        s.add(name, 100 * GB, where, udev=udev)


def system_disk(s: Sysfs) -> None:
    """Something of sledgehammer is on a disk, in a volume of LVM."""
    s.sata("sda", 1, wwn="naa.50000001")
    s.sata("sdb", 2, wwn="naa.50000002")
    s.machine.write("sys/block/sda/sda1/partition", "1\n")
    s.machine.write("sys/block/sda/sda1/holders/dm-0")
    s.machine.write("sys/block/dm-0/dm/name", "live-root\n")
    s.machine.write("proc/mounts", f"{s.machine.root}/dev/mapper/live-root /live ext4 rw 0 0\n")


def usb_disk(s: Sysfs) -> None:
    s.add("sda", 1000 * GB, usb(1), device={"vendor": "Samsung", "model": "T7", "type": "0"})


CASES: list[tuple[Build, str, dict[str, str], dict[str, str]]] = [
    # the machine, what is taken, why not the others, what is no disk
    (hot_plug, "sda", {"sdb": "disk_later"}, {}),
    (aacraid, "sda", {}, {}),
    (sticks, "sdf", {}, {"sda": "usb-stick", "sdb": "virtual-media", "sdc": "empty", "sdd": "floppy"}),
    (array, "sde", {"sda": "disk_paths"}, {}),
    (old_page_83, "sde", {"sda": "disk_paths"}, {}),
    (iscsi, "sdb", {"sda": "disk_remote"}, {}),
    (shelf, "sde", {"sda": "disk_paths", "sdb": "disk_paths"}, {}),
    (nvme_multipath, "nvme0n1", {}, {}),
    (nvme_over_tcp, "sda", {"nvme0n1": "disk_remote"}, {}),
    (small_first, "sdb", {"mmcblk0": "disk_later", "sda": "disk_small"}, {}),
    (native_4k, "sda", {"sdb": "disk_later"}, {}),
    (other_blocks, "sdd", {"sda": "disk_blocks", "sdb": "disk_read_only", "sdc": "disk_state"}, {}),
    (nameless, "vda", {"vdb": "disk_later"}, {}),
    (liars, "sda", {"sdb": "disk_later", "sdc": "disk_twin", "sdd": "disk_twin"}, {}),
    (zeros, "sda", {"sdb": "disk_later", "sdc": "disk_later"}, {}),
    (system_disk, "sdb", {"sda": "disk_used"}, {}),
    (usb_disk, "", {"sda": "disk_usb"}, {}),
]


@pytest.mark.parametrize("shell", thinned(["dash", "busybox"], each=2))
@pytest.mark.parametrize(("build", "taken", "left", "media"), CASES, ids=lambda x: getattr(x, "__name__", ""))
def test_which_disk_of_a_real_machine(
    sysfs: Sysfs, shell: str, build: Build, taken: str, left: dict[str, str], media: dict[str, str]
) -> None:
    use(sysfs, shell)
    build(sysfs)
    told = sysfs.listed()
    disks = read(told["disks"])
    found = choose("n1", disks, [], firmware="efi")
    assert {one["name"]: one["what"] for one in told["media"]} == media
    assert [one.name for one in found.taken] == ([taken] if taken else []), found
    assert {one.disk.name: one.reason.code for one in found.left} == left
    for one in found.taken:
        assert sysfs.find(one.wwn, one.serial, one.path, one.size, one.name) == (taken, "")


def use(sysfs: Sysfs, shell: str) -> None:
    """busybox: its own awk, sed and od, as an installer has them."""
    if shell == "dash":
        return
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("busybox is missing")
    base = sysfs.machine.folder / "base"
    offered = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for one in base.iterdir():
        if one.name in offered:
            one.unlink()
            one.symlink_to(busybox)


def test_the_paths_of_a_disk(sysfs: Sysfs) -> None:
    array(sysfs)
    lun, local = sorted(sysfs.listed()["disks"], key=lambda d: d["name"])
    assert (lun["paths"], lun["remote"], lun["wwn"]) == (["sda", "sdb", "sdc", "sdd"], True, "naa.600508b4000971840000500000180000")
    assert (local["paths"], local["remote"]) == (["sde"], False)
    nvme_multipath(sysfs)
    (head,) = [d for d in sysfs.listed()["disks"] if d["transport"] == "nvme"]
    assert head["paths"] == ["nvme0c0n1", "nvme0c1n1"]


def test_nothing_is_written_to_a_path_even_if_it_is_named(sysfs: Sysfs) -> None:
    array(sysfs)
    disks = read(sysfs.listed()["disks"])
    for name in ("sda", "sdc", "naa.600508b4000971840000500000180000", "LUN0"):
        found = choose("n1", disks, [], name)
        assert found.taken == ()
        assert found.refused is not None
        assert "never writes to a disk with several paths" in str(found.refused.fields["why"])
    name, why = sysfs.find(wwn="naa.600508b4000971840000500000180000", size=2000 * GB)
    assert (name, why) == ("", "sda sdb sdc sdd are paths of one disk, and nothing is written to a path")


def test_a_second_path_that_shows_up_after_discovery(sysfs: Sysfs) -> None:
    """Discovered over one path, and named: at the install the other path is there as well."""
    sysfs.lun("sda")
    (one,) = choose("n1", read(sysfs.listed()["disks"]), [], "LUN0").taken
    sysfs.boot()
    sysfs.lun("sda sdb")
    assert sysfs.find(one.wwn, one.serial, one.path, one.size, one.name)[0] == ""


def test_volumes_with_one_serial_number_whose_names_change(sysfs: Sysfs) -> None:
    def volume(name: str, number: int) -> None:
        where = f"pci0000:00/0000:00:03.0/0000:02:00.0/host0/target0:2:{number}/0:2:{number}:0"
        wwn = f"naa.600508b1001c42420000000000000{number:03x}"
        sysfs.add(
            name, 100 * GB, where, path=f"pci-0000:02:00.0-scsi-0:2:{number}:0", udev={"ID_SERIAL_SHORT": "CTRL"}, device={"wwid": wwn}
        )

    volume("sda", 1)
    volume("sdb", 2)
    (first,) = choose("n1", read(sysfs.listed()["disks"]), []).taken
    sysfs.boot()
    volume("sda", 2)
    volume("sdb", 1)
    (second,) = choose("n1", read(sysfs.listed()["disks"]), []).taken
    assert (first.wwn, second.wwn) == ("naa.600508b1001c42420000000000000001",) * 2
    assert sysfs.find(first.wwn, first.serial, first.path, first.size, first.name) == ("sdb", "")


Wanted = dict[str, Any]


@pytest.mark.parametrize(
    ("wanted", "name", "why"),
    [
        ({"wwn": "naa.50000001", "serial": "A", "size": 960 * GB, "name": "sdq"}, "sda", ""),
        ({"wwn": "naa.50000001", "serial": "B", "size": 960 * GB}, "", "sda has the serial number A"),
        ({"wwn": "naa.50000001", "size": 500 * GB}, "", "sda has 960000000000 octets, not 500000000000"),
        ({"wwn": "naa.59999999", "serial": "A"}, "", "none is there by that name"),
        ({"serial": "A", "size": 960 * GB}, "sda", ""),
        ({"path": "pci-0000:00:17.0-ata-2", "size": 960 * GB}, "sdb", ""),
        ({"name": "sdb", "size": 960 * GB}, "sdb", ""),
        ({"name": "sdb", "size": 961 * GB}, "", "sdb has 960000000000 octets, not 961000000000"),
        ({"wwn": "naa.50000003"}, "", "sdc sdd all answer to that name"),
        ({"name": "sde"}, "", "none is there by that name"),  # a stick
    ],
)
def test_a_disk_is_found_by_its_own_names(sysfs: Sysfs, wanted: Wanted, name: str, why: str) -> None:
    sysfs.sata("sda", 1, wwn="naa.50000001", serial="A")
    sysfs.sata("sdb", 2, wwn="naa.50000002", serial="B")
    sysfs.sata("sdc", 3, wwn="naa.50000003", serial="C")
    sysfs.sata("sdd", 4, wwn="naa.50000003", serial="C")
    sysfs.add("sde", 16 * GB, usb(1), removable="1")
    assert sysfs.find(**wanted) == (name, why)


def test_odd_texts_are_no_harm(sysfs: Sysfs) -> None:
    sysfs.sata("sda", 1, wwn='naa."5\\', serial='"\\ $(id)')
    sysfs.machine.write("sys/block/sda/device/model", 'x"\\\x01\t y\n')
    (one,) = sysfs.listed()["disks"]
    assert (one["serial"], one["wwn"], one["model"]) == ('"\\ $(id)', 'naa."5\\', 'x"\\ y')


@pytest.mark.parametrize("shell", ["dash", "busybox"])
@pytest.mark.parametrize(
    ("code", "state"),
    [
        (0, ""),
        (1, ""),
        (2, ""),
        (4, ""),
        (8, "failing"),
        (12, "failing"),
        (24, "failing"),
        (32, ""),
        (124, ""),
        (126, ""),
        (127, ""),
        (137, ""),
        (143, ""),
    ],
)
def test_what_a_disk_says_of_its_health(sysfs: Sysfs, shell: str, code: int, state: str) -> None:
    """124, 137 and 143 come from `timeout`: a disk that gives no answer in time has not said that it fails."""
    sysfs.machine.tool("smartctl", "exit 0")
    sysfs.machine.tool("timeout", f"exit {code}")
    use(sysfs, shell)
    sysfs.sata("sda", 1, wwn="naa.50000001")
    (one,) = sysfs.listed()["disks"]
    assert one["state"] == state


def test_a_machine_without_disks(sysfs: Sysfs) -> None:
    assert sysfs.listed() == {"disks": [], "media": []}
