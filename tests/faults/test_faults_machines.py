"""What breaks in machines: a disk, a kernel that says nothing, the wrong NIC, slow firmware, power."""

from __future__ import annotations

from pathlib import Path

import pytest
from faulty_rack import faulty
from thinned import thinned

from engine.reasons import sentence
from engine.views.summary import servers


def test_a_disk_that_fails_in_the_install(tmp_path: Path) -> None:
    """The role ends in error with the line that its log has; the other machine goes on."""
    with faulty(tmp_path, "then: [{when: {machine: m2, reaches: install}, do: {fault: {disk_fails: true}}}]") as rack:
        rack.expect(m2="failed")
        node = rack.node("m2")
        assert node is not None
        role = rack.engine.world.node_roles[node.id, "os-install"]
        assert role.failure is not None
        assert role.failure.code == "script_failed"
        assert "I/O error" in sentence(role.failure)


@pytest.mark.slow
def test_a_node_that_never_calls_back(tmp_path: Path) -> None:
    """Unknown yet, it is shown with its last signal; known, it is power-cycled three times and then a problem."""
    scenario = """\
faults: {m1: {never_calls_back: true}}
then: [{when: {machine: m2, reaches: hardware}, do: {fault: {never_calls_back: true}}}]
"""
    with faulty(tmp_path, scenario, nodes=3) as rack:
        rack.expect(m1="sighting_waits", m2="boot_timeout")
        node, sighting = rack.node("m2"), rack.sighting("m1")
        assert node is not None
        assert node.problem is not None
        assert node.problem.fields["expected"] == "hello"
        assert node.problem.fields["tries"] == 3
        assert sighting is not None
        assert sighting.reason is not None
        assert sighting.reason.fields["expected"] == "hello"


def test_a_node_that_boots_from_the_wrong_nic_is_served_all_the_same(tmp_path: Path) -> None:
    scenario = "then: [{when: {machine: m2, reaches: hardware}, do: {fault: {boot_nic: 1}}}]\nfaults: {m1: {boot_nic: 1}}"
    with faulty(tmp_path, scenario) as rack:
        rack.all_ready()
        one = rack.node("m1")
        assert one is not None
        assert one.boot_mac == one.macs[1]
        assert len(servers(rack.engine.world)) == 2


@pytest.mark.slow
def test_slow_firmware_within_the_deadline_is_waited_for_and_beyond_it_is_a_problem(tmp_path: Path) -> None:
    """DHCP must come within 8.4 s of power here; with more patience in the plan it would be waited for."""
    scenario = """\
then:
  - {when: {machine: m1, reaches: hardware}, do: {fault: {stall_s: 3}}}
  - {when: {machine: m2, reaches: hardware}, do: {fault: {stall_s: 3600}}}
"""
    with faulty(tmp_path, scenario) as rack:
        rack.expect(m2="boot_timeout")
        node = rack.node("m2")
        assert node is not None
        assert node.problem is not None
        assert node.problem.fields["expected"] == "dhcp"
        assert node.problem.fields["seconds"] == pytest.approx(8.4)


@pytest.mark.parametrize("stage", thinned(["install", "pxe", "kernel", "hardware", "discovery", "system"], each=3))
def test_power_is_lost_and_comes_back(tmp_path: Path, stage: str) -> None:
    """In each stage: the machine begins anew, what it had done is looked at again, and only a half-written disk is wiped again."""
    scenario = f"""\
then:
  - {{when: {{machine: m1, reaches: {stage}}}, do: {{power: off}}}}
  - {{when: {{machine: m1, reaches: {stage}}}, after: 1s, do: {{power: on}}}}
"""
    with faulty(tmp_path, scenario) as rack:
        rack.until(lambda: rack.rack.status()["counters"] is not None and _boots(rack, "m1") >= 2)
        rack.until(lambda: rack.ready() == {"m1", "m2"})
        rack.nothing_twice(2 if stage == "install" else 1)


def test_power_is_lost_in_the_middle_of_writing_a_disk(tmp_path: Path) -> None:
    scenario = """\
then:
  - {when: {machine: m1, reaches: os-install, percent: 90}, do: {power: off}}
  - {when: {machine: m1, reaches: os-install, percent: 90}, after: 1s, do: {power: on}}
"""
    with faulty(tmp_path, scenario) as rack:
        rack.until(lambda: rack.ready() == {"m1", "m2"})
        (volume,) = [d for d in rack.rack.disks() if d["machine"] == "m1" and d["kind"] == "volume"]
        assert volume["wipes"] == 2
        assert volume["system"] == "debian-12"


def test_power_is_lost_and_nobody_presses_the_button(tmp_path: Path) -> None:
    """Before the system stage the engine switches it on again by its BMC."""
    with faulty(tmp_path, "then: [{when: {machine: m1, reaches: hardware}, do: {power: off}}]") as rack:
        rack.all_ready()


def _boots(rack: object, name: str) -> int:
    return int(rack.machine(name)["boots"])  # type: ignore[attr-defined]
