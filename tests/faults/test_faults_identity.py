"""Machines that are not who they seem: the same MAC, serial or UUID twice, another main board."""

from __future__ import annotations

from pathlib import Path

import pytest
from faulty_rack import faulty

from engine.reasons import advice, sentence
from engine.views.summary import servers


def test_twin_serials(tmp_path: Path) -> None:
    """Who came first is a node; the other is refused, and both are named. Nothing is merged, and the rest goes on."""
    with faulty(tmp_path, "faults: {m2: {serial_of: m1}}", nodes=3) as rack:
        rack.until(lambda: rack.summary().ready == 2 and {rack.why("m1"), rack.why("m2")} == {"", "identity_conflict"})
        loser = "m1" if rack.why("m1") else "m2"
        sighting = rack.sighting(loser)
        assert sighting is not None
        assert sighting.reason is not None
        serial = rack.machine("m1")["serial"]
        assert serial in sentence(sighting.reason)
        assert "node replace" in advice(sighting.reason)
        rack.nothing_twice()


def test_twin_uuids(tmp_path: Path) -> None:
    with faulty(tmp_path, "faults: {m2: {uuid_of: m1}}", nodes=3) as rack:
        rack.until(lambda: rack.summary().ready == 2 and len(rack.summary().waiting) == 1)
        (why,) = rack.summary().waiting.values()
        assert why.code == "identity_conflict"
        rack.nothing_twice()


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
