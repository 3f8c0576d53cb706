"""A small HTTP/1.1 client for simulated machines: one object per machine, keep-alive, bounded, on plain sockets.

aiohttp's client costs about ten times as much per call, and a rack of 1,000 machines shares one processor core with its engine.

Rules
* Every failure is an `HttpError` with a sentence: refused, cut off, too long, not HTTP. A status is never an error here.
* If the server has closed a kept connection, the call is sent once more on a new one. The agent protocol makes calls safe to repeat
  (ids, offsets).
* A body goes to memory up to a limit, or to a sink, block by block, completely or not at all (the sink must not trust it before the call
  returns).
* The connection comes from the machine's own address, because the server identifies machines by it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from msgspec import Struct

from .wiring import Wiring

_HEAD_LIMIT = 32 * 1024
_BLOCK = 128 * 1024
_YIELD_EVERY = 1024 * 1024
_KEPT = 2

Sink = Callable[[memoryview], object]


class HttpError(Exception):
    """the server could not be reached or did not speak HTTP; try again"""


class Response(Struct, frozen=True):
    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    size: int
    """Octets of the body, also where a sink took them."""


class _Stale(Exception):
    """A kept connection was closed by the server before it answered."""


class _Connection:
    __slots__ = ("buffer", "loop", "sock", "used")

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        self.loop = loop
        self.sock = sock
        self.buffer = b""
        self.used = False

    async def more(self, limit: int) -> bytes:
        data = await self.loop.sock_recv(self.sock, limit)
        if not data:
            raise HttpError("the connection was closed in the middle of an answer")
        return data


class HttpClient:
    """Calls of one machine. `local` is its present address, "" for none."""

    def __init__(
        self,
        wiring: Wiring,
        *,
        local: str,
        dropped: Callable[[], bool] = lambda: False,
        unheard: Callable[[], bool] = lambda: False,
    ) -> None:
        """`dropped`: true if this connection is lost. `unheard`: true if the answer of this call is lost."""
        self._wiring = wiring
        self._local = local
        self._dropped = dropped
        self._unheard = unheard
        self._idle: list[tuple[tuple[str, int], _Connection]] = []
        self._closed = False
        self.octets = 0
        """Of all bodies that came."""

    def close(self) -> None:
        """Calls that are still on their way keep no connection when they end."""
        self._closed = True
        for _, connection in self._idle:
            connection.sock.close()
        self._idle.clear()

    async def call(
        self,
        method: str,
        url: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 30.0,
        limit: int = 4 * 1024 * 1024,
        sink: Sink | None = None,
    ) -> Response:
        """One request. With a sink the time limit holds for each block, else for the whole. Raises HttpError."""
        where, request = self._request(method, url, body, headers)
        while True:
            connection = None
            try:
                connection = await self._connection(where)
                async with asyncio.timeout(timeout_s) as clock:
                    response, keep = await _exchange(connection, request, method, limit, sink, clock, timeout_s)
            except _Stale:
                continue
            except TimeoutError as wrong:
                raise HttpError(f"no answer from {where[0]}:{where[1]} in {timeout_s:.0f} s") from wrong
            except OSError as wrong:
                raise HttpError(f"{where[0]}:{where[1]}: {os.strerror(wrong.errno) if wrong.errno else wrong}") from wrong
            else:
                if sink is None and self._unheard():
                    raise HttpError(f"{where[0]}:{where[1]}: the connection was lost before the answer")
                if keep and len(self._idle) < _KEPT and not self._closed:
                    connection.used = True
                    self._idle.append((where, connection))
                    connection = None
                self.octets += response.size
                return response
            finally:
                if connection is not None:
                    connection.sock.close()

    def _request(self, method: str, url: str, body: bytes, headers: Mapping[str, str] | None) -> tuple[tuple[str, int], bytes]:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise HttpError(f"not a URL that can be fetched here: {url[:200]!r}")
        try:
            where = self._wiring.remote(parts.hostname, parts.port or 80)
        except ValueError as wrong:
            raise HttpError(f"not a URL that can be fetched here: {url[:200]!r}") from wrong
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"{method} {path} HTTP/1.1", f"Host: {parts.netloc}"]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        head = "\r\n".join(lines)
        if not head.isascii() or head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
            raise HttpError(f"not a URL that can be fetched here: {url[:200]!r}")
        return where, (head + "\r\n\r\n").encode("ascii") + body

    async def _connection(self, where: tuple[str, int]) -> _Connection:
        for i, (there, kept) in enumerate(self._idle):
            if there == where:
                del self._idle[i]
                return kept
        if self._dropped():
            raise HttpError(f"{where[0]}:{where[1]}: the connection was lost on the way")
        loop = asyncio.get_running_loop()
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._local:
                sock.bind((self._wiring.local(self._local, 0)[0], 0))
            async with asyncio.timeout(10):
                await loop.sock_connect(sock, where)
        except BaseException:
            sock.close()
            raise
        return _Connection(loop, sock)


async def _exchange(
    connection: _Connection,
    request: bytes,
    method: str,
    limit: int,
    sink: Sink | None,
    clock: asyncio.Timeout,
    timeout_s: float,
) -> tuple[Response, bool]:
    data = await _first_octets(connection, request)
    while (end := data.find(b"\r\n\r\n")) < 0:
        if len(data) > _HEAD_LIMIT:
            raise HttpError("an answer with a head of over 32 KiB")
        data += await connection.more(65536)
    status, headers = _head(data[:end])
    data = data[end + 4 :]
    keep = headers.get("connection", "").lower() != "close"
    if method == "HEAD" or status in (204, 304) or status < 200:
        connection.buffer = data
        return Response(status, headers, b"", 0), keep
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body, rest = await _chunked(connection, data, limit)
        connection.buffer = rest
        if sink is not None:
            sink(memoryview(body))
        return Response(status, headers, b"" if sink else body, len(body)), keep
    length = headers.get("content-length", "")
    if not length.isdecimal():
        raise HttpError("an answer without a length")
    size = int(length)
    if sink is not None and status < 300:
        await _pour(connection, data, size, sink, clock, timeout_s)
        return Response(status, headers, b"", size), keep
    if size > limit:
        raise HttpError(f"an answer of {size} octets, more than {limit}")
    while len(data) < size:
        data += await connection.more(size - len(data))
    connection.buffer = data[size:]
    return Response(status, headers, data[:size], size), keep


async def _first_octets(connection: _Connection, request: bytes) -> bytes:
    """Sends the request; the beginning of the answer. Raises _Stale where a kept connection turns out to be closed."""
    data = connection.buffer
    try:
        await connection.loop.sock_sendall(connection.sock, request)
        if not data:
            data = await connection.loop.sock_recv(connection.sock, 65536)
    except (ConnectionResetError, BrokenPipeError) as wrong:
        if connection.used:
            raise _Stale from wrong
        raise
    if not data and connection.used:
        raise _Stale
    if not data:
        raise HttpError("the connection was closed without an answer")
    return data


async def _pour(connection: _Connection, data: bytes, size: int, sink: Sink, clock: asyncio.Timeout, timeout_s: float) -> None:
    """A body of `size` octets, of which `data` has come already, to a sink, block by block."""
    loop, sock = connection.loop, connection.sock
    if len(data) > size:
        raise HttpError("an answer longer than it said")
    sink(memoryview(data))
    at, unbroken = len(data), 0
    block = memoryview(bytearray(min(_BLOCK, max(size - at, 1))))
    while at < size:
        got = await loop.sock_recv_into(sock, block[: size - at])
        if not got:
            raise HttpError(f"the connection was closed after {at} of {size} octets")
        sink(block[:got])
        at += got
        unbroken += got
        if unbroken >= _YIELD_EVERY:
            unbroken = 0
            clock.reschedule(loop.time() + timeout_s)
            await asyncio.sleep(0)
    connection.buffer = b""


def _head(head: bytes) -> tuple[int, dict[str, str]]:
    lines = head.decode("latin-1").split("\r\n")
    first = lines[0].split(" ", 2)
    if len(first) < 2 or not first[0].startswith("HTTP/1.") or not first[1].isdecimal():
        raise HttpError(f"not an HTTP answer: {lines[0][:80]!r}")
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return int(first[1]), headers


async def _chunked(connection: _Connection, data: bytes, limit: int) -> tuple[bytes, bytes]:
    body = bytearray()
    while True:
        while (end := data.find(b"\r\n")) < 0:
            data += await connection.more(65536)
        size = -1
        with suppress(ValueError):
            size = int(data[:end].split(b";")[0], 16)
        if size < 0 or len(body) + size > limit:
            raise HttpError("a chunk of no or too great a length")
        data = data[end + 2 :]
        while len(data) < size + 2:
            data += await connection.more(65536)
        body += data[:size]
        data = data[size + 2 :]
        if size == 0:
            return bytes(body), data
