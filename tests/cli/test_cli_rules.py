"""`crowbar rules try`: which rules match, which nearly do, with or without an engine."""

from __future__ import annotations

from pathlib import Path

from cli_store import PLAN, Run, objects

from engine.store.store import Store


def test_every_server_with_its_rules_and_the_near_one(crowbar: Run) -> None:
    code, out, _ = crowbar("rules", "try")
    assert code == 0
    assert "control-10: of 2 rules, rules 1, 2 match\n" in out
    assert "  group              control              rule 1; rule 2 sets it too, in vain\n" in out
    assert "compute-12: of 2 rules, rule 2 matches\n" in out
    assert "  near: rule 1: memory is 65536, wants at least 131072 (would set group, name)\n" in out


def test_one_node_as_json(crowbar: Run) -> None:
    (found,) = objects(crowbar("rules", "try", "compute-11", "--json")[1])
    assert (found["type"], found["node"], found["matched"]) == ("rules", "compute-11.r1.test", [2])
    assert found["missed"] == [
        {
            "rule": 1,
            "failed": [{"fact": "memory", "test": "min", "wanted": 131072, "seen": 65536}],
            "held": 0,
            "would": ["group", "name"],
        }
    ]
    assert found["facts"]["serial"] == "SN0002"


def test_another_plan_is_tried_without_a_commit(crowbar: Run, tmp_path: Path) -> None:
    file = tmp_path / "plan.yml"
    file.write_text(PLAN.replace("rules:\n", "rules:\n  - {match: {serial: SN0002}, group: special}\n", 1), encoding="utf-8")
    out = crowbar("rules", "try", "compute-11", "--plan", str(file))[1]
    assert "  group              special              rule 1; rule 3 sets it too, in vain; now compute\n" in out
    assert "special" not in crowbar("rules", "try", "compute-11")[1]
    file.write_text("crowbar: 1\n", encoding="utf-8")
    assert crowbar("rules", "try", "--plan", str(file))[0] == 2


def test_without_a_match_the_closest_rules_are_told(crowbar: Run, tmp_path: Path) -> None:
    file = tmp_path / "plan.yml"
    rule = "rules:\n  - {match: {memory: {min: 999999}, cpus: 1}, group: huge}\n"
    start, end = PLAN.index("rules:\n"), PLAN.index("deployments:\n")
    file.write_text(PLAN[:start] + rule + PLAN[end:], encoding="utf-8")
    out = crowbar("rules", "try", "compute-11", "--plan", str(file))[1]
    assert "compute-11: of 1 rule, none match\n" in out
    assert "  group              none                 no rule that matches sets it\n" in out
    assert "  not: rule 1: memory is 65536, wants at least 999999; cpus is 64, wants 1 (would set group)\n" in out


def test_an_unknown_node_and_a_store_without_a_plan(crowbar: Run, tmp_path: Path) -> None:
    code, _, err = crowbar("rules", "try", "compute-13")
    assert (code, err) == (1, "crowbar: there is no server compute-13; list them with crowbar nodes\n")
    assert crowbar("rules", "try", "tor1")[0] == 1, "a switch has no rules"
    with Store.open(tmp_path / "new"):
        pass
    code, _, err = crowbar("--store", str(tmp_path / "new"), "rules", "try")
    assert code == 1
    assert "no plan was committed on this store: give one with --plan FILE" in err
