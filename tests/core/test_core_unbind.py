"""What a plan asks for no more is unbound by its commit, and the preview says so before."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import catalog, plan, role, same
from world_rig import WorldRig

from engine.core.plan.diff import diff
from engine.definitions import Catalog
from engine.events import Commit, Outcome, SetAttribute
from engine.model import State
from engine.plan import Plan

CATALOG: Catalog = catalog(
    role("inventory", stage="discovery", flags=["discovery"]),
    role("wipe", flags=["destructive"]),
    role("base", stage="system"),
    role("app", stage="system", requires=(same("base"),)),
    role("tool", stage="system", requires=(same("base"),)),
    role("first", stage="system", precedes=("app",)),
)


def wanting(*roles: str) -> Plan:
    return plan(dict.fromkeys(roles, ("all",)))


def rack(*roles: str) -> WorldRig:
    d = WorldRig(CATALOG, wanting(*roles))
    d.server(allocated=True)
    d.feed(Commit(who="op", plan=plan(dict.fromkeys(roles, ("all",)), allocate="ask")))
    return d


def bound(d: WorldRig) -> set[str]:
    return {r for n, r in d.world.node_roles if n == "n1"}


def after(d: WorldRig, *roles: str) -> tuple[set[str], dict[str, tuple[str, str]]]:
    """What is bound after a commit of these, and what the preview said of what is asked for no more."""
    wanted = wanting(*roles)
    said = {c.role: (c.what, c.why) for c in diff(d.world, wanted).roles if c.what in ("gone", "left")}
    had = bound(d)
    d.feed(Commit(who="op", plan=wanted))
    assert had - bound(d) == {name for name, (what, _) in said.items() if what == "gone"}
    assert d.reload().node_roles == d.world.node_roles
    assert not [c for c in d.world.children if c not in d.world.node_roles]
    return bound(d), said


def test_it_goes_with_what_it_had_pulled_in() -> None:
    d = rack("app", "tool")
    assert bound(d) >= {"app", "tool", "base"}
    now, said = after(d, "tool")
    assert "app" not in now
    assert now >= {"tool", "base"}
    assert said == {"app": ("gone", "")}
    now, said = after(d)
    assert not now & {"tool", "base", "app"}
    assert set(said) == {"tool", "base"}


def test_order_alone_keeps_nobody() -> None:
    d = rack("first", "app")
    assert ("n1", "first") in d.at("app").parents
    now, _ = after(d, "app")
    assert "first" not in now
    assert ("n1", "first") not in d.at("app").parents


@pytest.mark.parametrize("state", [State.ACTIVE, State.ERROR, State.WAITING, State.SKIPPED])
def test_in_whatever_state_it_rests(state: State) -> None:
    d = rack("app")
    d.change(role="app", state=state, attempt="i5-1")
    assert "app" not in after(d)[0]


def test_one_that_runs_stays_until_it_is_done() -> None:
    d = rack("app", "tool")
    d.change(role="app", state=State.TRANSITION, attempt="i5-9", leg=1)
    now, said = after(d, "tool")
    assert "app" in now
    assert said["app"] == ("left", "it is running, and goes when it is done")
    d.feed(Outcome(attempt="i5-9.1", node="n1", what="done"))
    assert "app" not in bound(d)
    assert d.reload().node_roles == d.world.node_roles


def test_one_that_runs_is_wanted_again_if_a_later_plan_names_it() -> None:
    d = rack("app", "tool")
    d.change(role="app", state=State.TRANSITION, attempt="i5-9", leg=1)
    after(d, "tool")
    assert d.at("app").kept == "runs"
    after(d, "tool", "app")
    assert d.at("app").kept == ""
    d.feed(Outcome(attempt="i5-9.1", node="n1", what="done"))
    assert "app" in bound(d)


def test_one_that_wrote_disks_stays() -> None:
    d = rack("wipe", "app")
    d.change(role="wipe", state=State.ACTIVE, succeeded=True)
    now, said = after(d, "app")
    assert "wipe" in now
    what, why = said["wipe"]
    assert what == "left"
    assert "wrote disks" in why
    assert "wipe" in after(d)[0], "nor by any later one"


def test_one_that_may_have_written_disks_stays() -> None:
    """It asked for a reboot, or its node died: nobody knows before its `verify`."""
    d = rack("wipe", "app")
    d.change(role="wipe", state=State.WAITING, recheck=True)
    now, said = after(d, "app")
    assert "wipe" in now
    assert "wrote disks" in said["wipe"][1]


def test_values_of_the_role_go_with_it_and_those_of_the_node_stay() -> None:
    d = rack("app")
    d.feed(SetAttribute(who="op", layer="operator", scope="n1/app", name="mode", value="a"))
    d.feed(SetAttribute(who="op", layer="operator", scope="n1", name="mode", value="b"))
    values: Any = d.world.attributes
    had = {k for k in values if k[0] == "operator"}
    after(d)
    assert {k for k in d.world.attributes if k[0] == "operator"} == {k for k in had if k[1] == "n1"}


def test_discovery_stays() -> None:
    d = rack("app")
    d.role("inventory", state=State.ACTIVE)
    assert "inventory" in after(d)[0]
