"""LUNs with the real target daemon tgtd and a real initiator in user space: made, exposed, seen by their node only, hidden, removed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from san_lab import MIB, SECRET, TOOL, Daemon, San, initiator, lun, needs_tgt

pytestmark = needs_tgt


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    one = Daemon(tmp_path)
    one.start()
    yield one
    one.stop()


@pytest.fixture
def san(tmp_path: Path, daemon: Daemon) -> San:
    one = San(tmp_path, port=daemon.port)
    one.environment["TGT_IPC_SOCKET"] = daemon.socket
    return one


def shown(san: San) -> str:
    words = ["tgtadm", "--lld", "iscsi", "--mode", "target", "--op", "show"]
    return subprocess.run(words, env=san.environment, capture_output=True, text=True, check=True).stdout


def test_a_lun_is_made_exposed_found_hidden_and_removed(san: San) -> None:
    done = san.run("run", {"n1": [lun("data", 8), lun("logs", 4)], "n2": [lun()]})
    assert done.code == 0, done.err
    rows = done.gives["san-luns"]["luns"]
    assert [(one["node"], one["name"], one["size"]) for one in rows] == [
        ("n1", "data", 8 * MIB),
        ("n1", "logs", 4 * MIB),
        ("n2", "data", 4 * MIB),
    ]
    mine = rows[0]
    assert "Total size:8388608" in initiator("iscsi-readcapacity16", mine).stdout
    assert mine["serial"] in initiator("iscsi-inq", mine, "-e", "1", "-c", "128").stdout
    assert san.run("verify", {"n1": [lun("data", 8), lun("logs", 4)], "n2": [lun()]}).gives == done.gives

    assert initiator("iscsi-readcapacity16", mine, secret="wrong-wrong-wrong").returncode != 0, "another secret"
    assert initiator("iscsi-readcapacity16", mine, name=rows[2]["initiator"]).returncode != 0, "the other node"

    gone = san.run("run", {"n2": [lun()]})  # n1 was deleted
    assert [(one["lun"], one["size"]) for one in gone.gives["san-luns"]["kept"]] == [("n1/data", 8 * MIB), ("n1/logs", 4 * MIB)]
    assert initiator("iscsi-readcapacity16", mine).returncode != 0
    assert len(list((san.folder / "state/san/pool").iterdir())) == 3, "its data stays"

    doomed = [{"lun": "n1/data", "serial": mine["serial"]}]
    assert san.run("remove", {"n2": [lun()]}, doomed).gives == {"san-removed": ["n1/data"]}
    assert len(list((san.folder / "state/san/pool").iterdir())) == 2
    assert san.run("remove", {"n2": [lun()]}, doomed).code == 0, "again does no harm"
    assert [one["lun"] for one in san.run("run", {"n2": [lun()]}).gives["san-luns"]["kept"]] == ["n1/logs"]


def test_a_lun_that_is_wished_again_has_its_data(san: San) -> None:
    first = san.run("run", {"n1": [lun()]}).gives["san-luns"]["luns"][0]
    file = next((san.folder / "state/san/pool").iterdir())
    with open(file, "r+b") as data:
        data.write(b"precious")
    san.run("run", {})
    again = san.run("run", {"n1": [lun()]}).gives["san-luns"]["luns"][0]
    assert (again["serial"], again["number"]) == (first["serial"], first["number"])
    assert file.read_bytes().startswith(b"precious")


def test_the_secret_is_in_no_command_line_and_no_output(san: San) -> None:
    strace = san.folder / "bin"
    strace.mkdir()
    real = subprocess.run(["sh", "-c", "command -v tgtadm"], capture_output=True, text=True, check=True).stdout.strip()
    (strace / "tgtadm").write_text(f'#!/bin/sh\necho "$*" >>"{san.folder}/calls"\nexec {real} "$@"\n')
    (strace / "tgtadm").chmod(0o755)
    done = san.run("run", {"n1": [lun()]}, PATH=f"{strace}:{os.environ['PATH']}")
    assert done.code == 0
    told = (san.folder / "calls").read_text() + done.out + done.err + str(done.gives)
    assert "scsi_sn" in told
    assert SECRET not in told
    kept = san.folder / "state/san/san1.exposed.json"
    assert SECRET in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_another_secret_of_a_node_takes_hold(san: San) -> None:
    row = san.run("run", {"n1": [lun()]}).gives["san-luns"]["luns"][0]
    san.secrets["n1"] = "another-secret-99"
    assert san.run("verify", {"n1": [lun()]}).code == 1
    assert san.run("run", {"n1": [lun()]}).code == 0
    assert initiator("iscsi-readcapacity16", row).returncode != 0
    assert initiator("iscsi-readcapacity16", row, secret="another-secret-99").returncode == 0


def test_what_other_people_exposed_stays(san: San) -> None:
    words = [
        "tgtadm",
        "--lld",
        "iscsi",
        "--mode",
        "target",
        "--op",
        "new",
        "--tid",
        "7",
        "--targetname",
        "iqn.2010-10.org.openstack:volume-1",
    ]
    subprocess.run(words, env=san.environment, check=True)
    san.run("run", {"n1": [lun()]})
    san.run("run", {})
    assert "iqn.2010-10.org.openstack:volume-1" in shown(san)
    assert "san1.n1" not in shown(san)


def test_a_restarted_daemon_gets_everything_back(san: San, daemon: Daemon) -> None:
    row = san.run("run", {"n1": [lun()], "n2": [lun()]}).gives["san-luns"]["luns"][0]
    daemon.stop()
    assert san.run("verify", {"n1": [lun()], "n2": [lun()]}).code == 2, "nobody answers: it could not find out"
    daemon.start()
    looked = san.run("verify", {"n1": [lun()], "n2": [lun()]})
    assert looked.code == 1
    assert "to do: expose" in looked.err
    restore = [sys.executable, str(TOOL / "san.py"), "restore", str(san.folder / "state/san")]
    done = subprocess.run(restore, env=san.environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert initiator("iscsi-readcapacity16", row).returncode == 0
    assert san.run("verify", {"n1": [lun()], "n2": [lun()]}).code == 0


def test_lost_data_is_never_replaced_by_an_empty_lun(san: San) -> None:
    san.run("run", {"n1": [lun()]})
    next((san.folder / "state/san/pool").iterdir()).unlink()
    done = san.run("run", {"n1": [lun()]})
    assert done.code == 1
    assert "an empty one is never put in its place" in done.err
    assert not list((san.folder / "state/san/pool").iterdir())


def test_a_change_by_hand_is_set_right(san: San) -> None:
    row = san.run("run", {"n1": [lun("data"), lun("logs")]}).gives["san-luns"]["luns"][0]
    words = ["tgtadm", "--lld", "iscsi", "--mode"]
    subprocess.run([*words, "logicalunit", "--op", "delete", "--tid", "1", "--lun", "2"], env=san.environment, check=True)
    subprocess.run([*words, "target", "--op", "bind", "--tid", "1", "--initiator-name", "iqn.evil"], env=san.environment, check=True)
    assert san.run("verify", {"n1": [lun("data"), lun("logs")]}).code == 1
    assert san.run("run", {"n1": [lun("data"), lun("logs")]}).code == 0
    assert "iqn.evil" not in shown(san)
    assert initiator("iscsi-readcapacity16", row).returncode == 0


def test_killed_at_any_call_the_next_run_ends_well(san: San) -> None:
    """The program of the delegate dies before its Nth call of tgtadm, for each N."""
    tools = san.folder / "bin"
    tools.mkdir()
    real = subprocess.run(["sh", "-c", "command -v tgtadm"], capture_output=True, text=True, check=True).stdout.strip()
    (tools / "tgtadm").write_text(
        f'#!/bin/sh\nn=$(($(cat "{san.folder}/n" 2>/dev/null || echo 0) + 1))\necho $n >"{san.folder}/n"\n'
        f'[ "$n" != "$DIE_AT" ] || kill -9 $PPID\nexec {real} "$@"\n'
    )
    (tools / "tgtadm").chmod(0o755)
    path = f"{tools}:{os.environ['PATH']}"
    wanted = {"n1": [lun("data"), lun("logs")]}
    died = 0
    for at in range(1, 40):
        san.run("run", {})
        (san.folder / "n").unlink(missing_ok=True)
        done = san.run("run", wanted, PATH=path, DIE_AT=str(at))
        if done.code == 0:
            break
        died += 1
        assert done.code == -signal.SIGKILL
        ended = san.run("run", wanted)
        assert ended.code == 0, f"after a kill at call {at}: {ended.err}"
        row = ended.gives["san-luns"]["luns"][0]
        assert initiator("iscsi-readcapacity16", row).returncode == 0, f"after a kill at call {at}"
        assert len(list((san.folder / "state/san/pool").iterdir())) == 2
    assert died > 8


def test_without_the_daemon_the_reason_says_so(tmp_path: Path) -> None:
    san = San(tmp_path)
    san.environment["TGT_IPC_SOCKET"] = str(tmp_path / "nobody")
    done = san.run("run", {"n1": [lun()]})
    assert done.code == 1
    assert "is the daemon tgtd running?" in done.err
