"""A pool of connections and a farm of simulated nodes' servers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from engine.jigs.ssh import EngineKey, SshDone, SshFailed, SshPool, SshTarget, engine_key
from engine.jigs.ssh_key import new_private_key, public_line, read_private_key
from engine.racks.simulated.sshd import SshFarm

DEADLINE_S = 60.0
HOST_KEY = read_private_key(new_private_key())
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
            case ["attempt", "wait", attempt, _, offset]:
                return (
                    0,
                    b'{"id":"%s","state":"ended","exit":64,"gives":{"a":[1]}}\n%s' % (attempt.encode(), b"a\nlog\n"[int(offset) :]),
                    b"",
                )
            case ["attempt", "start", "i-2.1", "60", "0"]:
                return 1, b'{"id":"i-2.1","state":"unstarted","error":"the task did not arrive whole"}\n', b""
            case ["attempt", "log", _, offset]:
                return 0, b"0123456789"[int(offset) :], b""
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
