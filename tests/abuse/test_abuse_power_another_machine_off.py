"""The attacker wants another machine powered off, and lets the engine do it: it makes a machine that reports the other one's BMC as its own."""

from __future__ import annotations

import pytest
from bmc_scene import BMCS, Scene, scene
from msgspec.structs import replace
from world_rig import uuid

from engine.core.operator.forget import forget
from engine.core.world.work import Work
from engine.effects import BootScript, Refuse, Welcome
from engine.events import Hello, ScriptAsked, SetAttribute
from engine.requests import Asker, Request

__all__ = ["scene"]

VICTIM = f"{BMCS}.23"
BOTH = pytest.mark.parametrize("protocol", ["ipmi", "redfish"])


@BOTH
def test_whose_node_holds_its_bmc(scene: Scene, protocol: str) -> None:
    victim = scene.bmc(VICTIM, protocol, 1)
    scene.server(1)
    scene.server(2)
    scene.reports("n1", VICTIM)
    node = scene.reports("n2", VICTIM)
    scene.allocate("n2")
    assert node.bmc is None
    assert node.notice is not None
    assert (node.notice.code, node.notice.fields["other"]) == ("bmc_is_anothers", scene.rig.node("n1").name)
    assert {one.failure.code for one in scene.everything("n2") if one.failure is not None} == {"bmc_is_anothers"}
    assert (victim.on, victim.log, scene.packets) == (True, [], 0)
    assert scene.rig.node("n1").bmc is not None, "the first keeps it"


@BOTH
@pytest.mark.parametrize("known", ["by UUID", "by serial", "to nobody"])
def test_whose_bmc_no_node_holds_yet(scene: Scene, protocol: str, known: str) -> None:
    """The BMC itself says whose it is, before any order."""
    wrong = "4c4c4544-0009-1009-8009-000000000099"
    victim = scene.bmc(VICTIM, protocol, 1, guid=wrong if known == "by serial" else "")
    if known != "to nobody":
        scene.server(1)
    scene.server(2)
    assert scene.reports("n2", VICTIM).bmc is not None
    scene.allocate("n2")
    done = scene.everything("n2")
    assert {one.failure.code for one in done if one.failure is not None} == {"bmc_is_anothers"}
    assert all(one.state == "" for one in done)
    assert (victim.on, victim.log) == (True, [])


@BOTH
def test_with_its_uuid_and_serial_copied(scene: Scene, protocol: str) -> None:
    """Identity that several nodes show proves nothing."""
    victim = scene.bmc(VICTIM, protocol, 1)
    scene.server(1)
    scene.server(2, uuid=uuid(1), serial="SN1")
    scene.reports("n2", VICTIM)
    scene.allocate("n2")
    assert {one.failure.code for one in scene.everything("n2") if one.failure is not None} == {"bmc_unproven"}
    assert (victim.on, victim.log) == (True, [])


@BOTH
def test_by_a_claim_of_a_known_node_that_moves_its_bmc(scene: Scene, protocol: str) -> None:
    """The attacker has the nonce of node 2, and reports the victim's BMC in its name."""
    victim = scene.bmc(VICTIM, protocol, 1)
    own = scene.bmc(f"{BMCS}.24", protocol, 2)
    scene.server(2)
    scene.reports("n2", f"{BMCS}.24")
    scene.allocate("n2")
    bmc = scene.rig.node("n2").bmc
    assert bmc is not None
    scene.rig.change("n2", bmc=replace(bmc, proven=True), claim="c")
    node = scene.reports("n2", VICTIM)
    assert node.bmc is not None
    assert (node.bmc.address, node.notice.code if node.notice else "") == (f"{BMCS}.24", "bmc_moved")
    assert scene.everything("n2")[1].failure is None
    assert (victim.on, victim.log) == (True, [])
    assert own.log
    scene.rig.change("n2", confirmed="operator")
    moved = scene.reports("n2", VICTIM).bmc
    assert moved is not None
    assert moved.address == VICTIM, "a confirmed claim may move it, and the BMC is asked again"
    assert {one.failure.code for one in scene.everything("n2") if one.failure is not None} == {"bmc_is_anothers"}


@BOTH
def test_by_a_bmc_that_an_operator_entered_for_the_wrong_node(scene: Scene, protocol: str) -> None:
    """Not even an operator's word counts against a BMC that says whose it is, if that node is known."""
    victim = scene.bmc(VICTIM, protocol, 1)
    scene.server(1)
    scene.server(2)
    scene.allocate("n2")
    scene.rig.feed(SetAttribute(who="op", layer="operator", scope="n2", name="bmc", value={"address": VICTIM}))
    assert {one.failure.code for one in scene.everything("n2") if one.failure is not None} == {"bmc_is_anothers"}
    assert (victim.on, victim.log) == (True, [])


def test_a_deleted_node_lets_go_of_the_address(scene: Scene) -> None:
    scene.server(1)
    scene.server(2)
    scene.reports("n1", VICTIM)
    assert scene.reports("n2", VICTIM).bmc is None
    work = Work(scene.rig.world)
    forget(work, scene.rig.node("n1"))
    scene.rig.world = work.finish()
    bmc = scene.reports("n2", VICTIM).bmc
    assert bmc is not None
    assert bmc.address == VICTIM


@pytest.mark.parametrize("how", ["with a nonce of its own making", "with the nonce of a script that it got in the node's name"])
def test_no_hello_of_a_stranger_changes_it(scene: Scene, how: str) -> None:
    """Nor can it report another BMC in the node's name: it gets no token."""
    scene.server(1, claim="c")
    node = scene.reports("n1", VICTIM)
    nonce = "x" * 64
    if "script" in how:
        scene.rig.feed(ScriptAsked(request=Request(Asker.HTTP, 1), mac=node.macs[0], address="10.0.0.30", nonce=nonce))
        assert scene.rig.one(BootScript).nonce == nonce, "whoever asks gets a script, because the machine may really boot"
    said = Hello(
        request=Request(Asker.HTTP, 1),
        nonce=nonce,
        boot_id="evil",
        environment="sledgehammer",
        uuid=node.uuid,
        serial=node.serial,
        macs=node.macs,
    )
    scene.rig.feed(said)
    assert not scene.rig.all(Welcome)
    assert scene.rig.one(Refuse).reason.code == ("live_claim" if "script" in how else "unknown_nonce")
    after = scene.rig.node("n1")
    assert (after.bmc, after.boot_id, after.boot, after.claim) == (node.bmc, node.boot_id, None, "c")
