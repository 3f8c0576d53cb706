"""Swift's roles with the real Swift: three storage nodes and a proxy, and a storage node that is replaced by another.

The nodes are containers of the image, or namespaces with Swift from PyPI where there is no image.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cloud_lab
import pytest
import wheel_lab
from cloud_lab import CloudLab, CloudNode

from engine.jigs.node_tools import TOOLS

pytestmark = [pytest.mark.slow, pytest.mark.client]
CONTROLLER = "127.0.3.1"
STORE = "127.0.3.1{}"
OBJECTS = 200
CLIENT = Path(__file__).with_name("swift_client.py")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[CloudLab]:
    """One for each test: the nodes differ. In a folder of a disk: the upper layer of an overlay wants extended attributes."""
    reason = cloud_lab.why_not()
    if reason and (also := wheel_lab.why_not()):
        pytest.skip(f"{reason}; {also}")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        made = (wheel_lab.WheelLab if reason else CloudLab)(Path(folder), {"swift-part-power": 8})
        try:
            yield made
        finally:
            made.close()


def store(lab: CloudLab, number: int) -> CloudNode:
    node = lab.node(f"store-{number}", STORE.format(number), "swift-storage", "swift-servers")
    node.bring("swift-storage")
    return node


def rings(lab: CloudLab, controller: CloudNode) -> str:
    controller.bring("swift-rings")
    lab.values["swift-ring"] = controller.gives["swift-ring"]
    return str(lab.values["swift-ring"])


def calls(lab: CloudLab, wanted: Sequence[tuple[str, str, bytes | None]]) -> list[list[Any]]:
    asked = json.dumps([[method, path, None if data is None else base64.b64encode(data).decode()] for method, path, data in wanted])
    done = lab.call(sys.executable, str(CLIENT), f"http://{CONTROLLER}:8080", "secret-retriever-password", data=asked)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def until(what: Callable[[], bool], seconds: float) -> float:
    begun = time.monotonic()
    while not what():
        assert time.monotonic() - begun < seconds
        time.sleep(0.5)
    return time.monotonic() - begun


def files_of(node: CloudNode) -> int:
    return int(node.call("sh", "-c", "find /srv/node/*/objects -name '*.data' | wc -l").stdout)


def test_a_storage_node_is_replaced_and_no_object_is_lost(lab: CloudLab, capsys: pytest.CaptureFixture[str]) -> None:
    controller = lab.node("control-1", CONTROLLER, "openstack-cache", "swift-rings", "swift-proxy")
    controller.bring("openstack-cache")
    stores = [store(lab, number) for number in (1, 2, 3)]
    rings(lab, controller)
    for node in stores:
        node.bring("swift-servers")
    controller.bring("swift-proxy")

    contents = {f"object-{number}": os.urandom(500 + 37 * number) for number in range(OBJECTS)}
    made = calls(lab, [("PUT", "/things", None), *(("PUT", f"/things/{name}", data) for name, data in contents.items())])
    assert {one[0] for one in made} == {201}
    until(lambda: all(files_of(node) == OBJECTS for node in stores), 60)  # and the proof's object is deleted

    gone = stores.pop(1)
    gone.stop()
    for role in ("swift-storage", "swift-servers"):
        lab.placed[role].remove(gone.name)
    del lab.nodes[gone.name]
    fresh = store(lab, 4)
    stores.append(fresh)
    before = lab.values["swift-ring"]
    after = rings(lab, controller)
    assert after != before
    assert rings(lab, controller) == after, "nothing is due, so nothing moves"
    started = stores[0].started("swift-object")
    for node in stores:
        node.bring("swift-servers")
    controller.bring("swift-proxy")
    assert stores[0].started("swift-object") == started, "servers find new rings by themselves"
    seconds = until(lambda: files_of(fresh) == OBJECTS, 240)
    with capsys.disabled():
        print(f"\nswift: the new storage node had all {OBJECTS} objects after {seconds:.0f} s")

    found = calls(lab, [("GET", f"/things/{name}", None) for name in contents])
    assert {name: one[1] for name, one in zip(contents, found, strict=True)} == {
        name: hashlib.sha256(data).hexdigest() for name, data in contents.items()
    }
    (listed,) = calls(lab, [("GET", "/things?format=json&limit=1000", None)])
    assert [one["name"] for one in json.loads(listed[2])] == sorted(contents)

    # A builder that is lost is made of the rings that the storage nodes have.
    controller.call("sh", "-c", "rm /etc/swift/*.builder")
    assert rings(lab, controller) == after
    # What stopped is seen and started.
    stores[0].call("systemctl", "stop", "swift-object-replicator")
    assert stores[0].run("swift-servers", "verify").code == 1
    stores[0].bring("swift-servers")


def test_rings_wait_for_nodes_that_are_silent_and_lose_no_data(lab: CloudLab) -> None:
    controller = lab.node("control-1", CONTROLLER, "swift-rings")
    stores = [store(lab, number) for number in (1, 2)]
    two = rings(lab, controller)
    stores[1].call("systemctl", "stop", "rsync")
    assert rings(lab, controller) == two, "a node that is silent keeps its devices"
    lab.placed["swift-storage"].append(lab.node("store-3", STORE.format(3)).name)
    told = controller.run("swift-rings")
    assert (told.code, "127.0.3.13 does not answer on port 873" in told.out) == (1, True), told
    del lab.placed["swift-storage"][:2]
    lab.nodes["store-3"].bring("swift-storage")
    told = controller.run("swift-rings")
    assert (told.code, "of 256 parts of the data have no copy left" in told.out) == (1, True), told
    lab.values["swift-accept-loss"] = True
    assert rings(lab, controller) != two


def test_a_blank_disk_becomes_a_device_and_no_other(lab: CloudLab) -> None:
    node = lab.node("store-1", STORE.format(1), "swift-storage")
    image = lab.folder / "disk.img"
    with open(image, "wb") as out:
        out.truncate(2 << 30)
    loop = subprocess.run(["losetup", "--show", "-f", str(image)], capture_output=True, text=True, check=True).stdout.strip()
    try:
        node.call("mknod", "/dev/sdb", "b", "7", str(os.minor(os.stat(loop).st_rdev)))
        links = """mkdir -p /dev/disk/by-uuid
uuid=$(blkid -p -s UUID -o value /dev/sdb) && ln -sf /dev/sdb "/dev/disk/by-uuid/$uuid"
"""
        disk = '{"name":"%s","size":%d,"serial":"%s","signature":"%s","transport":"sata","wwn":"","path":""}'
        listed = ",".join((disk % ("sda", 9 << 30, "S1", "gpt"), disk % ("sdb", 2 << 30, "S2", "'$kind'")))
        # They stand for the kernel's list of disks and for udev, which a container does not have.
        node.instead = {"disks": f"kind=$(blkid -p -s TYPE -o value /dev/sdb)\necho '{{\"disks\":[{listed}]}}'\n", "udevadm": links}
        node.bring("swift-storage")
        (device,) = node.gives["swift-devices"]
        assert device["weight"] == 2
        mounted = node.call("findmnt", "-n", "-o", "FSTYPE,LABEL", f"/srv/node/{device['name']}").stdout.split()
        assert mounted == ["xfs", device["name"]]
        node.call("touch", f"/srv/node/{device['name']}/kept")
        node.bring("swift-storage")
        assert node.gives["swift-devices"] == [device]
        assert node.call("ls", f"/srv/node/{device['name']}").stdout.split() == ["kept"]
        node.call("umount", f"/srv/node/{device['name']}")
        told = node.run("swift-storage", "verify")
        assert (told.code, "is not mounted" in told.out) == (1, True), told
        node.bring("swift-storage")
        # The disk of another Swift is no spare disk, and is never formatted.
        lab.values |= {"swift-hash-suffix": "another-suffix", "swift-disks": ["S2"]}
        told = node.run("swift-storage")
        assert (told.code, bool(re.search(r"sdb .S2. is not blank .xfs., and only blank disks", told.out))) == (1, True), told
    finally:
        node.call("sh", "-c", "umount /srv/node/*")
        subprocess.run(["losetup", "-d", loop], check=False)


def test_lives_of_rings(lab: CloudLab, capsys: pytest.CaptureFixture[str]) -> None:
    node = lab.node("control-1", CONTROLLER)
    for file in (*TOOLS.glob("cloud/*.py"), Path(__file__).with_name("ring_history.py")):
        shutil.copy(file, node.root / "opt")
    done = node.call("env", "PYTHONPATH=/opt", "python3", "/opt/ring_history.py", "60")
    assert done.returncode == 0, done.stdout + done.stderr
    with capsys.disabled():
        print(f"\nswift: {done.stdout.strip()}")
