"""The process of one Ansible run, in the folder of its attempt on the admin node: `python -m engine.jigs.ansible_run`.

`attempt` starts it, limits its time and keeps its exit code. It runs the playbook with ansible-runner, and writes by attempt:

* `hosts/ATTEMPT.log`: what Ansible said about that host, masked, at most HOST_LOG bytes.
* `results/ATTEMPT.json`: a `HostResult`. The folder appears as a whole, when the run has ended.

Inventory, artifacts, facts and connections are removed at the end, also after a signal. Files hold what attributes hold, so they have mode
0600 in a folder of mode 0700; neither arguments nor environment have any of it.

Traps:
* ansible-runner turns host key checking off unless the environment says otherwise.
* ansible-playbook gets a terminal and a session of its own, so a signal to our process group does not reach it. We end it when we are
  told to (SIGTERM comes some seconds before SIGKILL), and `ansible_guard` ends it with us.
* Modules write their arguments to the node's syslog unless `no_target_syslog` is set.
* The path of an SSH control socket has at most 107 bytes (unix(7)), so the sockets are not below the store.
"""

from __future__ import annotations

import os
import resource
import shlex
import shutil
import signal
import socket
import struct
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from .ansible_events import MAX_MESSAGE, HostResult, Story
from .ansible_files import PLAYBOOK, Batch
from .cause import shorten
from .logs import Masker

HOST_LOG = 1024 * 1024
"""Most bytes of one host's log."""
MAX_GIVES = 256 * 1024
MAX_FILE = 512 * 1024 * 1024
"""Most bytes of any file that the run writes (RLIMIT_FSIZE)."""
MUX_HELLO, MUX_VERSION, MUX_TERMINATE = 1, 4, 0x10000005
_CUT = b"\n[the log is cut here]\n"
_PLAYBOOK = "ansible-playbook"


class HostLogs:
    """The logs of the hosts. Each has its own masker: a secret may span two pieces."""

    def __init__(self, folder: Path, batch: Batch, secrets: list[str]) -> None:
        folder.mkdir(mode=0o700)
        self._files: dict[str, BinaryIO] = {}
        self._masks = {host.name: Masker(secrets) for host in batch.hosts}
        self._room = {host.name: HOST_LOG for host in batch.hosts}
        for host in batch.hosts:
            self._files[host.name] = (folder / f"{host.attempt}.log").open("wb", buffering=0)

    def write(self, name: str, text: str) -> None:
        """`name` "": to all hosts."""
        data = text.encode("utf-8", "replace")
        for one in [name] if name else list(self._files):
            self._put(one, self._masks[one].feed(data))

    def close(self) -> None:
        for name, file in self._files.items():
            self._put(name, self._masks[name].flush())
            file.close()

    def _put(self, name: str, data: bytes) -> None:
        room = self._room[name]
        if room <= 0 or not data:
            return
        self._files[name].write(data if len(data) <= room else data[:room] + _CUT)
        self._room[name] = room - len(data)


def environment(here: Path, sockets: Path, forks: int) -> dict[str, str]:
    """What ansible-playbook reads. The machine's own configuration of Ansible does not count, only the role's ansible.cfg."""
    own = here / "project" / "ansible.cfg"
    ssh = ["-F", "/dev/null", "-o", f"UserKnownHostsFile={here}/known_hosts", "-o", "GlobalKnownHostsFile=/dev/null"]
    ssh += ["-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes"]
    ssh += ["-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=2", "-o", "ControlMaster=auto", "-o", "ControlPersist=30s"]
    return {
        "PATH": os.pathsep.join((str(here / "bin"), os.environ.get("PATH", os.defpath))),
        "HOME": str(here / "home"),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_CONFIG": str(own if own.is_file() else here / "ansible.cfg"),
        "ANSIBLE_HOME": str(here / "home"),
        "ANSIBLE_LOCAL_TEMP": str(here / "home" / "tmp"),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_SSH_ARGS": " ".join(ssh),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets),
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_FORKS": str(forks),
        "ANSIBLE_TIMEOUT": "30",
        "ANSIBLE_NO_TARGET_SYSLOG": "True",
        "ANSIBLE_NOCOLOR": "True",
        "ANSIBLE_DEPRECATION_WARNINGS": "False",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
    }


def run(here: Path) -> int:
    """Runs the batch that is packed in this folder. Returns the exit code of the attempt: 0 if there are results."""
    batch = msgspec.json.decode((here / "batch.json").read_bytes(), type=Batch)
    secrets = msgspec.json.decode((here / "masks.json").read_bytes(), type=list[str])
    (here / "masks.json").unlink()
    masker = Masker(secrets)
    story = Story((host.name for host in batch.hosts), batch.check, batch.gives)
    logs = HostLogs(here / "hosts", batch, secrets)
    sockets = Path(tempfile.mkdtemp(prefix="crowbar-"))
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda got, _frame: told.append(got))
    try:
        code = _play(here, sockets, batch, story, logs, told)
    finally:
        logs.close()
        _tidy(here, sockets)
    if told:
        return 128 + told[0]
    _write_results(here, batch, story.results(code), masker)
    return 0


def _play(here: Path, sockets: Path, batch: Batch, story: Story, logs: HostLogs, told: list[int]) -> int:
    """Exit code of ansible-playbook."""
    import ansible_runner  # an optional package, which only this process needs

    _wrapper(here / "bin")
    (here / "ansible.cfg").write_text("[defaults]\ninterpreter_python = auto_silent\n")
    (here / "home" / "tmp").mkdir(parents=True)

    def heard(event: dict[str, Any]) -> bool:
        for name, text in story.take(event).items():
            logs.write(name, text)
        return False  # it is not to be written to the disk

    words = ["--check"] if batch.check else []
    ran = ansible_runner.run(
        private_data_dir=str(here),
        project_dir=str(here / "project"),
        playbook=PLAYBOOK,
        inventory=str(here / "inventory" / "hosts.yml"),
        cmdline=shlex.join([*words, "--private-key", batch.key]),  # it is split as a shell does
        envvars=environment(here, sockets, len(batch.hosts)),
        settings={"pexpect_timeout": 1, "suppress_output_file": True, "suppress_ansible_output": True},
        event_handler=heard,
        cancel_callback=lambda: bool(told),
        quiet=True,
        suppress_env_files=True,
    )
    return int(ran.rc if ran.rc is not None else 1)


def _wrapper(folder: Path) -> None:
    """An ansible-playbook that ends with us (`ansible_guard`)."""
    folder.mkdir(mode=0o700)
    beside = Path(sys.executable).parent / _PLAYBOOK
    program = str(beside) if beside.exists() else shutil.which(_PLAYBOOK) or _PLAYBOOK
    file = folder / _PLAYBOOK
    words = shlex.join([sys.executable, "-I", "-S", str(Path(__file__).with_name("ansible_guard.py")), program])
    file.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    file.chmod(0o700)


def _write_results(here: Path, batch: Batch, results: dict[str, HostResult], masker: Masker) -> None:
    new = here / "results.new"
    new.mkdir(mode=0o700)
    for host in batch.hosts:
        found = results[host.name]
        hidden = masker.feed(found.message.encode("utf-8", "replace")) + masker.flush()
        found = msgspec.structs.replace(found, message=shorten(hidden.decode("utf-8", "replace"), MAX_MESSAGE))
        data = _encoded(found)
        (new / f"{host.attempt}.json").write_bytes(data)
    os.rename(new, here / "results")


def _encoded(found: HostResult) -> bytes:
    try:
        data = msgspec.json.encode(found)
    except (TypeError, ValueError):
        return msgspec.json.encode(HostResult(exit=1, message="its gives are no JSON"))
    if len(data) > MAX_GIVES:
        return msgspec.json.encode(HostResult(exit=1, message=f"its gives are larger than {MAX_GIVES} bytes"))
    return data


def _tidy(here: Path, sockets: Path) -> None:
    """Ends the SSH connections that Ansible keeps open, and removes what holds attributes."""
    for one in _listed(sockets):
        _end_master(one)
    for folder in (sockets, *(here / name for name in ("inventory", "artifacts", "env", "home", "fact_cache", "bin", "project"))):
        shutil.rmtree(folder, ignore_errors=True)


def _end_master(path: Path) -> None:
    """Does what `ssh -O exit` does, without a process for each host (OpenSSH, PROTOCOL.mux). An older master ends by itself in 30 s."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as master:
        master.settimeout(5)
        master.connect(str(path))
        master.sendall(struct.pack(">III", 8, MUX_HELLO, MUX_VERSION) + struct.pack(">III", 8, MUX_TERMINATE, 0))
        while master.recv(4096):
            continue  # it closes the connection when it ends


def _listed(folder: Path) -> Iterable[Path]:
    return [path for path in folder.iterdir() if path.is_socket()]


def main() -> int:
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE, MAX_FILE))
    return run(Path.cwd())


if __name__ == "__main__":
    sys.exit(main())
