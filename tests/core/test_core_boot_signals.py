"""Signals of a boot, their deadlines, and the next try."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from boots_rig import ask, hello, needs_boot, rig, script
from msgspec.structs import replace

from engine import reasons
from engine.core.boot.boot import TRIES
from engine.core.boot.signals import SIGNALS
from engine.core.roles.guards import blockers
from engine.effects import BootNode, Start
from engine.events import (
    Fetched,
    Powered,
    Started,
)
from engine.model import Signal, State, Way
from engine.wire.dhcp import DhcpKind


@pytest.mark.parametrize("trust", ["network", "confirmed"])
def test_each_signal_is_shown_and_sets_the_next_deadline(trust: Literal["confirmed", "network"]) -> None:
    d = rig(trust)
    begun = d.now
    order = needs_boot(d)
    steps: list[tuple[Any, Signal]] = [
        (Powered(node="n1", generation=order.generation), Signal.POWERED),
        (ask(), Signal.DHCP),
        (ask(DhcpKind.REQUEST, requested="10.0.0.30"), Signal.DHCP),
    ]
    for event, signal in steps:
        d.now += 5
        d.feed(event)
        boot = d.node().boot
        assert boot is not None
        assert (boot.signal, d.node().signal) == (signal, signal)
    (address,) = d.world.leases
    for event, signal in (
        (Fetched(address=address, what="loader"), Signal.LOADER),
        (ask(ipxe=True), Signal.LOADER),
        (replace(script(), address=address), Signal.SCRIPT),
        (Fetched(address=address, what="kernel"), Signal.KERNEL),
    ):
        d.now += 5
        d.feed(event)
        boot = d.node().boot
        assert boot is not None
        assert boot.signal is signal
    if trust == "network":
        assert boot.deadline == d.now + dict(SIGNALS[Way.NETWORK])[Signal.HELLO]
    else:
        assert boot.deadline == begun + sum(seconds for _, seconds in SIGNALS[Way.NETWORK]), "anybody could have sent these"
    d.feed(hello())
    node = d.node()
    assert (node.boot, node.runs, node.boot_id, node.alive, node.boots) == (None, "sledgehammer", "b2", True, 1)
    assert d.one(Start).role == "work"


def test_a_signal_that_is_skipped_does_no_harm_and_an_earlier_one_does_not_go_back() -> None:
    d = rig()
    needs_boot(d)
    d.feed(script())
    d.feed(Powered(node="n1", generation=1))
    assert d.node().boot is not None
    assert d.node().boot.signal is Signal.SCRIPT  # type: ignore[union-attr]


def test_a_deadline_that_passes_orders_the_boot_again_and_at_last_it_is_a_problem() -> None:
    d = rig()
    needs_boot(d)
    for tries in range(2, TRIES + 1):
        d.tick("n1", 60.0)
        assert (d.one(BootNode).tries, d.one(BootNode).generation) == (tries, tries)
    d.tick("n1", 60.0)
    assert not d.all(BootNode)
    assert d.node().problem == reasons.boot_timeout(expected="powered", seconds=60.0, signal="opened", tries=TRIES)
    assert blockers(d.world, d.at("work"))[0].code == "problem"


def test_a_tick_before_the_deadline_changes_nothing() -> None:
    d = rig()
    needs_boot(d)
    d.now += 59.0
    assert d.tick("n1") == []


def test_the_answer_to_an_older_power_order_says_nothing() -> None:
    d = rig()
    needs_boot(d)
    d.tick("n1", 60.0)
    d.feed(Powered(node="n1", generation=1))
    assert d.node().signal is Signal.OPENED
    d.feed(Powered(node="n1", generation=2))
    assert d.node().signal is Signal.POWERED


def test_what_the_bmc_said_is_the_problem_where_it_failed() -> None:
    d = rig()
    needs_boot(d)
    why = reasons.power_failed(node="n1", address="10.0.1.1", message="no answer")
    for tries in range(1, TRIES + 1):
        d.feed(Powered(node="n1", generation=tries, failure=why))
        assert d.node().boot is not None, "the next try comes with the deadline"
        d.tick("n1", 60.0)
    assert d.node().problem == why


def test_a_kexec_that_does_not_come_back_goes_to_the_disk() -> None:
    d = rig(stage="install", kexec=True)
    d.role("os-install", state=State.ACTIVE)
    d.role("serve", state=State.WAITING)
    d.feed(Started(installation="x", admin="a"))
    d.feed(Powered(node="n1", generation=1))
    d.tick("n1", 300.0)
    assert (d.one(BootNode).way, d.one(BootNode).tries) == (Way.DISK, 2)
