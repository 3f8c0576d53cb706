"""What differs between records of parts: two looks, a family, an expectation; and which of it needs a person."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import USUAL
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.core.hardware.expected import EXPECTED, of_parts
from engine.core.hardware.parts_diff import differences, facts, lasting, outliers, size_words, unexpected
from engine.core.operator.problems import problems_of
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.model import Node, NodeRole, State, Value
from engine.parts import BmcLine, Card, Dimm, Drive, Firmware, NetPort, Parts, PowerSupply, Processor, Product
from engine.reasons import sentence

GIB = 1 << 30
A1, A2 = (Dimm(place=f"A{n}", size=16 * GIB, type="DDR4", speed=2933, serial=f"D{n}") for n in (1, 2))
DISK = Drive(name="sda", serial="X1", model="MZ7", size=480 * 10**9, medium="ssd", firmware="1.0", health="ok", hours=10)
PORT = NetPort(name="eno1", mac="f4:02:70:aa:bb:01", model="BCM57414", firmware="21.4", link=True, speed=10000)


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        (Parts(dimms=(A1, A2)), Parts(dimms=(A1, A2)), []),
        (Parts(dimms=(A1, A2)), Parts(dimms=(A1,)), ["DIMM A2 (16 GiB DDR4 2933 MT/s, serial D2) is gone"]),
        (Parts(dimms=(A1,)), Parts(dimms=(A1, A2)), ["DIMM A2 (16 GiB DDR4 2933 MT/s, serial D2) is new"]),
        (
            Parts(dimms=(A1, A2)),
            Parts(dimms=(A1, Dimm(place="A2", present=False))),
            ["DIMM A2 (16 GiB DDR4 2933 MT/s, serial D2) is gone"],
        ),
        (
            Parts(dimms=(A1,)),
            Parts(dimms=(replace(A1, place="B1"),)),
            ["DIMM B1 (16 GiB DDR4 2933 MT/s, serial D1) was in A1, and is in B1"],
        ),
        (
            Parts(dimms=(A1,)),
            Parts(dimms=(replace(A1, serial="Z9"),)),
            ["DIMM A1 (16 GiB DDR4 2933 MT/s, serial Z9) is another one: serial D1 became Z9"],
        ),
        (
            Parts(dimms=(A1,)),
            Parts(dimms=(replace(A1, speed=2400),)),
            ["DIMM A1 (16 GiB DDR4 2400 MT/s, serial D1): speed was 2933 MT/s, and is 2400 MT/s"],
        ),
        (Parts(dimms=(A1,)), Parts(), []),
        (Parts(drives=(DISK,)), Parts(drives=(replace(DISK, hours=11, temperature=40, name="sdb"),)), []),
        (
            Parts(drives=(DISK,)),
            Parts(drives=(replace(DISK, health="failed"),)),
            ["drive sda (MZ7 480 GB ssd, serial X1): health was ok, and is failed"],
        ),
        (Parts(ports=(PORT,)), Parts(ports=(replace(PORT, link=False, speed=0),)), []),
        (
            Parts(firmware=(Firmware(part="bios", version="2.10"),)),
            Parts(firmware=(Firmware(part="bios", version="2.12"),)),
            ["firmware bios: version was 2.10, and is 2.12"],
        ),
        (
            Parts(system=Product(model="R640", serial="S1")),
            Parts(system=Product(model="R640", serial="S2")),
            ["system: serial was S1, and is S2"],
        ),
        (Parts(secure_boot=False), Parts(secure_boot=True), ["Secure Boot: state was off, and is on"]),
        (Parts(processors=(Processor(model="X"),) * 2), Parts(processors=(Processor(model="X"),)), ["processor X is gone"]),
    ],
)
def test_two_looks(was: Parts, now: Parts, said: list[str]) -> None:
    assert [str(one) for one in differences(was, now)] == said


def pieces(kind: type, **fixed: Any) -> st.SearchStrategy[Any]:
    word = st.sampled_from(["", "1", "2", "3"])
    return st.builds(kind, place=word, serial=word, model=word, **fixed)


PARTS = st.builds(
    Parts,
    dimms=st.lists(pieces(Dimm), max_size=5).map(tuple),
    drives=st.lists(pieces(Drive), max_size=5).map(tuple),
    supplies=st.lists(pieces(PowerSupply), max_size=3).map(tuple),
    cards=st.lists(pieces(Card), max_size=3).map(tuple),
    bmcs=st.lists(pieces(BmcLine), max_size=2).map(tuple),
)


@given(PARTS)
def test_a_record_does_not_differ_from_itself(parts: Parts) -> None:
    assert differences(parts, parts) == ()
    assert differences(parts, lasting(parts)) == ()
    assert unexpected(facts(parts), facts(parts)) == ()


@given(PARTS, PARTS)
def test_what_is_gone_one_way_is_new_the_other_way(one: Parts, other: Parts) -> None:
    there, back = differences(one, other), differences(other, one)
    assert sorted(str(d).replace(" is gone", "") for d in there if d.what == "gone") == sorted(
        str(d).replace(" is new", "") for d in back if d.what == "new"
    )


def test_facts_have_nothing_of_one_machine_alone() -> None:
    whole = Parts(
        system=Product(vendor="Dell Inc.", model="R640", serial="SECRET1", uuid="u"),
        dimms=(A1, A2),
        drives=(DISK, replace(DISK, serial="X2"), Drive(serial="X3", model="BIG", size=8 * 10**12, medium="hdd")),
        ports=(PORT,),
        processors=(Processor(model="Xeon", cores=8),) * 2,
        supplies=(PowerSupply(watts=750), PowerSupply(present=False)),
        firmware=(Firmware(part="bios", version="2.10"),),
        secure_boot=True,
    )
    found = facts(whole)
    assert found == {
        "system": "Dell Inc. R640",
        "processors": "2 x Xeon 8 cores",
        "memory": "32 GiB",
        "dimms": "2 x 16 GiB DDR4 2933 MT/s",
        "drives": "2 x MZ7 480 GB ssd; 1 x BIG 8 TB hdd",
        "ports": "1 x BCM57414",
        "supplies": "1 x 750 W",
        "secure-boot": "on",
        "bios-version": "2.10",
    }


def test_the_only_one_of_its_family() -> None:
    family = {f"n{i}": {"bios-version": "2.12", "memory": "256 GiB"} for i in range(4)}
    family["n2"] = {"bios-version": "2.10", "memory": "256 GiB"}
    assert {node: [str(one) for one in found] for node, found in outliers(family).items()} == {
        "n2": ["bios-version: 2.10, and 3 others of its family have 2.12"]
    }


@pytest.mark.parametrize(
    "family",
    [
        {"a": {"x": "1"}, "b": {"x": "2"}},
        {"a": {"x": "1"}, "b": {"x": "2"}, "c": {"x": "3"}},
        {"a": {"x": "1"}, "b": {"x": "1"}, "c": {"x": "2"}, "d": {"x": "2"}},
        {"a": {"x": "1"}, "b": {}, "c": {}},
    ],
)
def test_no_majority_no_outlier(family: dict[str, dict[str, str]]) -> None:
    assert outliers(family) == {}


def test_the_one_that_lacks_what_all_others_tell() -> None:
    family: dict[str, dict[str, str]] = {name: {"gpus": "2 x A100"} for name in "abc"}
    family["d"] = {}
    assert [str(one) for one in outliers(family)["d"]] == ["gpus: none, and 3 others of its family have 2 x A100"]


@pytest.mark.parametrize(
    ("octets", "said"),
    [(0, ""), (16 * GIB, "16 GiB"), (480 * 10**9, "480 GB"), (480103981056, "480 GB"), (7_681_501_126_656, "7.68 TB"), (512, "512 bytes")],
)
def test_sizes(octets: int, said: str) -> None:
    assert size_words(octets) == said


# -- what needs a person ----------------------------------------------------------------------------------------------


def world(gave: dict[str, Any], expected: Any = None) -> tuple[World, Node]:
    work = Work(World(base=USUAL, catalog=USUAL))
    node = Node(id="n1", name="m1.test", family="R640")
    work.put_node(node)
    work.put_role(NodeRole(node="n1", role="inventory", deployment="system", state=State.ACTIVE, gave=gave))
    if expected is not None:
        work.put_value(Value(layer="setting", scope="system", name=EXPECTED, value=expected, who="op"))
    return work.finish(), node


def told(**more: Any) -> dict[str, Any]:
    plain = {"digest": "0" * 16, "facts": {"memory": "32 GiB"}, "changes": [], "gone": 0, "odd": [], "refused": [], "reports": 3}
    return {"hardware": plain | more}


@pytest.mark.parametrize(
    ("gave", "expected", "said"),
    [
        ({}, None, []),
        (told(), None, []),
        (told(changes=["DIMM A2 is gone", "BIOS was"], gone=1), None, ["since m1.test was looked at before: DIMM A2 is gone"]),
        (told(changes=["BIOS was"]), None, []),
        (told(), {"R640": {"memory": "32 GiB"}}, []),
        (told(), {"R750": {"memory": "64 GiB"}}, []),
        (
            told(),
            {"R640": {"memory": "64 GiB"}},
            ["m1.test is not what R640 is expected to be: memory: 32 GiB, and 64 GiB is expected"],
        ),
        ({}, {"R640": {"memory": "64 GiB"}}, []),
        (told(), "no map", []),
        (told(gone="many"), None, []),
        (
            told(changes=[f"DIMM {n} is gone" for n in range(5)], gone=5),
            None,
            ["since m1.test was looked at before: DIMM 0 is gone; DIMM 1 is gone; DIMM 2 is gone; and 2 more"],
        ),
    ],
)
def test_what_needs_a_person(gave: dict[str, Any], expected: Any, said: list[str]) -> None:
    made, node = world(gave, expected)
    assert [sentence(one) for one in of_parts(made, node)] == said
    assert [sentence(one.reason) for one in problems_of(made, node) if one.reason.code.startswith("parts_")] == said
