"""The search for planted secrets finds what is there, in each form, and wherever a packet ends. No machine is needed."""

from __future__ import annotations

import base64
import socket
import struct
import subprocess
import sys
import urllib.parse

import planted
import pytest
import wire

SECRET = "pl4nted+secret/of=19c?&"
HERE, THERE = "192.168.124.10", "192.168.124.121"


def frame(said: bytes, source: str = HERE, near: int = 80, target: str = THERE, far: int = 40000, protocol: int = 6) -> bytes:
    transport = (
        struct.pack("!HHIIBBHHH", near, far, 1, 1, 5 << 4, 0x18, 512, 0, 0)
        if protocol == 6
        else struct.pack("!HHHH", near, far, 8 + len(said), 0)
    )
    ip = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(transport) + len(said), 1, 0, 64, protocol, 0, socket.inet_aton(source), socket.inet_aton(target)
    )
    return bytes(12) + b"\x08\x00" + ip + transport + said + bytes(4)


@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"abc", b"{'password': '"])
@pytest.mark.parametrize("after", [b"", b"'", b"xy", b"xyz"])
def test_it_is_found_in_base64_wherever_it_begins(before: bytes, after: bytes) -> None:
    whole = before + SECRET.encode() + after
    for encoded in (base64.b64encode(whole), base64.urlsafe_b64encode(whole)):
        assert planted.found_in({"it": SECRET}, {"here": b"..." + encoded}) == [("it", "here")]
    assert planted.found_in({"it": SECRET}, {"here": base64.b64encode(whole.swapcase())}) == []


@pytest.mark.parametrize(
    "form", [SECRET, SECRET.encode().hex(), SECRET.encode().hex().upper(), urllib.parse.quote(SECRET, safe=""), SECRET.replace("/", "\\/")]
)
def test_it_is_found_in_each_form(form: str) -> None:
    places = {"here": f"before{form}after".encode(), "there": b"nothing"}
    assert planted.found_in({"it": SECRET, "other": "another-secret-of-some-length"}, places) == [("it", "here")]


def test_a_secret_across_two_packets_is_found() -> None:
    one = wire.Wire()
    one.take(frame(b"HTTP/1.1 200 OK\r\n" + SECRET[:9].encode()))
    one.take(frame(b"GET /x", THERE, 40000, HERE, 80))
    one.take(frame(SECRET[9:].encode()))
    (said,) = [bytes(data) for flow, data in one.flows.items() if flow[0] == HERE]
    assert planted.found_in({"it": SECRET}, {"wire": said}) == [("it", "wire")]


def test_of_a_long_body_the_beginning_is_kept_and_all_is_counted() -> None:
    one = wire.Wire()
    piece = b"x" * 60_000
    for _ in range(40):
        one.take(frame(piece))
    one.take(frame(b"GET /next", THERE, 40000, HERE, 80))
    one.take(frame(b"HTTP/1.1 403 Forbidden"))
    (said,) = [bytes(data) for flow, data in one.flows.items() if flow[0] == HERE]
    assert len(said) == wire.BULK + 22
    assert said.endswith(b"403 Forbidden")
    assert one.left_out == 40 * 60_000 - wire.BULK
    assert wire.by_service(one.sizes, HERE) == {"http": {"out": 40 * 60_000 + 22, "in": 9}}


@pytest.mark.parametrize(
    ("near", "far", "protocol", "name"),
    [
        (67, 68, 17, "dhcp"),
        (80, 4000, 6, "http"),
        (443, 4000, 6, "https"),
        (40001, 22, 6, "ssh"),
        (40001, 623, 17, "ipmi"),
        (4000, 2070, 17, "tftp"),
        (4, 5, 6, "other"),
    ],
)
def test_services_are_told_by_their_ports(near: int, far: int, protocol: int, name: str) -> None:
    one = wire.Wire()
    one.take(frame(b"hello", HERE, near, THERE, far, protocol))
    one.take(frame(b"you", THERE, far, HERE, near, protocol))
    assert wire.by_service(one.sizes, HERE) == {name: {"out": 5, "in": 3}}


def test_what_is_no_packet_of_ours_is_kept_as_it_is() -> None:
    one = wire.Wire()
    lldp = bytes.fromhex("0180c200000e525400000001") + b"\x88\xcc" + b"tor1 swp1"
    for data in (lldp, b"", b"short", frame(b"x")[:40]):
        one.take(data)
    assert bytes(one.other).startswith(lldp)


def test_command_lines_are_seen() -> None:
    words = [sys.executable, "-c", "print('up', flush=True); input()", "a-word-that-is-seen"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"  # its command line is empty for an instant
        lines: set[bytes] = set()
        wire.command_lines(lines)
        process.communicate(b"\n")
    assert any(b"a-word-that-is-seen" in line for line in lines)


def test_the_plan_takes_the_secret_to_both_environments() -> None:
    catalog = planted.catalog()
    assert {catalog.roles[name].jig for name in planted.ROLES} == {"agent", "script"}
    assert catalog.attributes["planted-secret"].secret
