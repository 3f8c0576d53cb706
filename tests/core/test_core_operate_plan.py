"""What a plan approves, where values may be set, and which nodes are given away."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import plan
from operate_rig import ALL, ready, says
from world_rig import WorldRig

from engine import reasons
from engine.effects import Accept, Refuse
from engine.events import Commit, SetAttribute, Started
from engine.model import State
from engine.plan import Approve
from engine.requests import Asker, Request


def test_a_new_plan_approves_and_takes_back_what_an_old_one_did() -> None:
    d = WorldRig(ALL, plan({"wipe": ("all",)}, approve=Approve(wipe="nothing")))
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
    d = WorldRig(ALL, plan({"wipe": ("all",)}, approve=Approve(wipe=wipe, disks=("D1",))))
    d.server()
    d.role("inventory", state=State.ACTIVE, gave={"disks": [{"name": "sda", **disk}] if disk is not None else []})
    d.feed(Started(installation="x", admin="a"))
    assert d.at("wipe").approved == approved


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
    d.feed(SetAttribute(request=Request(Asker.OPERATOR, 2), who="op", layer=layer, scope=scope, name=name, value=3))
    if not stored:
        assert d.one(Refuse).reason.code == "unknown_thing"
        return
    assert d.one(Accept)
    kept = "setting" if layer == "deployment" else layer
    assert d.world.attributes[(kept, stored, name)].who == "op"
    d.feed(SetAttribute(request=Request(Asker.OPERATOR, 2), who="op", layer=layer, scope=scope, name=name, clear=True))
    assert (kept, stored, name) not in d.world.attributes
    d.feed(SetAttribute(request=Request(Asker.OPERATOR, 2), who="op", layer=layer, scope=scope, name=name, clear=True))
    assert d.one(Refuse)


def test_a_node_with_a_problem_is_not_given_away() -> None:
    """A machine that failed is not taken for the next job: it waits for a person, with its reason."""
    d = WorldRig(ALL, plan({}))
    d.server(problem=reasons.boot_timeout(expected="hello", seconds=60.0, signal="kernel", tries=3))
    d.role("inventory", state=State.ACTIVE, gave={"disks": []})
    d.feed(Started(installation="x", admin="a"))
    assert not d.node().allocated
    assert isinstance(says(d, "retry"), Accept)
    d.feed(Started(installation="x", admin="a"))
    assert d.node().allocated
