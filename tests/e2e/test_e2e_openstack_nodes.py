"""Nodes of a simulated cloud that come and go while it serves: a storage node is replaced and no object is lost; a compute node leaves Nova and
comes back."""

from __future__ import annotations

import hashlib
import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cloud_rack import Cloud, cloud
from msgspec.structs import replace

from engine.api.rehearsals import plan_path, rehearsed
from engine.core.operator import verbs
from engine.core.roles.stages import wanted_stage
from engine.definitions import Catalog
from engine.files import plan_file
from engine.files.catalog import shipped
from engine.model import Kind, Node, State
from engine.plan import Plan
from engine.reasons import sentence
from engine.rehearsal import session

OBJECTS = 200
LOOK_S = 2.0
PROXY, OBJECT_SERVER, NOVA = 8080, 6200, 8774
STORES = ("storage-13", "storage-14", "storage-15")


def with_spare() -> Plan:
    """The shipped cloud of six. A seventh machine stands at no place of the plan, so no rule takes it: it is discovered, and waits."""
    file = plan_path(Path("openstack-six"))
    text = file.read_text()
    for match in ("disks.count: {min: 3}", "memory: {min: 4096}", ""):
        assert text.count(f"match: {{{match}}}\n") == 1
        text = text.replace(f"match: {{{match}}}\n", f"match: {{{', '.join(filter(None, [match, 'place: {min: 10}']))}}}\n")
    return rehearsed(plan_file.read(text, str(file), shipped()), file, shipped())


@pytest.fixture()
def often(monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """Roles with `watch` are looked at every few seconds instead of minutes."""
    known = shipped()
    quick = {name: replace(one, watch_s=LOOK_S) for name, one in known.roles.items() if one.watch_s and name.startswith(("swift", "nova"))}
    catalog = replace(known, roles=known.roles | quick)
    monkeypatch.setattr(session, "site_catalog", lambda store: catalog)
    return catalog


def spare(here: Cloud) -> Node:
    return next(one for one in here.here.engine.world.nodes.values() if one.kind is Kind.SERVER and not one.allocated)


def waits(here: Cloud) -> bool:
    """The seventh machine is discovered, and nobody has a use for it."""
    world = here.here.engine.world
    found = [one for one in world.nodes.values() if one.kind is Kind.SERVER and not one.allocated]
    return len(found) == 1 and not wanted_stage(world, found[0]) and bool(world.roles_of.get(found[0].id))


def up(here: Cloud) -> None:
    """The six are in the cloud, and the seventh is discovered."""
    nodes = ("control-10", "compute-11", "compute-12", *STORES)
    here.until(lambda: here.done("ready", *nodes) and here.done("retriever", "control-10"))
    here.until(lambda: waits(here))


@contextmanager
def readers(here: Cloud, contents: dict[str, bytes]) -> Iterator[list[str]]:
    """Somebody reads objects all the time. What is wrong with an answer."""
    wrong: list[str] = []
    over = threading.Event()

    def read() -> None:
        chance = random.Random(1)
        while not over.is_set():
            name = chance.choice(list(contents))
            status, body = here.http("GET", "control-10", PROXY, f"/v1/{name}")
            if (status, body) != (200, contents[name]):
                wrong.append(f"{name}: {status}, {len(body)} octets")

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield wrong
    finally:
        over.set()
        thread.join()


def copies(here: Cloud) -> dict[str, int]:
    """Object -> on how many storage nodes it is."""
    out: dict[str, int] = {}
    for node in STORES:
        role = here.role(node, "swift-storage")
        assert role is not None
        for device in role.gave["swift-devices"]:  # type: ignore[union-attr,call-overload,index]
            _, listed = here.http("GET", node, OBJECT_SERVER, f"/{device['name']}")
            for name in json.loads(listed):
                out[name] = out.get(name, 0) + 1
    return out


@pytest.mark.long
def test_a_storage_node_is_replaced_while_the_cloud_serves_and_no_object_is_lost(store: Path, often: Catalog) -> None:
    with cloud(store, nodes=7, plan=with_spare()) as here:
        up(here)
        contents = {f"object-{number}": hashlib.sha256(str(number).encode()).digest() * (1 + number % 7) for number in range(OBJECTS)}
        assert {here.http("PUT", "control-10", PROXY, f"/v1/{name}", data)[0] for name, data in contents.items()} == {201}
        assert copies(here) == dict.fromkeys(contents, 3)
        before = here.role("control-10", "swift-rings")
        with readers(here, contents) as wrong:
            old = here.node("storage-14")
            assert here.here.rack is not None
            here.here.rack.off(here.machine_of(old))
            here.order(verbs.REPLACE, old, spare(here).id)
            here.until(lambda: here.node("storage-14").serial != old.serial and here.done("ready", "storage-14"))
            here.until(lambda: here.role("control-10", "swift-rings").gave != before.gave)  # type: ignore[union-attr]
            here.until(lambda: here.done("swift-servers", *STORES) and here.done("swift-proxy", "control-10"))
        assert wrong == []
        assert copies(here) == dict.fromkeys(contents, 3), "the new node has what the old one had"
        found = {name: here.http("GET", "control-10", PROXY, f"/v1/{name}") for name in contents}
        assert found == {name: (200, data) for name, data in contents.items()}


def known(here: Cloud) -> dict[str, tuple[str, str]]:
    """Nova's compute services: host -> status and state."""
    status, text = here.http("GET", "control-10", NOVA, "/services")
    assert status == 200
    return {one["host"]: (one["status"], one["state"]) for one in json.loads(text)}


@pytest.mark.long
def test_a_compute_node_is_taken_away_and_given_back(store: Path) -> None:
    both = {"compute-11": ("enabled", "up"), "compute-12": ("enabled", "up")}
    with cloud(store) as here:
        here.ready()
        assert known(here) == both
        assert here.here.rack is not None

        # Away: its power first. Nova forgets it, and the rest of the cloud is as it was.
        machine = here.machine("compute-11")
        here.here.rack.off(machine)
        here.order(verbs.DELETE, here.node("compute-11"))
        here.until(lambda: list(known(here)) == ["compute-12"] and here.done("nova-hosts", "control-10"))
        assert here.done("ready", "control-10", "compute-12")

        # Back: the same machine is discovered, and its place gives it the same name. Its disk holds a system, so a person approves the wipe.
        here.here.rack.press(machine)
        here.until(lambda: "approval" in here.reasons("compute-11", "raid-configure"))
        here.order(verbs.APPROVE, here.node("compute-11"))
        here.until(lambda: here.state("compute-11", "ready") is not None and here.done("ready", "compute-11"))
        here.until(lambda: known(here) == both and here.done("nova-hosts", "control-10"))
        here.ready()

        # Away while it runs: nothing new comes to it, and the role says what a person has to do.
        machine = here.machine("compute-12")
        here.order(verbs.DELETE, here.node("compute-12"))
        here.until(lambda: here.state("control-10", "nova-hosts") is State.ERROR)
        assert known(here)["compute-12"] == ("disabled", "up")
        role = here.role("control-10", "nova-hosts")
        assert role is not None
        assert role.failure is not None
        assert "power the machine off, and retry nova-hosts" in sentence(role.failure)
        here.here.rack.off(machine)
        here.order(verbs.RETRY, here.node("control-10"))
        here.until(lambda: list(known(here)) == ["compute-11"] and here.done("ready", "control-10"))
