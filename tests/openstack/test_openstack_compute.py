"""Images, servers, networks and volumes of a cloud, with the real daemons on Debian: a controller, and one node that runs servers.

Servers run in QEMU without KVM. Open vSwitch switches in user space, and LVM is a stand-in (lvm_stand_in.py): a container has no kernel of its
own for either.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cloud_lab import CloudLab, CloudNode

pytestmark = [pytest.mark.slow, pytest.mark.client]

BASE = ("openstack-cache", "openstack-database", "openstack-messages", "openstack-front", "keystone")
CONTROLLER = ("glance", "placement", "nova-controller", "neutron-server", "cinder")
COMPUTE = ("neutron-compute", "nova-compute", "cinder-volume")
UNITS = {
    "glance": ("glance-api",),
    "placement": ("placement-api",),
    "nova-controller": ("nova-scheduler", "nova-conductor", "nova-api-metadata", "nova-api"),
    "neutron-server": ("neutron-periodic-workers", "neutron-ovn-maintenance-worker", "neutron-api", "ovn-northd"),
    "cinder": ("cinder-scheduler", "cinder-api"),
    "neutron-compute": ("neutron-ovn-metadata-agent", "ovn-controller"),
    "nova-compute": ("nova-compute",),
    "cinder-volume": ("cinder-volume", "tgt"),
}
LVM = ("pvs", "vgs", "lvs", "vgcreate", "vgextend", "lvcreate", "lvremove", "lvdisplay", "lvchange", "lvextend", "pvresize")
SERVER_S = 300.0


class Api:
    """The cloud's services, as the administrator."""

    def __init__(self, lab: CloudLab, controller: CloudNode) -> None:
        self.lab, self.host = lab, f"http://{controller.address}"
        user = {"name": "admin", "domain": {"id": "default"}, "password": "secret-cloud-admin-password"}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        said = lab.call(
            "curl",
            "-sSi",
            "--noproxy",
            "*",
            "-H",
            "Content-Type: application/json",
            "-d",
            json.dumps(body),
            self._url(5000, "/v3/auth/tokens"),
        )
        headers, _blank, text = said.stdout.replace("\r", "").partition("\n\n")
        self.token = next(line.split(": ")[1] for line in headers.splitlines() if line.lower().startswith("x-subject-token"))
        self.project = json.loads(text)["token"]["project"]["id"]

    def _url(self, port: int, path: str) -> str:
        return f"{self.host}:{port}{path}"

    def curl(self, method: str, port: int, path: str, *words: str) -> str:
        token = f"X-Auth-Token: {self.token}"
        done = self.lab.call("curl", "-sS", "--noproxy", "*", "--fail-with-body", "-X", method, "-H", token, *words, self._url(port, path))
        assert done.returncode == 0, done
        return done.stdout

    def ask(self, method: str, port: int, path: str, body: Any = None, *words: str) -> Any:
        data = [] if body is None else ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        said = self.curl(method, port, path, *data, *words)
        return json.loads(said) if said else None


def until(what: Callable[[], Any]) -> Any:
    end = time.monotonic() + SERVER_S
    while not (found := what()):
        assert time.monotonic() < end, "it does not happen"
        time.sleep(1)
    return found


@pytest.fixture(scope="module")
def controller(lab: CloudLab) -> CloudNode:
    lab.values |= {"neutron-datapath": "userspace"}
    node = lab.node("control-1", "127.0.1.1", *BASE, *CONTROLLER)
    node.bring(*BASE, *CONTROLLER)
    return node


@pytest.fixture(scope="module")
def compute(lab: CloudLab, controller: CloudNode) -> CloudNode:
    node = lab.node("compute-1", "127.0.1.2", *COMPUTE)
    stand_in = Path(__file__).parent / "lvm_stand_in.py"
    state = node.root / "var/lib/lvm-stand-in"
    state.mkdir()
    (state / "disks").write_text("/dev/sdx /dev/sdy")
    for name in (*(f"usr/sbin/{one}" for one in LVM), "usr/bin/lsblk"):
        (node.root / name).unlink(missing_ok=True)  # a link to another file of the tree
        shutil.copy(stand_in, node.root / name)
        (node.root / name).chmod(0o755)
    # A container may not change what the agent sets in the network namespaces of metadata.
    assert node.call("mount", "-o", "remount,rw", "/proc/sys").returncode == 0
    node.bring(*COMPUTE)
    return node


@pytest.fixture(scope="module")
def api(lab: CloudLab, controller: CloudNode, compute: CloudNode) -> Api:
    return Api(lab, controller)


@pytest.fixture(scope="module")
def image(api: Api, tmp_path_factory: pytest.TempPathFactory) -> str:
    """1 MiB of zeros, which came out of Glance as it went in."""
    file = tmp_path_factory.mktemp("image") / "zeros"
    file.write_bytes(bytes(1 << 20))
    made = api.ask("POST", 9292, "/v2/images", {"name": "zeros", "disk_format": "raw", "container_format": "bare"})
    path = f"/v2/images/{made['id']}/file"
    api.curl("PUT", 9292, path, "-H", "Content-Type: application/octet-stream", "--data-binary", f"@{file}")
    api.curl("GET", 9292, path, "-o", f"{file}.back")
    assert Path(f"{file}.back").read_bytes() == file.read_bytes()
    return str(made["id"])


def test_placement_has_the_processors_of_the_node_with_the_plans_ratio(api: Api) -> None:
    provider = api.ask("GET", 8778, "/resource_providers")["resource_providers"][0]["uuid"]
    assert api.ask("GET", 8778, f"/resource_providers/{provider}/inventories")["inventories"]["VCPU"]["allocation_ratio"] == 4.0


def test_nova_builds_a_server_with_an_address_on_a_network_of_ovn(api: Api, compute: CloudNode, image: str) -> None:
    flavor = api.ask("POST", 8774, "/v2.1/flavors", {"flavor": {"name": "tiny", "ram": 64, "vcpus": 1, "disk": 1}})["flavor"]["id"]
    network = api.ask("POST", 9696, "/v2.0/networks", {"network": {"name": "inside"}})["network"]["id"]
    subnet = {"network_id": network, "ip_version": 4, "cidr": "10.9.0.0/24"}
    api.ask("POST", 9696, "/v2.0/subnets", {"subnet": subnet})
    wanted = {"name": "one", "imageRef": image, "flavorRef": flavor, "networks": [{"uuid": network}]}
    server = api.ask("POST", 8774, "/v2.1/servers", {"server": wanted})["server"]["id"]

    def state() -> Any:
        found = api.ask("GET", 8774, f"/v2.1/servers/{server}")["server"]
        return found if found["status"] in ("ACTIVE", "ERROR") else None

    found = until(state)
    assert (found["status"], found.get("fault")) == ("ACTIVE", None)
    assert found["addresses"]["inside"][0]["addr"].startswith("10.9.0.")
    assert compute.call("virsh", "list", "--name").stdout.split() != []
    port = api.ask("GET", 9696, f"/v2.0/ports?device_id={server}")["ports"][0]
    assert (port["status"], port["binding:host_id"], port["binding:vif_type"]) == ("ACTIVE", "compute-1", "ovs")
    until(lambda: f"ovnmeta-{network}" in compute.call("ip", "netns").stdout)  # what answers on 169.254.169.254
    api.ask("DELETE", 8774, f"/v2.1/servers/{server}")
    until(lambda: not compute.call("virsh", "list", "--all", "--name").stdout.split())


def test_cinder_makes_a_volume_of_an_image_and_hands_it_out(api: Api, compute: CloudNode, image: str) -> None:
    here = f"/v3/{api.project}"
    volume = api.ask("POST", 8776, f"{here}/volumes", {"volume": {"size": 1, "imageRef": image}})["volume"]["id"]

    def state() -> Any:
        found = api.ask("GET", 8776, f"{here}/volumes/{volume}")["volume"]["status"]
        return found if found in ("available", "error") else None

    assert until(state) == "available"
    host = {"initiator": "iqn.2026-01.test:one", "ip": compute.address, "host": "compute-1", "platform": "x86_64", "os_type": "linux"}
    version = ("-H", "OpenStack-API-Version: volume 3.50")
    server = "11111111-2222-3333-4444-555555555555"
    body = {"attachment": {"volume_uuid": volume, "instance_uuid": server, "connector": {**host, "multipath": False}}}
    made = api.ask("POST", 8776, f"{here}/attachments", body, *version)["attachment"]
    assert made["connection_info"]["target_portal"] == f"{compute.address}:3260"
    assert made["connection_info"]["target_iqn"] in compute.call("tgtadm", "--lld", "iscsi", "--op", "show", "--mode", "target").stdout
    api.curl("DELETE", 8776, f"{here}/attachments/{made['id']}", *version)
    until(lambda: state() == "available")
    api.curl("DELETE", 8776, f"{here}/volumes/{volume}")
    until(lambda: volume not in compute.call("ls", "/dev/cinder-volumes").stdout)


def test_a_compute_node_that_left_the_plan_leaves_nova_and_comes_back(
    lab: CloudLab, api: Api, controller: CloudNode, compute: CloudNode
) -> None:
    def services() -> dict[str, tuple[str, str]]:
        found = api.ask("GET", 8774, "/v2.1/os-services?binary=nova-compute")["services"]
        return {one["host"]: (one["status"], one["state"]) for one in found}

    def providers() -> list[str]:
        return [one["name"] for one in api.ask("GET", 8778, "/resource_providers")["resource_providers"]]

    here = {"compute-1": ("enabled", "up")}
    controller.bring("nova-hosts")
    assert services() == here
    compute.call("systemctl", "stop", "nova-compute")
    lab.placed["nova-compute"].remove("compute-1")
    assert controller.run("nova-hosts", "verify").code == 1
    controller.bring("nova-hosts")
    assert (services(), providers(), api.ask("GET", 8774, "/v2.1/os-hypervisors")["hypervisors"]) == ({}, [], [])

    lab.placed["nova-compute"].append("compute-1")
    controller.bring("nova-hosts")
    compute.bring("nova-compute")
    assert services() == here
    assert len(providers()) == 1

    # Nova forgets a service that runs: verify sees it, and the next run starts the service anew.
    (known,) = api.ask("GET", 8774, "/v2.1/os-services?binary=nova-compute")["services"]
    api.ask("DELETE", 8774, f"/v2.1/os-services/{known['id']}")
    told = compute.run("nova-compute", "verify")
    assert (told.code, "does not report to Nova" in told.out) == (1, True), told
    compute.bring("nova-compute")
    assert services() == here


def test_users_reach_the_services_by_tls(lab: CloudLab, api: Api) -> None:
    ca = lab.folder / "ca.pem"
    ca.write_bytes(lab.site.pem)
    for port in (9292, 8778, 8774, 9696, 8776):
        url = f"https://127.0.1.1:{port + 10000}/"
        done = lab.call("curl", "-sS", "--noproxy", "*", "--cacert", str(ca), "-o", "/dev/null", "-w", "%{http_code}", url)
        assert done.stdout in ("200", "300"), (port, done)


@pytest.mark.parametrize("role", [*CONTROLLER, *COMPUTE])
def test_a_second_run_restarts_nothing(controller: CloudNode, compute: CloudNode, role: str) -> None:
    node = controller if role in CONTROLLER else compute
    before = [node.started(unit) for unit in UNITS[role]]
    done = node.run(role)
    assert done.code == 0, done
    assert [node.started(unit) for unit in UNITS[role]] == before
    assert "wrote" not in done.out


@pytest.mark.parametrize("role", [*CONTROLLER, *COMPUTE])
def test_what_stopped_is_seen_and_started(controller: CloudNode, compute: CloudNode, role: str) -> None:
    node = controller if role in CONTROLLER else compute
    for unit in UNITS[role][:1]:
        assert node.call("systemctl", "kill", "-s", "KILL", unit).returncode == 0
        assert node.call("systemctl", "stop", unit).returncode == 0
        told = node.run(role, "verify")
        assert (told.code, f"{unit} does not run" in told.out) == (1, True), told
    node.bring(role)


def test_no_password_is_in_a_list_of_processes_or_readable_for_all(lab: CloudLab, controller: CloudNode, compute: CloudNode) -> None:
    secrets = [f"secret-{name}" for name, one in lab.catalog.attributes.items() if one.generate]
    for node in (controller, compute):
        listed = node.call("ps", "-eo", "args").stdout
        assert not [one for one in secrets if one in listed]
        found = node.call("runuser", "-u", "nobody", "--", "grep", "-rlsF", "secret-", "/etc", "/var/log", "/run")
        assert found.stdout.split() == []
