"""BMCs that come with addresses of the factory: role `bmc-address` gives them those of the plan in band, and the engine reaches them there.

m1 speaks IPMI, m3 Redfish. Both begin outside the plan's network of BMCs, so no password goes to them before.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest
from faulty_rack import PLAN, FaultyRack, faulty

from engine.core.hardware.bmc import own_account
from engine.effects import SetPower
from engine.files import plan_file
from engine.files.catalog import shipped
from engine.model import Node
from engine.plan import Plan
from engine.reasons import sentence
from engine.requests import Asker, Request

pytestmark = pytest.mark.long
FACTORY = {"m1": "192.168.96.121", "m3": "192.168.96.123"}
FAULTS = "{" + ", ".join(f"{name}: {{bmc_address: {address}}}" for name, address in FACTORY.items()) + "}"
ROLES = "bmc-clock: all, bmc-address: all, bmc-account: all"


def wanted(roles: str = ROLES) -> Plan:
    text = PLAN.replace(", ntp-client: all", "") if roles == "ntp-client: all" else PLAN
    return plan_file.read(text.replace("{network-admin: all,", f"{{{roles}, network-admin: all,"), "plan.yml", shipped())


def node_of(rack: FaultyRack, name: str) -> Node:
    found = rack.node(name)
    assert found is not None
    return found


def asked(rack: FaultyRack, name: str) -> tuple[str, str]:
    """State of a machine by its BMC, and what is wrong."""
    order = SetPower(node=node_of(rack, name).id, action="status", who="ada", request=Request(Asker.OPERATOR, 7))
    done = rack.engine.adapters.power.set_power(order, node_of(rack, name))
    return done.state, sentence(done.failure) if done.failure is not None else ""


def in_range(address: str) -> bool:
    return IPv4Address("192.168.128.21") <= IPv4Address(address) <= IPv4Address("192.168.135.254")


def test_bmcs_move_into_the_plan_s_network_and_are_used_there(tmp_path: Path) -> None:
    with faulty(tmp_path, f"faults: {FAULTS}", nodes=3, wanted=wanted()) as rack:
        rack.all_ready()
        addresses = set()
        for name in ("m1", "m2", "m3"):
            node = node_of(rack, name)
            assert node.bmc is not None
            assert in_range(node.bmc.address)
            assert node.bmc.address == rack.machine(name)["bmc"]
            assert rack.engine.world.address_of[node.id, "bmc"] == node.bmc.address
            assert own_account(rack.engine.world, node)
            assert asked(rack, name) == ("on", "")
            addresses.add(node.bmc.address)
        assert len(addresses) == 3
        assert node_of(rack, "m2").bmc.address == "192.168.128.22", "a BMC that is right keeps its address"  # type: ignore[union-attr]


def test_without_the_role_such_a_bmc_is_not_used(tmp_path: Path) -> None:
    with faulty(tmp_path, f"faults: {{m1: {{bmc_address: {FACTORY['m1']}}}}}", nodes=1, wanted=wanted("ntp-client: all")) as rack:
        rack.all_ready()
        state, why = asked(rack, "m1")
        assert state == ""
        assert "is in no BMC network" in why
        assert rack.machine("m1")["bmc"] == FACTORY["m1"]


def test_a_bmc_that_does_not_answer_its_machine_is_shown(tmp_path: Path) -> None:
    faults = f"{{m1: {{bmc_address: {FACTORY['m1']}, bmc: dead}}}}"
    with faulty(tmp_path, f"faults: {faults}", nodes=1, wanted=wanted("bmc-address: all")) as rack:
        rack.until(lambda: rack.why("m1") == "failed")
        found = rack.engine.world.node_roles[node_of(rack, "m1").id, "bmc-address"]
        assert found.failure is not None
        assert "cannot be set" in sentence(found.failure)
