"""The HTTP API as a service: one listener, on one thread with an asyncio loop of its own. It shares nothing with the service for the
machines, so neither can crowd out the other."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from collections import Counter

from ..serve.http import BACKLOG, HANDSHAKE_S, listen
from ..serve.http_door import Door
from ..serve.http_guard import FAREWELL_S, Guard, Limits
from ..serve.standing import Standing
from ..wire.recording import Recorder
from .calls import Backend
from .gate import MALFORMED, Gate
from .handshake import count_refusals
from .logins import Logins

LIMITS = Limits(connections=128, per_peer=32, head_s=10.0, keep_alive_s=30.0, body_s=20.0)

log = logging.getLogger(__name__)


class Proven:
    """Strangers share a quarter of the connections; addresses that showed a valid token or certificate have places of their own."""

    def __init__(self, logins: Logins) -> None:
        self._logins = logins

    def of_mac(self, mac: str) -> Standing:  # noqa: ARG002
        return Standing.STRANGER

    def of_address(self, peer: str) -> Standing:
        return Standing.SEEN if self._logins.was_here(peer) else Standing.STRANGER


class ApiService:
    """Serves from `start` to `stop`."""

    def __init__(
        self,
        backend: Backend,
        logins: Logins,
        site: tuple[str, int],
        tls: ssl.SSLContext | None,
        record: Recorder,
        limits: Limits = LIMITS,
    ) -> None:
        """`tls`: None serves in clear."""
        self._site, self._tls, self._limits = site, tls, limits
        self._counters: Counter[str] = Counter()
        if tls is not None:
            count_refusals(tls, self._counters)
        self._door = Door(Proven(logins), record, self._counters)
        self._gate = Gate(backend, logins, limits.body_s, self._counters)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self.address: tuple[str, int] = site
        """Where it listens, once it has started."""

    def start(self) -> None:
        """Listens, or raises ServiceError and holds nothing."""
        self._door.open_for(self._limits.connections, self._limits.per_peer)
        sock = listen(self._site, self._door, "the HTTP API")
        self.address = sock.getsockname()[:2]
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(sock, ready), name="api", daemon=True)
        self._thread.start()
        ready.wait()
        log.info("the HTTP API listens on %s:%d%s", *self.address, " by TLS" if self._tls is not None else "")

    def stop(self) -> None:
        """Cuts calls in work; returns when the thread has ended."""
        loop, stop, thread = self._loop, self._stop, self._thread
        if loop is None or stop is None or thread is None:
            return
        if thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
        thread.join()
        self._thread = None

    def counters(self) -> dict[str, int]:
        """Since start: answers by status, refusals by code, and what is open now."""
        return {**self._counters, "open_connections": self._door.open}

    def _run(self, sock: socket.socket, ready: threading.Event) -> None:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            try:
                runner.run(self._serve(sock, ready))
            except Exception:
                log.exception("the HTTP API ended")
                raise
            finally:
                ready.set()

    async def _serve(self, sock: socket.socket, ready: threading.Event) -> None:
        loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        guard = Guard(self._gate.handle, self._limits, self._counters, self._door, MALFORMED)
        self._gate.guard = guard
        server = await loop.create_server(
            guard,
            sock=sock,
            backlog=BACKLOG,
            ssl=self._tls,
            ssl_handshake_timeout=HANDSHAKE_S if self._tls is not None else None,
            ssl_shutdown_timeout=FAREWELL_S if self._tls is not None else None,
        )
        self._loop = loop
        ready.set()
        try:
            await self._stop.wait()
        finally:
            server.close()
            guard.pre_shutdown()
            await guard.shutdown(0.5)
