"""Redfish: answers that are packed, or say that they are."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redfish_odd import TEXT, failed, numbered, raw
from redfish_rig import SYSTEM, USUAL, Raw, Service, redfish

from engine.power import PowerDone, PowerState
from engine.power.redfish_body import LARGEST, BodyWrong, unpacked


def deflated(body: bytes, window: int) -> bytes:
    packer = zlib.compressobj(wbits=window)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    "answer",
    [
        raw(gzip.compress(TEXT), "Content-Encoding: gzip"),
        raw(gzip.compress(TEXT), "content-encoding: X-GZIP"),
        raw(gzip.compress(TEXT)),
        raw(gzip.compress(TEXT)[:-8], "Content-Encoding: gzip"),
        raw(gzip.compress(TEXT) + b"\0\0\0", "Content-Encoding: gzip"),
        raw(gzip.compress(TEXT[:50]) + gzip.compress(TEXT[50:]), "Content-Encoding: gzip"),
        raw(TEXT, "Content-Encoding: gzip"),
        raw(deflated(TEXT, zlib.MAX_WBITS), "Content-Encoding: deflate"),
        raw(deflated(TEXT, -zlib.MAX_WBITS), "Content-Encoding: deflate"),
        raw(gzip.compress(deflated(TEXT, zlib.MAX_WBITS)), "Content-Encoding: deflate, gzip"),
    ],
    ids=numbered(),
)
def test_answers_that_are_packed(tmp_path: Path, answer: Raw) -> None:
    with Service(tmp_path, {f"GET {SYSTEM}": answer}) as service:
        assert redfish(service.port).read() == PowerDone(state=PowerState.OFF, boot_device="none")


def bomb(window: int) -> bytes:
    return deflated(b" " * (64 * LARGEST), window)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda: raw(bomb(zlib.MAX_WBITS | 16), "Content-Encoding: gzip"), "longer than we read"),
        (lambda: raw(bomb(zlib.MAX_WBITS), "Content-Encoding: deflate"), "longer than we read"),
        (lambda: raw(bomb(-zlib.MAX_WBITS), "Content-Encoding: deflate"), "longer than we read"),
        (lambda: raw(gzip.compress(bomb(zlib.MAX_WBITS | 16)), "Content-Encoding: gzip, gzip"), "longer than we read"),
        (lambda: raw(gzip.compress(b" " * (LARGEST // 2)) * 3, "Content-Encoding: gzip"), "longer than we read"),
        (lambda: raw(TEXT, "Content-Encoding: br"), "do not know"),
        (lambda: raw(TEXT, "Content-Encoding: gzip, gzip, gzip, gzip"), "too often"),
        (lambda: raw(b"\x1f\x8bnonsense", "Content-Encoding: gzip"), "cannot be unpacked"),
    ],
    ids=numbered(),
)
def test_answers_that_cannot_be_unpacked(tmp_path: Path, answer: Callable[[], Raw], words: str) -> None:
    """`answer` packs hundreds of megabytes: only when the test runs, and not whenever tests are collected."""
    with Service(tmp_path, {f"GET {SYSTEM}": answer()}) as service:
        failed(redfish(service.port).read(), "unsupported", "not HTTP with JSON", words)


@given(st.binary(max_size=200), st.sampled_from(["", "gzip", "deflate", "gzip, deflate", "identity", "x", ",,"]))
def test_unpacking_is_bounded_and_never_anything_but_its_own_failure(body: bytes, coding: str) -> None:
    for octets in (body, gzip.compress(body), gzip.compress(body)[: len(body) // 2 + 3]):
        with suppress(BodyWrong):
            assert len(unpacked(octets, coding)) <= LARGEST


def test_a_service_that_has_nothing_plain(tmp_path: Path) -> None:
    """406 to `identity`: asked for packed answers, from then on."""

    def only_packed(what: Any) -> Callable[[Service], Any]:
        def answer(service: Service) -> Any:
            if "gzip" not in service.seen[-1][1]["accept-encoding"]:
                return (406, {}, {})
            return Raw(raw(gzip.compress(json.dumps(what).encode()), "Content-Encoding: gzip", "Connection: close"))

        return answer

    with Service(tmp_path, {line: only_packed(body) for line, body in USUAL.items()}) as service:
        assert redfish(service.port).read() == PowerDone(state=PowerState.OFF, boot_device="none")
        assert [headers["accept-encoding"] for _, headers, _ in service.seen].count("identity") == 1
