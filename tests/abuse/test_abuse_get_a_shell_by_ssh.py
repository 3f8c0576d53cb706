"""The attacker's goal: a shell on the admin node, with an SSH account that has only `crowbar shell`. He chooses his command, the variables
that sshd takes from him, his terminal, every key, and what he uploads. sshd is a real one."""

from __future__ import annotations

import os
import random
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from thinned import thinned

sys.path.append(str(Path(__file__).parents[1] / "cli"))
sys.path.append(str(Path(__file__).parents[1] / "console"))
sys.path.append(str(Path(__file__).parents[1] / "bundles"))

from bundle_lab import bundle, tree
from captive_sshd import ROOT, CaptiveSshd
from cli_store import brought_up, engine, store  # noqa: F401  fixtures
from terminal import Terminal, children, needs_tmux

from crowbar_tui import captive
from crowbar_tui.commands.shell import WORDS
from engine.api.views import DECODING

pytestmark = pytest.mark.client


@pytest.fixture
def host(tmp_path: Path, store: Path) -> Iterator[CaptiveSshd]:  # noqa: F811
    made = CaptiveSshd(tmp_path / "sshd", store)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaptiveSshd]:
    """For what is refused before anything of the store is read."""
    folder = tmp_path_factory.mktemp("gate")
    made = CaptiveSshd(folder / "sshd", folder / "store")
    yield made
    made.stop()


COMMANDS = [
    "id",
    "sh",
    "/bin/sh -i",
    "bash --norc",
    "status; id",
    "status && id",
    "status | id",
    "status\nid",
    "status `id`",
    "$(id)",
    "status --json --store /etc",
    "console --store /tmp",
    "bundle /etc/shadow",
    "bundle </etc/shadow",
    "../../bin/sh",
    "crowbar shell",
    "--help",
    "-h",
    "-c id",
    "env",
    "exec sh",
    "internal-sftp",
    "/usr/lib/openssh/sftp-server",
    "scp -f /etc/passwd",
    "scp -t /root/.ssh",
    "rsync --server --sender . /etc",
    "git-upload-pack /",
    "status ",
    "STATUS",
    "x" * 100_000,
]


def sent(command: str) -> object:
    """Each is a connection and a process. All are compared with the same table, so only the oddest ones are sent in `make test`."""
    odd = command in ("id", "status\nid", "$(id)", "-c id", "status ") or len(command) > 100
    return pytest.param(command, marks=() if odd else pytest.mark.long, id=command[:20].replace("/", "_"))


@pytest.mark.parametrize("command", map(sent, COMMANDS))
def test_no_command_but_those_of_the_table_runs(gate: CaptiveSshd, command: str) -> None:
    done = gate.run(command)
    assert done.returncode == 2, done
    assert done.stdout == b""
    assert b"is not allowed here; allowed: console, status" in done.stderr
    assert len(done.stderr) < 400
    assert b"uid=" not in done.stderr


def test_no_subsystem_and_no_forwarding(gate: CaptiveSshd) -> None:
    done = gate.run("sftp", options=("-s",))
    assert (done.returncode, done.stdout) == (2, b""), "sshd ran crowbar shell with internal-sftp as the client's command"
    assert gate.run("status", options=("-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1")).returncode != 0
    refused = gate.run(options=("-W", "127.0.0.1:1"))
    assert refused.returncode != 0
    assert b"prohibited" in refused.stderr or b"forward" in refused.stderr


def test_his_variables_count_for_nothing(host: CaptiveSshd, store: Path) -> None:  # noqa: F811
    evil = dict.fromkeys(("PAGER", "EDITOR", "VISUAL", "SHELL"), "/bin/sh")
    evil |= {"CROWBAR_STORE": "/etc", "TEXTUAL_DRIVER": "os:system", "LC_ALL": "C.UTF-8"}
    send = [word for name in evil for word in ("-o", f"SendEnv={name}")]
    done = host.run("status", options=tuple(send), **evil)
    assert done.returncode == 0, done.stderr
    assert b"3 nodes" in done.stdout


def test_what_is_kept_of_an_environment() -> None:
    given = dict.fromkeys(
        "PAGER EDITOR PYTHONSTARTUP PYTHONPATH LD_PRELOAD BASH_ENV TEXTUAL CROWBAR_STORE XDG_CONFIG_HOME IFS".split(), "x"
    )
    usual = {"TERM": "xterm", "LC_TIME": "C", "HOME": "/home/x", "SSH_ORIGINAL_COMMAND": "status"}
    kept = captive.kept({**given, **usual, "LANG": "x" * 5000, "PATH": "/tmp/evil"})
    assert kept == {**usual, "PATH": captive.PATH}


# -- the terminal ----------------------------------------------------------------------------------------------------


def programs(pid: int) -> list[str]:
    """The command lines of all processes below this one. One that has just ended has none."""
    out = []
    for child in children(pid):
        try:
            out.append(Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
        out += programs(child)
    return [one for one in out if one]


def started_by_consoles(pid: int) -> list[str]:
    """The command lines of what consoles below this process have started. Before a console, sshd runs the account's login shell, which
    reads the files of that account."""
    out = []
    for child in children(pid):
        try:
            mine = Path(f"/proc/{child}/cmdline").read_bytes().startswith(sys.executable.encode() + b"\0")
        except OSError:
            continue
        out += programs(child) if mine else started_by_consoles(child)
    return out


KEYS = [*"!|$&;:/?.,<>()[]{}-+=*%^~`'\"\\", *"abcdefghijklmnoprstuvwxyzABCDEFGHIJKLMNOPRSTUVWXYZ0123456789"]
NAMED = [
    "Enter",
    "Escape",
    "Tab",
    "Space",
    "Up",
    "Down",
    "PPage",
    "F1",
    "F2",
    "F5",
    "C-z",
    "C-\\",
    "C-c",
    "C-d",
    "C-o",
    "C-r",
    "C-x",
    "C-s",
    "C-e",
]


@needs_tmux
@pytest.mark.parametrize("seed", thinned([1, 2], each=2))
def test_no_key_leads_to_another_program(tmp_path: Path, store: Path, engine: object, seed: int) -> None:  # noqa: F811
    """Keys at random over all screens. When one of them closes the console, it is opened again."""
    host = CaptiveSshd(tmp_path / "sshd", store)
    terminal = Terminal(tmp_path)
    chance = random.Random(seed)
    up = 0
    try:
        terminal.type(f"trap '' INT QUIT TSTP; while :; do {shlex.join(host.argv('-tt'))}; done", "Enter")
        terminal.wait("8 health")
        for _ in range(60):
            for _ in range(8):
                if chance.random() < 0.25:
                    terminal.keys(chance.choice(NAMED))
                else:
                    terminal.type(chance.choice(KEYS))
            up += any(one.startswith(sys.executable) for one in programs(host.pid))
            for one in started_by_consoles(host.pid):
                assert "crowbar_tui.cli" in one or " ".join(DECODING) in one, f"{one} was started"
        assert up > 30, "the console was open"
        for text in ("!id", ":!id", ":sh"):
            terminal.keys("Escape", "Escape")
            terminal.type(text, "Enter")
        assert "uid=" not in terminal.screen()
    finally:
        terminal.close()
        host.stop()


def test_a_closed_connection_ends_his_processes(host: CaptiveSshd, store: Path) -> None:  # noqa: F811
    client = subprocess.Popen(
        [*host.argv("-tt")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, "TERM": "xterm"}
    )
    assert client.stdout is not None
    seen = b""
    while b"health" not in seen:
        piece = os.read(client.stdout.fileno(), 65536)
        assert piece, seen
        seen += piece
    assert client.stdin is not None
    client.kill()
    client.wait(60)
    client.stdin.close()
    client.stdout.close()
    end = time.monotonic() + 60
    while any("crowbar_tui" in one for one in programs(host.pid)):
        assert time.monotonic() < end, programs(host.pid)
        time.sleep(0.05)


# -- the upload ------------------------------------------------------------------------------------------------------


def test_no_bundle_of_his_is_opened(host: CaptiveSshd, store: Path) -> None:  # noqa: F811
    before = {name for name in tree(store) if not name.startswith("store.db")}
    for data in (bundle(), bundle()[:-3000], b"\x1f\x8b" + bytes(2000), b"A" * 3_000_000, b""):
        done = host.run("bundle", data=data)
        assert done.returncode == 1
        assert done.stderr.startswith(b"crowbar: the upload ")
        assert done.stderr.count(b"\n") == 1
    after = {name for name in tree(store) if not name.startswith("store.db")}
    assert {name for name in after - before if not name.startswith(("console.log", "engine"))} == set()


def test_an_account_that_only_looks_uploads_nothing(tmp_path: Path, store: Path) -> None:  # noqa: F811
    host = CaptiveSshd(tmp_path / "sshd", store, "--read-only")
    try:
        done = host.run("bundle", data=bundle())
        assert (done.returncode, done.stderr) == (1, b"crowbar: this account only looks: no bundle is taken\n")
    finally:
        host.stop()


# -- the wall --------------------------------------------------------------------------------------------------------

TRIES = {
    "system": "os.system('id')",
    "popen": "os.popen('id')",
    "run": "subprocess.run(['id'])",
    "shell": "subprocess.run('id', shell=True)",
    "other": f"subprocess.run({[*DECODING, '-x']!r})",
    "exec": "os.execv('/bin/sh', ['sh'])",
    "spawn": "os.posix_spawn('/bin/sh', ['sh'], {})",
    "pty": "pty.spawn(['sh'])",
    "stop": "os.kill(os.getpid(), signal.SIGTSTP)",
    "group": "os.killpg(0, signal.SIGSTOP)",
    "write": "open('/tmp/evil-crowbar', 'w')",
    "append": "open(os.path.expanduser('~/.bashrc'), 'a')",
    "raw": "os.open('/tmp/evil-crowbar', os.O_WRONLY | os.O_CREAT)",
    "dots": "open(STORE + '/../evil', 'w')",
    "link": "os.symlink(STORE + '/x', '/tmp/evil-crowbar')",
    "rename": "os.rename(STORE + '/x', '/tmp/evil-crowbar')",
    "through": "open(STORE + '/out/evil', 'w')",
    "folder": "os.mkdir('evil', dir_fd=os.open(STORE + '/..', os.O_RDONLY))",
    "hard": "os.link('/etc/passwd', STORE + '/y')",
    "mode": "os.chmod(STORE + '/..', 0o777)",
    "mkdir": "os.mkdir('/tmp/evil-crowbar')",
}


@pytest.mark.parametrize("attempt", TRIES)
def test_the_interpreter_itself_refuses(tmp_path: Path, attempt: str) -> None:
    inside = tmp_path / "store"
    inside.mkdir()
    (inside / "x").touch()
    (inside / "out").symlink_to(tmp_path)
    code = (
        "import os, pty, signal, subprocess, sys\nfrom pathlib import Path\nfrom crowbar_tui import captive\n"
        f"STORE = {str(inside)!r}\ncaptive.wall(Path(STORE), ({DECODING!r},))\n"
        "open(STORE + '/allowed', 'w').close(); open(os.devnull, 'w').close(); os.kill(os.getpid(), 0)\n"
        f"try:\n    {TRIES[attempt]}\nexcept PermissionError as error:\n    print('refused:', error)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, env=env)
    assert done.stdout.startswith("refused: a captive process"), done
    assert "uid=" not in done.stdout
    assert (inside / "allowed").exists()
    assert not (tmp_path / "evil").exists()


def test_the_table_is_all_that_is_compared() -> None:
    assert set(WORDS.values()) == {"console", "status", "status --json", "bundle", "bundle --json", "help"}
