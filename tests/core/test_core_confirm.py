"""A claim is confirmed through the node's BMC: when the engine asks, what counts, and when it gives up."""

from __future__ import annotations

from typing import Any

import pytest
from boots_rig import hello
from catalogs import USUAL, plan
from msgspec.structs import replace
from world_rig import WorldRig, mac

from engine import reasons
from engine.core.roles import confirm
from engine.effects import Accept, Prove, Refuse
from engine.events import Bye, Missed, Operate, Proved, Started
from engine.model import Bmc, Kind, PowerOff
from engine.plan import Site
from engine.reasons import Reason

WHY = reasons.not_shown(node="n1", address="10.0.1.1", message="it shows nothing")


def rig(site: Site | None = None, **fields: Any) -> WorldRig:
    more = {"site": site} if site is not None else {}
    d = WorldRig(USUAL, plan({}, "confirmed", allocate="ask", **more))
    d.server("n1", **{"claim": "c", "allocated": True, "bmc": Bmc(address="10.0.1.1"), **fields})
    return d


def looked(d: WorldRig) -> list[Prove]:
    """What the engine orders when something about the node changes."""
    d.feed(Operate(who="op", verb="hold", node="n1"))
    held = d.all(Prove)
    d.feed(Operate(who="op", verb="release", node="n1"))
    return held or d.all(Prove)


def asked(d: WorldRig) -> Prove:
    (order,) = looked(d)
    return order


def test_the_bmc_confirms_the_claim() -> None:
    d = rig()
    order = asked(d)
    assert (order.node, order.number, order.boot_id) == ("n1", 1, "b1")
    d.feed(Proved(node="n1", number=1, bmc="redfish", way="system-name"))
    node = d.node()
    assert (node.confirmed, node.bmc) == ("bmc", Bmc(address="10.0.1.1", protocol="redfish", proven=True))
    assert looked(d) == []


@pytest.mark.parametrize(
    ("fields", "site"),
    [
        ({"allocated": False}, None),
        ({"claim": ""}, None),
        ({"bmc": None}, None),
        ({"bmc": Bmc(address="10.7.7.7")}, None),
        ({"confirmed": "operator"}, None),
        ({"alive": False}, None),
        ({"available": False}, None),
        ({"runs": "debian-12", "stage": "system"}, None),
        ({"runs": "", "boot_id": "", "alive": False}, None),
        ({"off": PowerOff(who="op")}, None),
        ({"kind": Kind.JOINED}, None),
        ({}, Site(name="r1", trust="network")),
    ],
)
def test_when_it_does_not_ask(fields: dict[str, Any], site: Site | None) -> None:
    d = rig(site, **fields)
    assert not confirm.wanted(d.world, d.node())
    assert looked(d) == []


def test_it_asks_as_soon_as_the_node_is_allocated() -> None:
    d = rig(allocated=False)
    d.feed(Operate(who="op", verb="allocate", node="n1"))
    assert [order.number for order in d.all(Prove)] == [1]


@pytest.mark.parametrize("late", ["another number", "another boot", "nothing asked", "unknown node"])
def test_only_the_open_challenge_of_this_boot_counts(late: str) -> None:
    d = rig()
    number = asked(d).number
    match late:
        case "another number":
            d.feed(Proved(node="n1", number=number + 1), Proved(node="n1", number=0))
        case "another boot":
            d.change(boot_id="b2")
            d.feed(Proved(node="n1", number=number))
        case "nothing asked":
            d.change(proof=None)
            d.feed(Proved(node="n1", number=number))
        case _:
            d.feed(Proved(node="n9", number=number))
    assert d.node().confirmed == ""


@pytest.mark.parametrize("end", ["boot", "silent", "off"])
def test_a_claim_that_ended_is_not_confirmed(end: str) -> None:
    d = rig(probe=0, missed=3)
    number = asked(d).number
    match end:
        case "boot":
            d.feed(Bye(node="n1", boot_id="b1"))
        case "silent":
            d.feed(Missed(node="n1"))
            d.change(alive=False)
        case _:
            d.change(off=PowerOff(who="op", done=True))
    d.feed(Proved(node="n1", number=number))
    assert d.node().confirmed == ""


def test_it_tries_again_and_gives_up() -> None:
    d = rig()
    numbers = [asked(d).number]
    for _ in range(confirm.TRIES - 1):
        d.feed(Proved(node="n1", number=numbers[-1], failure=WHY))
        assert looked(d) == [], "not at once"
        d.tick("n1", confirm.AGAIN_S)
        numbers.append(d.one(Prove).number)
    d.feed(Proved(node="n1", number=numbers[-1], failure=WHY))
    d.tick("n1", 1000.0)
    assert d.all(Prove) == []
    node = d.node()
    assert numbers == [1, 2, 3]
    assert (node.confirmed, confirm.proof_state(node)) == ("", "over")
    assert node.notice is not None
    assert node.notice.code == "not_proved"
    assert "it shows nothing" in reasons.sentence(node.notice)


def test_a_confirmation_answers_the_notice() -> None:
    d = rig(notice=reasons.not_proved(node="n1", tries=3, message="x", fingerprint="0a1b-0000", address="10.0.0.30"))
    d.feed(Proved(node="n1", number=asked(d).number))
    assert (d.node().confirmed, d.node().notice) == ("bmc", None)


def test_no_answer_is_a_failure() -> None:
    d = rig()
    asked(d)
    d.tick("n1", confirm.WITHIN_S - 1.0)
    assert confirm.proof_state(d.node()) == "open"
    d.tick("n1", 2.0)
    proof = d.node().proof
    assert proof is not None
    assert proof.failure is not None
    assert proof.failure.code == "not_answered"
    d.tick("n1", confirm.AGAIN_S)
    assert d.one(Prove).number == 2


@pytest.mark.parametrize(
    ("why", "proven", "gives_way"),
    [
        (reasons.not_shown(node="n1", address="10.0.1.1", message="it shows nothing"), False, True),
        (reasons.not_answered(node="n1", seconds=90.0), False, True),
        (reasons.not_written(node="n1", message="no ipmitool"), False, False),
        (reasons.not_written(node="n1", message="no ipmitool"), True, True),
        (reasons.power_failed(node="n1", address="10.0.1.1", message="it does not answer"), True, False),
    ],
)
def test_a_claim_that_the_bmc_refutes_gives_way_to_the_next_hello(why: Reason, proven: bool, gives_way: bool) -> None:
    d = rig(claim="h1", boot_mac=mac(1), bmc=Bmc(address="10.0.1.1", proven=proven))
    d.feed(hello("b-late", nonce="h1"))
    assert d.one(Refuse).reason.code == "second_claim"
    for tries in range(confirm.TRIES):
        order = asked(d) if not tries else d.one(Prove)
        d.feed(Proved(node="n1", number=order.number, failure=why))
        d.tick("n1", confirm.AGAIN_S)
    d.feed(hello("b-late", nonce="h1"))
    assert d.node().boot_id == ("b-late" if gives_way else "b1")
    if gives_way:
        d.feed(Proved(node="n1", number=d.one(Prove).number))
        assert d.node().confirmed == "bmc"
        d.feed(hello("b1", nonce="h1"))
        assert d.one(Refuse).reason.code == "second_claim", "a claim that is confirmed gives way to nobody"


def test_a_person_lets_it_try_again() -> None:
    d = rig()
    asked(d)
    d.feed(Operate(who="op", verb="retry", node="n1"))
    assert d.all(Refuse), "it is under way"
    proof = d.node().proof
    assert proof is not None
    d.change(proof=replace(proof, tries=confirm.TRIES, failure=WHY))
    d.feed(Operate(who="op", verb="retry", node="n1"))
    assert (d.one(Prove).number, len(d.all(Accept))) == (2, 1)


def test_the_next_boot_begins_anew() -> None:
    d = rig()
    asked(d)
    proof = d.node().proof
    assert proof is not None
    d.change(proof=replace(proof, tries=confirm.TRIES, failure=WHY), boot_id="b2")
    assert asked(d).number == 2


def test_a_number_is_never_used_again() -> None:
    d = rig()
    asked(d)
    d.feed(Proved(node="n1", number=1))
    d.change(confirmed="", boot_id="b2")
    assert asked(d).number == 2


def test_a_restart_orders_the_open_challenge_again() -> None:
    d = rig()
    order = asked(d)
    again = WorldRig(world=d.reload())
    again.now = d.now
    again.feed(Started(installation="i5", admin="admin.example.net"))
    assert again.all(Prove) == [order]
    again.feed(Proved(node="n1", number=1, failure=WHY))
    restarted = WorldRig(world=again.reload())
    restarted.now = again.now
    restarted.feed(Started(installation="i5", admin="admin.example.net"))
    assert restarted.all(Prove) == []
    restarted.tick("n1", confirm.AGAIN_S)
    assert restarted.one(Prove).number == 2
