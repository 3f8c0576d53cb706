"""Whatever the text, a reader of a RAID tool returns a record within its bounds, or refuses."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from readers_raid_samples import SAMPLES

from engine.parts import Parts
from engine.readers.raid_formats import RAID_FORMATS
from engine.readers.report import MOST_CHARACTERS, MOST_ITEMS, Refused

LINES = sorted({line for text in SAMPLES.values() for line in text.splitlines()})
JUNK = st.one_of(
    st.text(max_size=80),
    st.sampled_from(LINES),
    st.sampled_from(["", ":", "=", "\x00", "-" * 70, "9" * 400, "[0x" + "f" * 40 + " Sectors]", "٣ GB"]),
)


def attempt(name: str, text: str) -> Parts | None:
    assert isinstance(RAID_FORMATS[name][2](text), bool)
    try:
        record = RAID_FORMATS[name][1](text)
    except Refused:
        return None
    for one in record.drives:
        assert 0 <= one.size < 1 << 63
        assert one.temperature is None or 0 < one.temperature < 150
        assert len(one.serial) <= 200
    assert all(one.progress is None or 0 <= one.progress <= 100 for one in record.volumes)
    assert max(len(record.drives), len(record.volumes), len(record.controllers)) <= MOST_ITEMS
    return record


@pytest.mark.parametrize("name", RAID_FORMATS)
@given(lines=st.lists(JUNK, max_size=40))
@settings(max_examples=150, deadline=None)
def test_any_text(name: str, lines: list[str]) -> None:
    attempt(name, "\n".join(lines))


@pytest.mark.parametrize("sample", SAMPLES)
@given(seed=st.integers(0, 1 << 32), cut=st.floats(0, 1), other=st.lists(JUNK, max_size=6))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_mutated_report(sample: str, seed: int, cut: float, other: list[str]) -> None:
    name = sample.partition(" ")[0]
    dice = random.Random(seed)
    text = SAMPLES[sample]
    attempt(name, text[: int(len(text) * cut)])
    lines = text.splitlines()
    for line in other:
        lines.insert(dice.randrange(len(lines) + 1), line)
    dice.shuffle(lines) if seed % 3 == 0 else lines.reverse() if seed % 3 == 1 else None
    attempt(name, "\r\n".join(lines))
    at = dice.randrange(max(len(text) - 8, 1))
    attempt(name, text[:at] + dice.choice(["", "\x00", "��", "9" * 20, "(" * 50, "-1", "NaN", "\u2028"]) + text[at + dice.randrange(8) :])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "Controllers",
                        "Command Status",
                        "Response Data",
                        "VD LIST",
                        "PD LIST",
                        "EID:Slt",
                        "DG/VD",
                        "Size",
                        "Status",
                        "TYPE",
                        "State",
                        "Intf",
                        "Controller",
                    ]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=30,
    )
)
@settings(max_examples=200, deadline=None)
def test_any_json(value: object) -> None:
    attempt("storcli", json.dumps({"Controllers": value, "CLI Version": "x", "Command Status": 1}))
    attempt("storcli", json.dumps({"Controllers": [{"Command Status": {"CLI Version": "7"}, "Response Data": value}]}))


@pytest.mark.parametrize("name", RAID_FORMATS)
def test_a_report_that_is_too_long_or_empty_is_refused(name: str) -> None:
    for text in ("", " \n \r\n", "x" * (MOST_CHARACTERS + 1)):
        with pytest.raises(Refused):
            RAID_FORMATS[name][1](text)


@pytest.mark.parametrize("name", RAID_FORMATS)
def test_deep_and_wide_reports_end_soon(name: str) -> None:
    attempt(name, "[" * 200_000)
    attempt(name, '{"Controllers":' * 20_000)
    attempt(name, ("a" * 79 + " ") * 20_000)
    attempt(name, " " * 300_000 + ":")
    attempt(name, "physicaldrive 1I:1:1 (" * 10_000)
    attempt(name, "\n".join(f"Slot Number: {at}" for at in range(50_000)))
