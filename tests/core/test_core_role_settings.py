"""Settings of node roles in a plan: what the rules choose for one role of a node, and what `plan save` writes of them."""

from __future__ import annotations

from typing import Any

from catalogs import catalog, plan, role
from world_rig import WorldRig

from engine.core.plan.diff import diff
from engine.core.plan.save import saved
from engine.core.roles.attributes import effective, layers
from engine.definitions import Json
from engine.effects import Accept, Refuse
from engine.events import Commit, Operate, SetAttribute
from engine.model import State
from engine.plan import Plan, RoleSettings, Rule
from engine.reasons import sentence
from engine.requests import Asker, Request

SERVE, WATCH = role("serve", "system", wants=["knob", "other"]), role("watch", "system", wants=["knob"])
CATALOG = catalog(SERVE, WATCH, defaults={"knob": "default"})
CATALOG_OF_FACTS = catalog(role("inventory", "discovery", flags=["discovery"], gives=("cpus",)), SERVE, WATCH, defaults={"knob": "default"})


def planned(serve: Json = None, node: Json = None, roles: tuple[str, ...] = ("serve", "watch")) -> Plan:
    """A plan whose only rule gives `knob` to role serve, and to the whole node; None: not there."""
    settings = {} if serve is None else {"serve": RoleSettings(attributes={"knob": serve})}
    rule = Rule(name="node-{number}", attributes={} if node is None else {"knob": node}, roles=settings)
    return plan(dict.fromkeys(roles, ("all",)), rules=(rule,))


def rig(wanted: Plan) -> WorldRig:
    d = WorldRig(CATALOG, wanted)
    d.server("n1", stage="system", runs="debian-12", serial="SN1")
    d.feed(Operate(who="op", verb="allocate", node="n1"))
    assert d.node().allocated
    return d


def says(d: WorldRig, scope: str, value: Json = None, layer: Any = "operator", name: str = "knob") -> Accept | Refuse:
    d.feed(
        SetAttribute(request=Request(Asker.OPERATOR, 7), who="op", layer=layer, scope=scope, name=name, value=value, clear=value is None)
    )
    (answer,) = [e for e in d.effects if isinstance(e, Accept | Refuse)]
    return answer


def knobs(d: WorldRig) -> tuple[Json, Json]:
    """As serve and watch see it."""
    return effective(d.world, d.at("serve"), "knob"), effective(d.world, d.at("watch"), "knob")


def test_only_that_role_sees_it_and_it_wins_over_the_nodes() -> None:
    assert knobs(rig(planned(serve="s"))) == ("s", "default")
    d = rig(planned(serve="s", node="n"))
    assert knobs(d) == ("s", "n")
    assert list(layers(d.world, d.at("serve"), "knob")) == [
        ("default", "", "default"),
        ("rule", "plan", "n"),
        ("rule", "plan", "s"),
    ]
    assert d.reload().attributes == d.world.attributes


def test_the_first_rule_that_sets_it_wins_for_each_attribute() -> None:
    first = Rule(match={"serial": "SN1"}, roles={"serve": RoleSettings(attributes={"knob": "mine"})})
    both = Rule(roles={"serve": RoleSettings(attributes={"knob": "all", "other": 1})})
    d = rig(plan({"serve": ("all",), "watch": ("all",)}, rules=(first, both)))
    assert (knobs(d)[0], effective(d.world, d.at("serve"), "other")) == ("mine", 1)


def test_an_operators_value_stays_above_and_taking_it_back_uncovers_the_plans() -> None:
    d = rig(planned(serve="s"))
    answer = says(d, "n1/serve")
    assert isinstance(answer, Refuse)
    assert answer.reason.code == "set_by_plan"
    assert "the plan sets knob of serve on" in sentence(answer.reason)
    for layer, scope in (("operator", "n1/serve"), ("operator", "n1"), ("role", "n1/serve")):
        says(d, scope, "mine", layer=layer)
        d.feed(Commit(who="op", plan=planned(serve="newer")))
        assert knobs(d)[0] == "mine"
        says(d, scope, layer=layer)
        assert knobs(d)[0] == "newer"


def test_a_commit_changes_it_and_the_preview_lists_that() -> None:
    d = rig(planned(serve="s"))
    found = diff(d.world, planned(serve="t"))
    assert [one.words for one in found.chosen] == ["serve/knob: s -> t"]
    d.feed(Commit(who="op", plan=planned(serve="t")))
    assert knobs(d) == ("t", "default")
    assert diff(d.world, planned(serve="t")).same
    assert [one.words for one in diff(d.world, planned()).chosen] == ["serve/knob: t -> nothing"]
    d.feed(Commit(who="op", plan=planned()))
    assert knobs(d) == ("default", "default")


def test_it_goes_with_the_role_and_comes_back_with_it() -> None:
    d = rig(planned(serve="s"))
    for _ in range(2):
        d.feed(Commit(who="op", plan=planned(serve="s", roles=("watch",))))
        assert ("n1", "serve") not in d.world.node_roles
        assert not [key for key in d.world.attributes if key[1] == "n1/serve"]
        assert diff(d.world, planned(serve="s", roles=("watch",))).same
    d.feed(Commit(who="op", plan=planned(serve="s")))
    assert knobs(d)[0] == "s"
    d.feed(Operate(who="op", verb="delete", node="n1"))
    assert not [key for key in d.world.attributes if key[1].startswith("n1/")]


def test_a_redeploy_reads_the_rules_for_the_roles_too() -> None:
    small, big = {"cpus": {"max": 4}}, {"cpus": {"min": 5}}
    rules = tuple(
        Rule(match=match, roles={"serve": RoleSettings(attributes={"knob": name})}) for name, match in (("small", small), ("big", big))
    )
    d = WorldRig(CATALOG_OF_FACTS, plan({"serve": ("all",), "watch": ("all",)}, rules=rules))
    d.server("n1", stage="system", runs="debian-12")
    d.role("inventory", state=State.ACTIVE, gave={"cpus": 2})
    d.feed(Operate(who="op", verb="allocate", node="n1"))
    assert knobs(d)[0] == "small"
    d.change(role="inventory", gave={"cpus": 8})
    assert knobs(d)[0] == "small"
    d.feed(Operate(who="op", verb="redeploy", node="n1"))
    assert knobs(d)[0] == "big"


# -- save ----------------------------------------------------------------------------------------------------------


def replayed(d: WorldRig) -> WorldRig:
    """Another rack with the same machine, under the plan that was saved of this one."""
    kept = saved(d.world)
    assert kept is not None
    found = rig(kept)
    assert diff(found.world, kept).same
    assert saved(found.world) == kept
    return found


def test_a_saved_plan_has_what_an_operator_set_for_a_role() -> None:
    for layer in ("operator", "role"):
        d = rig(planned(serve="s"))
        says(d, "n1/serve", "mine", layer=layer)
        assert knobs(replayed(d)) == ("mine", "default")


def test_a_saved_plan_gives_every_role_the_value_that_it_has_now() -> None:
    """An operator's value for the node stands above the rules' value for one of its roles."""
    d = rig(planned(serve="s"))
    says(d, "n1", "mine")
    assert knobs(d) == ("mine", "mine")
    assert knobs(replayed(d)) == ("mine", "mine")
    says(d, "n1/watch", "watched")
    assert knobs(replayed(d)) == knobs(d) == ("mine", "watched")


def test_a_value_that_the_role_does_not_read_is_not_saved() -> None:
    d = rig(planned())
    says(d, "n1/watch", "lost", name="other")
    kept = saved(d.world)
    assert kept is not None
    assert not [rule for rule in kept.rules if rule.roles]
