"""What the roles of compute nodes decide, without a node."""

from __future__ import annotations

import grp
import socket
from pathlib import Path
from typing import Any

import cinder_volume
import neutron_compute
import nova_compute
import pytest
from cloud import Site
from cloud_api import Fault


def disk(path: str, **more: Any) -> dict[str, Any]:
    return {"path": path, "type": "disk", "size": 2 << 30, "ro": False, "fstype": None, "pttype": None, "mountpoints": [None], **more}


def test_a_disk_that_holds_anything_is_not_blank() -> None:
    found = [
        disk("/dev/sdd"),
        disk("/dev/sda", children=[{"path": "/dev/sda1"}], pttype="gpt"),
        disk("/dev/sdb", fstype="xfs"),
        disk("/dev/sdc"),
        disk("/dev/sde", mountpoints=["/srv"]),
        disk("/dev/sdf", pttype="gpt"),
        disk("/dev/sdg", size=1 << 20),
        disk("/dev/sr0", type="rom"),
        disk("/dev/sdh", ro=True),
        disk("/dev/sdi", fstype="linux_raid_member"),
    ]
    assert cinder_volume.blank(found) == ["/dev/sdc", "/dev/sdd"]


@pytest.mark.parametrize(
    ("wanted", "members", "free", "due"),
    [
        ([], [], ["/dev/sdb", "/dev/sdc"], ["/dev/sdb"]),
        ([], ["/dev/sdb"], ["/dev/sdc"], []),
        ([], ["/dev/sdb"], [], []),
        (["sdb", "/dev/sdc"], ["/dev/sdb"], ["/dev/sdc"], ["/dev/sdc"]),
        (["sdb"], ["/dev/sdb", "/dev/sdc"], [], []),
    ],
)
def test_the_group_gets_what_it_lacks(wanted: list[str], members: list[str], free: list[str], due: list[str]) -> None:
    assert cinder_volume.due(wanted, members, free) == due


@pytest.mark.parametrize(("wanted", "word"), [([], "no blank disk"), (["sdb"], "wipefs --all /dev/sdb")])
def test_a_disk_that_is_not_there_says_what_to_do(wanted: list[str], word: str) -> None:
    with pytest.raises(Fault, match=word):
        cinder_volume.due(wanted, [], [])


def test_kvm_is_taken_where_it_is(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    assert [nova_compute.virt_type(wanted, tmp_path) for wanted in ("auto", "kvm", "qemu")] == ["kvm", "kvm", "qemu"]
    assert [nova_compute.virt_type(wanted, missing) for wanted in ("auto", "qemu")] == ["qemu", "qemu"]
    with pytest.raises(Fault, match="BIOS"):
        nova_compute.virt_type("kvm", missing)


def test_only_nova_gets_the_socket_of_the_switch(tmp_path: Path) -> None:
    there, group = tmp_path / "db.sock", grp.getgrgid(tmp_path.stat().st_gid).gr_name
    with pytest.raises(Fault, match="does ovsdb-server run"):
        nova_compute.shut(there, group)
    there.write_text("")
    with pytest.raises(Fault, match="no socket"):
        nova_compute.shut(there, group)
    there.unlink()
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(there))
        for mode, word in ((0o750, "mode 750"), (0o777, "mode 777"), (0o770, "")):
            there.chmod(mode)
            assert word in nova_compute.shut(there, group)
            assert bool(nova_compute.shut(there, group)) == bool(word)


def test_the_bridge_outside_gets_the_port_only_if_there_is_one() -> None:
    assert neutron_compute.bridge("eno2", "kernel")[-4:] == ["--may-exist", "add-port", "br-ex", "eno2"]
    assert neutron_compute.bridge("", "userspace")[-1] == "datapath_type=netdev"


def test_ovn_is_told_what_differs() -> None:
    one = [{"node": "c1.test", "role": "neutron-server", "value": {"address": "10.0.0.1"}}]
    site = Site({"admin-network": {"address": "10.0.0.7"}, "neutron-datapath": "kernel", "cloud": {"neutron": one}})
    wanted = neutron_compute.wanted(site)
    assert (wanted["ovn-remote"], wanted["ovn-encap-ip"]) == ("tcp:10.0.0.1:6642", "10.0.0.7")
    assert neutron_compute.differs(wanted, {**wanted, "more": "kept"}) == []
    assert neutron_compute.differs(wanted, {**wanted, "ovn-encap-ip": "10.0.0.8"}) == ["ovn-encap-ip"]
