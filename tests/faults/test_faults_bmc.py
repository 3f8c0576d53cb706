"""What breaks in BMCs, and on the way to them."""

from __future__ import annotations

from pathlib import Path

from faulty_rack import faulty

from engine.reasons import sentence

MOODS = {
    "m2": ("lies", "not_obeyed"),
    "m4": ("locked", "authentication"),
    "m5": ("dead", "unreachable"),
    "m3": ("lies", "not_obeyed by Redfish"),
    "m6": ("locked", "authentication by Redfish"),
    "m9": ("dead", "unreachable by Redfish"),
}
"""Machine -> its BMC's mood, and what the node's problem says. Every third BMC speaks Redfish. All in one rack: each case waits for three
boots that never come, and they wait together."""


def test_a_bmc_that_does_not_do_it(tmp_path: Path) -> None:
    """The reboot that BIOS settings need does not come: a problem with what the BMC did; the other machines go on."""
    faults = ", ".join(f"{name}: {{bmc: {mood}}}" for name, (mood, _) in MOODS.items())
    with faulty(tmp_path, f"faults: {{{faults}}}", nodes=9) as rack:
        rack.expect(**dict.fromkeys(MOODS, "power_failed"))
        for name, (mood, words) in MOODS.items():
            node = rack.node(name)
            assert node is not None
            assert node.problem is not None, (name, mood)
            told = sentence(node.problem)
            assert words in told, (name, mood, told)
            assert rack.machine(name)["boots"] == 1


def test_an_odd_redfish_service_brings_its_machine_up(tmp_path: Path) -> None:
    """Boot orders at the future state, a BMC that starts anew at each order, JSON that nobody expects."""
    odd = {"m3": "future", "m6": "restarts", "m9": "garbled"}
    faults = ", ".join(f"{name}: {{bmc: {mood}}}" for name, mood in odd.items())
    with faulty(tmp_path, f"faults: {{{faults}}}", nodes=9) as rack:
        rack.all_ready()
        for name, mood in odd.items():
            node = rack.node(name)
            assert node is not None
            assert node.bmc is not None
            assert node.bmc.protocol == "redfish", mood


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
