"""The jig chef-solo. Chef is in no package registry, so its own behaviour is not tested here: a stand-in (`standin_chef.rb`) takes its place,
and evaluates the same solo.rb, JSON and recipes as its documentation says. Without Chef the role is refused, and that is tested as it is."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from holding import holding
from jig_orders import until
from tool_rig import Rig, reason, rig_of

STANDIN = Path(__file__).parent / "standin_chef.rb"
needs_ruby = pytest.mark.skipif(shutil.which("ruby") is None, reason="ruby is not installed, which the stand-in for Chef is written in")
no_chef = pytest.mark.skipif(
    any(shutil.which(tool, path=f"{os.environ['PATH']}:/opt/chef/bin:/opt/cinc/bin") for tool in ("chef-solo", "cinc-solo")),
    reason="Chef is installed here",
)
RECIPE = """
file node['crowbar']['motd']['file'] do
  content "#{node['crowbar']['motd']['message']}\\n"
  mode '0644'
end
node.normal['crowbar_gives'] = { 'shown' => node['crowbar']['motd']['message'] }
"""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rig_of(tmp_path, "chef-solo") as rig:
        yield rig


@pytest.fixture
def chef(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Rig:
    folder = rig.path / "bin"
    folder.mkdir()
    (folder / "chef-solo").write_text(f'#!/bin/sh\nexec ruby {STANDIN} "$@"\n')
    (folder / "chef-solo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return rig


def recipe(rig: Rig, text: str, name: str = "demo") -> None:
    rig.write(f"cookbooks/{name}/recipes/default.rb", text)


@needs_ruby
def test_a_cookbook_converges_with_the_attributes_and_its_gives_come_back(chef: Rig) -> None:
    recipe(chef, RECIPE)
    motd = {"message": 'it\'s "so" #{x}', "file": f"{chef.path}/motd"}
    got = chef.run(attributes={"motd": motd}, gives=("shown",))
    assert (got.what, got.gives) == ("done", {"shown": motd["message"]}), chef.log()
    assert (chef.path / "motd").read_text() == motd["message"] + "\n"
    out = json.loads((chef.path / "node/attempts/ab-1.0/task/node-out.json").read_text())
    assert out["crowbar_gives"] == {"shown": motd["message"]}


@needs_ruby
def test_the_run_list_is_a_file_of_the_role(chef: Rig) -> None:
    for name in ("one", "two"):
        recipe(chef, f"file '{chef.path}/order' do\n  content File.exist?('{chef.path}/order') ? 'again' : '{name}'\nend\n", name)
    chef.write("run-list", "recipe[two]\n\nrecipe[one]\n")
    assert chef.run().what == "done", chef.log()
    assert (chef.path / "order").read_text() == "again"
    assert "Recipe: two::default" in chef.log().splitlines()[0]


@needs_ruby
@pytest.mark.parametrize(
    ("code", "what", "reboot"),
    [(35, "again", True), (37, "again", True), (213, "again", False), (41, "failed", False), (1, "failed", False)],
)
def test_exit_codes_of_chef(chef: Rig, code: int, what: str, reboot: bool) -> None:
    recipe(chef, f"exit {code}\n")
    got = chef.run()
    assert (got.what, got.reboot) == (what, reboot), chef.log()


@needs_ruby
def test_a_license_that_is_not_accepted_is_said_and_never_accepted(chef: Rig) -> None:
    recipe(chef, "exit 172\n")
    assert "license is not accepted" in str(reason(chef.run())[1]["line"])


@needs_ruby
def test_a_run_that_ends_before_its_handlers_is_no_success(chef: Rig) -> None:
    recipe(chef, "exit! 0\n")
    assert "before it had finished" in str(reason(chef.run())[1]["line"])


@needs_ruby
def test_a_failing_recipe_says_its_line(chef: Rig) -> None:
    recipe(chef, "raise 'no such package: swift'\n")
    assert "FATAL: RuntimeError: no such package: swift" in str(reason(chef.run())[1]["line"])


@needs_ruby
def test_secrets_are_in_the_attempt_and_nowhere_else(chef: Rig) -> None:
    recipe(
        chef,
        f"puts node['crowbar']['password']\nFile.write('{chef.path}/list', Dir['/proc/[0-9]*/cmdline'].map {{ |f| File.read(f) rescue '' }}.join)\n",
    )
    assert chef.run(attributes={"password": "sesame-open-8"}, secrets=("sesame-open-8",)).what == "done", chef.log()
    assert "***" in chef.log()
    assert "sesame" not in (chef.path / "list").read_text(errors="replace")
    chef.jig.acknowledge("ab-1.0", "n1")
    until(lambda: not (chef.path / "node/attempts/ab-1.0").exists())
    assert holding(chef.path, "sesame") == []


def test_verify_is_a_script_of_the_role(rig: Rig) -> None:
    rig.write("verify", "#!/bin/sh\necho 'no banner'; exit 1\n")
    (rig.folder / "verify").chmod(0o755)
    code, fields = reason(rig.run(action="verify"))
    assert (code, fields["line"]) == ("verify_failed", "no banner")


@no_chef
def test_a_node_without_chef_is_said(rig: Rig) -> None:
    recipe(rig, RECIPE)
    code, fields = reason(rig.run())
    assert (code, fields["tool"], fields["node"], fields["role"]) == ("no_tool", "chef-solo", "n1-name", "demo")
