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
from engine.core.roles.stages import node_state
from engine.effects import Start
from engine.files.catalog import shipped, shipped_folder
from engine.files.mistakes import CatalogError

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
        ((DISCOVERY, INSTALL, SYSTEM), "1: expected the stage 'hardware', which is missing: shipped roles run in it"),
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
            "3: stages.1: stage 'hardware' comes before the gate, and its role 'raid-configure' destroys data",
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
