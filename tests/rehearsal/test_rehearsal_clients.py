"""The clients of a simulated machine: TFTP against the engine's own service, HTTP against servers that misbehave, DHCP against a port of paper."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from msgspec.structs import replace

from engine.racks.simulated import dhcp_client, tftp_client
from engine.racks.simulated.http_client import HttpClient, HttpError
from engine.racks.simulated.packet_loss import Copies, lossless, lossy
from engine.racks.simulated.wiring import DhcpPort, Receive
from engine.serve.tftp import Refusal, TftpFile, TftpService
from engine.wire.dhcp import DhcpKind, DhcpReply, DhcpRequest, reply_to


class Here:
    """Wiring without a lane: everything is on 127.0.0.1, at one port."""

    def __init__(self, port: int) -> None:
        self.port = port

    @property
    def dhcp(self) -> DhcpPort:
        raise AssertionError

    def remote(self, address: str, port: int) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def local(self, address: str, port: int) -> tuple[str, int]:
        return "127.0.0.1", port

    def attach(self, address: str) -> None: ...

    def detach(self, address: str) -> None: ...

    def close(self) -> None: ...


# -- TFTP ----------------------------------------------------------------------------------------------------------


@contextmanager
def tftp(body: bytes) -> Iterator[tuple[Here, TftpService]]:
    service = TftpService(
        bind=("127.0.0.1", 0),
        resolve=lambda name, peer: TftpFile(body=body) if name == "loader" else Refusal(),
        fetched=lambda peer, name, octets, seconds, ok: None,
    )
    service.start()
    try:
        yield Here(service.address[1]), service
    finally:
        service.stop()


def get(here: Here, name: str = "loader", window: int = 16, copies: Copies = lossless) -> int:
    work = tftp_client.fetch(here, local="", server="a", filename=name, windowsize=window, first_wait_s=0.2, copies=copies)
    return asyncio.run(asyncio.wait_for(work, 120))


@pytest.mark.parametrize("window", [1, 16])
@pytest.mark.parametrize("size", [0, 1, 1467, 1468, 1469, 1468 * 16, 300_001])
def test_tftp_lengths(size: int, window: int) -> None:
    with tftp(os.urandom(size)) as (here, service):
        assert get(here, window=window) == size
        assert service.counters.resent == 0


def test_tftp_over_65535_blocks_of_a_large_file() -> None:
    with tftp(bytes(1468 * 70_000 // 8)) as (here, _):
        assert get(here) == 1468 * 70_000 // 8


@pytest.mark.parametrize("window", [1, 16])
def test_tftp_with_losses(window: int) -> None:
    rng = random.Random(4)
    with tftp(os.urandom(200_000)) as (here, _):
        assert get(here, window=window, copies=lossy(rng, lambda: (2.0, 0.0, 0.0))) == 200_000


def test_tftp_refusals() -> None:
    with tftp(b"") as (here, _), pytest.raises(tftp_client.TftpFailed, match="no such file"):
        get(here, "other")


def test_tftp_without_a_server() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        work = tftp_client.fetch(Here(nobody.getsockname()[1]), local="", server="a", filename="f", first_wait_s=0.01)
        with pytest.raises(tftp_client.TftpFailed, match="no answer"):
            asyncio.run(asyncio.wait_for(work, 120))


# -- HTTP ----------------------------------------------------------------------------------------------------------


def http(*answers: bytes, sink: list[bytes] | None = None, limit: int = 1000, calls: int = 1) -> list[tuple[int, bytes]]:
    """Calls a server that gives these answers, one per connection, as they are, and then closes. Raises HttpError."""

    async def work() -> list[tuple[int, bytes]]:
        given = iter(answers)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(next(given, b""))
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        client = HttpClient(Here(server.sockets[0].getsockname()[1]), local="")
        try:
            found = []
            for _ in range(calls):
                got = await client.call(
                    "GET",
                    "http://admin/x",
                    limit=limit,
                    timeout_s=30,
                    sink=None if sink is None else (lambda block: sink.append(bytes(block))),
                )
                found.append((got.status, got.body))
            return found
        finally:
            client.close()
            server.close()

    return asyncio.run(asyncio.wait_for(work(), 120))


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def test_http_bodies() -> None:
    assert http(OK) == [(200, b"hello")]
    assert http(b"HTTP/1.1 204 No Content\r\n\r\n") == [(204, b"")]
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"
    assert http(chunked) == [(200, b"hello")]
    taken: list[bytes] = []
    assert http(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + bytes(300_000), sink=taken) == [(200, b"")]
    assert sum(map(len, taken)) == 300_000
    taken.clear()
    assert http(b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno", sink=taken) == [(404, b"no")]
    assert taken == []


def test_a_kept_connection_that_the_server_closed_is_not_an_error() -> None:
    assert http(OK, OK, calls=2) == [(200, b"hello")] * 2


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (b"", "without an answer"),
        (b"SSH-2.0-x\r\n\r\n", "not an HTTP answer"),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", "without a length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", "closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", "more than"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 40_000, "head of over"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "chunk"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n", "chunk"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n", "chunk"),
    ],
)
def test_http_answers_that_are_wrong(answer: bytes, word: str) -> None:
    with pytest.raises(HttpError, match=word):
        http(answer)


def test_http_when_nobody_is_there() -> None:
    async def work() -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            client = HttpClient(Here(probe.getsockname()[1]), local="")
            with pytest.raises(HttpError, match="refused"):
                await client.call("GET", "http://admin/x")
            for url in ("https://admin/x", "ftp://x", "http://a/b\r\nX: y", "http://a/b\u00e4"):
                with pytest.raises(HttpError, match=r"not a URL|refused"):
                    await client.call("GET", url)

    asyncio.run(asyncio.wait_for(work(), 120))


# -- DHCP ----------------------------------------------------------------------------------------------------------


class PaperPort:
    """Answers as `answer` says: a list of replies for each request."""

    def __init__(self, answer: Callable[[int, DhcpRequest], list[DhcpReply]]) -> None:
        self.sent: list[DhcpRequest] = []
        self.open: dict[int, Receive] = {}
        self._answer = answer

    def send(self, request: DhcpRequest) -> None:
        self.sent.append(request)
        for reply in self._answer(len(self.sent), request):
            self.open[request.xid](reply)

    def listen(self, xid: int, receive: Receive) -> None:
        self.open[xid] = receive

    def forget(self, xid: int) -> None:
        del self.open[xid]


REQUEST = DhcpRequest(kind=DhcpKind.DISCOVER, xid=0, mac="52:54:00:00:00:01")


def reply(request: DhcpRequest, kind: DhcpKind, filename: str = "loader", yiaddr: str = "10.0.0.5") -> DhcpReply:
    return DhcpReply(kind=kind, to=reply_to(request), yiaddr=yiaddr, server_id="10.0.0.1", filename=filename)


def lease(port: PaperPort, needs_file: bool = True) -> DhcpReply | None:
    work = dhcp_client.lease(port, REQUEST, rng=random.Random(1), first_wait_s=0.02, needs_file=needs_file)
    found = asyncio.run(asyncio.wait_for(work, 120))
    assert port.open == {}, "the exchange is over"
    return found


def good(number: int, request: DhcpRequest) -> list[DhcpReply]:
    return [reply(request, DhcpKind.OFFER if request.kind is DhcpKind.DISCOVER else DhcpKind.ACK)]


def kinds(port: PaperPort) -> str:
    return " ".join(request.kind.name for request in port.sent)


def test_dhcp_ordinary() -> None:
    port = PaperPort(good)
    found = lease(port)
    assert found is not None
    assert (found.kind, found.yiaddr) == (DhcpKind.ACK, "10.0.0.5")
    assert kinds(port) == "DISCOVER REQUEST"
    assert (port.sent[1].requested, port.sent[1].server_id) == ("10.0.0.5", "10.0.0.1")
    assert port.sent[0].xid == port.sent[1].xid


def test_dhcp_losses_are_asked_for_again() -> None:
    port = PaperPort(lambda n, request: [] if n in (1, 3) else good(n, request))
    assert lease(port) is not None
    assert kinds(port) == "DISCOVER DISCOVER REQUEST REQUEST"


def test_dhcp_a_nak_begins_anew() -> None:
    port = PaperPort(lambda n, request: [reply(request, DhcpKind.NAK)] if n == 2 else good(n, request))
    assert lease(port) is not None
    assert kinds(port) == "DISCOVER REQUEST DISCOVER REQUEST"


def test_dhcp_the_offer_with_a_file_wins() -> None:
    def both(number: int, request: DhcpRequest) -> list[DhcpReply]:
        if request.kind is DhcpKind.DISCOVER:
            return [reply(request, DhcpKind.OFFER, "", "10.0.0.9"), reply(request, DhcpKind.OFFER)]
        return [reply(request, DhcpKind.ACK, yiaddr=request.requested)]

    found = lease(PaperPort(both))
    assert found is not None
    assert found.yiaddr == "10.0.0.5"


def test_dhcp_what_does_not_count() -> None:
    assert lease(PaperPort(lambda n, request: [])) is None
    assert lease(PaperPort(lambda n, r: good(n, replace(r, mac="52:54:00:00:00:02")))) is None
    nothing_to_boot = PaperPort(lambda n, r: [reply(r, DhcpKind.OFFER if r.kind is DhcpKind.DISCOVER else DhcpKind.ACK, filename="")])
    assert lease(nothing_to_boot) is None
    assert lease(nothing_to_boot, needs_file=False) is not None
