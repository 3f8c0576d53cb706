"""`engine.jigs.ssh` against simulated nodes' servers, against silence, and, where it is installed, against a real sshd with the real `attempt`."""

from __future__ import annotations

import getpass
import io
import os
import shutil
import socket
import stat
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine.jigs.attempt_state import AttemptState
from engine.jigs.ssh import EngineKey, SshDone, SshFailed, SshKeyError, SshPool, SshTarget, engine_key
from engine.jigs.ssh_attempts import AttemptFault, Attempts
from engine.jigs.ssh_key import new_private_key, public_line, read_private_key
from engine.rehearsal.sshd import SshFarm

DEADLINE_S = 30.0
HOST_KEY = read_private_key(new_private_key())
OTHER_KEY = read_private_key(new_private_key())
PINNED = public_line(HOST_KEY)


def until(met: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not met():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


class Machines:
    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = threading.Event()
        self.seen: list[tuple[str, list[str]]] = []

    def __call__(self, node: str, argv: list[str], stdin: bytes) -> tuple[int, bytes, bytes]:
        self.seen.append((node, argv))
        match argv:
            case ["hostname"]:
                return 0, f"{node}\n".encode(), b""
            case ["cat"]:
                return 0, stdin, stdin
            case ["cat", "/proc/sys/kernel/random/boot_id"]:
                return 0, b"boot-one\n", b""
            case ["flood"]:
                return 3, b"x" * 3_000_000, b"y" * 300_000
            case ["hold"]:
                self.begun.set()
                assert self.go.wait(DEADLINE_S)
                return 0, b"", b""
            case ["attempt", "wait", attempt, _]:
                return 0, b'{"id":"%s","state":"ended","exit":64,"gives":{"a":[1]}}\n' % attempt.encode(), b""
            case ["attempt", "start", "i-2.1", "60"]:
                return 1, b'{"id":"i-2.1","state":"unstarted","error":"the task did not arrive whole"}\n', b""
            case ["attempt", "log", _, offset]:
                return 0, b"0123456789"[int(offset):], b""
            case ["attempt", "ack", attempt]:
                state = "running" if attempt == "i-1.2" else "acknowledged"
                return int(state == "running"), b'{"id":"%s","state":"%s"}\n' % (attempt.encode(), state.encode()), b""
            case ["attempt", *_]:
                return 0, b'{"id":"other","state":"lost"}\n', b""
        return 127, b"", b"not found\n"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> EngineKey:
    return engine_key(tmp_path_factory.mktemp("keys") / "engine_ed25519")


@pytest.fixture
def machines() -> Machines:
    return Machines()


@pytest.fixture
def farm(machines: Machines, key: EngineKey) -> Iterator[SshFarm]:
    farm = SshFarm(machines, [key.public])
    yield farm
    machines.go.set()
    farm.close()


@pytest.fixture
def pool(key: EngineKey) -> Iterator[SshPool]:
    pool = SshPool(key)
    yield pool
    pool.close_all()


def target(port: int, host_key: str | None = PINNED) -> SshTarget:
    return SshTarget(address="127.0.0.1", port=port, host_key=host_key)


def listen(farm: SshFarm, node: str = "n1") -> int:
    return farm.listen(node, "127.0.0.1", 0, HOST_KEY)


def failed(kind: str, got: SshDone | SshFailed) -> SshFailed:
    assert isinstance(got, SshFailed), got
    assert got.kind == kind, got
    return got


def test_commands_share_one_connection(farm: SshFarm, pool: SshPool, machines: Machines) -> None:
    port = listen(farm)
    for _ in range(5):
        done = pool.run("n1", target(port), ["hostname"])
        assert done == SshDone(exit=0, stdout=b"n1\n", stderr=b"", host_key=PINNED)
    assert farm.connections("n1") == pool.connections == 1
    assert pool.boot_id("n1", target(port)) == "boot-one"
    unknown = pool.run("n1", target(port), ["it's", "a; b", "$(id)", ""])
    assert isinstance(unknown, SshDone)
    assert (unknown.exit, unknown.stderr) == (127, b"not found\n")
    assert machines.seen[-1] == ("n1", ["it's", "a; b", "$(id)", ""])


def test_input_and_output_are_whole_and_do_not_wait_for_each_other(farm: SshFarm, pool: SshPool) -> None:
    data = os.urandom(900_000)
    done = pool.run("n1", target(listen(farm)), ["cat"], data)
    assert isinstance(done, SshDone)
    assert done.stdout == data
    assert done.stderr == data[: 64 * 1024]
    assert done.cut


def test_input_larger_than_the_window(farm: SshFarm, pool: SshPool) -> None:
    data = bytes(9_000_000)
    done = pool.run("n1", target(listen(farm)), ["cat"], data, stdout_bytes=10_000_000)
    assert isinstance(done, SshDone)
    assert done.stdout == data


def test_output_is_bounded_and_the_exit_code_arrives(farm: SshFarm, pool: SshPool) -> None:
    done = pool.run("n1", target(listen(farm)), ["flood"])
    assert isinstance(done, SshDone)
    assert (done.exit, len(done.stdout), len(done.stderr), done.cut) == (3, 1024 * 1024, 64 * 1024, True)


def test_200_sessions_from_64_threads(farm: SshFarm, pool: SshPool) -> None:
    ports = {f"n{i}": listen(farm, f"n{i}") for i in range(40)}
    with ThreadPoolExecutor(64) as threads:
        nodes = [f"n{i % 40}" for i in range(200)]
        dones = list(threads.map(lambda node: pool.run(node, target(ports[node]), ["hostname"], timeout_s=60), nodes))
    for node, done in zip(nodes, dones, strict=True):
        assert isinstance(done, SshDone), done
        assert done.stdout == f"{node}\n".encode()
    assert pool.connections == 40
    assert sum(farm.connections(node) for node in ports) == 40


def test_a_drop_in_the_middle_is_told_and_the_next_command_connects_anew(farm: SshFarm, pool: SshPool, machines: Machines) -> None:
    port = listen(farm)
    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(pool.run, "n1", target(port), ["hold"])
        assert machines.begun.wait(DEADLINE_S)
        assert farm.drop("n1") == 1
        got = failed("dropped", held.result(DEADLINE_S))
    assert got.begun
    done = pool.run("n1", target(port), ["hostname"])
    assert isinstance(done, SshDone)
    assert machines.seen.count(("n1", ["hold"])) == 1


def test_a_connection_that_died_idle_is_made_anew_unnoticed(farm: SshFarm, pool: SshPool, machines: Machines) -> None:
    port = listen(farm)
    for _ in range(3):
        assert isinstance(pool.run("n1", target(port), ["hostname"]), SshDone)
        farm.drop("n1")
    assert [argv for _, argv in machines.seen] == [["hostname"]] * 3


def test_the_host_key_is_pinned(farm: SshFarm, pool: SshPool, machines: Machines) -> None:
    port = listen(farm)
    got = failed("host_key", pool.run("n1", target(port, public_line(OTHER_KEY)), ["hostname"]))
    assert got.host_key == PINNED
    assert not got.begun
    assert failed("host_key", pool.run("n1", target(port, None), ["hostname"])).host_key == PINNED
    failed("host_key", pool.run("n1", target(port, "ssh-rsa AAAA"), ["hostname"]))
    failed("host_key", pool.run("n1", target(port, "rubbish"), ["hostname"]))
    failed("host_key", pool.run("n1", target(port, ""), ["hostname"]))
    assert machines.seen == []
    first = pool.run("n1", target(port, None), ["hostname"], trust_first=True)
    assert isinstance(first, SshDone)
    assert first.host_key == PINNED
    # The connection that is kept by now does not excuse a wrong pin.
    failed("host_key", pool.run("n1", target(port, public_line(OTHER_KEY)), ["hostname"]))
    failed("host_key", pool.run("n1", target(port, public_line(OTHER_KEY)), ["hostname"], trust_first=True))
    assert isinstance(pool.run("n1", target(port, PINNED + " root@node"), ["hostname"]), SshDone)


def test_another_machine_at_the_address(farm: SshFarm, pool: SshPool) -> None:
    port = listen(farm)
    assert isinstance(pool.run("n1", target(port), ["hostname"]), SshDone)
    farm.remove("n1")
    farm.listen("impostor", "127.0.0.1", port, OTHER_KEY)
    until(lambda: pool.connections == 0, "the pool sees the end")
    assert failed("host_key", pool.run("n1", target(port), ["hostname"])).host_key == public_line(OTHER_KEY)


def test_a_node_that_moved_is_connected_anew(farm: SshFarm, pool: SshPool) -> None:
    one, two = listen(farm, "n1"), listen(farm, "n1-moved")
    assert isinstance(pool.run("n1", target(one), ["hostname"]), SshDone)
    moved = pool.run("n1", target(two), ["hostname"])
    assert isinstance(moved, SshDone)
    assert moved.stdout == b"n1-moved\n"
    assert pool.connections == 1


def test_refused_unreachable_and_no_login(farm: SshFarm, pool: SshPool, machines: Machines) -> None:
    port = listen(farm)
    stranger = SshPool(EngineKey(OTHER_KEY))
    assert failed("authentication", stranger.run("n1", target(port), ["hostname"])).host_key == PINNED
    stranger.close_all()
    farm.refuse("n1")
    failed("unreachable", pool.run("n1", target(port), ["hostname"]))
    farm.stop("n1")
    failed("refused", pool.run("n1", target(port), ["hostname"]))
    assert pool.boot_id("n1", target(port)) == ""
    assert machines.seen == []


def test_a_server_that_says_nothing_is_unreachable_in_time(pool: SshPool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        got = pool.run("n1", target(silent.getsockname()[1]), ["hostname"], timeout_s=1.0)
        assert isinstance(got, SshFailed)
        assert got.kind == "unreachable"
        assert time.monotonic() - begun < 10


def test_a_command_over_its_time(farm: SshFarm, pool: SshPool, machines: Machines) -> None:
    port = listen(farm)
    assert failed("timeout", pool.run("n1", target(port), ["hold"], timeout_s=1.0)).begun
    assert pool.connections == 0
    machines.go.set()
    assert isinstance(pool.run("n1", target(port), ["hostname"]), SshDone)


def test_idle_connections_are_closed(farm: SshFarm, key: EngineKey) -> None:
    now = [100.0]
    pool = SshPool(key, idle_s=60, clock=lambda: now[0])
    one, two = listen(farm, "n1"), listen(farm, "n2")
    assert isinstance(pool.run("n1", target(one), ["hostname"]), SshDone)
    now[0] += 50
    assert isinstance(pool.run("n2", target(two), ["hostname"]), SshDone)
    assert pool.close_idle() == 0
    now[0] += 15
    # Any use sweeps.
    assert isinstance(pool.run("n2", target(two), ["hostname"]), SshDone)
    assert pool.connections == 1
    pool.close("n2")
    assert pool.connections == 0
    pool.close("nobody")
    pool.close_all()
    failed("unreachable", pool.run("n2", target(two), ["hostname"]))


def test_attempts_over_ssh(farm: SshFarm, pool: SshPool) -> None:
    tool = Attempts(pool, "n1", target(listen(farm)), tool=["attempt"])
    assert tool.wait("i-1.1") == AttemptState(id="i-1.1", state="ended", exit=64, gives={"a": [1]})
    unstarted = tool.start("i-2.1", b"", 60)
    assert isinstance(unstarted, AttemptState)
    assert (unstarted.state, unstarted.error) == ("unstarted", "the task did not arrive whole")
    assert tool.log("i-1.1", 4) == b"456789"
    acknowledged = tool.ack("i-1.1")
    assert isinstance(acknowledged, AttemptState)
    assert acknowledged.state == "acknowledged"
    running = tool.ack("i-1.2")
    assert isinstance(running, AttemptFault)
    assert running.kind == "refused"
    garbled = tool.start("i-1.3", b"", 60)
    assert isinstance(garbled, AttemptFault)
    assert garbled.kind == "garbled"


def test_no_tool(farm: SshFarm, pool: SshPool) -> None:
    missing = Attempts(pool, "n1", target(listen(farm)), tool=["nothing-of-that-name"]).wait("i-1.1")
    assert isinstance(missing, AttemptFault)
    assert missing.kind == "no_tool"


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "engine_ed25519"
    with ThreadPoolExecutor(8) as threads:
        keys = {key.public for key in threads.map(lambda _: engine_key(path), range(8))}
    assert len(keys) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["engine_ed25519"]
    private = path.read_text().splitlines()[1]
    assert private not in repr(engine_key(path))
    path.chmod(0o640)
    with pytest.raises(SshKeyError, match="can be read by others"):
        engine_key(path)
    path.write_text("rubbish")
    path.chmod(0o600)
    with pytest.raises(SshKeyError, match="move it away"):
        engine_key(path)


# -- a real sshd, and the real tool -----------------------------------------------------------------------------------

ATTEMPT = Path(__file__).resolve().parents[2] / "images" / "node" / "attempt"


class Sshd:
    """OpenSSH's server on a port of loopback, for the user that runs the tests."""

    def __init__(self, folder: Path, key: EngineKey) -> None:
        program = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
        if program is None:
            pytest.skip("sshd is not installed")
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        (folder / "host_key").write_text(new_private_key())
        (folder / "host_key").chmod(0o600)
        self.pinned = public_line(read_private_key((folder / "host_key").read_text()))
        (folder / "authorized").write_text(key.public + "\n")
        (folder / "config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\nAuthorizedKeysFile {folder}/authorized\n"
            f"StrictModes no\nUsePAM no\nPidFile none\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        )
        self.argv = [program, "-D", "-e", "-f", str(folder / "config")]
        self.said = folder / "said"
        self.start()
        deadline = time.monotonic() + DEADLINE_S
        while True:
            if self.process.poll() is not None:
                pytest.skip(f"sshd does not start here: {self.said.read_text().strip().splitlines()[-1:]}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def start(self) -> None:
        with self.said.open("ab") as said:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def tar_of(script: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in (("run", "#!/bin/sh\n" + script), ("attributes.json", "{}")):
            member: Any = tarfile.TarInfo(name)
            member.size, member.mode = len(text), 0o700
            tar.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


@pytest.mark.client
def test_the_real_attempt_over_a_real_sshd(tmp_path: Path, pool: SshPool, key: EngineKey) -> None:
    sshd = Sshd(tmp_path, key)
    try:
        node = SshTarget(address="127.0.0.1", port=sshd.port, user=getpass.getuser(), host_key=sshd.pinned)
        path = tmp_path / "sbin" / "attempt"
        home = f"CROWBAR_HOME={tmp_path}/home"
        tool = Attempts(pool, "n1", node, tool=["env", home, str(path)])
        missing = tool.wait("i-1.1")
        assert isinstance(missing, AttemptFault), missing
        assert missing.kind == "no_tool"
        assert tool.install(ATTEMPT.read_bytes()) is None
        assert path.stat().st_mode & 0o777 == 0o755
        go = tmp_path / "go"
        script = f'echo x >>"{tmp_path}/count"\nwhile [ ! -e "{go}" ]; do sleep 0.1; done\necho \'{{"n": 1}}\' >"$CROWBAR_GIVES"\nexit 64'
        started = tool.start("i-1.1", tar_of(script), 60)
        assert isinstance(started, AttemptState), started
        assert started.state == "running"
        # The connection ends while a command is under way there; the task does not.
        with ThreadPoolExecutor(1) as threads:
            under_way = tmp_path / "under-way"
            waiting = threads.submit(pool.run, "n1", node, ["sh", "-c", f"touch {under_way}; exec sleep 20"])
            until(under_way.exists, "the command is under way")
            pool.close("n1")
            failed("dropped", waiting.result(DEADLINE_S))
        again = tool.start("i-1.1", tar_of(script), 60)
        assert isinstance(again, AttemptState), again
        assert again.state == "running"
        go.touch()
        assert tool.wait("i-1.1", 30) == AttemptState(id="i-1.1", state="ended", exit=64, gives={"n": 1})
        assert (tmp_path / "count").read_text() == "x\n"
        acknowledged = tool.ack("i-1.1")
        assert isinstance(acknowledged, AttemptState)
        large = pool.run("n1", node, ["cat"], bytes(5_000_000), stdout_bytes=6_000_000)
        assert isinstance(large, SshDone)
        assert len(large.stdout) == 5_000_000
        odd = pool.run("n1", node, ["printf", "%s|", "it's", "$(id)", "", "a;b"])
        assert isinstance(odd, SshDone)
        assert odd.stdout == b"it's|$(id)||a;b|"
    finally:
        sshd.stop()
