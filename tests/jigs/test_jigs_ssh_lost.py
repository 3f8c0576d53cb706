"""SSH: connections that break, another host key, and silence."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from ssh_rig import DEADLINE_S, PINNED, Machines, failed, listen, target, until

from engine.jigs.ssh import EngineKey, SshDone, SshFailed, SshPool, _close
from engine.jigs.ssh_key import new_private_key, public_line, read_private_key
from engine.racks.simulated.sshd import SshFarm

OTHER_KEY = read_private_key(new_private_key())


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
        assert time.monotonic() - begun < 30


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


def test_a_channel_whose_connection_is_gone_is_closed_without_a_word() -> None:
    """A timer closes it in a thread of its own, where an exception would be printed."""

    class Gone:
        def close(self) -> None:
            raise EOFError

    _close(cast(Any, Gone()))
