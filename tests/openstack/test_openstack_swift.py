"""Swift's roles with the real Swift: three storage nodes and a proxy, and a storage node that is replaced by another."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nodes import Node, needed

pytestmark = [pytest.mark.slow, pytest.mark.client, needed()]
CONTROLLER = "127.0.3.1"
STORAGE = [f"127.0.3.{number}" for number in (11, 12, 13, 14)]
OBJECTS = 200
SECRETS = {name: f"{name}-12345" for name in ("swift-hash-suffix", "swift-hash-prefix", "swift-password", "retriever-password")}


def admin(address: str) -> dict[str, str]:
    return {"address": address, "mask": "255.0.0.0", "router": ""}


def collected(role: str, *addresses: str) -> list[dict[str, Any]]:
    return [{"node": f"n{number}.test", "role": role, "value": admin(address)} for number, address in enumerate(addresses, 1)]


def attributes(address: str, **more: Any) -> dict[str, Any]:
    return {"admin-network": admin(address), "cloud-profile": "rehearsal", "swift-disks": [], **SECRETS, **more}


def rings_of(controller: Node, addresses: list[str], **more: Any) -> str:
    values = {"swift-part-power": 8, "swift-replicas": 3, "swift-min-part-hours": 1, "swift-accept-loss": False, **more}
    given = controller.apply(
        "swift-rings", attributes(controller.address, swift={"nodes": collected("swift-storage", *addresses)}, **values)
    )
    return str(given["swift-ring"])


def storage(node: Node) -> list[Any]:
    return list(node.apply("swift-storage", attributes(node.address))["swift-devices"])


def servers(node: Node, ring: str, devices: list[Any]) -> None:
    node.apply("swift-servers", attributes(node.address, **{"swift-ring": ring, "swift-devices": devices}))


def proxy(controller: Node, ring: str) -> None:
    cloud = {"cache": collected("openstack-cache", controller.address)}
    controller.apply("swift-proxy", attributes(controller.address, **{"swift-ring": ring}, cloud=cloud))


class Client:
    def __init__(self) -> None:
        known = {"X-Storage-User": "rack:retriever", "X-Storage-Pass": SECRETS["retriever-password"]}
        said = urllib.request.urlopen(urllib.request.Request(f"http://{CONTROLLER}:8080/auth/v1.0", headers=known), timeout=60)
        self.url, self._token = said.headers["X-Storage-Url"], said.headers["X-Auth-Token"]

    def call(self, method: str, path: str, content: bytes | None = None) -> bytes:
        request = urllib.request.Request(self.url + path, data=content, method=method, headers={"X-Auth-Token": self._token})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())


def until(what: Callable[[], bool], seconds: float) -> float:
    begun = time.monotonic()
    while not what():
        assert time.monotonic() - begun < seconds
        time.sleep(1)
    return time.monotonic() - begun


@pytest.fixture
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], Node]]:
    # An overlay cannot lie on every file system, and memory has no room for it.
    base = Path(os.environ.get("CROWBAR_CLOUD_WORK", "/var/tmp")) / f"crowbar-swift-{os.getpid()}"
    made: list[Node] = []

    def make(name: str, address: str) -> Node:
        made.append(Node(name, address, base / name))
        return made[-1].up()

    yield make
    for node in made:
        node.down()


def files_of(node: Node) -> int:
    return int(node.run("sh", "-c", "find /srv/node/*/objects -name '*.data' | wc -l").stdout)


def test_a_storage_node_is_replaced_and_no_object_is_lost(nodes: Callable[[str, str], Node], capsys: pytest.CaptureFixture[str]) -> None:
    controller = nodes("sw-control", CONTROLLER)
    controller.apply("openstack-cache", attributes(CONTROLLER))
    stores = {address: nodes(f"sw-store{number}", address) for number, address in enumerate(STORAGE[:3], 1)}
    devices = {address: storage(node) for address, node in stores.items()}
    ring = rings_of(controller, STORAGE[:3])
    for address, node in stores.items():
        servers(node, ring, devices[address])
    proxy(controller, ring)

    client = Client()
    contents = {f"object-{number}": os.urandom(500 + 37 * number) for number in range(OBJECTS)}
    client.call("PUT", "/things")
    for name, content in contents.items():
        client.call("PUT", f"/things/{name}", content)
    until(lambda: all(files_of(node) == OBJECTS for node in stores.values()), 60)  # and the proofs' objects are deleted

    gone = stores.pop(STORAGE[1])
    gone.down()
    fresh = stores[STORAGE[3]] = nodes("sw-store4", STORAGE[3])
    devices[STORAGE[3]] = storage(fresh)
    now = [STORAGE[0], STORAGE[2], STORAGE[3]]
    before, ring = ring, rings_of(controller, now)
    assert ring != before
    assert rings_of(controller, now) == ring  # nothing is due, so nothing moves
    for address, node in stores.items():
        servers(node, ring, devices[address])
    proxy(controller, ring)
    seconds = until(lambda: files_of(fresh) == OBJECTS, 240)
    with capsys.disabled():
        print(f"\nswift: the new storage node had all {OBJECTS} objects after {seconds:.0f} s")

    client = Client()
    sums = {name: hashlib.sha256(client.call("GET", f"/things/{name}")).hexdigest() for name in contents}
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    names = [one["name"] for one in json.loads(client.call("GET", "/things?format=json&limit=1000"))]
    assert names == sorted(contents)
    # A builder that is lost is made of the rings that the storage nodes have.
    controller.run("sh", "-c", "rm /etc/swift/*.builder")
    assert rings_of(controller, now) == ring


def test_a_storage_node_that_is_silent_keeps_its_devices(nodes: Callable[[str, str], Node]) -> None:
    controller = nodes("sw-control", CONTROLLER)
    stores = {address: nodes(f"sw-store{number}", address) for number, address in enumerate(STORAGE[:2], 1)}
    for node in stores.values():
        storage(node)
    two = rings_of(controller, STORAGE[:2])
    stores[STORAGE[1]].run("systemctl", "stop", "rsync")
    assert rings_of(controller, STORAGE[:2]) == two
    code, said, _ = controller.role(
        "swift-rings",
        attributes(
            CONTROLLER,
            swift={"nodes": []},
            **{"swift-part-power": 8, "swift-replicas": 3, "swift-min-part-hours": 1, "swift-accept-loss": False},
        ),
    )
    assert (code, "no node has the role swift-storage" in said) == (1, True)


def test_a_spare_disk_becomes_a_device(nodes: Callable[[str, str], Node], tmp_path: Path) -> None:
    node = nodes("sw-store1", STORAGE[0])
    image = node.folder / "disk.img"
    with open(image, "wb") as out:
        out.truncate(2 << 30)
    loop = subprocess.run(["losetup", "--show", "-f", str(image)], capture_output=True, text=True, check=True).stdout.strip()
    number = os.stat(loop).st_rdev & 0xFF
    try:
        node.run("mknod", "/dev/sdb", "b", "7", str(number))
        # Stands for udev and for the kernel's list of disks, which a container does not have.
        tool = f"""#!/bin/sh
kind=$(blkid -p -s TYPE -o value /dev/sdb)
mkdir -p /dev/disk/by-uuid
uuid=$(blkid -p -s UUID -o value /dev/sdb) && ln -sf /dev/sdb "/dev/disk/by-uuid/$uuid"
echo '{{"disks":[{{"name":"sda","size":9999999999,"serial":"S1","signature":"gpt","transport":"sata","wwn":"","path":"p1"}},{{"name":"sdb","size":{2 << 30},"serial":"S2","signature":"'$kind'","transport":"sata","wwn":"","path":"p2"}}]}}'
"""
        tools = {"disks": tool, "udevadm": f"#!/bin/sh\n{tool.partition('mkdir')[1]}{tool.partition('mkdir')[2].rpartition('echo')[0]}"}
        given = node.apply("swift-storage", attributes(node.address), tools=tools)
        (device,) = given["swift-devices"]
        assert device["weight"] == 2
        mounted = node.run("findmnt", "-n", "-o", "FSTYPE,LABEL", f"/srv/node/{device['name']}").stdout.split()
        assert mounted == ["xfs", device["name"]]
        node.run("touch", f"/srv/node/{device['name']}/kept")
        assert node.apply("swift-storage", attributes(node.address), tools=tools) == given
        assert node.run("ls", f"/srv/node/{device['name']}").stdout.split() == ["kept"]
        # The disk of another Swift is no spare disk, and is never formatted.
        other = {**attributes(node.address), "swift-hash-suffix": "another-suffix", "swift-disks": ["S2"]}
        code, said, _ = node.role("swift-storage", other, tools=tools)
        assert (code, "only blank disks are formatted" in said) == (1, True)
    finally:
        node.run("sh", "-c", "umount /srv/node/*", check=False)
        subprocess.run(["losetup", "-d", loop], check=False)
