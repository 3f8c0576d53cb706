"""Goal: no machine gets an address any more. Means: the client declines every address that it gets, or takes offers and never uses them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from target import PLAN, Target, mac_of, pour, strangers

from engine.attach.client import Attached
from engine.core.boot.leases import DECLINES
from engine.wire.dhcp import DhcpKind

SIZE = 60
SMALL = PLAN.replace("192.168.128.1-192.168.160.254", f"192.168.128.1-192.168.128.{SIZE}")
WITHIN_S = 30.0
"""An honest machine asks for so long at most. An offer lasts twice as long."""


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    found = Target(tmp_path, SMALL)
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
