"""20 scripts on each of 50 hosts, one after another on a host: the jig script beside Ansible and pyinfra, and the jig ansible beside plain
ansible-playbook: `python tests/bench/bench_jigs.py [HOSTS] [SCRIPTS]`.

A host is a sshd of its own on loopback, so all hosts share this machine's processors, and a tool that works less leaves them more. Time is from
the first order to the last outcome. CPU is what the controller's processes used; the hosts' part is not in it.

pyinfra comes from a temporary venv, or from the one that `PYINFRA` names. Where a tool is missing, its line says so. With 50 hosts it takes some
minutes. Aims: the jig script is 1.5 times as fast as pyinfra and 10 times as fast as Ansible; a batch of the jig ansible takes at most 1.1 times
as long as ansible-playbook.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "jigs"))

from limits import figure, run, waiting_for

from engine.definitions import RoleDef
from engine.effects import Start
from engine.events import Outcome
from engine.jigs import Jig, Order
from engine.jigs.ansible import AnsibleJig, missing
from engine.jigs.logs import Logs
from engine.jigs.script import ScriptJig
from engine.jigs.ssh import SshPool, SshTarget, engine_key
from engine.jigs.ssh_key import new_private_key, public_line, read_private_key
from engine.model import Node

LIMIT_S = 1500.0
ATTEMPT = Path(__file__).resolve().parents[2] / "images" / "node" / "attempt"
Took = tuple[float, float]
"""Seconds, and seconds of processor time of the controller."""


class Hosts:
    """SSH servers, one per host, with one key."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.key = engine_key(folder / "keys" / "engine_ed25519")
        text = new_private_key()
        (folder / "host_key").write_text(text)
        (folder / "host_key").chmod(0o600)
        (folder / "authorized").write_text(self.key.public + "\n")
        self.pinned = public_line(read_private_key(text))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # as ssh.service does on Debian
        self.user = "root" if os.geteuid() == 0 else os.environ.get("USER", "root")
        self.ports = [22000 + number for number in range(count)]
        self._servers = [self._serve(port) for port in self.ports]
        for port in self.ports:
            with waiting_for(f"the server on port {port}"):
                while not self._listens(port):
                    time.sleep(0.05)
        (folder / "known_hosts").write_text("".join(f"[127.0.0.1]:{port} {self.pinned}\n" for port in self.ports))

    def _serve(self, port: int) -> subprocess.Popen[bytes]:
        program = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin") or "/usr/sbin/sshd"
        options = [
            *("-o", f"Port={port}", "-o", "ListenAddress=127.0.0.1", "-o", f"HostKey={self.folder}/host_key"),
            *("-o", f"AuthorizedKeysFile={self.folder}/authorized", "-o", "StrictModes=no", "-o", "UsePAM=no", "-o", "PidFile=none"),
            *("-o", "MaxStartups=100", "-o", "MaxSessions=100", "-o", "Subsystem=sftp internal-sftp"),
        ]
        with (self.folder / "sshd.log").open("ab") as said:
            words = [*self._alone(), program, "-D", "-e", "-f", "/dev/null", *options]
            return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=said, stderr=said)

    def _alone(self) -> list[str]:
        """Words that give a server an empty /root: what the shell of a person here reads at its start is no part of a host."""
        words = ["unshare", "-m", "sh", "-c", 'mount --make-rprivate / && mount --bind "$0" /root && exec "$@"', str(self.folder / "root")]
        (self.folder / "root").mkdir(exist_ok=True)
        return words if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0 else []

    def _listens(self, port: int) -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", port)) == 0

    def target(self, number: int) -> SshTarget:
        return SshTarget(address="127.0.0.1", port=self.ports[number], user=self.user, host_key=self.pinned)

    def close(self) -> None:
        for server in self._servers:
            server.terminate()
        for server in self._servers:
            server.wait(60)


class Ordering:
    """Orders scripts on a host one after another: the outcome of one brings the next."""

    def __init__(self, hosts: Hosts, folders: list[Path], jig: str, batch: int = 1) -> None:
        self.hosts, self.folders = hosts, folders
        self._jig, self._batch = jig, batch
        self.to: Jig | None = None
        self.failed: list[Outcome] = []
        self._left = len(hosts.ports)
        self._over = threading.Event()

    def order(self, host: int, number: int) -> None:
        role = RoleDef(name=f"r{number}", barclamp="b", stage="system", jig=self._jig, batch=self._batch)
        node = Node(id=f"n{host}", name=f"n{host}")
        start = Start(attempt=f"h{host}-{number}.0", node=node.id, role=role.name, action="run")
        assert self.to is not None
        self.to.start(
            Order(start=start, node=node, role=role, folder=str(self.folders[number]), target=self.hosts.target(host), timeout_s=600)
        )

    def __call__(self, outcome: Outcome) -> bool:
        if outcome.what == "running":
            return True
        host, _, number = outcome.attempt.removesuffix(".0")[1:].partition("-")
        assert self.to is not None
        self.to.acknowledge(outcome.attempt, outcome.node)
        if outcome.what != "done":
            self.failed.append(outcome)
        elif int(number) + 1 < len(self.folders):
            self.order(int(host), int(number) + 1)
            return True
        self._left -= 1
        if not self._left:
            self._over.set()
        return True

    def all(self) -> None:
        for host in range(len(self.hosts.ports)):
            self.order(host, 0)
        if not self._over.wait(LIMIT_S) or self.failed:
            raise RuntimeError(f"not all ended well: {self.failed[:1]}")


def processor() -> float:
    """Seconds of processor time of this process and its ended children."""
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def timed(what: str, work: Callable[[], object]) -> Took:
    begun, used = time.perf_counter(), processor()
    with waiting_for(what):
        work()
    return time.perf_counter() - begun, processor() - used


def scripts(folder: Path, count: int) -> list[Path]:
    """A role's folder for each script, which prints a line."""
    made = []
    for number in range(count):
        role = folder / "roles" / f"r{number}"
        role.mkdir(parents=True)
        (role / "run").write_text(f"#!/bin/sh\necho {number}\n")
        (role / "run").chmod(0o755)
        made.append(role)
    return made


def by_script(hosts: Hosts, folders: list[Path]) -> Took:
    tool = ("env", f"CROWBAR_HOME={hosts.folder}/home", str(ATTEMPT))
    pool = SshPool(hosts.key)
    ordering = Ordering(hosts, folders, "script")
    jig = ordering.to = ScriptJig(ordering, Logs(hosts.folder / "logs"), pool, tool=tool)
    try:
        return timed("the jig script", ordering.all)
    finally:
        jig.close()
        pool.close_all()


def playbook(hosts: Hosts, folders: list[Path]) -> str:
    tasks = "".join(f"    - ansible.builtin.script: {folder}/run\n" for folder in folders)
    return f"- hosts: all\n  gather_facts: false\n  vars: {{ansible_python_interpreter: /usr/bin/python3}}\n  tasks:\n{tasks}"


def ansible_words(hosts: Hosts, folders: list[Path]) -> tuple[list[str], dict[str, str]]:
    """Plain ansible-playbook, with the settings that make it fast."""
    (hosts.folder / "play.yml").write_text(playbook(hosts, folders))
    lines = [f"n{i} ansible_host=127.0.0.1 ansible_port={port} ansible_user={hosts.user}" for i, port in enumerate(hosts.ports)]
    (hosts.folder / "inventory").write_text("[all]\n" + "\n".join(lines) + "\n")
    program = Path(sys.executable).with_name("ansible-playbook")
    words = [str(program), "-i", str(hosts.folder / "inventory"), "--private-key", str(hosts.folder / "keys/engine_ed25519")]
    ssh = f"-F /dev/null -o UserKnownHostsFile={hosts.folder}/known_hosts -o IdentitiesOnly=yes -o ControlMaster=auto -o ControlPersist=30s"
    environment = os.environ | {
        "ANSIBLE_FORKS": str(len(hosts.ports)),
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_SSH_ARGS": ssh,
        "ANSIBLE_HOME": f"{hosts.folder}/a",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": f"{hosts.folder}/cp",
        "LC_ALL": "C.UTF-8",
    }
    return [*words, str(hosts.folder / "play.yml")], environment


def called(words: list[str], environment: dict[str, str], folder: Path) -> None:
    done = subprocess.run(words, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{shlex.join(words)} ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-1000:]}")


def by_ansible(hosts: Hosts, folders: list[Path]) -> Took:
    words, environment = ansible_words(hosts, folders)
    return timed("ansible-playbook", lambda: called(words, environment, hosts.folder))


def by_ansible_jig(hosts: Hosts, folders: list[Path]) -> Took:
    role = hosts.folder / "roles" / "all"
    role.mkdir(exist_ok=True)
    (role / "playbook.yml").write_text(playbook(hosts, folders))
    ordering = Ordering(hosts, [role], "ansible", batch=len(hosts.ports))
    home = Path(tempfile.mkdtemp(prefix="ansible-", dir=hosts.folder))
    jig = ordering.to = AnsibleJig(ordering, Logs(home / "logs"), home, hosts.folder / "keys/engine_ed25519")
    try:
        return timed("the jig ansible", ordering.all)
    finally:
        jig.close()


def pyinfra(hosts: Hosts) -> Path | None:
    """Its program: of the venv in PYINFRA, or of one that is made."""
    venv = Path(os.environ.get("PYINFRA", "")) if os.environ.get("PYINFRA") else hosts.folder / "pyinfra"
    if not venv.exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        if subprocess.run([str(venv / "bin/pip"), "-q", "install", "pyinfra"], capture_output=True, check=False).returncode:
            return None
    return venv / "bin" / "pyinfra"


def by_pyinfra(hosts: Hosts, folders: list[Path], program: Path) -> Took:
    (hosts.folder / "deploy.py").write_text(
        "from pyinfra.operations import server\n"
        + "".join(f"server.script(name={str(one)!r}, src={str(one / 'run')!r})\n" for one in folders)
    )
    about = {
        "ssh_user": hosts.user,
        "ssh_key": str(hosts.folder / "keys/engine_ed25519"),
        "ssh_known_hosts_file": str(hosts.folder / "known_hosts"),
        "ssh_hostname": "127.0.0.1",
    }
    lines = [f"    ('n{i}', {about | {'ssh_port': port}!r}),\n" for i, port in enumerate(hosts.ports)]
    (hosts.folder / "inventory.py").write_text("all = [\n" + "".join(lines) + "]\n")
    words = [str(program), "-y", "--parallel", str(len(hosts.ports)), "inventory.py", "deploy.py"]
    return timed("pyinfra", lambda: called(words, dict(os.environ), hosts.folder))


def main() -> None:
    count, many = (int(word) for word in (*sys.argv[1:], *("50", "20")[len(sys.argv) - 1 :]))
    # Each host of a rack has a disk of its own. Here one disk would have to write for all of them, so there is none.
    with tempfile.TemporaryDirectory(prefix="cb", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as text:
        hosts = Hosts(Path(text), count)
        try:
            folders = scripts(Path(text), many)
            print(f"{many} scripts on each of {count} hosts; seconds, and the controller's seconds of processor time", flush=True)
            script = said("jig script", by_script(hosts, folders))
            program = pyinfra(hosts)
            if program is not None:
                beside("pyinfra", said("pyinfra", by_pyinfra(hosts, folders, program)), script)
            else:
                print("pyinfra: it cannot be installed here")
            if missing() or importlib.util.find_spec("ansible") is None:
                print(f"ansible: {missing()} is missing")
                return
            plain = said("ansible-playbook", by_ansible(hosts, folders))
            beside("ansible-playbook", plain, script)
            jig = by_ansible_jig(hosts, folders)
            # Its processes are detached, so their processor time cannot be asked for.
            print(f"{'jig ansible, one batch':24} {jig[0]:8.2f} s")
            figure("jig ansible, one batch, time", jig[0], "s")
            print(f"the jig ansible takes {jig[0] / plain[0]:.2f} times as long as ansible-playbook")
            figure("jig ansible / ansible-playbook", jig[0] / plain[0], "times")
        finally:
            hosts.close()


def said(name: str, took: Took) -> Took:
    print(f"{name:24} {took[0]:8.2f} s {took[1]:8.2f} s cpu", flush=True)
    figure(f"{name}, time", took[0], "s")
    figure(f"{name}, cpu", took[1], "s")
    return took


def beside(name: str, other: Took, script: Took) -> None:
    print(
        f"the jig script is {other[0] / script[0]:.1f} times as fast as {name}, with {other[1] / script[1]:.1f} times less processor time"
    )
    figure(f"{name} / jig script", other[0] / script[0], "times", better="more")


if __name__ == "__main__":
    raise SystemExit(run("jigs", main, limit_s=LIMIT_S))
