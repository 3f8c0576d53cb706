"""100,000 mutated lines each: what `attempt` prints on a node, what reaches a rack's control socket, what reaches the attach socket."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from mutate import mutations

from engine.attach.protocol import LINE, VERSION, Reply
from engine.attach.server import AttachService, Peer, _line
from engine.effects import Accept
from engine.jigs.leg_report import MAX_LINE, LegReport, parse_report
from engine.racks.process import _Control
from engine.racks.simulated.rack import WrongOrder

MANY = 100_000
DEEP = b"[" * 60_000
ODD = [
    b"",
    b"\n",
    b"null",
    b"0",
    b"[]",
    b"{}",
    b'"x"',
    b"\xff\xfe",
    b'{"id":"\\ud800"}',
    DEEP,
    b'{"a":' * 10_000,
    b"1" * 5000,
    b"-" * 5000,
    b'{"id":1e999}',
]


def test_lines_of_attempt_are_typed_or_refused() -> None:
    said: list[dict[str, Any]] = [
        {"id": "ab-1.0", "state": "running", "percent": 40, "text": "half"},
        {"id": "ab-1.0", "state": "ended", "exit": 0, "gives": {"disks": [{"name": "sda", "size": 10**12}], "addresses": ["10.0.0.1/24"]}},
        {"id": "ab-1.0", "state": "lost", "error": "it was killed"},
        {"id": "ab-1.0", "state": "acknowledged"},
    ]
    counted: Counter[str] = Counter()
    for line in [*ODD, b" " * (MAX_LINE + 1), *mutations([json.dumps(one).encode() for one in said], MANY, seed=8)]:
        try:
            found = parse_report(line, "ab-1.0")
        except ValueError as refused:
            counted["refused" if 0 < len(str(refused)) < 400 else "no sentence"] += 1
            continue
        counted["read"] += 1
        assert isinstance(found, LegReport)
        assert found.id == "ab-1.0"
        assert 0 <= found.percent <= 100
        assert max(len(found.text), len(found.error)) <= 512
        assert found.exit is None or -255 <= found.exit <= 255
        msgspec.json.encode(found)
    assert set(counted) == {"read", "refused"}
    assert min(counted.values()) > 1000


class Orders:
    """A rack that takes orders and does nothing."""

    def __init__(self) -> None:
        self.given: Counter[str] = Counter()

    async def order(self, verb: str, words: list[str]) -> dict[str, Any]:
        assert all(isinstance(word, str) for word in words)
        self.given["known" if verb in ("press", "fault", "status") else "unknown"] += 1
        if verb not in ("press", "fault", "status"):
            raise WrongOrder(f"unknown verb {verb!r}")
        return {}


def test_lines_to_a_racks_control_socket_are_answered() -> None:
    said = [{"verb": "press", "words": ["all"]}, {"verb": "fault", "words": ["m1", '{"bmc": "lies"}']}, {"verb": "status"}]
    rack, stop = Orders(), asyncio.Event()
    control = _Control(rack, stop)  # type: ignore[arg-type]

    async def feed() -> None:
        for line in [*ODD, *mutations([json.dumps(one).encode() + b"\n" for one in said], MANY, seed=9)]:
            answer = await control._answer(line)
            assert answer["ok"] in (True, False)
            assert answer["ok"] or answer["error"]
            json.dumps(answer)

    asyncio.run(feed())
    assert min(rack.given.values()) > 1000
    assert not stop.is_set(), "nobody said stop"


class Host:
    """An engine that takes everything and does nothing."""

    failure = ""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def ask(self, event: Any, _limit: float) -> Accept:
        self.asked[type(event).__name__] += 1
        return Accept(request=None, message="yes")

    def commit_text(self, _text: str, _name: str, _who: str, _secrets: Any = None, _expects: Any = None) -> Accept:
        self.asked["commit"] += 1
        return Accept(request=None, message="yes")

    def health(self) -> dict[str, Any]:
        return {}

    def progress(self) -> dict[str, Any]:
        return {}

    def wait(self, seq: int, seconds: float) -> int:
        assert 0 <= seconds <= 3600
        return 7

    def ask_to_stop(self, _who: str) -> None:
        self.asked["stop"] += 1


def test_lines_to_the_attach_socket_are_answered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    said: list[dict[str, Any]] = [
        {"crowbar": VERSION, "id": 7, "do": "operate", "verb": "power", "node": "node-3", "value": "off"},
        {"crowbar": VERSION, "id": 8, "do": "commit", "plan": "crowbar: 1\n"},
        {"id": 9, "do": "wait", "seq": 4, "seconds": 0.5},
        {"id": 10, "do": "set-attribute", "layer": "operator", "scope": "n1", "name": "x", "value": {"a": [1, 2]}},
        {"do": "health"},
        {"do": "ping"},
    ]
    more = [
        b'{"id":1' + b"0" * 40 + b',"do":"ping"}',
        b'{"id":18446744073709551616}',
        b'{"id":-1,"do":5}',
        b'{"crowbar":1' + b"0" * 30 + b"}",
        b"[" * (LINE - 1),
    ]
    host = Host()
    server = AttachService(tmp_path, host)  # type: ignore[arg-type]
    peer = Peer(uid=1000, pid=4711, user="ada", since=0.0)
    counted: Counter[bool] = Counter()
    for line in [*ODD, *more, *mutations([json.dumps(one).encode() for one in said], MANY, seed=10)]:
        sent = _line(server._answer(line, peer))
        assert sent.endswith(b"\n")
        assert sent.count(b"\n") == 1
        assert len(sent) < 10_000
        counted[msgspec.json.decode(sent, type=Reply).ok] += 1
    assert not caplog.records, "no answer is a mistake of ours"
    assert min(counted.values()) > 1000
    assert host.asked["stop"] == 0


@pytest.fixture(autouse=True)
def _quick() -> Any:
    before = time.process_time()
    yield
    assert time.process_time() - before < 20
