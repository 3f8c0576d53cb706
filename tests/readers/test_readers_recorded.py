"""Recorded reports of real hardware: each is read as its golden says, or refused with that reason. Skipped where the folder is absent."""

from __future__ import annotations

import json

import pytest
import recorded_facts as recorded

from engine.readers.formats import FORMATS, as_text

GOLDENS = {tool: json.loads((recorded.GOLDENS / f"{tool}.json").read_text(encoding="utf-8")) for tool in recorded.TOOLS}


@pytest.fixture(autouse=True)
def _here() -> None:
    if not (recorded.RECORDED / "INDEX.md").exists():
        pytest.skip(f"no recorded hardware at {recorded.RECORDED}")


@pytest.mark.parametrize("tool", recorded.TOOLS)
def test_each_report_is_read_as_before(tool: str) -> None:
    changed = {}
    for path, golden in GOLDENS[tool].items():
        if (recorded.RECORDED / path).exists() and (now := recorded.of_file(path)) != golden:
            changed[path] = {key: (golden.get(key), now.get(key)) for key in {*golden, *now} if golden.get(key) != now.get(key)}
    assert not changed, "compare with the report, then run tests/readers/recorded_facts.py"


def test_each_listed_report_has_a_golden() -> None:
    """A new recording is looked at by a person first."""
    listed = {(tool, path) for tool, path in recorded.files()}
    assert listed - {(tool, path) for tool, found in GOLDENS.items() for path in found} == set()
    assert len(listed) > 300


def test_no_two_formats_claim_one_report() -> None:
    claimed = {}
    for _, path in recorded.files():
        data = (recorded.RECORDED / path).read_bytes()
        raw, text = data.decode("latin-1"), as_text(data)
        if len(names := [name for name, one in FORMATS.items() if one.looks(raw if one.octets else text)]) > 1:
            claimed[path] = names
    assert not claimed
