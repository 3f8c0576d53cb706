"""`images/node/attribute`: reads what Python's json writes, and writes what it reads, under every awk that is here."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

TOOL = Path(__file__).resolve().parents[2] / "images" / "node" / "attribute"
AWKS = [name for name in ("mawk", "gawk", "original-awk", "busybox") if shutil.which(name)]

DOCUMENT: dict[str, Any] = {
    "text": 'he"l\\lo\u00e9\U0001f600\t/\u2028',
    "lines": "one\ntwo",
    "numbers": [0, -1, 12345678901234567890, -1.5e-3],
    "words": [True, False, None],
    "empty": {"map": {}, "list": [], "text": ""},
    "deep": {"a": {"b": [{"c": "found"}, {"c": None}]}},
    "a/b": "hidden",
    "space key": 1,
}


@pytest.fixture(params=AWKS)
def awk(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder with this awk, and nothing else of that name, in front of the rest."""
    (tmp_path / "bin").mkdir()
    command = shutil.which(request.param)
    there = tmp_path / "bin" / "awk"
    there.write_text(f'#!/bin/sh\nexec {command} {"awk" if request.param == "busybox" else ""} "$@"\n')
    there.chmod(0o755)
    return f"{tmp_path / 'bin'}:/usr/bin:/bin"


def attribute(path: str, *arguments: str, given: bytes = b"") -> tuple[int, bytes]:
    done = subprocess.run([str(TOOL), *arguments], input=given, env={"PATH": path}, capture_output=True, timeout=60, check=False)
    assert bool(done.stderr) == (done.returncode == 2), done.stderr
    return done.returncode, done.stdout


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("indent", [None, 2])
def test_values(awk: str, tmp_path: Path, ascii_only: bool, indent: int | None) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps(DOCUMENT, ensure_ascii=ascii_only, indent=indent))

    def value(path: str) -> str | None:
        code, out = attribute(awk, path, str(file))
        assert code == (0 if out else 1)
        return out.decode().removesuffix("\n") if code == 0 else None

    assert value("text") == DOCUMENT["text"]
    assert value("lines") == "one\ntwo"
    assert value("numbers/2") == "12345678901234567890"
    assert value("numbers/3") == "-0.0015"
    assert value("words/0") == "true"
    assert value("words/2") is None
    assert value("empty/text") == ""
    assert value("deep/a/b/0/c") == "found"
    assert value("deep/a/b/2") is None
    assert value("a/b") is None
    assert value("space key") == "1"
    assert value("nowhere") is None
    for path in ("deep", "empty", "numbers", "words"):
        assert json.loads(value(path) or "") == DOCUMENT[path]
    assert json.loads(value("") or "") == DOCUMENT


def test_keys_and_leaves(awk: str, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps(DOCUMENT))
    assert attribute(awk, "-k", "deep/a", str(file)) == (0, b"b\n")
    assert attribute(awk, "-k", "words", str(file)) == (0, b"0\n1\n2\n")
    assert attribute(awk, "-k", "text", str(file)) == (0, b"")
    _, out = attribute(awk, "-l", "", str(file))
    leaves = dict(line.split("\t", 1) for line in out.decode().splitlines())
    assert {path: json.loads(raw) for path, raw in leaves.items()} == {
        "text": DOCUMENT["text"],
        "lines": "one\ntwo",
        "numbers/0": 0,
        "numbers/1": -1,
        "numbers/2": 12345678901234567890,
        "numbers/3": -0.0015,
        "words/0": True,
        "words/1": False,
        "words/2": None,
        "empty/map": {},
        "empty/list": [],
        "empty/text": "",
        "deep/a/b/0/c": "found",
        "deep/a/b/1/c": None,
        "space key": 1,
    }
    assert attribute(awk, "-l", "deep", str(file))[1] == b'deep/a/b/0/c\t"found"\ndeep/a/b/1/c\tnull\n'


@pytest.mark.parametrize(
    "bad",
    ["", "{", '{"a":1,}', "[1 2]", '"x', '{"a" 1}', "tru", "[1] x", "01", "{'a':1}", '"\t"', '"\\x"', '{"a":1 "b":2}', "[" * 200],
)
def test_what_is_no_json_is_said(awk: str, bad: str) -> None:
    assert attribute(awk, "x", "-", given=bad.encode())[0] == 2


@pytest.mark.parametrize("text", ["", "plain", 'a"b\\c', "two\nlines\n", "\ttab \x01 \x7f é 😀", "\n\n", "$(id) `id` %s %d"])
def test_quote(awk: str, text: str) -> None:
    code, out = attribute(awk, "-q", given=text.encode())
    assert code == 0
    assert json.loads(out) == text.removesuffix("\n")


def test_a_large_document(awk: str, tmp_path: Path) -> None:
    """The attributes of a role with a long list, around the pieces that the text is cut into."""
    document = {"list": [{"name": "x" * n, "n": n} for n in range(300)], "last": "here"}
    file = tmp_path / "a.json"
    file.write_text(json.dumps(document))
    assert attribute(awk, "last", str(file)) == (0, b"here\n")
    assert json.loads(attribute(awk, "list", str(file))[1]) == document["list"]


def test_bad_use(awk: str, tmp_path: Path) -> None:
    for arguments in (["-x"], [], ["a", "b", "c"], ["a", str(tmp_path / "nothing")]):
        assert attribute(awk, *arguments)[0] == 2
