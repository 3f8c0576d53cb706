"""The HTTP service: who may call what, boot scripts, images, and a whole life of an agent."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import io
import json
import re
import shutil
import socket
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from http_rig import KERNEL, Rig, greeting, until

from engine.effects import Accept, Acknowledge
from engine.events import Bye, Hello, Outcome, ScriptAsked
from engine.serve import ServiceError
from engine.serve.http_images import names_tag, ranged
from engine.serve.routes import ROUTES, Who, find


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path, answer_s=5.0)
    yield rig
    rig.stop()


def paths_of(path: str) -> str:
    path = path.replace("{mirror}", "debian").replace("{path*}", "pool/main/h/hello_1.0%2bx_amd64.deb")
    return path.replace("{image}", "debian-12").replace("{file}", "root.img").replace("{id}", "ab-1.0").replace("{nonce}", "ab" * 16)


# -- who may call ---------------------------------------------------------------------------------------------------


def test_the_table_says_for_each_route_who_may_call_it() -> None:
    assert {(route.path, route.methods, route.who) for route in ROUTES} == {
        ("/boot/script", ("GET",), Who.PUBLIC),
        ("/boot/grub.cfg", ("GET",), Who.PUBLIC),
        ("/boot/site.img", ("GET", "HEAD"), Who.PUBLIC),
        ("/grub/grub.cfg", ("GET", "HEAD"), Who.PUBLIC),
        ("/image/{image}/{file}", ("GET", "HEAD"), Who.IMAGE),
        ("/boot/answers/{nonce}/{file}", ("GET",), Who.NONCE),
        ("/boot/tool/{file}", ("GET",), Who.PUBLIC),
        ("/packages/{mirror}/{path*}", ("GET", "HEAD"), Who.PUBLIC),
        ("/agent/hello", ("POST",), Who.PUBLIC),
        ("/agent/next", ("GET",), Who.TOKEN),
        ("/agent/task/{id}", ("GET",), Who.TOKEN),
        ("/agent/progress", ("POST",), Who.TOKEN),
        ("/agent/log", ("POST",), Who.TOKEN),
        ("/agent/result", ("POST",), Who.TOKEN),
        ("/agent/bye", ("POST",), Who.TOKEN),
    }
    assert all(route.body > 0 for route in ROUTES if "POST" in route.methods)


@pytest.mark.parametrize("route", [r for r in ROUTES if r.who not in (Who.PUBLIC, Who.NONCE)], ids=lambda r: r.name)
def test_a_route_with_a_caller_refuses_strangers_and_forgeries(rig: Rig, route: Any) -> None:
    rig.add_image("debian-12", "root.img", b"secret", kind="system")
    good = rig.hello()
    before = len(rig.events)
    for token in ("", "x", "n1.0000.0000", good[:-1] + ("0" if good[-1] != "0" else "1"), rig.keys.credential("n1")):
        status, body, headers = rig.call(route.methods[0], paths_of(route.path), b"{}", token)
        assert (status, body["code"], headers["www-authenticate"]) == (401, "unauthorised", "Bearer")
    for scheme in ("Basic", "bearerx", ""):
        status, _, _ = rig.call(route.methods[0], paths_of(route.path), headers={"Authorization": f"{scheme} {good}"})
        assert status == 401
    assert len(rig.events) == before
    assert rig.http.counters()["refused_unauthorised"] == 8


@pytest.mark.parametrize("route", [r for r in ROUTES if r.who not in (Who.PUBLIC, Who.NONCE)], ids=lambda r: r.name)
def test_an_old_boot_is_told_apart_from_a_forgery(rig: Rig, route: Any) -> None:
    rig.add_image("debian-12", "root.img", b"secret", kind="system")
    old = rig.hello(boot_id="boot-1")
    rig.hello(boot_id="boot-2")
    before = len(rig.events)
    status, body, _ = rig.call(route.methods[0], paths_of(route.path), {"id": "ab-1.0", "exit": 0}, old)
    if route.name == "result":
        assert (status, body["acknowledged"], body["code"]) == (200, True, "old_boot")
    else:
        assert (status, body["code"]) == (410, "old_boot")
    assert len(rig.events) == before
    rig.boots.clear()
    assert rig.call(route.methods[0], paths_of(route.path), b"{}", old)[0] in (200, 410)


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: r.name)
def test_other_methods_are_refused(rig: Rig, route: Any) -> None:
    token = rig.hello()
    for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"} - set(route.methods):
        status, body, _ = rig.call(method, paths_of(route.path), token=token)
        assert (status, body["code"]) == (405, "method")


@pytest.mark.parametrize(
    "path",
    ["/", "//boot/script", "/boot/script/", "/Boot/script", "/boot/%73cript", "/boot/../boot/script", "/agent",
     "/image", "/image/", "/image/sledgehammer", "/image/sledgehammer/", "/image/../../etc/passwd", "/image/%2e%2e/passwd",
     "/image/sledgehammer/../../../../etc/passwd", "/image/sledgehammer/..%2f..%2fetc%2fpasswd", "/image/sledgehammer/.hidden",
     "/image/sledgehammer/a/b", "/image//etc/passwd", "/image/x/" + "y" * 3000, "/agent/task/", "/agent/task/../next",
     "/agent/task/.x", "/image/sledgehammer/kernel%00", "/image/sledgehammer/kernel\\..", "http://127.0.0.1/boot/script"],
)  # fmt: skip
def test_paths_that_are_none(rig: Rig, path: str) -> None:
    rig.add_image("sledgehammer", "kernel", KERNEL)
    answer = rig.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert re.match(rb"HTTP/1.1 40[04] ", answer), answer[:200]
    assert b"root:" not in answer


def test_every_route_has_an_unmistakable_path() -> None:
    for route in ROUTES:
        found = find(paths_of(route.path))
        assert found is not None
        assert found[0] is route


# -- boot scripts ---------------------------------------------------------------------------------------------------


def test_a_loader_gets_its_script_with_a_fresh_nonce(rig: Rig) -> None:
    status, text, headers = rig.call("GET", "/boot/script?mac=52-54-00-AA-00-01&uuid=ABC-1")
    assert status == 200
    assert headers["content-type"].startswith("text/plain")
    assert headers["cache-control"] == "no-store"
    (asked,) = rig.seen(ScriptAsked)
    assert (asked.mac, asked.uuid, asked.address) == ("52:54:00:aa:00:01", "abc-1", "192.168.124.1")
    nonce = rig.scripts[0][1]
    assert re.fullmatch("[0-9a-f]{32}", nonce)
    assert asked.nonce == hashlib.sha256(nonce.encode()).hexdigest()
    assert nonce.encode() in text
    rig.call("GET", "/boot/script?mac=525400aa0001")
    assert rig.scripts[1][1] != nonce


def test_scripts_refused(rig: Rig) -> None:
    status, body, _ = rig.call("GET", "/boot/script?mac=00:00:00:00:00:bb")
    assert (status, body) == (403, {"code": "banned", "message": "00:00:00:00:00:bb is banned"})
    for query in ("", "?mac=", "?mac=x", "?mac=52:54:00:aa:00", "?mac=52:54:00:aa:00:01:02", "?uuid=1"):
        assert rig.call("GET", "/boot/script" + query)[0] == 400
    rig.call("GET", "/boot/script?mac=52:54:00:aa:00:01&uuid=" + "%22%3b" * 20)
    assert rig.seen(ScriptAsked)[-1].uuid == ""


def test_a_full_lane_and_a_silent_engine_are_503(tmp_path: Path) -> None:
    rig = Rig(tmp_path, answer_s=0.2)
    try:
        rig.full = True
        status, body, headers = rig.call("GET", "/boot/script?mac=52:54:00:aa:00:01")
        assert (status, body["code"], headers["retry-after"]) == (503, "lane_full", "1")
        assert rig.call("POST", "/agent/hello", greeting(nonce="ticket-1"))[1]["code"] == "lane_full"
        rig.full, rig.silent = False, True
        status, body, headers = rig.call("GET", "/boot/script?mac=52:54:00:aa:00:01")
        assert (status, body["code"], headers["retry-after"]) == (503, "no_answer", "1")
        assert rig.http.counters()["waiting_for_the_engine"] == 0
        late = rig.seen(ScriptAsked)[0]
        rig.step(late)
        rig.silent = False
        assert rig.call("GET", "/boot/script?mac=52:54:00:aa:00:01")[0] == 200
    finally:
        rig.stop()


def test_calls_that_wait_for_the_engine_are_bounded(tmp_path: Path) -> None:
    rig = Rig(tmp_path, pending=3, answer_s=20.0)
    rig.silent = True
    try:
        connections = []
        for _ in range(3):
            connections.append(socket.create_connection((rig.host, rig.port)))
            connections[-1].sendall(b"GET /boot/script?mac=52:54:00:aa:00:01 HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: rig.http.counters()["waiting_for_the_engine"] == 3)
        assert rig.call("GET", "/boot/script?mac=52:54:00:aa:00:01")[1]["code"] == "too_many_pending"
        for one in connections:
            one.close()
        until(lambda: rig.http.counters()["waiting_for_the_engine"] == 0)
    finally:
        rig.stop()


# -- images ---------------------------------------------------------------------------------------------------------


def test_images_whole_parts_and_conditions(rig: Rig) -> None:
    rig.add_image("sledgehammer", "kernel", KERNEL, use="kernel")
    tag = f'"{hashlib.sha256(KERNEL).hexdigest()}"'
    size = len(KERNEL)
    path = "/image/sledgehammer/kernel"

    def get(method: str = "GET", **headers: str) -> tuple[int, Any, dict[str, str]]:
        return rig.call(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    status, data, headers = get()
    assert (status, data == KERNEL, headers["etag"], headers["accept-ranges"]) == (200, True, tag, "bytes")
    status, data, headers = get("HEAD")
    assert (status, data, headers["content-length"], headers["etag"]) == (200, b"", str(size), tag)
    status, data, headers = get(Range="bytes=100-199")
    assert (status, data, headers["content-range"]) == (206, KERNEL[100:200], f"bytes 100-199/{size}")
    assert get(Range=f"bytes={size - 5}-")[1] == KERNEL[-5:]
    assert get(Range="bytes=-7")[1] == KERNEL[-7:]
    status, _, headers = get(Range=f"bytes={size}-")
    assert (status, headers["content-range"]) == (416, f"bytes */{size}")
    assert get(Range="bytes=0-1,5-6")[0] == 200
    assert get(If_None_Match=tag)[0] == 304
    assert get(If_None_Match=f'"x", W/{tag}')[0] == 304
    assert get(If_None_Match='"x"')[0] == 200
    assert get(Range="bytes=0-1", If_Range=tag)[0] == 206
    assert get(Range="bytes=0-1", If_Range='"another"')[0] == 200
    assert rig.call("GET", "/image/sledgehammer/nothing")[0] == 401


def test_system_images_need_a_token(rig: Rig) -> None:
    rig.add_image("debian-12", "root.img", b"root" * 100, kind="system", use="root")
    assert rig.call("GET", "/image/debian-12/root.img")[0] == 401
    assert rig.call("HEAD", "/image/debian-12/root.img")[0] == 401
    token = rig.hello()
    assert rig.call("GET", "/image/debian-12/root.img", token=token)[:2] == (200, b"root" * 100)
    assert rig.call("GET", "/image/debian-12/other.img", token=token)[0] == 404


def test_an_image_that_is_not_what_the_catalogue_says_is_not_sent(rig: Rig) -> None:
    path = rig.add_image("sledgehammer", "kernel", KERNEL)
    path.write_bytes(KERNEL[:-1])
    assert rig.call("GET", "/image/sledgehammer/kernel")[:2] == (
        503,
        {"code": "image_damaged", "message": "image sledgehammer does not have its checksum"},
    )
    path.unlink()
    assert rig.call("GET", "/image/sledgehammer/kernel")[1]["code"] == "image_missing"


def test_fetched_is_told_when_the_last_byte_went_out(rig: Rig) -> None:
    rig.add_image("ipxe", "undionly.kpxe", b"l" * 5000, kind="loader", use="bios")
    rig.add_image("sledgehammer", "kernel", KERNEL, use="kernel")
    rig.add_image("sledgehammer", "initrd", KERNEL * 3, use="initrd")
    rig.add_image("debian-12", "root.img", KERNEL, kind="system", use="root")
    rig.call("GET", "/image/sledgehammer/kernel", headers={"Range": "bytes=0-100"})
    rig.call("HEAD", "/image/sledgehammer/kernel")
    rig.call("GET", "/image/sledgehammer/initrd")
    rig.call("GET", "/image/debian-12/root.img", token=rig.hello())
    assert rig.fetched() == []
    rig.call("GET", "/image/sledgehammer/kernel")
    until(lambda: rig.fetched() == [("192.168.124.1", "kernel")])
    rig.call("GET", "/image/sledgehammer/initrd")
    rig.call("GET", "/image/ipxe/undionly.kpxe")
    until(lambda: rig.fetched()[1:] == [("192.168.124.1", "loader")])
    rig.call("GET", "/image/sledgehammer/kernel", headers={"Range": "bytes=100-"})
    until(lambda: rig.fetched()[2:] == [("192.168.124.1", "kernel")])


def test_a_download_that_breaks_off_is_not_fetched(rig: Rig) -> None:
    rig.add_image("ipxe", "big.efi", b"x" * 60_000_000, kind="loader", use="efi")
    with socket.create_connection((rig.host, rig.port)) as sock:
        sock.sendall(b"GET /image/ipxe/big.efi HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(10000)
    until(lambda: rig.http.counters().get("cut", 0) + rig.http.counters().get("gone", 0) == 1)
    assert rig.fetched() == []
    assert rig.call("GET", "/image/ipxe/big.efi", headers={"Range": "bytes=0-9"})[1] == b"x" * 10


@pytest.mark.client
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_boots_and_resumes(rig: Rig, tmp_path: Path) -> None:
    rig.add_image("sledgehammer", "initrd", KERNEL * 24, use="initrd")
    out = tmp_path / "got"

    def curl(*words: str) -> str:
        done = subprocess.run(["curl", "-q", "-sS", "--noproxy", "*", *words], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert curl(f"{rig.url}/boot/script?mac=52:54:00:aa:00:01").startswith("#!ipxe\n")
    url = f"{rig.url}/image/sledgehammer/initrd"
    curl("-o", str(out), url)
    assert out.read_bytes() == KERNEL * 24
    out.write_bytes(KERNEL)
    curl("-C", "-", "-o", str(out), url)
    assert out.read_bytes() == KERNEL * 24
    assert "304" in curl("-o", "/dev/null", "-w", "%{http_code}", "--etag-compare", str(_etag(tmp_path, rig)), url)
    head = curl("-I", url)
    assert f"Content-Length: {len(KERNEL) * 24}" in head
    assert curl("-o", "/dev/null", "-w", "%{http_code}", "-r", "999999999-", url) == "416"
    assert curl("-o", "/dev/null", "-w", "%{http_code}", "--path-as-is", f"{rig.url}/image/../../etc/passwd") == "404"


def _etag(tmp_path: Path, rig: Rig) -> Path:
    file = tmp_path / "etag"
    file.write_text(f'"{rig.images[("sledgehammer", "initrd")].sha256}"\n')
    return file


@pytest.mark.parametrize(
    ("header", "expected"),
    [("bytes=0-0", (0, 1)), ("bytes=0-", (0, 10)), ("bytes=5-100", (5, 5)), ("bytes=-3", (7, 3)), ("bytes=-30", (0, 10)),
     ("bytes=9-9", (9, 1)), ("bytes=10-", "beyond"), ("bytes=-0", "beyond"), ("bytes=5-4", None), ("bytes=-", None),
     ("bytes=a-b", None), ("items=0-1", None), ("bytes=0-1,3-4", None), ("", None), ("bytes=" + "9" * 50 + "-", None)],
)  # fmt: skip
def test_ranges(header: str, expected: Any) -> None:
    assert ranged(header, 10) == expected


def test_tags() -> None:
    assert names_tag("*", "ab")
    assert names_tag('"x","ab"', "ab")
    assert names_tag('W/"ab"', "ab")
    assert not names_tag("ab", "ab")
    assert not names_tag('"abc"', "ab")


def test_an_empty_file_is_sent() -> None:
    assert ranged("bytes=0-", 0) == "beyond"
    assert ranged("bytes=-1", 0) == "beyond"


# -- agents ---------------------------------------------------------------------------------------------------------


def test_a_whole_life_of_an_agent(rig: Rig) -> None:
    asyncio.run(_life(rig))
    (done,) = rig.seen(Outcome)
    assert (done.attempt, done.node, done.what, done.gives) == ("ab-1.0", "n1", "done", {"volumes": [{"name": "v0"}]})
    assert rig.progress_seen == [("n1", "ab-1.0", 50.0, "half")]
    assert rig.logs.path("ab-1.0").read_text() == "line one\nline two\n"
    assert rig.seen(Bye) == [Bye(node="n1", boot_id="boot-1")]
    assert set(rig.contacts) == {"n1"}


async def _life(rig: Rig) -> None:
    async with aiohttp.ClientSession(rig.url) as http:
        async with http.post("/agent/hello", json=greeting(nonce="ticket-1")) as answer:
            assert answer.status == 200
            welcome = await answer.json()
        assert (welcome["node"], welcome["name"]) == ("n1", "n1-name")
        hello = rig.seen(Hello)[0]
        assert hello.macs == ("52:54:00:aa:00:01",)
        assert hello.address == "192.168.124.1"
        assert hello.nonce == hashlib.sha256(b"ticket-1").hexdigest()
        assert hello.credential == ""
        bearer = {"Authorization": f"Bearer {welcome['token']}"}
        waiting = asyncio.create_task(_json(http.get("/agent/next", headers=bearer)))
        await asyncio.to_thread(until, lambda: "n1" in rig.http._agents._polls)
        rig.order("ab-1.0", gives=("volumes",))
        assert await waiting == (200, {"do": "run", "id": "ab-1.0", "timeout": 60})
        async with http.get("/agent/task/ab-1.0", headers=bearer) as answer:
            assert answer.status == 200
            with tarfile.open(fileobj=io.BytesIO(await answer.read())) as tar:
                assert json.load(tar.extractfile("attributes.json")) == {"raid": {"level": "raid1"}}  # type: ignore[arg-type]
        body: Any = {"id": "ab-1.0", "percent": 50, "text": "half"}
        assert (await _json(http.post("/agent/progress", headers=bearer, json=body)))[0] == 200
        for offset, text in ((0, b"line one\n"), (0, b"line one\n"), (9, b"line two\n")):
            url = f"/agent/log?id=ab-1.0&offset={offset}"
            assert await _json(http.post(url, headers=bearer, data=text)) == (200, {"offset": offset + 9})
        body = {"id": "ab-1.0", "exit": 0, "gives": {"volumes": [{"name": "v0"}]}, "message": "", "state": "ended"}
        assert await _json(http.post("/agent/result", headers=bearer, json=body)) == (200, {"acknowledged": True})
        assert (await _json(http.post("/agent/bye", headers=bearer, json={"reason": "reboot"})))[0] == 200
        # The answer told it, so no `ack` waits.
        rig.jig.command("n1", "boot-1", {"do": "reboot"})
        assert await _json(http.get("/agent/next", headers=bearer)) == (200, {"do": "reboot"})


async def _json(call: Any) -> tuple[int, Any]:
    async with call as answer:
        return answer.status, await answer.json() if answer.status != 204 else None


def test_hello_refused_and_by_credential(rig: Rig) -> None:
    status, body, _ = rig.call("POST", "/agent/hello", greeting(nonce="wrong"))
    assert (status, body["code"]) == (403, "unknown_nonce")
    status, body, _ = rig.call("POST", "/agent/hello", greeting(credential="n7.forged"))
    assert (status, body["code"]) == (403, "bad_credential")
    status, body, _ = rig.call("POST", "/agent/hello", greeting())
    assert status == 403
    credential = rig.keys.credential("n7")
    status, body, _ = rig.call("POST", "/agent/hello", greeting(credential=credential, nonce="ticket-1"))
    assert (status, body["node"]) == (200, "n7")
    # Neither the nonce nor the credential is in what the journal will hold.
    assert credential not in repr(rig.events)
    assert "ticket-1" not in repr(rig.events)


def test_a_result_waits_for_the_commit(tmp_path: Path) -> None:
    rig = Rig(tmp_path, answer_s=0.3)
    try:
        token = rig.hello()
        rig.order("ab-1.0")
        rig.silent = True
        body = {"id": "ab-1.0", "exit": 0}
        status, answer, _ = rig.call("POST", "/agent/result", body, token)
        assert (status, answer["code"]) == (503, "no_answer")
        rig.silent = False
        assert rig.call("POST", "/agent/result", body, token)[:2] == (200, {"acknowledged": True})
        # Late: the order is gone; it is told to the engine all the same, and acknowledged.
        assert rig.call("POST", "/agent/result", body, token)[:2] == (200, {"acknowledged": True})
        assert [o.unreachable for o in rig.seen(Outcome)] == [False, False, True]
        rig.full = True
        assert rig.call("POST", "/agent/result", body, token)[1]["code"] == "lane_full"
        assert rig.http.counters()["waiting_for_the_engine"] == 0
    finally:
        rig.stop()


def test_running_and_lost_need_no_commit(rig: Rig) -> None:
    token = rig.hello()
    rig.order("ab-1.0", resume=True)
    assert rig.call("GET", "/agent/next", token=token)[1] == {"do": "query", "id": "ab-1.0"}
    body = {"id": "ab-1.0", "state": "running", "exit": 0, "gives": {}}
    assert rig.call("POST", "/agent/result", body, token)[1] == {"acknowledged": False}
    body = {"id": "ab-1.0", "state": "lost", "exit": None, "gives": {}}
    assert rig.call("POST", "/agent/result", body, token)[1] == {"acknowledged": True}
    assert [o.what for o in rig.seen(Outcome)] == ["running", "lost"]


def test_what_was_not_ordered_is_not_taken(rig: Rig) -> None:
    token = rig.hello()
    other = rig.hello(2)
    rig.order("ab-1.0")
    for path, body in (("/agent/progress", {"id": "ab-1.0"}), ("/agent/log?id=ab-1.0&offset=0", b"x")):
        status, answer, _ = rig.call("POST", path, body, other)
        assert (status, answer["code"]) == (409, "late")
        assert rig.call("POST", path, body, token)[0] == 200
    assert rig.call("GET", "/agent/task/ab-1.0", token=other)[0] == 404
    assert rig.call("GET", "/agent/task/ab-1.0", token=token)[0] == 200
    for query in ("", "?id=ab-1.0", "?id=../x&offset=0", "?id=ab-1.0&offset=-1", "?id=ab-1.0&offset=1e3"):
        assert rig.call("POST", "/agent/log" + query, b"x", token)[0] == 400


def test_a_poll_ends_empty_in_time_and_a_second_one_replaces_the_first(tmp_path: Path) -> None:
    rig = Rig(tmp_path, poll_s=0.2)
    try:
        token = rig.hello()
        assert rig.call("GET", "/agent/next", token=token)[0] == 204
    finally:
        rig.stop()
    rig = Rig(tmp_path / "second")
    try:
        token = rig.hello()
        request = f"GET /agent/next HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        with socket.create_connection((rig.host, rig.port), 30) as first:
            first.sendall(request)
            until(lambda: "n1" in rig.http._agents._polls)
            with socket.create_connection((rig.host, rig.port), 30) as second:
                second.sendall(request)
                assert b" 204 " in first.recv(4096)
                until(lambda: "n1" in rig.http._agents._polls)
                rig.order("ab-1.0")
                assert b'"run"' in second.recv(4096)
    finally:
        rig.stop()


def test_a_poll_of_a_boot_that_ends_meanwhile_gets_no_command(rig: Rig) -> None:
    token = rig.hello(boot_id="boot-1")
    with socket.create_connection((rig.host, rig.port), 30) as sock:
        sock.sendall(f"GET /agent/next HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        until(lambda: "n1" in rig.http._agents._polls)
        rig.hello(boot_id="boot-2")
        rig.order("ab-1.0")
        assert b" 410 " in sock.recv(4096)


def test_stopping_sends_waiting_agents_home(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    token = rig.hello()
    with socket.create_connection((rig.host, rig.port), 30) as sock:
        sock.sendall(f"GET /agent/next HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        until(lambda: "n1" in rig.http._agents._polls)
        rig.stop()
        assert b" 204 " in sock.recv(4096)
    rig.http.stop()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((rig.host, rig.port), 5)
    assert rig.http.answer(Acknowledge(attempt="a-1.0", node="n1")) is False


def test_answers_for_others_are_left_to_them(rig: Rig) -> None:
    assert rig.http.answer(Accept(request=1, message="done")) is False
    assert rig.http.answer(Acknowledge(attempt="a-1.0", node="n1")) is False


def test_a_port_in_use_is_one_sentence(rig: Rig, tmp_path: Path) -> None:
    rig.http._sites = [(rig.host, 0), (rig.host, rig.port)]
    with pytest.raises(ServiceError, match=f"tcp port {rig.port} of {rig.host}: it is in use"):
        rig.http.start()
    assert errno.EADDRINUSE
