"""What the rings of Swift follow: which devices, and what changes. Without Swift."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cloud_api import Fault
from cloud_disks import share
from cloud_rings import Device, changes, pack, ring_files, unpack, wanted
from hypothesis import given, settings
from hypothesis import strategies as st

HERE = Path(__file__).parents[2]


def loaded(role: str) -> ModuleType:
    file = HERE / f"barclamps/swift/roles/{role}/{role.replace('-', '_')}.py"
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module


storage = loaded("swift-storage")
ADDRESSES = [f"10.0.0.{number}" for number in range(1, 6)]
weights = st.integers(1, 5).map(float)


@st.composite
def clusters(draw: st.DrawFn) -> dict[str, list[Device]]:
    """Address -> its devices. No device is on two nodes."""
    names = draw(st.lists(st.sampled_from([f"d{number}" for number in range(12)]), unique=True))
    out: dict[str, list[Device]] = {address: [] for address in draw(st.lists(st.sampled_from(ADDRESSES), min_size=1, unique=True))}
    for name in names:
        address = draw(st.sampled_from(sorted(out)))
        out[address].append(Device(name, address, draw(weights)))
    return out


def flat(cluster: Mapping[str, list[Device]]) -> list[Device]:
    return sorted(device for devices in cluster.values() for device in devices)


@given(clusters(), clusters())
def test_all_nodes_answer_so_the_rings_have_just_their_devices(before: dict[str, list[Device]], after: dict[str, list[Device]]) -> None:
    assert wanted(flat(before), after) == flat(after)


@given(clusters(), clusters())
def test_the_changes_make_the_known_devices_the_wanted_ones(before: dict[str, list[Device]], after: dict[str, list[Device]]) -> None:
    there = {device.name: device for device in flat(before)}
    for change in changes(flat(before), flat(after)):
        name, device = change.device.name, change.device
        assert (name in there) is (change.verb != "add")
        if change.verb == "remove":
            del there[name]
        elif change.verb == "move":
            there[name] = Device(name, device.address, there[name].weight)
        elif change.verb == "weigh":
            there[name] = Device(name, there[name].address, device.weight)
        else:
            there[name] = device
    assert sorted(there.values()) == flat(after)
    assert changes(flat(after), flat(after)) == []


@given(clusters(), st.data())
def test_a_node_that_is_silent_keeps_its_devices(cluster: dict[str, list[Device]], data: st.DataObject) -> None:
    silent = data.draw(st.sets(st.sampled_from(sorted(address for address, devices in cluster.items() if devices) or ["none"])))
    answers: dict[str, Any] = {address: None if address in silent else devices for address, devices in cluster.items()}
    assert wanted(flat(cluster), answers) == flat(cluster)


def test_a_disk_that_moved_counts_where_it_answers() -> None:
    known = [Device("d1", "10.0.0.1", 4.0)]
    moved = Device("d1", "10.0.0.2", 4.0)
    assert wanted(known, {"10.0.0.1": None, "10.0.0.2": [moved]}) == [moved]
    assert [change.verb for change in changes(known, [moved])] == ["move"]
    with pytest.raises(Fault, match=r"10.0.0.1 and 10.0.0.2 both say that they have the device d1"):
        wanted(known, {"10.0.0.1": known, "10.0.0.2": [moved]})


def test_a_new_node_that_is_silent_is_waited_for() -> None:
    with pytest.raises(Fault, match=r"10.0.0.2 does not answer on port 873"):
        wanted([Device("d1", "10.0.0.1", 4.0)], {"10.0.0.1": [Device("d1", "10.0.0.1", 4.0)], "10.0.0.2": None})


@settings(max_examples=20)
@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=300))
def test_rings_are_packed_and_unpacked(account: bytes, container: bytes, thing: bytes) -> None:
    rings = {"account": account, "container": container, "object": thing}
    text = pack(rings)
    assert unpack(text) == rings
    assert ring_files(text) == ring_files(pack(rings))


def disk(name: str, **more: Any) -> dict[str, Any]:
    known = {
        "size": 4 << 40,
        "serial": name.upper(),
        "signature": "",
        "transport": "sata",
        "wwn": "",
        "path": f"pci-{name}",
        "remote": False,
    }
    return {"name": name, **known, **more}


def test_spare_disks_are_blank_local_and_large_enough() -> None:
    disks = [
        disk("sda", signature="gpt"),
        disk("sdb"),
        disk("sdc", signature="xfs"),
        disk("sdd", size=100 << 20),
        disk("sde", remote=True),
        disk("sdf", transport="usb"),
        disk("sdg", signature="xfs", serial="OURS"),
        disk("sdh", signature="unknown"),
    ]
    found = storage.choose(disks, [], share(disks, None, [], []), lambda one: one["serial"] == "OURS")
    assert [one["name"] for one in found] == ["sdb", "sdg"]


@pytest.mark.parametrize("name", ["sdb", "SDB", "pci-sdb"])
def test_a_disk_is_named_by_any_of_its_names(name: str) -> None:
    assert [one["name"] for one in storage.choose([disk("sda"), disk("sdb")], [name], {}, lambda one: False)] == ["sdb"]


def test_a_named_disk_with_content_is_refused() -> None:
    with pytest.raises(Fault, match=r"the disk sdb .SDB. is not blank .ext4., and only blank disks are formatted"):
        storage.choose([disk("sdb", signature="ext4")], ["SDB"], {}, lambda one: False)
    with pytest.raises(Fault, match="this node has no such disk"):
        storage.choose([disk("sdb")], ["SDC"], {}, lambda one: False)


def test_a_device_has_the_name_of_its_disk_wherever_that_is() -> None:
    here, there = disk("sdb", wwn="0x5000c500a1b2c3d4"), disk("sdz", wwn="0x5000c500a1b2c3d4", path="elsewhere")
    assert storage.name_for(here) == storage.name_for(there)
    assert storage.uuid_for(here, "one") == storage.uuid_for(there, "one") != storage.uuid_for(here, "another")
    assert len(storage.name_for(here)) <= 12, "a label of XFS"
