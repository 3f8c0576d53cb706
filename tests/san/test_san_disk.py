"""The node's side, with the real iscsiadm where it is installed. The kernel's disks are files: a session needs a kernel with iscsi_tcp."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from san_lab import SECRET, TOOL, Done

SIZE = 1 << 20
TARGET = "iqn.2026-01.test.r1:san1.n1"
ROW = {
    "san": "san1",
    "name": "data",
    "size": SIZE,
    "serial": "ab" * 16,
    "target": TARGET,
    "number": 1,
    "portal": "10.0.0.5:3260",
    "initiator": "iqn.2026-01.test.r1:n1",
    "user": "san1.n1",
}
ISCSIADM = r"""#!/bin/sh
echo "$*" >>"$CROWBAR_ROOT/calls"
while [ $# -gt 0 ]; do
    case $1 in -T) target=$2 ;; -p) portal=$(echo "$2" | tr : ,) ;; -o) what=$2 ;; --login) what=login ;; --logout) what=logout ;; esac
    shift
done
record="$CROWBAR_ROOT/etc/iscsi/nodes/$target/$portal"
case ${what:-} in
new) mkdir -p "$record" && printf '# BEGIN RECORD\nnode.name = x\nnode.startup = manual\n# END RECORD\n' >"$record/crowbar" ;;
delete) rm -r "$CROWBAR_ROOT/etc/iscsi/nodes/$target" ;;
login) grep -q "^node.session.auth.password = $(cat "$CROWBAR_ROOT/secret")$" "$record/crowbar" || { echo "iscsiadm: initiator reported error (24 - iSCSI login failed due to authorization failure)" >&2; exit 24; } ;;
esac
"""


class Box:
    def __init__(self, folder: Path) -> None:
        self.root, self.folder = folder / "root", folder
        (self.root / "dev").mkdir(parents=True)
        (folder / "bin").mkdir()
        tool = folder / "bin/iscsiadm"
        tool.write_text(ISCSIADM)
        tool.chmod(0o755)
        (self.root / "secret").write_text(SECRET)

    def disk(self, name: str, serial: str, size: int = SIZE) -> None:
        device = self.root / "sys/class/block" / name / "device"
        device.mkdir(parents=True)
        (device / "vpd_pg80").write_bytes(bytes([0, 0x80, 0, len(serial)]) + serial.encode())
        (device / "wwid").write_text("naa.6001405abababab\n")
        (device.parent / "size").write_text(f"{size // 512}\n")
        (self.root / "dev" / name).write_bytes(bytes(8192))

    def run(self, verb: str, rows: list[dict[str, Any]], secret: str = SECRET) -> Done:
        attributes, gives = self.folder / "attributes.json", self.folder / "gives.json"
        attributes.write_text(json.dumps({"san-disks-wanted": {"disks": rows}, "san-account": secret}))
        gives.unlink(missing_ok=True)
        environment = os.environ | {
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "CROWBAR_ROOT": str(self.root),
            "CROWBAR_ATTRIBUTES": str(attributes),
            "CROWBAR_GIVES": str(gives),
            "CROWBAR_SAN_WAIT": "0.1",
        }
        command = [sys.executable, str(TOOL / "san_disk.py"), verb]
        return Done(subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False), gives)

    @property
    def calls(self) -> str:
        return (self.root / "calls").read_text()


@pytest.fixture
def box(tmp_path: Path) -> Box:
    one = Box(tmp_path)
    one.disk("sda", "SYSTEM")
    one.disk("sdb", ROW["serial"])
    return one


def test_the_lun_is_found_by_its_serial_number(box: Box) -> None:
    assert box.run("verify", [ROW]).code == 0, "the disk is there"
    done = box.run("run", [ROW])
    assert done.code == 0, done.err
    want = {"name": "data", "san": "san1", "serial": ROW["serial"], "device": "sdb", "size": SIZE, "wwn": "naa.6001405abababab"}
    assert done.gives == {"san-disks": [want]}
    record = next(box.root.glob("etc/iscsi/nodes/*/*/crowbar"))
    assert "node.startup = automatic" in record.read_text(), "the disk comes back at the next boot"
    assert record.stat().st_mode & 0o777 == 0o600
    assert SECRET not in box.calls + done.out + done.err
    before = record.read_text()
    assert box.run("run", [ROW]).gives == done.gives
    assert record.read_text() == before
    assert "--logout" not in box.calls, "a session that is as wanted is not ended"


def test_a_lun_that_goes_is_left(box: Box) -> None:
    box.run("run", [ROW])
    assert box.run("verify", []).code == 1
    done = box.run("run", [])
    assert (done.code, done.gives) == (0, {"san-disks": []})
    assert f"logged out of {TARGET}" in done.out
    assert not list(box.root.glob("etc/iscsi/nodes/*"))
    assert box.run("verify", []).code == 0


def test_sessions_of_others_are_left_alone(box: Box) -> None:
    other = box.root / "etc/iscsi/nodes/iqn.2010-10.org.openstack:v/10.0.0.9,3260,1/default"
    other.parent.mkdir(parents=True)
    other.write_text("node.name = v\n")
    box.run("run", [ROW])
    box.run("run", [])
    assert other.read_text() == "node.name = v\n"


def test_another_portal_is_another_session(box: Box) -> None:
    box.run("run", [ROW])
    done = box.run("run", [{**ROW, "portal": "10.0.0.6:3260"}])
    assert done.code == 0, done.err
    assert [one.parts[-2] for one in box.root.glob("etc/iscsi/nodes/*/*/crowbar")] == ["10.0.0.6,3260,1"]


@pytest.mark.parametrize(
    ("size", "serial", "said"),
    [(SIZE * 2, ROW["serial"], "was made with"), (SIZE, "another", "shows no disk with the serial number")],
)
def test_a_disk_that_is_not_the_lun(tmp_path: Path, size: int, serial: str, said: str) -> None:
    box = Box(tmp_path)
    box.disk("sdb", serial, size)
    done = box.run("run", [ROW])
    assert done.code == 1
    assert said in done.err


def test_a_disk_that_cannot_be_read(box: Box) -> None:
    (box.root / "dev/sdb").write_bytes(b"")
    done = box.run("run", [ROW])
    assert done.code == 1
    assert "gave 0 of 4096 bytes" in done.err


def test_a_refused_login_says_what_was_refused(box: Box) -> None:
    done = box.run("run", [ROW], secret="Wrong-wrong-wrong")
    assert done.code == 1
    assert "authorization failure" in done.err
    assert "Wrong-wrong" not in done.err


@pytest.mark.skipif(shutil.which("iscsiadm") is None or os.geteuid() != 0, reason="needs root, and the package open-iscsi")
def test_the_real_iscsiadm_reads_the_record(tmp_path: Path) -> None:
    """Its records have a fixed place, so this needs a node of no interest in /etc/iscsi."""
    sys.path.insert(0, str(TOOL))
    import san_disk

    iface = Path("/etc/iscsi/ifaces/crowbar")
    had = iface.exists()
    os.environ.pop("CROWBAR_ROOT", None)
    node = san_disk.Node()
    node.prepare(str(ROW["initiator"]))
    row = {**ROW, "target": "iqn.2026-01.test.r1:test-of-crowbar.n1", "portal": "127.0.0.1:3999"}
    file = node.record_of(row["target"], row["portal"])
    try:
        with pytest.raises(san_disk.DiskError, match="--login"):
            node.log_in(row, SECRET)  # nobody listens there
        assert file.is_file()
        words = ["iscsiadm", "-m", "node", "-T", row["target"], "-p", "127.0.0.1:3999,1", "-I", "crowbar", "-S"]
        told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        assert "node.session.auth.authmethod = CHAP" in told
        assert "node.session.auth.username = san1.n1" in told
        assert f"node.session.auth.password = {SECRET}" in told
        assert "node.startup = automatic" in told
        assert f"iface.initiatorname = {ROW['initiator']}" in told
        assert node.leave({}) == [row["target"]]
        assert not file.exists()
    finally:
        shutil.rmtree(file.parents[1], ignore_errors=True)
        if not had:
            iface.unlink(missing_ok=True)
