"""The operator's verbs: which is taken and which refused, in which situation."""

from __future__ import annotations

import pytest
from catalogs import plan
from operate_rig import ALL, ready, says, situation
from world_rig import WorldRig, tables

from engine.effects import Accept, Refuse


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
        ("delete", "running, unavailable", "not_available"),
        ("redeploy", "running, unavailable", "not_available"),
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
    d = WorldRig(ALL, plan({}))
    assert says(d, verb, node="admin").reason.code == "illegal"


def test_an_unknown_node_is_told_with_the_nearest() -> None:
    d = ready()
    got = says(d, "hold", node="n1.r1.example.nett")
    assert str(got.reason.fields["nearest"]).startswith("n1.r1.example.net")
