"""YAML from strangers: what is refused, and with which line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.files.mistakes import Mistakes
from engine.files.yaml_source import MAX_BYTES, MAX_THINGS, Mapping, load, parse, plain


def read(text: str) -> tuple[Any, list[str]]:
    mistakes = Mistakes()
    tree = parse(text, "x.yml", mistakes)
    return (plain(tree) if tree is not None else None), [str(one) for one in mistakes.found]


def test_words_mean_what_they_say() -> None:
    text = (
        "{a: yes, b: on, c: 12:30, d: 2026-01-01, e: 0x1f, f: 0o17, g: 017, h: 1e3, i: .5, j: null, k: ~, l: '1', m: 1_000, n: true,"
        " o: .inf, p: 52:54:00:00:00:01, q: '', r: , s: -3}"
    )
    value, found = read(text)
    assert found == []
    assert value == {
        "a": "yes",
        "b": "on",
        "c": "12:30",
        "d": "2026-01-01",
        "e": 31,
        "f": 15,
        "g": 17,
        "h": 1000.0,
        "i": 0.5,
        "j": None,
        "k": None,
        "l": "1",
        "m": "1_000",
        "n": True,
        "o": ".inf",
        "p": "52:54:00:00:00:01",
        "q": "",
        "r": None,
        "s": -3,
    }


def test_keys_are_text_and_know_their_lines() -> None:
    mistakes = Mistakes()
    tree = parse("on: 1\n\n10:\n  - x\n", "x.yml", mistakes)
    assert isinstance(tree, Mapping)
    assert tree.lines == {"on": 1, "10": 3}
    assert tree.items["10"].line == 4


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: &x 1\nb: *x\n", "x.yml:1: anchors and aliases (& and *) are not allowed; repeat the text instead"),
        ("a: *x\n", "x.yml:1: anchors and aliases (& and *) are not allowed; repeat the text instead"),
        ("a: 1\nb: !!python/object/apply:os.system [id]\n", "x.yml:2: tags (tag:yaml.org,2002:python/object/apply:os) are not allowed"),
        ("a: !!str 1\n", "x.yml:1: tags (tag:yaml.org,2002:str) are not allowed"),
        ("a: 1\nb: 2\na: 3\n", "x.yml:3: a: the key already exists, on line 1"),
        ("a:\n - {b: {c: 1, c: 2}}\n", "x.yml:2: a.0.b.c: the key already exists, on line 2"),
        ("a: 1\n---\nb: 1\n", "x.yml:2: expected one document; here a second one begins"),
        ("", "x.yml:1: expected a document; the file is empty"),
        ("# nothing\n", "x.yml:1: expected a document; the file is empty"),
        ("a: [1\n", None),
        ("a: b: c\n", None),
        ("a:\n\t- b\n", None),
        ("{[a]: 1}\n", "x.yml:1: expected a word as key, not a list or a map"),
        ("a: \x07\n", None),
        ("[" * 10_000, "x.yml:1: expected at most 32 levels"),
        ("a: 1234567890123456789012\n", "x.yml:1: expected a number of at most 18 digits; quote it if it is text"),
        ("- 1\n" * (MAX_THINGS + 1), f"x.yml:{MAX_THINGS}: expected at most {MAX_THINGS} words, lists and maps"),
        ("#" * (MAX_BYTES + 1), f"x.yml:1: expected at most {MAX_BYTES} bytes"),
        ("é" * (MAX_BYTES // 2 + 1), f"x.yml:1: expected at most {MAX_BYTES} bytes"),
        ("\ud800", None),
    ],
)
def test_refused(text: str, line: str | None) -> None:
    _, found = read(text)
    assert len(found) == 1
    if line is None:
        assert found[0].startswith("x.yml:")
        assert "this is not YAML" in found[0]
    else:
        assert found[0] == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[" * 10_000, "x.yml:1: expected at most 32 levels"),
        ("- " * 10_000, "x.yml:1: expected at most 32 levels"),
        ("? " * 10_000, "x.yml:1: expected at most 32 levels"),
        ("{a: " * 10_000, "x.yml:1: expected at most 32 levels"),
        ("[\n" * 10_000, "x.yml:33: expected at most 32 levels"),
        ("a:\n  - b:\n    - " + "[" * 2_000, "x.yml:3: expected at most 32 levels"),
        ("[" * 31 + "\n" + "[" * 3_000, "x.yml:2: expected at most 32 levels"),
        ("[&a " + "[" * 2_000, "x.yml:1: anchors and aliases (& and *) are not allowed; repeat the text instead"),
        ("[" * 5 + "!!str x, " + "[" * 2_000, "x.yml:1: tags (tag:yaml.org,2002:str) are not allowed"),
    ],
)
def test_depth_is_refused_in_the_same_words_by_every_version_of_the_parser(text: str, line: str) -> None:
    """libyaml of PyYAML 6.0.4 refuses 1,000 levels in its scanner, which reads ahead of the events; before, it had no bound."""
    assert read(text)[1] == [line]


def test_a_key_given_twice_before_too_much_depth_is_noted_once() -> None:
    assert read("{a: 1, a: 2, b: " + "[" * 2_000)[1] == [
        "x.yml:1: a: the key already exists, on line 1",
        "x.yml:1: expected at most 32 levels",
    ]


def test_an_alias_bomb_stays_small() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))
    assert read(bomb)[0] is None


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    mistakes = Mistakes()
    assert parse(text, "x.yml", mistakes) is not None or mistakes.found


@given(st.binary(max_size=200))
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "x.yml"
    file.write_bytes(content)
    mistakes = Mistakes()
    tree = load(file, mistakes, "x.yml")
    assert tree is not None or mistakes.found


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    mistakes = Mistakes()
    assert load(tmp_path / "none.yml", mistakes, "none.yml") is None
    assert load(tmp_path, mistakes, "folder") is None
    (tmp_path / "latin.yml").write_bytes(b"a: 1\nb: \xe9\n")
    assert load(tmp_path / "latin.yml", mistakes, "latin.yml") is None
    (tmp_path / "large.yml").write_bytes(b"#" * (2 * MAX_BYTES))
    assert load(tmp_path / "large.yml", mistakes, "large.yml") is None
    assert [str(one) for one in mistakes.found] == [
        "none.yml:1: cannot read the file: No such file or directory",
        "folder:1: cannot read the file: Is a directory",
        "latin.yml:2: expected UTF-8 text; byte 8 is not",
        f"large.yml:1: expected at most {MAX_BYTES} bytes",
    ]
