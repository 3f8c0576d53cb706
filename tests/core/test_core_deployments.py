"""The states of deployments in words: each follows from the node roles, and names the one that holds the deployment up."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import catalog, plan, role
from world_rig import WorldRig

from engine import reasons
from engine.core.roles.attributes import inputs_hash
from engine.model import State
from engine.plan import DeploymentDef
from engine.views.deployments import DeploymentState, deployment_states, validated
from engine.views.summary import proved, summary

WORK = role("work", "discovery", wants=["x"])
PROOF = role("proof", "discovery", wants=["x"], validates=True)
WORKS = catalog(WORK, PROOF, defaults={"x": "default"})
TREE = {"cloud": DeploymentDef(name="cloud"), "leaf": DeploymentDef(name="leaf", parent="cloud"), "other": DeploymentDef(name="other")}


def rig(**more: Any) -> WorldRig:
    d = WorldRig(WORKS, plan({}, deployments=TREE))
    d.server(allocated=True, **more)
    return d


def done(d: WorldRig, name: str, **more: Any) -> None:
    d.role(name, state=State.ACTIVE, attempt="i5-1", leg=1, **more)
    d.change(role=name, ran_hash=inputs_hash(d.world, d.at(name)))


def state(d: WorldRig, name: str = "cloud") -> DeploymentState:
    return deployment_states(d.world)[name]


def test_without_roles_it_is_empty() -> None:
    assert (state(rig()).state, state(rig()).why, state(rig()).node) == ("empty", None, "")


@pytest.mark.parametrize(
    ("fields", "word", "code"),
    [
        ({"state": State.PROPOSED}, "proposed", "proposed"),
        ({"state": State.WAITING, "parents": (("n1", "gone"),)}, "committed", "parent_missing"),
        ({"state": State.WAITING, "attempt": "i5-1", "retry_at": 900.0, "tries": 1}, "working", "again"),
        ({"state": State.TRANSITION, "attempt": "i5-1", "leg": 1}, "working", ""),
        ({"state": State.ERROR, "attempt": "i5-1", "tries": 1, "failure": reasons.no_plan()}, "in error", "failed"),
        ({"state": State.ACTIVE, "recheck": True}, "working", ""),
    ],
)
def test_what_is_not_done_names_the_role_and_the_reason(fields: dict[str, Any], word: str, code: str) -> None:
    d = rig()
    d.role("work", **fields)
    told = state(d)
    assert (told.state, told.role, told.node) == (word, "work", d.node().name)
    assert (told.why.code if told.why is not None else "") == code
    assert state(d, "system").state == word, "it is part of the root"
    assert state(d, "other").state == "empty"
    held = summary(d.world).held_up["cloud"]
    assert held == told
    assert summary(d.world).deployments["cloud"] == word


def test_done_without_a_proof_is_ready_and_never_validated() -> None:
    d = rig()
    done(d, "work")
    told = state(d)
    assert told.state == "ready"
    assert told.why is not None
    assert told.why.code == "nothing_validates"
    assert not validated(deployment_states(d.world))


def test_done_with_a_proof_is_validated() -> None:
    d = rig()
    done(d, "work")
    done(d, "proof")
    assert (state(d).state, state(d).why, state(d).role) == ("validated", None, "")
    assert validated(deployment_states(d.world))


def test_a_skipped_proof_proves_nothing() -> None:
    d = rig()
    done(d, "work")
    d.role("proof", state=State.SKIPPED)
    told = state(d)
    assert (told.state, told.role) == ("ready", "proof")
    assert told.why is not None
    assert told.why.code == "proof_skipped"


def test_a_stale_proof_proves_nothing() -> None:
    d = rig()
    done(d, "work")
    done(d, "proof")
    assert validated(deployment_states(d.world))
    d.change(role="proof", ran_hash="of other inputs")
    d.world = d.reload()
    assert (state(d).state, state(d).role) == ("working", "proof")
    assert not validated(deployment_states(d.world))


def test_a_deployment_counts_with_those_below_it() -> None:
    d = rig()
    done(d, "work")
    done(d, "proof", deployment="leaf")
    assert {name: one.state for name, one in deployment_states(d.world).items()} == {
        "cloud": "validated",
        "leaf": "validated",
        "other": "empty",
        "system": "validated",
    }
    d.change(role="proof", state=State.ERROR, failure=reasons.no_plan())
    assert (state(d).state, state(d).role) == ("in error", "proof")


def test_what_a_person_must_do_comes_before_what_runs() -> None:
    d = rig()
    d.server("n2", allocated=True, hold=True)
    d.role("work", state=State.TRANSITION, attempt="i5-1", leg=1)
    d.role("work", "n2", state=State.WAITING)
    told = state(d)
    assert (told.state, told.node) == ("working", d.node("n2").name)
    assert told.why is not None
    assert told.why.code == "on_hold"


def test_each_deployment_below_the_root_must_be_validated() -> None:
    d = rig()
    d.server("n2", allocated=True)
    done(d, "work")
    done(d, "proof")
    d.role("work", "n2", deployment="other", state=State.SKIPPED)
    states = deployment_states(d.world)
    assert (states["cloud"].state, states["other"].state) == ("validated", "ready")
    assert not validated(states)


def test_a_run_for_validation_ends_where_no_proof_can_come() -> None:
    last = WORKS.stages[-1].name
    d = rig(stage=last)
    done(d, "work")
    assert proved(d.world, 1) == "stuck", "ready, and nothing proves it"
    done(d, "proof")
    assert proved(d.world, 1) == "validated"
    assert proved(d.world, 2) != "validated", "a machine is missing"
