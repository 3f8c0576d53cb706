"""Machines that nobody knows: how many are kept, for how long, who makes room, and what they may write into the journal."""

from __future__ import annotations

from typing import Any

import pytest
from boots_rig import BOOTS, ask, script
from catalogs import ADMIN, plan
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from world_rig import WorldRig, mac

from engine.core.boot import strangers
from engine.core.boot.strangers import (
    A_SWEEP,
    AT_A_PORT,
    AT_ONCE,
    GONE_S,
    SIGHTINGS,
    SILENT_S,
    SLOT_S,
    Protected,
    crowded_out,
    forgotten,
    lasts_until,
)
from engine.core.world import share
from engine.effects import BootScript, SendDhcp
from engine.events import DhcpAsked, Event, Operate, Started, Tick
from engine.last_values import same_but_last
from engine.model import TABLES, Boot, Sighting, Signal, Way
from engine.plan import PlaceDef, Plan, RackDef, Range, Rule
from engine.store.news import followed, is_news
from engine.wire.dhcp import DhcpKind, DhcpRequest

KNOWN = "52:54:00:00:77:01"
CABLES = (RackDef(name="r1", places=(PlaceDef(unit=1, cables={"1g0": "tor1:swp1"}), PlaceDef(unit=2, cables={"1g0": "tor1:swp2"}))),)


def wanted(**fields: Any) -> Plan:
    return replace(plan({}), rules=(Rule(match={"mac": KNOWN.upper()}),), racks=CABLES, **fields)


def stranger(number: int, last_sign: float = 50.0, signal: Signal = Signal.DHCP, **fields: Any) -> Sighting:
    boot = Boot(generation=1, way=Way.NETWORK, environment="sledgehammer", ordered=False, at=0.0, deadline=1e6, signal=signal)
    return Sighting(mac=f"06:00:00:00:{number >> 8:02x}:{number & 255:02x}", kind="boot-rom", last_sign=last_sign, boot=boot, **fields)


def full(d: WorldRig, **fields: Any) -> None:
    d.put(*(stranger(i, last_sign=50.0 + i / 1e4, **fields) for i in range(SIGHTINGS)))


SIGHTED = st.builds(
    stranger,
    st.integers(0, 4000),
    last_sign=st.floats(0, 100),
    signal=st.sampled_from([Signal.DHCP, Signal.LOADER, Signal.SCRIPT]),
    port=st.sampled_from(["", "tor1:swp1", "tor1:swp2", "tor9:swp1"]),
    banned=st.booleans(),
    node=st.sampled_from(["", "", "n1"]),
)


@settings(max_examples=200)
@given(st.lists(SIGHTED, max_size=60, unique_by=lambda s: s.mac), st.integers(1, 8))
def test_who_makes_room_is_never_protected_and_is_the_least_and_oldest(found: list[Sighting], many: int) -> None:
    protected = Protected(wanted())
    named = replace(stranger(5000, last_sign=0.0), mac=KNOWN)
    gone = crowded_out([*found, named], protected, 100.0, many)
    by_mac = {one.mac: one for one in found}
    assert len(gone) == len(set(gone)) <= many
    assert KNOWN not in gone
    out = [by_mac[mac] for mac in gone]
    assert not [one for one in out if one.banned or one.node]
    rank = [(strangers.progress(one), one.last_sign) for one in out]
    assert rank == sorted(rank)
    stays = [one for one in found if not one.banned and not one.node and one.mac not in gone]
    for port in ("tor1:swp1", "tor1:swp2"):
        behind = sum(one.port == port for one in found if not one.banned and not one.node)
        left = sum(one.port == port for one in stays)
        assert left >= min(behind, AT_A_PORT)
    if len(out) == many:
        free = [one for one in stays if one.port not in ("tor1:swp1", "tor1:swp2")]
        assert not out or all((strangers.progress(one), one.last_sign) >= max(rank) for one in free)


@settings(max_examples=100)
@given(st.lists(SIGHTED, max_size=40, unique_by=lambda s: s.mac), st.floats(0, 2 * SILENT_S))
def test_only_the_silent_are_forgotten(found: list[Sighting], now: float) -> None:
    gone = set(forgotten(found, Protected(wanted()), now))
    for one in found:
        assert (one.mac in gone) == (not one.node and not one.banned and lasts_until(one) <= now)


def test_at_the_limit_a_new_machine_takes_the_place_of_the_oldest_ones() -> None:
    d = WorldRig(BOOTS, wanted())
    full(d)
    d.put(replace(stranger(1), mac=KNOWN, last_sign=0.0), replace(stranger(2), mac=mac(8), banned=True, boot=None))
    on_its_way = replace(stranger(3, signal=Signal.SCRIPT), mac=mac(7), last_sign=0.0)
    d.put(on_its_way)
    d.feed(ask(number=9))
    assert d.one(SendDhcp)
    assert mac(9) in d.world.sightings
    assert len(d.world.strangers) <= SIGHTINGS + 2
    assert stranger(0).mac not in d.world.sightings
    assert stranger(AT_ONCE + 8).mac in d.world.sightings
    assert {KNOWN, mac(8), mac(7)} <= set(d.world.sightings)
    d.feed(script(number=10))
    assert not d.one(BootScript).disk, "nor is a script refused"


def test_a_banned_machine_stays_banned_through_a_flood() -> None:
    d = WorldRig(BOOTS, wanted())
    d.put(replace(stranger(2), mac=mac(8), banned=True, boot=None, last_sign=0.0))
    full(d)
    for number in range(300, 300 + 3 * AT_ONCE):
        d.feed(ask(number=number))
    d.feed(ask(number=8))
    assert not d.all(SendDhcp)
    assert d.world.sightings[mac(8)].banned


def test_machines_of_an_old_store_are_not_forgotten_at_its_first_start() -> None:
    d = WorldRig(BOOTS, wanted())
    d.put(stranger(1, last_sign=0.0))
    d.now = 10 * SILENT_S
    d.feed(Started(installation="i5", admin="admin.example.net"))
    d.feed(Tick(subjects=(strangers.EVERYBODY,)))
    assert stranger(1).mac in d.world.sightings


@pytest.mark.parametrize(("went_on", "after"), [(False, GONE_S), (True, SILENT_S)])
def test_a_silent_stranger_is_forgotten_by_a_tick(went_on: bool, after: float) -> None:
    d = WorldRig(BOOTS, wanted())
    d.feed(ask(number=9))
    wake = next(w for w in d.wakes if w.due == strangers.EVERYBODY)
    assert d.now + GONE_S <= wake.now <= d.now + GONE_S + SLOT_S
    address = d.world.lease_of[mac(9)]
    if went_on:
        d.feed(script(number=9))
    start = d.now
    for _ in range(400):
        d.now = wake.now
        d.feed(Tick(subjects=(strangers.EVERYBODY,)))
        if mac(9) not in d.world.sightings:
            break
        (wake,) = [w for w in d.wakes if w.due == strangers.EVERYBODY]
    assert mac(9) not in d.world.sightings
    assert after <= d.now - start <= after + 2 * SLOT_S
    assert not [w for w in d.wakes if w.due == strangers.EVERYBODY]
    assert address not in d.world.leases


class Recorded(WorldRig):
    """Keeps tables and journal as a store does."""

    def __init__(self) -> None:
        wide = replace(ADMIN, subnet="10.0.0.0/16", ranges={"dhcp": Range(first="10.0.64.0", last="10.0.191.255")})
        super().__init__(BOOTS, wanted(networks={"admin": wide}))
        self.journal: dict[str, dict[Any, Any]] = {table: {} for table in TABLES}

    def tells(self, event: Event) -> bool:
        """True if the event has a row in the journal."""
        self.feed(event)
        news = is_news(event, self.rows)
        for change in self.rows if news else ():
            table, key, row = change
            if row is not None and followed(change):
                self.journal[table][key] = row
            elif followed(change):
                self.journal[table].pop(key, None)
        return news

    def asks(self, number: int, version: int = 0) -> bool:
        self.now += 1e-6
        vendor, at = f"PXEClient:Arch:00000:UNDI:{version:06}", stranger(number).mac
        return self.tells(
            DhcpAsked(request=DhcpRequest(kind=DhcpKind.DISCOVER, xid=1, mac=at, vendor_class=vendor, arch=0), interface="eth1")
        )

    def agrees(self) -> None:
        """What `crowbar doctor` compares."""
        for table in ("sightings", "leases"):
            there = dict(getattr(self.world, table))
            for key in there.keys() | self.journal[table].keys():
                assert same_but_last(table, there.get(key), self.journal[table].get(key)), (table, key)
        for one in self.world.sightings.values():
            assert (one.journal == "never") == (one.mac not in self.journal["sightings"])
        fresh = self.reload()
        for index in ("strangers", "lease_of", "declined_by", "nonces"):
            assert dict(getattr(self.world, index)) == dict(getattr(fresh, index))


def test_strangers_do_not_fill_the_journal_whatever_they_vary() -> None:
    d = Recorded()
    rows = sum(d.asks(i % 50 if i % 3 else i, i) for i in range(share.ROWS + 5_000))
    assert share.ROWS <= rows <= share.ROWS + share.ROWS // AT_ONCE, "and those that the journal knew have a row when they make room"
    assert d.world.share.hushed == 5_000
    assert {one.journal for one in d.world.sightings.values()} == {"", "never", "older"}
    d.agrees()
    banned = next(one.mac for one in d.world.sightings.values() if one.journal == "never")
    assert d.tells(Operate(who="op", verb="ban", node=banned, value=None)), "what a person does has a row, with all that is known"
    assert d.journal["sightings"][banned] == d.world.sightings[banned]
    d.agrees()
    d.server("n1", macs=(stranger(3).mac,), boot_mac=stranger(3).mac, runs="", alive=False)
    assert d.asks(3), "a node goes on as ever"
    d.now += share.EVERY_S + 1
    assert d.asks(60_000), "time gives a row back"
    assert not d.asks(60_001)
    d.now += GONE_S
    before = len(d.world.strangers)
    d.tells(Tick(subjects=(strangers.EVERYBODY,)))
    assert len(d.world.strangers) == before - A_SWEEP, "a step forgets only so many"
    assert d.wakes
    d.agrees()
