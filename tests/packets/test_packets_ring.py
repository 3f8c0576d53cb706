"""The ring of the last packets and the counts of drops: bounded, and a flood of invented MACs takes nothing from a node."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import reasons
from engine.model import Lease
from engine.packets import drops as drops_module
from engine.packets import ring as ring_module
from engine.packets.drops import Drops
from engine.packets.names import octets, shown
from engine.packets.packet import ANSWER_OCTETS, from_json
from engine.packets.ring import EACH, KNOWN_OCTETS, STRANGERS, STRANGERS_OCTETS, Ring
from engine.runtime.last_values import LastValues
from engine.runtime.packet_record import PacketRecord
from engine.wire import faults

NODE = bytes.fromhex("5254000000a1")
A, B = ("0.0.0.0", 68), ("10.0.0.1", 67)


def mac(number: int) -> bytes:
    return b"\x02" + number.to_bytes(5, "big")


def put(ring: Ring, who: bytes, data: bytes = b"x" * 300, out: bool = False) -> None:
    ring.put("dhcp", out, who, A, B, data)


def test_a_flood_of_invented_macs_pushes_out_the_oldest_stranger_and_no_node() -> None:
    ring = Ring(known=lambda who: who == NODE, wall=lambda: 1.0)
    put(ring, NODE, b"node")
    for number in range(20_000):
        put(ring, mac(number))
    assert [frame.data for frame in ring.read(frozenset({NODE}))] == [b"node"]
    left = {frame.who for frame in ring.read()} - {NODE}
    assert left == {mac(number) for number in range(20_000 - STRANGERS, 20_000)}
    assert ring.forgotten == 20_000 - STRANGERS


def test_a_stranger_that_speaks_again_is_not_the_oldest() -> None:
    ring = Ring(known=lambda _: False, wall=lambda: 1.0)
    for number in range(STRANGERS):
        put(ring, mac(number))
    put(ring, mac(0))
    put(ring, mac(STRANGERS))
    assert ring.read(frozenset({mac(0)}))
    assert not ring.read(frozenset({mac(1)}))


def test_a_stranger_that_became_a_node_is_kept() -> None:
    nodes: set[bytes] = set()
    ring = Ring(known=lambda who: who in nodes, wall=lambda: 1.0)
    put(ring, NODE, b"before it was one")
    nodes.add(NODE)
    for number in range(STRANGERS * 2):
        put(ring, mac(number))
    assert [frame.data for frame in ring.read(frozenset({NODE}))] == [b"before it was one"]


@given(st.lists(st.tuples(st.integers(0, 700), st.integers(0, 5000), st.booleans()), max_size=300))
@settings(deadline=None, max_examples=30)
def test_its_octets_are_counted_right_and_never_over_the_bound(puts: list[tuple[int, int, bool]]) -> None:
    ring = Ring(known=lambda who: who[-1] % 2 == 0, wall=lambda: 1.0)
    for number, size, out in puts:
        put(ring, mac(number), bytes(size), out)
    for shelves in (ring._nodes, ring._strangers):
        assert shelves.octets == sum(len(frame.data) for shelf in shelves.of.values() for frame in shelf)
        assert not shelves.over() or len(shelves.of) == 1
        assert all(1 <= len(shelf) <= EACH for shelf in shelves.of.values())
    numbers = [frame.number for frame in ring.read()]
    assert numbers == sorted(set(numbers))


def test_the_whole_ring_stays_within_its_memory_under_large_packets() -> None:
    ring = Ring(known=lambda who: who[-1] % 2 == 0, wall=lambda: 1.0)
    tracemalloc.start()
    for number in range(4_000):
        for _ in range(4):
            put(ring, mac(number), bytes(4096))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 1.5 * (KNOWN_OCTETS + STRANGERS_OCTETS)


def test_only_what_comes_after_a_number_is_read() -> None:
    ring = Ring(known=lambda _: False, wall=lambda: 1.0)
    for number in range(3):
        put(ring, mac(number))
    assert [frame.number for frame in ring.read(after=1)] == [2, 3]
    assert ring.read(frozenset({mac(0)}), after=1) == []
    assert ring.number == 3


def test_a_cause_belongs_to_what_was_heard_last() -> None:
    ring = Ring(known=lambda _: False, wall=lambda: 1.0)
    put(ring, NODE, b"1")
    put(ring, NODE, b"2", out=True)
    ring.put("tftp", False, NODE, A, B, b"3")
    ring.cause("dhcp", NODE, "c" * 1000)
    ring.cause("dhcp", NODE, "a second one")
    ring.cause("dhcp", mac(9), "of nobody")
    assert [len(frame.cause) for frame in ring.read()] == [ring_module.CAUSE, 0, 0]


# -- drops ---------------------------------------------------------------------------------------------------------


def test_drops_are_counted_by_cause_with_the_last_example() -> None:
    drops = Drops(known=lambda who: who == NODE, wall=lambda: 5.0)
    drops.note("dhcp", mac(1), "kind", 53, answered=False)
    drops.note("dhcp", NODE, "kind", 53, answered=False)
    drops.note("dhcp", mac(2), "length", 57, answered=True)
    lost, odd = drops.causes()
    assert (lost["cause"], lost["count"], lost["who"], lost["option"]) == ("kind", 2, shown(NODE), 53)
    assert (odd["fault"], odd["answered"]) == ("option 57 has a length that its definition does not allow", True)
    assert drops.machines()[shown(mac(2))]["count"] == 1


def test_machines_of_drops_are_bounded_and_a_node_stays() -> None:
    drops = Drops(known=lambda who: who == NODE, wall=lambda: 5.0)
    drops.note("dhcp", NODE, "kind", 53, answered=False)
    for number in range(5_000):
        drops.note("dhcp", mac(number), "kind", 53, answered=False)
        drops.note("dhcp", mac(number), f"no-code-{number}", 53, answered=False)
    assert len(drops.machines()) == drops_module.MACHINES + 1
    assert drops.machines()[shown(NODE)]["count"] == 1
    assert len(drops.causes()) <= drops_module.CAUSES


def test_what_cost_an_answer_is_not_hidden_by_what_did_not() -> None:
    drops = Drops(known=lambda _: False, wall=lambda: 5.0)
    drops.note("dhcp", NODE, "length", 57, answered=True)
    drops.note("dhcp", NODE, "kind", 53, answered=False)
    drops.note("dhcp", NODE, "length", 57, answered=True)
    assert (drops.machines()[shown(NODE)]["cause"], drops.machines()[shown(NODE)]["count"]) == ("kind", 1)


@pytest.mark.parametrize("protocol", ["dhcp", "tftp", "lldp"])
def test_every_code_of_the_codecs_has_its_words(protocol: str) -> None:
    tables: dict[str, Any] = vars(faults)
    for code in tables[f"{protocol.upper()}_LOST"]:
        assert faults.lost(protocol, code) not in ("", faults.OTHER)
    for code in tables.get(f"{protocol.upper()}_ODD", {}):
        assert faults.odd(protocol, code) != "cannot be read"


# -- what the services tell it -------------------------------------------------------------------------------------


class World:
    """As much of it as the record looks at."""

    def __init__(self) -> None:
        self.macs = {shown(NODE): "n1"}
        self.leases = {"10.0.0.30": Lease(address="10.0.0.30", mac=shown(NODE), network="admin", state="bound", expires=9.0)}
        self.lease_of = {shown(NODE): "10.0.0.30"}
        self.nodes: dict[str, Any] = {}
        self.plan = None

    def node_named(self, name: str) -> Any:
        return None


def record() -> PacketRecord:
    world: Any = World()
    return PacketRecord(LastValues(lambda: 1.0, lambda: 1.0), lambda: world, lambda address: address)


def test_an_address_is_the_machine_that_leased_it() -> None:
    r = record()
    assert r.of("10.0.0.30") == NODE
    assert r.of("10.0.0.31") == bytes([10, 0, 0, 31])
    assert r.named("10.0.0.30") == {NODE, bytes([10, 0, 0, 30])}
    assert r.named("nobody") is None
    assert octets("52-54-00-00-00-A1") == octets("525400 0000a1".replace(" ", "")) == NODE


def test_a_drop_is_counted_shown_and_marked_at_its_packet() -> None:
    r = record()
    r.received("dhcp", NODE, A, B, b"junk")
    r.lost("dhcp", NODE, "kind", 53)
    r.received("dhcp", mac(1), A, B, b"junk")
    r.ignored(reasons.no_pool(interface="eth1"), shown(mac(1)))
    assert [p["cause"] for p in r.read(None, 0)["packets"]] == [
        "it says no message type of a client",
        "no network with a dhcp range is served on eth1",
    ]
    assert r._last_values.snapshot().counters == {"dhcp.lost.kind": 1}
    assert r.health()["drops"][0]["who"] == shown(NODE)


def test_one_answer_is_bounded_and_the_next_goes_on() -> None:
    r = record()
    for number in range(400):
        r.received("dhcp", mac(number), A, B, number.to_bytes(4, "big") * 1000)
    seen, after, answers = [], 0, 0
    while True:
        body = r.read(None, after)
        answers += 1
        got = [from_json(one) for one in body["packets"]]
        assert sum(len(p.data) for p in got) <= ANSWER_OCTETS
        seen += [int.from_bytes(p.data[:4], "big") for p in got]
        after = body["next"]
        if not body["more"]:
            break
    assert seen == list(range(400))
    assert answers > 1
