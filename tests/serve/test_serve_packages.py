"""Packages through the engine: fetched once, sent on while they arrive, kept within bounds. No half or foreign file is sent."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from http_rig import DEADLINE_S, Rig

from engine.serve import package_cache, package_shortages
from engine.serve.package_cache import PackageCache
from engine.serve.package_shortages import Shortages
from engine.serve.routes import find

DEB = "pool/main/h/hello/hello_2.10%2bx_amd64.deb"
LIST = "dists/stable/InRelease"


class Mirror:
    """A mirror's files, and what was asked of it."""

    def __init__(self, port: int = 0) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        """Path, If-None-Match."""
        self.hold = threading.Event()
        """Half of a file goes out before it is set."""
        self.hold.set()
        self.broken = False
        """The other half never comes."""
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Not to the tests' output."""

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/debian"

    def answer(self, call: BaseHTTPRequestHandler) -> None:
        path = call.path.removeprefix("/debian/")
        known = call.headers.get("If-None-Match", "")
        self.asked.append((path, known))
        body = self.files.get(path)
        if body is None:
            call.send_error(404)
            return
        tag = f'"{hashlib.sha256(body).hexdigest()[:8]}"'
        if known == tag:
            call.send_response(304)
            call.end_headers()
            return
        call.send_response(200)
        call.send_header("Content-Length", str(len(body)))
        call.send_header("ETag", tag)
        call.end_headers()
        half = len(body) // 2
        call.wfile.write(body[:half])
        call.wfile.flush()
        if not self.hold.wait(DEADLINE_S) or self.broken:
            return
        call.wfile.write(body[half:])

    def close(self) -> None:
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    made = Mirror()
    made.files = {DEB: bytes(range(256)) * 1000, LIST: b"first"}
    yield made
    made.close()


@pytest.fixture
def rig(tmp_path: Path, mirror: Mirror) -> Iterator[Rig]:
    made = Rig(tmp_path, upstream=lambda name, path: f"{mirror.url}/{path}" if name == "debian" else None)
    yield made
    made.stop()


def get(rig: Rig, path: str, **head: str) -> tuple[int, bytes]:
    request = urllib.request.Request(f"{rig.url}/packages/{path}", headers={name.replace("_", "-"): value for name, value in head.items()})
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_a_package_is_fetched_once(rig: Rig, mirror: Mirror) -> None:
    assert [get(rig, f"debian/{DEB}") for _ in range(3)] == [(200, mirror.files[DEB])] * 3
    assert mirror.asked == [(DEB, "")]
    assert get(rig, f"debian/{DEB}", Range="bytes=10-19") == (206, mirror.files[DEB][10:20])
    assert rig.http.counters()["packages_octets"] == len(mirror.files[DEB])


def test_many_who_ask_at_once_get_it_while_it_comes(rig: Rig, mirror: Mirror) -> None:
    mirror.hold.clear()
    first = urllib.request.urlopen(f"{rig.url}/packages/debian/{DEB}", timeout=DEADLINE_S)
    with first, ThreadPoolExecutor(8) as pool:
        half = len(mirror.files[DEB]) // 2
        assert first.read(half) == mirror.files[DEB][:half], "the mirror has not sent the rest"
        others = [pool.submit(get, rig, f"debian/{DEB}") for _ in range(8)]
        mirror.hold.set()
        assert half + len(first.read()) == len(mirror.files[DEB])
        assert [one.result() for one in others] == [(200, mirror.files[DEB])] * 8
    assert mirror.asked == [(DEB, "")]


def test_lists_are_asked_for_again_by_their_tag(rig: Rig, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_cache, "REFRESH_S", 0.0)
    assert get(rig, f"debian/{LIST}") == (200, b"first")
    assert get(rig, f"debian/{LIST}") == (200, b"first")
    mirror.files[LIST] = b"second"
    assert get(rig, f"debian/{LIST}") == (200, b"second")
    assert [bool(known) for _, known in mirror.asked] == [False, True, True]


def test_when_the_mirror_is_away_what_is_kept_is_given(rig: Rig, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_cache, "REFRESH_S", 0.0)
    for path in (LIST, DEB):
        assert get(rig, f"debian/{path}")[0] == 200
    mirror.close()
    assert get(rig, f"debian/{LIST}") == (200, b"first")
    assert get(rig, f"debian/{DEB}") == (200, mirror.files[DEB])
    status, body = get(rig, "debian/pool/main/other.deb")
    assert status == 502
    assert b"mirror_gone" in body
    assert rig.http.counters()["packages_stale"] == 1


def test_half_a_file_is_neither_given_as_a_whole_nor_kept(rig: Rig, mirror: Mirror, tmp_path: Path) -> None:
    mirror.broken = True
    with pytest.raises(http.client.IncompleteRead):
        get(rig, f"debian/{DEB}")
    assert not [path for path in (tmp_path / "packages").iterdir() if not path.name.endswith(".part")]
    mirror.broken = False
    assert get(rig, f"debian/{DEB}") == (200, mirror.files[DEB])


def test_what_is_named_by_its_checksum_must_have_it(rig: Rig, mirror: Mirror) -> None:
    body = b"Package: hello\n"
    good, bad = (f"dists/stable/main/by-hash/SHA256/{name}" for name in (hashlib.sha256(body).hexdigest(), "0" * 64))
    mirror.files |= {good: body, bad: body}
    assert get(rig, f"debian/{good}") == (200, body)
    status, said = get(rig, f"debian/{bad}", Range="bytes=0-")
    assert (status, b"not what its name says" in said) == (502, True)


def test_only_mirrors_that_the_engine_names_and_only_plain_paths(rig: Rig, mirror: Mirror) -> None:
    assert get(rig, f"example.net/{DEB}")[0] == 404
    assert get(rig, "debian/pool/none.deb")[0] == 404
    for path in ("debian/../etc/passwd", "debian/%2e%2e/x", "debian//x", "debian/a?b", "debian/.x", "debian/" + "x/" * 40 + "x"):
        found = find(f"/packages/{path}".partition("?")[0])
        assert found is None or "?" in path, path
    assert [path for path, _ in mirror.asked] == ["pool/none.deb"]


def test_the_longest_unused_goes_when_there_is_too_much(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files = {f"pool/{name}.deb": b"x" * 1000 for name in "abcd"}
    counters: Counter[str] = Counter()

    async def all_of_them() -> list[bool]:
        cache = PackageCache(tmp_path / "kept", counters, most=2500)
        for name in "ab":
            with cache.fetch(f"{mirror.url}/pool/{name}.deb") as fetch:
                assert b"".join([piece async for piece in cache.pieces(fetch)])
        while not cache.kept(f"{mirror.url}/pool/a.deb"):  # used now, so b is the longest unused
            await asyncio.sleep(0)
        with cache.fetch(f"{mirror.url}/pool/c.deb") as fetch:
            assert b"".join([piece async for piece in cache.pieces(fetch)])
        while cache.kept(f"{mirror.url}/pool/c.deb") is None:
            await asyncio.sleep(0)
        there = [cache.kept(f"{mirror.url}/pool/{name}.deb") is not None for name in "abc"]
        await cache.close()
        return there

    assert asyncio.run(all_of_them()) == [True, False, True]
    assert counters["packages_evicted"] == 1


def test_a_file_that_was_spoilt_on_the_disk_is_fetched_anew(rig: Rig, mirror: Mirror, tmp_path: Path) -> None:
    assert get(rig, f"debian/{DEB}")[0] == 200
    (kept,) = [path for path in (tmp_path / "packages").iterdir() if not path.suffix]
    kept.write_bytes(b"short")
    assert get(rig, f"debian/{DEB}") == (200, mirror.files[DEB])
    assert len(mirror.asked) == 2


def test_what_is_missing_is_named_until_it_comes(rig: Rig, mirror: Mirror) -> None:
    other = "pool/main/o/other/other_1_all.deb"
    assert get(rig, f"debian/{DEB}")[0] == 200
    port = mirror.server.server_address[1]
    mirror.close()
    assert get(rig, f"debian/{DEB}")[0] == 200, "kept"
    assert [get(rig, f"debian/{other}")[0] for _ in range(2)] == [502, 502]
    shown = rig.http.packages()
    (lack,), (away,) = shown["missing"], shown["away"]
    assert (lack["path"], lack["asker"], lack["count"]) == (f"debian/{other}", "192.168.124.1", 2)
    assert lack["since"] <= lack["last"]
    assert away["mirror"] == "127.0.0.1"
    assert (shown["files"], shown["octets"]) == (1, len(mirror.files[DEB]))
    assert shown["kept"] == 1
    back = Mirror(port)
    back.files = {other: b"there"}
    try:
        assert get(rig, f"debian/{other}") == (200, b"there")
    finally:
        back.close()
    assert (rig.http.packages()["missing"], rig.http.packages()["away"]) == ([], [])


def test_a_list_that_a_mirror_does_not_have_is_no_shortage(rig: Rig) -> None:
    assert get(rig, "debian/dists/stable/main/i18n/Translation-en")[0] == 404
    assert rig.http.packages()["missing"] == []
    assert get(rig, "debian/pool/main/n/none/none_1_all.deb")[0] == 404
    assert [one["path"] for one in rig.http.packages()["missing"]] == ["debian/pool/main/n/none/none_1_all.deb"]


def test_shortages_are_bounded() -> None:
    found = Shortages(wall=lambda: 1.0)
    for i in range(3 * package_shortages.MOST):
        found.missing(f"debian/{i}.deb", "10.0.0.1", "x" * 1000, away=False)
        found.away(f"mirror{i}", "gone")
    missing, away = found.rows()
    assert (len(missing), len(away)) == (package_shortages.MOST, package_shortages.MIRRORS)
    assert f"debian/{3 * package_shortages.MOST - 1}.deb" in [one.path for one in missing]
    assert all(len(one.why) <= package_shortages.TEXT for one in missing)


def test_what_a_bundle_brought_comes_first_and_needs_no_mirror(tmp_path: Path, rig: Rig, mirror: Mirror) -> None:
    host = f"127.0.0.1_{mirror.server.server_address[1]}"
    place = tmp_path / "mirrors/one" / host / "debian" / LIST
    place.parent.mkdir(parents=True)
    place.write_bytes(b"of the bundle")
    assert get(rig, f"debian/{LIST}") == (200, b"first")
    (tmp_path / "mirrors/current").symlink_to("one")
    assert get(rig, f"debian/{LIST}") == (200, b"of the bundle")
    assert get(rig, f"debian/{DEB}") == (200, mirror.files[DEB]), "what it lacks still comes from the mirror"
    assert rig.http.packages()["bundled"] == 1


def test_it_asks_through_the_proxy_of_the_plan(rig: Rig, mirror: Mirror) -> None:
    """A proxy is asked for the whole URL (RFC 9112, section 3.2.2)."""
    proxy = Mirror()
    proxy.files = {f"{mirror.url}/{DEB}": b"through the proxy"}
    try:
        rig.proxy = proxy.url.removesuffix("/debian")
        assert get(rig, f"debian/{DEB}") == (200, b"through the proxy")
    finally:
        proxy.close()
    assert mirror.asked == []
