"""`crowbar node import`: a list of known machines becomes part of the plan, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_store import PLAN, Run, objects, plan_of

from engine.files.catalog import shipped
from engine.files.plan_file import read
from engine.runtime.engine import Engine

LIST = "serial,bmc-mac,rack,place,name,group\nSN0002,52:54:00:bb:00:02,r1,11,store-1,storage\nSN0009,,,,spare,\n"


@pytest.fixture()
def file(tmp_path: Path) -> Path:
    made = tmp_path / "machines.csv"
    made.write_text(LIST, encoding="utf-8")
    return made


def test_without_yes_it_shows_the_difference_and_commits_nothing(crowbar: Run, file: Path) -> None:
    code, out, err = crowbar("node", "import", str(file))
    assert code == 1
    assert out.startswith("machines.csv lists 2 machines; new or changed: 2 expected machines, 2 rules, 0 places\n")
    assert "this plan would become revision 2\n" in out
    assert "  ~ compute-11     group: compute -> storage\n" in out
    assert "  ~ compute-11     name: compute-11.r1.test -> store-1.r1.test\n" in out
    assert err == "nothing was changed: to commit a plan with these 2 machines, add --yes\n"
    assert len(objects(crowbar("plan", "revisions", "--json")[1])) == 1


def test_with_yes_the_running_engine_has_the_plan(engine: Engine, crowbar: Run, file: Path) -> None:
    assert crowbar("node", "import", str(file), "--yes")[0] == 0
    plan = engine.world.plan
    assert plan is not None
    assert [one.serial for one in plan.machines] == ["SN0002", "SN0009"]
    assert [rule.match for rule in plan.rules[:2]] == [{"serial": "SN0002"}, {"serial": "SN0009"}]
    node = engine.world.node_named("store-1")
    assert node is not None
    assert (node.serial, node.group) == ("SN0002", "storage")
    code, out, _ = crowbar("node", "import", str(file))
    assert code == 0
    assert "0 expected machines, 0 rules, 0 places\nno difference: this plan is the current revision 2\n" in out
    assert out.count("\n") == 3, "and that the new name comes into the installed system by a redeploy"
    assert "needs a redeploy: os-install on store-1" in out


def test_without_an_engine_a_commit_says_so(crowbar: Run, file: Path) -> None:
    code, _, err = crowbar("node", "import", str(file), "--yes")
    assert code == 1
    assert "no engine" in err


def test_the_new_plan_can_be_written_to_a_file(crowbar: Run, file: Path, tmp_path: Path) -> None:
    before, after = tmp_path / "before.yml", tmp_path / "after.yml"
    before.write_text(PLAN.replace("name: r1,", "name: r9,", 1), encoding="utf-8")
    assert crowbar("node", "import", str(file), "--plan", str(before), "--write", str(after))[0] == 0
    made = read(after.read_text(encoding="utf-8"), "after.yml", shipped())
    assert made.site.name == "r9"
    assert made.rules[2:] == plan_of().rules
    assert "r9" in before.read_text(encoding="utf-8"), "the given plan stays as it is"
    assert len(objects(crowbar("plan", "revisions", "--json")[1])) == 1


def test_mistakes_are_told_with_line_and_column(crowbar: Run, file: Path) -> None:
    file.write_text(LIST.replace("SN0009", "SN0002"), encoding="utf-8")
    assert crowbar("node", "import", str(file), "--yes")[::2] == (2, "machines.csv:3:1: 'SN0002' is there twice, first at 2:1\n")
    code, _, err = crowbar("node", "import", str(file.with_name("gone.csv")))
    assert (code, err) == (2, "gone.csv:1: cannot read the file: No such file or directory\n")


def test_a_list_that_no_plan_can_hold_is_refused(crowbar: Run, file: Path) -> None:
    rows = (
        f"SN7K{number:05},52:54:00:0{number % 10}:{number // 10 % 100:02}:{number // 1000:02},,,n-{number},\n" for number in range(9_000)
    )
    file.write_text("serial,bmc-mac,rack,place,name,group\n" + "".join(rows), encoding="utf-8")
    code, out, err = crowbar("node", "import", str(file), "--yes")
    assert (code, out) == (2, "")
    assert "expected at most 50000 words, lists and maps\n" in err
    assert "crowbar: import fewer machines" in err


def test_as_json(crowbar: Run, file: Path) -> None:
    code, out, err = crowbar("node", "import", str(file), "--json")
    (first, *_, summary) = objects(out)
    assert first == {"type": "import", "listed": 2, "machines": 2, "rules": 2, "places": 0}
    assert (code, summary["type"], summary["revision"], err) == (1, "summary", 2, "")


def test_a_node_may_be_called_import(crowbar: Run) -> None:
    code, _, err = crowbar("node", "import", "hold")
    assert code == 1
    assert "machines" not in err
    assert crowbar("node", "n1", "hold", "--plan", "x.yml")[::2] == (2, "crowbar: --plan and --write go with crowbar node import FILE\n")
