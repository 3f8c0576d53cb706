"""The addresses that BMCs get in band: which one, for whom, and what the engine then uses."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import ADMIN, catalog, plan, role
from msgspec.structs import replace
from world_rig import WorldRig

from engine.core.hardware.bmc import reserved, take_up, usable
from engine.core.hardware.bmc_network import bmc_network, bmc_network_value
from engine.core.world.work import Work
from engine.events import Commit, Operate, Outcome
from engine.model import Bmc, Node, Place, Value
from engine.plan import Network, PlaceDef, Plan, RackDef, Range

CATALOG = catalog(
    role("bmc-discover", "discovery", flags=["discovery"], gives=("bmc",)),
    role("bmc-address", "hardware", wants=["bmc-network"], gives=("bmc-address-set",)),
)
BMC = Network(
    name="bmc", subnet="10.0.1.0/24", conduit="bmc", router="10.0.1.1", ranges={"host": Range(first="10.0.1.21", last="10.0.1.23")}
)
ALL = {"bmc-address": ("all",)}


def wanted(roles: dict[str, tuple[str, ...]] | None = None, bmc: Network | None = BMC, **more: Any) -> Plan:
    networks = {"admin": ADMIN} | ({bmc.name: bmc} if bmc is not None else {})
    return plan(ALL if roles is None else roles, networks=networks, allocate="ask", **more)


def rig(first: Plan | None = None, *reports: str) -> WorldRig:
    """n1, n2, ... with BMCs that report these addresses."""
    d = WorldRig(CATALOG, first or wanted())
    for number, address in enumerate(reports or ("10.9.9.1",), 1):
        node = f"n{number}"
        d.server(node, bmc=None)
        d.role("bmc-discover", node, deployment="system", gave={"bmc": {"address": address, "mac": f"52:54:00:00:01:{number:02x}"}})
    return d


def allocated(d: WorldRig, *nodes: str) -> list[str]:
    for node in nodes or ("n1",):
        d.feed(Operate(who="op", verb="allocate", node=node))
    return [reserved(d.world, d.node(node)) for node in nodes or ("n1",)]


def value(d: WorldRig, node: str = "n1") -> Any:
    return bmc_network_value(d.world, d.node(node))


def done(d: WorldRig, address: str, node: str = "n1") -> Node:
    one = d.at("bmc-address", node)
    gives = {"bmc-address-set": {"address": address, "mac": "52:54:00:00:01:01", "channel": 1}}
    d.feed(Outcome(attempt=f"{one.attempt}.{one.leg}", node=node, what="done", gives=gives))
    return d.node(node)


def test_each_node_with_the_role_has_an_address_and_no_other_node() -> None:
    d = rig(wanted(), "10.9.9.1", "10.9.9.2")
    assert allocated(d, "n1", "n2") == ["10.0.1.21", "10.0.1.22"]
    assert value(d) == {"address": "10.0.1.21", "mask": "255.255.255.0", "router": "10.0.1.1"}
    without = rig(wanted({}), "10.9.9.1")
    assert allocated(without) == [""]
    without.feed(Commit(who="op", plan=wanted()))
    assert reserved(without.world, without.node()) == "10.0.1.21", "it comes with the role"


def test_a_bmc_that_is_right_keeps_its_address_and_nobody_else_gets_it() -> None:
    d = rig(wanted(), "10.9.9.1", "10.0.1.21")
    d.change("n2", bmc=Bmc(address="10.0.1.21", mac="52:54:00:00:01:02"))
    assert allocated(d, "n1", "n2") == ["10.0.1.22", "10.0.1.21"]


def test_the_range_is_used_up() -> None:
    d = rig(wanted(), *(f"10.9.9.{number}" for number in range(1, 5)))
    found = allocated(d, "n1", "n2", "n3", "n4")
    assert found == ["10.0.1.21", "10.0.1.22", "10.0.1.23", ""]


def test_what_the_plan_and_an_operator_say_counts() -> None:
    rack = RackDef(name="r1", places=(PlaceDef(unit=3, addresses={"bmc": "10.0.1.23"}),))
    d = rig(wanted(racks=(rack,)), "10.9.9.1", "10.9.9.2")
    d.change("n1", place=Place(rack="r1", unit=3))
    d.put(Value(layer="operator", scope="n2", name="bmc", value={"address": "10.0.1.99"}, who="op"))
    assert allocated(d, "n2", "n1") == ["10.0.1.99", "10.0.1.23"]


@pytest.mark.parametrize(
    ("network", "words"),
    [(None, "no network bmc"), (replace(BMC, ranges={}), "no network bmc"), (replace(BMC, name="oob", conduit=""), "no network bmc")],
)
def test_without_a_network_the_role_says_why(network: Network | None, words: str) -> None:
    d = rig(wanted(bmc=network))
    assert allocated(d) == [""]
    assert words in value(d)["refused"]


def test_an_operator_s_address_outside_is_not_overruled() -> None:
    d = rig()
    d.put(Value(layer="operator", scope="n1", name="bmc", value={"address": "172.16.0.9"}, who="op"))
    assert allocated(d) == [""]
    assert "names one outside" in value(d)["refused"]


def test_a_network_with_the_conduit_serves_too() -> None:
    oob = replace(BMC, name="oob")
    d = rig(wanted(bmc=oob))
    assert bmc_network(d.world.plan) == oob
    assert allocated(d) == ["10.0.1.21"]


def taken(d: WorldRig, address: str) -> Node:
    """The node after its role has reported this address."""
    gives = {"bmc-address-set": {"address": address, "mac": "52:54:00:00:01:01", "channel": 1}}
    d.role("bmc-address", "n1", deployment="cloud", gave=gives)
    work = Work(d.world)
    take_up(work, work.nodes["n1"])
    return work.nodes["n1"]


def test_the_engine_uses_what_the_role_has_set() -> None:
    d = rig()
    allocated(d)
    assert usable(d.world, d.node()) is None
    d.change("n1", bmc=Bmc(address="10.0.1.99", proven=True))
    assert taken(d, "10.0.1.21").bmc == Bmc(address="10.0.1.21", mac="52:54:00:00:01:01"), "where the engine itself sent it"


def test_a_machine_that_reports_another_address_moves_nothing() -> None:
    d = rig()
    allocated(d)
    d.change("n1", bmc=Bmc(address="10.0.1.99", proven=True))
    assert taken(d, "10.0.1.77").bmc == Bmc(address="10.0.1.99", proven=True)
