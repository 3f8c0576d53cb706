"""Limits for strangers before their first request: the time until the first request, and sizes of heads. `http_door` bounds connections.

aiohttp waits forever for the first request of a connection, and its timer does not end a keep-alive that sends a head byte by byte. Both
hold a descriptor at no cost to the sender. Here every connection has HEAD_S for each head, from its start or from the end of its last
answer.

TLS ends a connection with a farewell that the peer answers. Many peers never do, and a loop that is closed meanwhile leaves the socket
open: `shutdown` waits for the farewells, and cuts what is left.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from msgspec import Struct

from .http_door import Door, Guest

MALFORMED = b'{"code": "malformed", "message": "this is not a request"}'
NAMELESS = {"Server": "crowbar"}
"""A stranger need not learn which version of which library reads its requests."""
FAREWELL_S = 1.0
"""How long a peer of TLS may take to answer a farewell."""


class Limits(Struct, frozen=True, kw_only=True):
    """Limits of the HTTP service. Times in seconds."""

    connections: int = 4096
    per_peer: int = 64
    head_s: float = 10.0
    """For the head of a connection's first request."""
    keep_alive_s: float = 30.0
    """From an answer to the end of the next request's head."""
    body_s: float = 20.0
    """For a whole body."""
    poll_s: float = 50.0
    """How long `next` waits for a command. Older agents give up after 80 s, later ones 30 s after the time in their welcome."""
    answer_s: float = 10.0
    """How long a call waits for the engine."""
    pending: int = 4096
    """Calls that may wait for the engine."""


class Protocol(RequestHandler):
    """One connection. Counts what aiohttp refuses by itself (heads that are not HTTP, or too long)."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,  # noqa: ARG002
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        guard: Any = self._manager
        if guard is not None:
            guard.counters[f"protocol_{status}"] += 1
        if request.writer.output_size > 0:
            raise ConnectionResetError("an error after the answer began")
        malformed = guard.malformed if guard is not None else MALFORMED
        response = web.Response(body=malformed, status=status, content_type="application/json", headers=NAMELESS)
        response.force_close()
        return response


class Guard(web.Server):
    """The factory of connections."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        limits: Limits,
        counters: Counter[str],
        door: Door,
        malformed: bytes = MALFORMED,
    ) -> None:
        """`malformed`: the body of the answer to what is not a request, as JSON."""
        super().__init__(
            handler,
            handler_cancellation=True,
            keepalive_timeout=limits.keep_alive_s,
            access_log=None,
            max_line_size=4096,
            max_field_size=4096,
            max_headers=64,
            lingering_time=0.5,
            tcp_keepalive=True,
            auto_decompress=False,
        )
        self.limits = limits
        self.counters = counters
        self.door = door
        self.malformed = malformed
        self._of: dict[RequestHandler, tuple[asyncio.Transport, Guest | None]] = {}
        self._none_left: asyncio.Future[None] | None = None
        self._timers: dict[RequestHandler, asyncio.TimerHandle] = {}

    def __call__(self) -> RequestHandler:
        return Protocol(self, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._of[handler] = (transport, self.door.guest(descriptor_of(transport)))
        self._expect(handler, self.limits.head_s)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self._arrived(handler)
        self._of.pop(handler, None)
        if not self._of and self._none_left is not None and not self._none_left.done():
            self._none_left.set_result(None)

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  aiohttp's own name
        """Ends each connection; `timeout`: seconds for the answers that are being made. No socket is open when it returns."""
        await super().shutdown(timeout)
        if not self._of:
            return
        self._none_left = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._none_left], timeout=FAREWELL_S)
        for transport, _ in list(self._of.values()):
            transport.abort()
        if self._of:
            await self._none_left

    def began(self, handler: RequestHandler) -> None:
        """The head of a request has arrived."""
        self._arrived(handler)
        if (guest := self._guest(handler)) is not None:
            self.door.busy(guest)

    def proved(self, handler: RequestHandler) -> None:
        """It holds a valid token."""
        if (guest := self._guest(handler)) is not None:
            self.door.known(guest)

    def _guest(self, handler: RequestHandler) -> Guest | None:
        found = self._of.get(handler)
        return found[1] if found is not None else None

    def _arrived(self, handler: RequestHandler) -> None:
        timer = self._timers.pop(handler, None)
        if timer is not None:
            timer.cancel()

    def ended(self, handler: RequestHandler) -> None:
        """An answer was made; the next head may follow."""
        if handler in self._of:
            if (guest := self._guest(handler)) is not None:
                self.door.idle(guest)
            self._expect(handler, self.limits.keep_alive_s + 1.0)

    def _expect(self, handler: RequestHandler, seconds: float) -> None:
        self._arrived(handler)
        self._timers[handler] = asyncio.get_running_loop().call_later(seconds, self._too_slow, handler)

    def _too_slow(self, handler: RequestHandler) -> None:
        self._timers.pop(handler, None)
        self.counters["slow_head"] += 1
        if handler.transport is not None:
            handler.transport.abort()


def peer_of(transport: asyncio.BaseTransport | None) -> str:
    """The peer's address. Empty if the connection is already gone."""
    name = transport.get_extra_info("peername") if transport is not None else None
    return str(name[0]) if name else ""


def certificate_of(transport: asyncio.BaseTransport | None) -> bytes:
    """The client's certificate (DER), whose private key it has. Empty: it showed none."""
    tls = transport.get_extra_info("ssl_object") if transport is not None else None
    return (tls.getpeercert(binary_form=True) if tls is not None else None) or b""


def descriptor_of(transport: asyncio.BaseTransport | None) -> int:
    """-1 if the connection is already gone."""
    sock = transport.get_extra_info("socket") if transport is not None else None
    return int(sock.fileno()) if sock is not None else -1
