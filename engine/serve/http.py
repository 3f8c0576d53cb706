"""The HTTP service: boot scripts, images and the agents' calls, on one thread with an asyncio loop of its own.

It decides nothing: a call becomes an event, the engine's answer comes back through `answer`; images are files;
`next` is answered from the mailbox with no engine involved, so a thousand waiting agents cost nothing. What it does
decide is who may call: `routes` says it for each path.

* An event that finds its lane full, or has no answer within `Limits.answer_s`, is a 503 with Retry-After: the client
  asks again. So nothing here is ever queued.
* Every refusal has a code, a JSON body `{"code", "message"}` and a counter.
* Node and boot_id of a call come from its token alone, its address from the peer alone, never from its body.
* `Fetched` tells the engine that a loader, or the kernel and the initrd of a discovery image, went out to the last
  byte.

Traps: aiohttp decodes and splits paths; `routes` looks at the raw one. uvloop was slower than asyncio here. A
thousand connections need descriptors: the soft limit is raised towards the hard one at start, and the number of
connections bounded by what there is.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import ssl
import threading
from collections import Counter
from pathlib import Path

from msgspec import Struct

from ..definitions import Json
from ..effects import Acknowledge, BootScript, Effect, Refuse, Welcome
from ..model import NodeId
from . import ServiceError, cannot_listen
from .backend import Backend
from .http_agent import AgentCalls
from .http_answers import Answers
from .http_boot import BootCalls
from .http_door import Door, Listener
from .http_gate import Gate
from .http_guard import FAREWELL_S, Guard, Limits
from .http_install import InstallCalls
from .http_packages import PackageCalls
from .http_wheels import WheelCalls, WheelShelf, no_wheels
from .image_file import ImageFile

__all__ = ["Backend", "HttpService", "ImageFile", "Limits", "Sites"]

BACKLOG = 1024
SPARE_DESCRIPTORS = 256
HANDSHAKE_S = 10.0
"""For the handshake of TLS: two round trips, and a slow machine's arithmetic."""

log = logging.getLogger(__name__)


class Sites(Struct, frozen=True, kw_only=True):
    """Where the service listens, and where it keeps packages. Host and port; port 0 takes a free one."""

    clear: tuple[tuple[str, int], ...]
    secure: tuple[tuple[str, int], ...] = ()
    """Served by TLS."""
    tls: ssl.SSLContext | None = None
    """Needed where there is a secure site."""
    packages: Path | None = None
    """Folder of the packages that are kept; None: none are served."""
    mirror: Path | None = None
    """Folder of what an opened bundle brought."""
    wheels: WheelShelf = no_wheels
    """What the admin node built from source."""


class HttpService:
    """Serves from `start` to `stop`. What it needs of the engine is in `Backend`."""

    def __init__(self, backend: Backend, sites: Sites, limits: Limits = Limits()) -> None:  # noqa: B008  frozen
        self._sites = sites
        self._limits = limits
        self._counters: Counter[str] = Counter()
        self._answers = Answers(limits.pending)
        self._gate = Gate(backend, limits, self._answers, self._counters)
        self._agents = AgentCalls(self._gate, backend)
        BootCalls(self._gate, backend)
        InstallCalls(self._gate, backend.texts)
        self._packages = PackageCalls(self._gate, sites.packages, sites.mirror, backend.upstream)
        WheelCalls(self._gate, sites.wheels)
        self._gate.complete()
        backend.mailbox.listen(self._wake, self._answers.told)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._door = Door(backend.standings, backend.record, self._counters)
        self.addresses: list[tuple[str, int]] = []
        """Where it listens, once it has started."""
        self.secure_addresses: list[tuple[str, int]] = []
        """And where by TLS."""

    def start(self) -> None:
        """Listens, or raises ServiceError and holds nothing."""
        sockets: list[socket.socket] = []
        fitting = _fit(self._limits)
        self._door.open_for(fitting.connections, fitting.per_peer)
        try:
            for site in self._sites.clear + self._sites.secure:
                sockets.append(listen(site, self._door))
        except ServiceError:
            for one in sockets:
                one.close()
            raise
        addresses = [one.getsockname()[:2] for one in sockets]
        clear = len(self._sites.clear)
        self.addresses, self.secure_addresses = addresses[:clear], addresses[clear:]
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(sockets, ready), name="http", daemon=True)
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        """Waiting agents are told to come again, files under way are cut; returns when the thread has ended."""
        loop, stop, thread = self._loop, self._stop, self._thread
        if loop is None or stop is None or thread is None:
            return
        # The loop may have ended by itself already.
        if thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
        thread.join()
        self._thread = None

    def answer(self, effect: Effect) -> bool:
        """Hands BootScript, Welcome, Refuse or Acknowledge to the call that waits for it; from any thread, returns
        at once. False: no call of this service waits for it."""
        return self._answers.answer(effect)

    def counters(self) -> dict[str, int]:
        """Since start: answers by route, refusals by code, and what is open now."""
        now = dict(self._counters)
        now["open_connections"] = self._door.open
        now["waiting_for_the_engine"] = self._answers.waiting
        return now

    def answered(self) -> int:
        """Number of answers since start, refusals included."""
        return sum(many for name, many in list(self._counters.items()) if name[-4:-3] == "_" and name[-3:].isdecimal())

    def octets(self) -> int:
        """Octets of image files that were sent since start."""
        return self._counters["octets"]

    def packages(self) -> dict[str, Json]:
        """The package cache (`PackageCalls.shown`)."""
        return self._packages.shown()

    def _wake(self, node: NodeId) -> None:
        loop = self._loop
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(self._agents.wake, node)
        except RuntimeError:
            # The loop has been closed: nobody waits.
            return

    def _run(self, sockets: list[socket.socket], ready: threading.Event) -> None:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            try:
                runner.run(self._serve(sockets, ready))
            except Exception:
                log.exception("the HTTP service ended")
                raise
            finally:
                ready.set()

    async def _serve(self, sockets: list[socket.socket], ready: threading.Event) -> None:
        loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        guard = Guard(self._gate.handle, self._limits, self._counters, self._door)
        self._gate.guard = guard
        self._answers.attach(loop)
        self._loop = loop
        clear = len(self._sites.clear)
        servers = [await loop.create_server(guard, sock=one, backlog=BACKLOG) for one in sockets[:clear]]
        for one in sockets[clear:]:
            servers.append(
                await loop.create_server(
                    guard,
                    sock=one,
                    backlog=BACKLOG,
                    ssl=self._sites.tls,
                    ssl_handshake_timeout=HANDSHAKE_S,
                    ssl_shutdown_timeout=FAREWELL_S,
                )
            )
        ready.set()
        try:
            await self._stop.wait()
        finally:
            self._answers.attach(None)
            for server in servers:
                server.close()
            self._agents.release()
            guard.pre_shutdown()
            await guard.shutdown(2.0)
            self._gate.senders.close()
            await self._packages.close()
            self._loop = None
            self._agents.close()


def listen(site: tuple[str, int], door: Door, what: str = "HTTP") -> socket.socket:
    """A socket that listens there, through the door. Raises ServiceError."""
    sock = Listener(socket.AF_INET, socket.SOCK_STREAM)
    sock.door = door
    try:
        # For TCP this lets a new engine listen while connections of the old one linger; two listeners still exclude
        # each other.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(site)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise cannot_listen(what, "tcp", site, error) from error
    return sock


def _fit(limits: Limits) -> Limits:
    """The limits with no more connections than there may be descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * limits.connections + SPARE_DESCRIPTORS  # a file each, at the worst
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    fitting = max(16, (soft - SPARE_DESCRIPTORS) // 2)
    if fitting >= limits.connections:
        return limits
    log.warning("the limit of open files allows %d connections instead of %d", fitting, limits.connections)
    return Limits(**{name: getattr(limits, name) for name in limits.__struct_fields__} | {"connections": fitting})


# What `answer` takes, for those who route effects.
ANSWERS = (BootScript, Welcome, Refuse, Acknowledge)
