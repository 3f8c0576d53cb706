"""`images/node/attempt`: which gives of a task are a JSON object, as its awk finds out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from node_shell import Attempts, Shell


@pytest.fixture
def attempts(shell: Shell, tmp_path: Path) -> Attempts:
    return Attempts(shell, tmp_path)


GOOD_GIVES = [
    "{}",
    ' {"a":[]}\n',
    '{"a":-0.5e+7,"b":[true,false,null,"\\u00e9\\\\"],"c":{"d":[1,2]}}',
    '{"a": "x,}{][:\\"", "b": ""}',
    '{"é": "ü"}',
    '{"a":[[[[]]]]}',
    '{"NS":"SN"}',
]
BAD_GIVES = [
    "[]",
    "1",
    '"a"',
    "{",
    "}",
    "{}{}",
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    "{a:1}",
    '{"a":01}',
    '{"a":1 2}',
    '{"a":- 1}',
    '{"a":tr ue}',
    '{"a":N}',
    '{"a":"x}',
    '{"a":"\\x"}',
    '{"a":"line\nbreak"}',
    '{"a":[1,]}',
    '{"a":[1}',
    '{"a" "b"}',
    "{,}",
    '{"a":1]',
    '{"a":.5}',
    '{"a":1.}',
    '{"a":NaN}',
    '{"a":"tab\there"}',
    '{"a":1}\x01',
    '{"a":\x001}',
    "{'a':1}",
    '{"a":1} x',
    '{"a":"\\u12g4"}',
    '{"a":' + "[" * 80 + "]" * 80 + "}",
]


def test_gives_are_a_json_object_or_an_error(attempts: Attempts) -> None:
    attempts.start("i-9.1", "exit 0")
    assert attempts.state("wait", "i-9.1", "30")["gives"] == {}
    gives = attempts.folder("i-9.1") / "gives.json"
    for text in GOOD_GIVES:
        gives.write_text(text)
        state = attempts.state("wait", "i-9.1", "0")
        assert (state["gives"], "error" in state) == (json.loads(text), False), text
    for text in BAD_GIVES:
        gives.write_text(text)
        state = attempts.state("wait", "i-9.1", "0")
        assert (state["gives"], state.get("error")) == ({}, "gives are not a JSON object"), text


def test_large_gives_pass_quickly_and_too_large_ones_do_not(attempts: Attempts) -> None:
    attempts.start("i-9.2", "exit 0")
    assert attempts.state("wait", "i-9.2", "30")["gives"] == {}
    path = attempts.folder("i-9.2") / "gives.json"
    for value in (list(range(30000)), ['"' * 60000], [{"k": "v"}] * 20000):
        text = json.dumps({"a": value})
        assert 100_000 < len(text) <= 262144
        path.write_text(text)
        assert attempts.state("wait", "i-9.2", "0")["gives"] == {"a": value}
    path.write_text(json.dumps({"a": "x" * 262144}))
    assert attempts.state("wait", "i-9.2", "0")["error"] == "gives are larger than 262144 bytes"
