"""Which drives become which volume: the original's rules, with a reason for each drive."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import reasons
from engine.core.hardware.raid_choice import (
    CLASS,
    EVEN,
    LEAST,
    SETS,
    Candidate,
    RaidChoice,
    WantedVolume,
    choose_drives,
    least_size,
    usable,
    wanted_volumes,
)
from engine.reasons import Reason, sentence

GB = 10**9


def drive(
    place: str, gb: int = 600, medium: Any = "disk", protocol: str = "sas", controller: str = "0", barred: Reason | None = None
) -> Candidate:
    return Candidate(place=place, size=gb * GB, medium=medium, protocol=protocol, controller=controller, barred=barred)


def wants(*volumes: dict[str, Any]) -> tuple[WantedVolume, ...]:
    found = wanted_volumes("n1", {"volumes": list(volumes)})
    assert isinstance(found, tuple), sentence(found)
    return found


def taken(found: RaidChoice) -> dict[str, list[str]]:
    assert found.refused is None, sentence(found.refused)
    return {one.name: [drive.place for drive in one.members] for one in found.volumes}


SHELF = [drive(f"252:{n}") for n in range(4)] + [drive(f"252:{n}", 1200) for n in range(4, 12)] + [drive("252:12", 480, "ssd", "sata")]


def test_max_takes_the_largest_class_with_enough_drives() -> None:
    assert taken(choose_drives("n1", wants({"level": "raid1", "name": "os"}), SHELF)) == {"os": ["252:4", "252:5"]}


def test_min_takes_the_smallest_class_with_enough_drives() -> None:
    assert taken(choose_drives("n1", wants({"level": "raid1", "name": "os", "size": "min"}), SHELF)) == {"os": ["252:0", "252:1"]}
    assert taken(choose_drives("n1", wants({"level": "raid5", "name": "d", "size": "min", "disks": 5}), SHELF))["d"][0] == "252:4"


def test_a_size_takes_the_smallest_class_that_is_large_enough() -> None:
    assert taken(choose_drives("n1", wants({"level": "raid1", "size": "500G", "name": "a"}), SHELF)) == {"a": ["252:0", "252:1"]}
    assert taken(choose_drives("n1", wants({"level": "raid1", "size": "1T", "name": "a"}), SHELF)) == {"a": ["252:4", "252:5"]}
    found = choose_drives("n1", wants({"level": "raid1", "size": "2T", "name": "a"}), SHELF)
    assert found.refused is not None
    assert sentence(found.refused) == (
        "n1 has no drives for volume a (raid1, of 2 disks, size 2T); free and of that kind are: 4 of 600 GB, 8 of 1.20 TB, 1 of 480 GB"
    )
    assert all(not one.volume for one in found.verdicts)


def test_disks_come_before_ssds_and_sas_before_sata() -> None:
    mixed = [drive("a", 900, "ssd", "sas"), drive("b", 900, "ssd", "sas"), drive("c", 100, "disk", "sata"), drive("d", 100, "disk", "sata")]
    assert taken(choose_drives("n1", wants({"level": "raid1", "name": "v"}), mixed)) == {"v": ["c", "d"]}
    assert taken(choose_drives("n1", wants({"level": "raid1", "name": "v", "medium": "ssd"}), mixed)) == {"v": ["a", "b"]}
    assert taken(choose_drives("n1", wants({"level": "raid1", "name": "v"}), [*mixed, drive("e", 50), drive("f", 50)])) == {"v": ["e", "f"]}


def test_drives_of_two_controllers_are_never_mixed() -> None:
    two = [drive("a"), drive("b", controller="1"), drive("c", controller="1"), drive("d", controller="10")]
    found = choose_drives("n1", wants({"level": "raid1", "name": "v"}), two)
    assert [one.key for one in found.volumes[0].members] == [("1", "b"), ("1", "c")]
    assert choose_drives("n1", wants({"level": "raid1", "controller": "10"}), two).refused is not None


def test_sizes_in_the_same_32_gib_are_one_class() -> None:
    near = [drive("a", 598), drive("b", 600), drive("c", 700)]
    assert 598 * GB // CLASS == 600 * GB // CLASS
    assert taken(choose_drives("n1", wants({"level": "raid1", "name": "v"}), near)) == {"v": ["a", "b"]}


def test_remaining_takes_a_class_and_jbod_all_that_is_left() -> None:
    wanted = wants({"level": "raid10", "name": "data", "disks": "remaining"}, {"level": "jbod", "name": "rest"})
    found = taken(choose_drives("n1", wanted, SHELF))
    assert found["data"] == [f"252:{n}" for n in range(4, 12)]
    assert found["rest"] == ["252:0", "252:1", "252:2", "252:3", "252:12"]


def test_the_sets_of_the_original() -> None:
    four = [drive(f"252:{n}") for n in range(5)]
    expected = {
        "SingleRaid10": {"single": ["252:0", "252:1", "252:2", "252:3"]},
        "SingleRaid1": {"single": ["252:0", "252:1"]},
        "SingleRaid0": {"single": ["252:0", "252:1", "252:2", "252:3", "252:4"]},
        "JBODOnly": {"jbod": ["252:0", "252:1", "252:2", "252:3", "252:4"]},
        "R1_JBOD": {"os": ["252:0", "252:1"], "jbod": ["252:2", "252:3", "252:4"]},
    }
    assert SETS.keys() == expected.keys()
    for name, volumes in expected.items():
        wanted = wanted_volumes("n1", {"set": name})
        assert isinstance(wanted, tuple)
        assert taken(choose_drives("n1", wanted, four)) == volumes
    bare = wanted_volumes("n1", {"set": "R1_JBOD"})
    assert isinstance(bare, tuple)
    assert taken(choose_drives("n1", bare, four[:2])) == {"os": ["252:0", "252:1"], "jbod": []}


def test_spares_are_large_enough_and_the_smallest_that_fit() -> None:
    found = choose_drives("n1", wants({"level": "raid5", "size": "min", "spares": 2, "name": "v"}), SHELF)
    assert [one.place for one in found.volumes[0].members] == ["252:0", "252:1", "252:2"]
    assert [one.place for one in found.volumes[0].spares] == ["252:3", "252:4"]
    assert choose_drives("n1", wants({"level": "raid6", "disks": 8, "spares": 1}), SHELF).refused is not None


def test_each_drive_has_a_reason() -> None:
    barred = drive("252:13", barred=reasons.disk_state(state="failed"))
    found = choose_drives("n1", wants({"level": "raid1", "name": "os", "size": "min"}), [*SHELF, barred])
    told = {one.drive.place: sentence(one.reason) for one in found.verdicts}
    assert told["252:0"] == "the drive is a member of volume os: 600 GB sas disk: the smallest with enough alike"
    assert told["252:2"] == "volume os is made of 252:0, 252:1, which come first"
    assert told["252:13"] == "the disk reports that it is unhealthy: failed"
    found = choose_drives("n1", wants({"level": "raid1", "name": "os", "medium": "disk"}), SHELF)
    assert sentence(found.why("0", "252:12") or reasons.raid_not_needed()) == (
        "volume os does not take the drive: it is an SSD, and wanted is a disk"
    )


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"level": "raid7"}, "Invalid enum value 'raid7'"),
        ({"level": "raid1", "disks": 3}, "raid1 has 2 disks, not 3"),
        ({"level": "raid1", "disks": "remaining"}, "raid1 has 2 disks, and `remaining` may be more"),
        ({"level": "raid10", "disks": 5}, "an even number of disks, not 5"),
        ({"level": "raid6", "disks": 3}, "raid6 has 4 to 240 disks, not 3"),
        ({"level": "raid5", "size": "big"}, "neither max, min, nor a number of bytes"),
        ({"level": "raid5", "size": -1}, "neither max, min, nor a number of bytes"),
        ({"level": "raid5", "disks": "all"}, "must be a number or `remaining`"),
        ({"level": "raid0", "spares": 1}, "a spare is of no use"),
        ({"level": "raid5", "stripe": 100}, "no power of two"),
        ({"level": "raid5", "name": "a b"}, "its name may have"),
        ({"level": "jbod", "boot": True}, "jbod cannot be the volume to boot from"),
        ({"level": "raid5", "colour": "red"}, "unknown field"),
    ],
)
def test_a_wish_that_contradicts_itself_is_refused(wish: dict[str, Any], words: str) -> None:
    found = wanted_volumes("n1", {"volumes": [wish]})
    assert isinstance(found, Reason)
    assert words in sentence(found)


def test_wishes_of_other_forms() -> None:
    assert wanted_volumes("n1", {"level": "raid1"}) == ()
    assert wanted_volumes("n1", "junk") == ()
    unknown = wanted_volumes("n1", {"set": "Fast"})
    assert isinstance(unknown, Reason)
    assert "the sets are SingleRaid10" in sentence(unknown)
    twice = wanted_volumes("n1", {"volumes": [{"level": "raid5", "name": "a"}, {"level": "raid5", "name": "a"}]})
    assert isinstance(twice, Reason)
    assert "two volumes have one name" in sentence(twice)
    assert [least_size(text) for text in ("2T", "2 TiB", "500GB", 7, "0", "max", "2X", "")] == [
        2 * 10**12,
        2 << 40,
        500 * GB,
        7,
        None,
        0,
        None,
        None,
    ]


# -- whatever the drives and the wishes ----------------------------------------------------------------------------

DRIVES = st.lists(
    st.builds(
        Candidate,
        place=st.integers(0, 40).map(lambda n: f"32:{n}"),
        size=st.sampled_from([0, 100 * GB, 300 * GB, 301 * GB, 600 * GB, 4000 * GB]),
        controller=st.sampled_from(["", "0", "1"]),
        medium=st.sampled_from(["", "disk", "ssd", "nvme"]),
        protocol=st.sampled_from(["", "sas", "sata", "nvme", "usb"]),
        barred=st.sampled_from([None, None, None, reasons.disk_read_only()]),
    ),
    max_size=24,
    unique_by=lambda one: one.key,
)
LEVELS = list(LEAST)


@st.composite
def wishes(draw: Any) -> tuple[WantedVolume, ...]:
    out = []
    for number in range(draw(st.integers(1, 3))):
        level = draw(st.sampled_from(LEVELS))
        least = LEAST[level]
        count = 2 if level == "raid1" else least + (2 if level in EVEN else 1) * draw(st.integers(0, 2))
        disks = draw(st.sampled_from([count, "remaining" if level != "raid1" else count]))
        size = draw(st.sampled_from(["max", "min", "200G", 550 * GB]))
        spares = draw(st.integers(0, 1)) if level not in ("jbod", "raid0") else 0
        medium = draw(st.sampled_from(["", "", "ssd"]))
        out.append({"level": level, "name": f"v{number}", "disks": disks, "size": size, "spares": spares, "medium": medium})
    return wants(*out)


@given(drives=DRIVES, wanted=wishes(), seed=st.integers(0, 999))
@settings(max_examples=400, deadline=None)
def test_whatever_there_is(drives: list[Candidate], wanted: tuple[WantedVolume, ...], seed: int) -> None:
    found = choose_drives("n1", wanted, drives)
    assert [one.drive for one in found.verdicts] == drives, "each drive has its reason"
    mixed = list(drives)
    random.Random(seed).shuffle(mixed)
    again = choose_drives("n1", wanted, mixed)
    assert (again.volumes, again.refused) == (found.volumes, found.refused), "the order of the drives does not matter"
    if found.refused is not None:
        assert not found.volumes
        assert not any(one.volume for one in found.verdicts)
        return
    used = [one.key for volume in found.volumes for one in (*volume.members, *volume.spares)]
    assert len(used) == len(set(used)), "each drive is in one volume only"
    assert {one.drive.key for one in found.verdicts if one.volume} == set(used)
    assert [one.name for one in found.volumes] == [one.name for one in wanted]
    for volume in found.volumes:
        assert all(one.barred is None for one in (*volume.members, *volume.spares))
        check(volume.want, list(volume.members), list(volume.spares), volume.size)


def check(want: WantedVolume, members: list[Candidate], spares: list[Candidate], size: int) -> None:
    least = least_size(want.size) or 0
    if want.level == "jbod" and want.disks == "remaining":
        assert all(one.size >= least for one in members)
        return
    assert len({(one.controller, one.medium, one.protocol) for one in (*members, *spares)}) == 1
    assert len({one.size // CLASS for one in members}) == 1
    assert len(members) >= LEAST[want.level]
    assert want.level != "raid1" or len(members) == 2
    assert want.level not in EVEN or len(members) % 2 == 0
    assert not isinstance(want.disks, int) or len(members) == want.disks
    assert len(spares) == want.spares
    each = min(one.size for one in members)
    assert all(one.size >= each for one in spares)
    assert each > 0
    assert size == usable(want.level, len(members), each)
    assert (each if want.level == "jbod" else size) >= least
    assert all(want.medium in ("", one.medium) for one in members)


@given(drives=DRIVES, level=st.sampled_from(["raid0", "raid1", "raid5"]), size=st.sampled_from(["max", "min"]))
@settings(max_examples=300, deadline=None)
def test_no_better_class_had_enough_drives(drives: list[Candidate], level: str, size: str) -> None:
    found = choose_drives("n1", wants({"level": level, "size": size, "name": "v"}), drives)
    sane = [one for one in drives if one.barred is None and one.size > 0]

    def enough(group: tuple[str, str, str], of: int) -> bool:
        alike = [one for one in sane if (one.controller, one.medium, one.protocol) == group and one.size // CLASS == of]
        return len(alike) >= LEAST[level]

    if found.refused is not None:
        assert not any(enough((one.controller, one.medium, one.protocol), one.size // CLASS) for one in sane)
        return
    members = found.volumes[0].members
    group, mine = (members[0].controller, members[0].medium, members[0].protocol), members[0].size // CLASS
    for one in sane:
        other = one.size // CLASS
        if (one.controller, one.medium, one.protocol) == group and (other > mine if size == "max" else other < mine):
            assert not enough(group, other)
