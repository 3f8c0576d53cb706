"""SSH: commands, their input and output, attempts; the key."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ssh_rig import PINNED, Machines, listen, target

from engine.files.key_file import KeyFileError
from engine.jigs.leg_report import LegReport
from engine.jigs.ssh import SshDone, SshKeyError, SshPool, engine_key
from engine.jigs.ssh_attempts import AttemptFault, Attempts
from engine.racks.simulated.sshd import SshFarm


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


def test_attempts_over_ssh(farm: SshFarm, pool: SshPool) -> None:
    tool = Attempts(pool, "n1", target(listen(farm)), tool=["attempt"])
    assert tool.wait("i-1.1") == (LegReport(id="i-1.1", state="ended", exit=64, gives={"a": [1]}), b"a\nlog\n")
    assert tool.wait("i-1.1", offset=2)[1] == b"log\n"
    unstarted, _ = tool.start("i-2.1", b"", 60)
    assert isinstance(unstarted, LegReport)
    assert (unstarted.state, unstarted.error) == ("unstarted", "the task did not arrive whole")
    assert tool.log("i-1.1", 4) == b"456789"
    acknowledged = tool.ack("i-1.1")
    assert isinstance(acknowledged, LegReport)
    assert acknowledged.state == "acknowledged"
    running = tool.ack("i-1.2")
    assert isinstance(running, AttemptFault)
    assert running.kind == "refused"
    garbled, _ = tool.start("i-1.3", b"", 60)
    assert isinstance(garbled, AttemptFault)
    assert garbled.kind == "garbled"


def test_no_tool(farm: SshFarm, pool: SshPool) -> None:
    missing, _ = Attempts(pool, "n1", target(listen(farm)), tool=["nothing-of-that-name"]).wait("i-1.1")
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
    with pytest.raises(KeyFileError, match="other users can read"):
        engine_key(path)
    path.write_text("rubbish")
    path.chmod(0o600)
    with pytest.raises(SshKeyError, match="move it away"):
        engine_key(path)
