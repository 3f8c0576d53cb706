"""What goes wrong between the machines and the engine: packets, cables, another DHCP server."""

from __future__ import annotations

from pathlib import Path

import pytest
from faulty_rack import faulty

from engine.core.hardware.topology import topology
from engine.events import Operate
from engine.model import Kind
from engine.reasons import advice, sentence
from engine.views.facts import node_facts
from engine.views.walk import walk

pytestmark = pytest.mark.slow

ALL = ("dhcp", "tftp", "http", "bmc", "ssh")


def lossy(percent: float) -> str:
    return ", ".join(f"drop_{name}: {percent}" for name in ALL)


@pytest.mark.parametrize("percent", [5, 20])
def test_packets_are_lost_on_every_protocol(tmp_path: Path, percent: int) -> None:
    """m5 fetches its loader block by block, which takes minutes at 20 %: the slow suite has that."""
    with faulty(tmp_path, f"faults: {{all: {{{lossy(percent)}}}, m5: {{drop_tftp: 2}}}}", nodes=6, patience=0.3) as rack:
        rack.all_ready()


def test_every_second_packet_of_one_machine_is_lost(tmp_path: Path) -> None:
    """It becomes ready late, or a problem that says what did not come; the other one does not notice."""
    with faulty(tmp_path, f"faults: {{m2: {{{lossy(50)}}}}}", patience=0.3) as rack:
        rack.until(lambda: "m1" in rack.ready())
        rack.until(lambda: rack.why("m2") in ("", "boot_timeout", "power_failed", "sighting_waits"))
        rack.nothing_twice(2)


@pytest.mark.parametrize(
    "fault",
    ["double_dhcp: 50, double_tftp: 50", "late_dhcp: 30, late_tftp: 30", "repeat_http: 20"],
    ids=["doubled", "reordered", "answers lost"],
)
def test_packets_are_doubled_reordered_or_calls_repeated(tmp_path: Path, fault: str) -> None:
    """Nothing happens twice by it."""
    with faulty(tmp_path, f"faults: {{all: {{{fault}}}}}", nodes=3, patience=0.1) as rack:
        rack.all_ready()


def test_a_second_dhcp_server_without_boot_files_is_borne(tmp_path: Path) -> None:
    with faulty(tmp_path, "dhcp_server: {}") as rack:
        rack.all_ready()


def test_a_second_dhcp_server_that_names_a_boot_file(tmp_path: Path) -> None:
    """Its offers come first, so no machine gets our loader; the reason names it, and when it is gone all become ready."""
    scenario = """\
dhcp_server: {address: 192.168.124.66, file: pxelinux.0}
then: [{after: 25s, do: {dhcp_server: off}}]
"""
    with faulty(tmp_path, scenario) as rack:
        rack.until(lambda: {rack.why("m1"), rack.why("m2")} == {"other_server"})
        sighting = rack.sighting("m1")
        assert sighting is not None
        assert sighting.reason is not None
        assert "192.168.124.66" in sentence(sighting.reason)
        assert "stop that server" in advice(sighting.reason)
        rack.all_ready()


def test_swapped_and_missing_cables(tmp_path: Path) -> None:
    """They are found by LLDP and do not hold the rack up; without the first cable a machine is never seen."""
    scenario = """\
faults:
  m1: {cables: {1g1: "tor2:swp2"}}
  m2: {cables: {1g1: "tor2:swp1"}}
  m3: {cables: {1g1: ""}}
  m4: {cables: {1g0: ""}}
"""
    with faulty(tmp_path, scenario, nodes=4) as rack:
        rack.until(lambda: rack.ready() == {"m1", "m2", "m3"})
        assert rack.node("m4") is None
        assert rack.why("m4") == "-"
        found = {(link.node.split(".")[0], link.link): link.check for link in topology(rack.engine.world).links if link.check != "right"}
        names = {m: rack.node(m).name.split(".")[0] for m in ("m1", "m2", "m3")}  # type: ignore[union-attr]
        assert found[names["m1"], "1g1"] == "swapped"
        assert found[names["m2"], "1g1"] == "swapped"
        assert found[names["m3"], "1g1"] == "missing"


def test_a_port_without_light(tmp_path: Path) -> None:
    """It holds nothing up: the sentence stands at the cable, on the walk list and beside the node."""
    with faulty(tmp_path, "faults:\n  m1: {light: {1g0: -2.1, 1g1: -28}}\n", nodes=1) as rack:
        rack.all_ready()
        found = topology(rack.engine.world)
        assert {x.link: x.optics.words for x in found.links if x.optics is not None} == {
            "1g0": "receives -2.1 dBm, sends -2.3 dBm, 38 °C",
            "1g1": "receive power -28 dBm: no light; clean or reseat",
        }
        [step] = walk(rack.engine.world, found)
        assert (step.task, step.link, step.why) == ("check module", "1g1", "receive power -28 dBm: no light; clean or reseat")
        node = rack.node("m1")
        assert node is not None
        assert ("cable", f"{step.nic}: {step.why}") in node_facts(rack.engine.world, node)


def test_a_cable_that_is_put_elsewhere_later_is_heard_at_the_next_discovery(tmp_path: Path) -> None:
    """Until then the link is as old as it is, and says so."""
    with faulty(tmp_path, "", nodes=1) as rack:
        rack.all_ready()

        def links() -> dict[str, tuple[str, str, float]]:
            return {x.link: (x.check, x.port, x.at) for x in topology(rack.engine.world).links}

        before = links()
        assert [before[name][0] for name in ("1g0", "1g1", "bmc")] == ["right", "right", "silent"]
        rack.rack.fault("m1", cables={"1g1": "tor2:swp9"})
        assert links() == before
        node = rack.node("m1")
        assert node is not None
        rack.engine.ask(Operate(who="test", verb="reset", node=node.id))
        rack.until(lambda: links().get("1g1", ("", "", 0.0))[1] == "swp9")
        check, _, at = links()["1g1"]
        assert check == "unknown"
        assert at > before["1g1"][2]
        rack.all_ready()
        assert {n.name.split(".")[0] for n in rack.engine.world.nodes.values() if n.kind is Kind.DEVICE} == {"tor1", "tor2"}
        assert rack.summary().nodes == 1, "switches are not counted"
