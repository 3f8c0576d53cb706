"""Boots of machines without identity."""

from __future__ import annotations

import pytest
from boots_rig import BOOTS, ask, rig, script
from catalogs import plan
from world_rig import WorldRig, mac

from engine import reasons
from engine.core.boot.signals import SIGNALS
from engine.effects import BootScript
from engine.events import (
    Hello,
    Operate,
    Powered,
    SightingDue,
    Tick,
)
from engine.model import Signal, State, Way
from engine.requests import Asker, Request


def test_a_sighting_s_deadline_gives_a_reason_and_no_power_action() -> None:
    d = WorldRig(BOOTS, plan({}))
    d.feed(ask(number=9))
    when, subject = d.wakes[-1]
    assert subject == SightingDue(mac(9))
    d.now = when
    assert d.feed(Tick(subjects=(subject,))) == []
    assert d.world.sightings[mac(9)].reason == reasons.sighting_waits(
        mac=mac(9), signal="dhcp", expected="loader", seconds=dict(SIGNALS[Way.NETWORK])[Signal.LOADER]
    )
    d.feed(script(number=9))
    assert d.world.sightings[mac(9)].reason is None
    assert d.one(BootScript).environment == "sledgehammer"


def test_a_node_with_no_identity_is_not_banned_by_another_one_s_ban() -> None:
    d = WorldRig(BOOTS, plan({}))
    d.feed(ask(number=9), ask(number=8))
    from msgspec.structs import replace

    d.put(replace(d.world.sightings[mac(9)], banned=True))
    d.feed(script(number=9))
    assert d.one(BootScript).disk
    d.feed(script(number=8))
    assert not d.one(BootScript).disk


@pytest.mark.parametrize("failure", [reasons.no_power(node="n1"), reasons.power_failed(node="n1", address="10.0.1.1", message="no")])
def test_what_the_machine_was_refused_for_is_told_and_not_that_it_cannot_be_switched(failure: reasons.Reason) -> None:
    """Its hello is refused, the boot's deadline passes, and the next power orders fail: the person needs to hear of the first."""
    d = rig(runs="", alive=False)
    d.role("work", state=State.WAITING)
    d.feed(Operate(who="op", verb="power", node="n1", value="cycle"))
    d.feed(ask(), script())
    d.feed(
        Hello(
            request=Request(Asker.HTTP, 1),
            nonce="h1",
            boot_id="b7",
            environment="sledgehammer",
            uuid="4c4c4544-0009-1009-8009-000000000009",
            macs=(mac(1),),
        )
    )
    boot = d.node().boot
    assert boot is not None
    assert boot.failure is not None
    assert boot.failure.code == "identity_conflict"
    while d.node().boot is not None:
        d.feed(Powered(node="n1", generation=d.node().intent.generation, failure=failure))
        d.tick("n1", 901)
    problem = d.node().problem
    assert problem is not None
    assert problem.code == "identity_conflict"
