"""HTTP: who may call which route, and what is no path."""

from __future__ import annotations

import re
from typing import Any

import pytest
from http_rig import KERNEL, Rig

from engine.serve.routes import ROUTES, Who, find


def paths_of(path: str) -> str:
    path = path.replace("{mirror}", "debian").replace("{path*}", "pool/main/h/hello_1.0%2bx_amd64.deb")
    return (
        path.replace("{image}", "debian-12")
        .replace("{file}", "root.img")
        .replace("{id}", "ab-1.0")
        .replace("{key}", "cd" * 32)
        .replace("{nonce}", "ab" * 16)
    )


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
        ("/wheels/{key}/{path*}", ("GET", "HEAD"), Who.PUBLIC),
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
    [
        "/",
        "//boot/script",
        "/boot/script/",
        "/Boot/script",
        "/boot/%73cript",
        "/boot/../boot/script",
        "/agent",
        "/image",
        "/image/",
        "/image/sledgehammer",
        "/image/sledgehammer/",
        "/image/../../etc/passwd",
        "/image/%2e%2e/passwd",
        "/image/sledgehammer/../../../../etc/passwd",
        "/image/sledgehammer/..%2f..%2fetc%2fpasswd",
        "/image/sledgehammer/.hidden",
        "/image/sledgehammer/a/b",
        "/image//etc/passwd",
        "/image/x/" + "y" * 3000,
        "/agent/task/",
        "/agent/task/../next",
        "/agent/task/.x",
        "/image/sledgehammer/kernel%00",
        "/image/sledgehammer/kernel\\..",
        "http://127.0.0.1/boot/script",
    ],
)
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
