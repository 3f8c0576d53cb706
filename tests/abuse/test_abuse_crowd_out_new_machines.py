"""Goal: no new machine gets into the rack any more. Means: more invented MACs than the engine keeps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest
from target import PATIENCE_S, PLAN, Target, mac_of, pour, strangers

from engine.attach.client import Attached
from engine.core.boot.strangers import AT_ONCE, SIGHTINGS
from engine.wire import dhcp
from engine.wire.dhcp import DhcpKind, DhcpRequest

PLANNED = "0a:00:00:00:77:01"
RULES = f"rules: [{{match: {{mac: '{PLANNED}'}}, name: first}}]\n"


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    found = Target(tmp_path, PLAN + RULES)
    yield found
    found.close()


def received(target: Target) -> int:
    return int(target.ask("counters")["DhcpService"]["received"])


def flood(target: Target, many: int, version: int) -> None:
    pour((target.host, 20067), strangers(many, version, relays=3), lambda: received(target))
    target.until(lambda c: not c["loop"]["waiting"]["packets"])


def test_a_new_machine_finds_room_among_more_invented_ones_than_are_kept(target: Target) -> None:
    """The attacker invents MACs and repeats itself, as firmware does. It fills the table, and new machines come in all the same."""
    banned = mac_of(900)
    target.gets_an_address(900)
    with Attached(target.store) as engine:
        engine.operate("ban", node=banned)
    assert target.asks(DhcpKind.DISCOVER, PLANNED) is not None
    end, version = time.monotonic() + PATIENCE_S, 0
    # The rates of strangers let some thousands in at once, and the others by and by.
    while len(there := target.ask("sightings")) < SIGHTINGS - AT_ONCE:
        assert time.monotonic() < end, f"the table is not full: {len(there)}"
        flood(target, SIGHTINGS + 500, version)
        version += 1
    assert len(there) <= SIGHTINGS + 2
    for number in (1, 2, 3):
        address = target.takes_an_address(number)
        assert "kernel" in target.gets_a_script(address, number), "and is told to boot discovery"
    there = {one["mac"]: one for one in target.ask("sightings")}
    assert {mac_of(1), mac_of(2), mac_of(3), PLANNED, banned} <= there.keys()
    assert there[banned]["banned"]
    assert target.asks(DhcpKind.DISCOVER, banned) is None, "and a ban survives"


def test_a_known_machine_does_not_wait_for_a_flood(target: Target) -> None:
    """Each of its requests is answered at once. The answers to the flood go to another relay: the known one's socket would overflow."""
    offer = target.asks(DhcpKind.DISCOVER, PLANNED)
    assert offer is not None
    address = offer.yiaddr
    end, rounds = time.monotonic() + PATIENCE_S, 0
    # Beside much other work 400 may come too slowly to be a flood.
    while rounds < 30 or not target.ask("counters")["DhcpService"]["flooded"]:
        assert time.monotonic() < end, "nothing flooded it"
        rounds += 1
        pour((target.host, 20067), strangers(400 + 100 * rounds, first=2), lambda: received(target))
        answer = target.asks(DhcpKind.REQUEST, PLANNED, PATIENCE_S, requested=address)
        assert answer is not None
        assert (answer.kind, answer.yiaddr) == (DhcpKind.ACK, address)


def test_a_stranger_that_took_an_address_floods_no_more_than_another_one(target: Target) -> None:
    address = target.takes_an_address(700)
    again = dhcp.encode_request(
        DhcpRequest(
            kind=DhcpKind.REQUEST, xid=1, mac=mac_of(700), giaddr="192.168.124.2", requested=address, vendor_class="PXEClient", arch=0
        )
    )
    before = received(target)
    pour((target.host, 20067), repeat(again, 600), lambda: received(target))
    counted = target.until(lambda c: c["DhcpService"]["received"] == before + 600)
    assert counted["DhcpService"]["flooded"] >= 400


def test_the_flood_is_named_with_mac_address_and_switch_port(target: Target) -> None:
    def behind_a_port() -> Iterator[bytes]:
        relay = (bytes([1, 4]) + b"swp9" + bytes([2, 4]) + b"tor1").hex()
        for i in range(600):
            mac = f"06:00:00:01:{i >> 8:02x}:{i & 255:02x}"
            yield dhcp.encode_request(
                DhcpRequest(kind=DhcpKind.DISCOVER, xid=i, mac=mac, giaddr="192.168.124.1", relay=relay, vendor_class="PXEClient", arch=0)
            )

    pour((target.host, 20067), behind_a_port(), lambda: received(target))
    counted = target.until(lambda c: c["DhcpService"]["received"] == 600)
    assert counted["DhcpService"]["flooded"] >= 400
    with Attached(target.store) as engine:
        body = engine.health().result
    (told,) = body["floods"]
    assert (told["source"], told["port"], told["code"]) == ("192.168.124.1", "tor1:swp9", "flood")
    assert told["who"].startswith("06:00:00:01:")
    assert told["count"] == counted["DhcpService"]["flooded"]
    assert target.asks(DhcpKind.DISCOVER, mac_of(1)) is not None, "machines behind other ports are served at once"
