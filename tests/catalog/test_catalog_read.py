"""What is shipped loads; mistakes in barclamps, images and stages name file, line, path, expectation and nearest word."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from engine import plan as plan_words
from engine.core.plan.network_roles import network_of, network_roles
from engine.core.plan.rules import facts
from engine.core.world.world import World
from engine.definitions import AttributeDef, Catalog, On, Requirement
from engine.files import catalog
from engine.files.catalog import shipped
from engine.files.mistakes import LIMIT, CatalogError
from engine.files.paths import shipped_folder
from engine.model import Node
from engine.plan import Network, Plan, Site

STAGES = shipped_folder("engine") / "stages.yml"


@pytest.fixture(scope="module")
def whole() -> Catalog:
    return shipped()


CLOUD = frozenset(
    (
        "openstack-database openstack-messages openstack-cache openstack-front keystone glance placement "
        "nova-controller nova-compute nova-hosts neutron-server neutron-compute cinder cinder-volume horizon swift-storage swift-rings "
        "swift-servers swift-proxy retriever tempest"
    ).split()
)
"""Roles of OpenStack."""


def test_shipped_roles(whole: Catalog) -> None:
    assert set(whole.roles) == {
        "inventory",
        "lldp",
        "bmc-discover",
        "bios-configure",
        *("bios-bmc", "firmware-bmc"),
        *("raid-discover", "raid-discover-bmc", "raid-bmc", "raid-configure"),
        "os-install",
        "network",
        "log-server",
        "log-client",
        "ntp-server",
        "ntp-client",
        "dns-server",
        "dns-records",
        "dns-client",
        "monitor-server",
        "monitor-client",
        "trends-server",
        "ready",
        "example-motd",
        "etcd-member",
        "etcd-ready",
        *("bmc-account", "bmc-address", "bmc-clock"),
        *("firmware-fwupd", "fwupd-discover"),
        "ansible-python",
        "sysctl",
        "accounts",
        "banner",
        "package-sources",
        "gunicorn-wheels",
        "keystone-wheels",
        "switch-ports",
        "switch-addresses",
        *("san-target", "san-luns", "san-remove", "san-disk"),
        "chassis-slots",
        "about-page",
        "disk-wipe",
        "burn-in-load",
        "burn-in-memory",
        "burn-in-disk",
        "burn-in-write",
        "burn-in-server",
        "burn-in-network",
        "burn-in-errors",
        *CLOUD,
    }


def test_shipped_stages_and_images(whole: Catalog) -> None:
    assert [stage.name for stage in whole.stages] == ["discovery", "hardware", "install", "system"]
    assert [stage.gate for stage in whole.stages] == [False, True, False, False]
    assert [stage.power_cycle for stage in whole.stages] == [True, True, True, False]
    assert {name: image.kind for name, image in whole.images.items() if image.kind != "installer"} == {
        "sledgehammer": "discovery",
        "sledgehammer-arm64": "discovery",
        "debian-12": "system",
        "debian-13": "system",
        "debian-13-cloud": "system",
        "debian-13-compute": "system",
        "debian-13-controller": "system",
        "debian-13-storage": "system",
        "loader": "loader",
    }
    assert {name for name, role in whole.roles.items() if role.destructive} == {
        *("burn-in-write", "disk-wipe", "raid-bmc", "raid-configure", "os-install", "san-remove")
    }
    assert whole.roles["bios-configure"].reverify
    assert whole.roles["bios-configure"].attempts == 3
    assert whole.attributes["credential"].secret


def test_owner_and_implied_requirements(whole: Catalog) -> None:
    assert whole.owner("disks") == "inventory"
    assert whole.owner("hostname") == ""
    assert whole.requirements("raid-configure") == (
        Requirement(role="bios-configure", on=On.SAME),
        Requirement(role="inventory"),
        Requirement(role="raid-discover"),
    )
    assert whole.requirements("ntp-client")[0] == Requirement(role="ntp-server", on=On.ADMIN)
    with pytest.raises(KeyError):
        whole.owner("nothing")


def test_roles_of_networks(whole: Catalog) -> None:
    plan = Plan(site=Site(name="x"), networks={n: Network(name=n, subnet="10.0.0.0/24") for n in ("admin", "storage")})
    full = network_roles(whole, plan)
    assert full.roles.keys() - whole.roles.keys() == {"network-admin", "network-storage"}
    role = full.roles["network-storage"]
    assert (role.scripts, role.barclamp, role.stage, role.verify) == ("network", "network", "system", True)
    assert "abstract" not in role.flags
    assert network_of(role.name) == "storage"
    assert network_of("ready") == ""
    assert network_roles(full, Plan(site=Site(name="x"))).roles.keys() == whole.roles.keys(), "a network that went takes its role"


def test_a_source_makes_attributes_and_a_role(whole: Catalog) -> None:
    made = whole.roles["gunicorn-wheels"]
    assert (made.jig, made.scripts, made.barclamp, made.gives, made.verify) == ("local", "wheels", "source", ("gunicorn-wheels",), True)
    assert [(one.attribute, one.into, one.role) for one in made.collects] == [("gunicorn-source", "source/wanted", "")]
    assert whole.attributes["gunicorn-source"].default == {}
    assert whole.attributes["gunicorn-wheels"].role == "gunicorn-wheels"
    page = whole.roles["about-page"]
    assert {"gunicorn-source", "gunicorn-wheels", "engine-url"} <= set(page.reads)
    assert Requirement(role="gunicorn-wheels", on=On.ADMIN) in whole.requirements("about-page")
    assert page.tools == ("from-source",)
    assert page.packages["debian"] == ("gunicorn", "python3", "python3-venv"), "the packages stay, so that one attribute switches back"


def test_scripts_are_there_and_parse(whole: Catalog) -> None:
    for role in whole.roles.values():
        folder = Path(whole.folders[role.barclamp]) / "roles" / role.name
        found = [one for one in sorted(folder.glob("*")) if one.is_file() and not one.suffix] if folder.is_dir() else []
        for script in found:
            assert subprocess.run(["sh", "-n", str(script)], check=False).returncode == 0, script
            if script.name in ("run", "verify"):
                assert script.read_text().startswith("#!/bin/sh\n")
                assert script.stat().st_mode & 0o111, script


# -- mistakes -----------------------------------------------------------------------------------------------------

HEAD = "barclamp: {name: a, version: 1}\n"


def mistakes(tmp_path: Path, text: str, *scripts: str, stages: Path = STAGES, **others: str) -> list[str]:
    """The lines of the error, with the folder cut off; the shipped barclamps are there too."""
    for name, content in {"a": text, **others}.items():
        (tmp_path / "barclamps" / name).mkdir(parents=True)
        (tmp_path / "barclamps" / name / "barclamp.yml").write_text(content)
    for script in scripts:
        there = tmp_path / "barclamps/a/roles" / script
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text("#!/bin/sh\n")
    with pytest.raises(CatalogError) as caught:
        catalog.read([shipped_folder("barclamps"), tmp_path / "barclamps"], [shipped_folder("images")], stages)
    return str(caught.value).replace(f"{tmp_path}/barclamps/", "").splitlines()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("barclamp: {nam: a, version: 1}\n", "a/barclamp.yml:1: barclamp.nam: unknown key; did you mean 'name'?"),
        ("barclamp: {name: b, version: 1}\n", "a/barclamp.yml:1: barclamp.name: expected the name of its folder, 'a', not 'b'"),
        ("barclamp: {name: a, version: one}\n", "a/barclamp.yml:1: barclamp.version: expected a version like 1 or 2.0.1, not 'one'"),
        (
            "barclamp: {name: a, version: 1, requires: [netwrk]}\n",
            "a/barclamp.yml:1: barclamp.requires.0: unknown barclamp 'netwrk'; did you mean 'network'?",
        ),
        (
            HEAD + "roles:\n  - {name: x, stage: sytem, jig: noop}\n",
            "a/barclamp.yml:3: roles.0.stage: unknown stage 'sytem'; did you mean 'system'?",
        ),
        (
            HEAD + "roles:\n  - {name: x, stage: system, jig: scirpt}\n",
            "a/barclamp.yml:3: roles.0.jig: unknown jig 'scirpt'; did you mean 'script'?",
        ),
        (
            HEAD + "roles:\n  - name: x\n    stage: system\n    jig: noop\n    requires: [{role: ntp-clint, on: same}]\n",
            "a/barclamp.yml:6: roles.0.requires.0.role: unknown role 'ntp-clint'; did you mean 'ntp-client'?",
        ),
        (
            HEAD + "roles:\n  - name: x\n    stage: system\n    jig: noop\n    requires: [{role: ready, on: sme}]\n",
            "a/barclamp.yml:6: roles.0.requires.0.on: expected one of same, peers, deployment, admin, delegate, linked:switch, linked:san, not 'sme'; did you mean 'same'?",
        ),
        (
            HEAD + "roles:\n  - {name: x, stage: system, jig: noop, wants: [disk]}\n",
            "a/barclamp.yml:3: roles.0.wants.0: unknown attribute 'disk'; did you mean 'disks'?",
        ),
        (
            HEAD + "roles:\n  - {name: x, stage: system, jig: noop, flags: [destruktive]}\n",
            "a/barclamp.yml:3: roles.0.flags.0: unknown flag 'destruktive'; did you mean 'destructive'?",
        ),
        (
            HEAD + "roles:\n  - {name: x, stage: system, jig: noop, flags: [destructive]}\n",
            "a/barclamp.yml:3: roles.0.jig: a destructive role needs a jig that keeps attempts apart: agent or script or device or bmc or puppet or chef-solo",
        ),
        (
            HEAD + "roles:\n  - {name: x, stage: system, jig: script}\n",
            "a/barclamp.yml:3: roles.0.name: expected the script roles/x/run, which is missing",
        ),
        (
            HEAD + "sources:\n  - {name: gunicorn}\n",
            "a/barclamp.yml:3: sources.0.name: gunicorn-requirements, gunicorn-source, gunicorn-wheels exist already: give the source another name",
        ),
        (
            HEAD + "sources:\n  - {name: x, requirements: [--index-url=http://x]}\n",
            "a/barclamp.yml:3: sources.0.requirements.0: expected a requirement like alpha or alpha>=2, not '--index-url=http://x'",
        ),
        (
            HEAD + "roles:\n  - {name: x, stage: system, jig: noop, source: gunicorn}\n",
            "a/barclamp.yml:3: roles.0.source: a role that may come from source needs the jig script, which brings the tool from-source to the node",
        ),
        (
            HEAD + "roles:\n  - {name: x, stage: system, jig: noop, reverify: true}\n",
            "a/barclamp.yml:3: roles.0.reverify: a role with reverify needs verify: true",
        ),
        (HEAD + "roles:\n  - {name: ready, stage: system, jig: noop}\n", None),
        (
            HEAD + "roles:\n  - {name: network-x, stage: system, jig: noop}\n",
            "a/barclamp.yml:3: roles.0.name: names that begin with network- are reserved for the networks of a plan",
        ),
        (
            HEAD + "roles:\n  - {name: x, stage: system, jig: noop, timeout: 5 min}\n",
            "a/barclamp.yml:3: roles.0.timeout: expected a duration above 0s like 30s, 15m, 1h or 2d, not '5 min'",
        ),
        (
            HEAD + "roles:\n  - {name: x, stage: hardware, jig: noop, requires: [ready]}\n",
            "a/barclamp.yml:3: roles.0.requires: role 'x' of stage 'hardware' would wait for 'ready' of later stage 'system'",
        ),
        (HEAD + "attributes:\n  - {name: q, schema: {type: intger}}\n", None),
        (
            HEAD + "attributes:\n  - {name: q, schema: {type: integer}, default: x}\n",
            "a/barclamp.yml:3: attributes.0.default: expected a whole number, not 'x'",
        ),
        (
            HEAD + "attributes:\n  - {name: q, schema: {$ref: 'http://x/y'}}\n",
            "a/barclamp.yml:3: attributes.0.schema: a schema may refer to parts of itself only ($ref: '#/...')",
        ),
        (
            HEAD + "attributes:\n  - {name: q, schema: {}, secret: true, default: x}\n",
            "a/barclamp.yml:3: attributes.0.default: a secret has no default: its value comes from the plan's secrets, or from crowbar set",
        ),
        (
            HEAD + "attributes:\n  - {name: q, path: disks/count, schema: {}}\n",
            "a/barclamp.yml:3: attributes.0.path: path 'disks/count' overlaps the path of attribute 'disks', 'disks'",
        ),
        (HEAD + "attributes:\n  - {name: disks, schema: {}}\n", None),
    ],
)
def test_one_mistake(tmp_path: Path, text: str, line: str | None) -> None:
    found = mistakes(tmp_path, text)
    assert len(found) == 1
    if line is None:
        assert "a/barclamp.yml:3:" in found[0]
    else:
        assert found == [line]


def test_a_schema_that_is_none_is_told_at_its_word(tmp_path: Path) -> None:
    text = HEAD + "attributes:\n  - name: q\n    schema:\n      type: object\n      properties:\n        x: {type: intger}\n"
    found = mistakes(tmp_path, text)
    assert found[0].startswith("a/barclamp.yml:7: attributes.0.schema.properties.x.type: this is not a JSON Schema")
    assert found[0].endswith("did you mean 'integer'?")


def test_scripts_and_verify_agree(tmp_path: Path) -> None:
    text = HEAD + "roles:\n  - {name: x, stage: system, jig: script}\n  - {name: y, stage: system, jig: script, verify: true}\n"
    assert mistakes(tmp_path, text, "x/run", "x/verify", "y/run") == [
        "a/barclamp.yml:3: roles.0.name: the script roles/x/verify exists, but the role lacks verify: true",
        "a/barclamp.yml:4: roles.1.verify: expected the script roles/y/verify, which is missing",
    ]


def test_roles_that_wait_for_each_other(tmp_path: Path) -> None:
    roles = "roles:\n"
    for name, needs in (("x", "y"), ("y", "z"), ("z", "x")):
        roles += f"  - {{name: {name}, stage: system, jig: noop, requires: [{needs}]}}\n"
    assert mistakes(tmp_path, HEAD + roles) == ["a/barclamp.yml:3: roles.0: these roles would wait for each other: x -> y -> z -> x"]


def test_a_circle_by_attribute_and_by_precedes(tmp_path: Path) -> None:
    text = (
        HEAD + "attributes: [{name: q, schema: {}}]\nroles:\n"
        "  - {name: x, stage: system, jig: local, gives: [q], requires: [y]}\n"
        "  - {name: y, stage: system, jig: noop, wants: [q]}\n"
        "  - {name: u, stage: system, jig: noop, precedes: [v]}\n"
        "  - {name: v, stage: system, jig: noop, precedes: [u]}\n"
    )
    found = mistakes(tmp_path, text, "x/run")
    assert len(found) == 2
    assert "u -> v -> u" in " ".join(found)
    assert "x -> y -> x" in " ".join(found)


def test_provided_roles_are_known(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/barclamp.yml").write_text(
        HEAD + "roles:\n  - {name: x, stage: system, jig: noop, provides: [clock]}\n"
        "  - {name: y, stage: system, jig: noop, requires: [clock], conflicts: [x]}\n"
    )
    assert catalog.read([tmp_path], [], STAGES).roles["y"].requires[0].role == "clock"


def test_mistakes_are_bounded_and_come_from_all_files(tmp_path: Path) -> None:
    many = HEAD + "roles:\n" + "".join(f"  - {{name: x{i}, stage: no, jig: noop}}\n" for i in range(50))
    assert len(mistakes(tmp_path, many)) == LIMIT
    (tmp_path / "two").mkdir()
    both = mistakes(tmp_path / "two", "barclamp: 1\n", b="barclamp: [\n")
    assert [line.split(":")[0] for line in both] == ["a/barclamp.yml", "b/barclamp.yml"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "stages: [{name: a, doing: b, done: c, runs: sledgehamer}]",
            "1: stages.0.runs: expected one of sledgehammer, installed, not 'sledgehamer'; did you mean 'sledgehammer'?",
        ),
        (
            "stages: [{name: a, doing: b, done: c, runs: installed}, {name: d, doing: b, done: c, runs: sledgehammer}]",
            "1: stages.1.runs: a stage in sledgehammer cannot follow a stage in the installed system",
        ),
        ("stages: []", "1: expected at least one stage"),
        ("stage: []", "1: stage: unknown key; did you mean 'stages'?"),
        (
            "stages: [{name: a, doing: b, done: c, runs: installed}, {name: a, doing: b, done: c, runs: installed}]",
            "1: stages.1.name: stage 'a' already exists",
        ),
    ],
)
def test_stages(tmp_path: Path, text: str, line: str) -> None:
    file = tmp_path / "stages.yml"
    file.write_text(text)
    with pytest.raises(CatalogError) as caught:
        catalog.read([], [], file)
    assert str(caught.value) == f"{file}:{line}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{name: i, kind: system, files: {rot: x}}", "1: files.rot: unknown key; did you mean 'root'?"),
        ("{name: i, kind: system, files: {root: ../x}}", "1: files.root: expected a file name, not '../x'"),
        (
            "{name: i, kind: discovery, files: {kernel: k, initrd: i}, arguments: ['a b']}",
            "1: arguments.0: expected a kernel argument without spaces, quotes or $, not 'a b'",
        ),
        ("{name: i, kind: system, files: {root: x}, synthetic: {y: 1}}", "1: synthetic.y: unknown file 'y'; known: x"),
        (
            "{name: i, kind: system, files: {root: x}, synthetic: {x: much}}",
            "1: synthetic.x: expected a size like 1048576, 512 KiB or 20 MiB, not 'much'",
        ),
        (
            "{name: i, kind: system, files: {root: x}, method: preseed}",
            "1: method: an installer needs 'method', and only an installer may have it",
        ),
        (
            "{name: i, kind: installer, files: {kernel: k, initrd: i}, installs: d, method: preseed}",
            "1: kind: an installer needs 'answers', and only an installer may have it",
        ),
        (
            "{name: i, kind: installer, files: {kernel: k, initrd: i}, installs: d, method: preesed, answers: {a: kickstart.j2}}",
            "1: method: expected one of preseed, autoinstall, kickstart, not 'preesed'; did you mean 'preseed'?",
        ),
        (
            "{name: i, kind: installer, files: {kernel: k, initrd: i}, installs: d, method: preseed, answers: {a: none.j2}}",
            "1: answers.a: there is no template 'none.j2' in the image's folder, nor in images/answers",
        ),
        (
            "{name: i, kind: installer, files: {kernel: k, initrd: i}, installs: d, method: preseed, answers: {a: kickstart.j2}, arguments: ['{x}']}",
            "1: arguments.0: expected a kernel argument without spaces, quotes or $, not '{x}'",
        ),
        (
            "{name: i, kind: installer, files: {kernel: k, initrd: i}, installs: d, method: preseed, answers: {a: kickstart.j2}, mirror: 'ftp://x'}",
            "1: mirror: expected a URL, not 'ftp://x'",
        ),
    ],
)
def test_images(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "i").mkdir()
    (tmp_path / "i/image.yml").write_text(text)
    with pytest.raises(CatalogError) as caught:
        catalog.read([], [tmp_path], STAGES)
    assert str(caught.value).splitlines()[0] == f"{tmp_path}/i/image.yml:{line}"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CatalogError) as caught:
        catalog.read([], [], tmp_path / "none.yml")
    assert "cannot read the file: No such file" in str(caught.value)


def test_what_is_shipped_travels_in_the_wheel() -> None:
    """The build takes the four packages; the data must be inside them."""
    text = (shipped_folder("engine").parent / "pyproject.toml").read_text()
    assert 'packages = ["crowbar_tui", "engine", "barclamps", "images"]' in text


def test_rules_know_the_facts_that_plans_may_name(whole: Catalog) -> None:
    world = World.new(whole)
    assert facts(world, Node(id="n1", name="m1")).keys() == plan_words.FACTS.keys()


@pytest.mark.parametrize(
    ("keys", "wrong"),
    [
        ("stage: system, jig: local, watch: 20s", "a role with watch needs verify: true"),
        ("stage: system, jig: local, verify: true, watch: 1s", "expected 5s or more: each look costs the node some work"),
        (
            "stage: hardware, jig: agent, verify: true, watch: 20s",
            "a role that destroys data, or that runs in sledgehammer, is not watched",
        ),
    ],
)
def test_what_cannot_be_watched(tmp_path: Path, keys: str, wrong: str) -> None:
    scripts = ("x/run", "x/verify") if "verify" in keys else ("x/run",)
    found = mistakes(tmp_path, HEAD + f"roles:\n  - {{name: x, {keys}}}\n", *scripts)
    assert found == [f"a/barclamp.yml:3: roles.0.watch: {wrong}"]


@pytest.mark.parametrize("attribute", shipped().attributes.values(), ids=lambda one: one.name)
def test_a_shipped_schema_is_right_and_its_default_fits(attribute: AttributeDef) -> None:
    """The program takes both as they are: to look at them would take longer than to read all barclamps."""
    Draft202012Validator.check_schema(attribute.schema)
    if attribute.default is not None and not attribute.generate:
        Draft202012Validator(attribute.schema).validate(attribute.default)
