"""What breaks in BMCs, and on the way to them."""

from __future__ import annotations

from pathlib import Path

import pytest
from faulty_rack import faulty

from engine.reasons import sentence


@pytest.mark.parametrize(
    ("mood", "words"), [("lies", "not_obeyed"), ("locked", "authentication"), ("dead", "unreachable")], ids=["lies", "locked", "dead"]
)
def test_a_bmc_that_does_not_do_it(tmp_path: Path, mood: str, words: str) -> None:
    """The reboot that BIOS settings need does not come: a problem with what the BMC did; the other machine goes on."""
    with faulty(tmp_path, f"faults: {{m2: {{bmc: {mood}}}}}") as rack:
        rack.expect(m2="power_failed")
        node = rack.node("m2")
        assert node is not None
        assert node.problem is not None
        assert words in sentence(node.problem)
        assert rack.machine("m2")["boots"] == 1


@pytest.mark.parametrize(
    ("mood", "words"),
    [("lies", "not_obeyed by Redfish"), ("locked", "authentication by Redfish"), ("dead", "unreachable by Redfish")],
    ids=["lies", "locked", "dead"],
)
def test_a_redfish_bmc_that_does_not_do_it(tmp_path: Path, mood: str, words: str) -> None:
    """The same of the third machine, whose BMC speaks Redfish."""
    with faulty(tmp_path, f"faults: {{m3: {{bmc: {mood}}}}}", nodes=3) as rack:
        rack.expect(m3="power_failed")
        node = rack.node("m3")
        assert node is not None
        assert node.problem is not None
        assert words in sentence(node.problem)
        assert rack.machine("m3")["boots"] == 1


@pytest.mark.parametrize("mood", ["future", "restarts", "garbled"])
def test_an_odd_redfish_service_brings_its_machine_up(tmp_path: Path, mood: str) -> None:
    """Boot orders at the future state, a BMC that starts anew at each order, JSON that nobody expects."""
    with faulty(tmp_path, f"faults: {{m3: {{bmc: {mood}}}}}", nodes=3) as rack:
        rack.all_ready()
        node = rack.node("m3")
        assert node is not None
        assert node.bmc is not None
        assert node.bmc.protocol == "redfish"


def test_each_bmc_is_talked_to_by_what_it_speaks(tmp_path: Path) -> None:
    with faulty(tmp_path, "faults: {m3: {bmc: 'slow:0.05', drop_bmc: 20}}", nodes=3) as rack:
        rack.all_ready()
        spoken = {}
        for name in ("m1", "m2", "m3"):
            node = rack.node(name)
            assert node is not None
            assert node.bmc is not None
            spoken[rack.machine(name)["bmc_protocol"]] = node.bmc.protocol
        assert spoken == {"ipmi": "ipmi", "redfish": "redfish"}


def test_a_slow_bmc_is_waited_for(tmp_path: Path) -> None:
    with faulty(tmp_path, "faults: {m2: {bmc: 'slow:0.1'}}") as rack:
        rack.all_ready()


def test_the_bmc_network_goes_away_for_a_while(tmp_path: Path) -> None:
    """Power orders fail meanwhile and are given again; nothing is lost and nothing runs twice."""
    scenario = """\
faults: {all: {bmc: dead}}
then: [{when: {machine: m1, reaches: hardware}, after: 6s, do: {fault: {machine: all, bmc: obedient}}}]
"""
    with faulty(tmp_path, scenario, nodes=3) as rack:
        rack.all_ready()
