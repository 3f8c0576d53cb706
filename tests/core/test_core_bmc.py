"""Whose BMC is it: networks, holders, and what a BMC says of itself."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import ADMIN, USUAL, plan
from msgspec.structs import replace
from world_rig import WorldRig, uuid

from engine.core.hardware.bmc import expected, in_bmc_network, refused, take_up, theirs, usable, why_not
from engine.core.world.work import Work
from engine.model import Bmc, Lease, Meta, Node, Value
from engine.plan import ExpectedMachine, FactoryBmc, Network

SWAPPED = "44454c4c-0100-0210-8003-000000000001"
assert uuid(1) == "4c4c4544-0001-1002-8003-000000000001"


@pytest.mark.parametrize(
    ("networks", "address", "good"),
    [
        ({"bmc": Network(name="bmc", subnet="10.0.1.0/24")}, "10.0.1.7", True),
        ({"bmc": Network(name="bmc", subnet="10.0.1.0/24")}, "10.0.2.7", False),
        ({"bmc": Network(name="bmc", subnet="10.0.1.0/24")}, "fd00::7", False),
        ({"bmc": Network(name="bmc", subnet="10.0.1.0/24", v6prefix="fd00::/64")}, "fd00::7", True),
        ({"bmc": Network(name="bmc", subnet="10.0.1.0/24", v6prefix="auto")}, "fd00::7", False),
        ({"oob": Network(name="oob", subnet="10.0.1.0/24", conduit="bmc")}, "10.0.1.7", True),
        ({"oob": Network(name="oob", subnet="10.0.1.0/24")}, "10.0.1.7", False),
        ({"bmc": Network(name="bmc", subnet="10.0.0.0/16")}, "10.0.0.1", False),
        ({}, "10.0.1.7", False),
        ({"bmc": Network(name="bmc", subnet="10.0.1.0/24")}, "bmc-7", False),
    ],
)
def test_inside_a_bmc_network(networks: dict[str, Network], address: str, good: bool) -> None:
    assert in_bmc_network(plan(networks={"admin": ADMIN} | networks), address) is good
    assert not in_bmc_network(None, address)


@pytest.fixture
def d() -> WorldRig:
    rig = WorldRig(USUAL, plan({}, allocate="ask"))
    rig.server("n1", bmc=None)
    rig.server("n2", bmc=None)
    return rig


def take(d: WorldRig, node: str, **entered: Any) -> Node:
    if entered:
        d.put(Value(layer="operator", scope=node, name="bmc", value=entered, who="op"))
    work = Work(d.world)
    take_up(work, work.nodes[node])
    d.world = work.finish(keep_touched=False)
    return d.node(node)


def code(reason: Any) -> str:
    return reason.code if reason is not None else ""


def test_an_entered_address_wins_over_a_reported_one(d: WorldRig) -> None:
    d.change("n1", bmc=Bmc(address="10.0.1.1", proven=True))
    two = take(d, "n2", address="10.0.1.1", mac="52:54:00:00:00:ff")
    assert two.bmc == Bmc(address="10.0.1.1", mac="52:54:00:00:00:ff", entered=True)
    one = d.node("n1")
    assert (one.bmc, code(one.notice)) == (None, "bmc_is_anothers")
    assert d.world.bmcs["10.0.1.1"] == "n2"
    assert take(d, "n1", address="10.0.1.1").bmc is None, "two entered ones: the first keeps it"
    assert d.node("n2").bmc == two.bmc


def test_what_was_learnt_of_the_same_bmc_is_kept(d: WorldRig) -> None:
    known = Bmc(address="10.0.1.1", mac="52:54:00:00:00:ff", protocol="redfish", proven=True)
    d.change("n1", bmc=known)
    assert take(d, "n1", address="10.0.1.1").bmc == replace(known, entered=True)
    assert take(d, "n1", address="10.0.1.1", mac="52:54:00:00:00:fe").bmc == Bmc(address="10.0.1.1", mac="52:54:00:00:00:fe", entered=True)


@pytest.mark.parametrize(
    ("fields", "can"),
    [
        ({}, "bmc_too_early"),
        ({"allocated": True}, ""),
        ({"allocated": True, "bmc": None}, "no_power"),
        ({"allocated": True, "bmc": Bmc(address="10.7.7.7")}, "bmc_outside"),
        ({"allocated": True, "bmc": Bmc(address="10.7.7.7", entered=True)}, ""),
        ({"bmc": Bmc(address="10.7.7.7", entered=True)}, "bmc_too_early"),
    ],
)
def test_when_it_may_be_used(d: WorldRig, fields: dict[str, Any], can: str) -> None:
    d.change("n1", **{"bmc": Bmc(address="10.0.1.1"), **fields})
    assert code(why_not(d.world, d.node("n1"))) == can
    assert (usable(d.world, d.node("n1")) is not None) == (can == "")


@pytest.mark.parametrize(
    ("held", "confirmed", "says"), [("proven", "", "bmc_moved"), ("entered", "", "bmc_moved"), ("", "", ""), ("proven", "bmc", "")]
)
def test_a_claim_that_is_not_confirmed_moves_no_proven_bmc(d: WorldRig, held: str, confirmed: Any, says: str) -> None:
    d.change("n1", bmc=Bmc(address="10.0.1.1", proven=held == "proven", entered=held == "entered"), confirmed=confirmed)
    assert code(refused(d.world, d.node("n1"), Bmc(address="10.0.1.9"))) == says


OWN, OTHER, UNKNOWN = uuid(1), uuid(2), "4c4c4544-0009-1009-8009-000000000099"


@pytest.mark.parametrize(
    ("uuids", "serials", "node", "bmc", "reading", "says"),
    [
        ((OWN,), (), {}, {}, False, ""),
        ((OWN.upper(),), (), {}, {}, False, ""),
        ((SWAPPED,), (), {}, {}, False, ""),
        ((UNKNOWN, OWN), (), {}, {}, False, ""),
        ((UNKNOWN,), ("SN1",), {}, {}, False, ""),
        ((), ("sn1",), {}, {}, False, ""),
        ((OTHER,), (), {}, {}, False, "bmc_is_anothers"),
        ((OTHER,), (), {}, {"entered": True}, False, "bmc_is_anothers"),
        ((OTHER,), (), {}, {"proven": True}, True, "bmc_is_anothers"),
        ((), ("SN2",), {}, {}, True, "bmc_is_anothers"),
        ((UNKNOWN,), (), {}, {}, False, "bmc_is_anothers"),
        ((UNKNOWN,), ("SN9",), {}, {}, True, "bmc_is_anothers"),
        ((UNKNOWN,), ("SN9",), {}, {"entered": True}, False, ""),
        ((), (), {}, {}, False, "bmc_unproven"),
        ((), (), {}, {}, True, ""),
        ((), (), {}, {"proven": True}, False, ""),
        ((), (), {}, {"entered": True}, False, ""),
        (("00000000-0000-0000-0000-000000000000",), ("To be filled by O.E.M.",), {}, {}, False, "bmc_unproven"),
        ((UNKNOWN,), (), {"uuid": "", "serial": ""}, {}, False, "bmc_unproven"),
        ((OTHER,), ("SN2",), {"uuid": OTHER, "serial": "SN2"}, {}, False, "bmc_unproven"),
        ((OTHER,), ("SN2",), {"uuid": OTHER, "serial": "SN2"}, {}, True, ""),
        ((OTHER,), ("SN1",), {"uuid": OTHER}, {}, False, ""),
    ],
)
def test_what_a_bmc_says_of_itself(
    d: WorldRig, uuids: tuple[str, ...], serials: tuple[str, ...], node: dict[str, Any], bmc: dict[str, Any], reading: bool, says: str
) -> None:
    held = Bmc(address="10.0.1.1", **bmc)
    d.change("n1", bmc=held, **node)
    assert code(theirs(d.world, d.node("n1"), held, uuids, serials, reading=reading)) == says


def test_what_an_operator_declared_shared_proves_nothing(d: WorldRig) -> None:
    held = Bmc(address="10.0.1.1")
    d.change("n1", bmc=held)
    meta: Meta = d.world.meta
    d.put(replace(meta, shared=(OWN, "SN1")))
    assert code(theirs(d.world, d.node("n1"), held, (OWN,), ("SN1",))) == "bmc_unproven"


# -- machines that the plan expects --------------------------------------------------------------------------------

LABEL = "52:54:00:bb:00:01"


def with_label(**bmc: Any) -> WorldRig:
    rig = WorldRig(USUAL, plan({}, allocate="ask", machines=(ExpectedMachine(serial="SN1", bmc=FactoryBmc(**bmc)),)))
    rig.server("n1", bmc=None)
    rig.server("n2", bmc=None)
    return rig


def test_a_label_s_address_is_the_bmc_whatever_the_machine_reports() -> None:
    d = with_label(address="10.0.1.7", mac=LABEL)
    d.role("bmc-discover", gave={"bmc": {"address": "10.0.1.66", "mac": "52:54:00:bb:00:66"}})
    assert take(d, "n1").bmc == Bmc(address="10.0.1.7", mac=LABEL, entered=True)
    assert take(d, "n2").bmc is None


@pytest.mark.parametrize(("address", "found"), [("10.0.1.9", True), ("10.0.0.30", False)])
def test_a_label_s_mac_leads_to_the_address_that_it_was_leased(address: str, found: bool) -> None:
    """Not on the boot network, where a stranger may use that MAC."""
    d = with_label(mac=LABEL)
    d.put(Lease(address=address, mac=LABEL, network="bmc", state="bound", expires=1e9))
    bmc = take(d, "n1").bmc
    assert bmc == (Bmc(address=address, mac=LABEL, entered=True) if found else None)


@pytest.mark.parametrize(("mac", "says"), [(LABEL, ""), ("52:54:00:bb:00:66", "bmc_not_expected"), ("", "")])
def test_a_machine_that_reports_another_bmc_than_its_label(mac: str, says: str) -> None:
    d = with_label(mac=LABEL)
    d.role("bmc-discover", gave={"bmc": {"address": "10.0.1.9", "mac": mac}})
    node = take(d, "n1")
    assert (code(node.notice), node.bmc is None) == (says, bool(says))


def test_a_serial_that_two_machines_show_is_nobody_s_label() -> None:
    d = with_label(address="10.0.1.7")
    d.change("n2", serial="SN1")
    assert expected(d.world, d.node("n1")) is None
    assert take(d, "n1").bmc is None
