"""What stands beside the plan although there is nothing to commit."""

from __future__ import annotations

from typing import Any

from catalogs import INSTALL, catalog, plan, role
from msgspec.structs import replace
from world_rig import WorldRig, tables

from engine.core.plan.diff import diff
from engine.core.plan.drift import Drift, Standing, drift_of
from engine.core.plan.save import saved
from engine.core.roles.attributes import inputs_hash
from engine.core.world.load import load_world
from engine.definitions import Json
from engine.events import Commit, Operate, SetAttribute
from engine.model import State, Value
from engine.plan import DeploymentDef, Plan

CATALOG = catalog(INSTALL, role("raid-configure"), role("serve", "system", wants=["knob"]), defaults={"knob": "default"})
LOCKED = replace(CATALOG, attributes={**CATALOG.attributes, "knob": replace(CATALOG.attributes["knob"], secret=True)})


def planned(*roles: str, **attributes: Json) -> Plan:
    return plan({}, deployments={"cloud": DeploymentDef(name="cloud", attributes=attributes, roles=dict.fromkeys(roles, ("all",)))})


def rig(wanted: Plan) -> WorldRig:
    d = WorldRig(CATALOG, wanted)
    d.server("n1", stage="system", runs="debian-12")
    d.feed(Operate(who="op", verb="allocate", node="n1"))
    return d


def says(d: WorldRig, scope: str, value: Json, name: str = "knob", layer: Any = "operator") -> None:
    d.feed(SetAttribute(who="op", layer=layer, scope=scope, name=name, value=value))


def words(d: WorldRig) -> list[str]:
    return [one.words for one in drift_of(d.world).settings]


def test_nothing_stands_beside_a_plan_that_nobody_touched() -> None:
    d = rig(planned("serve", knob="plan"))
    assert drift_of(d.world) == Drift()
    assert drift_of(d.world).words == ""
    assert diff(d.world, planned("serve", knob="plan")).drift == Drift()


def test_each_setting_is_told_with_its_author_and_with_what_the_plan_has() -> None:
    d = rig(planned("serve", knob="plan"))
    says(d, "cloud", "mine", layer="deployment")
    says(d, "system", "root's", layer="deployment")
    says(d, "n1", 7)
    says(d, "n1/serve", [1, 2])
    assert words(d) == [
        "cloud knob: op set mine, which stays above the plan's plan",
        "node-1 knob: op set 7; the plan has none",
        "node-1/serve knob: op set [1, 2]; the plan has none",
        "system knob: op set root's; the plan has none",
    ]
    assert drift_of(d.world).words == "4 settings beside the plan"
    found = diff(d.world, planned("serve", knob="plan"))
    assert found.same, "a commit would change nothing"
    assert found.drift == drift_of(d.world)
    assert found.above == (words(d)[0],)


def test_it_is_compared_with_the_plan_that_is_asked_about() -> None:
    d = rig(planned("serve", knob="plan"))
    says(d, "cloud", "mine", layer="deployment")
    assert diff(d.world, planned("serve", knob="mine")).drift == Drift()
    assert words(d) == ["cloud knob: op set mine, which stays above the plan's plan"]


def test_a_saved_plan_takes_them_up() -> None:
    d = rig(planned("serve", knob="plan"))
    for scope, layer in (("cloud", "deployment"), ("n1", "operator"), ("n1/serve", "operator")):
        says(d, scope, f"for {scope}", layer=layer)
    kept = saved(d.world)
    assert kept is not None
    d.feed(Commit(who="op", plan=kept))
    assert drift_of(d.world) == Drift()
    d.feed(Commit(who="op", plan=planned("serve", knob="plan")))
    assert len(words(d)) == 3, "they stay through each commit"


def test_a_secret_is_not_shown() -> None:
    d = rig(planned("serve"))
    d.put(Value(layer="operator", scope="n1", name="knob", value="hunter2", who="op"))
    locked = load_world(LOCKED, tables(d.world))
    assert [one.words for one in drift_of(locked).settings] == ["node-1 knob: op set a secret; the plan has none"]
    assert "hunter2" not in str(drift_of(locked))


def test_roles_that_stay_and_roles_that_need_a_redeploy() -> None:
    d = rig(planned("os-install", "serve"))
    for name in ("raid-configure", "os-install", "serve"):
        if ("n1", name) in d.world.node_roles:
            d.change(role=name, state=State.ACTIVE, succeeded=True)
            d.change(role=name, ran_hash=inputs_hash(d.world, d.at(name)))
    assert drift_of(d.world) == Drift()
    says(d, "cloud", "debian-13", name="target-os", layer="deployment")
    found = drift_of(d.world)
    why = "its inputs changed since it wrote; only a redeploy takes them"
    assert found.redeploy == (Standing(node="node-1", role="os-install", why=why),)
    assert found.words == "1 setting beside the plan, 1 role needs a redeploy"
    d.feed(Commit(who="op", plan=planned("serve")))
    found = drift_of(d.world)
    assert [(one.node, one.role) for one in found.left] == [("node-1", "os-install"), ("node-1", "raid-configure")]
    assert "it wrote disks" in found.left[0].why
    assert found.words == "1 setting beside the plan, 2 roles left", "what stays needs nothing"


def test_a_comparison_with_an_earlier_revision() -> None:
    d = rig(planned("serve", knob="one"))
    d.feed(Commit(who="op", plan=planned("serve", knob="two")))
    now = planned("serve", knob="two")
    assert (diff(d.world, now).against, diff(d.world, now).apart) == (0, ())
    found = diff(d.world, now, against=1)
    assert (found.same, found.against, found.apart) == (True, 1, ("deployments.cloud.attributes.knob: one -> two",))
    assert diff(d.world, now, against=2).apart == ()
