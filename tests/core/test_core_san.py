"""SANs: a LUN is there before the node's role uses it, it goes when the wish goes, and the delegate runs where the plan says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from catalogs import INSTALL, catalog, plan, role, same
from msgspec.structs import replace
from world_rig import WorldRig

from engine import reasons
from engine.core.hardware.delegates import devices_at
from engine.core.hardware.devices import about
from engine.core.roles.attributes import effective
from engine.core.roles.guards import blockers
from engine.core.roles.wishes import task_document
from engine.definitions import Collect, On, Requirement
from engine.effects import Probe, Start
from engine.events import Commit, Outcome, Probed, SetAttribute
from engine.model import Kind, State, Value
from engine.plan import Plan
from engine.runtime.handles import Handles
from engine.trust.tokens import Keys
from engine.trust.vault import Vault

CATALOG = catalog(
    role("inventory", "discovery", flags=["discovery"]),
    replace(INSTALL, requires=()),
    role("san-target", "system", requires=(same("os-install"),)),
    role(
        "san-luns",
        "system",
        "device",
        device="san",
        requires=(Requirement(role="san-target", on=On.DELEGATE),),
        wants=["san-access", "san-accounts"],
        collects=(Collect(attribute="san-wanted", into="san/wanted", role="san-disk"),),
        gives=("san-luns",),
        verify=True,
    ),
    role(
        "san-disk",
        "system",
        requires=(same("os-install"), Requirement(role="san-luns", on=On.LINKED, kind="san")),
        wants=["san-wanted", "san-disks-wanted"],
        gives=("san-disks",),
        verify=True,
    ),
    role("switch-ports", "system", "device"),
    defaults={"san-access": {}, "san-wanted": []},
)
WANTED = [{"name": "data", "size": 1 << 30}]
SAN = "san-san1"


def wanted(access: dict[str, Any], luns: list[dict[str, Any]], roles: dict[str, tuple[str, ...]] | None = None) -> Plan:
    every = {"san-disk": ("node:n1",), "san-luns": ("all",), **(roles or {})}
    return replace(plan(every, allocate="ask"), attributes={"san-access": access, "san-wanted": luns})


def rack(access: dict[str, Any] | None = None, luns: list[dict[str, Any]] | None = None, **roles: tuple[str, ...]) -> WorldRig:
    d = WorldRig(CATALOG, plan({}, allocate="ask"))
    for node in ("n1", "n2"):
        d.server(node, allocated=True, pinned=True, stage="system", runs="debian-12")
        d.role("inventory", node, state=State.ACTIVE, deployment="system")
        d.role("os-install", node, state=State.ACTIVE, succeeded=True, deployment="system")
    d.feed(Commit(who="op", plan=wanted({"san1": {}} if access is None else access, WANTED if luns is None else luns, roles)))
    return d


def row(node: str, name: str = "data", **more: object) -> dict[str, object]:
    return {"node": node, "name": name, "size": 1 << 30, "serial": "ab" * 16, "target": f"iqn:{node}", "portal": "10.0.0.5:3260", **more}


def done(d: WorldRig, role: str, node: str, **gives: Any) -> None:
    one = d.at(role, node)
    d.feed(Outcome(attempt=f"{one.attempt}.{one.leg}", node=node, what="done", gives=gives))


def test_the_plan_makes_a_node_of_each_san_and_no_switch_role_runs_there() -> None:
    d = rack({"san1": {}, "san2": {}, "*": {"driver": "tgt"}}, **{"switch-ports": ("all",)})
    there = {one.name.split(".")[0]: one for one in d.world.nodes.values() if one.kind is Kind.DEVICE}
    assert {name: (one.id, one.family) for name, one in there.items()} == {"san1": (SAN, "san"), "san2": ("san-san2", "san")}
    assert [key[1] for key in d.world.roles_of[SAN]] == ["san-luns"]
    assert d.reload().nodes == d.world.nodes
    d.feed(Commit(who="op", plan=wanted({}, [])))
    assert not [one for one in d.world.nodes.values() if one.kind is Kind.DEVICE and d.world.holders.get(one.id) is None]


def test_the_lun_exists_before_the_nodes_role_runs() -> None:
    d = rack()
    assert (SAN, "san-luns") in d.at("san-disk").parents
    assert {(one.node, one.role) for one in d.all(Start)} == {(SAN, "san-luns")}
    assert task_document(d.world, d.at("san-luns", SAN), {})["san"]["wanted"] == [
        {"node": d.node().name, "role": "san-disk", "value": WANTED}
    ]
    done(d, "san-luns", SAN, **{"san-luns": {"luns": [row("n1"), row("n2", "other")], "kept": []}})
    assert {(one.node, one.role) for one in d.all(Start)} == {("n1", "san-disk")}
    mine = effective(d.world, d.at("san-disk"), "san-disks-wanted")["disks"]
    assert [(one["san"], one["name"]) for one in mine] == [("san1", "data")], "another node's LUNs are not its affair"


def test_a_lun_of_another_node_does_not_make_the_nodes_role_run_again() -> None:
    d = rack()
    done(d, "san-luns", SAN, **{"san-luns": {"luns": [row("n1")], "kept": []}})
    done(d, "san-disk", "n1", **{"san-disks": []})
    d.feed(Commit(who="op", plan=wanted({"san1": {}}, WANTED, {"san-disk": ("all",)})))
    assert (SAN, "san-luns") in d.world.stale or d.at("san-luns", SAN).state is State.TRANSITION
    done(d, "san-luns", SAN, **{"san-luns": {"luns": [row("n1"), row("n2")], "kept": []}})
    assert {(one.node, one.role) for one in d.all(Start)} == {("n2", "san-disk")}
    assert ("n1", "san-disk") not in d.world.stale


def test_a_wish_that_goes_and_a_node_that_goes_hide_the_lun() -> None:
    d = rack(None, None, **{"san-disk": ("all",)})
    done(d, "san-luns", SAN, **{"san-luns": {"luns": [row("n1"), row("n2")], "kept": []}})
    for node in ("n1", "n2"):
        done(d, "san-disk", node, **{"san-disks": []})
    d.feed(Commit(who="op", plan=wanted({"san1": {}}, WANTED)))  # only n1 has the role now
    assert {(one.node, one.role) for one in d.all(Start)} == {(SAN, "san-luns")}
    assert [one["node"] for one in task_document(d.world, d.at("san-luns", SAN), {})["san"]["wanted"]] == [d.node().name]


def test_an_order_for_another_san_links_the_node_there() -> None:
    d = rack({"san1": {}, "san2": {}})
    assert (SAN, "san-luns") in d.at("san-disk").parents
    value = [{"name": "data", "size": 1 << 30, "san": "san2"}]
    d.feed(SetAttribute(scope="n1", layer="operator", name="san-wanted", value=value, who="op"))
    assert [key for key in d.at("san-disk").parents if key[1] == "san-luns"] == [("san-san2", "san-luns")]


def test_a_node_that_names_no_known_san_waits_with_a_reason() -> None:
    d = rack({"san1": {}}, [{"name": "data", "size": 1 << 30, "san": "san9"}])
    found = blockers(d.world, d.at("san-disk"))
    assert [one.code for one in found] == ["not_linked"]


def test_a_node_that_wants_no_lun_needs_no_san() -> None:
    d = rack({}, [])
    assert {(one.node, one.role) for one in d.all(Start)} == {("n1", "san-disk")}


# -- where the delegate runs -----------------------------------------------------------------------------------------


def test_a_delegate_on_another_node_waits_for_it_and_says_so() -> None:
    d = rack({"san1": {"delegate": "n2"}}, **{"san-target": ("node:n2",)})
    assert devices_at(d.world, "n2") == (SAN,)
    assert d.at("san-luns", SAN).parents == (("n2", "san-target"),)
    assert [one.role for one in d.all(Start) if one.node == SAN] == []
    done(d, "san-target", "n2")
    assert [one.role for one in d.all(Start) if one.node == SAN] == ["san-luns"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"hold": True}, "it is on hold"),
        ({"available": False}, "it is set to unavailable"),
        ({"alive": False}, "it does not answer"),
        ({"runs": "sledgehammer"}, "it runs sledgehammer, not its installed system"),
        ({"allocated": False}, "it is not allocated"),
        ({"problem": reasons.no_pool(interface="eno2")}, "it has a problem"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_cause_has_its_words(fields: dict[str, Any], why: str) -> None:
    d = rack({"san1": {}})
    done(d, "san-luns", SAN, **{"san-luns": {"luns": [], "kept": []}})
    d.put(replace(d.node("n2"), **fields))
    d.feed(SetAttribute(scope="system", layer="deployment", name="san-access", value={"san1": {"delegate": "n2"}}, who="op"))
    found = [one for one in blockers(d.world, d.at("san-luns", SAN)) if one.code == "delegate_waits"]
    assert len(found) == 1
    assert why in reasons.sentence(found[0])
    assert "n2" in reasons.sentence(found[0])


def test_a_delegate_on_a_node_that_nobody_knows_waits_and_starts_when_it_is_there() -> None:
    d = rack({"san1": {"delegate": "n3"}})
    assert "no node of that name is known yet" in reasons.sentence(blockers(d.world, d.at("san-luns", SAN))[0])
    assert not [one for one in d.all(Start) if one.node == SAN]
    d.server("n3", allocated=True, pinned=True, stage="system", runs="debian-12", alive=False, missed=3, probe=1, probes=1)
    assert "it does not answer" in reasons.sentence(blockers(d.world, d.at("san-luns", SAN))[0])
    d.feed(Probed(node="n3", probe=1, alive=True))
    assert [one.role for one in d.all(Start) if one.node == SAN] == ["san-luns"]


def test_the_node_dies_and_the_same_attempt_goes_on_when_it_is_back() -> None:
    d = rack({"san1": {"delegate": "n2"}})
    attempt = d.at("san-luns", SAN).attempt
    d.feed(Outcome(attempt=f"{attempt}.1", node=SAN, what="failed", unreachable=True, failure=reasons.no_address(node="san1")))
    assert [one.node for one in d.all(Probe)] == ["n2"], "the device has nothing that could answer"
    d.nobody_answers("n2")
    assert not d.node("n2").alive
    assert d.at("san-luns", SAN).resume, "suspended"
    d.feed(Probed(node="n2", probe=d.node("n2").probe, alive=False)) if d.node("n2").probe else None
    d.tick("n2", 60.0)
    d.feed(Probed(node="n2", probe=d.node("n2").probe, alive=True))
    again = [one for one in d.all(Start) if one.node == SAN]
    assert [(one.attempt, one.resume) for one in again] == [(f"{attempt}.1", True)]


def test_the_address_of_a_san_is_where_it_is_carried() -> None:
    d = rack({"san1": {"delegate": "n2"}, "san2": {"address": "10.9.9.9"}, "san3": {}})
    address = d.world.address_of[("n2", "admin")]
    found = {one.name.split(".")[0]: about(d.world, one)["device"]["address"] for one in d.world.nodes.values() if one.family == "san"}
    assert d.world.plan is not None
    assert found == {"san1": address, "san2": "10.9.9.9", "san3": d.world.plan.site.admin.address}


def test_a_server_with_the_name_of_a_san_keeps_it() -> None:
    d = rack({"n2": {}})
    san = d.world.nodes["san-n2"]
    assert san.name.split(".")[0] == "n2-san-n2"
    assert about(d.world, san)["device"]["name"] == "n2", "the entry is found all the same"


def test_a_delegate_learns_the_secrets_of_the_nodes_that_it_serves_only(tmp_path: Path) -> None:
    """n1 wants a LUN of san1, n2 one of san2. Neither SAN's delegate, which may be on a node, gets the other one's secret."""
    d = rack({"san1": {"delegate": "n2"}, "san2": {}}, **{"san-disk": ("all",)})
    d.put(Value(layer="operator", scope="n2", name="san-wanted", value=[{"name": "logs", "size": 1 << 30, "san": "san2"}], who="op"))
    (tmp_path / "store").mkdir()
    vault = Vault(tmp_path / "store", tmp_path / "keys")
    handles = Handles(keys=Keys(b"k" * 32), vault=vault, public_key="", images=lambda: None, folder=tmp_path / "keys")

    def told(san: str) -> Any:
        return json.loads(str(handles.open(d.world, d.node(san), {"$secret": "san-accounts"})))

    names = {node: d.node(node).name.split(".")[0] for node in ("n1", "n2")}
    assert set(told(SAN)) == {names["n1"]}
    assert set(told("san-san2")) == {names["n2"]}
    assert told(SAN)[names["n1"]] == handles.open(d.world, d.node("n1"), {"$secret": "san-account"})
    d.put(Value(layer="operator", scope="n1", name="san-wanted", value=[], who="op"))
    assert told(SAN) == {}, "who wants nothing any more is not served"
