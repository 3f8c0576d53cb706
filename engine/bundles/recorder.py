"""A package cache of one command's own, that remembers what was asked of it. A package manager with a private root works through it; then
the bundle takes exactly the files that a node of the rack will ask for.

It listens on a free port of 127.0.0.1, and asks only the mirrors of the catalogue, or those that stand in for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from aiohttp import web

from ..definitions import Catalog
from ..netboot.install_answers import mirror_image, mirrored
from ..serve.package_cache import PackageCache, mirror_path
from ..serve.routes import find

START_S = 30.0


class Recorder:
    """Use as a context. `instead`: system -> URL of a mirror that is asked in place of the catalogue's."""

    def __init__(self, folder: Path, catalog: Catalog, instead: Mapping[str, str]) -> None:
        self._folder, self._catalog, self._instead = folder, catalog, instead
        self.files: dict[str, Path] = {}
        """HOST/PATH in the catalogue's mirror -> the file."""
        self.failures: list[str] = []
        """What could not be fetched, as sentences."""
        self.url = ""
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="recorder", daemon=True)

    def __enter__(self) -> Recorder:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        if not self._ready.wait(START_S):
            raise OSError("the local package cache did not start")
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None) -> None:
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None:
            loop.call_soon_threadsafe(stop.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        cache = PackageCache(self._folder, Counter())

        async def answer(request: web.Request) -> web.StreamResponse:
            return await self._answer(cache, request)

        app = web.Application()
        app.router.add_route("GET", "/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            self._ready.set()
            await self._stop.wait()
        finally:
            with contextlib.suppress(asyncio.CancelledError):
                await runner.cleanup()
            await cache.close()

    async def _answer(self, cache: PackageCache, request: web.Request) -> web.StreamResponse:
        found = find(request.raw_path.partition("?")[0])
        if found is None or found[0].name != "packages":
            return web.Response(status=404)
        system, path = found[1]["mirror"], found[1]["path"]
        url = mirrored(self._catalog, system, path)
        image = mirror_image(self._catalog, system)
        if url is None or image is None:
            return web.Response(status=404)
        asked, own = url, image.mirror.rstrip("/")
        if other := self._instead.get(system):
            if not url.startswith(f"{own}/"):
                return web.Response(status=404)  # a mirror of the site's own has no security updates beside it
            asked = f"{other.rstrip('/')}{url.removeprefix(own)}"
        file = cache.kept(asked)
        if file is None:
            with cache.fetch(asked) as fetch:
                while not fetch.done and fetch.failure is None:
                    await fetch.wait()
                if fetch.failure is not None:
                    if fetch.failure.away:
                        self.failures.append(str(fetch.failure))
                    return web.Response(status=502 if fetch.failure.away else 404)
                file = fetch.part, fetch.size
        self.files[mirror_path(url)] = file[0]
        return web.FileResponse(file[0], headers={"Content-Type": "application/octet-stream"})
