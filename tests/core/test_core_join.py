"""Joined machines: one node for one machine, roles of its system only, no boots, and what it keeps of its own."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import ADMIN, BMCS, INSTALL, INVENTORY, NETWORK, NTP_CLIENT, NTP_SERVER, READY, catalog, plan, role, same
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from world_rig import WorldRig, mac, uuid

from engine import reasons
from engine.core.operator.join import endpoint
from engine.core.plan.joined import jig_of, ssh_at
from engine.core.plan.save import left_out
from engine.core.roles.guards import blockers
from engine.core.roles.stages import node_state
from engine.effects import Accept, BootNode, BootScript, Ignore, Probe, Refuse, RemoveKey, SetPower, Start
from engine.events import Commit, Hello, Join, KeyRemoved, Operate, Outcome, Probed, ScriptAsked
from engine.model import Kind, Node, State
from engine.plan import Network, Range
from engine.requests import Asker, Request
from engine.store.store import Store
from engine.views.summary import machines, settled, summary

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPKnJXIjFSQmOLUFTGkQtVZKZGsFbRPLk3tDNvlCk3Vu"
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHhVXqhSJwXtQOz5cbCGYYQm7bvhCmM0AAhtjMHDLsYp"
CATALOG = catalog(
    replace(INVENTORY, flags=INVENTORY.flags | {"joined"}),
    role("lldp", "discovery", flags=["discovery"], gives=("neighbours",)),
    replace(INSTALL, requires=()),
    NETWORK,
    NTP_SERVER,
    NTP_CLIENT,
    READY,
    role("storage", "system", requires=(same("network-storage"), same("os-install")), wants=["disks"]),
    role("touchy", "system", flags=["once"]),
    defaults={"ntp-upstream": []},
)
STORAGE = Network(name="storage", subnet="10.9.0.0/24", ranges={"host": Range(first="10.9.0.11", last="10.9.0.99")})
FACTS = {
    "inventory": {"product": "X1", "vendor": "V", "memory-mb": 1, "cpus": 1, "disks": [], "nics": [], "firmware": "efi", "kexec": True}
}


def wants(roles: dict[str, tuple[str, ...]], **more: Any) -> Any:
    return plan(roles, networks={"admin": ADMIN, "bmc": BMCS, "storage": STORAGE}, **more)


def joins(d: WorldRig, **fields: Any) -> Any:
    """The answer to whoever joins it."""
    values: dict[str, Any] = {
        "address": "10.0.0.200",
        "host_key": KEY,
        "hostname": "Old_DB.example.org",
        "boot_id": "b1",
        "system": "debian-12",
    }
    values |= {"uuid": uuid(77), "serial": "SN77", "macs": (mac(77),), "arch": "x86_64", **fields}
    d.feed(Join(request=Request(Asker.OPERATOR, 3), who="op", **values))
    (answer,) = [e for e in d.effects if isinstance(e, Accept | Refuse)]
    return answer


def joined(**fields: Any) -> WorldRig:
    d = WorldRig(CATALOG, wants({"ntp-client": ("node:old-db",)}))
    assert isinstance(joins(d, **fields), Accept)
    return d


def the(d: WorldRig) -> Node:
    (node,) = [n for n in d.world.nodes.values() if n.kind is Kind.JOINED]
    return node


def refused(answer: Any) -> str:
    assert isinstance(answer, Refuse), answer
    return answer.reason.code


def test_a_joined_machine_has_the_roles_of_its_system_and_nothing_that_would_change_how_it_was_installed() -> None:
    d = joined()
    node = the(d)
    assert (node.name, node.runs, node.alive, node.allocated) == ("old-db.r1.example.net", "debian-12", True, True)
    assert {key[1] for key in d.world.roles_of[node.id]} == {"inventory", "ntp-client"}, "neither os-install nor network-admin"
    assert d.world.node_roles[(node.id, "ntp-client")].parents == (("admin", "ntp-server"),)
    started = {e.role for e in d.all(Start) if e.node == node.id}
    assert started == {"inventory"}, "the inventory first, and one at a time"
    assert jig_of(node, d.world.catalog.roles["inventory"]) == "script"
    assert jig_of(d.server(), d.world.catalog.roles["inventory"]) == "agent"
    assert not d.all(BootNode)
    assert d.reload().nodes == d.world.nodes


def test_it_becomes_ready_by_its_roles_and_counts_among_the_machines() -> None:
    d = joined()
    node = the(d).id
    assert node_state(d.world, d.node(node)) == "readying"
    for name in ("inventory", "ntp-client"):
        if name == "ntp-client":
            server = d.at("ntp-server", "admin")
            d.feed(Outcome(attempt=f"{server.attempt}.1", node="admin", what="done", gives={"ntp-servers": ["10.0.0.1"]}))
        attempt = d.at(name, node).attempt
        assert attempt, f"{name} was not started"
        d.feed(Outcome(attempt=f"{attempt}.1", node=node, what="done", gives=FACTS.get(name, {})))
    assert node_state(d.world, d.node(node)) == "ready"
    assert d.node(node).family == "X1"
    assert [n.id for n in machines(d.world)] == [node]
    assert summary(d.world).ready == 1
    assert settled(d.world, 1) != "ready", "it is none of the servers that the plan expects"


def test_without_roles_of_the_plan_it_is_joined_and_waits_for_nothing() -> None:
    d = WorldRig(catalog(READY), plan({}))
    joins(d)
    assert node_state(d.world, the(d)) == "joined"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"uuid": uuid(1)}, "already_node"),
        ({"uuid": uuid(1).upper()}, "already_node"),
        ({"serial": "SN1"}, "already_node"),
        ({"macs": (mac(9), mac(1)), "uuid": "", "serial": ""}, "already_node"),
        ({"host_key": OTHER_KEY + " root@somewhere"}, "already_node"),
        ({"address": "10.0.0.150"}, "address_of_node"),
        ({"address": "10.0.0.77"}, "address_of_node"),
        ({"address": "10.0.0.1"}, "bad_value"),
        ({"address": "127.0.0.1"}, "bad_value"),
        ({"address": "224.0.0.1"}, "bad_value"),
        ({"address": "255.255.255.255"}, "bad_value"),
        ({"address": "old-db; reboot"}, "bad_value"),
        ({"name": "N1; reboot"}, "bad_value"),
        ({"name": "n1"}, "bad_value"),
    ],
)
def test_a_machine_that_is_a_node_already_is_refused_and_leaves_nothing(fields: dict[str, Any], code: str) -> None:
    d = WorldRig(CATALOG, wants({}))
    d.server(allocated=True, address="10.0.0.77", host_key=OTHER_KEY)
    d.feed(Commit(who="op", plan=wants({"ready": ("all",)})))
    d.put(replace(d.world.allocations[d.world.address_of[("n1", "admin")]], address="10.0.0.150"))
    before = d.world
    assert refused(joins(d, **fields)) == code
    assert (d.world.nodes, d.world.allocations, d.world.meta.nodes) == (before.nodes, before.allocations, before.meta.nodes)


def test_the_same_machine_twice_is_one_node() -> None:
    d = joined()
    assert refused(joins(d)) == "address_of_node"
    assert refused(joins(d, address="10.0.0.201")) == "already_node"
    assert refused(joins(d, address="10.0.0.201", uuid="", serial="", macs=())) == "already_node", "its host key tells"


def test_defaults_of_makers_and_values_that_the_site_shares_say_nothing() -> None:
    d = joined(uuid="03000200-0400-0500-0006-000700080009", serial="To be filled by O.E.M.")
    joins(
        d, address="10.0.0.201", uuid="03000200-0400-0500-0006-000700080009", serial="Default string", macs=(mac(78),), host_key=OTHER_KEY
    )
    assert len(machines(d.world)) == 2
    assert {n.name for n in machines(d.world)} == {"old-db.r1.example.net", "old-db-n2.r1.example.net"}


identities = st.fixed_dictionaries(
    {
        "uuid": st.sampled_from(["", *(uuid(n) for n in range(4))]),
        "serial": st.sampled_from(["", "SN0", "SN1", "SN2"]),
        "macs": st.lists(st.sampled_from([mac(n) for n in range(4)]), unique=True, max_size=3).map(tuple),
        "host_key": st.sampled_from([KEY, OTHER_KEY]),
        "address": st.sampled_from([f"10.0.0.{n}" for n in range(100, 104)]),
    }
)


@given(st.lists(identities, max_size=6))
def test_no_two_nodes_share_anything_that_identifies_a_machine(machines_: list[dict[str, Any]]) -> None:
    d = WorldRig(CATALOG, wants({}))
    for one in machines_:
        joins(d, **one)
    nodes = [n for n in d.world.nodes.values() if n.kind is Kind.JOINED]
    for what in ("uuid", "serial", "address", "host_key", "name"):
        values = [v for n in nodes if (v := getattr(n, what))]
        assert len(values) == len(set(values)), what
    assert {a.address: a.node for a in d.world.allocations.values() if a.range == "joined"} == {n.address: n.id for n in nodes}


def test_it_keeps_its_own_address_and_gets_one_on_other_networks_only() -> None:
    d = WorldRig(CATALOG, wants({"storage": ("node:old-db",)}))
    joins(d)
    node = the(d).id
    assert d.world.address_of[(node, "admin")] == "10.0.0.200"
    assert d.world.address_of[(node, "storage")] == "10.9.0.11"
    assert {key[1] for key in d.world.roles_of[node]} == {"inventory", "network-storage", "storage"}
    assert (node, "inventory") in d.world.node_roles[(node, "storage")].parents, "its disks come from the inventory"
    far = WorldRig(CATALOG, wants({}))
    joins(far, address="192.0.2.7")
    assert not [a for a in far.world.allocations.values() if a.network == "admin" and a.node == the(far).id]


@pytest.mark.parametrize("name", ["os-install", "network-admin", "lldp"])
def test_a_plan_that_gives_it_a_role_of_another_stage_is_refused(name: str) -> None:
    d = joined()
    d.feed(Commit(request=Request(Asker.OPERATOR, 4), who="op", plan=wants({name: ("node:old-db",)})))
    answer = d.one(Refuse)
    assert (answer.reason.code, answer.reason.fields["role"]) == ("joined_role", name)
    late = WorldRig(CATALOG, wants({name: ("node:old-db",)}))
    assert refused(joins(late)) == "joined_role"


def test_it_never_boots_by_the_engine() -> None:
    d = joined()
    node = the(d)
    for verb, value in (("reset", None), ("reinstall", None), ("redeploy", None), ("power", {"action": "cycle"})):
        d.feed(Operate(request=Request(Asker.OPERATOR, 3), who="op", verb=verb, node=node.id, value=value))
        assert d.all(Refuse), verb
        assert not d.all(BootNode)
        assert not d.all(SetPower)
    d.feed(ScriptAsked(request=Request(Asker.HTTP, 5), mac=mac(77), address="10.0.0.30", nonce="x" * 64))
    script = d.one(BootScript)
    assert script.disk
    assert not script.nonce
    assert d.node(node.id).notice == reasons.joined_boots(node=node.name)
    assert d.node(node.id).boot is None


def test_a_stranger_that_shows_its_identity_from_sledgehammer_does_not_take_its_place() -> None:
    d = joined()
    before = the(d)
    d.feed(ScriptAsked(request=Request(Asker.HTTP, 5), mac=mac(99), address="10.0.0.30", nonce="x" * 64))
    hello = Hello(
        request=Request(Asker.HTTP, 6),
        nonce="x" * 64,
        boot_id="b7",
        environment="sledgehammer",
        uuid=uuid(77),
        serial="SN77",
        macs=(mac(77), mac(99)),
    )
    d.feed(hello)
    assert refused(d.one(Refuse)) == "joined_boots"
    assert (the(d).runs, the(d).boot_id, the(d).boot) == (before.runs, before.boot_id, None)


def dies(d: WorldRig, node: str) -> None:
    while d.node(node).alive:
        if not d.node(node).probe:
            d.tick(node)
        from engine.events import Missed

        d.feed(Missed(node=node))
        d.nobody_answers(node)


def test_a_machine_that_went_away_is_asked_until_it_is_back_and_nothing_powers_it() -> None:
    d = joined()
    node = the(d).id
    attempt = d.at("inventory", node).attempt
    dies(d, node)
    assert not d.all(SetPower)
    assert not d.all(BootNode)
    assert d.at("inventory", node).resume, "its attempt is suspended, not ended"
    assert blockers(d.world, d.at("ntp-client", node))
    d.tick(node, 30.0)
    probe = d.one(Probe)
    d.feed(Probed(node=node, probe=probe.probe, alive=True, boot_id="b1"))
    assert d.node(node).alive
    assert [(e.attempt, e.resume) for e in d.all(Start)] == [(f"{attempt}.1", True)]


def test_a_reboot_that_only_its_boot_id_tells_suspends_what_ran() -> None:
    d = joined()
    node = the(d).id
    d.change(node, probe=5, probes=5)
    d.feed(Probed(node=node, probe=5, alive=True, boot_id="b2"))
    assert (d.node(node).boot_id, d.node(node).alive) == ("b2", True)
    assert d.at("inventory", node).resumed
    assert d.one(Start).resume


def test_a_role_that_needs_a_reboot_says_so_and_nobody_reboots() -> None:
    d = joined()
    node = the(d)
    d.feed(Outcome(attempt=f"{d.at('inventory', node.id).attempt}.1", node=node.id, what="done", gives=FACTS["inventory"], reboot=True))
    assert d.node(node.id).notice == reasons.joined_reboot(node=node.name)
    assert not d.node(node.id).intent.fresh
    assert d.at("inventory", node.id).state is State.ACTIVE


def test_deleted_it_is_let_go_and_may_come_again() -> None:
    d = joined()
    node = the(d)
    d.feed(Outcome(attempt=f"{d.at('inventory', node.id).attempt}.1", node=node.id, what="done", gives=FACTS["inventory"]))
    d.feed(Operate(request=Request(Asker.OPERATOR, 3), who="op", verb="delete", node="old-db"))
    assert d.one(RemoveKey) == RemoveKey(node=node.id, name=node.name, address=node.address, host_key=KEY)
    assert not machines(d.world)
    assert not d.world.allocations
    stays = reasons.key_stays(name=node.name, address=node.address, message="no route")
    d.feed(KeyRemoved(name=node.name, address=node.address, failure=stays))
    assert d.one(Ignore).reason == stays
    d.feed(KeyRemoved(name=node.name, address=node.address))
    assert not d.effects
    assert isinstance(joins(d), Accept)


def test_a_saved_plan_says_that_it_cannot_adopt_the_machine() -> None:
    d = joined()
    assert [line for line in left_out(d.world) if "10.0.0.200" in line] == [
        "joined machines, which only crowbar node join adopts: old-db at 10.0.0.200"
    ]


def test_its_ssh_server_may_listen_on_another_port() -> None:
    d = joined(port=2222)
    node = the(d)
    assert (node.address, node.ssh_port, ssh_at(node)) == ("10.0.0.200", 2222, "10.0.0.200:2222")
    assert [line for line in left_out(d.world) if "10.0.0.200" in line] == [
        "joined machines, which only crowbar node join adopts: old-db at 10.0.0.200:2222"
    ]
    d.feed(Outcome(attempt=f"{d.at('inventory', node.id).attempt}.1", node=node.id, what="done", gives=FACTS["inventory"]))
    d.feed(Operate(request=Request(Asker.OPERATOR, 3), who="op", verb="delete", node="old-db"))
    assert d.one(RemoveKey).port == 2222


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10.0.0.7", ("10.0.0.7", 22)),
        ("10.0.0.7:2222", ("10.0.0.7", 2222)),
        ("10.0.0.7:65535", ("10.0.0.7", 65535)),
        ("10.0.0.7:0", "bad_value"),
        ("10.0.0.7:65536", "bad_value"),
        ("10.0.0.7:", "bad_value"),
        ("10.0.0.7:-1", "bad_value"),
        ("10.0.0.7:\u0662", "bad_value"),
        ("fd00::1", ("fd00::1", 22)),
    ],
)
def test_where_it_is_asked(text: str, found: object) -> None:
    where = endpoint(text)
    assert (where.code if isinstance(where, reasons.Reason) else where) == found


def test_the_journal_keeps_that_it_was_joined(tmp_path: Any) -> None:
    from engine.core.world.work import Work
    from engine.events import Happened
    from engine.views.story import Story

    d = WorldRig(CATALOG, wants({}))
    store = Store.open(tmp_path / "store")
    try:
        work = Work(d.world)
        from engine.core.step import step

        event = Happened(
            1e9, d.now, Join(who="ann", address="10.0.0.200", host_key=KEY, boot_id="b1", system="debian-12", hostname="old-db")
        )
        rows = step(work, event)
        store.commit([(event, rows)])
        told = [Story().tell(row)["text"] for row in store.journal(0, 10)]
        assert any("ann: joins the machine at 10.0.0.200" in str(text) for text in told), told
    finally:
        store.close()
