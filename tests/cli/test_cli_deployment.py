"""`crowbar deployment` against a running engine: edit, preview, commit, recall, delete, and go back."""

from __future__ import annotations

import io
import json
import stat
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from cli_store import Run, objects

from engine.plan import DeploymentDef
from engine.runtime.engine import Engine


def test_an_edit_is_previewed_committed_and_gone_back_from(engine: Engine, crowbar: Run) -> None:
    before = engine.world.plan
    assert before is not None
    edit = ("edit", "cloud", "--set", "ntp-upstream=[10.9.9.9]", "--unset", "raid-wanted", "--drop-role", "ready")
    code, out, err = crowbar("deployment", *edit, "--role", "etcd-member=group:compute,node:control-10")
    assert (code, out) == (0, "the edit of cloud waits; to carry it out: crowbar deployment commit cloud\n"), err
    assert engine.world.plan == before
    code, out, _ = crowbar("deployment", "preview", "cloud")
    assert code == 1
    assert out.startswith("the edit of cloud would become revision 2\n")
    assert "+ compute-11     etcd-member" in out
    assert "- compute-11     ready" in out
    assert objects(crowbar("deployment", "preview", "--all", "--json")[1])[-1]["type"] == "summary"
    told = crowbar("deployment", "list")[1].splitlines()
    assert told[1].startswith("  cloud                    proposed")
    assert "changed by" in told[1]
    assert "on revision 1, committed: " in told[1]
    assert crowbar("deployment", "show", "cloud", "--proposed")[1].startswith("attributes:\n  target-os: debian-12")
    assert "raid-wanted" in crowbar("deployment", "show", "cloud")[1]
    assert "  cloud: proposed by " in crowbar("status")[1]
    assert crowbar("deployment", "commit", "cloud")[:2] == (0, "committed as revision 2: cloud\n")
    assert engine.world.plan is not None
    cloud = engine.world.plan.deployments["cloud"]
    assert cloud.attributes == {"target-os": "debian-12", "ntp-upstream": ["10.9.9.9"]}
    assert cloud.roles["etcd-member"] == ("group:compute", "node:control-10")
    assert crowbar("deployment", "back", "cloud", "--revision", "1")[0] == 0
    assert crowbar("deployment", "commit", "--all", "--json")[0] == 0
    assert engine.world.plan == before
    lines = crowbar("plan", "revisions")[1].splitlines()
    assert [line.split("  ")[-1] for line in lines[1:]] == ["cloud changed", "back to revision 1, cloud changed (as in revision 1)"]
    told = [one["text"].split(": ", 1) for one in objects(crowbar("events", "--json")[1]) if "propos" in one["type"]]
    assert [words for _, words in told[:2]] == ["proposes cloud", told[1][1]]
    assert told[1][1].startswith("commits cloud; ")
    assert {who for who, _ in told} == {told[0][0]} != {""}
    row = objects(crowbar("plan", "revisions", "--json")[1])[-1]
    assert (row["back"], row["changes"][0]["name"]) == (1, "cloud")


def test_one_is_made_filled_and_deleted(engine: Engine, crowbar: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert crowbar("deployment", "new", "db", "--parent", "cloud")[0] == 0
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"parent: cloud\nattributes: {ntp-upstream: [10.9.9.9]}\n")))
    assert crowbar("deployment", "edit", "db", "--file", "-")[0] == 0
    assert crowbar("deployment", "commit", "db")[0] == 0
    assert engine.world.deployments["db"].parent == "cloud"
    crowbar("deployment", "delete", "cloud")
    code, _, err = crowbar("deployment", "commit", "cloud")
    assert code == 1
    assert "deployment cloud cannot be deleted while it is the parent of db" in err
    assert crowbar("deployment", "recall", "cloud")[:2] == (0, "the edit of cloud is recalled\n")
    assert crowbar("deployment", "delete", "db")[0] == 0
    assert crowbar("deployment", "show", "db", "--proposed")[1].endswith(" proposed to delete db\n")
    assert json.loads(crowbar("deployment", "show", "db", "--proposed", "--json")[1])["definition"] is None
    assert crowbar("deployment", "commit", "--all")[0] == 0
    assert "db" not in engine.world.deployments
    assert crowbar("deployment", "commit", "--all")[:2] == (0, "no edit waits\n")
    assert crowbar("deployment", "preview", "--all")[:2] == (0, "no edit waits\n")


REFUSED = (
    (("edit", "cloud", "--set", "target-os=debian-99"), 1, "deployments.cloud.attributes.target-os: unknown image 'debian-99'"),
    (("edit", "cloud", "--set", "raid-wanted={level"), 2, "raid-wanted: this is not YAML"),
    (("edit", "cloud", "--set", "no-such=1"), 1, "deployments.cloud.attributes.no-such: unknown attribute"),
    (("edit", "cloud", "--set", "target-os"), 2, "--set takes ATTRIBUTE=VALUE, not target-os"),
    (("edit", "cloud", "--unset", "ntp-upstream"), 2, "cloud does not set ntp-upstream; it sets: raid-wanted, target-os"),
    (("edit", "cloud", "--drop-role", "etcd-member"), 2, "cloud does not bind etcd-member"),
    (("edit", "cloud", "--role", "etcd-membr=all"), 1, "did you mean 'etcd-member'?"),
    (("edit", "cloud", "--role", "etcd-member=everyone"), 1, "deployments.cloud.roles.etcd-member: expected all, admin"),
    (("edit", "cloud", "--parent", "clod"), 1, "deployments.cloud.parent"),
    (("edit", "cloud", "--parent", "system", "--file", "x"), 2, "give either --file, or what to change"),
    (("edit", "cloud", "--file", "/nowhere/x"), 2, "cannot read /nowhere/x"),
    (("edit", "nothing", "--parent", "system"), 2, "there is no deployment nothing; known: system, cloud"),
    (("edit", "system", "--role", "ready=all"), 1, "deployments.system.roles: unknown key"),
    (("edit", "cloud"), 2, "say what to change"),
    (("new", "cloud"), 2, "there is a deployment cloud already"),
    (("new", "Bad name"), 1, "expected a deployment's name, not 'Bad name'"),
    (("new", "a" * 64), 1, "there is no deployment aaa"),
    (("delete", "system"), 1, "deployment system is the root of all deployments"),
    (("delete", "nothing"), 1, "there is no deployment nothing"),
    (("recall", "cloud"), 1, "no edit of deployment cloud waits"),
    (("take-up", "cloud"), 2, "no edit of cloud waits"),
    (("commit", "cloud"), 2, "no edit of cloud waits; edits wait of: none"),
    (("commit",), 2, "name one or more deployments, or give --all"),
    (("back", "cloud", "--revision", "9"), 1, "there is no revision 9"),
    (("back", "cloud", "--revision", "0"), 2, "revisions begin with 1"),
    (("show", "nothing"), 1, "the plan has no deployment nothing; known: system, cloud"),
    (("show", "cloud", "--proposed"), 1, "no edit of cloud waits"),
)


def test_what_is_wrong_is_refused_and_changes_nothing(engine: Engine, crowbar: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """One engine for all, because none changes anything."""
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    for words, code, said in REFUSED:
        found, _, err = crowbar("deployment", *words)
        assert (found, said in err) == (code, True), (words, err)
        assert not engine.world.proposals


def test_an_edit_that_was_overtaken_is_taken_up_again(engine: Engine, crowbar: Run) -> None:
    assert crowbar("deployment", "edit", "cloud", "--role", "etcd-member=all")[0] == 0
    plan = engine.world.plan
    assert plan is not None
    from msgspec.structs import replace

    other = replace(plan.deployments["cloud"], attributes={})
    engine.commit(replace(plan, deployments={"cloud": other, "db": DeploymentDef(name="db")}), "grace")
    code, out, _ = crowbar("deployment", "preview", "cloud")
    assert code == 1
    assert out.startswith("the engine would refuse the edit of cloud: grace changed deployment cloud in revision 2 (")
    assert "grace changed deployment cloud in revision 2" in crowbar("deployment", "list")[1]
    assert crowbar("deployment", "commit", "cloud")[0] == 1
    assert crowbar("deployment", "edit", "cloud", "--parent", "db")[0] == 1
    assert engine.world.plan.deployments["cloud"] == other
    assert crowbar("deployment", "take-up", "cloud")[0] == 0
    assert crowbar("deployment", "commit", "cloud")[0] == 0
    assert engine.world.plan.deployments["cloud"].roles["etcd-member"] == ("all",)


def test_the_editor_opens_the_deployment(engine: Engine, crowbar: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\ncp "$1" "$0.saw"; stat -c %a "$1" > "$0.mode"; printf "roles: {ready: all}\\nrolls: 1\\n" > "$1"\n')
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("EDITOR", str(editor))
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    for stream in ("stdin", "stdout"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True, raising=False)
    code, _, err = crowbar("deployment", "edit", "cloud")
    assert code == 1
    assert ":2: deployments.cloud.rolls: unknown key; did you mean 'roles'?" in err
    assert (tmp_path / "editor.saw").read_text() == crowbar("deployment", "show", "cloud")[1]
    assert (tmp_path / "editor.mode").read_text() == "600\n"
    (draft,) = tmp_path.glob("crowbar-*.yml")
    assert f"crowbar deployment edit cloud --file {draft}" in err
    draft.unlink()
    editor.write_text('#!/bin/sh\nprintf "roles: {ready: all}\\n" > "$1"\n')
    assert crowbar("deployment", "edit", "cloud")[0] == 0
    assert not list(tmp_path.glob("crowbar-*.yml"))
    editor.write_text("#!/bin/sh\nexit 3\n")
    code, _, err = crowbar("deployment", "edit", "cloud")
    assert (code, "the editor ended with 3" in err) == (2, True)
