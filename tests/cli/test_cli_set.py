"""`crowbar set`, `log`, `engine stop`, `setup`, and the plan's revisions, against a running engine."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from cli_store import PLAN, Run, objects

from engine.core.roles.attributes import effective
from engine.runtime.engine import Engine


def value(engine: Engine, node: str, role: str, name: str) -> Any:
    found = engine.world.node_named(node)
    assert found is not None
    return effective(engine.world, engine.world.node_roles[(found.id, role)], name)


def test_of_a_node_typed_by_its_schema_and_taken_back(engine: Engine, crowbar: Run) -> None:
    code, out, _ = crowbar("set", "control-10", "raid-wanted", "{level: jbod}")
    assert code == 0
    assert out.startswith("raid-wanted of control-10.r1.test is set")
    assert value(engine, "control-10", "raid-configure", "raid-wanted") == {"level": "jbod"}
    assert value(engine, "compute-11", "raid-configure", "raid-wanted") == {"level": "raid1"}
    rows = objects(crowbar("set", "control-10", "--json")[1])
    row = next(r for r in rows if r["name"] == "raid-wanted")
    assert (row["layer"], row["own"], row["value"]) == ("operator", True, {"level": "jbod"})
    assert "jbod" in crowbar("set", "control-10")[1]
    assert crowbar("set", "control-10", "raid-wanted", "--clear")[0] == 0
    assert value(engine, "control-10", "raid-configure", "raid-wanted") == {"level": "raid1"}
    story = [o["text"] for o in objects(crowbar("events", "--json")[1]) if o["type"] == "set-attribute"]
    assert [t.split(": ")[1].split(";")[0] for t in story] == ["sets raid-wanted of control-10", "clears raid-wanted of control-10"]


def test_of_one_role_and_of_a_deployment(engine: Engine, crowbar: Run) -> None:
    assert crowbar("set", "cloud", "raid-wanted", "{level: jbod}")[0] == 0
    assert value(engine, "compute-11", "raid-configure", "raid-wanted") == {"level": "jbod"}
    assert crowbar("set", "compute-11/raid-configure", "raid-wanted", "{level: raid1}")[0] == 0
    assert value(engine, "compute-11", "raid-configure", "raid-wanted") == {"level": "raid1"}


def test_of_one_place_of_a_value(engine: Engine, crowbar: Run) -> None:
    code, out, _ = crowbar("set", "control-10", "bios-wanted#/Boot", "Uefi")
    assert code == 0
    assert out.startswith("bios-wanted#/Boot of control-10.r1.test is set")
    assert crowbar("set", "control-10", "bios-wanted#/Virtual", "5")[0] == 0, "a number, which the schema allows"
    assert value(engine, "control-10", "bios-configure", "bios-wanted") == {"Boot": "Uefi", "Virtual": 5}
    told = crowbar("explain", "control-10", "bios-configure", "bios-wanted#/Virtual")[1]
    assert "bios-wanted#/Virtual for bios-configure on control-10, weakest first:" in told
    assert "5  (set 20" in told
    assert crowbar("explain", "control-10", "bios-configure", "bios-wanted#Virtual")[0] == 2
    assert crowbar("set", "control-10", "bios-wanted#/Boot", "--clear")[0] == 0
    assert value(engine, "control-10", "bios-configure", "bios-wanted") == {"Virtual": 5}


def test_of_the_weaker_layers(engine: Engine, crowbar: Run) -> None:
    assert crowbar("set", "control-10", "bios-wanted", "{A: x}", "--layer", "hint")[0] == 0
    assert value(engine, "control-10", "bios-configure", "bios-wanted") == {"A": "x"}
    assert crowbar("set", "control-10/bios-configure", "bios-wanted", "{A: y}", "--layer", "role")[0] == 0
    assert value(engine, "control-10", "bios-configure", "bios-wanted") == {"A": "y"}
    for scope, layer in (("control-10/bios-configure", "role"), ("control-10", "hint")):
        assert crowbar("set", scope, "bios-wanted", "--layer", layer, "--clear")[0] == 0
    assert value(engine, "control-10", "bios-configure", "bios-wanted") == {}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("control-10", "raid-wanted", "{level: raid99}"), 1, "attribute raid-wanted.level must be"),
        (("control-10", "raid-wanted", "5"), 1, "attribute raid-wanted must be a map, not 5"),
        (("control-10", "raid-wanted", "{level"), 2, "raid-wanted: this is not YAML"),
        (("control-10", "target-os", "debian-99"), 2, "target-os: unknown image 'debian-99'; did you mean 'debian-13'?"),
        (("control-10", "credential", "x"), 2, "credential holds a secret; other users of this machine see"),
        (("control-10", "credential"), 2, "credential holds a secret: use --secret-env VARIABLE or --secret-file FILE"),
        (("control-10", "credential", "--secret-env", "HOME"), 1, "the engine makes the secret credential itself"),
        (("control-10", "raid-wanted", "--secret-env", "HOME"), 1, "attribute raid-wanted holds no secret"),
        (("control-10", "credential", "--secret-file", "/nowhere"), 2, "credential: file /nowhere holds no secret, or cannot be read"),
        (("control-10", "raid-wanted#/level", "raid99"), 1, "attribute raid-wanted#/level must be one of"),
        (("control-10", "raid-wanted#/level/x", "1"), 1, "attribute raid-wanted has no place /level/x: /level is neither a map nor a list"),
        (("control-10", "raid-wanted#level", "1"), 2, "raid-wanted#level: a pointer begins with /"),
        (("cloud", "raid-wanted", "{level: jbod}", "--layer", "hint"), 2, "a deployment has no layer hint"),
        (("control-10", "raid-wantd", "x"), 1, "there is no attribute raid-wantd"),
        (("control-10", "raid-wanted"), 2, "give a value, or --clear"),
        (("control-10", "raid-wanted", "{level: jbod}", "--clear"), 2, "give a value, or --clear"),
        (("nobody", "raid-wanted", "x"), 2, "there is no node or deployment nobody"),
        (("control-10,cloud", "raid-wanted", "x"), 2, "name either nodes or deployments, not both"),
        (("control-10", "raid-wanted", "--clear"), 1, "there is no value set for raid-wanted"),
    ],
)
def test_what_is_wrong_is_refused(engine: Engine, crowbar: Run, words: tuple[str, ...], code: int, said: str) -> None:
    found, _, err = crowbar("set", *words)
    assert (found, said in err) == (code, True), err


def test_of_several_nodes(engine: Engine, crowbar: Run) -> None:
    code, out, _ = crowbar("set", "compute-11,compute-12", "target-os", "debian-12", "--json")
    assert code == 0
    assert [(o["type"], o["node"]) for o in objects(out)] == [("receipt", "compute-11"), ("receipt", "compute-12")]


# -- revisions -------------------------------------------------------------------------------------------------------


def test_revisions_are_listed_shown_and_gone_back_to(engine: Engine, crowbar: Run, tmp_path: Path) -> None:
    second = tmp_path / "second.yml"
    second.write_text(PLAN.replace("approve: {wipe: all}", "approve: {wipe: blank}\nexpect: {nodes: 4}"))
    assert crowbar("commit", str(second))[0] == 0
    listed = objects(crowbar("plan", "revisions", "--json")[1])
    assert [(r["revision"], r["in_force"]) for r in listed] == [(1, False), (2, True)]
    assert "current" in crowbar("plan", "revisions")[1].splitlines()[1]
    assert "nodes: 4" in crowbar("plan", "show")[1]
    assert "nodes: 4" not in crowbar("plan", "show", "1")[1]
    assert crowbar("plan", "show", "9")[0] == 1
    assert crowbar("commit", "--revision", "9")[0] == 1
    assert crowbar("commit", "--revision", "1")[0] == 0
    plan = engine.world.plan
    assert plan is not None
    assert (plan.expect.nodes, plan.approve.wipe) == (0, "all")
    assert max(engine.world.revisions) == 3, "going back is a commit of its own"


def test_commit_wants_one_of_both(engine: Engine, crowbar: Run) -> None:
    assert crowbar("commit")[0] == 2
    assert crowbar("commit", "x.yml", "--revision", "1")[0] == 2


# -- logs ------------------------------------------------------------------------------------------------------------


def test_logs_are_listed_and_printed(store: Path, engine: Engine, crowbar: Run) -> None:
    node = engine.world.node_named("control-10")
    assert node is not None
    attempt = engine.world.node_roles[(node.id, "raid-configure")].attempt
    assert attempt
    (store / "logs").mkdir(exist_ok=True)
    (store / "logs" / f"{attempt}.1.log").write_text("begin\nvd0 is built\n")
    code, out, _ = crowbar("log", "control-10", "--list")
    assert code == 0
    assert f"raid-configure, attempt {attempt}" in out
    assert crowbar("log", "control-10", "raid-configure")[:2] == (0, "begin\nvd0 is built\n")
    assert crowbar("log", "control-10")[:2] == (0, "begin\nvd0 is built\n")
    code, _, err = crowbar("log", "control-10", "os-install")
    assert (code, "control-10 has no log of os-install" in err) == (1, True)
    assert crowbar("log", "nobody")[0] == 2
    assert crowbar("log", "control-10", "serial")[0] == 1
    assert "has sent no system log" in crowbar("log", "control-10", "--system")[2]
    kept = store / "services/logging/nodes"
    kept.mkdir(parents=True)
    (kept / "control-10.r1.test.log").write_text("2026-01-01T00:00:00+00:00 info sshd: \x1b[2J\x07hello\n")
    (kept / "control-10.r1.test.log.1").write_text("older\n")
    code, out, _ = crowbar("log", "control-10", "--system")
    assert (code, "\x1b" in out, "\x07" in out) == (0, False, False)
    assert "info sshd:" in out
    assert "hello" in out
    assert "system log, 1 before" in crowbar("log", "control-10", "--list")[1]


# -- the engine ------------------------------------------------------------------------------------------------------


def test_engine_stop_waits_until_the_store_is_free(engine: Engine, crowbar: Run) -> None:
    stopper = threading.Thread(target=lambda: (engine.stop_asked.wait(30), engine.stop()))
    stopper.start()
    code, out, _ = crowbar("engine", "stop")
    stopper.join()
    assert (code, out) == (0, "the engine has stopped; the machines keep running\n")
    code, _, err = crowbar("engine", "stop")
    assert (code, "no engine runs on" in err) == (1, True)


def test_setup_wants_a_terminal(crowbar: Run) -> None:
    code, _, err = crowbar("setup")
    assert (code, "setup needs a terminal" in err) == (2, True)


def test_json_of_a_refusal(engine: Engine, crowbar: Run) -> None:
    _, out, _ = crowbar("set", "control-10", "raid-wanted", "5", "--json")
    body = json.loads(out)
    assert (body["type"], body["code"]) == ("refusal", "bad_value")
