"""One node from power to ready, and what it costs: the happy path through all stages."""

from __future__ import annotations

import pytest
from catalogs import USUAL, plan
from rack import Rack

from engine.core.roles.guards import blockers
from engine.core.roles.stages import node_state
from engine.effects import Accept, BootNode, Start
from engine.events import Commit, Operate, SetAttribute
from engine.files.catalog import shipped
from engine.model import Way
from engine.requests import Asker, Request
from engine.views.preview import preview


@pytest.fixture()
def rack() -> Rack:
    rack = Rack(USUAL, plan(), nodes=1, seed=1)
    rack.behaviour["bios-configure"] = "bios"
    return rack


def test_from_power_to_ready(rack: Rack) -> None:
    assert rack.run(), "\n".join(rack.state())
    node = rack.world.node_named("node-1")
    assert node is not None
    assert node.name == "node-1.r1.example.net"
    assert node_state(rack.world, node) == "ready"
    started = [e.role + ("?" if e.action == "verify" else "") for e in rack.effects if isinstance(e, Start) and e.node == node.id]
    assert started == [
        "bmc-discover",
        "inventory",
        "lldp",
        "bios-configure",
        "bios-configure?",
        "raid-configure",
        "os-install",
        "network-admin",
        "ntp-client",
        "ready",
    ]
    assert rack.machines[0].wipes == {"raid-configure": 1, "os-install": 1}
    rack.indexes_agree()


def test_it_boots_no_more_than_it_must(rack: Rack) -> None:
    """Discovery, after the firmware's settings changed, and into its system: three."""
    assert rack.run(), "\n".join(rack.state())
    assert [e.way for e in rack.effects if isinstance(e, BootNode)] == [Way.NETWORK, Way.DISK]
    assert rack.world.nodes["n1"].boots == rack.machines[0].firmware_boots == 3


def test_the_shipped_barclamps_bring_a_rack_up() -> None:
    """The catalogue that travels with the program, and five machines, three of which cannot kexec."""
    rack = Rack(shipped(), plan(), nodes=5, seed=3)
    rack.behaviour["bios-configure"] = "bios"
    assert rack.run(), "\n".join(rack.state())
    rack.indexes_agree()
    for machine in rack.machines:
        assert machine.wipes == {"raid-configure": 1, "os-install": 1}
        assert machine.firmware_boots == (2 if machine.number % 2 == 0 else 3), "kexec spares a boot through firmware"
        assert rack.world.nodes[machine.node].boots == machine.firmware_boots
    assert {node_state(rack.world, n) for n in rack.world.nodes.values()} == {"ready"}


def test_the_same_plan_again_does_nothing(rack: Rack) -> None:
    assert rack.run(), "\n".join(rack.state())
    before, count = dict(rack.tables["node_roles"]), len(rack.effects)
    effects = rack.feed(Commit(who="test", plan=rack.plan))
    assert [type(e).__name__ for e in effects] == ["Accept"]
    assert rack.tables["node_roles"] == before
    assert len(rack.effects) == count + 1


def test_a_reset_node_looks_again_and_returns_to_its_system(rack: Rack) -> None:
    """Rediscovered, with nothing to be done in hardware or install: it does not stay in sledgehammer, and nothing is wiped."""
    assert rack.run(), "\n".join(rack.state())
    rack.feed(Operate(who="op", verb="reset", node="n1"))
    assert rack.run(until=lambda: rack.world.nodes["n1"].stage == "system" and rack.world.nodes["n1"].alive), "\n".join(rack.state())
    node = rack.world.nodes["n1"]
    assert (node.stage, node.runs, node_state(rack.world, node)) == ("system", "debian-12", "ready")
    assert rack.machines[0].wipes == {"raid-configure": 1, "os-install": 1}


def test_a_change_for_an_earlier_stage_asks_once_and_says_what_it_costs(rack: Rack) -> None:
    """The node of a ready rack once said that it was ready, its role never ran again, and nothing said why."""
    assert rack.run(), "\n".join(rack.state())
    request = Request(Asker.OPERATOR, 5)
    rack.feed(SetAttribute(who="op", request=request, layer="deployment", scope="cloud", name="bios-wanted", value={"boot": "bios"}))
    node = rack.world.nodes["n1"]
    assert node_state(rack.world, node) == "readying"
    waits = blockers(rack.world, rack.world.node_roles[("n1", "bios-configure")])
    assert "backward" in [one.code for one in waits]
    (shown,) = preview(rack.world, "approve", [node]).nodes
    assert (shown.runs, shown.destroys, shown.reboots) == (("bios-configure",), (), True)
    assert isinstance(rack.operate("approve", "n1"), Accept)
    assert rack.run(), "\n".join(rack.state())
    assert node_state(rack.world, rack.world.nodes["n1"]) == "ready"
    assert rack.machines[0].wipes == {"raid-configure": 1, "os-install": 1}
