"""What the text of a plan says of owners: deployments that own nodes and networks."""

from __future__ import annotations

import pytest
from msgspec import structs

from engine.definitions import Requirement, RoleDef
from engine.files.catalog import shipped
from engine.files.plan_file import PlanError, read, write

TEXT = """\
crowbar: 1
site: {name: r07, admin: {address: 10.0.0.10}}
networks:
  admin: {subnet: 10.0.0.0/24}
  storage: {subnet: 10.0.1.0/24, deployment: left}
rules:
  - {match: {serial: A}, name: alpha, deployment: left}
  - {match: {serial: B}, name: beta}
  - {match: {serial: C}, name: gamma, deployment: low}
  - {match: {}, name: "node-{serial}", deployment: base}
deployments:
  base: {roles: {ready: all}}
  left: {parent: base, roles: {network-storage: all, ready: {node: gamma}}}
  low: {parent: left, roles: {network-storage: {node: alpha}}}
  right: {parent: base, roles: {ready: {node: beta}}}
"""
CATALOG = shipped()


def mistakes(old: str, new: str) -> list[str]:
    assert TEXT.count(old) == 1
    with pytest.raises(PlanError) as caught:
        read(TEXT.replace(old, new), "plan.yml", CATALOG)
    return [str(one).removeprefix("plan.yml:") for one in caught.value.mistakes]


def test_a_plan_with_owners_is_read_and_comes_back() -> None:
    plan = read(TEXT, "plan.yml", CATALOG)
    assert [rule.deployment for rule in plan.rules] == ["left", "", "low", "base"]
    assert {name: one.deployment for name, one in plan.networks.items()} == {"admin": "", "storage": "left"}
    assert read(write(plan), "plan.yml", CATALOG) == plan


def test_the_root_may_own_what_all_need() -> None:
    text = TEXT.replace("admin: {subnet: 10.0.0.0/24}", "admin: {subnet: 10.0.0.0/24, deployment: system}")
    assert read(text, "plan.yml", CATALOG).networks["admin"].deployment == "system"


OWNED = "which only deployment 'left' and those below it may use"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: alpha, deployment: left", "name: alpha, deployment: lft", "7: rules.0.deployment: unknown deployment 'lft'; did you mean 'left'?"),
        ("1.0/24, deployment: left", "1.0/24, deployment: lef", "5: networks.storage.deployment: unknown deployment 'lef'; did you mean 'left'?"),
        (
            "admin: {subnet: 10.0.0.0/24}",
            "admin: {subnet: 10.0.0.0/24, deployment: base}",
            "4: networks.admin.deployment: each node needs network 'admin', so no deployment below system can own it",
        ),
        (
            "{ready: all}",
            "{ready: all, network-storage: all}",
            f"12: deployments.base.roles.network-storage: this is the role of network 'storage', {OWNED}",
        ),
        (
            "{ready: {node: beta}}",
            "{ready: all, network-storage: all}",
            f"15: deployments.right.roles.network-storage: this is the role of network 'storage', {OWNED}",
        ),
        (
            "{ready: {node: beta}}",
            "{ready: [{node: beta}, {node: alpha}]}",
            "15: deployments.right.roles.ready.1.node: node 'alpha' belongs to deployment 'left' (rule 1), "
            "which is neither above nor below 'right'",
        ),
        (
            "{ready: {node: beta}}",
            "{ready: {node: gamma}}",
            "15: deployments.right.roles.ready.node: node 'gamma' belongs to deployment 'low' (rule 3), "
            "which is neither above nor below 'right'",
        ),
    ],
)  # fmt: skip
def test_what_belongs_elsewhere_is_refused_with_its_line(old: str, new: str, said: str) -> None:
    assert mistakes(old, new) == [said]


def test_an_owner_that_the_plan_no_longer_has_is_unknown_on_each_line_that_names_it() -> None:
    found = mistakes("  low: {parent: left, roles: {network-storage: {node: alpha}}}\n", "")
    assert found == ["9: rules.2.deployment: unknown deployment 'low'; known: base, left, right, system"]


@pytest.mark.parametrize(
    "rules",
    [
        "{match: {serial: A}, name: alpha}, {match: {memory: {min: 1}}, deployment: left}",
        "{match: {memory: {min: 1}}, deployment: right}, {match: {serial: A}, name: alpha, deployment: left}",
        "{match: {memory: {min: 1}}, name: other}, {match: {serial: A}, name: alpha, deployment: left}",
        '{match: {serial: A}, name: "alph{number}", deployment: left}',
    ],
)
def test_an_owner_that_depends_on_the_facts_is_left_to_the_commit(rules: str) -> None:
    text = f"""\
crowbar: 1
site: {{name: r07, admin: {{address: 10.0.0.10}}}}
networks: {{admin: {{subnet: 10.0.0.0/24}}}}
rules: [{rules}]
deployments: {{left: {{}}, right: {{roles: {{ready: {{node: alpha}}}}}}}}
"""
    read(text, "plan.yml", CATALOG)


def test_a_role_that_requires_the_network_is_named_unless_the_plan_places_it_elsewhere() -> None:
    roles = {
        name: RoleDef(name=name, barclamp="swift", stage="system", jig="noop", requires=(Requirement(role=needs),))
        for name, needs in (("fabric", "network-storage"), ("mesh", "fabric"))
    }
    catalog = structs.replace(CATALOG, roles={**CATALOG.roles, **roles})
    text = TEXT.replace("{ready: {node: beta}}", "{mesh: all}")
    with pytest.raises(PlanError) as caught:
        read(text, "plan.yml", catalog)
    (said,) = map(str, caught.value.mistakes)
    assert said == f"plan.yml:15: deployments.right.roles.mesh: role 'fabric' requires network 'storage', {OWNED}"
    read(text.replace("{network-storage: {node: alpha}}", "{fabric: all}"), "plan.yml", catalog)
