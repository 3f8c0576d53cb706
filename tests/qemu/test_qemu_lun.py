"""A LUN of a real target, tgtd on this machine, appears as a disk on a QEMU machine with open-iscsi and its own kernel: written, kept over a restart, and
gone when its node no longer wants it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import small_guest
from small_guest import Guest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "san"))

from san_lab import MIB, SECRET, TOOL, Daemon, San, lun, needs_tgt

PYTHON = Path("/usr/bin/python3")
PROGRAMS = ("iscsid", "iscsiadm", str(PYTHON))
PATHS = "/usr/bin:/usr/sbin:/bin:/sbin"
LIBRARY = Path("/usr/lib") / PYTHON.resolve().name
WHY_NOT = small_guest.lacking() or next((f"{one} is not installed" for one in PROGRAMS if shutil.which(one, path=PATHS) is None), "")
pytestmark = [pytest.mark.qemu, pytest.mark.slow, needs_tgt, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]
MODULES = ("scsi_mod", "sd_mod", "crc32c_generic", "crc32c_intel", "libcrc32c", "iscsi_tcp")
HOST = "10.0.2.2"
"""This machine, as a guest behind QEMU's user network sees it."""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("lun")
    kernel = small_guest.kernel_folder(folder)
    assert kernel is not None
    ignore = shutil.ignore_patterns("test", "tests", "__pycache__", "idlelib", "tkinter", "ensurepip", "lib2to3", "pydoc_data", "config-*")
    shutil.copytree(LIBRARY, folder / "library", ignore=ignore)
    files = {
        str(LIBRARY).lstrip("/"): folder / "library",
        "work/san_disk.py": TOOL / "san_disk.py",
        "etc/iscsi/iscsid.conf": Path("/etc/iscsi/iscsid.conf"),
    }
    return small_guest.build(folder, kernel, files, PROGRAMS, MODULES)


def started(image: tuple[Path, Path]) -> Guest:
    more = ("-netdev", "user,id=u0", "-device", "virtio-net-pci,netdev=u0,romfile=")
    one = Guest("n1", *image, [], 1, more, 512)
    try:
        one.boot()
        one.must(
            "ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; mkdir -p /run/lock/iscsi /var/lock /etc/iscsi/nodes; ln -s /run /var/run"
        )
        one.must("echo root:x:0:0:root:/:/bin/sh >/etc/passwd")  # iscsid asks who speaks to it
        one.must("echo InitiatorName=iqn.2026-01.test:before >/etc/iscsi/initiatorname.iscsi; iscsid")
    except BaseException:
        one.close()
        raise
    return one


def disk_role(node: Guest, rows: list[dict[str, Any]], verb: str = "run") -> tuple[int, str, Any]:
    node.write("/tmp/attributes.json", json.dumps({"san-disks-wanted": {"disks": rows}, "san-account": SECRET}))
    names = "PYTHONHOME=/usr CROWBAR_ATTRIBUTES=/tmp/attributes.json CROWBAR_GIVES=/tmp/gives.json CROWBAR_SAN_WAIT=120"
    code, said = node.run(f"{names} python3 /work/san_disk.py {verb}", 600)
    return code, said, json.loads(node.must("cat /tmp/gives.json")) if code == 0 else {}


@pytest.fixture
def san(tmp_path: Path) -> Iterator[San]:
    daemon = Daemon(tmp_path)
    daemon.start()
    one = San(tmp_path, port=daemon.port, address=HOST)
    one.environment["TGT_IPC_SOCKET"] = daemon.socket
    yield one
    daemon.stop()


def test_a_lun_appears_on_a_machine(san: San, image: tuple[Path, Path]) -> None:
    done = san.run("run", {"n1": [lun("data", 8)], "n2": [lun("other", 8)]})
    assert done.code == 0, done.err
    rows = [{**row, "san": "san1"} for row in done.gives["san-luns"]["luns"] if row["node"] == "n1"]
    node = started(image)
    try:
        code, said, _ = disk_role(node, rows, "verify")
        assert code == 1, said
        assert "sd" not in node.must("cat /proc/partitions")
        code, said, gave = disk_role(node, rows)
        assert code == 0, said
        (disk,) = gave["san-disks"]
        assert (disk["serial"], disk["size"]) == (rows[0]["serial"], 8 * MIB)
        assert SECRET not in said
        assert len([line for line in node.must("cat /proc/partitions").splitlines() if " sd" in line]) == 1, "the other node's is not seen"
        node.must(f"echo precious | dd of=/dev/{disk['device']} bs=4096 conv=sync,fsync 2>/dev/null")
        code, said, _ = disk_role(node, [])
        assert code == 0, said
        assert "sd" not in node.must("cat /proc/partitions"), "it is gone when it is not wanted"
    finally:
        node.close()
    (file,) = [one for one in (san.folder / "state/san/pool").iterdir() if one.read_bytes().startswith(b"precious")]
    assert file.stat().st_size == 8 * MIB
    again = started(image)
    try:
        code, said, gave = disk_role(again, rows)
        assert code == 0, said
        assert again.must(f"head -c 8 /dev/{gave['san-disks'][0]['device']}") == "precious"
    finally:
        again.close()
