"""The worked plan on thirty simulated machines, by the real program: brought up, repeated, changed, redeployed, saved, and replayed elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getuser
from pathlib import Path
from typing import Any

import pytest
from crowbar_process import crowbar, stop_rack, wait_until
from worked_rack import NODES, arrival, attempts, events, files, graph, levels, plan_text, prepared, seq, world_of

from engine.api.control import proved, site_catalog, summary
from engine.core.world.world import World
from engine.files import plan_file
from engine.model import Kind
from engine.rehearsal.session import Rehearsal

pytestmark = pytest.mark.slow
ON = ("--rehearse", f"simulated:{NODES}", "--network", "loopback", "--json", "--wait", "validated")
SECRET = {"CROWBAR_BMC_PASSWORD": "rehearsal"}
CONTROL = [f"control-{n}" for n in (1, 2, 3)]
Graph = dict[Any, Any]
LONG_S = 600.0
"""Enough for thirty machines beside the other tests of two cores."""


def replayed(store: Path, plan: Path) -> Any:
    return crowbar(store, "replay", str(plan), *ON, timeout_s=LONG_S, **SECRET)


@contextmanager
def running(store: Path) -> Iterator[Rehearsal]:
    """An engine on the store, and the rack that goes on when the engine ends. The rack was off, so each machine boots its system first, and
    its roles are checked or run again."""
    boots = {node.id: node.boots for node in world_of(store).nodes.values() if node.kind is Kind.SERVER}
    plan = plan_file.read(plan_text(), "plan.yml", site_catalog(store))
    run = Rehearsal(store, plan, NODES, 1, "max", "test", "loopback")
    run.leave = True
    with run:
        wait_until(
            lambda: all(run.engine.world.nodes[node].boots > count for node, count in boots.items()),
            lambda: str(summary(run.engine.world)),
            LONG_S,
        )
        settle(run)
        yield run
        settle(run)


def settle(run: Rehearsal) -> None:
    wait_until(lambda: proved(run.engine.world, NODES) == "validated", lambda: str(summary(run.engine.world)), LONG_S)


def told(text: str) -> Any:
    return json.loads(text)


@pytest.fixture()
def other(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "other"
    yield folder
    stop_rack(folder)


def test_the_worked_plan(store: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, *next(iter(SECRET.items())))
    plan = prepared(store)
    wanted = brought_up(store, plan)
    with running(store) as run:
        one_value(run, plan)
        redeployed(run, wanted)
    again(store, plan)
    elsewhere(store, other, tmp_path / "saved.yml", wanted)


def brought_up(store: Path, plan: Path) -> Graph:
    """Values between nodes, roles of the switches, wishes for the hardware. Returns the graph."""
    first = replayed(store, plan)
    assert first.code == 0, first
    assert (first.summary["ready"], first.summary["failed"], first.summary["waiting"]) == (NODES, 0, {})
    wanted = graph(world_of(store))
    parents = {"system": "", "base": "system", "cloud": "base", "storage": "base"}
    assert {one: wanted[one] for one in parents} == parents
    assert {key[0] for key in wanted if key[1] == "switch-port"} == {"tor1", "tor2"}
    assert {state for *_, state in (row for key, row in wanted.items() if isinstance(key, tuple))} == {"active"}
    found = files(store)
    for name in CONTROL:
        nearest = {"control-1": "control-2"}.get(name, name)  # its own, or the first by rack and unit
        want = {"broker": f"broker://{nearest}", "dsn": f"dsn://{name}", "resolvers": ["ns.rack.test"], "workers": 6}
        assert told(found[name]["/etc/api"]) == want
        assert {one["node"].split(".")[0] for one in told(found[name]["/etc/db"])["db/members"]} == set(CONTROL)
    assert told(found["compute-9"]["/etc/agent"]) == {"broker": "broker://control-2"}
    kinds = levels(store)
    assert all(kinds[name] == (set() if name.startswith("storage") else {"raid1"}) for name in kinds), kinds
    return wanted


def one_value(run: Rehearsal, plan: Path) -> None:
    """Exactly the readers of a changed value run again, and the drift is shown."""
    before = attempts(run.engine.world)
    assert crowbar(run.store, "set", "cloud", "workers", "9").code == 0
    settle(run)
    after = attempts(run.engine.world)
    assert {key for key in after if after[key] != before[key]} == {(name, "api") for name in CONTROL}
    assert {told(files(run.store)[name]["/etc/api"])["workers"] for name in CONTROL} == {9}
    beside = crowbar(run.store, "plan", "diff", str(plan))
    line = f"  beside the plan: cloud workers: {getuser()} set 9, which stays above the plan's 6"
    assert (beside.code, beside.out.splitlines()[1:]) == (0, [line]), beside
    assert "drift: 1 setting beside the plan" in crowbar(run.store, "status").out


def redeployed(run: Rehearsal, wanted: Graph) -> None:
    """One command rebuilds the rack: all roles run again except the discovery, and the graph is the same."""
    shown = crowbar(run.store, "redeploy")
    assert shown.code == 1, shown
    assert "nothing was changed: to redeploy, add --yes" in shown.err
    old = run.engine.world
    boots, before, found = {node.name: node.boots for node in old.nodes.values()}, attempts(old), files(run.store)
    done = crowbar(run.store, "redeploy", "--yes")
    assert done.code == 0, done
    settle(run)
    world = run.engine.world
    assert graph(world) == wanted
    after = attempts(world)
    own = {key for key in after if key[0] not in ("admin", "tor1", "tor2")}
    assert {key for key in own if after[key] == before[key]} == {key for key in own if key[1] in ("inventory", "lldp", "bmc-discover")}
    assert all(node.boots > boots[node.name] for node in world.nodes.values() if node.kind is Kind.SERVER)
    rebuilt = files(run.store)
    assert rebuilt.keys() == found.keys()
    assert told(rebuilt["control-1"]["/etc/api"])["workers"] == 9
    assert rebuilt["compute-9"]["/etc/agent"] == found["compute-9"]["/etc/agent"]


def again(store: Path, plan: Path) -> None:
    """On the rack that went on: a start, a commit, and a summary."""
    last, before = seq(store), world_of(store)
    second = replayed(store, plan)
    assert second.code == 0, second
    assert [line["type"] for line in second.lines] == ["summary"]
    assert events(store, last) == ["Started", "Commit"]
    after = world_of(store)
    for table in ("nodes", "node_roles", "attributes", "allocations", "deployments", "revisions"):
        assert getattr(after, table) == getattr(before, table), table


def elsewhere(store: Path, other: Path, kept: Path, wanted: Graph) -> None:
    """Saved, and replayed on an empty store with such a rack."""
    assert crowbar(store, "plan", "save", str(kept)).code == 0
    prepared(other)
    done = replayed(other, kept)
    assert done.code == 0, done
    silent = crowbar(other, "plan", "diff", str(kept))
    assert (silent.code, silent.out) == (0, "no difference: this plan is the current revision 1\n"), silent
    world, twin = world_of(store), world_of(other)
    assert graph(twin) == wanted
    assert addresses(twin) == addresses(world)
    assert told(files(other)["control-2"]["/etc/api"]) == told(files(store)["control-2"]["/etc/api"])


def addresses(world: World) -> dict[str, str]:
    return {world.nodes[one.node].name: one.address for one in world.allocations.values()}


def test_racks_whose_machines_arrive_in_other_orders_become_the_same(tmp_path: Path) -> None:
    graphs, orders = [], []
    for seed in (2, 3, 4):
        store = tmp_path / f"store{seed}"
        plan = prepared(store)
        words = ("--seed", str(seed), "--nodes", str(NODES), "--network", "loopback", "--headless", "--json")
        try:
            run = crowbar(store, "rehearse", "--plan", str(plan), *words, timeout_s=LONG_S, **SECRET)
            assert run.code == 0, run
        finally:
            stop_rack(store)
        world = world_of(store)
        graphs.append(graph(world))
        orders.append(arrival(world))
    assert len({tuple(order) for order in orders}) == 3
    assert {tuple(sorted(order)) for order in orders} == {tuple(sorted(orders[0]))}
    assert graphs[0] == graphs[1] == graphs[2]
