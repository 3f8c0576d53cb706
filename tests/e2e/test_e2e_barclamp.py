"""A barclamp's way from `barclamp new` to a rack that is ready: written, checked, imported, rehearsed, in use, and taken back."""

from __future__ import annotations

from pathlib import Path

from crowbar_process import crowbar, here, saved_machines

import crowbar_tui

ONE = (Path(crowbar_tui.__file__).parent / "plans" / "one-node.yml").read_text(encoding="utf-8")
STAGES = (Path(crowbar_tui.__file__).parent.parent / "engine" / "stages.yml").read_text(encoding="utf-8")
BURN = """\
barclamp: {name: burn, version: 1.0}
roles:
  - {name: burn-in, stage: burn-in, jig: agent, requires: [{role: raid-configure, on: same}], wants: [disks]}
"""
BURNED = """\
from engine.racks.simulated.machine import Machine, Result, Task


async def burn_in(machine: Machine, task: Task) -> Result:
    await task.work(60.0)
    task.print(f"wrote and read {len(task.get('disks'))} disks")
    return Result()


ROLES = {"burn-in": burn_in}
"""


def test_from_new_to_ready_and_back(store: Path, tmp_path: Path) -> None:
    written = crowbar(store, "barclamp", "new", "web", "--folder", str(tmp_path / "mine"))
    assert written.out.startswith(f"wrote {tmp_path}/mine/web: change it, then crowbar barclamp check"), written
    again = here(store, "barclamp", "new", "web", "--folder", str(tmp_path / "mine"))
    assert (again.code, again.err) == (2, f"crowbar: {tmp_path}/mine/web exists: use another name, or another folder with --folder\n")

    assert here(store, "barclamp", "check", str(tmp_path / "mine")).out == "no mistakes: web 1, 1 roles\n"
    assert not store.exists()

    burn = tmp_path / "mine" / "burn"
    (burn / "roles/burn-in").mkdir(parents=True)
    (burn / "barclamp.yml").write_text(BURN)
    (burn / "rehearsal.py").write_text(BURNED)
    (burn / "roles/burn-in/run").write_text("#!/bin/sh\nexit 0\n")
    early = here(store, "barclamp", "import", str(tmp_path / "mine"))
    assert (early.code, early.err.splitlines()) == (
        2,
        [f"{burn}/barclamp.yml:3: roles.0.stage: unknown stage 'burn-in'; known: discovery, hardware, install, system"],
    )
    install = "  - {name: install,"
    (store / "stages.yml").write_text(
        STAGES.replace(install, "  - {name: burn-in, doing: testing, done: tested, runs: sledgehammer}\n" + install)
    )
    brought = here(store, "barclamp", "import", str(tmp_path / "mine"))
    assert brought.out.splitlines() == [f"imported burn 1.0: folder {tmp_path}/mine", f"imported web 1: folder {tmp_path}/mine"], brought
    rows = {row["role"]: row for row in here(store, "barclamp", "list", "--json").lines}
    assert (rows["burn-in"]["version"], rows["burn-in"]["origin"]) == ("1.0", f"folder {tmp_path}/mine")
    assert rows["ready"]["origin"] == "shipped"

    plan = tmp_path / "plan.yml"
    plan.write_text(ONE.replace("ready: all", "ready: all, web-message-file: all, burn-in: all"))
    assert here(store, "plan", "check", str(plan)).code == 0
    run = crowbar(store, "rehearse", "--plan", str(plan), "--nodes", "1", "--speed", "max", "--headless", "--json")
    assert run.code == 0, run
    assert (run.summary["ready"], run.summary["failed"]) == (1, 0)
    (machine,) = saved_machines(store)
    assert machine["volumes"][0]["disk"]["system"]["files"]["/etc/web.message"] == "This machine belongs to a rack.\n"
    order = [role for line in run.lines for role, state in (line.get("roles") or {}).items() if state == "active"]
    assert order.index("raid-configure") < order.index("burn-in") < order.index("os-install") < order.index("web-message-file")

    refused = here(store, "barclamp", "remove", "web")
    assert refused.code == 1
    assert "the plan in force names role web-message-file in deployment" in refused.err

    (burn / "barclamp.yml").write_text(BURN.replace("1.0", "1.1"))
    assert here(store, "barclamp", "import", str(burn)).out == f"imported burn 1.1: folder {burn}\n"
    other = crowbar(store, "rehearse", "--plan", str(plan), "--nodes", "1", "--speed", "max", "--headless", "--json")
    assert (other.code, other.err) == (
        2,
        "crowbar: the rack beside this store knows other barclamps: use --fresh to start again, or another --store\n",
    )
    anew = crowbar(store, "rehearse", "--plan", str(plan), "--nodes", "1", "--speed", "max", "--headless", "--json", "--fresh")
    assert anew.code == 0, anew
    assert (store / "barclamps/index.json").exists(), "--fresh deletes the run, not the barclamps of the site"
