"""HTTP: ranges, tags, and a file that is empty."""

from __future__ import annotations

from typing import Any

import pytest

from engine.serve.http_images import names_tag, ranged


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-", (0, 10)),
        ("bytes=5-100", (5, 5)),
        ("bytes=-3", (7, 3)),
        ("bytes=-30", (0, 10)),
        ("bytes=9-9", (9, 1)),
        ("bytes=10-", "beyond"),
        ("bytes=-0", "beyond"),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("items=0-1", None),
        ("bytes=0-1,3-4", None),
        ("", None),
        ("bytes=" + "9" * 50 + "-", None),
    ],
)
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
