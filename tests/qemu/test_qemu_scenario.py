"""Scenarios for racks of QEMU machines: what they may say, what becomes of it, and how the engine tells the rack what its machines reach. No QEMU."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from catalogs import catalog, plan, role
from world_rig import WorldRig, mac

from engine.files.mistakes import PlanError
from engine.model import Boot, Sighting, Signal, State, Way
from engine.racks import QemuRackSpec
from engine.racks.qemu import network
from engine.racks.qemu.spec import Faults, Own, faults_of, guests, spoiled, wiring
from engine.racks.scenario import QEMU_FAULTS, Power, SetFault, read
from engine.rehearsal.progress import MilestoneReporter, milestones

SHIPPED = sorted((Path(__file__).parents[2] / "crowbar_tui" / "scenarios").glob("*.yml"))
FOR_QEMU = {"bad-bmcs", "bmc-network-away", "cables", "first-day", "power-loss", "wrong-disks"}


def test_it_is_read() -> None:
    text = """\
scenario: 1
patience: 1
faults:
  m1: {disks_mb: [], cables: {1g1: "", bmc: ""}}
  m2: {disks_mb: [512, 64], bmc: lies}
then:
  - {when: {machine: m1, reaches: loader}, after: 2s, do: {power: cycle}}
  - {when: {machine: m2, reaches: os-install, percent: 30}, do: [{power: off}, {fault: {disk_fails: true, cables: {1g0: "tor2:swp9"}}}]}
"""
    found = read(text, "s.yml", 2, "qemu")
    first, second = found.then
    assert first.do == (Power(machine="", how="cycle"),)
    assert second.do[1] == SetFault(machine="", faults={"disk_fails": True, "cables": {"1g0": "tor2:swp9"}})

    rack = spoiled(QemuRackSpec(nodes=2, faults={"all": Faults(bmc="locked")}, machines={"m1": Own(disks_mb=(77,))}), found.faults)
    one, two = guests(rack)
    assert one.disks == ()
    assert [disk.size_mb for disk in two.disks] == [512, 64]
    assert faults_of(rack, "m1").bmc == "locked"
    assert faults_of(rack, "m2").bmc == "lies"
    assert wiring(one, faults_of(rack, "m1")) == [("tor1", "swp1"), ("", "")]
    assert "m1-1g1" not in network.ports(rack), "no switch speaks into a cable that is not there"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "faults:\n  m1: {drop_dhcp: 20}",
            f"s.yml:3: faults.m1.drop_dhcp: is for simulated machines; faults of QEMU machines are {', '.join(QEMU_FAULTS)}",
        ),
        ("dhcp_server: {file: x}", "s.yml:2: dhcp_server: is for simulated machines: a rack of QEMU machines has no second DHCP server"),
        (
            "then:\n  - {after: 1s, do: {swap: board, machine: m1}}",
            "s.yml:3: then.0.do.swap: is for simulated machines; QEMU machines take power and fault",
        ),
        (
            "then:\n  - {after: 1s, do: {ssh: drop, machine: m1}}",
            "s.yml:3: then.0.do.ssh: is for simulated machines; QEMU machines take power and fault",
        ),
        (
            'faults:\n  m1: {cables: {1g0: "leaf7:1"}}',
            "s.yml:3: faults.m1.cables.1g0: expected nothing, or a port of tor1 or tor2 as tor1:swp9; the cable of bmc may only be missing",
        ),
        ("faults:\n  m1: {disks_mb: [0]}", "s.yml:3: faults.m1.disks_mb.0: expected a whole number from 1 to 16777216, not 0"),
    ],
)
def test_what_only_a_simulation_can_do_is_refused_with_its_line(text: str, words: str) -> None:
    with pytest.raises(PlanError) as caught:
        read(f"scenario: 1\n{text}\n", "s.yml", 2, "qemu")
    assert words in str(caught.value).splitlines()


@pytest.mark.parametrize("file", SHIPPED, ids=lambda f: f.stem)
def test_which_shipped_scenarios_are_for_qemu_machines_too(file: Path) -> None:
    try:
        read(file.read_text(encoding="utf-8"), file.name, 6, "qemu")
    except PlanError:
        assert file.stem not in FOR_QEMU
    else:
        assert file.stem in FOR_QEMU


def test_what_a_machine_has_reached_is_seen_in_the_world() -> None:
    d = WorldRig(catalog(role("os-install", "install", flags=["destructive"])), plan({}))
    boot = Boot(generation=1, way=Way.NETWORK, environment="sledgehammer", ordered=False, signal=Signal.SCRIPT, at=0.0, deadline=9.0)
    d.put(Sighting(mac=mac(9), kind="ipxe", first=0.0, last=0.0, boot=boot))
    assert list(milestones(d.world, {})) == [(mac(9), (("pxe",), 0)), (mac(9), (("loader",), 0))]

    d = WorldRig(catalog(role("os-install", "install", flags=["destructive"])), plan({}))
    d.server("n1", stage="install", allocated=True, boot_mac=mac(1))
    d.role("os-install", state=State.TRANSITION, attempt="i5-9", leg=1)
    assert list(milestones(d.world, {"n1": 42.7})) == [(mac(1), (("sledgehammer",), 0)), (mac(1), (("install", "os-install"), 42))]
    d.change(role="os-install", resume=True)
    assert list(milestones(d.world, {"n1": 42.7})) == [(mac(1), (("sledgehammer",), 0))], (
        "an attempt that waits for its machine is nothing at work"
    )
    d.change(
        boot=Boot(generation=2, way=Way.KEXEC, environment="debian-12", ordered=True, signal=Signal.OPENED, at=0.0, deadline=9.0), runs=""
    )
    assert list(milestones(d.world, {})) == []
    d.change(boot=Boot(generation=2, way=Way.KEXEC, environment="debian-12", ordered=True, signal=Signal.POWERED, at=0.0, deadline=9.0))
    assert list(milestones(d.world, {})) == [(mac(1), (("disk",), 0))]


class Asked:
    """A rack that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    def ask(self, verb: str, *words: str) -> dict[str, Any]:
        self.told.append((verb, *words))
        return {}


def test_the_rack_is_told_once_for_each_change_and_of_its_own_machines_only() -> None:
    rack = QemuRackSpec(nodes=1)
    asked = Asked()
    teller = MilestoneReporter(None, asked, rack)  # type: ignore[arg-type]
    d = WorldRig(catalog(role("work", "hardware")), plan({}))
    d.server("n1", stage="hardware", boot_mac=guests(rack)[0].nics[0].mac)
    d.server("n2", stage="hardware", boot_mac=mac(7))
    d.role("work", state=State.TRANSITION, attempt="i5-9", leg=1)
    teller.tell(d.world, {"n1": 10.0})
    teller.tell(d.world, {"n1": 10.0})
    teller.tell(d.world, {"n1": 11.0})
    assert asked.told == [
        ("reached", "m1", "0", "sledgehammer"),
        ("reached", "m1", "10", "hardware", "work"),
        ("reached", "m1", "11", "hardware", "work"),
    ]
