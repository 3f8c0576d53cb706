"""network-NAME on real interfaces: what it makes, and how the old network comes back when no call of the engine comes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import net_lab
import pytest
from role_lab import ADDRESS, RoleLab, admin, link, storage, until

WHY = net_lab.why_no_lab() if os.geteuid() == 0 else "the node's own /sys can only be mounted by root"
pytestmark = pytest.mark.skipif(bool(WHY), reason=WHY or "it can be made")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[RoleLab]:
    with RoleLab(tmp_path) as made:
        yield made


def test_a_network_with_ipv6_bridge_and_mtu(lab: RoleLab) -> None:
    lab.environment["CROWBAR_NETWORK_WAIT_S"] = "20"
    v6 = {"address": "fd00:1::81", "prefix": 64, "router": "fd00:1::10"}
    lab.run("server", "ip", "address", "add", "fd00:1::10/64", "dev", "br1", "nodad")
    wanted = storage(bridge="br-storage", mtu=1400, v6=v6, preference=30)
    done = lab.role("run", wanted)
    assert done.returncode == 0, done.stderr
    assert (lab.folder / "gives.json").read_text() == '{"addresses":["10.1.0.81/20","fd00:1::81/64"]}\n'
    looked = lab.role("verify", wanted)
    assert looked.returncode == 0, looked.stderr
    assert looked.stdout == "network: the engine called: the change of network storage stays\n"
    assert lab.answers("10.1.0.81")
    assert lab.answers("fd00:1::81")
    assert lab.answers()
    assert "br-storage: 1400 True" in lab.live()
    again = lab.role("run", wanted)
    assert (again.returncode, again.stdout) == (0, ""), again.stderr
    assert not lab.state("change").exists(), "nothing changed, so nothing waits for a call"
    other = lab.role("run", {**wanted, "bridge": "", "mtu": 1500, "v6": None})
    assert other.returncode == 0, other.stderr
    assert lab.role("verify", {**wanted, "bridge": "", "mtu": 1500, "v6": None}).returncode == 0
    assert "br-storage" not in lab.live()
    assert lab.answers("10.1.0.81")


def test_without_a_call_the_old_network_comes_back(lab: RoleLab) -> None:
    before, files = lab.live(), lab.files()
    lost = admin(links=[link(1)])
    done = lab.role("run", lost)
    assert done.returncode == 0, done.stderr
    assert not lab.answers()
    until(lab.answers, "the node does not come back")
    until(lambda: not lab.state("rolling").exists(), "the rollback does not end")
    assert (lab.live(), lab.files()) == (before, files)
    looked = lab.role("verify", lost)
    assert looked.returncode == 66
    assert looked.stderr == f"network: admin on c1 ({ADDRESS}/24) was taken back: no call from the engine came within 3 s\n"
    again = lab.role("run", admin())
    assert again.returncode == 0, again.stderr
    assert lab.role("verify", admin()).returncode == 0, "another change is not that one"


def test_a_change_of_another_network_is_kept_when_the_next_role_runs(lab: RoleLab) -> None:
    soon = lab.environment["CROWBAR_NETWORK_WAIT_S"]
    lab.environment["CROWBAR_NETWORK_WAIT_S"] = "600"
    assert lab.role("run", storage()).returncode == 0
    lab.environment["CROWBAR_NETWORK_WAIT_S"] = soon
    other = admin(bridge="br-admin")
    done = lab.role("run", other)
    assert done.returncode == 0, done.stderr
    assert "the change of network storage stays" in done.stdout
    until(lambda: not lab.state("change").exists() and not lab.state("rolling").exists(), "the second change is not taken back")
    assert lab.answers("10.1.0.81"), "the first one stays"
    assert lab.answers()
    assert "br-admin" not in lab.live()
    assert lab.role("verify", storage()).returncode == 0
    assert lab.role("verify", other).returncode == 66


def test_a_bond_that_no_switch_answers_is_named(lab: RoleLab) -> None:
    """A bond with 802.3ad passes nothing if no port has a partner, so the engine's call cannot come."""
    lab.environment["CROWBAR_NETWORK_WAIT_S"] = "600"
    assert lab.role("run", storage()).returncode == 0
    with (lab.state("change") / "made").open("a") as made:
        made.write("bond0\n")
    partner = "details partner lacp pdu:\n    system mac address: "
    text = f"Slave Interface: c0\nDuplex: full\n{partner}44:38:39:00:00:01\n"
    text += f"Slave Interface: c1\nDuplex: Unknown\n{partner}00:00:00:00:00:00\n"
    text += f"Slave Interface: c2\nDuplex: full\n{partner}00:00:00:00:00:00\n"
    (lab.root / "proc").rename(lab.root / "real")  # no bond is made here, so the kernel's file about it is ours
    bonds = lab.root / "proc/net/bonding"
    bonds.mkdir(parents=True)
    (bonds / "bond0").write_text(text)
    fired = lab.run("node", "sh", str(lab.state("rollback")), "fire", "late", env={**os.environ, **lab.environment})
    assert (fired.stdout, fired.stderr) == ("", "")
    shutil.rmtree(lab.root / "proc")
    (lab.root / "real").rename(lab.root / "proc")
    looked = lab.role("verify", storage())
    assert looked.returncode == 66
    says = "no call from the engine came within 600 s, and no switch speaks LACP on c1 (its driver reports no full duplex) and c2\n"
    assert looked.stderr.endswith(says), looked.stderr


def test_an_engine_that_is_down_does_not_blame_the_change(lab: RoleLab) -> None:
    """Nothing listens at its address, and the refusal comes back to the node: so the network is not cut off."""
    if net_lab.program("curl") == "":
        pytest.skip("curl is not installed")
    (lab.root / "etc/crowbar/url").write_text("http://192.168.124.10:8089\n")
    assert lab.role("run", storage()).returncode == 0
    until(lambda: lab.state("rolled-back").exists() and not lab.state("rolling").exists(), "the change is not taken back")
    looked = lab.role("verify", storage())
    assert looked.returncode == 1, "the engine runs the role again"
    assert "within 3 s, and nothing listens at the engine's address" in looked.stderr


def test_a_start_takes_back_what_no_call_made_final(lab: RoleLab) -> None:
    lab.environment["CROWBAR_NETWORK_WAIT_S"] = "600"
    files = lab.files()
    wanted = storage()
    for code in (1, 66):
        assert lab.role("run", wanted).returncode == 0
        assert lab.files() != files
        boot = lab.run("node", "sh", str(lab.state("rollback")), "boot", env={**os.environ, **lab.environment})
        assert (boot.stdout, boot.stderr) == ("", "")
        assert lab.files() == files
        looked = lab.role("verify", wanted)
        assert looked.returncode == code, "the second time the change itself may have brought the machine down"
        assert "was taken back: the machine restarted before a call from the engine came" in looked.stderr


@pytest.mark.parametrize("at", ["link set dev c1 up", "addr replace 10.1.0.81/20 dev c1", "route append"])
def test_a_script_that_is_killed_leaves_the_old_network(lab: RoleLab, at: str) -> None:
    """The power of the script goes away at one of its calls, and the next order of the engine puts everything back."""
    lab.environment["CROWBAR_NETWORK_WAIT_S"] = "600"
    before, files = lab.live(), lab.files()
    tool = lab.folder / "tools" / "ip"
    tool.write_text(f'#!/bin/sh\ncase "$*" in *"{at}"*) kill -9 $PPID; exit 1 ;; esac\nexec /usr/sbin/ip "$@"\n')
    tool.chmod(0o755)
    wanted = storage(router="10.1.0.10", preference=50)
    assert lab.role("run", wanted).returncode == -9
    tool.unlink()
    looked = lab.role("verify", wanted)
    assert (looked.returncode, "no interface has the address" in looked.stderr) == (1, True), looked.stderr
    assert (lab.live(), lab.files()) == (before, files)
    assert lab.role("run", wanted).returncode == 0
    assert lab.role("verify", wanted).returncode == 0


def test_a_script_that_takes_too_long_ends_before_its_change_is_taken_back(lab: RoleLab) -> None:
    """The engine's address answers nothing, which takes the node seconds to find out. The script must not go on meanwhile."""
    (lab.root / "etc/crowbar/url").write_text("http://192.168.124.77\n")
    before, files = lab.live(), lab.files()
    tool = lab.folder / "tools" / "ip"
    rolling = lab.state("rolling")
    waits = f"until [ -e {rolling} ]; do :; done"
    tool.write_text(f'#!/bin/sh\ncase "$*" in *"addr replace 10.1.0.81"*) {waits} ;; esac\nexec /usr/sbin/ip "$@"\n')
    tool.chmod(0o755)
    done = lab.role("run", storage())
    assert (done.returncode, done.stderr) == (1, "network: the change took longer than 3 s, and was taken back\n")
    tool.unlink()
    until(lambda: lab.state("rolled-back").exists() and not rolling.exists(), "the change is not taken back")
    assert (lab.live(), lab.files()) == (before, files)


def test_a_rollback_that_was_interrupted_is_done_again(lab: RoleLab) -> None:
    before, files = lab.live(), lab.files()
    lab.environment["CROWBAR_NETWORK_WAIT_S"] = "600"
    assert lab.role("run", storage(bridge="br-storage")).returncode == 0
    tool = lab.folder / "tools" / "ip"
    tool.write_text('#!/bin/sh\ncase "$*" in *"link del"*) kill -9 $PPID; exit 1 ;; esac\nexec /usr/sbin/ip "$@"\n')
    tool.chmod(0o755)
    lab.run("node", "sh", str(lab.state("rollback")), "fire", "late", check=False, env={**os.environ, **lab.environment})
    tool.unlink()
    assert lab.state("rolling").exists()
    looked = lab.role("verify", storage(bridge="br-storage"))
    assert looked.returncode == 66, looked.stderr
    assert (lab.live(), lab.files()) == (before, files)


def test_an_address_that_another_machine_has(lab: RoleLab) -> None:
    lab.run("server", "ip", "address", "add", "10.1.0.81/20", "dev", "br1")
    before, files = lab.live(), lab.files()
    done = lab.role("run", storage())
    assert done.returncode == 1
    assert "another machine on c1 has the address 10.1.0.81 already: MAC " in done.stderr
    assert (lab.live(), lab.files()) == (before, files)


def test_an_ipv6_address_that_another_machine_has(lab: RoleLab) -> None:
    lab.environment["CROWBAR_NETWORK_WAIT_S"] = "20"
    lab.run("server", "ip", "address", "add", "fd00:1::81/64", "dev", "br1", "nodad")
    done = lab.role("run", storage(v6={"address": "fd00:1::81", "prefix": 64, "router": ""}))
    assert done.returncode == 1
    mac = json.loads(lab.run("server", "ip", "-json", "link", "show", "br1").stdout)[0]["address"]
    assert f"c1: another machine has the address fd00:1::81/64 already: MAC {mac}. " in done.stderr


def test_the_other_nodes_and_large_frames(lab: RoleLab) -> None:
    lab.environment |= {"CROWBAR_NETWORK_WAIT_S": "30", "CROWBAR_REACH_S": "1"}
    wanted = storage(mtu=3000)
    other = [{"node": "n2", "address": "10.1.0.10", "v6": "", "mtu": 0}]
    assert lab.role("run", wanted).returncode == 0
    small = lab.role("verify", wanted, other)
    assert (small.returncode, small.stderr) == (
        1,
        "network: port tor1:swp2 (cable 1g1) does not pass frames of 3000 octets: n2 answers only small ones. "
        "Raise the MTU of the switch's ports, or lower that of storage\n",
    )
    lab.run("server", "ip", "link", "set", "s1", "mtu", "3000")
    lab.run("server", "ip", "link", "set", "br1", "mtu", "3000")
    large = lab.role("verify", wanted, other)
    assert large.returncode == 0, large.stderr
    lab.run("server", "ip", "link", "set", "s1", "nomaster")
    elsewhere = lab.role("verify", wanted, other)
    assert elsewhere.returncode == 1
    assert "port tor1:swp2 (cable 1g1) does not lead to network storage: n2, the only other node" in elsewhere.stderr


def test_what_the_script_leaves_running_ends(lab: RoleLab) -> None:
    assert lab.role("run", storage()).returncode == 0
    assert lab.role("verify", storage()).returncode == 0
    until(lambda: str(lab.root) not in _commands(), "the timer goes on")


def _commands() -> str:
    return subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
