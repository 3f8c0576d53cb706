"""A follower's world is the engine's, after every commit, whatever happens in between."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine.core.world.load import load_world
from engine.requests import Asker, Request

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))

from catalogs import USUAL, plan
from rack import Rack
from world_rig import WorldRig

from engine.core.step import step
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.events import DhcpAsked, Happened, Operate
from engine.model import TABLES, Revision
from engine.store.store import Store
from engine.views.follow import LAST_S, Follower
from engine.wire.dhcp import DhcpKind, DhcpRequest


class Kept(Rack):
    """A rack whose engine writes to a store."""

    store: Store

    def feed(self, event):
        before = {name: dict(table) for name, table in self.tables.items()}
        effects = super().feed(event)
        changes = []
        for name, table in self.tables.items():
            changes += [(name, key, row) for key, row in table.items() if before[name].get(key) is not row]
            changes += [(name, key, None) for key in before[name].keys() - table.keys()]
        self.store.commit([(Happened(1000.0 + self.now, self.now, event), changes)])
        return effects


def same(follower: Follower, world: World) -> None:
    for table in TABLES:
        assert getattr(follower.world, table) == getattr(world, table), table
    fresh = load_world(world.base, {name: {(): world.meta} if name == "meta" else dict(getattr(world, name)) for name in TABLES})
    for name in ("roles_of", "undone", "names", "macs", "children", "stale", "running", "lease_of", "address_of", "values_of"):
        assert dict(getattr(follower.world, name)) == dict(getattr(fresh, name)), name


def test_it_follows_a_rack_to_ready_and_beyond(tmp_path: Path) -> None:
    Kept.store = Store.open(tmp_path)
    rack = Kept(USUAL, plan(), nodes=2, seed=5, check=False)
    told: list[int] = []
    follower = Follower(tmp_path, USUAL, lambda row: told.append(row.seq))
    begun = follower.seq
    while not rack.all_done():
        ends = rack.now + 60
        rack.run(until=lambda ends=ends: rack.now >= ends or rack.all_done())
        assert follower.catch_up()
        same(follower, rack.world)
    assert not follower.catch_up()
    node = next(n for n in rack.world.nodes.values() if n.id != "admin")
    rack.feed(Operate(request=Request(Asker.OPERATOR, 1), who="op", verb="delete", node=node.id))
    assert follower.catch_up()
    same(follower, rack.world)
    assert node.id not in follower.world.nodes
    assert told == list(range(begun + 1, follower.seq + 1))
    follower.close()
    rack.store.close()


def test_a_pruned_journal_makes_it_read_the_tables(tmp_path: Path) -> None:
    Kept.store = Store.open(tmp_path)
    rack = Kept(USUAL, plan(), nodes=1, seed=5, check=False)
    follower = Follower(tmp_path, USUAL)
    rack.run()
    while rack.store.prune(3):
        pass
    assert follower.catch_up()
    same(follower, rack.world)
    follower.close()
    rack.store.close()


def test_a_new_plan_changes_the_catalogue(tmp_path: Path) -> None:
    Kept.store = Store.open(tmp_path)
    rack = Kept(USUAL, plan(), nodes=1, seed=5, check=False)
    follower = Follower(tmp_path, USUAL)
    from engine.events import Commit
    from engine.plan import Network

    wanted = plan()
    more = {**wanted.networks, "storage": Network(name="storage", subnet="10.9.0.0/24")}
    rack.feed(Commit(who="op", plan=plan(networks=more)))
    assert follower.catch_up()
    assert "network-storage" in follower.world.catalog.roles
    assert len(Work(follower.world).all(Revision)) == 2
    follower.close()
    rack.store.close()


def test_it_learns_of_a_renewed_lease_though_no_row_tells_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = WorldRig(USUAL, plan()).world
    seconds = [0.0]
    monkeypatch.setattr("engine.views.follow.time.monotonic", lambda: seconds[0])
    with Store.open(tmp_path) as store:
        follower = None
        for now, kind, address in (
            (1.0, DhcpKind.DISCOVER, ""),
            (2.0, DhcpKind.REQUEST, "10.0.0.30"),
            (1800.0, DhcpKind.REQUEST, "10.0.0.30"),
        ):
            request = DhcpRequest(kind=kind, xid=1, mac="52:54:00:00:00:01", vendor_class="iDRAC", requested=address or "10.0.0.30")
            work, happened = Work(world), Happened(now, now, DhcpAsked(request=request, interface="eth1"))
            rows = step(work, happened)
            world = work.finish()
            store.commit([(happened, rows)])
            follower = follower or Follower(tmp_path, USUAL)
            follower.catch_up()
        assert follower is not None
        assert store.seq == 2
        assert follower.world.leases["10.0.0.30"] != world.leases["10.0.0.30"]
        seconds[0] += LAST_S
        assert follower.catch_up()
        assert (follower.world.leases, follower.world.sightings) == (world.leases, world.sightings)
        assert not follower.catch_up()
        follower.close()
