"""Packages for installers, through the engine: `/packages/MIRROR/PATH`, with the mirror's own paths. So a rack needs no way to the
Internet for them, and a mirror is asked once for what a hundred machines install (`package_cache`).

MIRROR is a name that the engine turns into a URL. Other names are refused, so that the engine is no open proxy. Any booting machine may
read packages: they are public, and the installer checks each one from signed lists.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from .http_gate import Call, Gate, Refusal
from .http_images import PIECE_S, Cut, ImageFile, send
from .package_cache import Fetch, PackageCache, Unavailable


class PackageCalls:
    def __init__(self, gate: Gate, folder: Path | None, upstream: Callable[[str, str], str | None]) -> None:
        self._cache = PackageCache(folder, gate.counters) if folder is not None else None
        self._upstream = upstream
        gate.handlers |= {"packages": self.packages}

    async def packages(self, call: Call) -> web.StreamResponse:
        url = self._upstream(call.segments["mirror"], call.segments["path"])
        if url is None or self._cache is None:
            raise Refusal(404, "no_mirror", "there is no such mirror")
        found = self._cache.kept(url)
        if found is None:
            fetch = self._cache.fetch(url)
            while fetch.size < 0 and fetch.failure is None:
                await fetch.wait()
            if fetch.failure is not None:
                raise self._refusal(fetch.failure)
            if not fetch.done and call.request.method == "GET" and "Range" not in call.request.headers:
                return await self._while_it_comes(call, fetch)
            while not fetch.done and fetch.failure is None:
                await fetch.wait()
            if fetch.failure is not None:
                raise self._refusal(fetch.failure)
            found = fetch.part, fetch.size
        path, size = found
        try:
            tag = hashlib.sha256(f"{url} {size} {path.stat().st_ino}".encode()).hexdigest()
            response, _ = await send(call.request, ImageFile(path=str(path), size=size, sha256=tag, kind="installer"))
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
