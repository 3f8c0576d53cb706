"""The operator's verbs: what each does."""

from __future__ import annotations

from catalogs import USUAL, catalog, plan, role
from operate_rig import ROLES, ready, says, situation
from world_rig import WorldRig, mac

from engine import reasons
from engine.core.roles.derive import done
from engine.core.roles.guards import blockers
from engine.effects import Accept, BootNode, Start
from engine.events import Operate, Outcome, SetAttribute, Started
from engine.model import Lease, State, Value, Way


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
    assert found[0] == reasons.backward(present="system", stage="hardware"), "what the node runs follows from it"
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
    d.world = WorldRig(catalog(role("blind", flags=["once"])), plan({})).world
    d.server(stage="hardware", allocated=True)
    d.role("blind", state=State.ACTIVE, recheck=True)
    says(d, "retry", "blind")
    assert d.one(Start).role == "blind"


def test_a_deleted_node_leaves_nothing_but_its_lease() -> None:
    d = WorldRig(USUAL)
    d.server(hold=True)
    d.feed(Started(installation="x", admin="a"))
    d.put(Lease(address="10.0.0.30", mac=mac(1), network="admin", state="bound", expires=9e9))
    d.put(
        Value(layer="operator", scope="n1/inventory", name="hostname", value="x"),
        Value(layer="hint", scope="n1", name="hostname", value="y"),
    )
    d.feed(Operate(who="op", verb="allocate", node="n1"))
    d.role("inventory", deployment="system", state=State.ACTIVE)
    assert isinstance(says(d, "delete"), Accept)
    assert "n1" not in d.world.nodes
    assert not [k for k in d.world.node_roles if k[0] == "n1"]
    assert not d.world.allocations
    assert not [v for v in d.world.attributes.values() if v.scope.startswith("n1")]
    assert d.world.leases
    for name in ("roles_of", "undone", "names", "macs", "uuids", "serials", "values_of"):
        assert dict(getattr(d.world, name)) == dict(getattr(d.reload(), name)), name
