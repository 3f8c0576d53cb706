"""The attacker wants the account of the site's BMCs. It makes a machine that reports a BMC of the attacker's own, and waits for the engine to
log in there."""

from __future__ import annotations

from typing import Any

import pytest
from bmc_scene import BMCS, Scene, scene
from msgspec.structs import replace

from engine.events import Commit, SetAttribute

__all__ = ["scene"]

BOTH = pytest.mark.parametrize("protocol", ["ipmi", "redfish"])
ELSEWHERE = "10.77.0.66"


@BOTH
def test_by_an_address_outside_the_bmc_network(scene: Scene, protocol: str) -> None:
    """Even of an allocated node, and even if the attacker's BMC says that it is the node's."""
    scene.server(1)
    scene.bmc(ELSEWHERE, protocol, 1)
    node = scene.reports("n1", ELSEWHERE)
    scene.allocate("n1")
    assert node.bmc is None
    assert node.notice is not None
    assert node.notice.code == "bmc_outside"
    assert {one.failure.code for one in scene.everything("n1") if one.failure is not None} == {"bmc_outside"}
    assert (scene.packets, scene.logins) == (0, 0)


@BOTH
def test_before_anybody_allocated_the_machine(scene: Scene, protocol: str) -> None:
    scene.server(1)
    scene.bmc(f"{BMCS}.66", protocol, 1)
    node = scene.reports("n1", f"{BMCS}.66")
    assert node.bmc is not None
    assert [one.failure.code for one in scene.everything("n1") if one.failure is not None] == ["bmc_too_early"] * 6
    assert scene.packets == 0
    scene.allocate("n1")
    assert scene.everything("n1")[0].failure is None
    assert scene.logins > 0


def test_by_the_admin_node_s_own_address(scene: Scene) -> None:
    scene.server(1)
    assert scene.reports("n1", "10.0.0.1").bmc is None


@pytest.mark.parametrize("address", ["", "bmc.example.net", "10.9.1", "127.0.0.1", "::1", "fe80::1%eth0", "0.0.0.0", "255.255.255.255"])
def test_by_an_address_that_is_none(scene: Scene, address: str) -> None:
    scene.server(1)
    assert scene.reports("n1", address).bmc is None
    scene.allocate("n1")
    assert all(one.failure is not None for one in scene.everything("n1"))


def test_by_a_plan_that_moved_the_network_away(scene: Scene) -> None:
    """An address that was good counts no more, whatever the store holds."""
    scene.server(1)
    scene.bmc(f"{BMCS}.66", "ipmi", 1)
    scene.reports("n1", f"{BMCS}.66")
    scene.allocate("n1")
    plan: Any = scene.rig.world.plan
    del plan.networks["bmc"]
    assert {one.failure.code for one in scene.everything("n1") if one.failure is not None} == {"bmc_outside"}
    assert scene.packets == 0


def test_an_operator_may_enter_any_address(scene: Scene) -> None:
    scene.server(1)
    scene.bmc(ELSEWHERE, "ipmi", 1)
    scene.reports("n1", ELSEWHERE)
    scene.allocate("n1")
    scene.rig.feed(SetAttribute(who="op", layer="operator", scope="n1", name="bmc", value={"address": ELSEWHERE}))
    assert scene.everything("n1")[0].failure is None
    scene.rig.feed(SetAttribute(who="op", layer="operator", scope="n1", name="bmc", clear=True))
    assert scene.rig.node().bmc is None


def test_a_plan_with_the_network_takes_up_what_was_reported(scene: Scene) -> None:
    scene.server(1)
    wanted = scene.rig.world.plan
    assert wanted is not None
    without = replace(wanted, networks={"admin": wanted.networks["admin"]})
    scene.rig.feed(Commit(who="op", plan=without))
    assert scene.reports("n1", f"{BMCS}.66").bmc is None
    scene.rig.feed(Commit(who="op", plan=wanted))
    bmc = scene.rig.node().bmc
    assert bmc is not None
    assert bmc.address == f"{BMCS}.66"
