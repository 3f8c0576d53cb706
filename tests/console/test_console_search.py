"""Search everything: from a label, a port, a disk, a place or the words of a reason to the row. What matched is said; 5,000 nodes are no matter."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
import worlds
from driving import console, drawn, press, shot, still, until
from msgspec.structs import replace

from crowbar_tui.console.keys import searching
from engine.api.views import Finder, Found, node_row, short, topology


def finder(name: str = "faulty") -> Finder:
    world, _ = worlds.load(name)
    found = Finder()
    found.take(world, topology(world), {node.id: node_row(world, node) for node in world.nodes.values()})
    return found


def first(text: str, name: str = "faulty") -> Found:
    return finder(name).find(text)[0]


@pytest.mark.parametrize(
    ("typed", "kind", "name"),
    [
        ("SN0004", "serial", "node-16"),
        ("n0004", "serial", "node-16"),
        ("004", "serial", "node-16"),
        ("00:04", "MAC", "node-16"),
        ("0000-04", "MAC", "node-16"),
        ("525400000004", "MAC", "node-16"),
        ("5254.0000.0004", "MAC", "node-16"),
        ("10.0.0.104", "address", "node-16"),
        ("10.0.1.4", "BMC address", "node-16"),
        ("r1:16", "place", "node-16"),
        ("tor2:swp4", "port", "node-16 eno2"),
        ("s3yjnx03b", "disk serial", "node-14"),
        ("raid-configure", "role", ""),
        ("exit code 3", "reason", "node-14"),
        ("code broken raid", "reason", "node-14"),
        ("tor1", "switch", "tor1"),
        ("node-12", "name", "node-12"),
    ],
)
def test_what_is_on_a_label_a_port_or_in_a_message_is_found(typed: str, kind: str, name: str) -> None:
    found = first(typed)
    assert (found.kind, found.name) == (kind, name)


def test_the_end_of_a_label_comes_before_what_only_contains_the_text() -> None:
    assert [one.kind for one in finder().find("004")][:2] == ["serial", "MAC"]
    assert finder().find("zzz") == [] == finder().find("  ")


def test_only_what_changed_is_read_again() -> None:
    world, _ = worlds.load("faulty")
    rows = {node.id: node_row(world, node) for node in world.nodes.values()}
    found, links = Finder(), topology(world)
    found.take(world, links, rows)
    before = dict(found._nodes)
    moved = replace(world.nodes["n6"], serial="OTHER77")
    parts = ("node_roles", "roles_of", "sightings", "allocations", "leases", "bound", "names", "macs", "catalog")
    newer: Any = SimpleNamespace(nodes={**dict(world.nodes.items()), "n6": moved}, **{part: getattr(world, part) for part in parts})
    found.take(newer, links, rows)
    assert [one.node for one in found.find("other77")] == ["n6"]
    assert found.find("sn0004") == []
    assert [node for node, texts in found._nodes.items() if texts is not before[node]] == ["n6"]


async def test_five_keys_lead_from_a_label_to_the_row() -> None:
    source, at = still("faulty")
    for keys in ("colon 0 0 4 enter", "slash 0 0 4 enter"):
        async with console(source, at) as (app, pilot):
            assert len(keys.split()) == 5
            await press(pilot, keys.rpartition(" ")[0])
            await until(pilot, lambda app=app: searching(app.session).ready)
            await press(pilot, "enter")
            assert app.session.page.name == "nodes"
            assert short(app.session.rows[app.session.page.machine()].name) == "node-16"


async def test_enter_that_comes_before_the_search_is_ready_waits_for_it() -> None:
    source, at = still("faulty")
    async with console(source, at) as (app, pilot):
        jobs: list[Any] = []
        app.session.work = lambda job, done: jobs.append((job, done))
        await press(pilot, "colon 0 0 4 enter")
        assert app.session.overlay is not None
        assert "looking at all machines" in shot(app)
        for job, done in jobs:
            done(job())
        await pilot.pause()
        assert app.session.overlay is None
        assert short(app.session.rows[app.session.page.machine()].name) == "node-16"


def test_what_matched_is_said() -> None:
    source, at = still("faulty")
    text = drawn(source, at, (80, 24), ": 0 0 4")
    assert "serial SN0004" in text
    assert "MAC 52:54:00:00:00:04" in text
    assert "reason" in drawn(source, at, (80, 24), ": / e x i t space c o d e")


@pytest.mark.parametrize(
    ("typed", "page", "seen"),
    [
        ("/swp3", "topology", "tor1    swp3"),
        ("/raid-c", "roles", "raid-configure"),
        ("/r1:14", "rack", "node-14"),
        ("/10.0.0.103", "networks", "10.0.0.103"),
        ("/nx03b", "node", "S3YJNX03B"),
        ("/exit", "node", "raid-configure"),
        ("/sn0003", "nodes", "node-14"),
    ],
)
def test_a_result_leads_to_its_row(typed: str, page: str, seen: str) -> None:
    source, at = still("faulty")
    from crowbar_tui.console.screens import new_session

    session = new_session(source.snapshot(), wall=lambda: at, where=source.where)
    session.source = source
    for key in (":", *typed, "enter"):
        session.press(key)
    assert session.page.name == page
    assert seen in drawn(source, at, (80, 24), " ".join((":", *typed, "enter")))


def test_a_search_never_runs_a_command() -> None:
    source, at = still("faulty")
    assert "nothing has that name" in drawn(source, at, (80, 24), ": / q u i t")


def large(many: int) -> Any:
    """A world of so many nodes, as far as a search reads it."""
    world, _ = worlds.load("faulty")
    like = [node for node in world.nodes.values() if node.serial]
    nodes, roles, roles_of = {}, {}, {}
    for i in range(many):
        node = like[i % len(like)]
        name = f"x{i}"
        macs = tuple(f"52:54:{i >> 8:02x}:{i & 255:02x}:00:{port:02x}" for port in (1, 2))
        nodes[name] = replace(node, id=name, name=f"compute-{i}.r1.example.net", serial=f"7XK{i:04X}Q", macs=macs, uuid="")
        keys = tuple((name, key[1]) for key in world.roles_of[node.id])
        roles |= {key: replace(world.node_roles[node.id, key[1]], node=name) for key in keys}
        roles_of[name] = keys
    empty: dict[str, Any] = {}
    parts = dict.fromkeys(("sightings", "allocations", "leases", "bound", "names", "macs"), empty)
    return SimpleNamespace(nodes=nodes, node_roles=roles, roles_of=roles_of, catalog=world.catalog, **parts), topology(world)


def test_a_key_costs_milliseconds_with_5000_nodes() -> None:
    world, links = large(5000)
    found = Finder()
    begun = time.process_time()
    found.take(world, links, {})
    assert time.process_time() - begun < 5.0, "once, in a job"
    for typed, serial in (("023fq", "7XK023FQ"), ("7xk1000q", "7XK1000Q"), ("13:87:00:02", "7XK1387Q")):
        begun = time.process_time()
        hits = found.find(typed)
        assert time.process_time() - begun < 0.25
        assert world.nodes[hits[0].node].serial == serial
