"""What bounds strangers before a request is there: connections in all and per peer, the time until the first
request, sizes of heads.

aiohttp waits for the first request of a connection for ever, and a keep-alive that sends a head byte by byte is not
ended by its timer: both hold a descriptor at no cost to the sender. Here every connection has HEAD_S for each head,
from its making or its last answer's keep-alive.

A connection that is one too many is closed at once, and counted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from msgspec import Struct


class Limits(Struct, frozen=True, kw_only=True):
    """Of the HTTP service. Times in seconds."""

    connections: int = 4096
    per_peer: int = 64
    head_s: float = 10.0
    """For the head of a connection's first request."""
    keep_alive_s: float = 30.0
    """From an answer to the end of the next request's head."""
    body_s: float = 20.0
    """For a body, whole."""
    poll_s: float = 50.0
    """How long `next` waits for a command."""
    answer_s: float = 10.0
    """How long a call waits for the engine."""
    pending: int = 4096
    """Calls that wait for the engine."""


class Protocol(RequestHandler):
    """One connection; counts what aiohttp refuses by itself (heads that are no HTTP, or too long)."""

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
        response = web.json_response({"code": "malformed", "message": "this is not a request"}, status=status)
        response.force_close()
        return response


class Guard(web.Server):
    """The factory of connections."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        limits: Limits,
        counters: Counter[str],
    ) -> None:
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
        self._peers: Counter[str] = Counter()
        self._of: dict[RequestHandler, str] = {}
        self._timers: dict[RequestHandler, asyncio.TimerHandle] = {}

    def __call__(self) -> RequestHandler:
        return Protocol(self, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        peer = peer_of(transport)
        if len(self._of) >= self.limits.connections:
            self.counters["too_many_connections"] += 1
            transport.abort()
            return
        if self._peers[peer] >= self.limits.per_peer:
            self.counters["too_many_of_a_peer"] += 1
            transport.abort()
            return
        self._peers[peer] += 1
        self._of[handler] = peer
        self._expect(handler, self.limits.head_s)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self.began(handler)
        peer = self._of.pop(handler, None)
        if peer is not None:
            self._peers[peer] -= 1
            if not self._peers[peer]:
                del self._peers[peer]

    @property
    def open(self) -> int:
        return len(self._of)

    def began(self, handler: RequestHandler) -> None:
        """The head of a request is there."""
        timer = self._timers.pop(handler, None)
        if timer is not None:
            timer.cancel()

    def ended(self, handler: RequestHandler) -> None:
        """An answer was made; the next head may follow."""
        if handler in self._of:
            self._expect(handler, self.limits.keep_alive_s + 1.0)

    def _expect(self, handler: RequestHandler, seconds: float) -> None:
        self.began(handler)
        self._timers[handler] = asyncio.get_running_loop().call_later(seconds, self._too_slow, handler)

    def _too_slow(self, handler: RequestHandler) -> None:
        self._timers.pop(handler, None)
        self.counters["slow_head"] += 1
        if handler.transport is not None:
            handler.transport.abort()


def peer_of(transport: asyncio.BaseTransport | None) -> str:
    """The peer's address, empty when the connection is gone already."""
    name = transport.get_extra_info("peername") if transport is not None else None
    return str(name[0]) if name else ""
