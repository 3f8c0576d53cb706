"""A site's own stages: what the engine relies on is refused by name; added stages bring a rack up."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from msgspec import structs

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))

from catalogs import plan
from clamp_rig import folder
from rack import Rack

from crowbar_tui.cli import main
from engine.api.barclamps import from_path, import_source, site_catalog
from engine.core.plan.follow import unfit
from engine.core.roles.stages import node_state
from engine.core.world.load import load_world
from engine.doctor.probes import RealProbes
from engine.effects import Start
from engine.files import plan_file
from engine.files.catalog import shipped
from engine.files.mistakes import CatalogError, PlanError
from engine.files.paths import shipped_folder
from engine.model import Kind
from engine.views.summary import node_why

DISCOVERY, HARDWARE, INSTALL, SYSTEM = (
    line + "\n" for line in (shipped_folder("engine") / "stages.yml").read_text().splitlines() if line.startswith("  - ")
)
BURN_IN = "  - {name: burn-in, doing: testing, done: tested, runs: sledgehammer}\n"
ACCEPT = "  - {name: acceptance, doing: accepting, done: ready, runs: installed, power-cycle: false}\n"
CONFIGURED = SYSTEM.replace("done: ready", "done: configured")
ROLES = b"""\
barclamp: {name: burn, version: 1}
roles:
  - {name: burn-in, stage: burn-in, jig: agent, requires: [{role: raid-configure, on: same}]}
  - {name: accepted, stage: acceptance, jig: script, requires: [{role: ready, on: same}, {role: burn-in, on: same}]}
"""
SCRIPT = b"#!/bin/sh\nexit 0\n"


@pytest.fixture()
def store(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


def stages(store: Path, *lines: str) -> Path:
    file = store / "stages.yml"
    file.write_text("stages:\n" + "".join(lines))
    return file


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            (DISCOVERY, HARDWARE, SYSTEM),
            "1: expected the stage 'install', which is missing: nothing else brings a server to a system of its own",
        ),
        (
            (DISCOVERY, HARDWARE, INSTALL, ACCEPT),
            "1: expected the stage 'system', which is missing: the roles of the admin node and of installed servers run in it",
        ),
        (
            (DISCOVERY, INSTALL, SYSTEM),
            "1: expected gate: true at one stage from the second to 'install': without it nobody has to allocate a server",
        ),
        (
            (HARDWARE, DISCOVERY, INSTALL, SYSTEM),
            "2: stages.0.name: expected 'discovery' as the first stage, not 'hardware': every server is discovered first",
        ),
        (
            (DISCOVERY, HARDWARE.replace(", gate: true", ""), INSTALL, SYSTEM),
            "1: expected gate: true at one stage from the second to 'install': without it nobody has to allocate a server",
        ),
        (
            (DISCOVERY, HARDWARE, INSTALL.replace("}", ", gate: true}"), SYSTEM),
            "4: stages.2.gate: stage 'hardware' already is the gate, and there is one",
        ),
        (
            (DISCOVERY.replace("}", ", gate: true}"), HARDWARE.replace(", gate: true", ""), INSTALL, SYSTEM),
            "2: stages.0.gate: the first stage cannot be the gate: a server is allocated after it was discovered",
        ),
        (
            (DISCOVERY, HARDWARE.replace(", gate: true", ""), INSTALL, SYSTEM.replace("}", ", gate: true}")),
            "5: stages.3.gate: the gate cannot be behind 'install': a server would be installed before anybody allocated it",
        ),
        (
            (DISCOVERY, HARDWARE.replace(", gate: true", ""), INSTALL.replace("}", ", gate: true}"), SYSTEM),
            "3: stages.1: stage 'hardware' comes before the gate, and its role 'burn-in-write' destroys data",
        ),
        (
            (
                DISCOVERY.replace("sledgehammer", "installed"),
                *(one.replace("sledgehammer", "installed") for one in (HARDWARE, INSTALL)),
                SYSTEM,
            ),
            "2: stages.0.runs: expected sledgehammer: a server is discovered before it has a system",
        ),
        (
            (DISCOVERY, HARDWARE, INSTALL, SYSTEM, BURN_IN),
            "6: stages.4.runs: a stage in sledgehammer cannot follow a stage in the installed system",
        ),
        ((DISCOVERY, HARDWARE, INSTALL, SYSTEM, ACCEPT), "5: stages.3.done: only the last stage, 'acceptance', ends in the state 'ready'"),
        ((DISCOVERY, HARDWARE, INSTALL, CONFIGURED), "5: stages.3.done: expected 'ready': a server whose last stage is done is ready"),
        (
            (DISCOVERY, HARDWARE, BURN_IN.replace("testing", "installing"), INSTALL, SYSTEM),
            "5: stages.3.doing: state 'installing' already belongs to stage 'burn-in'",
        ),
        (
            (DISCOVERY, HARDWARE, BURN_IN.replace("testing", "problem"), INSTALL, SYSTEM),
            "4: stages.2.doing: the engine itself uses the state 'problem'",
        ),
        ((DISCOVERY, HARDWARE, BURN_IN.replace("doing", "dong"), INSTALL, SYSTEM), "4: stages.2.dong: unknown key; did you mean 'doing'?"),
        (
            (
                DISCOVERY,
                HARDWARE,
                *(
                    BURN_IN.replace("burn-in", f"b{c}").replace("testing", f"{c}ing").replace("tested", f"{c}ed")
                    for c in "abcdefghijklmnopq"
                ),
                INSTALL,
                SYSTEM,
            ),
            "1: expected at most 20 stages, not 21",
        ),
    ],
)
def test_what_the_engine_relies_on(store: Path, lines: tuple[str, ...], said: str) -> None:
    file = stages(store, *lines)
    with pytest.raises(CatalogError) as caught:
        site_catalog(store)
    assert str(caught.value).splitlines()[0] == f"{file}:{said}"


def test_hardware_cannot_follow_install(store: Path) -> None:
    gate = ", gate: true"
    stages(store, DISCOVERY, INSTALL.replace("}", f"{gate}}}"), HARDWARE.replace(gate, ""), SYSTEM)
    with pytest.raises(
        CatalogError, match="role 'os-install' of stage 'install' would wait for 'raid-configure' of later stage 'hardware'"
    ):
        site_catalog(store)


GATED = INSTALL.replace("}", ", gate: true}")
WITHOUT_HARDWARE = (DISCOVERY, GATED, SYSTEM)
BURN_IN_ROLES = {f"burn-in-{part}" for part in ("load", "memory", "disk", "write", "server", "network", "errors")}
OF_HARDWARE = {"raid-discover", "raid-configure", "bios-configure", "bmc-account", "bmc-address", "bmc-clock"}


def rack_of(store: Path, roles: dict[str, tuple[str, ...]] | None = None, nodes: int = 2, check: bool = True) -> Rack:
    made = Rack(site_catalog(store), plan(roles or {"ready": ("all",)}), nodes=nodes, seed=4, check=check)
    made.behaviour["bios-configure"] = "bios"
    return made


def again(rack: Rack, store: Path) -> None:
    """The same store, with the site's stages of now."""
    rack.catalog = site_catalog(store)
    rack.restart()


def well(rack: Rack) -> None:
    assert rack.run(), "\n".join(rack.state())
    rack.indexes_agree()
    assert {node_state(rack.world, n) for n in rack.world.nodes.values() if n.kind is Kind.SERVER} == {"ready"}


def test_a_rack_without_the_hardware_stage_becomes_ready(store: Path) -> None:
    stages(store, *WITHOUT_HARDWARE)
    rack = rack_of(store)
    well(rack)
    bound = {key[1] for key in rack.world.node_roles}
    assert "os-install" in bound
    assert not bound & OF_HARDWARE
    by_bmc = {"bios-bmc", "firmware-bmc", "raid-discover-bmc", "raid-bmc", "fwupd-discover", "firmware-fwupd"}
    assert rack.catalog.left_out.keys() == {*OF_HARDWARE, "disk-wipe", *BURN_IN_ROLES, *by_bmc}
    assert rack.machines[0].wipes == {"os-install": 1}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (WITHOUT_HARDWARE, ["leaves out hardware", "changes install"]),
        ((DISCOVERY, HARDWARE, BURN_IN, INSTALL, SYSTEM), ["adds burn-in after hardware"]),
        ((DISCOVERY, HARDWARE, INSTALL, SYSTEM), []),
    ],
)
def test_doctor_says_what_the_site_changed(store: Path, lines: tuple[str, ...], said: list[str]) -> None:
    stages(store, *lines)
    assert RealProbes(store).stages() == ([], said)
    stages(store, DISCOVERY)
    assert [len(one) for one in RealProbes(store).stages()] == [2, 0]


def test_nobody_is_installed_before_it_is_allocated_when_the_gate_moved(store: Path) -> None:
    stages(store, *WITHOUT_HARDWARE)
    rack = rack_of(store)
    rack.run(lambda: any(node.stage == "install" for node in rack.world.nodes.values()))
    assert all(node.allocated for node in rack.world.nodes.values() if node.stage == "install")


@pytest.mark.parametrize("until", ["hardware", "install", "system"])
def test_a_running_rack_goes_on_when_its_stage_is_left_out_and_comes_back(store: Path, until: str) -> None:
    """Stopped with nodes in each stage; then `hardware` is gone; then it is there again."""
    rack = rack_of(store)
    assert rack.run(lambda: any(node.stage == until and node.kind is Kind.SERVER for node in rack.world.nodes.values()))
    file = stages(store, *WITHOUT_HARDWARE)
    again(rack, store)
    assert all(node.stage in ("discovery", "install", "system") for node in rack.world.nodes.values())
    well(rack)
    # A role that ran and was stopped before its verify may have written, so it is still known too.
    waits = {key for key, role in rack.world.node_roles.items() if key[1] in OF_HARDWARE and not role.succeeded and not role.started}
    assert not waits, "only what wrote disks is still known"
    assert max(rack.machines[0].wipes.values()) == 1
    file.unlink()
    again(rack, store)
    assert {key[1] for key in rack.world.node_roles} >= OF_HARDWARE - {"bmc-account", "bmc-address", "bmc-clock"}
    for node in [one for one in rack.world.nodes.values() if one.kind is Kind.SERVER]:
        why = node_why(rack.world, node)
        assert node_state(rack.world, node) == "ready" or (why is not None and why.code in ("backward", "approval")), why
        if node_state(rack.world, node) != "ready":
            next(one for one in rack.machines if one.node == node.id).whole.clear()  # the operator orders it
            rack.operate("redeploy", node.id)
    well(rack)


def test_a_restart_with_the_same_stages_changes_nothing(store: Path) -> None:
    rack = rack_of(store)
    well(rack)
    before = dict(rack.world.node_roles)
    rack.restart()
    assert dict(rack.world.node_roles) == before


@pytest.mark.parametrize("left", ["acceptance", "burn-in"])
def test_a_node_in_an_added_stage_that_is_gone_goes_on(store: Path, left: str) -> None:
    """A stage in memory: the node comes through the gate again. A stage in the system: nothing is installed or power-cycled again."""
    rack = rack_of(store)
    well(rack)
    for node in [one for one in rack.world.nodes.values() if one.kind is Kind.SERVER]:
        rack.tables["nodes"][node.id] = structs.replace(node, stage=left)
    wipes = [dict(one.wipes) for one in rack.machines]
    boots = [node.boots for node in rack.world.nodes.values()]
    again(rack, store)
    assert {one.stage for one in rack.world.nodes.values() if one.kind is Kind.SERVER} == {"system"}
    well(rack)
    assert [dict(one.wipes) for one in rack.machines] == wipes
    assert [node.boots for node in rack.world.nodes.values()] == boots


def test_stages_in_another_order_run_in_that_order(store: Path, tmp_path: Path) -> None:
    text = b"""\
barclamp: {name: burn, version: 1}
roles:
  - {name: burn-in, stage: burn-in, jig: agent}
"""
    before = (DISCOVERY, BURN_IN.replace("}", ", gate: true}"), HARDWARE.replace(", gate: true", ""), INSTALL, SYSTEM)
    for order, first in (((DISCOVERY, HARDWARE, BURN_IN, INSTALL, SYSTEM), "raid-configure"), (before, "burn-in")):
        place = tmp_path / first
        place.mkdir()
        stages(place, *order)
        import_source(place, from_path(folder(tmp_path / f"in-{first}", {"barclamp.yml": text, "roles/burn-in/run": SCRIPT}, "burn")))
        rack = rack_of(place, {"ready": ("all",), "burn-in": ("all",)})
        well(rack)
        ran = [e.role for e in rack.effects if isinstance(e, Start) and e.node == rack.machines[0].node and e.action == "run"]
        assert [one for one in ran if one in ("burn-in", "raid-configure")][0] == first


def test_a_running_rack_follows_another_order(store: Path, tmp_path: Path) -> None:
    stages(store, DISCOVERY, HARDWARE, BURN_IN, INSTALL, SYSTEM)
    text = b"barclamp: {name: burn, version: 1}\nroles:\n  - {name: burn-in, stage: burn-in, jig: agent}\n"
    import_source(store, from_path(folder(tmp_path / "in", {"barclamp.yml": text, "roles/burn-in/run": SCRIPT}, "burn")))
    rack = rack_of(store, {"ready": ("all",), "burn-in": ("all",)})
    assert rack.run(lambda: any(node.stage == "hardware" for node in rack.world.nodes.values()))
    stages(store, DISCOVERY, BURN_IN.replace("}", ", gate: true}"), HARDWARE.replace(", gate: true", ""), INSTALL, SYSTEM)
    again(rack, store)
    ranks = {key[1]: role.rank for key, role in rack.world.node_roles.items() if key[1] in ("burn-in", "raid-configure")}
    assert ranks["burn-in"] > ranks["raid-configure"], "what runs first has the longer way ahead"
    for node in [one for one in rack.world.nodes.values() if one.kind is Kind.SERVER]:
        rack.run(lambda node=node: node_why(rack.world, rack.world.nodes[node.id]) is not None, seconds=600.0)  # type: ignore[misc]
        rack.operate("approve", node.id)
    well(rack)


WISHES = b"""\
barclamp: {name: store, version: 1}
roles:
  - {name: store-role, stage: system, jig: script, requires: [{role: os-install, on: same}], hardware: {raid: jbod}}
"""


def test_a_plan_that_needs_what_is_left_out_is_refused_by_name(store: Path, tmp_path: Path) -> None:
    import_source(store, from_path(folder(tmp_path / "in", {"barclamp.yml": WISHES, "roles/store-role/run": SCRIPT}, "store")))
    stages(store, *WITHOUT_HARDWARE)
    text = """\
crowbar: 1
site: {name: r1, domain: r1.example.net, admin: {address: 10.0.0.1}}
networks:
  admin: {subnet: 10.0.0.0/24, ranges: {dhcp: 10.0.0.21-10.0.0.80, host: 10.0.0.101-10.0.0.250}}
  bmc: {subnet: 10.0.1.0/24, conduit: bmc}
deployments:
  cloud: {roles: {raid-configure: all, store-role: all}}
"""
    with pytest.raises(PlanError) as error:
        plan_file.read(text, "plan.yml", site_catalog(store))
    assert [one.expected for one in error.value.mistakes] == [
        "role 'raid-configure' runs in stage 'hardware', which this site leaves out: put it into the store's stages.yml, "
        "or the role out of the plan",
        "role 'store-role' wishes raid, and this site leaves out stage 'hardware', which carries the wish out: "
        "put it into the store's stages.yml, or the role out of the plan",
    ]


@pytest.mark.parametrize(("role", "code"), [("raid-configure", "placed_left_out"), ("store-role", "wish_left_out")])
def test_an_engine_does_not_start_if_its_plan_needs_what_is_left_out(store: Path, tmp_path: Path, role: str, code: str) -> None:
    import_source(store, from_path(folder(tmp_path / "in", {"barclamp.yml": WISHES, "roles/store-role/run": SCRIPT}, "store")))
    rack = rack_of(store, {"ready": ("all",), role: ("all",)})
    well(rack)
    assert unfit(rack.catalog, rack.world) is None
    stages(store, *WITHOUT_HARDWARE)
    found = unfit(site_catalog(store), load_world(site_catalog(store), rack.tables))
    assert found is not None
    assert found.code == code
    again(rack, store)  # an engine without that check changes nothing, and still runs
    assert {key[1] for key in rack.world.node_roles} >= {"raid-configure"}


def test_the_sites_stages_are_shown(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = stages(store, DISCOVERY, HARDWARE, BURN_IN, INSTALL, SYSTEM)
    assert main(["--store", str(store), "barclamp", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"stages: discovery, hardware, burn-in, install, system ({file})"
    file.write_text("stages: []\n")
    assert main(["--store", str(store), "barclamp", "list"]) == 2
    assert capsys.readouterr().err == f"{file}:1: expected at least one stage\n"


def test_the_shipped_stages_follow_the_rules(store: Path) -> None:
    stages(store, DISCOVERY, HARDWARE, INSTALL, SYSTEM)
    assert site_catalog(store).stages == shipped().stages


@pytest.fixture()
def burned(store: Path, tmp_path: Path) -> Rack:
    """Two nodes of a rack with a stage before the install, and one after the system."""
    stages(store, DISCOVERY, HARDWARE, BURN_IN, INSTALL, CONFIGURED, ACCEPT)
    scripts = {"roles/burn-in/run": SCRIPT, "roles/accepted/run": SCRIPT}
    import_source(store, from_path(folder(tmp_path / "in", {"barclamp.yml": ROLES, **scripts}, "burn")))
    rack = Rack(site_catalog(store), plan({"ready": ("all",), "accepted": ("all",)}), nodes=2, seed=4)
    rack.behaviour["bios-configure"] = "bios"
    return rack


def test_a_rack_with_added_stages_becomes_ready(burned: Rack) -> None:
    assert burned.run(), "\n".join(burned.state())
    burned.indexes_agree()
    assert {node_state(burned.world, n) for n in burned.world.nodes.values()} == {"ready"}
    assert {n.stage for n in burned.world.nodes.values()} == {"acceptance"}
    one = burned.machines[0]
    ran = [e.role for e in burned.effects if isinstance(e, Start) and e.node == one.node and e.action == "run"]
    order = [ran.index(role) for role in ("raid-configure", "burn-in", "os-install", "accepted")]
    assert order == sorted(order)
    assert one.wipes == {"raid-configure": 1, "os-install": 1}


def test_a_stage_that_roles_need_cannot_be_taken_away(burned: Rack, store: Path) -> None:
    (store / "stages.yml").unlink()
    with pytest.raises(CatalogError) as caught:
        site_catalog(store)
    assert [str(one).partition("barclamp.yml:")[2] for one in caught.value.mistakes] == [
        "3: roles.0.stage: unknown stage 'burn-in'; known: discovery, hardware, install, system",
        "4: roles.1.stage: unknown stage 'acceptance'; known: discovery, hardware, install, system",
    ]


def test_a_role_of_the_admin_node_runs_in_any_stage() -> None:
    """The admin node is in the last stage, and does not move: its roles of the stage `system` run, though another one is last."""
    behind = shipped().stages[-1]
    more = structs.replace(behind, name="acceptance", doing="accepting")
    system = structs.replace(behind, done="configured")
    catalog = structs.replace(shipped(), stages=(*shipped().stages[:-1], system, more))
    rack = Rack(catalog, plan({"ntp-client": ("all",)}), nodes=1, seed=1)
    rack.behaviour["bios-configure"] = "bios"
    assert rack.run(), "\n".join(rack.state())


def test_a_role_before_the_last_stage_serves_its_deployment(store: Path, tmp_path: Path) -> None:
    """A requirement without a place: `db` of the stage `system` is on one node, and the other node's `app` uses that one."""
    stages(store, DISCOVERY, HARDWARE, INSTALL, CONFIGURED, ACCEPT)
    text = b"""\
barclamp: {name: db, version: 1}
roles:
  - {name: db, stage: system, jig: script, requires: [{role: os-install, on: same}]}
  - {name: app, stage: acceptance, jig: script, requires: [db, {role: os-install, on: same}]}
"""
    scripts = {"roles/db/run": SCRIPT, "roles/app/run": SCRIPT}
    import_source(store, from_path(folder(tmp_path / "in", {"barclamp.yml": text, **scripts}, "db")))
    rack = Rack(site_catalog(store), plan({"db": ("node:node-1",), "app": ("all",)}), nodes=2, seed=4)
    rack.behaviour["bios-configure"] = "bios"
    assert rack.run(), "\n".join(rack.state())
    name = {node.id: node.name.partition(".")[0] for node in rack.world.nodes.values()}
    assert sorted(name[key[0]] for key in rack.world.node_roles if key[1] == "app") == ["node-1", "node-2"]
    assert [name[key[0]] for key in rack.world.node_roles if key[1] == "db"] == ["node-1"]
