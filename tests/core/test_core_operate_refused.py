"""A refusal leaves nothing behind."""

from __future__ import annotations

from catalogs import ADMIN, catalog, plan, role, same
from msgspec.structs import replace
from operate_rig import ALL, says
from world_rig import WorldRig, tables

from engine import reasons
from engine.definitions import On, Requirement
from engine.effects import Accept, Refuse
from engine.events import Commit, Outcome, Started
from engine.model import State
from engine.plan import Range, Rule
from engine.requests import Asker, Request


def test_a_refused_commit_leaves_nothing_behind() -> None:
    round_and_round = catalog(
        role("a", "system", requires=(Requirement(role="b", on=On.SAME),)),
        role("b", "system", requires=(same("a"),)),
    )
    d = WorldRig(round_and_round, plan({}))
    d.server(stage="system", runs="x", allocated=True)
    before, catalogue = tables(d.world), d.world.catalog
    d.feed(Commit(request=Request(Asker.OPERATOR, 4), who="op", plan=plan({"a": ("all",)}, limits={"jobs": 3})))
    assert d.one(Refuse).reason.code == "cycle"
    assert d.one(Refuse).request == Request(Asker.OPERATOR, 4)
    assert tables(d.world) == before
    assert d.world.catalog is catalogue
    assert d.world.plan == plan({})
    assert d.rows == []
    assert d.effects == [d.one(Refuse)]


def test_a_refused_allocation_leaves_nothing_behind_but_its_reason() -> None:
    tiny = replace(ADMIN, ranges={**ADMIN.ranges, "host": Range(first="10.0.0.101", last="10.0.0.101")})
    d = WorldRig(ALL, plan({}, networks={"admin": tiny}, rules=(Rule(name="x-{number}", attributes={"knob": 9}),)))
    for number in (1, 2):
        d.server(f"n{number}")
        d.role("inventory", f"n{number}", state=State.ACTIVE)
    d.feed(Started(installation="x", admin="a"))
    assert (d.node("n1").allocated, d.node("n2").allocated) == (True, False)
    assert d.node("n2").notice == reasons.pool_empty(range="host", network="admin", size=1)
    assert d.node("n2").name == "n2.r1.example.net"
    assert {v.scope for v in d.world.attributes.values() if v.layer == "rule"} == {"n1"}
    before = tables(d.world)
    assert says(d, "allocate", node="n2").reason.code == "pool_empty"
    assert tables(d.world) == before


def test_a_plan_that_rules_do_not_match_allocates_nothing_by_itself() -> None:
    d = WorldRig(ALL, plan({}, rules=(Rule(match={"cpus": {"min": 512}}, name="big-{number}"),)))
    d.server()
    d.role("inventory", state=State.ACTIVE, gave={"cpus": 4})
    d.feed(Started(installation="x", admin="a"))
    assert not d.node().allocated
    d.feed(Commit(who="op", plan=plan({}, rules=(Rule(match={"cpus": 4}, name="small-{number}"),))))
    assert d.node().allocated
    assert d.node().name == "small-1.r1.example.net"


def test_allocation_by_hand_needs_no_rule_but_a_discovery() -> None:
    d = WorldRig(ALL, plan({}, allocate="ask"))
    d.server()
    d.role("inventory", state=State.WAITING)
    d.feed(Started(installation="x", admin="a"))
    assert says(d, "allocate").reason == reasons.illegal(verb="allocate", node="n1.r1.example.net", state="not discovered yet")
    d.feed(Outcome(attempt="i5-1.1", node="n1", what="done", gives={"disks": []}))
    assert not d.node().allocated
    assert isinstance(says(d, "allocate"), Accept)
    assert d.node().allocated
