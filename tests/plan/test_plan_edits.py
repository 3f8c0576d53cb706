"""The text of one deployment is read as a part of its plan, and a commit of edits makes a usable plan or none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))

from world_rig import WorldRig

from engine.core.plan.diff import Diff
from engine.events import Commit, Propose
from engine.files.catalog import shipped
from engine.files.mistakes import PlanError
from engine.files.plan_deployments import read_deployment
from engine.files.plan_edits import _outline, as_in_revision, diff_edits, edited, refused
from engine.files.plan_file import read, write
from engine.files.plan_write import write_deployment
from engine.plan import DeploymentDef, Plan
from engine.reasons import Reason, sentence

CATALOG = shipped()
PLAN = """\
crowbar: 1
site: {name: r1, admin: {address: 10.0.0.1}}
networks: {admin: {subnet: 10.0.0.0/24, ranges: {dhcp: 10.0.0.21-10.0.0.80, host: 10.0.0.101-10.0.0.250}}}
racks: [{name: r1, places: {10: {}, 11: {}}}]
machines: [{serial: S1, bmc: {address: 10.0.0.9}}]
rules:
  - {match: {rack: r1, place: 10}, group: control, name: "control-{place}"}
  - {match: {rack: r1, place: 11}, group: compute, attributes: {target-os: debian-13}}
  - {match: {}, group: compute, attributes: {target-os: debian-12}}
  - {match: {}, name: "n-{number}"}
deployments:
  cloud: {attributes: {target-os: debian-12}, roles: {ready: {group: control}}}
  leaf: {parent: cloud}
"""


def plan_of(text: str = PLAN) -> Plan:
    return read(text, "plan.yml", CATALOG)


def rig() -> WorldRig:
    return WorldRig(CATALOG, plan_of())


@pytest.mark.parametrize(
    ("name", "text", "mistake"),
    [
        ("cloud", "", "f.yml:1: expected a document; the file is empty"),
        ("cloud", "- a", "f.yml:1: deployments.cloud: expected a map with attributes, parent, roles, not a list"),
        ("cloud", "\nrolls: {}", "f.yml:2: deployments.cloud.rolls: unknown key; did you mean 'roles'?"),
        ("cloud", "roles:\n  redy: all", "f.yml:2: deployments.cloud.roles.redy: unknown role 'redy'; did you mean 'ready'?"),
        (
            "cloud",
            "roles: {ready: {group: contrl}}",
            "deployments.cloud.roles.ready.group: unknown group 'contrl'; did you mean 'control'?",
        ),
        ("cloud", "attributes: {target-os: debian-99}", "deployments.cloud.attributes.target-os: unknown image 'debian-99'"),
        ("cloud", "attributes: {credential: x}", "deployments.cloud.attributes.credential: a secret is a reference"),
        ("cloud", "parent: leef", "deployments.cloud.parent: unknown deployment 'leef'"),
        ("cloud", "parent: cloud", "f.yml:1: deployments.cloud.parent: a deployment is not its own parent"),
        ("cloud", "parent: [", "this is not YAML"),
        ("cloud", "a: &a [x]\nb: *a", "f.yml:"),
        ("system", "parent: cloud", "deployments.system.parent: unknown key; known: attributes"),
        ("Cloud", "{}", "expected a deployment's name, not 'Cloud'"),
        ("../x", "{}", "expected a deployment's name, not '../x'"),
    ],
)
def test_a_mistake_has_its_line_and_path(name: str, text: str, mistake: str) -> None:
    with pytest.raises(PlanError) as error:
        read_deployment(text, "f.yml", name, plan_of(), ["cloud", "leaf"], CATALOG)
    assert mistake.split("; ")[0] in str(error.value)
    told = edited(rig().world, name, text, "f.yml")
    assert isinstance(told, Reason)
    assert told.code == "bad_plan"


_SELECTORS = st.lists(st.sampled_from(("all", "admin", "group:control", "node:n-1")), min_size=1, unique=True).map(tuple)


@settings(max_examples=60, deadline=None)
@given(
    st.builds(
        lambda parent, roles, os: DeploymentDef(name="cloud", parent=parent, roles=roles, attributes={"target-os": os} if os else {}),
        st.sampled_from(("system", "leaf")),
        st.dictionaries(st.sampled_from(("ready", "ntp-client", "etcd-member")), _SELECTORS),
        st.sampled_from(("", "debian-12", "debian-13")),
    )
)
def test_what_is_written_is_read_back(one: DeploymentDef) -> None:
    assert read_deployment(write_deployment(one), "f.yml", "cloud", plan_of(), ["leaf"], CATALOG) == one


def test_the_outline_has_all_that_an_edit_can_contradict() -> None:
    plan = plan_of()
    outline = _outline(plan)
    assert read(write(outline), "plan", CATALOG) == outline
    assert [rule.group for rule in outline.rules] == ["control", "compute"]
    assert (outline.deployments, outline.networks) == (plan.deployments, plan.networks)


def test_an_edit_for_a_group_that_is_gone_is_refused_and_the_preview_says_so() -> None:
    d = rig()
    d.feed(Propose(who="ann", deployment="leaf", wanted=DeploymentDef(name="leaf", parent="cloud", roles={"ready": ("group:compute",)})))
    assert refused(d.world, ("leaf",)) is None
    plan = plan_of()
    d.feed(Commit(who="bob", plan=replace(plan, rules=plan.rules[:1])))
    reason = refused(d.world, ("leaf",))
    assert reason is not None
    assert "deployments.leaf.roles.ready.group: unknown group 'compute'" in sentence(reason)
    shown = diff_edits(d.world, ("leaf",))
    assert isinstance(shown, Diff)
    assert (shown.refused, shown.same, shown.revision) == (reason, False, 3)


def test_a_revision_has_its_definition() -> None:
    d = rig()
    d.feed(Commit(who="bob", plan=replace(plan_of(), deployments={}, attributes={"target-os": "debian-13"})))
    assert as_in_revision(d.world, "cloud", 1) == plan_of().deployments["cloud"]
    assert as_in_revision(d.world, "cloud", 2) is None
    assert as_in_revision(d.world, "system", 2) == DeploymentDef(name="system", parent="", attributes={"target-os": "debian-13"})
    gone = as_in_revision(d.world, "cloud", 10**4000)
    assert isinstance(gone, Reason)
    assert len(str(gone.fields["name"])) == 20
