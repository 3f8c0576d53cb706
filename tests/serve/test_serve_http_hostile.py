"""The HTTP service against those who mean no good: garbage, floods, slowness, sizes. It stays up, bounded, and answers the others."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import random
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from http_rig import Rig, greeting, ticket, until
from hypothesis import given
from hypothesis import strategies as st

from engine.serve.bodies import BadBody, ByeBody, HelloBody, ProgressBody, ResultBody, parse, parse_gives, parse_mac
from engine.wire.agent import Reboot


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path, body_s=0.5, head_s=0.5, keep_alive_s=1.0, per_peer=48, answer_s=5.0)
    yield rig
    assert rig.call("GET", "/boot/script?mac=52:54:00:aa:00:01")[0] == 200, "it must still serve"
    assert rig.http.counters().get("broken", 0) == 0
    rig.stop()


KINDS = (HelloBody, ProgressBody, ResultBody, ByeBody)
SEEDS: tuple[Any, ...] = (
    greeting(nonce="n" * 32),
    {"id": "ab-1.0", "percent": 40, "text": "half"},
    {"id": "ab-1.0", "exit": 0, "gives": {"a": [1, {"b": None}]}, "state": "ended", "message": "", "log_tail": "x"},
    {"reason": "stopping"},
)


def mutated(rng: random.Random) -> bytes:
    data = bytearray(json.dumps(rng.choice(SEEDS)).encode())
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(6):
            case 0:
                data[at : at + rng.randrange(8)] = b""
            case 1:
                data[at:at] = rng.randbytes(rng.randrange(1, 6))
            case 2:
                data[at:at] = rng.choice([b'"', b"{", b"[", b"\\ud800", b"\\u0000", b"1e999", b"-", b"null", b'":', b"\xff"])
            case 3:
                data[at:at] = b"[" * rng.choice([10, 2000])
            case 4:
                data = data[:at] + data
            case 5:
                if data:
                    data[at % len(data)] ^= 1 << rng.randrange(8)
    return bytes(data)


def test_thousands_of_mutated_bodies_are_typed_or_refused() -> None:
    rng = random.Random(20260)
    good = bad = 0
    sentences: set[str] = set()
    for _ in range(5000):
        body = mutated(rng)
        for kind in KINDS:
            try:
                found = parse(kind, body)
                if isinstance(found, ResultBody):
                    json.dumps(parse_gives(found.gives))
                good += 1
            except BadBody as refused:
                sentences.add(str(refused))
                bad += 1
    assert all(0 < len(sentence) <= 220 for sentence in sentences)
    assert good > 100
    assert bad > 1000


@given(st.binary(max_size=200))
def test_any_bytes_are_typed_or_refused(data: bytes) -> None:
    for kind in KINDS:
        with suppress(BadBody):
            parse(kind, data)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (HelloBody, greeting(macs=["52:54:00:aa:00:01"] * 65)),
        (HelloBody, greeting(macs=["52:54:00:aa:00"])),
        (HelloBody, greeting(macs=["52:54:00:aa:00:01\n"])),
        (HelloBody, greeting(serial="s" * 257)),
        (HelloBody, greeting(serial="S\x1b[2J")),
        (HelloBody, greeting(environment="a\nb")),
        (ProgressBody, {"id": "ab-1.0", "text": "\x9b2J"}),
        (HelloBody, greeting(boot_id="")),
        (HelloBody, greeting(environment=7)),
        (HelloBody, {"boot_id": "x"}),
        (ProgressBody, {"id": "../x"}),
        (ProgressBody, {"id": ".x"}),
        (ProgressBody, {"id": "x\n"}),
        (ProgressBody, {"id": "ab-1.0", "percent": 101}),
        (ProgressBody, {"id": "ab-1.0", "text": "t" * 257}),
        (ResultBody, {"id": "ab-1.0", "exit": 256}),
        (ResultBody, {"id": "ab-1.0", "exit": True}),
        (ResultBody, {"id": "ab-1.0", "exit": 0, "state": "odd"}),
        (ResultBody, {"id": "ab-1.0", "exit": 0, "after": -1}),
        (ResultBody, {"id": "ab-1.0", "exit": 0, "message": "m" * 4097}),
    ],
)
def test_bounds_of_fields(kind: Any, body: Any) -> None:
    with pytest.raises(BadBody):
        parse(kind, json.dumps(body).encode())


@pytest.mark.parametrize("gives", [b"[]", b"1", b'"x"', b"null", b'{"a":' * 3000, b'{"a":"' + b"x" * 262_144 + b'"}'])
def test_gives_are_a_bounded_object(gives: bytes) -> None:
    with pytest.raises(BadBody):
        parse_gives(parse(ResultBody, b'{"id":"a-1.0"}').gives.__class__(gives))


@pytest.mark.parametrize(
    ("text", "mac"),
    [
        ("52:54:00:AA:00:01", "52:54:00:aa:00:01"),
        ("525400aa0001", "52:54:00:aa:00:01"),
        ("52-54-00-aa-00-01", "52:54:00:aa:00:01"),
        ("", None),
        ("52:54:00:aa:00", None),
        ("52:54:00:aa:00:01:02", None),
        ("52:54:00:aa:00:0g", None),
        ("٥2:54:00:aa:00:01", None),
    ],
)
def test_macs(text: str, mac: str | None) -> None:
    assert parse_mac(text) == mac


def test_garbage_over_the_wire(rig: Rig) -> None:
    rng = random.Random(7)
    token = rig.hello()
    rig.order("ab-1.0")
    connection = http.client.HTTPConnection(rig.host, rig.port, timeout=60)
    seen = set()
    for _ in range(600):
        path = rng.choice(["/agent/hello", "/agent/progress", "/agent/result", "/agent/bye"])
        body = mutated(rng)
        if path == "/agent/result" and b'"id"' in body:
            body = body.replace(b'"id"', b'"di"')
        connection.request("POST", path, body, {"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        answer.read()
        seen.add(answer.status)
        if answer.will_close:
            connection.close()
        if rig.boots.get("n1") != "boot-1":
            break
    connection.close()
    assert seen <= {200, 400, 403, 409, 413}
    assert 400 in seen


@pytest.mark.parametrize(("path", "size"), [("/agent/hello", 16384), ("/agent/log?id=ab-1.0&offset=0", 65536), ("/agent/progress", 4096)])
def test_bodies_over_the_bound_are_refused_at_their_head_and_in_pieces(rig: Rig, path: str, size: int) -> None:
    token = rig.hello()
    rig.order("ab-1.0")
    status, body, headers = rig.call("POST", path, b" " * (size + 1), token)
    assert (status, body["code"], headers.get("connection")) == (413, "too_large", "close")
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = rig.raw(head.encode() + (b"1000\r\n" + b" " * 4096 + b"\r\n") * (size // 4096 + 1))
    assert b" 413 " in answer.split(b"\r\n")[0]
    huge = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 99999999999\r\n\r\n"
    assert b" 413 " in rig.raw(huge.encode()).split(b"\r\n")[0]


def test_the_largest_legal_log_chunk_is_taken(rig: Rig) -> None:
    token = rig.hello()
    rig.order("ab-1.0")
    assert rig.call("POST", "/agent/log?id=ab-1.0&offset=0", b"x" * 65536, token)[1] == {"offset": 65536}


def test_a_packed_body_is_not_unpacked(rig: Rig) -> None:
    packed = gzip.compress(json.dumps(greeting(nonce=ticket(1))).encode())
    assert rig.call("POST", "/agent/hello", packed, headers={"Content-Encoding": "gzip"})[0] == 400


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\0" * 10000 + b"\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % i for i in range(500)) + b"\r\n",
        b"POST /agent/hello HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /agent/hello HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["tls", "cut", "version", "zeros", "line", "field", "fields", "length", "smuggling"],
)
def test_what_is_no_http_is_refused_and_counted(rig: Rig, data: bytes) -> None:
    try:
        answer = rig.raw(data)
    except ConnectionResetError:
        answer = b""
    assert not answer or re.match(rb"HTTP/1\.[01] 4\d\d ", answer), answer[:100]
    until(lambda: any(name.startswith(("protocol_4", "refused_", "slow_head")) for name in rig.http.counters()))
    assert b"Traceback" not in answer


def test_slow_heads_and_bodies_are_cut_off(rig: Rig) -> None:
    heads = [socket.create_connection((rig.host, rig.port), 30) for _ in range(20)]
    for i, sock in enumerate(heads):
        if i % 2:
            sock.sendall(b"GET /boot/script HTTP/1.1\r\nX-Slow: ")
    body = socket.create_connection((rig.host, rig.port), 30)
    body.sendall(b"POST /agent/hello HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert b" 408 " in body.recv(4096)
    for sock in heads:
        assert _ended(sock)
        sock.close()
    body.close()
    assert rig.http.counters()["slow_head"] == 20
    until(lambda: rig.http.counters()["open_connections"] == 0)


def test_a_head_that_drips_after_an_answer_is_cut_off(rig: Rig) -> None:
    with socket.create_connection((rig.host, rig.port), 30) as sock:
        sock.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 404 " in sock.recv(4096)
        stop = threading.Event()

        def drip() -> None:
            for i in range(600):
                if stop.wait(0.1):
                    return
                try:
                    sock.sendall(b"GET /"[i : i + 1] or b"x")
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        assert _ended(sock)
        stop.set()
        dripping.join()


def _ended(sock: socket.socket) -> bool:
    try:
        return sock.recv(4096) == b""
    except ConnectionResetError:
        return True


def test_connections_of_one_peer_are_bounded_and_others_are_served(rig: Rig) -> None:
    held = [socket.create_connection((rig.host, rig.port), 30) for _ in range(60)]
    until(lambda: rig.http.counters().get("too_many_of_a_peer", 0) == 12)
    other = http.client.HTTPConnection(rig.host, rig.port, timeout=60, source_address=("127.0.0.2", 0))
    other.request("GET", "/boot/script?mac=52:54:00:aa:00:01")
    assert other.getresponse().status == 200
    other.close()
    for sock in held:
        sock.close()
    until(lambda: rig.http.counters()["open_connections"] == 0)


def test_connections_in_all_are_bounded(tmp_path: Path) -> None:
    rig = Rig(tmp_path, connections=20)
    try:
        held = [socket.create_connection((rig.host, rig.port), 30) for _ in range(30)]
        until(lambda: rig.http.counters().get("too_many_connections", 0) == 10)
        for sock in held:
            sock.close()
        until(lambda: rig.http.counters()["open_connections"] == 0)
        assert rig.call("GET", "/boot/script?mac=52:54:00:aa:00:01")[0] == 200
    finally:
        rig.stop()


def test_pipelined_requests_are_answered_in_order(rig: Rig) -> None:
    request = b"GET /boot/script?mac=52:54:00:aa:00:01 HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = rig.raw(request * 30 + last)
    assert len(re.findall(rb"HTTP/1.1 200 ", answer)) == 30
    assert answer.count(b"HTTP/1.1 404 ") == 1


def test_a_thousand_waiting_agents_are_cheap_and_woken_fast(tmp_path: Path) -> None:
    rig = Rig(tmp_path, per_peer=2000)
    try:
        idle, woken = asyncio.run(_thousand(rig))
        # Seconds of this process's processor time, for both sides: in a second of waiting, and for a thousand answers.
        assert idle < 0.3
        assert woken < 30.0
    finally:
        rig.stop()


async def _thousand(rig: Rig) -> tuple[float, float]:
    count = 1000
    for i in range(1, count + 1):
        rig.boots[f"n{i}"] = "boot-1"
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(rig.url, connector=connector) as session:

        async def poll(i: int) -> Any:
            token = rig.keys.token(f"n{i}", "boot-1")
            async with session.get("/agent/next", headers={"Authorization": f"Bearer {token}"}) as answer:
                return await answer.json()

        polls = [asyncio.create_task(poll(i)) for i in range(1, count + 1)]
        await asyncio.to_thread(until, lambda: len(rig.http._agents._polls) == count)
        assert not rig.events
        begun = time.process_time()
        await asyncio.sleep(1.0)
        idle = time.process_time() - begun
        begun = time.process_time()
        for i in range(1, count + 1):
            rig.jig.command(f"n{i}", "boot-1", Reboot())
        answers = await asyncio.gather(*polls)
        assert answers == [{"do": "reboot"}] * count
        return idle, time.process_time() - begun
