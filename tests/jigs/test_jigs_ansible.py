"""The jig ansible: real Ansible, from here to real SSH servers on loopback."""

from __future__ import annotations

import getpass
import importlib.util
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from holding import holding
from jig_orders import Inbox, order, until
from test_jigs_ssh_real import Sshd
from tool_rig import reason

from engine.events import Outcome
from engine.jigs.ansible import AnsibleJig
from engine.jigs.ansible_guard import descendants
from engine.jigs.logs import Logs
from engine.jigs.ssh import SshTarget, engine_key

pytestmark = [
    pytest.mark.client,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("ansible", "ansible_runner")), reason="the extra `ansible` is not installed"
    ),
]
# A person's own shell may put another `python3` into the PATH of an SSH session.
PLAY = "- hosts: all\n  gather_facts: false\n  vars: {ansible_python_interpreter: /usr/bin/python3}\n  tasks:\n"


class Rig:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.key = engine_key(path / "keys" / "engine_ed25519")
        (path / "sshd").mkdir()
        self.sshd = Sshd(path / "sshd", self.key)
        self.target = SshTarget(address="127.0.0.1", port=self.sshd.port, user=getpass.getuser(), host_key=self.sshd.pinned)
        self.logs = Logs(path / "logs")
        self.folder = path / "role"
        self._jigs: list[AnsibleJig] = []
        self.again()

    def again(self) -> None:
        """A new engine."""
        self.inbox = Inbox()
        self.jig = AnsibleJig(self.inbox, self.logs, self.path / "home", self.path / "keys" / "engine_ed25519")
        self._jigs.append(self.jig)

    def play(self, tasks: str, head: str = PLAY) -> None:
        self.folder.mkdir(exist_ok=True)
        lines = [f"    {line}" for line in tasks.strip("\n").splitlines()]
        (self.folder / "playbook.yml").write_text(head + "\n".join(lines) + "\n")

    def start(self, attempt: str = "ab-1.0", **more: Any) -> None:
        self.jig.start(order(attempt, folder=self.folder, jig="ansible", **{"target": self.target} | more))

    def run(self, attempt: str = "ab-1.0", **more: Any) -> Outcome:
        """Its outcome."""
        count = len(self.inbox.outcomes)
        self.start(attempt, **more)
        return self.inbox.wait(count + 1)[count]

    def log(self, attempt: str = "ab-1.0") -> str:
        return self.logs.path(attempt).read_text()

    def close(self) -> None:
        for jig in self._jigs:
            jig.close()
        self.sshd.stop()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def test_a_playbook_runs_with_the_attributes_and_its_gives_come_back(rig: Rig) -> None:
    """No text of an attribute is evaluated: it would run commands on the admin node."""
    evil = f"{{{{ lookup('pipe', 'touch {rig.path}/pwned') }}}} {{% raw %}} it's \"so\" é"
    rig.play(
        f"""
- copy: {{content: "{{{{ crowbar.motd.message }}}}", dest: "{rig.path}/motd"}}
- set_stats: {{data: {{crowbar_gives: {{shown: "{{{{ crowbar.motd.message }}}}"}}}}, per_host: true}}
- set_stats: {{data: {{crowbar_gives: {{a-group: "{{{{ group_names | sort }}}}"}}}}, per_host: true}}
"""
    )
    got = rig.run(attributes={"motd": {"message": evil, "{{ 1 }}": [evil, 4, None]}}, gives=("shown", "a-group"), deployment="cloud-1")
    assert (got.what, got.gives) == ("done", {"shown": evil, "a-group": ["deployment_cloud_1", "role_demo"]}), rig.log()
    assert (rig.path / "motd").read_text() == evil
    assert not (rig.path / "pwned").exists()
    assert "TASK [copy]\nchanged: [n1-name]" in rig.log()
    rig.jig.acknowledge("ab-1.0", "n1")
    until(lambda: not (rig.path / "home/attempts/run-ab-1.0").exists())


@pytest.mark.slow
def test_verify_looks_and_changes_nothing(rig: Rig) -> None:
    rig.play(f'- copy: {{content: "hello", dest: "{rig.path}/motd"}}')
    code, fields = reason(rig.run("ab-1.0", action="verify"))
    assert (code, fields["line"]) == ("verify_failed", "copy: it would change something")
    assert not (rig.path / "motd").exists()
    (rig.path / "motd").write_text("hello")
    (rig.path / "motd").chmod(0o644)
    assert rig.run("ab-2.0", action="verify").what == "done", rig.log("ab-2.0")


@pytest.mark.slow
def test_a_failed_task_says_what_it_said(rig: Rig) -> None:
    rig.play("- name: install swift\n  command: ls /nonexistent/swift\n")
    code, fields = reason(rig.run())
    assert (code, fields["exit"]) == ("script_failed", 2)
    assert fields["line"].startswith("install swift: ")
    assert "/nonexistent/swift" in fields["line"]
    assert "FAILED!" in rig.log()


def test_another_host_key_is_told_and_nothing_runs(rig: Rig) -> None:
    """ansible-runner turns host key checking off unless it is told not to."""
    rig.play(f"- command: touch {rig.path}/ran")
    other = engine_key(rig.path / "keys" / "other").public
    got = rig.run(target=SshTarget(address="127.0.0.1", port=rig.sshd.port, user=getpass.getuser(), host_key=other))
    assert got.unreachable
    assert reason(got)[0] == "host_key", (reason(got), rig.log())
    assert not (rig.path / "ran").exists()
    assert rig.run(resume=True).what == "lost", "nothing of it runs, so verify decides"


def test_a_batch_is_one_run_with_a_result_for_each_host(rig: Rig) -> None:
    rig.play(
        f"""
- shell: echo {{{{ inventory_hostname }}}} >>{rig.path}/hosts
- fail: {{msg: "no disk"}}
  when: inventory_hostname == "n2-name"
- set_stats: {{data: {{crowbar_gives: {{shown: "{{{{ crowbar.n }}}}"}}}}, per_host: true}}
- set_fact: {{its_fact: {{of: "{{{{ inventory_hostname }}}}"}}, other: 1, cacheable: true}}
- setup: {{gather_subset: ["!all"]}}
"""
    )
    for n in (1, 2, 3):
        target = rig.target if n < 3 else SshTarget(address="127.0.0.1", port=9, user="root", host_key=rig.sshd.pinned)
        rig.start(f"ab-{n}.0", node=f"n{n}", batch=3, attributes={"n": n}, gives=("shown", "its-fact", "kernel"), target=target)
    found = {one.attempt: one for one in rig.inbox.wait(3)}
    gives = {"shown": 1, "its-fact": {"of": "n1-name"}, "kernel": os.uname().release}
    assert (found["ab-1.0"].what, found["ab-1.0"].gives) == ("done", gives), rig.log("ab-1.0")
    assert reason(found["ab-2.0"])[1]["line"] == "fail: no disk"
    assert found["ab-3.0"].unreachable
    assert reason(found["ab-3.0"])[0] == "unreachable_node"
    assert sorted((rig.path / "hosts").read_text().split()) == ["n1-name", "n2-name"]
    assert len(list((rig.path / "home/attempts").iterdir())) == 1, "one run"
    assert "n2-name" not in rig.log("ab-1.0")
    rig.jig.acknowledge("ab-1.0", "n1")
    rig.jig.acknowledge("ab-2.0", "n2")
    (file,) = (rig.path / "home/batches").glob("*.json")  # beside it may lie a file that is being written
    until(lambda: json.loads(file.read_bytes())["open"] == ["ab-3.0"])
    rig.jig.close()
    rig.again()
    assert rig.run("ab-3.0", node="n3", resume=True, batch=3).what == "lost"
    rig.jig.acknowledge("ab-3.0", "n3")
    until(lambda: list((rig.path / "home/attempts").iterdir()) == [])


@pytest.mark.slow
def test_secrets_are_in_no_process_list_log_or_file_that_stays(rig: Rig) -> None:
    rig.play(
        f"""
- shell: cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ >{rig.path}/list 2>/dev/null; true
- copy: {{content: "{{{{ crowbar.password }}}}", dest: "/nonexistent/place/file"}}
  ignore_errors: true
- debug: {{msg: "it is {{{{ crowbar.password }}}}"}}
"""
    )
    assert rig.run(attributes={"password": "sesame-open-8"}, secrets=("sesame-open-8",)).what == "done", rig.log()
    assert "it is ***" in rig.log()
    left = holding(rig.path, "sesame")
    assert left in ([], [rig.path / "home/attempts/run-ab-1.0/attributes.json"]), "the run is over: its inventory and artifacts are gone"


@pytest.mark.slow
def test_a_node_that_is_lost_in_a_task_is_unreachable_and_then_lost(rig: Rig) -> None:
    rig.play(f"- shell: touch {rig.path}/begun; sleep 60\n  when: crowbar.wait\n")
    rig.start(attributes={"wait": True})
    until((rig.path / "begun").exists)
    for pid in descendants(rig.sshd.process.pid):
        os.kill(pid, signal.SIGKILL)
    rig.sshd.stop()
    (got,) = rig.inbox.wait()
    assert got.unreachable
    assert reason(got)[0] == "unreachable_node"
    rig.sshd.start()
    assert rig.run(resume=True, attributes={"wait": True}).what == "lost"
    until(lambda: rig.run(f"ab-{len(rig.inbox.outcomes) + 1}.0", attributes={"wait": False}).what == "done")


def over(rig: Rig) -> list[int]:
    """Processes of Ansible that still run below the rig's folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes()
        except OSError:
            continue
        if str(rig.path).encode() in words and b"ansible" in words:
            found.append(int(place.name))
    return found


@pytest.mark.slow
def test_over_its_time_nothing_of_it_stays(rig: Rig) -> None:
    rig.play("- command: sleep 60")
    assert reason(rig.run(timeout_s=4.0))[0] == "timed_out"
    until(lambda: over(rig) == [])
    assert sorted(path.name for path in (rig.path / "home/attempts/run-ab-1.0/task").iterdir() if "inventory" in path.name) == []


@pytest.mark.slow
def test_a_killed_run_ends_with_its_playbook_and_is_no_success(rig: Rig) -> None:
    rig.play(f"- shell: touch {rig.path}/begun; sleep 60")
    rig.start()
    until((rig.path / "begun").exists)
    pid = int(re.findall(r"pid=(\d+)", (rig.path / "home/attempts/run-ab-1.0/task.pid").read_text())[0])
    os.kill(pid, signal.SIGKILL)
    code, fields = reason(rig.inbox.wait()[0])
    assert (code, fields["exit"]) == ("script_failed", 137)
    until(lambda: over(rig) == [])


@pytest.mark.slow
def test_roles_without_a_playbook_are_applied(rig: Rig) -> None:
    tasks = rig.folder / "roles" / "motd" / "tasks"
    tasks.mkdir(parents=True)
    (tasks / "main.yml").write_text(f'- copy: {{content: "hi", dest: "{rig.path}/motd"}}\n')
    (rig.folder / "ansible.cfg").write_text("[defaults]\ninterpreter_python = /usr/bin/python3\n")
    assert rig.run().what == "done", rig.log()
    assert (rig.path / "motd").read_text() == "hi"


@pytest.mark.slow
def test_a_large_output_is_cut(rig: Rig) -> None:
    rig.play("- shell: head -c 2000000 /dev/zero | tr '\\\\0' x\n  register: x\n- debug: {var: x.stdout}")
    assert rig.run().what == "done"
    assert 1_000_000 < len(rig.log()) < 1_100_000
    assert "the log is cut" in rig.log()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "what", "reboot"), [(64, "done", True), (128, "again", False), (192, "again", True), (7, "failed", False)]
)
def test_a_playbook_asks_for_a_reboot_or_another_run(rig: Rig, code: int, what: str, reboot: bool) -> None:
    rig.play(f"- set_stats: {{data: {{crowbar_exit: {code}}}}}")
    got = rig.run()
    assert (got.what, got.reboot) == (what, reboot)


@pytest.mark.slow
def test_a_playbook_that_is_none_says_where(rig: Rig) -> None:
    rig.play("- copy: [")
    assert reason(rig.run())[0] == "script_failed"
    assert "playbook.yml" in rig.log()


@pytest.mark.slow
def test_a_node_without_python_is_said(rig: Rig) -> None:
    rig.play("- ping:\n  vars: {ansible_python_interpreter: /nonexistent/python3}")
    code, fields = reason(rig.run())
    assert code == "no_tool", rig.log()
    assert (fields["tool"], fields["node"]) == ("python3", "n1-name")


def test_without_ansible_it_is_refused_with_a_reason(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.play("- ping:")
    monkeypatch.setattr("engine.jigs.ansible.missing", lambda: "ansible-runner")
    code, fields = reason(rig.run())
    assert (code, fields["role"]) == ("no_ansible", "demo")
