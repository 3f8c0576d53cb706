"""The jig puppet, with a real Puppet that applies real manifests in an attempt."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from holding import holding
from jig_orders import until
from tool_rig import Rig, reason, rig_of

ODD = {"motd": {"message": "100% %{facts.os.family} %% 'it\"s' {x}", "%{x}": ["%{lookup('y')}", 4, None, True]}}
TO_JSON = "require 'json'\nPuppet::Functions.create_function(:to_json) do\n  def to_json(x)\n    JSON.generate(x)\n  end\nend\n"

pytestmark = [
    pytest.mark.client,
    pytest.mark.skipif(shutil.which("puppet", path=f"{os.environ['PATH']}:/opt/puppetlabs/bin") is None, reason="puppet is not installed"),
]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rig_of(tmp_path, "puppet") as rig:
        yield rig


def writes(rig: Rig, more: str = "") -> Path:
    """A role that writes its message into a file."""
    rig.write("site.pp", f"file {{ '{rig.path}/motd': content => lookup('motd.message') }}\n{more}")
    return rig.path / "motd"


def test_a_manifest_is_applied_with_the_attributes_and_reports_its_gives(rig: Rig) -> None:
    rig.write("site.pp", f"file {{ '{rig.path}/all': content => to_json(lookup('motd')) }}\ninclude seen\n")
    rig.write("modules/seen/manifests/init.pp", f"class seen {{ file {{ '{rig.path}/seen': content => $facts['crowbar_attempt'] }} }}\n")
    rig.write("gives", f'printf \'{{"lines": %s}}\' "$(wc -l <{rig.path}/all)" >"$CROWBAR_GIVES"\n')
    rig.write("modules/seen/lib/puppet/functions/to_json.rb", TO_JSON)
    got = rig.run(attributes=ODD, gives=("lines",), secrets=("sesame-open",))
    assert (got.what, got.gives) == ("done", {"lines": 0}), rig.log()
    assert json.loads((rig.path / "all").read_text()) == ODD["motd"], "Hiera returns what was given, and interpolates nothing"
    assert (rig.path / "seen").read_text() == "ab-1.0"
    assert "Error" not in rig.log()


def test_verify_finds_out_without_a_script_and_changes_nothing(rig: Rig) -> None:
    motd = writes(rig)
    attributes = {"motd": {"message": "hello"}}
    motd.write_text("hello")
    assert rig.run("ab-1.0", action="verify", attributes=attributes).what == "done"
    motd.write_text("by hand")
    code, fields = reason(rig.run("ab-2.0", action="verify", attributes=attributes))
    assert (code, fields["role"]) == ("verify_failed", "demo")
    assert motd.read_text() == "by hand"


@pytest.mark.slow
def test_a_failed_resource_fails_and_says_which(rig: Rig) -> None:
    motd = writes(rig, "file { '/nonexistent/place/file': content => 'x' }\n")
    code, fields = reason(rig.run(attributes={"motd": {"message": "hello"}}))
    assert (code, fields["exit"]) == ("script_failed", 1)
    assert "/nonexistent/place" in str(fields["line"])
    assert motd.read_text() == "hello", "the run finished"


@pytest.mark.slow
def test_a_manifest_that_cannot_be_compiled_is_no_answer_of_verify(rig: Rig) -> None:
    rig.write("site.pp", "file { 'x'\n")
    for attempt, action in (("ab-1.0", "run"), ("ab-2.0", "verify")):
        code, fields = reason(rig.run(attempt, action=action))
        assert (code, fields["exit"]) == ("script_failed", 2)
        assert "Syntax error" in str(fields["line"])


@pytest.mark.slow
def test_a_killed_puppet_has_not_finished_its_run(rig: Rig) -> None:
    """Its exit code alone could be any; the report is not there."""
    rig.write("site.pp", f"exec {{ '/bin/sh -c \"echo $PPID >{rig.path}/pid; sleep 60\"': }}\n")
    rig.start()
    pid = int(until(lambda: (rig.path / "pid").exists() and (rig.path / "pid").read_text().strip()))
    os.kill(pid, signal.SIGKILL)
    code, fields = reason(rig.inbox.wait()[0])
    assert (code, fields["exit"]) == ("script_failed", 2)
    assert "before it had finished" in rig.log()


def test_a_node_without_puppet_is_said(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = rig.path / "bin"
    empty.mkdir()
    for name in "sh cat tar awk setsid sed head tail mkdir mv rm ln sleep wc tr chmod sync ls env rmdir".split():
        (empty / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(empty))
    writes(rig)
    if Path("/usr/sbin/puppet").exists() or Path("/opt/puppetlabs/bin/puppet").exists():
        pytest.skip("this machine's puppet is where it is looked for anyway")
    code, fields = reason(rig.run())
    assert (code, fields["tool"], fields["node"]) == ("no_tool", "puppet", "n1-name")


@pytest.mark.slow
def test_secrets_stay_in_the_attempt(rig: Rig) -> None:
    """No process list, log or file outside of the attempt's folder has one, and an acknowledged attempt has no folder."""
    seen = f"cat /proc/[0-9]*/cmdline >{rig.path}/list 2>/dev/null; true"
    rig.write("site.pp", f"exec {{ '/bin/sh -c \"{seen}\"': }}\nnotify {{ 'x': message => lookup('password') }}\n")
    rig.ssh.home.mkdir(parents=True, exist_ok=True)
    got = rig.run(attributes={"password": "sesame-open-8"}, secrets=("sesame-open-8",))
    assert got.what == "done", rig.log()
    assert "sesame" not in (rig.path / "list").read_text(errors="replace")
    assert "***" in rig.log()
    rig.jig.acknowledge("ab-1.0", "n1")
    until(lambda: not (rig.path / "node/attempts/ab-1.0").exists())
    assert holding(rig.path, "sesame") == []
