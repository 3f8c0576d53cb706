"""Goal: no machine gets an address any more. Means: the client declines every address that it gets, or takes addresses and never uses them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from target import PLAN, Target, mac_of, pour, strangers

from engine.attach.client import Attached
from engine.core.boot.leases import DECLINES, LEASE, STRANGER
from engine.wire.dhcp import DhcpKind, DhcpReply

SIZE = 60
SMALL = PLAN.replace("192.168.128.1-192.168.160.254", f"192.168.128.1-192.168.128.{SIZE}")
KNOWN = "0a:00:00:00:77:01"
RULES = f"rules: [{{match: {{mac: '{KNOWN}'}}, name: first}}]\n"
WITHIN_S = 30.0
"""An honest machine asks for so long at most. An offer lasts twice as long."""


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    found = Target(tmp_path, SMALL + RULES)
    yield found
    found.close()


def declines(target: Target, mac: str) -> bool:
    """Gets an address and says that another machine uses it. False: it got none."""
    offer = target.asks(DhcpKind.DISCOVER, mac, 0.15)
    if offer is None:
        return False
    taken = target.asks(DhcpKind.REQUEST, mac, 0.15, requested=offer.yiaddr, server_id="192.168.124.10")
    target.asks(DhcpKind.DECLINE, mac, 0.02, requested=offer.yiaddr, server_id="192.168.124.10")
    return taken is not None


def test_a_client_that_declines_everything_takes_only_some_addresses_and_is_named(target: Target) -> None:
    attacker = mac_of(600)
    done = sum(declines(target, attacker) for _ in range(SIZE + 5))
    assert done > DECLINES
    out = [lease for lease in target.ask("leases") if lease["state"] == "declined"]
    assert len(out) <= DECLINES
    with Attached(target.store) as engine:
        told = engine.health().result["refusals"]["declines_again"]
    assert attacker in told["sentence"]
    assert told["mac"] == attacker
    assert target.gets_an_address(1, WITHIN_S).yiaddr.startswith("192.168.128.")


def test_clients_with_invented_macs_that_decline_everything_leave_addresses_for_others(target: Target) -> None:
    done = sum(declines(target, mac_of(number)) for number in range(600, 600 + SIZE + 5))
    assert done >= SIZE
    assert target.takes_an_address(1).startswith("192.168.128.")


def test_offers_that_nobody_takes_leave_addresses_for_others(target: Target) -> None:
    pour((target.host, 20067), strangers(1_000, first=2), lambda: target.ask("counters")["DhcpService"]["received"])
    target.until(lambda c: not c["loop"]["waiting"]["packets"])
    assert len(target.ask("leases")) == SIZE, "all are offered"
    assert target.gets_an_address(1, WITHIN_S).yiaddr.startswith("192.168.128.")


def takes(target: Target, mac: str) -> DhcpReply | None:
    """Gets an address and takes it, as a machine does that then stays silent."""
    offer = target.asks(DhcpKind.DISCOVER, mac)
    return offer and target.asks(DhcpKind.REQUEST, mac, requested=offer.yiaddr, server_id="192.168.124.10")


def test_addresses_that_invented_machines_took_are_free_again_after_minutes(target: Target) -> None:
    """The engine and its answers agree on when. That a full pool then serves new machines is in `tests/core/test_core_leases.py`."""
    known = takes(target, KNOWN)
    assert known is not None
    assert known.lease_s == LEASE
    taken = [takes(target, mac_of(number)) for number in range(600, 600 + SIZE - 1)]
    assert {answer.lease_s for answer in taken if answer is not None} == {STRANGER}
    leases = target.ask("leases")
    bound = {lease["mac"]: lease["expires"] for lease in leases if lease["state"] == "bound"}
    assert len(bound) == SIZE, "the pool is full"
    assert target.asks(DhcpKind.DISCOVER, mac_of(1)) is None
    first, last = (pick(at for mac, at in bound.items() if mac != KNOWN) for pick in (min, max))
    assert last < bound[KNOWN] - (LEASE - STRANGER - WITHIN_S)
    assert last - first < WITHIN_S
    assert STRANGER <= 15 * 60
