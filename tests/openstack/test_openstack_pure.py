"""What the roles of compute nodes decide, without a node."""

from __future__ import annotations

import grp
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cinder_volume
import neutron_compute
import nova_compute
import nova_hosts
import pytest
from cloud import Site
from cloud_api import Fault
from cloud_disks import OBJECTS, VOLUMES, share, wish
from hypothesis import given
from hypothesis import strategies as st


def disk(path: str, **more: Any) -> dict[str, Any]:
    return {"path": path, "type": "disk", "size": 2 << 30, "ro": False, "fstype": None, "pttype": None, "mountpoints": [None], **more}


def blank(*names: str) -> list[dict[str, Any]]:
    return [dict(one) for one in cinder_volume.disks([disk(f"/dev/{name}") for name in names])]


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
        disk("/dev/sdj", tran="usb"),
        disk("/dev/sdk", tran="iscsi"),
        disk("/dev/sdl", children=[{"path": "/dev/sdl1"}]),
    ]
    assert share(cinder_volume.disks(found), [], None, []) == {"sdc": VOLUMES}
    assert share(cinder_volume.disks(found), None, [], []) == {"sdc": OBJECTS, "sdd": OBJECTS, "sdg": OBJECTS}


@pytest.mark.parametrize(
    ("wanted", "members", "free", "due"),
    [
        ([], [], ["sdb", "sdc"], ["sdb"]),
        ([], ["sdb"], ["sdc"], []),
        ([], ["sdb"], [], []),
        (["sdb", "/dev/sdc"], ["sdb"], ["sdb", "sdc"], ["sdc"]),
        (["sdb"], ["sdb", "sdc"], ["sdb"], []),
    ],
)
def test_the_group_gets_what_it_lacks(wanted: list[str], members: list[str], free: list[str], due: list[str]) -> None:
    assert cinder_volume.due(blank(*free), wanted, None, members) == due


@pytest.mark.parametrize(("wanted", "word"), [([], "no blank disk"), (["sdb"], "sdb is not a blank disk: clear it with wipefs --all")])
def test_a_disk_that_is_not_there_says_what_to_do(wanted: list[str], word: str) -> None:
    with pytest.raises(Fault, match=word):
        cinder_volume.due([], wanted, None, [])


@given(
    sizes=st.lists(st.sampled_from([100 << 20, 2 << 30]), max_size=6),
    volumes=st.one_of(st.none(), st.lists(st.sampled_from(["sda", "/dev/sdb", "WWN-c", "gone"]), unique=True)),
    objects=st.one_of(st.none(), st.lists(st.sampled_from(["sdb", "SERIAL-c", "sdd", "gone"]), unique=True)),
    order=st.randoms(),
)
def test_no_disk_is_for_two_roles(sizes: list[int], volumes: list[str] | None, objects: list[str] | None, order: Any) -> None:
    """Both roles ask with the same facts, in any order of the disks, before and after either has run."""
    found = [
        {**one, "size": size, "wwn": f"WWN-{one['name'][-1]}", "serial": f"SERIAL-{one['name'][-1]}"}
        for one, size in zip(blank(*(f"sd{letter}" for letter in "abcdef")), sizes, strict=False)
    ]
    mixed = list(found)
    order.shuffle(mixed)
    try:
        mine = share(found, volumes, objects, [])
    except Fault as wrong:
        assert "is in cinder-disks and in swift-disks" in str(wrong)  # noqa: PT017
        return
    assert share(mixed, volumes, objects, []) == mine
    taken = {role: [name for name, whose in mine.items() if whose == role] for role in (VOLUMES, OBJECTS)}
    assert volumes is not None or not taken[VOLUMES]
    assert objects is not None or not taken[OBJECTS]
    if volumes == []:
        assert len(taken[VOLUMES]) <= 1
    # One of them has run: its disks hold something. What is left for the other is what it was, and no disk changes hands.
    for first, mark, other in ((VOLUMES, "LVM2_member", OBJECTS), (OBJECTS, "xfs", VOLUMES)):
        after = [{**one, "signature": mark if one["name"] in taken[first] else one["signature"]} for one in found]
        again = share(after, volumes, objects, taken[VOLUMES] if first == VOLUMES else [])
        assert [name for name, whose in again.items() if whose == other] == taken[other]


def test_the_other_role_counts_only_on_its_own_node() -> None:
    def site(*values: tuple[str, Any]) -> Site:
        return Site({"disks": {"objects": [{"node": node, "role": OBJECTS, "value": value} for node, value in values]}})

    me = socket.gethostname().split(".")[0]
    assert wish(site(("other.test", ["sdb"])), "disks/objects") is None
    assert wish(site((f"{me}.test", [])), "disks/objects") == []
    assert wish(site((f"{me}.test", ["sdb"]), ("other.test", [])), "disks/objects") == ["sdb"]
    assert wish(Site({}), "disks/objects") is None


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


@pytest.mark.parametrize(
    ("status", "state", "why", "here", "gone"),
    [
        ("enabled", "up", None, [], ["disable", "wait"]),
        ("enabled", "down", None, [], ["disable", "delete"]),
        ("disabled", "up", nova_hosts.OURS, ["enable"], ["wait"]),
        ("disabled", "down", nova_hosts.OURS, ["enable"], ["delete"]),
        ("disabled", "down", "a person replaces its fan", [], ["delete"]),
    ],
)
def test_a_compute_node_that_left_the_plan_leaves_nova(status: str, state: str, why: str | None, here: list[str], gone: list[str]) -> None:
    found = [{"id": "7", "host": "compute-1", "status": status, "state": state, "disabled_reason": why}]
    assert [one.verb for one in nova_hosts.due(found, {"compute-1"})] == here
    assert [one.verb for one in nova_hosts.due(found, {"compute-2"})] == gone
    assert nova_hosts.due([], {"compute-1"}) == []


class Api(BaseHTTPRequestHandler):
    """Keystone, Nova and Neutron in one: compute nodes a (of the plan), b (down), c (up until it has been looked at thrice, with a server)."""

    def log_message(self, *_: object) -> None: ...

    def _answer(self, body: object, status: int = 200, **headers: str) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(text)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer({"token": {"catalog": []}}, 201, X_Subject_Token="t")

    def do_GET(self) -> None:
        cloud = self.server.cloud  # type: ignore[attr-defined]
        path = self.path.partition("?")[0]
        if path == "/v2.1/os-services":
            cloud["looks"] += 1
            if cloud["looks"] > 2 and "c" in cloud["services"]:
                cloud["services"]["c"]["state"] = "down"
            self._answer({"services": [{"id": name, "host": name, **one} for name, one in cloud["services"].items()]})
        elif path == "/v2.1/servers":
            self._answer({"servers": [{}] * cloud["servers"]})
        else:
            self._answer(
                {
                    "agents": [
                        {"id": f"agent-{name}", "host": name, "alive": False} for name in "abc" if f"agent-{name}" not in cloud["deleted"]
                    ]
                }
            )

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.cloud["services"][self.path.rpartition("/")[2]] |= body  # type: ignore[attr-defined]
        self._answer({})

    def do_DELETE(self) -> None:
        cloud, name = self.server.cloud, self.path.rpartition("/")[2]  # type: ignore[attr-defined]
        if name == "c" and cloud["servers"]:
            self._answer({"conflictingRequest": {"message": "Unable to delete compute service that is hosting instances."}}, 409)
            return
        cloud["deleted"].append(name)
        cloud["services"].pop(name, None)
        self._answer({}, 204)


def test_the_script_disables_waits_deletes_and_says_what_is_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against HTTP servers at the services' own ports."""
    up = {"status": "enabled", "state": "up", "disabled_reason": None}
    cloud: dict[str, Any] = {"looks": 0, "servers": 1, "deleted": [], "services": {"a": up, "b": {**up, "state": "down"}, "c": {**up}}}
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Api) for _ in range(3)]
    for one in servers:
        one.cloud = cloud  # type: ignore[attr-defined]
        threading.Thread(target=one.serve_forever, daemon=True).start()
    for name, one in zip(("keystone", "nova", "neutron"), servers, strict=True):
        monkeypatch.setitem(nova_hosts.PORTS, name, one.server_address[1])
    monkeypatch.setattr(nova_hosts, "PAUSE_S", 0.01)
    there = [{"node": "control.test", "role": "x", "value": {"address": "127.0.0.1"}}]
    nodes = [{"node": "a.test", "role": "nova-compute", "value": {"address": "10.0.0.1"}}]
    site = Site({"nova-password": "secret", "cloud": {"compute": nodes, **dict.fromkeys(("keystone", "nova", "neutron"), there)}})
    try:
        with pytest.raises(Fault, match="Nova has b, which is not in the plan"):
            nova_hosts.Nova(site).proof()
        with pytest.raises(Fault, match="1 servers are on c, which is not in the plan: move them away or delete them"):
            nova_hosts.Nova(site).follow()
        assert cloud["services"]["c"]["status"] == "disabled"
        assert cloud["deleted"] == ["b", "agent-b"]
        cloud["servers"] = 0
        nova_hosts.Nova(site).follow()
        nova_hosts.Nova(site).proof()
        assert cloud["services"] == {"a": up}
        assert cloud["deleted"] == ["b", "agent-b", "c", "agent-c"]
        # It is given back before it was deleted.
        cloud["services"]["a"] = {**up, "status": "disabled", "disabled_reason": nova_hosts.OURS}
        nova_hosts.Nova(site).follow()
        assert cloud["services"]["a"]["status"] == "enabled"
    finally:
        for one in servers:
            one.shutdown()
            one.server_close()
