"""`engine.racks.simulated.sshd`: simulated nodes' SSH servers, with the real `ssh` client and with paramiko's."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest

from engine.jigs.ssh_key import engine_key, new_private_key, public_line, read_private_key
from engine.racks.simulated.sshd import SshFarm

DEADLINE_S = 60.0


def until(met: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not met():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


class Machines:
    """A handler that echoes, and can be held."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = threading.Event()

    def __call__(self, node: str, argv: list[str], stdin: bytes) -> tuple[int, bytes, bytes]:
        if argv == ["hostname"]:
            return 0, f"{node}\n".encode(), b""
        if argv[:1] == ["hold"]:
            self.begun.set()
            assert self.go.wait(DEADLINE_S)
            return 0, b"released\n", b""
        if argv[:1] == ["break"]:
            raise RuntimeError("a defect")
        if argv[:2] == ["attempt", "start"]:
            return 0, f"{len(stdin)}\n".encode(), b""
        return 7, "|".join(argv).encode(), b"err"


@pytest.fixture
def machines() -> Machines:
    return Machines()


@pytest.fixture
def farm(machines: Machines, tmp_path: Path) -> Iterator[SshFarm]:
    farm = SshFarm(machines, [engine_key(tmp_path / "key").public])
    yield farm
    machines.go.set()
    farm.close()


HOST_KEY = read_private_key(new_private_key())


class Ssh:
    """The real client."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("ssh")
        if program is None:
            pytest.skip("ssh is not installed")
        self.program = program
        self.folder = folder

    def argv(self, port: int, *command: str, key: str = "key", user: str = "root") -> list[str]:
        (self.folder / "known").write_text(f"[127.0.0.1]:{port} {public_line(HOST_KEY)}\n")
        options = {
            "BatchMode": "yes",
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": f"{self.folder}/known",
            "GlobalKnownHostsFile": "/dev/null",
            "ControlPath": "none",
            "LogLevel": "ERROR",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return [self.program, "-F", "none", "-i", str(self.folder / key), *words, "-p", str(port), f"{user}@127.0.0.1", *command]

    def run(self, port: int, *command: str, key: str = "key", stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(self.argv(port, *command, key=key), input=stdin, capture_output=True, timeout=60, check=False)


@pytest.mark.client
def test_the_real_client(farm: SshFarm, tmp_path: Path) -> None:
    ssh = Ssh(tmp_path)
    one = farm.listen("n1", "127.0.0.1", 0, HOST_KEY)
    two = farm.listen("n2", "127.0.0.1", 0, HOST_KEY)
    assert ssh.run(one, "hostname").stdout == b"n1\n"
    assert ssh.run(two, "hostname").stdout == b"n2\n"
    odd = ssh.run(one, "tool 'a b' \"c;d\" $(id) '$(id)'")
    assert (odd.returncode, odd.stdout, odd.stderr) == (7, b"tool|a b|c;d|$(id)|$(id)", b"err")
    assert ssh.run(one, "attempt start i-1.1 60", stdin=b"x" * 5_000_000).stdout == b"5000000\n"
    assert ssh.run(one, "unclosed 'quote").returncode == 2
    assert ssh.run(one, "break").returncode == 126
    assert ssh.run(one).returncode != 0  # no shell


@pytest.mark.client
def test_the_real_client_without_end_of_input(farm: SshFarm, tmp_path: Path) -> None:
    ssh = Ssh(tmp_path)
    port = farm.listen("n1", "127.0.0.1", 0, HOST_KEY)
    person = subprocess.Popen(ssh.argv(port, "hostname"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert person.stdin is not None
    assert person.stdout is not None
    assert person.stdout.read() == b"n1\n"
    assert person.wait(60) == 0
    person.stdin.close()
    person.stdout.close()


@pytest.mark.client
def test_other_keys_and_passwords_are_refused(farm: SshFarm, tmp_path: Path) -> None:
    ssh = Ssh(tmp_path)
    guest = engine_key(tmp_path / "guest")
    port = farm.listen("n1", "127.0.0.1", 0, HOST_KEY)
    refused = ssh.run(port, "hostname", key="guest")
    assert refused.returncode == 255
    assert b"Permission denied (publickey)" in refused.stderr
    port = farm.listen("n1", "127.0.0.1", 0, HOST_KEY, keys=[guest.public + " a comment"])
    assert ssh.run(port, "hostname", key="guest").stdout == b"n1\n"
    assert ssh.run(port, "hostname").stdout == b"n1\n"
    with pytest.raises(ValueError, match="no public key"):
        farm.listen("n2", "127.0.0.1", 0, HOST_KEY, keys=["rubbish"])


def connect(port: int, tmp_path: Path) -> paramiko.Transport:
    sock = socket.create_connection(("127.0.0.1", port), timeout=60)
    transport = paramiko.Transport(sock)
    try:
        transport.start_client(timeout=60)
        transport.auth_publickey("root", engine_key(tmp_path / "key").pkey)
    except BaseException:
        transport.close()
        sock.close()
        raise
    return transport


def test_drop_cuts_a_command_in_the_middle(farm: SshFarm, machines: Machines, tmp_path: Path) -> None:
    port = farm.listen("n1", "127.0.0.1", 0, HOST_KEY)
    other_port = farm.listen("n2", "127.0.0.1", 0, HOST_KEY)
    transport, other = connect(port, tmp_path), connect(other_port, tmp_path)
    channel = transport.open_session()
    channel.exec_command("hold")
    assert machines.begun.wait(DEADLINE_S)
    assert farm.drop("n1") == 1
    assert channel.recv(100) == b""
    until(lambda: not transport.is_active(), "the client sees it")
    assert farm.connections("n1") == 0
    assert other.is_active()
    assert farm.connections("n2") == 1
    transport.close()
    other.close()


def test_refuse_and_stop_and_listen_again(farm: SshFarm, tmp_path: Path) -> None:
    port = farm.listen("n1", "127.0.0.1", 0, HOST_KEY)
    kept = connect(port, tmp_path)
    farm.refuse("n1")
    with pytest.raises((paramiko.SSHException, EOFError, OSError)):
        connect(port, tmp_path)
    farm.refuse("n1", False)
    connect(port, tmp_path).close()
    farm.stop("n1")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=60)
    assert kept.is_active()
    assert farm.listen("n1", "127.0.0.1", port, HOST_KEY) == port
    connect(port, tmp_path).close()
    farm.remove("n1")
    until(lambda: not kept.is_active(), "the connection of a node that is off")
    kept.close()


def test_only_so_many_connections(machines: Machines, tmp_path: Path) -> None:
    farm = SshFarm(machines, [engine_key(tmp_path / "key").public], max_connections=2)
    try:
        port = farm.listen("n1", "127.0.0.1", 0, HOST_KEY)
        kept = [connect(port, tmp_path), connect(port, tmp_path)]
        with pytest.raises((paramiko.SSHException, EOFError, OSError)):
            connect(port, tmp_path)
        kept[0].close()
        until(lambda: farm.connections("n1") == 1, "the server sees the end")
        for transport in kept:
            transport.close()
    finally:
        farm.close()


def test_an_idle_node_costs_no_thread(farm: SshFarm) -> None:
    before = threading.active_count()
    ports = {farm.listen(f"n{i}", "127.0.0.1", 0, HOST_KEY) for i in range(300)}
    assert len(ports) == 300
    assert threading.active_count() <= before, "threads of earlier tests may still be ending"


def test_no_forwarding_and_no_subsystem(farm: SshFarm, tmp_path: Path) -> None:
    port = farm.listen("n1", "127.0.0.1", 0, HOST_KEY)
    transport = connect(port, tmp_path)
    with pytest.raises(paramiko.ChannelException):
        transport.open_channel("direct-tcpip", ("127.0.0.1", 22), ("127.0.0.1", 1))
    with pytest.raises(paramiko.SSHException):
        transport.open_session().invoke_subsystem("sftp")
    transport.close()
