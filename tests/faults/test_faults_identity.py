"""Machines that are not who they seem: the same MAC, serial or UUID twice, another main board."""

from __future__ import annotations

from pathlib import Path

import pytest
from faulty_rack import faulty

from engine.core.boot.identity import shared_with
from engine.views.facts import node_facts
from engine.views.summary import servers


@pytest.mark.parametrize("fault", ["serial_of", "uuid_of"])
def test_twins(tmp_path: Path, fault: str) -> None:
    """Two machines show one serial or one UUID: both are nodes of their own, each with its own disk, and both say so."""
    with faulty(tmp_path, f"faults: {{m2: {{{fault}: m1}}}}", nodes=3) as rack:
        rack.until(lambda: rack.summary().ready == 3)
        for name in ("m1", "m2"):
            node = rack.node(name)
            assert node is not None
            (mark,) = shared_with(rack.engine.world, node)
            assert mark.what == {"serial_of": "serial", "uuid_of": "UUID"}[fault]
        rack.nothing_twice()


def test_odd_machines_become_ready_and_say_what_is_odd(tmp_path: Path) -> None:
    """A clock of 2019, a BMC on its third channel, a telephone between a NIC and its switch."""
    with faulty(tmp_path, "faults: {m1: {clock_s: -220000000, bmc_channel: 3, phone: true}}", nodes=1) as rack:
        odd: set[str] = set()

        def told() -> bool:
            node = rack.node("m1")
            odd.update(label for label, _ in node_facts(rack.engine.world, node)) if node is not None else None
            return rack.summary().ready == 1

        rack.until(told)
        assert odd == {"clock", "bmc lan", "cable"}
        node = rack.node("m1")
        assert node is not None
        assert node.clock_off is not None
        assert abs(node.clock_off) < 60, "sledgehammer set the clock, and the installed system has it"


def test_two_machines_with_one_mac(tmp_path: Path) -> None:
    """The machine that was first becomes ready; the other one is refused, which is shown on the first."""
    with faulty(tmp_path, "faults: {m2: {mac_of: m1}}", nodes=3) as rack:
        rack.until(lambda: rack.summary().ready == 2)
        first = rack.node("m1") or rack.node("m2")
        assert first is not None
        rack.until(lambda: (n := rack.node("m1") or rack.node("m2")) and n.notice is not None)
        found = rack.engine.world.nodes[first.id].notice
        assert found is not None
        assert found.code in ("identity_conflict", "second_claim", "unknown_nonce")
        rack.nothing_twice()


@pytest.mark.slow
def test_it_comes_back_with_another_board_and_the_same_nics(tmp_path: Path) -> None:
    """Its MACs say that it is the node, UUID and serial that it is another: a person decides, and its disk stays as it is."""
    scenario = """\
then:
  - {when: {machine: m1, reaches: hardware}, do: [{power: off}, {swap: board-without-nics}]}
  - {when: {machine: m1, reaches: hardware}, after: 1s, do: {power: on}}
"""
    with faulty(tmp_path, scenario) as rack:
        rack.until(lambda: rack.ready() == {"m2"} and _whys(rack) == ["identity_conflict"])
        assert len(servers(rack.engine.world)) == 2
        assert not [d for d in rack.rack.disks() if d["machine"] == "m1" and d["wipes"]]


def test_it_comes_back_as_another_machine(tmp_path: Path) -> None:
    """Everything that identifies it is new, so it is a new node, whose disk is not blank: nothing is wiped without a person."""
    scenario = """\
then:
  - {when: {machine: m1, reaches: ntp-client}, do: [{power: off}, {swap: board}]}
  - {when: {machine: m1, reaches: ntp-client}, after: 1s, do: {power: on}}
"""
    with faulty(tmp_path, scenario) as rack:
        # `found_off` where the BMC was asked in the second in which it was off
        rack.until(lambda: rack.ready() == {"m2"} and _whys(rack) in (["approval", "unreachable"], ["approval", "found_off"]))
        rack.nothing_twice()


def _whys(rack: object) -> list[str]:
    return sorted(why.code for why in rack.summary().waiting.values())  # type: ignore[attr-defined]
