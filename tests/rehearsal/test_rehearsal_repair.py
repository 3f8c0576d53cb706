"""Repairs by hand of a virtual rack: what can be repaired, cables that change places, and faults that outlive the rack's process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fake_admin import free_lane, rack_spec
from hypothesis import given
from hypothesis import strategies as st

from engine.files.mistakes import PlanError
from engine.racks import Faults
from engine.racks.kept_faults import FILE
from engine.racks.qemu.spec import Faults as QemuFaults
from engine.racks.repair import HEALTHY, SERVER, Cabling, away, cabling, doubled, repairable, straightened
from engine.racks.scenario import Scenario, read
from engine.racks.simulated.rack import SimulatedRack, WrongOrder
from engine.racks.simulated.rogue import Rogue
from engine.racks.simulated.spec import home_ports

HOME = {"1g0": "tor1:swp1", "1g1": "tor2:swp1", "bmc": "mgmt:1"}


def test_only_faults_that_are_there_can_be_repaired() -> None:
    assert repairable(Faults(), cabling(HOME, Faults())) == []
    assert repairable(Faults(bmc="obedient"), cabling(HOME, Faults())) == []
    broken = Faults(bmc="dead", drop_http=3.0, cables={"1g1": "tor2:swp9"}, odd_disks=True)
    assert repairable(broken, cabling(HOME, broken)) == ["bmc", "drop_http", "cables"], "odd disks are as they were bought"
    pulled = QemuFaults(disk_fails=True, cables={"1g0": ""})
    assert repairable(pulled, cabling(HOME, pulled)) == ["disk_fails", "cables"]
    at_home = Faults(cables={"1g1": "tor2:swp1"})
    assert repairable(at_home, cabling(HOME, at_home)) == []
    assert set(HEALTHY) <= set(Faults.__struct_fields__)


@given(st.permutations([f"tor2:swp{i}" for i in range(1, 7)]), st.lists(st.integers(1, 6)), st.integers(1, 6))
def test_repaired_cables_are_at_home_and_no_port_ever_has_two(ports: list[str], pulled: list[int], who: int) -> None:
    rack = {f"m{i}": Cabling({"1g1": f"tor2:swp{i}"}, {"1g1": "" if i in pulled else port}) for i, port in enumerate(ports, 1)}
    moved = straightened(f"m{who}", rack)
    after = {name: {**plugs.now, **moved.get(name, {})} for name, plugs in rack.items()}
    assert after[f"m{who}"]["1g1"] == f"tor2:swp{who}"
    used = [port for links in after.values() for port in links.values() if port]
    assert len(used) == len(set(used))
    assert len(used) >= sum(bool(port) for plugs in rack.values() for port in plugs.now.values()), "no other cable is lost"
    assert set(moved) <= set(rack)
    for name, links in moved.items():
        assert cabling(rack[name].home, Faults(cables=away(rack[name], links))).now == after[name]


def test_a_scenario_puts_no_two_cables_into_one_port() -> None:
    with pytest.raises(PlanError, match=r"s.yml:3: faults.m2: m6 and m2 would both be in tor2:swp6: a port takes one cable"):
        read('scenario: 1\nfaults:\n  m2: {cables: {1g1: "tor2:swp6"}}', "s.yml", 6)
    with pytest.raises(PlanError, match="m1 and m2 would both be in tor2:swp9"):
        read('scenario: 1\nfaults:\n  all: {cables: {1g1: "tor2:swp9"}}', "s.yml", 2)
    read('scenario: 1\nfaults:\n  m2: {cables: {1g1: "tor2:swp6"}}', "s.yml", 5)
    read('scenario: 1\nfaults:\n  m2: {cables: {1g1: "tor2:swp6"}}\n  m6: {cables: {1g1: ""}}', "s.yml", 6)
    assert doubled({"m1": {"1g1": "tor2:swp2"}, "m2": {"1g1": "tor2:swp1"}}, 2) is None


@asynccontextmanager
async def rack_of(folder: Path, lane: int, scenario: Scenario | None = None, nodes: int = 3) -> AsyncIterator[SimulatedRack]:
    rack = SimulatedRack(folder, rack_spec(lane, nodes=nodes), scenario)
    await rack.start()
    try:
        yield rack
    finally:
        await rack.close()


SWAPPED = Scenario(
    faults={
        "all": Faults(drop_http=5.0),
        "m1": Faults(cables={"1g1": "tor2:swp2"}),
        "m2": Faults(cables={"1g1": "tor2:swp1"}, bmc="dead"),
    },
    rogue=Rogue(),
)


def test_a_repair_says_what_it_did_and_both_ends_of_a_swap_are_right(tmp_path: Path) -> None:
    async def work() -> None:
        async with rack_of(tmp_path, free_lane(), SWAPPED) as rack:
            assert {one["name"]: one["faults"] for one in (await rack.order("faulty", []))["faulty"]} == {
                "m1": ["drop_http", "cables"],
                "m2": ["bmc", "drop_http", "cables"],
                "m3": ["drop_http"],
                SERVER: [SERVER],
            }
            done = (await rack.order("repair", ["m1"]))["repaired"]
            assert {one["name"]: one["done"] for one in done} == {
                "m1": ["it loses no more HTTP connections", "eno2 is plugged into tor2:swp1"],
                "m2": ["ens1f1 is plugged into tor2:swp2"],
            }
            assert [(nic.switch, nic.port) for nic in rack._runners["m2"].machine.hardware.nics] == [("tor1", "swp2"), ("tor2", "swp2")]
            assert {one["name"]: one["faults"] for one in (await rack.order("faulty", []))["faulty"]} == {
                "m2": ["bmc", "drop_http"],
                "m3": ["drop_http"],
                SERVER: [SERVER],
            }
            assert (await rack.order("repair", ["m1"]))["repaired"] == [], "there is nothing left to do"
            assert (await rack.order("repair", [SERVER]))["repaired"] == [{"name": SERVER, "done": ["the second DHCP server is unplugged"]}]
            for wrong in ("m9", "all", SERVER):
                with pytest.raises(WrongOrder):
                    await rack.order("repair", [wrong])

    asyncio.run(asyncio.wait_for(work(), 120))


def test_faults_and_repairs_outlive_the_racks_process(tmp_path: Path) -> None:
    async def work() -> None:
        lane = free_lane()
        async with rack_of(tmp_path, lane, SWAPPED) as rack:
            await rack.order("repair", ["m2"])
            await rack.order("repair", [SERVER])
            await rack.order("fault", ["m3", '{"disk_fails": true, "drop_http": 0}'])
        async with rack_of(tmp_path, lane, SWAPPED) as rack:
            assert {one["name"]: one["faults"] for one in (await rack.order("faulty", []))["faulty"]} == {
                "m1": ["drop_http"],
                "m3": ["disk_fails"],
            }
            assert rack._runners["m1"].machine.hardware.nics[1].port == "swp1"
            assert rack._runners["m2"].machine.faults == Faults()
            assert rack._bmcs["m2"].mood.kind != "dead"

    asyncio.run(asyncio.wait_for(work(), 120))


def test_a_broken_file_of_faults_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"machines": ')
    with pytest.raises(ValueError, match="truncated"):
        SimulatedRack(tmp_path, rack_spec(free_lane(), nodes=1))


def test_home_is_where_the_cable_goes_without_faults() -> None:
    spec = rack_spec(7, nodes=3)
    assert home_ports(spec, 2) == {"1g0": "tor1:swp2", "1g1": "tor2:swp2", "bmc": "mgmt:2"}
