"""The shipped roles of Ansible, Puppet and Chef, with the real tools (a stand-in for Chef), on this machine with its own /etc and /home."""

from __future__ import annotations

import base64
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from jig_orders import Inbox, order
from test_jigs_chef_solo import STANDIN, needs_ruby
from test_jigs_script import FakeSsh
from test_jigs_ssh_real import Sshd
from tool_rig import Rig, reason

from engine.files.catalog import shipped
from engine.files.paths import shipped_folder
from engine.jigs.ansible import AnsibleJig
from engine.jigs.logs import Logs
from engine.jigs.ssh import SshDone, SshTarget, engine_key
from engine.runtime.hardware import read_bundle

PRIVATE = 'mount --make-rprivate / && for one in etc home root; do mount --bind "$0/$one" "/$one" || exit 1; done; exec "$@"'
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ ann@r07"


def able() -> bool:
    words = ["unshare", "-mu", "sh", "-c", "mount --make-rprivate /"]
    return (
        os.geteuid() == 0
        and shutil.which("unshare") is not None
        and subprocess.run(words, capture_output=True, check=False).returncode == 0
    )


pytestmark = [pytest.mark.client, pytest.mark.skipif(not able(), reason="needs root and mount namespaces")]


@pytest.fixture
def private(tmp_path: Path) -> list[str]:
    """Words before a command: it sees copies of /etc, an empty /home and /root, and has a host name of its own."""
    root = tmp_path / "machine"
    for name in ("home", "root"):
        (root / name).mkdir(parents=True)
    shutil.copytree("/etc", root / "etc", symlinks=True, ignore_dangling_symlinks=True)
    return ["unshare", "-mu", "sh", "-c", PRIVATE, str(root)]


def folder(barclamp: str, role: str) -> Path:
    return shipped_folder("barclamps") / barclamp / "roles" / role


def fits(gives: dict[str, Any]) -> bool:
    for name, value in gives.items():
        if name == "hardware":  # the engine reads the reports on their way in
            assert read_bundle(base64.b64decode(value["reports"], validate=True)).reports
            continue
        jsonschema.validate(value, shipped().attributes[name].schema)
    return True


# -- ansible ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def sshd(tmp_path: Path, private: list[str]) -> Iterator[Sshd]:
    (tmp_path / "sshd").mkdir()
    sshd = Sshd(tmp_path / "sshd", engine_key(tmp_path / "keys" / "engine_ed25519"), private)
    yield sshd
    sshd.stop()


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ansible_runner") is None, reason="the extra `ansible` is not installed")
def test_sysctl(tmp_path: Path, sshd: Sshd) -> None:
    inbox = Inbox()
    jig = AnsibleJig(inbox, Logs(tmp_path / "logs"), tmp_path / "home", tmp_path / "keys" / "engine_ed25519")
    target = SshTarget(address="127.0.0.1", port=sshd.port, user="root", host_key=sshd.pinned)
    settings = {"kernel.domainname": "r07.example.net", "vm.swappiness": int(Path("/proc/sys/vm/swappiness").read_text())}
    asked = {"jig": "ansible", "folder": folder("sysctl", "sysctl"), "target": target, "attributes": {"sysctl": {"settings": settings}}}
    asked |= {"gives": ("sysctl-applied",), "batch": 50}
    outcomes = []
    try:
        for number, action in enumerate(("verify", "run", "verify", "run")):
            jig.start(order(f"ab-{number}.0", action=action, **asked))
            outcomes.append(inbox.wait(number + 1)[number])
    finally:
        jig.close()
    log = (tmp_path / "logs" / "ab-1.0.log").read_text()
    assert reason(outcomes[0])[0] == "verify_failed"
    applied = {"kernel.domainname": "r07.example.net", "vm.swappiness": str(settings["vm.swappiness"])}
    assert [(one.what, one.gives) for one in outcomes[1:]] == [("done", {"sysctl-applied": applied})] * 3, log
    assert fits(outcomes[1].gives)
    assert "kernel.domainname = r07.example.net\n" in (tmp_path / "machine/etc/sysctl.d/60-crowbar.conf").read_text()
    assert "changed: [n1-name]" not in (tmp_path / "logs" / "ab-3.0.log").read_text(), "a second run changes nothing"


# -- puppet -----------------------------------------------------------------------------------------------------------


class Inside(FakeSsh):
    """A node whose commands see a machine of their own."""

    def __init__(self, home: Path, within: list[str]) -> None:
        super().__init__(home)
        self.within = within

    def carry_out(self, node: str, argv: list[str], stdin: bytes) -> tuple[int, bytes, bytes]:
        code, out, said = super().carry_out(node, [*self.within, *argv], stdin)
        # The shell says 127 where the program is missing, as over SSH.
        return code, out, said


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("puppet") is None, reason="puppet is not installed")
def test_accounts(tmp_path: Path, private: list[str]) -> None:
    rig = Rig(tmp_path, "puppet")
    rig.ssh = Inside(tmp_path / "node", private)
    rig.again()
    rig.folder = folder("accounts", "accounts")
    machine = tmp_path / "machine"
    users: dict[str, Any] = {"ann": {"keys": [KEY], "sudo": True}, "bob": {"keys": []}}
    asked: dict[str, Any] = {"gives": ("accounts-uids",), "attributes": {"accounts": {"users": users}}}
    try:
        got = rig.run("ab-1.0", **asked)
        assert got.what == "done", rig.log()
        assert set(got.gives["accounts-uids"]) == {"ann", "bob"}
        assert fits(got.gives)
        assert (machine / "home/ann/.ssh/authorized_keys").read_text() == f"{KEY}\n"
        assert "NOPASSWD" in (machine / "etc/sudoers.d/crowbar-ann").read_text()
        assert rig.run("ab-2.0", action="verify", **asked).gives == got.gives
        users["ann"] = {"present": False}
        gone = rig.run("ab-3.0", **asked)
        assert set(gone.gives["accounts-uids"]) == {"bob"}, rig.log("ab-3.0")
        assert not (machine / "etc/sudoers.d/crowbar-ann").exists()
        assert (machine / "home/ann/.ssh/authorized_keys").exists(), "a person's files stay"
    finally:
        rig.close()
    assert "ann" not in Path("/etc/passwd").read_text().split(":")


# -- chef -------------------------------------------------------------------------------------------------------------


@needs_ruby
def test_banner(tmp_path: Path, private: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, "chef-solo")
    rig.ssh = Inside(tmp_path / "node", private)
    rig.again()
    rig.folder = folder("banner", "banner")
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "chef-solo").write_text(f'#!/bin/sh\nexec ruby {STANDIN} "$@"\n')
    (bin_ / "chef-solo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_}:{os.environ['PATH']}")
    asked: dict[str, Any] = {"gives": ("banner-lines",), "attributes": {"banner": {"text": "Authorised use only.\nIt's logged."}}}
    asked["role_name"] = "banner"
    try:
        assert reason(rig.run("ab-1.0", action="verify", **asked))[0] == "verify_failed"
        got = rig.run("ab-2.0", **asked)
        assert (got.what, got.gives) == ("done", {"banner-lines": 2}), rig.log("ab-2.0")
        assert fits(got.gives)
        assert (tmp_path / "machine/etc/issue.net").read_text() == "Authorised use only.\nIt's logged.\n"
        assert rig.run("ab-3.0", action="verify", **asked).gives == got.gives
    finally:
        rig.close()
    assert isinstance(rig.ssh.pool.run("n1", rig.ssh.target, ["true"]), SshDone)
