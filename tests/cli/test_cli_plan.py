"""`crowbar plan diff` and `save`: what a commit would do, and a plan of what is."""

from __future__ import annotations

from getpass import getuser
from pathlib import Path

import pytest
from cli_store import PLAN, CabledRack, Run, objects, plan_of

from crowbar_tui.cli import main
from engine.core.plan.diff import diff
from engine.core.plan.rules import choose
from engine.core.plan.save import saved
from engine.core.world.world import World
from engine.files.catalog import shipped
from engine.files.plan_file import read, write
from engine.runtime.engine import Engine

NAMES = ("compute-11", "compute-12", "control-10")


@pytest.fixture()
def write_plan(tmp_path: Path) -> Path:
    return tmp_path / "plan.yml"


def test_the_plan_in_force_makes_no_difference(crowbar: Run, write_plan: Path) -> None:
    write_plan.write_text(PLAN, encoding="utf-8")
    assert crowbar("plan", "diff", str(write_plan))[:2] == (0, "no difference: this plan is the current revision 1\n")
    (summary,) = objects(crowbar("plan", "diff", str(write_plan), "--json")[1])
    assert (summary["type"], summary["same"]) == ("summary", True)


def test_a_new_network_is_new_roles_on_every_node(crowbar: Run, write_plan: Path, brought_up: CabledRack) -> None:
    text = PLAN.replace("racks:\n", "  storage:\n    subnet: 10.0.9.0/24\n    ranges: {host: 10.0.9.11-10.0.9.99}\nracks:\n", 1)
    text = text.replace("roles: {network-admin: all,", "roles: {network-admin: all, network-storage: {group: compute},")
    write_plan.write_text(text, encoding="utf-8")
    code, out, _ = crowbar("plan", "diff", str(write_plan))
    assert code == 1
    assert "this plan would become revision 2" in out
    assert "  networks.storage: nothing -> " in out
    assert "  + compute-11     network-storage    new\n" in out
    assert "control-10" not in out
    for role in ("dns-records", "dns-server", "ntp-server"):
        assert f"  ~ admin          {role:<18} runs again\n" in out, "it serves the new network as well"
    assert out.endswith("3 nodes and 5 roles change; 0 of the roles destroy data\n")
    rows = objects(crowbar("plan", "diff", str(write_plan), "--json")[1])
    assert [(r["type"], r.get("what")) for r in rows] == [*[("role", "again")] * 3, ("role", "new"), ("role", "new"), ("summary", None)]


def test_what_runs_again_and_what_only_drifts(brought_up: CabledRack) -> None:
    again = diff(
        brought_up.world,
        plan_of(PLAN.replace("raid-wanted: {level: raid1}", "raid-wanted: {level: raid10}, bios-wanted: {numa: disabled}")),
    )
    found = {(r.role, r.what) for r in again.roles}
    assert ("bios-configure", "again") in found
    assert ("raid-configure", "drift") in found
    assert again.destroys == ()
    assert len(again.nodes) == 3
    assert any(line.startswith("deployments.cloud.attributes.raid-wanted.level: raid1 -> raid10") for line in again.plan)


def test_what_the_plan_asks_for_no_more(brought_up: CabledRack) -> None:
    found = diff(brought_up.world, plan_of(PLAN.replace("ntp-client: all, ", "")))
    assert {(r.role, r.what) for r in found.roles} == {("ntp-client", "gone"), ("package-sources", "gone")}


def test_a_diff_changes_nothing_and_says_what_would_be_refused(brought_up: CabledRack) -> None:
    before = brought_up.world
    text = PLAN.replace("racks:\n", "  tiny:\n    subnet: 10.0.9.0/24\n    ranges: {host: 10.0.9.11-10.0.9.12}\nracks:\n", 1)
    found = diff(before, plan_of(text))
    assert found.refused is not None
    assert found.refused.code == "pool_empty"
    assert brought_up.world is before
    assert brought_up.world.revisions[1].plan == before.revisions[1].plan


def test_on_an_empty_world_everything_is_new() -> None:
    found = diff(World.new(shipped()), plan_of())
    assert (found.same, found.revision, found.refused) == (False, 1, None)


# -- save ----------------------------------------------------------------------------------------------------------


def test_a_saved_plan_pins_names_and_addresses_by_place(crowbar: Run, brought_up: CabledRack, tmp_path: Path) -> None:
    code, out, _ = crowbar("plan", "save")
    assert code == 0
    plan = read(out, "saved.yml", shipped())
    world = brought_up.world
    place = {p.unit: p for p in plan.racks[0].places}
    for name in ("control-10", "compute-11", "compute-12"):
        node = world.node_named(name)
        assert node is not None
        assert node.place is not None
        assert place[node.place.unit].addresses == {"admin": world.address_of[(node.id, "admin")]}
        assert (choose(world, plan, node).name, choose(world, plan, node).group) == (name, node.group)
    assert plan.expect.nodes == 3
    assert "SN000" not in out
    assert "52:54" not in out
    file = tmp_path / "out.yml"
    assert crowbar("plan", "save", str(file))[0] == 0
    assert file.read_text(encoding="utf-8") == out


def test_saving_what_was_saved_is_the_same(brought_up: CabledRack) -> None:
    """A replay of it on such a rack gives these names and addresses, in whatever order the machines come."""
    once = saved(brought_up.world)
    assert once is not None
    rack = CabledRack(shipped(), read(write(once), "saved.yml", shipped()), nodes=3, seed=99)
    assert rack.run(), "\n".join(rack.state())
    assert saved(rack.world) == once

    def addresses(one: CabledRack) -> dict[str, str]:
        return {one.world.nodes[a.node].name: a.address for a in one.world.allocations.values() if a.node != "admin"}

    assert addresses(rack) == addresses(brought_up)


def test_nothing_to_save(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from crowbar_tui.cli import main
    from engine.store.store import Store

    with Store.open(tmp_path / "new"):
        pass
    assert main(["--store", str(tmp_path / "new"), "plan", "save"]) == 1
    assert "no plan was committed" in capsys.readouterr().err


def test_a_bmc_password_that_ipmi_cannot_take_is_bad_input(crowbar: Run, write_plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_plan.write_text(PLAN + "secrets: {bmc-password: {env: LONG_PASSWORD}}\n" if "secrets:" not in PLAN else PLAN, encoding="utf-8")
    monkeypatch.setenv("LONG_PASSWORD", 21 * "p")
    monkeypatch.setenv("CROWBAR_BMC_PASSWORD", 21 * "p")
    code, out, error = crowbar("plan", "check", str(write_plan))
    assert code == 2
    assert "secrets.bmc-password: environment variable" in error
    assert "holds 21 bytes, and IPMI takes at most 20" in error
    assert 21 * "p" not in out + error


@pytest.mark.parametrize("verb", [["engine"], ["replay", "plan.yml"]])
def test_an_interface_that_is_not_there_is_told_at_once(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*verb, "--interface", "nope0"])
    assert end.value.code == 2
    assert "there is no interface nope0; this machine has lo" in capsys.readouterr().err


# -- what stands beside the plan -----------------------------------------------------------------------------------


def test_settings_beside_the_plan_are_shown_by_diff_and_status(engine: Engine, crowbar: Run, write_plan: Path) -> None:
    assert crowbar("set", "cloud", "ntp-servers", '["10.0.0.7"]')[0] == 0
    assert crowbar("set", "cloud", "raid-wanted", "{level: raid10}")[0] == 0
    level = f"beside the plan: cloud raid-wanted: {getuser()} set {{level: raid10}}, which stays above the plan's {{level: raid1}}"
    told = [f"  beside the plan: cloud ntp-servers: {getuser()} set [10.0.0.7]; the plan has none", f"  {level}"]
    raid = [
        f"  needs a redeploy: raid-configure on {node}, because its inputs changed since it wrote; only a redeploy takes them"
        for node in NAMES
    ]
    code, out, _ = crowbar("plan", "diff")
    assert (code, out.splitlines()) == (0, ["no difference: this plan is the current revision 1", *told, *raid])
    (summary,) = objects(crowbar("plan", "diff", "--json")[1])
    assert [(one["scope"], one["name"], one["who"], one["planned"]) for one in summary["drift"]["settings"]] == [
        ("cloud", "ntp-servers", getuser(), None),
        ("cloud", "raid-wanted", getuser(), {"level": "raid1"}),
    ]
    assert [one["role"] for one in summary["drift"]["redeploy"]] == ["raid-configure"] * 3
    words = "2 settings beside the plan, 3 roles need a redeploy"
    assert f"  drift: {words}; crowbar plan diff shows them" in crowbar("status")[1].splitlines()
    (status,) = objects(crowbar("status", "--json")[1])
    assert status["drift"]["words"] == words
    write_plan.write_text(PLAN.replace("raid-wanted: {level: raid1}", "raid-wanted: {level: raid10}"), encoding="utf-8")
    assert told[1] not in crowbar("plan", "diff", str(write_plan))[1].splitlines(), "that plan has the value itself"


def test_a_plan_is_compared_with_a_revision_too(crowbar: Run, write_plan: Path) -> None:
    assert crowbar("plan", "diff", "--revision", "1")[:2] == (
        0,
        "no difference: this plan is the current revision 1\n  compared with revision 1: the same plan\n",
    )
    write_plan.write_text(PLAN.replace("level: raid1", "level: raid10"), encoding="utf-8")
    code, out, _ = crowbar("plan", "diff", str(write_plan), "--revision", "1")
    line = "deployments.cloud.attributes.raid-wanted.level: raid1 -> raid10"
    assert code == 1
    assert f"  compared with revision 1:\n    {line}\n" in out
    summary = objects(crowbar("plan", "diff", str(write_plan), "--revision", "1", "--json")[1])[-1]
    assert (summary["against"], summary["apart"]) == (1, [line])
    code, _, error = crowbar("plan", "diff", str(write_plan), "--revision", "9")
    assert (code, error) == (2, "crowbar: there is no revision 9; list them with crowbar plan revisions\n")


def test_no_drift_no_line(crowbar: Run) -> None:
    assert "drift" not in crowbar("status")[1]
    (status,) = objects(crowbar("status", "--json")[1])
    assert status["drift"] == {"words": "", "settings": [], "left": [], "redeploy": []}
