"""Packages for installers, through the engine: `/packages/MIRROR/PATH`, with the mirror's own paths. So a rack needs no way to the
Internet for them, and a mirror is asked once for what a hundred machines install (`package_cache`).

MIRROR is a name that the engine turns into a URL. Other names are refused, so that the engine is no open proxy. Nodes may read packages,
and machines that have a lease: installers. An address of which the engine knows nothing is refused. A standing proves nothing, and need
not: packages are public, and whoever installs them checks each one by signed lists.

One client may have OPEN requests, of which AT_ONCE wait for a mirror; an address that is no node's has a quarter of that. So no client
takes all fetches for itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from aiohttp import web

from ..definitions import Json
from .http_gate import Call, Gate, Refusal
from .http_guard import peer_of
from .http_images import send
from .image_file import ImageFile
from .package_cache import Fetch, PackageCache, Unavailable
from .sender_process import PIECE_S
from .senders import Cut
from .standing import Standing

OPEN = 32
AT_ONCE = 4
COUNTS = ("kept", "bundled", "asked", "stale", "failed", "dropped", "evicted")
"""Counters of the cache: files from its folder, files from an opened bundle, requests to mirrors, old files sent because a mirror is away,
requests that failed, those that nobody waited for, files removed to make room."""


class _Client:
    """An address that asks now."""

    def __init__(self, at_once: int) -> None:
        self.open = 0
        self.turn = asyncio.Semaphore(at_once)


class PackageCalls:
    def __init__(self, gate: Gate, folder: Path | None, mirror: Path | None, upstream: Callable[[str, str], str | None]) -> None:
        proxy = gate.backend.package_proxy
        self._cache = PackageCache(folder, gate.counters, mirror=mirror, proxy=proxy) if folder is not None else None
        self._counters, self._senders = gate.counters, gate.senders
        self._upstream = upstream
        self._clients: dict[str, _Client] = {}
        self._standings, self._record = gate.backend.standings, gate.backend.record
        self._address = gate.address
        gate.handlers |= {"packages": self.packages}

    def shown(self) -> dict[str, Json]:
        """Size and hits of the cache, packages that are missing, and mirrors that are away. From any thread. Empty: there is none."""
        if self._cache is None:
            return {}
        missing, away = self._cache.shortages.rows()
        counts = {name: self._counters[f"packages_{name}"] for name in COUNTS}
        rows: dict[str, Json] = msgspec.to_builtins({"missing": missing, "away": away})
        usage: dict[str, Json] = msgspec.to_builtins(self._cache.usage())
        return {**usage, **counts, **rows}

    async def packages(self, call: Call) -> web.StreamResponse:
        if self._standings.of_address(peer_of(call.request.transport)) is Standing.STRANGER:
            raise Refusal(403, "no_node", "packages are for the machines of this rack: this address is no node's, and has no lease")
        url = self._upstream(call.segments["mirror"], call.segments["path"])
        if url is None or self._cache is None:
            raise Refusal(404, "no_mirror", "there is no such mirror")
        path = f"{call.segments['mirror']}/{call.segments['path']}"
        with self._client(call) as client:
            found = self._cache.kept(url)
            if found is None:
                async with client.turn if not self._cache.comes(url) else contextlib.nullcontext():
                    try:
                        answer = await self._fetched(call, self._cache, url)
                    except Unavailable as why:
                        self._cache.shortages.missing(path, self._address(call), str(why), why.away)
                        raise self._refusal(why) from None
                if isinstance(answer, web.StreamResponse):
                    self._cache.shortages.given(path)
                    return answer
                found = answer
            self._cache.shortages.given(path)
            return await self._send(call, url, *found)

    @contextlib.contextmanager
    def _client(self, call: Call) -> Iterator[_Client]:
        """Whoever asks, while it asks. Raises Refusal."""
        peer = peer_of(call.request.transport)
        part = 1 if self._standings.of_address(peer) is Standing.KNOWN else 4
        client = self._clients.get(peer)
        if client is not None and client.open >= OPEN // part:
            self._record.flood("package requests", peer, self._record.of(peer))
            raise Refusal(503, "too_many_packages", "this address waits for too many packages: ask again")
        if client is None:
            client = self._clients[peer] = _Client(AT_ONCE // part)
        client.open += 1
        try:
            yield client
        finally:
            client.open -= 1
            if not client.open:
                del self._clients[peer]

    async def _fetched(self, call: Call, cache: PackageCache, url: str) -> web.StreamResponse | tuple[Path, int]:
        """The file and its size, once it is here; or the answer, sent while it came. Raises Unavailable."""
        with cache.fetch(url) as fetch:
            while fetch.size < 0 and fetch.failure is None:
                await fetch.wait()
            if fetch.failure is not None:
                raise fetch.failure
            if not fetch.done and call.request.method == "GET" and "Range" not in call.request.headers:
                return await self._while_it_comes(call, fetch)
            while not fetch.done and fetch.failure is None:
                await fetch.wait()
            if fetch.failure is not None:
                raise fetch.failure
            return fetch.part, fetch.size

    async def _send(self, call: Call, url: str, path: Path, size: int) -> web.StreamResponse:
        try:
            response, _ = await send(call.request, _as_image(url, path, size), self._senders)
        except (OSError, ValueError) as error:  # it was removed just now
            raise Refusal(503, "packages_busy", "ask again") from error
        return response

    async def close(self) -> None:
        if self._cache is not None:
            await self._cache.close()

    async def _while_it_comes(self, call: Call, fetch: Fetch) -> web.StreamResponse:
        assert self._cache is not None
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream", "Cache-Control": "no-cache"})
        response.content_length = fetch.size
        try:
            await response.prepare(call.request)
            async for piece in self._cache.pieces(fetch):
                async with asyncio.timeout(PIECE_S):
                    await response.write(piece)
            await response.write_eof()
        except (Unavailable, TimeoutError, OSError, RuntimeError) as error:
            # half a file must not look like a whole one
            if call.request.transport is not None:
                call.request.transport.abort()
            raise Cut from error
        return response

    @staticmethod
    def _refusal(why: Unavailable) -> Refusal:
        return Refusal(404, "no_package", str(why)) if why.status in (403, 404, 410) else Refusal(502, "mirror_gone", str(why))


def _as_image(url: str, path: Path, size: int) -> ImageFile:
    tag = hashlib.sha256(f"{url} {size} {path.stat().st_ino}".encode()).hexdigest()
    return ImageFile(path=str(path), size=size, sha256=tag, kind="installer")
