"""The operator's verbs: what each does, when it is refused, and that a refusal leaves nothing behind."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import ADMIN, USUAL, catalog, plan, role, same
from desk import Desk, mac, tables
from msgspec.structs import replace

from engine import reasons
from engine.core.derive import done
from engine.core.guards import blockers
from engine.definitions import On, Requirement
from engine.effects import Accept, BootNode, Refuse, Start
from engine.events import Commit, Operate, Outcome, SetAttribute, Started
from engine.model import Boot, Lease, State, Value, Way
from engine.plan import Approve, Range, Rule

ALL = catalog(
    role("inventory", "discovery", flags=["discovery"], gives=("disks",)),
    role("bios", "hardware", verify=True, wants=["knob"]),
    role("wipe", "hardware", flags=["destructive"], verify=True),
    role("os-install", "install", flags=["destructive"], wants=["target-os"], verify=True),
    role("serve", "system", requires=(same("os-install"),), verify=True),
    defaults={"knob": 1},
)
ROLES = ("inventory", "bios", "wipe", "os-install", "serve")
BOOT = Boot(generation=1, way=Way.DISK, environment="debian-12", ordered=True, at=0.0, deadline=1e6)


def ready(**fields: Any) -> Desk:
    """A node that is done, in its system."""
    d = Desk(ALL, plan({}))
    d.server(**{"stage": "system", "runs": "debian-12", "allocated": True, **fields})
    for name in ROLES:
        d.role(name, state=State.ACTIVE, succeeded=True, attempt=f"i5-1{ROLES.index(name)}")
    from engine.core.attributes import inputs_hash

    for name in ROLES:
        d.change(role=name, ran_hash=inputs_hash(d.world, d.at(name)))
    d.put(*d.world.node_roles.values())
    return d


def says(d: Desk, verb: str, role: str = "", node: str = "n1") -> Any:
    d.feed(Operate(request=3, who="op", verb=verb, node=node, role=role))
    (answer,) = [e for e in d.effects if isinstance(e, Accept | Refuse)]
    return answer


SITUATIONS: dict[str, dict[str, Any]] = {
    "ready": {},
    "held": {"hold": True},
    "problem": {"problem": reasons.no_plan(), "runs": "", "alive": False},
    "booting": {"boot": BOOT, "runs": "", "alive": False},
    "discovered": {"allocated": False, "stage": "discovery", "runs": "sledgehammer"},
}


def situation(name: str) -> Desk:
    if name in SITUATIONS:
        return ready(**SITUATIONS[name])
    d = ready()
    match name:
        case "running":
            d.change(role="serve", state=State.TRANSITION, attempt="i5-30", leg=1)
        case "suspended":
            d.change(role="serve", state=State.TRANSITION, attempt="i5-30", leg=1, resume=True)
            d.change(alive=False)
        case "error":
            d.change(role="serve", state=State.ERROR, tries=1, failure=reasons.no_plan())
        case "unapproved":
            d.change(stage="hardware", runs="sledgehammer")
            d.change(role="wipe", state=State.WAITING)
    return d


@pytest.mark.parametrize(
    ("verb", "when", "answer"),
    [
        ("allocate", "discovered", "yes"),
        ("allocate", "ready", "illegal"),
        ("approve", "unapproved", "yes"),
        ("approve", "ready", "illegal"),
        ("hold", "ready", "yes"),
        ("hold", "running", "yes"),
        ("release", "held", "yes"),
        ("release", "ready", "illegal"),
        ("available", "ready", "yes"),
        ("unavailable", "running", "yes"),
        ("retry", "problem", "yes"),
        ("retry", "error", "yes"),
        ("retry", "ready", "illegal"),
        ("reset", "ready", "yes"),
        ("reset", "discovered", "yes"),
        ("reset", "booting", "busy"),
        ("reset", "running", "busy"),
        ("reset", "suspended", "yes"),
        ("reinstall", "ready", "yes"),
        ("reinstall", "booting", "busy"),
        ("reinstall", "running", "busy"),
        ("reinstall", "discovered", "illegal"),
        ("redeploy", "ready", "yes"),
        ("redeploy", "suspended", "yes"),
        ("redeploy", "problem", "yes"),
        ("redeploy", "booting", "busy"),
        ("redeploy", "running", "busy"),
        ("redeploy", "discovered", "illegal"),
        ("delete", "ready", "yes"),
        ("delete", "running", "busy"),
        ("explode", "ready", "unknown_thing"),
    ],
)
def test_verbs_on_nodes(verb: str, when: str, answer: str) -> None:
    d = situation(when)
    before = tables(d.world)
    got = says(d, verb)
    if answer == "yes":
        assert isinstance(got, Accept), got
    else:
        assert isinstance(got, Refuse), got
        assert got.reason.code == answer
        assert tables(d.world) == before
        assert d.effects == [got]


@pytest.mark.parametrize(
    ("verb", "role", "when", "answer"),
    [
        ("retry", "serve", "error", "yes"),
        ("retry", "serve", "ready", "illegal"),
        ("retry", "serve", "running", "busy"),
        ("skip", "serve", "error", "yes"),
        ("skip", "serve", "running", "busy"),
        ("skip", "serve", "suspended", "yes"),
        ("approve", "wipe", "unapproved", "yes"),
        ("approve", "wipe", "ready", "illegal"),
        ("approve", "serve", "ready", "illegal"),
        ("redeploy", "serve", "ready", "yes"),
        ("redeploy", "wipe", "ready", "yes"),
        ("redeploy", "wipe", "booting", "busy"),
        ("redeploy", "wipe", "running", "busy"),
        ("redeploy", "wipe", "suspended", "yes"),
        ("explode", "serve", "ready", "unknown_thing"),
        ("retry", "nothing", "ready", "unknown_thing"),
    ],
)
def test_verbs_on_node_roles(verb: str, role: str, when: str, answer: str) -> None:
    d = situation(when)
    before = tables(d.world)
    got = says(d, verb, role)
    if answer == "yes":
        assert isinstance(got, Accept), got
    else:
        assert isinstance(got, Refuse), got
        assert got.reason.code == answer
        assert tables(d.world) == before


@pytest.mark.parametrize("verb", ["reset", "reinstall", "redeploy", "delete"])
def test_the_admin_node_is_not_rebuilt(verb: str) -> None:
    d = Desk(ALL, plan({}))
    assert says(d, verb, node="admin").reason.code == "illegal"


def test_an_unknown_node_is_told_with_the_nearest() -> None:
    d = ready()
    got = says(d, "hold", node="n1.r1.example.nett")
    assert str(got.reason.fields["nearest"]).startswith("n1.r1.example.net")


# -- what they do --------------------------------------------------------------------------------------------------


def test_a_redeploy_boots_afresh_and_runs_everything_but_discovery_again() -> None:
    d = ready()
    says(d, "redeploy")
    assert d.node().stage == "hardware"
    assert d.one(BootNode).environment == "sledgehammer"
    assert d.node().intent.fresh
    assert done(d.world, d.at("inventory"))
    assert [d.at(n).state for n in ROLES[1:]] == [State.WAITING] * 4
    assert [d.at(n).approved for n in ("wipe", "os-install", "serve")] == ["op", "op", ""]
    assert not d.node().backward, "the way back was taken"


def test_a_redeploy_boots_even_a_node_that_runs_the_right_thing() -> None:
    d = ready(stage="hardware", runs="sledgehammer")
    for name in ("os-install", "serve"):
        d.change(role=name, state=State.WAITING)
    says(d, "redeploy", "bios")
    assert d.one(BootNode).environment == "sledgehammer"
    assert not d.all(Start)
    assert not d.node().backward, "nothing lies behind it, so nothing was approved for later"


def test_a_redeploy_forgets_a_suspended_attempt() -> None:
    d = situation("suspended")
    says(d, "redeploy", "serve")
    assert (d.at("serve").state, d.at("serve").attempt, d.at("serve").resume) == (State.WAITING, "", False)
    d.feed(Outcome(attempt="i5-30.1", node="n1", what="done"))
    assert d.at("serve").state is State.WAITING
    assert d.node().notice == reasons.late(attempt="i5-30.1")


def test_what_else_is_suspended_on_a_redeployed_node_is_verified() -> None:
    d = situation("suspended")
    d.change(role="serve", state=State.ACTIVE, resume=False)
    d.change(role="wipe", state=State.TRANSITION, attempt="i5-40", leg=1, resume=True, approved="op")
    d.change(stage="hardware", runs="sledgehammer")
    says(d, "redeploy", "bios")
    wipe = d.at("wipe")
    assert (wipe.state, wipe.recheck, wipe.resume) == (State.WAITING, True, False)


def test_a_reinstall_starts_at_the_install() -> None:
    d = ready()
    says(d, "reinstall")
    assert d.node().stage == "install"
    assert [d.at(n).state for n in ROLES] == [State.ACTIVE, State.ACTIVE, State.ACTIVE, State.WAITING, State.WAITING]


def test_a_reset_looks_at_the_hardware_again() -> None:
    d = ready()
    says(d, "reset")
    assert d.node().stage == "discovery"
    assert d.at("inventory").state is State.WAITING
    assert d.one(BootNode).environment == "sledgehammer"
    assert done(d.world, d.at("os-install"))


def test_a_move_backwards_waits_for_approval() -> None:
    d = ready()
    d.feed(SetAttribute(who="op", layer="deployment", scope="system", name="knob", value=2))
    assert not d.all(BootNode)
    found = blockers(d.world, d.at("bios"))
    assert reasons.backward(present="system", stage="hardware") in found
    says(d, "approve")
    assert d.one(BootNode).environment == "sledgehammer"
    assert (d.node().stage, d.node().backward) == ("hardware", False)


def test_meanwhile_the_present_stage_goes_on() -> None:
    d = ready(runs="sledgehammer", boot_id="b1")
    d.change(role="serve", state=State.WAITING)
    d.feed(SetAttribute(who="op", layer="deployment", scope="system", name="knob", value=2))
    assert d.one(BootNode).environment == "debian-12"


def test_hold_starts_nothing_new_and_release_goes_on() -> None:
    d = situation("running")
    d.role("extra", state=State.WAITING)
    says(d, "hold")
    d.feed(Outcome(attempt="i5-30.1", node="n1", what="failed", failure=reasons.verify_failed(role="serve", line="x")))
    d.change(role="serve", state=State.WAITING, tries=0, failure=None)
    d.feed(Started(installation="x", admin="a"))
    assert not d.all(Start)
    assert [r.code for r in blockers(d.world, d.at("serve"))] == ["on_hold"]
    says(d, "release")
    assert d.one(Start).role == "serve"


def test_skip_lets_children_go_on_and_a_suspended_attempt_is_ended_by_a_boot() -> None:
    d = situation("suspended")
    says(d, "skip", "serve")
    assert d.at("serve").state is State.SKIPPED
    assert d.one(BootNode).way is Way.DISK


def test_an_unverifiable_role_is_run_again_when_a_person_says_so() -> None:
    d = ready(stage="hardware", runs="sledgehammer")
    d.world = Desk(catalog(role("blind", flags=["once"])), plan({})).world
    d.server(stage="hardware", allocated=True)
    d.role("blind", state=State.ACTIVE, recheck=True)
    says(d, "retry", "blind")
    assert d.one(Start).role == "blind"


def test_a_deleted_node_leaves_nothing_but_its_lease() -> None:
    d = Desk(USUAL)
    d.server()
    d.feed(Started(installation="x", admin="a"))
    d.put(Lease(address="10.0.0.30", mac=mac(1), network="admin", state="bound", expires=9e9))
    d.put(Value(layer="operator", scope="n1/inventory", name="hostname", value="x"), Value(layer="hint", scope="n1", name="hostname", value="y"))
    d.feed(Operate(who="op", verb="allocate", node="n1"))
    d.role("inventory", deployment="system", state=State.ACTIVE)
    assert isinstance(says(d, "delete"), Accept)
    assert "n1" not in d.world.nodes
    assert not [k for k in d.world.node_roles if k[0] == "n1"]
    assert not d.world.allocations
    assert not [v for v in d.world.attributes.values() if v.scope.startswith("n1")]
    assert d.world.leases
    for name in ("roles_of", "names", "macs", "uuids", "serials", "values_of"):
        assert dict(getattr(d.world, name)) == dict(getattr(d.reload(), name)), name


# -- refusals leave nothing behind ---------------------------------------------------------------------------------


def test_a_refused_commit_leaves_nothing_behind() -> None:
    round_and_round = catalog(
        role("a", "system", requires=(Requirement(role="b", on=On.SAME),)), role("b", "system", requires=(same("a"),)),
    )  # fmt: skip
    d = Desk(round_and_round, plan({}))
    d.server(stage="system", runs="x", allocated=True)
    before, catalogue = tables(d.world), d.world.catalog
    d.feed(Commit(request=4, who="op", plan=plan({"a": ("all",)}, limits={"jobs": 3})))
    assert d.one(Refuse).reason.code == "cycle"
    assert d.one(Refuse).request == 4
    assert tables(d.world) == before
    assert d.world.catalog is catalogue
    assert d.world.plan == plan({})
    assert d.rows == []
    assert d.effects == [d.one(Refuse)]


def test_a_refused_allocation_leaves_nothing_behind_but_its_reason() -> None:
    tiny = replace(ADMIN, ranges={**ADMIN.ranges, "host": Range(first="10.0.0.101", last="10.0.0.101")})
    d = Desk(ALL, plan({}, networks={"admin": tiny}, rules=(Rule(name="x-{number}", attributes={"knob": 9}),)))
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
    d = Desk(ALL, plan({}, rules=(Rule(match={"cpus": {"min": 512}}, name="big-{number}"),)))
    d.server()
    d.role("inventory", state=State.ACTIVE, gave={"cpus": 4})
    d.feed(Started(installation="x", admin="a"))
    assert not d.node().allocated
    d.feed(Commit(who="op", plan=plan({}, rules=(Rule(match={"cpus": 4}, name="small-{number}"),))))
    assert d.node().allocated
    assert d.node().name == "small-1.r1.example.net"


def test_allocation_by_hand_needs_no_rule_but_a_discovery() -> None:
    d = Desk(ALL, plan({}, allocate="ask"))
    d.server()
    d.role("inventory", state=State.WAITING)
    d.feed(Started(installation="x", admin="a"))
    assert says(d, "allocate").reason == reasons.illegal(verb="allocate", node="n1.r1.example.net", state="not discovered yet")
    d.feed(Outcome(attempt="i5-1.1", node="n1", what="done", gives={"disks": []}))
    assert not d.node().allocated
    assert isinstance(says(d, "allocate"), Accept)
    assert d.node().allocated


def test_a_new_plan_approves_and_takes_back_what_an_old_one_did() -> None:
    d = Desk(ALL, plan({"wipe": ("all",)}, approve=Approve(wipe="nothing")))
    d.server()
    d.role("inventory", state=State.ACTIVE, gave={"disks": [{"name": "sda", "signature": ""}]})
    d.feed(Started(installation="x", admin="a"))
    d.change(available=False)
    assert d.at("wipe").approved == ""
    d.feed(Commit(who="op", plan=plan({"wipe": ("all",)}, approve=Approve(wipe="blank"))))
    assert d.at("wipe").approved == "plan"
    d.feed(Commit(who="op", plan=plan({"wipe": ("all",)}, approve=Approve(wipe="nothing"))))
    assert d.at("wipe").approved == ""


@pytest.mark.parametrize(
    ("wipe", "disk", "approved"),
    [
        ("nothing", {"signature": ""}, ""),
        ("blank", {"signature": ""}, "plan"),
        ("blank", {"signature": "gpt"}, ""),
        ("all", {"signature": "gpt"}, "plan"),
        ("listed", {"signature": "gpt", "serial": "D1"}, "plan"),
        ("listed", {"signature": "gpt", "serial": "D2"}, ""),
        ("foreign", {"signature": "gpt"}, "plan"),
        ("foreign", {"signature": "gpt", "installation": "i5"}, ""),
        ("blank", None, ""),
    ],
)
def test_what_a_plan_approves(wipe: Any, disk: dict[str, Any] | None, approved: str) -> None:
    d = Desk(ALL, plan({"wipe": ("all",)}, approve=Approve(wipe=wipe, disks=("D1",))))
    d.server()
    d.role("inventory", state=State.ACTIVE, gave={"disks": [{"name": "sda", **disk}] if disk is not None else []})
    d.feed(Started(installation="x", admin="a"))
    assert d.at("wipe").approved == approved


# -- attributes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "scope", "name", "stored"),
    [
        ("operator", "n1", "knob", "n1"),
        ("operator", "n1.r1.example.net", "knob", "n1"),
        ("operator", "n1.r1.example.net/bios", "knob", "n1/bios"),
        ("role", "n1/bios", "knob", "n1/bios"),
        ("hint", "n1", "admin-address", "n1"),
        ("deployment", "cloud", "knob", "cloud"),
        ("deployment", "clout", "knob", ""),
        ("operator", "n7", "knob", ""),
        ("operator", "n1/nothing", "knob", ""),
        ("role", "n1", "knob", ""),
        ("operator", "n1", "knop", ""),
    ],
)
def test_where_values_may_be_set(layer: Any, scope: str, name: str, stored: str) -> None:
    d = ready()
    d.feed(SetAttribute(request=2, who="op", layer=layer, scope=scope, name=name, value=3))
    if not stored:
        assert d.one(Refuse).reason.code == "unknown_thing"
        return
    assert d.one(Accept)
    assert d.world.attributes[(layer, stored, name)].who == "op"
    d.feed(SetAttribute(request=2, who="op", layer=layer, scope=scope, name=name, clear=True))
    assert (layer, stored, name) not in d.world.attributes
    d.feed(SetAttribute(request=2, who="op", layer=layer, scope=scope, name=name, clear=True))
    assert d.one(Refuse)


def test_a_node_with_a_problem_is_not_given_away() -> None:
    """A machine that failed is not taken for the next job: it waits for a person, with its reason."""
    d = Desk(ALL, plan({}))
    d.server(problem=reasons.boot_timeout(expected="hello", seconds=60.0, signal="kernel", tries=3))
    d.role("inventory", state=State.ACTIVE, gave={"disks": []})
    d.feed(Started(installation="x", admin="a"))
    assert not d.node().allocated
    assert isinstance(says(d, "retry"), Accept)
    d.feed(Started(installation="x", admin="a"))
    assert d.node().allocated
