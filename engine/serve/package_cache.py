"""Files of package mirrors, kept on the admin node: fetched once, for the first machine that asks, and sent to all others meanwhile.

Rules
* Only mirrors that the engine names are asked, and only names of files and folders are appended to their URL.
* Files that a mirror never changes (packages, and files named by their checksum) are fetched once. All others (lists, signatures) are
  checked again after REFRESH_S, by tag and date. If the mirror does not answer, the kept file is sent.
* A file is complete when as many bytes came as the mirror said, and a file named by its SHA-256 when it has that checksum. Installers
  check packages from signed lists.
* Bounded: MOST bytes in all (the longest unused goes first), LEAST_FREE bytes stay free on the disk (what is still to come counts as
  there), FETCHES at a time, LARGEST for one file. A mirror that sends nothing for SILENCE_S is given up.
* What an opened bundle brought (`mirror`) comes first and is never asked for again, lists too: so all nodes get the versions of the bundle.
* A fetch lives as long as somebody waits for it. When the last client goes away, the request to the mirror and the half-written file go
  with it.

Everything runs in the loop of the HTTP service; files are local, so it does not wait for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import aiohttp
import msgspec
from msgspec import Struct
from yarl import URL

from .package_shortages import Shortages

REFRESH_S = 60.0
SILENCE_S = 60.0
CONNECT_S = 15.0
MOST = 20 << 30
LEAST_FREE = 1 << 30
LARGEST = 4 << 30
FETCHES = 16
PIECE = 1 << 16
COUNT_S = 10.0
"""Seconds for which the size of the folder counts as known."""
_LASTING = re.compile(r"/by-hash/|\.(deb|udeb|rpm)$")
_BY_HASH = re.compile(r"/by-hash/SHA256/([0-9a-f]{64})$")


class Unavailable(Exception):
    """The file is not available. `status` is the mirror's, 0 if it did not answer. The text says why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status

    @property
    def away(self) -> bool:
        """True if the mirror may have the file, and cannot give it now."""
        return self.status == 0 or self.status >= 500


class Kept(Struct, frozen=True, kw_only=True):
    """The note beside a file: its URL, and the mirror's headers."""

    url: str
    size: int
    tag: str = ""
    changed: str = ""
    """Its ETag and Last-Modified."""


class Fetch:
    """A file that is being fetched."""

    def __init__(self) -> None:
        self.waiting = 0
        """Clients that want it."""
        self.task: asyncio.Task[None] | None = None
        self.size = -1
        """The size that the mirror reported; -1: unknown yet."""
        self.have = 0
        self.part = Path()
        self.done = False
        self.failure: Unavailable | None = None
        self._more = asyncio.Event()

    def told(self) -> None:
        more, self._more = self._more, asyncio.Event()
        more.set()

    async def wait(self) -> None:
        await self._more.wait()


class Usage(Struct, frozen=True, kw_only=True):
    """What a cache holds."""

    files: int
    octets: int
    most: int
    """Octets that it may hold."""


def no_proxy() -> str:
    """The proxy is the environment's, if it names one."""
    return ""


class PackageCache:
    """Kept in `folder`. `counters` gets `packages_*`. `mirror`: folder HOST/PATH of files that come first. `proxy`: URL of the HTTP proxy
    for mirrors; empty: as the environment says."""

    def __init__(
        self,
        folder: Path,
        counters: Counter[str],
        most: int = MOST,
        *,
        mirror: Path | None = None,
        proxy: Callable[[], str] = no_proxy,
    ) -> None:
        self._folder = folder
        self._mirror, self._proxy = mirror, proxy
        self.shortages = Shortages()
        self._usage: tuple[float, Usage] | None = None
        self._counters = counters
        self._most = most
        self._under_way: dict[str, Fetch] = {}
        self._parts = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked: dict[str, float] = {}
        """URL -> time of the last request to its mirror (monotonic)."""
        self._session: aiohttp.ClientSession | None = None
        self._room = asyncio.Semaphore(FETCHES)

    def kept(self, url: str) -> tuple[Path, int] | None:
        """The file and its size, if it is complete and fresh here."""
        if (bundled := self._of_mirror(url)) is not None:
            return bundled
        found = self._read(url)
        if found is None or not (_LASTING.search(URL(url).path) or time.monotonic() - self._asked.get(url, -REFRESH_S) < REFRESH_S):
            return None
        return self._use(url, found)

    def usage(self) -> Usage:
        """How much it holds, at most COUNT_S old. From any thread."""
        known, now = self._usage, time.monotonic()
        if known is not None and now - known[0] < COUNT_S:
            return known[1]
        files = octets = 0
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                if "." not in entry.name:
                    with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                        octets += entry.stat().st_size
                        files += 1
        found = Usage(files=files, octets=octets, most=self._most)
        self._usage = (now, found)
        return found

    def comes(self, url: str) -> bool:
        """True if somebody waits for it already."""
        return url in self._under_way

    @contextlib.contextmanager
    def fetch(self, url: str) -> Iterator[Fetch]:
        """Starts to fetch the file, or joins others who wait for it. Who leaves the block no longer waits for it."""
        found = self._under_way.get(url)
        if found is None:
            found = self._under_way[url] = Fetch()
            found.task = asyncio.get_running_loop().create_task(self._run(url, found))
            self._tasks.add(found.task)
            found.task.add_done_callback(self._tasks.discard)
        found.waiting += 1
        try:
            yield found
        finally:
            found.waiting -= 1
            if not found.waiting and found.task is not None and not found.task.done() and not 0 <= found.size <= found.have:
                if self._under_way.get(url) is found:  # whoever asks from now on starts anew
                    del self._under_way[url]
                self._counters["packages_dropped"] += 1
                found.task.cancel()

    async def pieces(self, fetch: Fetch) -> AsyncIterator[bytes]:
        """The file while it arrives. Raises Unavailable."""
        while fetch.size < 0 and fetch.failure is None:
            await fetch.wait()
        if fetch.failure is not None:
            raise fetch.failure
        with fetch.part.open("rb") as file:
            at = 0
            while at < fetch.size:
                if at < fetch.have:
                    piece = file.read(min(PIECE, fetch.have - at))
                    at += len(piece)
                    yield piece
                elif fetch.failure is not None:
                    raise fetch.failure
                else:
                    await fetch.wait()

    async def close(self) -> None:
        """Stops all fetches."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    # -- one file ---------------------------------------------------------------------------------------------------

    async def _run(self, url: str, fetch: Fetch) -> None:
        before = self._read(url)
        try:
            async with self._room:
                await self._fetch(url, fetch, before)
        except Unavailable as why:
            fetch.failure = why
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            fetch.failure = Unavailable(0, f"{URL(url).host}: {_words(error)}")
        except asyncio.CancelledError:
            fetch.failure = Unavailable(0, "nobody waits for it any more")
            raise
        finally:
            if self._under_way.get(url) is fetch:
                del self._under_way[url]
            half = fetch.part if fetch.part.suffix == ".part" else None
            if fetch.failure is not None:
                self._counters["packages_failed"] += 1
                away = fetch.failure.away
                if away and fetch.waiting:
                    self.shortages.away(URL(url).host or "", str(fetch.failure))
                if before is not None and away and fetch.size < 0:
                    # a kept file is better than none
                    self._counters["packages_stale"] += 1
                    self._give(url, fetch, before)
                if half is not None:
                    half.unlink(missing_ok=True)
            fetch.told()

    async def _fetch(self, url: str, fetch: Fetch, before: Kept | None) -> None:
        if self._session is None:
            for half in self._folder.glob("*.part"):  # left by an engine that was killed
                half.unlink()
            limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S)
            plain = {"Accept-Encoding": "identity"}
            self._session = aiohttp.ClientSession(timeout=limits, trust_env=True, auto_decompress=False, headers=plain)
        head = {}
        if before is not None and before.tag:
            head["If-None-Match"] = before.tag
        if before is not None and before.changed:
            head["If-Modified-Since"] = before.changed
        self._counters["packages_asked"] += 1
        async with self._session.get(URL(url, encoded=True), headers=head, max_redirects=5, proxy=self._proxy() or None) as answer:
            if answer.status < 500:
                self.shortages.answers(URL(url).host or "")
            if answer.status == 304 and before is not None:
                self._asked[url] = time.monotonic()
                self._give(url, fetch, before)
                return
            if answer.status != 200:
                raise Unavailable(answer.status, f"{URL(url).host} answers {answer.status} to {URL(url).path}")
            await self._take(url, fetch, answer)

    async def _take(self, url: str, fetch: Fetch, answer: aiohttp.ClientResponse) -> None:
        size = answer.content_length
        if size is None:
            raise Unavailable(0, f"{URL(url).host} does not say how long {URL(url).path} is")
        self._folder.mkdir(parents=True, exist_ok=True)
        coming = sum(one.size - one.have for one in self._under_way.values() if one.size > 0)
        if size > LARGEST or size + coming + LEAST_FREE > shutil.disk_usage(self._folder).free:
            raise Unavailable(0, f"there is no room for {URL(url).path} of {size} octets")
        fetch.part, digest = self._place(url, f".{next(self._parts)}.part"), hashlib.sha256()
        with fetch.part.open("wb", buffering=0) as file:
            fetch.size = size
            fetch.told()
            async for piece in answer.content.iter_chunked(PIECE):
                if fetch.have + len(piece) > size:
                    raise Unavailable(0, f"{URL(url).host} sent more than it said")
                file.write(piece)
                digest.update(piece)
                fetch.have += len(piece)
                fetch.told()
        if fetch.have != size:
            raise Unavailable(0, f"{URL(url).host} sent {fetch.have} octets instead of {size}")
        if (named := _BY_HASH.search(url)) and named[1] != digest.hexdigest():
            raise Unavailable(0, f"{URL(url).path} is not what its name says")
        kept = Kept(url=url, size=size, tag=answer.headers.get("ETag", ""), changed=answer.headers.get("Last-Modified", ""))
        # the note comes first: without a file of the noted size it is worth nothing
        self._place(url, ".json").write_bytes(msgspec.json.encode(kept))
        os.replace(fetch.part, self._place(url))
        fetch.part, fetch.done = self._place(url), True
        self._asked[url] = time.monotonic()
        self._counters["packages_octets"] += size
        self._evict()

    def _give(self, url: str, fetch: Fetch, kept: Kept) -> None:
        """Lets those who wait have the kept file."""
        path, size = self._use(url, kept)
        fetch.part, fetch.size, fetch.have, fetch.done, fetch.failure = path, size, size, True, None

    def _of_mirror(self, url: str) -> tuple[Path, int] | None:
        if self._mirror is None:
            return None
        file = self._mirror / mirror_path(url)
        try:
            size = file.stat().st_size
        except OSError:
            return None
        self._counters["packages_bundled"] += 1
        return file, size

    # -- on the disk ------------------------------------------------------------------------------------------------

    def _place(self, url: str, ending: str = "") -> Path:
        return self._folder / (hashlib.sha256(url.encode()).hexdigest() + ending)

    def _read(self, url: str) -> Kept | None:
        try:
            kept = msgspec.json.decode(self._place(url, ".json").read_bytes(), type=Kept)
            size = self._place(url).stat().st_size
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        return kept if kept.url == url and kept.size == size else None

    def _use(self, url: str, kept: Kept) -> tuple[Path, int]:
        path = self._place(url)
        os.utime(path)
        self._counters["packages_kept"] += 1
        return path, kept.size

    def _evict(self) -> None:
        """Removes the longest unused files until all limits hold."""
        files = [(path.stat(), path) for path in self._folder.iterdir() if not path.suffix]
        over = sum(stat.st_size for stat, _ in files) - self._most
        for stat, path in sorted(files, key=lambda one: one[0].st_mtime_ns):
            if over <= 0:
                return
            path.unlink()
            path.with_suffix(".json").unlink(missing_ok=True)
            over -= stat.st_size
            self._counters["packages_evicted"] += 1


def mirror_path(url: str) -> str:
    """Where a file of a mirror lies in a folder of mirrors: HOST/PATH, decoded. The host has its port, if it is not the usual one."""
    parsed = URL(url, encoded=True)
    host = parsed.host or ""
    return f"{host}{'' if parsed.is_default_port() else f'_{parsed.port}'}{parsed.path}"


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
