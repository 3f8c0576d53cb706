"""Redfish: odd HTTP, odd JSON, and what an error says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redfish_odd import TEXT, failed, numbered, raw
from redfish_rig import SYSTEM, Raw, Service, redfish

from engine.power import PowerDone, PowerState
from engine.power.redfish_body import BodyWrong, parsed, words


@pytest.mark.parametrize(
    "answer",
    [
        Raw(b"HTTP/1.0 200 OK\r\n\r\n" + TEXT),
        Raw(b"HTTP/1.1 200\r\ncontent-length: %d\r\ncontent-type: text/html\r\n\r\n" % len(TEXT) + TEXT),
        raw(b"\xef\xbb\xbf" + TEXT),
        raw(TEXT + b"\0\0\0\r\n"),
        raw(b"[" + TEXT + b"]"),
        raw(TEXT.replace(b'"Off"', b'"Off", "Name": "21 \xb0C"')),
        raw(TEXT.replace(b'"Off"', b'"Off", "Reading": NaN')),
        Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n%x\r\n" % len(TEXT) + TEXT + b"\r\n0\r\n\r\n"),
    ],
    ids=numbered(),
)
def test_odd_http_and_json(tmp_path: Path, answer: Raw) -> None:
    with Service(tmp_path, {f"GET {SYSTEM}": answer}) as service:
        assert redfish(service.port).read() == PowerDone(state=PowerState.OFF, boot_device="none")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"@Message.ExtendedInfo": [{"Message": "A"}], "message": "See @Message.ExtendedInfo"}}, "A"),
        ({"error": {"@Message.ExtendedInfo": {"Message": "A"}}}, "A"),
        ({"@Message.ExtendedInfo": [{"MessageId": "X.A"}]}, "X.A"),
        (
            {
                "error": {"code": "Base.1.0.GeneralError", "message": "A general error has occurred. See ExtendedInfo"},
                "Messages": [{"Message": "A"}],
            },
            "A",
        ),
        ({"error": {"message": "A"}}, "A"),
        ({"error": "A"}, "A"),
        ({"Message": "A"}, "A"),
        ({"error": {"@Message.ExtendedInfo": [7, None, {"Message": ""}]}}, ""),
        ({}, ""),
    ],
)
def test_what_an_error_says(body: Any, said: str) -> None:
    assert words(body) == said


@given(st.binary(max_size=80), st.integers(100, 599))
def test_json_is_an_object_or_refused(body: bytes, status: int) -> None:
    try:
        assert isinstance(parsed(body, status), dict)
    except BodyWrong:
        assert 200 <= status < 300


def test_retry_after_by_the_clock_of_the_bmc(tmp_path: Path) -> None:
    """Which is wrong: the difference of its two dates counts."""
    later = {"Date": "Tue, 01 Jan 2019 00:00:00 GMT", "Retry-After": "Tue, 01 Jan 2019 01:00:00 GMT"}
    with Service(tmp_path, {f"GET {SYSTEM}": (503, later, {})}) as service:
        failed(redfish(service.port).read(), "refused", "3600 s")
