"""`collects`: a role reads the committed wishes of others, and runs again when one of them changes."""

from __future__ import annotations

from typing import Any

from catalogs import catalog, plan, role
from world_rig import WorldRig

from engine.core.roles.attributes import inputs_hash
from engine.core.roles.wishes import task_document
from engine.core.world.load import load_world
from engine.core.world.work import Work
from engine.definitions import Collect, On, Requirement
from engine.effects import Start
from engine.events import Operate, SetAttribute
from engine.model import State
from engine.requests import Asker, Request

DNS = role("dns-server", "system", "local", collects=(Collect(attribute="record", into="dns/records"),), gives=("zone",))
CLIENT = role("dns-client", "system", wants=["record", "zone"], gives=("resolver",))
KINDS = catalog(DNS, CLIENT, defaults={"record": "A"})


def rig() -> WorldRig:
    out = WorldRig(KINDS, plan())
    ran: dict[str, Any] = {"state": State.ACTIVE, "gave": {"zone": "z1"}}
    for number, node in enumerate(("n1", "n2", "n3"), 1):
        out.server(node, stage="system", runs="debian-12", allocated=True, name=f"node-{number}.r1.example.net")
    out.role("dns-server", "n1", **ran)
    out.role("dns-client", "n2", state=State.WAITING)
    out.role("dns-client", "n3", state=State.PROPOSED)
    return out


def wished(out: WorldRig) -> list[dict[str, Any]]:
    found = task_document(out.world, out.at("dns-server", "n1"), {})["dns"]["records"]
    return list(found)


def up_to_date(out: WorldRig) -> None:
    out.change("n1", "dns-server", ran_hash=inputs_hash(out.world, out.at("dns-server", "n1")))


def test_it_reads_what_is_committed() -> None:
    assert wished(rig()) == [{"node": "node-2.r1.example.net", "role": "dns-client", "value": "A"}]


def test_a_wish_never_holds_what_a_parent_gave() -> None:
    kinds = catalog(role("dns-server", "system", collects=(Collect(attribute="zone", into="zones"),), gives=("zone",)), CLIENT)
    out = WorldRig(kinds, plan())
    out.server("n2", stage="system")
    out.role("dns-server", "n2", state=State.ACTIVE, gave={"zone": "z1"})
    out.role("dns-client", "n2", state=State.WAITING, parents=(("n2", "dns-server"),))
    assert task_document(out.world, out.at("dns-server", "n2"), {})["zones"][0]["value"] is None


def test_a_changed_wish_makes_its_collector_stale_and_the_same_one_does_not() -> None:
    out = rig()
    key = ("n1", "dns-server")
    out.change("n1", available=False)
    up_to_date(out)
    assert key not in out.world.stale
    out.feed(SetAttribute(who="op", layer="operator", scope="n2", name="record", value="AAAA"))
    assert key in out.world.stale
    assert wished(out)[0]["value"] == "AAAA"
    out.feed(SetAttribute(who="op", layer="operator", scope="n2", name="record", value="A"))
    assert key not in out.world.stale


def test_a_new_wish_and_one_that_goes() -> None:
    out = rig()
    total = out.world.wishes["record"]
    out.change("n3", "dns-client", state=State.WAITING)
    assert out.world.wishes["record"] != total
    assert len(wished(out)) == 2
    work = Work(out.world)
    work.drop_role(("n3", "dns-client"))
    out.world = work.finish()
    assert out.world.wishes["record"] == total


def test_the_sum_is_that_of_a_rebuilt_world() -> None:
    out = rig()
    out.feed(SetAttribute(who="op", layer="operator", scope="n2", name="record", value="AAAA"))
    tables = {t: dict(getattr(out.world, t)) for t in ("nodes", "node_roles", "attributes", "deployments", "revisions")}
    again = load_world(KINDS, tables)
    assert dict(again.wishes) == dict(out.world.wishes)
    assert dict(again.wish_of) == dict(out.world.wish_of)


def test_a_stale_collector_runs_again() -> None:
    out = rig()
    up_to_date(out)
    out.feed(SetAttribute(who="op", layer="operator", scope="n2", name="record", value="AAAA"))
    assert [s.role for s in out.all(Start) if s.node == "n1"] == ["dns-server"]


MEMBERS = Collect(attribute="place", into="cluster/members", role="member")
CLUSTER = catalog(
    role("member", "system", wants=["place"], collects=(MEMBERS,), flags=["cluster"]),
    role("all-there", "system", "noop", requires=(Requirement(role="member", on=On.SAME), Requirement(role="member", on=On.PEERS))),
    role("bystander", "system", wants=["place"]),
    defaults={"place": "p"},
)


def cluster(members: int = 2) -> WorldRig:
    out = WorldRig(CLUSTER, plan({"member": ("all",), "all-there": ("all",)}))
    for number in range(1, members + 1):
        joins(out, number)
    return out


def joins(out: WorldRig, number: int) -> None:
    node = f"n{number}"
    out.server(node, stage="system", runs="debian-12", name=f"node-{number}.r1.example.net", hold=True)
    out.feed(Operate(request=Request(Asker.OPERATOR, number), who="op", verb="allocate", node=node))


def runs(out: WorldRig, node: str) -> None:
    """The member ran with what it sees now."""
    out.change(node, "member", state=State.ACTIVE, ran_hash=inputs_hash(out.world, out.at("member", node)))


def test_a_role_collects_of_its_own_role_alone() -> None:
    out = cluster()
    out.role("bystander", "n1", state=State.WAITING)
    found = task_document(out.world, out.at("member", "n1"), {})["cluster"]["members"]
    assert [(one["node"], one["role"]) for one in found] == [("node-1.r1.example.net", "member"), ("node-2.r1.example.net", "member")]
    before = out.world.wishes["member/place"]
    out.change("n1", "bystander", state=State.PROPOSED)
    assert out.world.wishes["member/place"] == before
    assert set(out.world.wishes) == {"member/place"}


def test_a_cluster_waits_for_all_its_members() -> None:
    out = cluster(3)
    for node in ("n1", "n2", "n3"):
        assert set(out.at("all-there", node).parents) == {("n1", "member"), ("n2", "member"), ("n3", "member")}


def test_a_member_that_comes_later_makes_the_others_stale_once() -> None:
    out = cluster()
    for node in ("n1", "n2"):
        runs(out, node)
    assert not out.world.stale
    joins(out, 3)
    assert set(out.world.stale) == {("n1", "member"), ("n2", "member")}
    for node in ("n1", "n2"):
        runs(out, node)
        assert len(task_document(out.world, out.at("member", node), {})["cluster"]["members"]) == 3
    runs(out, "n3")
    assert not out.world.stale, "the first two are not told twice"
    again = out.reload()
    assert dict(again.wishes) == dict(out.world.wishes)
    assert not again.stale
