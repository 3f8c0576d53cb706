"""The jigs, each on a machine of its own below a folder, for the tests of what all jigs promise.

A side's role carries out one shell script, with whatever its tool needs around it, and prints what the script printed.
"""

from __future__ import annotations

import getpass
import importlib.util
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from jig_orders import Inbox, order, role_folder
from test_jigs_script import FakeSsh, RealSsh
from test_jigs_ssh_real import Sshd

from engine.events import Outcome
from engine.jigs import Jig
from engine.jigs.ansible import AnsibleJig
from engine.jigs.local import LocalJig
from engine.jigs.logs import Logs
from engine.jigs.script import ScriptJig
from engine.jigs.ssh import SshPool, SshTarget, engine_key

STANDIN = Path(__file__).parent / "standin_chef.rb"
PLAY = "- hosts: all\n  gather_facts: false\n  vars: {ansible_python_interpreter: /usr/bin/python3}\n  tasks:\n"


class Side:
    """The jig `local`. Subclasses are the other jigs."""

    jig_name = "local"
    nodes = 1
    reachable = False
    """True if there is a connection that can be cut."""
    hears_a_cut = True
    """True if the jig reports that."""
    ends_on_node = True
    """True if the time limit ends the task's processes on the node too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.logs = Logs(path / "logs")
        self.folder = path / "role"
        self.jigs: list[Jig] = []
        self.target: SshTarget | None = None
        self.set_up()
        self.again()

    def set_up(self) -> None:
        """Makes the machine."""

    def made(self) -> Jig:
        return LocalJig(self.inbox, self.logs, self.path / "node")

    def again(self) -> None:
        """A new engine."""
        self.inbox = Inbox()
        self.jig = self.made()
        self.jigs.append(self.jig)

    def write(self, script: str) -> None:
        """What the role does. Attributes with secrets are not in it."""
        (self.path / "work.sh").write_text(script + "\n")
        self.role(f"/bin/sh {self.path}/work.sh")

    def role(self, command: str) -> None:
        role_folder(self.folder, command)

    def start(self, attempt: str = "ab-1", **more: Any) -> None:
        """One attempt for each node: `ATTEMPT.0` of the first one, `ATTEMPTx.0` of the others."""
        for n in range(self.nodes):
            name = f"{attempt}{'x' * n}.0"
            self.jig.start(order(name, folder=self.folder, node=f"n{n}", jig=self.jig_name, batch=self.nodes, target=self.target, **more))

    def run(self, attempt: str = "ab-1", **more: Any) -> list[Outcome]:
        """Their outcomes."""
        count = len(self.inbox.outcomes)
        self.start(attempt, **more)
        return self.inbox.wait(count + self.nodes)[count:]

    def acknowledge(self, attempt: str = "ab-1") -> None:
        for n in range(self.nodes):
            self.jig.acknowledge(f"{attempt}{'x' * n}.0", f"n{n}")

    def log(self, attempt: str = "ab-1.0") -> str:
        return self.logs.path(attempt).read_text()

    def cut(self) -> None:
        """The node cannot be reached."""

    def mend(self) -> None:
        """It can be reached again."""

    def close(self) -> None:
        for jig in self.jigs:
            jig.close()


class Script(Side):
    jig_name = "script"
    reachable = True

    def set_up(self) -> None:
        self.ssh = FakeSsh(self.path / "node")
        self.target = self.ssh.target

    def made(self) -> Jig:
        return ScriptJig(self.inbox, self.logs, self.ssh.pool, tool=(str(self.ssh.tool),), workers=4)

    def start(self, attempt: str = "ab-1", **more: Any) -> None:
        attribute = self.ssh.tool.parent / "attribute"
        if not attribute.exists():
            attribute.parent.mkdir(parents=True, exist_ok=True)
            attribute.symlink_to(Path(__file__).parents[2] / "images/node/attribute")
        # The fake's node is n1.
        self.jig.start(order(f"{attempt}.0", folder=self.folder, node="n1", jig=self.jig_name, target=self.target, **more))

    def cut(self) -> None:
        self.ssh.cut()

    def mend(self) -> None:
        self.ssh.mend()

    def close(self) -> None:
        super().close()
        self.ssh.close()


class ScriptServer(Script):
    """Over the server of the simulated machines."""

    def set_up(self) -> None:
        self.ssh = RealSsh(self.path / "node")
        self.target = self.ssh.target


class ScriptSshd(Side):
    """Over OpenSSH."""

    jig_name = "script"
    reachable = True

    def set_up(self) -> None:
        self.key = engine_key(self.path / "keys" / "engine_ed25519")
        (self.path / "sshd").mkdir()
        self.sshd = Sshd(self.path / "sshd", self.key)
        self.target = SshTarget(address="127.0.0.1", port=self.sshd.port, user=getpass.getuser(), host_key=self.sshd.pinned)
        self.pools: list[SshPool] = []

    def made(self) -> Jig:
        self.pools.append(SshPool(self.key))
        home = self.path / "node"
        return ScriptJig(self.inbox, self.logs, self.pools[-1], tool=("env", f"CROWBAR_HOME={home}", f"{home}/sbin/attempt"))

    def cut(self) -> None:
        self.sshd.stop()
        self.pools[-1].close("n0")  # its server goes on without the listener

    def mend(self) -> None:
        self.sshd.start()

    def close(self) -> None:
        super().close()
        for pool in self.pools:
            pool.close_all()
        self.sshd.stop()


class Ansible(ScriptSshd):
    jig_name = "ansible"
    reachable = False  # its playbook ends with the connection; test_jigs_ansible.py
    ends_on_node = False  # nothing on the node ends a command of a playbook; sshd does not, when its connection ends

    def set_up(self) -> None:
        if any(importlib.util.find_spec(name) is None for name in ("ansible", "ansible_runner")):
            pytest.skip("the extra `ansible` is not installed")
        super().set_up()

    def made(self) -> Jig:
        return AnsibleJig(self.inbox, self.logs, self.path / "node", self.path / "keys" / "engine_ed25519")

    def role(self, command: str) -> None:
        self.folder.mkdir(exist_ok=True)
        tasks = f"    - shell: {command}\n      register: it\n    - debug: {{msg: '{{{{ it.stdout }}}}'}}\n"
        (self.folder / "playbook.yml").write_text(PLAY + tasks)


class AnsibleBatch(Ansible):
    nodes = 2


class Puppet(Script):
    jig_name = "puppet"

    def set_up(self) -> None:
        if shutil.which("puppet", path=f"{os.environ['PATH']}:/opt/puppetlabs/bin") is None:
            pytest.skip("puppet is not installed")
        super().set_up()

    def role(self, command: str) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "site.pp").write_text(f"exec {{ '{command}': logoutput => true, timeout => 0 }}\n")


class ChefSolo(Script):
    jig_name = "chef-solo"

    def set_up(self) -> None:
        if shutil.which("ruby") is None:
            pytest.skip("ruby is not installed, which the stand-in for Chef is written in")
        super().set_up()
        tools = self.path / "bin"
        tools.mkdir()
        (tools / "chef-solo").write_text(f'#!/bin/sh\nexec ruby {STANDIN} "$@"\n')
        (tools / "chef-solo").chmod(0o755)
        self.ssh.path = f"{tools}:{os.environ['PATH']}"

    def role(self, command: str) -> None:
        recipe = self.folder / "cookbooks/demo/recipes/default.rb"
        recipe.parent.mkdir(parents=True, exist_ok=True)
        recipe.write_text(f"system('{command}') or raise 'it failed'\n")


SIDES = [
    Side,
    Script,
    ScriptServer,
    pytest.param(ScriptSshd, marks=pytest.mark.client),
    pytest.param(Ansible, marks=[pytest.mark.client, pytest.mark.slow]),
    pytest.param(AnsibleBatch, marks=[pytest.mark.client, pytest.mark.slow]),
    pytest.param(Puppet, marks=[pytest.mark.client, pytest.mark.slow]),
    ChefSolo,
]
