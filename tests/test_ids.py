"""Ids of tests: long parameters are cut, and an id that is long nevertheless stops the run before its first test."""

from __future__ import annotations

from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")
pytest_plugins = ["pytester"]


@pytest.fixture
def folder(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))
    return pytester


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("[" * 10_000, "[" * 32 + "...10000"),
        (b"\0" * 2000, "\\x00" * 8 + "...2000"),
        ("\N{LATIN SMALL LETTER E WITH ACUTE}" * 600_000, "\\xe9" * 8 + "...600000"),
        ("a\n" * 30, "a\\n" * 10 + "a\\...60"),
        ("short", "short"),
        (b"\xff", "\\xff"),
        (None, "None"),
    ],
)
def test_a_long_parameter_is_cut_in_the_id(folder: pytest.Pytester, value: object, shown: str) -> None:
    folder.makepyfile(
        test_x="import pytest\n\n@pytest.mark.parametrize('a', [VALUE])\ndef test_it(a): pass\n".replace("VALUE", repr(value))
    )
    items, _ = folder.inline_genitems()
    assert [item.nodeid for item in items] == [f"test_x.py::test_it[{shown}]"]


def test_equal_beginnings_keep_ids_apart(folder: pytest.Pytester) -> None:
    folder.makepyfile(test_x="import pytest\n\n@pytest.mark.parametrize('a', ['x' * 99 + 'a', 'x' * 99 + 'b'])\ndef test_it(a): pass\n")
    items, _ = folder.inline_genitems()
    assert len({item.nodeid for item in items}) == 2


def test_a_long_id_stops_the_run(folder: pytest.Pytester) -> None:
    folder.makepyfile(test_x="import pytest\n\n@pytest.mark.parametrize('a', [1], ids=['x' * 300])\ndef test_it(a): pass\n")
    done = folder.runpytest("-p", "no:cacheprovider")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*these tests have ids of more than 200 characters*", "  test_x.py::test_it[[]xxx*"])
