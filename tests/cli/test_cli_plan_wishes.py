"""`crowbar plan diff` with wishes for hardware and with owners: what a choice costs, and what is refused before anything runs."""

from __future__ import annotations

from pathlib import Path

from cli_store import PLAN, Run, objects

BARCLAMP = """\
barclamp: {name: objects, version: 1, description: "Stores objects.", requires: [raid, os-install]}
roles:
  - {name: object-store, stage: system, jig: noop, hardware: {raid: jbod, bios: {numa: disabled}, disks: {count: {min: 2}}}}
  - {name: object-vault, stage: system, jig: noop, hardware: {disks: {count: {min: 9}}}}
  - {name: object-net, stage: system, jig: noop, hardware: {networks: [fabric]}}
"""


def diff(crowbar: Run, folder: Path, roles: str) -> tuple[int, str, str]:
    source = folder / "objects"
    source.mkdir(exist_ok=True)
    (source / "barclamp.yml").write_text(BARCLAMP, encoding="utf-8")
    assert crowbar("barclamp", "import", str(source))[0] == 0
    plan = folder / "plan.yml"
    plan.write_text(PLAN.replace("ready: all}", f"ready: all, {roles}}}"), encoding="utf-8")
    return crowbar("plan", "diff", str(plan))


def test_a_wish_that_changes_shows_what_it_reboots_and_wipes(crowbar: Run, tmp_path: Path) -> None:
    code, out, _ = diff(crowbar, tmp_path, "object-store: {group: control}")
    assert code == 1
    said = out.splitlines()
    at = said.index("  ~ control-10     raid-wanted: nothing -> {level: jbod}")
    assert said[at + 1] == "      raid-configure runs again only in a redeploy, which reboots the node and wipes sda"
    at = said.index("  ~ control-10     bios-wanted: nothing -> {numa: disabled}")
    assert said[at + 1] == "      bios-configure runs again if you approve the step back to stage hardware, which reboots the node"
    back = "runs again, after a step back to stage hardware, which you approve and which reboots the node"
    assert f"  ~ control-10     bios-configure     {back}" in said
    rows = objects(crowbar("plan", "diff", str(tmp_path / "plan.yml"), "--json")[1])
    chosen = {one["what"]: one["costs"] for one in rows[-1]["chosen"]}
    assert chosen["raid-wanted"] == [{"role": "raid-configure", "how": "redeploy", "stage": "hardware", "reboots": True, "wipes": ["sda"]}]
    assert [(one["role"], one["back"]) for one in rows if one.get("what") == "again"] == [("bios-configure", True)]


def test_a_machine_that_lacks_disks_and_a_network_that_the_plan_lacks_are_refused(crowbar: Run, tmp_path: Path) -> None:
    code, out, _ = diff(crowbar, tmp_path, "object-vault: {group: control}")
    assert code == 1
    assert "role object-vault wants a machine whose disks.count is at least 9, and disks.count of control-10.r1.test is 2" in out
    code, _, err = diff(crowbar, tmp_path, "object-net: all")
    assert code == 2
    assert "role 'object-net' requires 'network-fabric', and there is no network 'fabric'" in err


def test_a_node_that_changes_hands_is_shown(crowbar: Run, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yml"
    text = PLAN.replace("group: control,", "group: control, deployment: left,").replace(
        "secrets:", "  left: {parent: cloud}\n  right: {parent: cloud, roles: {network-admin: {group: control}}}\nsecrets:"
    )
    plan.write_text(text, encoding="utf-8")
    code, out, _ = crowbar("plan", "diff", str(plan))
    assert code == 1
    assert "  ~ control-10     deployment: system -> left\n" in out
    assert "1 nodes and 0 roles change" in out
