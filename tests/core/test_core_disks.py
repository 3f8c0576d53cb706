"""The one choice of disks: tables of cases, and random sets of disks that are renamed, shuffled and lied about."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.core.hardware.choices import Choice
from engine.core.hardware.disk_choice import choose, members
from engine.core.hardware.disks import Disk, read
from engine.core.hardware.written import Volume
from engine.reasons import KINDS, sentence

GB = 10**9


def told(name: str, **more: Any) -> dict[str, Any]:
    """An entry of an inventory."""
    return {"name": name, "size": 960 * GB, "serial": "", "rotational": False, "signature": "", "transport": "sata"} | more


OLD_ARRAY = [told(f"sd{letter}", serial="LUN", transport="fc", size=2000 * GB) for letter in "abcd"] + [told("sde", serial="S1")]
"""As an inventory of an older version shows a LUN over four paths: five disks."""


def test_an_old_inventory_with_four_paths() -> None:
    disks = read(OLD_ARRAY)
    assert [(one.name, one.paths, one.remote) for one in disks] == [("sda", ("sda", "sdb", "sdc", "sdd"), True), ("sde", ("sde",), False)]
    assert [one.name for one in choose("n", disks, []).taken] == ["sde"]


@pytest.mark.parametrize(
    ("disks", "named", "taken", "code"),
    [
        ([told("sda"), told("sdb")], "", "sda", ""),
        ([told("sda"), told("nvme0n1", transport="nvme")], "", "nvme0n1", ""),
        ([told("sda", size=4 * GB), told("sdb")], "", "sdb", ""),
        ([told("sda", size=4 * GB)], "", "sda", ""),
        ([told("sda", size=372 << 10)], "", "", "no_fit_disk"),
        ([told("sda", transport="fc", serial="L"), told("sdb")], "L", "sda", ""),
        ([told("sda", transport="fc", serial="L")], "", "", "no_fit_disk"),
        ([told("sda", transport="nvme-tcp", wwn="uuid.1")], "", "", "no_fit_disk"),
        ([told("sda", transport="usb")], "sda", "sda", ""),
        ([told("sda", transport="sd"), told("sdb")], "", "sdb", ""),
        ([told("sda", wwn="naa.1")], "naa.1", "sda", ""),
        ([told("sda", path="pci-1")], "pci-1", "sda", ""),
        ([told("sda")], "sdb", "", "no_such_disk"),
        ([told("sda", read_only=True)], "sda", "", "no_fit_disk"),
        ([told("sda", used="/live")], "sda", "", "no_fit_disk"),
        ([told("sda", logical=4096)], "", "", "no_fit_disk"),  # by BIOS
        ([told("sda", serial="C"), told("sdb", serial="C")], "", "", "no_fit_disk"),
        ([told("sda", serial="C", wwn="naa.1"), told("sdb", serial="C", wwn="naa.2")], "C", "", "no_fit_disk"),
        ([told("sda", serial="C", wwn="naa.1"), told("sdb", serial="C", wwn="naa.2")], "naa.2", "sdb", ""),
    ],
)
def test_which_disk(disks: list[dict[str, Any]], named: str, taken: str, code: str) -> None:
    found = choose("n", read(disks), [], named, "bios")
    assert [one.name for one in found.taken] == ([taken] if taken else [])
    assert (found.refused.code if found.refused is not None else "") == code
    _each_has_its_reason(read(disks), found)


def test_volumes() -> None:
    disks = read([told(f"sd{letter}", serial=letter) for letter in "abc"])
    mirror = Volume(name="md1", level="raid1", disks=("sda", "sdb"), size=1)
    found = choose("n", disks, [mirror])
    assert (found.volume, [one.reason.code for one in found.left]) == (mirror, ["disk_member", "disk_member", "disk_later"])
    stripes = replace(mirror, level="raid0")
    assert [one.name for one in choose("n", disks, [stripes]).taken] == ["sdc"], "firmware cannot start from stripes"
    assert choose("n", disks, [stripes], "md1").volume == stripes
    jbod = [Volume(name=d.name, level="jbod", disks=(d.name,), size=1) for d in disks]
    assert [one.name for one in choose("n", disks, jbod).taken] == ["sda"]
    refused = choose("n", disks, [mirror], "sda").refused
    assert refused is not None
    assert "a member of volume md1" in sentence(refused)


@pytest.mark.parametrize(
    ("level", "taken", "codes"),
    [
        ("raid1", ["sdb", "sdc"], {"sda": "disk_size", "sdd": "disk_spare", "sde": "disk_remote", "sdf": "disk_usb"}),
        ("raid0", ["sdb", "sdc", "sdd"], {"sda": "disk_size", "sde": "disk_remote", "sdf": "disk_usb"}),
        ("jbod", ["sda", "sdb", "sdc", "sdd"], {"sde": "disk_remote", "sdf": "disk_usb"}),
        ("none", [], {"sde": "disk_remote", "sdf": "disk_usb"}),
    ],
)
def test_members_of_a_volume(level: str, taken: list[str], codes: dict[str, str]) -> None:
    same = [told(f"sd{letter}", serial=letter, size=4000 * GB) for letter in "bcd"]
    others = [told("sde", serial="e", transport="fc", size=4000 * GB), told("sdf", serial="f", transport="usb", size=4000 * GB)]
    found = members("n", read([told("sda", serial="a"), *same, *others]), level)
    assert [one.name for one in found.taken] == taken
    assert {one.disk.name: one.reason.code for one in found.left} == codes


def test_too_few_members_say_why() -> None:
    found = members("n", read([told("sda", serial="a"), told("sdb", serial="b", transport="fc")]), "raid1")
    assert found.refused is not None
    assert sentence(found.refused) == (
        "cannot make raid1 on n: it needs 2 disks of one size, and only 1 can be used: sdb: a remote disk, over fc"
    )


def test_one_odd_field_costs_the_field() -> None:
    (one,) = read([told("sda", size="large", wwn="naa.1", rotational="x")])
    assert (one.name, one.wwn, one.size) == ("sda", "naa.1", 0)
    assert choose("n", [one], []).taken == (), "a machine that says odd things of a disk gets nothing written there"
    assert read([None, 7, {}, {"name": ""}, [], told("sdb")])[0].name == "sdb"
    assert read("sda") == []


# -- random sets ---------------------------------------------------------------------------------------------------

disk_sets = st.lists(
    st.fixed_dictionaries(
        {
            "size": st.sampled_from([372 << 10, 4 * GB, 500 * GB, 960 * GB]),
            "transport": st.sampled_from(["sata", "sas", "scsi", "nvme", "mmc", "usb", "fc", "iscsi", "virtio", "nvme-tcp", "sd", ""]),
            "wwn": st.sampled_from(["", "naa.1", "naa.2", "naa.3", "eui.4", "naa.5", "naa.6"]),
            "serial": st.sampled_from(["", "A", "B", "C"]),
            "path": st.sampled_from(["", "pci-0000:00:05.0", "pci-0000:00:0a.0", "pci-0000:00:17.0-ata-2", "pci-0000:00:17.0-ata-10"]),
            "removable": st.booleans(),
            "read_only": st.booleans(),
            "logical": st.sampled_from([512, 4096, 520]),
        }
    ),
    max_size=8,
)


def inventory(kinds: list[dict[str, Any]], order: list[int] | None = None) -> list[dict[str, Any]]:
    """With the kernel's names in this order."""
    shuffled = [kinds[i] for i in order] if order is not None else kinds
    return [told(f"sd{chr(97 + i)}", **kind) for i, kind in enumerate(shuffled)]


def _each_has_its_reason(disks: list[Disk], found: Choice) -> None:
    """Each disk is taken or has a reason, and none is both, or twice."""
    names = [one.name for one in found.taken] + [one.disk.name for one in found.left]
    assert sorted(names) == sorted(one.name for one in disks)
    assert all(sentence(one.reason) and one.reason.code in KINDS for one in found.left)
    assert found.taken or found.volume or found.refused


@settings(max_examples=300)
@given(disk_sets, st.sampled_from(["", "bios", "efi"]))
def test_what_is_never_taken_unasked(kinds: list[dict[str, Any]], firmware: str) -> None:
    disks = read(inventory(kinds))
    found = choose("n", disks, [], "", firmware)
    _each_has_its_reason(disks, found)
    for one in (*found.taken, *members("n", disks, "jbod").taken, *members("n", disks, "raid0").taken):
        assert not one.remote
        assert one.transport not in ("usb", "sd")
        assert not one.read_only
        assert len(one.paths) == 1


@settings(max_examples=300)
@given(st.data(), disk_sets.filter(lambda kinds: len({k["wwn"] for k in kinds}) == len(kinds) and all(k["wwn"] for k in kinds)))
def test_names_and_order_do_not_matter(data: st.DataObject, kinds: list[dict[str, Any]]) -> None:
    """sda and sdb change places at the next boot: the same disks are taken, by WWN, and for the same reasons."""
    order = data.draw(st.permutations(range(len(kinds))))
    for level in ("", "raid1", "raid0", "jbod"):
        both = []
        for disks in (read(inventory(kinds)), read(inventory(kinds, order))):
            found = members("n", disks, level) if level else choose("n", disks, [])
            both.append(([one.wwn for one in found.taken], sorted((one.disk.wwn, one.reason.code) for one in found.left)))
        assert both[0] == both[1]


@settings(max_examples=200)
@given(disk_sets, st.integers(2, 4))
def test_each_disk_is_there_once_over_however_many_paths(kinds: list[dict[str, Any]], paths: int) -> None:
    alone = [k for k in kinds if k["transport"] in ("fc", "iscsi", "sas") and k["wwn"]]
    unique = list({(k["wwn"], k["serial"], k["size"]): k for k in alone}.values())
    entries = [told(f"sd{i}{chr(97 + n)}", **kind) for i, kind in enumerate(unique) for n in range(paths)]
    disks = read(entries)
    assert len(disks) == len(unique)
    assert all(len(one.paths) == paths for one in disks)
    assert choose("n", disks, []).taken == (), "never to a path"
