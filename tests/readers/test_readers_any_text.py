"""No reader fails but by `Refused`, whatever it is given; none makes a value of what a cut left; and all take time linear in the length."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import invented
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.parts import Parts
from engine.readers.formats import FORMATS, as_text, read, read_octets
from engine.readers.report import MOST_ITEMS, Refused

GOLDEN = json.loads(invented.GOLDEN.read_text(encoding="utf-8"))
READ = {name: one["format"] for name, one in GOLDEN.items() if "format" in one}
TEXTS = {name: as_text((invented.EXAMPLES / name).read_bytes()) for name in READ}
JUNK = st.sampled_from(
    [
        "\0",
        "\r",
        "\n",
        ":",
        "|",
        "[",
        "]",
        "{",
        "}",
        '"',
        "'",
        "\\",
        "<",
        ">",
        ",",
        "=",
        " ",
        "\t",
        "-1",
        "9" * 30,
        "é",
        "\ufeff",
        "null",
        "NaN",
        "1e999",
        "\ud800",
    ]
)


def checked(text: str, format: str) -> Parts | None:
    """What the reader says, after a look at the bounds of the record. None: refused."""
    try:
        parts = read(text, format)
    except Refused as refused:
        if not 3 < len(str(refused)) < 400:
            raise AssertionError(f"no reason: {refused}") from refused
        return None
    for field in msgspec.structs.fields(parts):
        value = getattr(parts, field.name)
        assert not isinstance(value, tuple) or len(value) <= MOST_ITEMS
    assert len(parts.odd) <= 50
    return parts


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(READ)), st.data())
def test_a_mutated_report_is_read_or_refused(name: str, data: st.DataObject) -> None:
    text = TEXTS[name]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        change = data.draw(st.sampled_from(["cut", "drop", "put", "double"]))
        length = data.draw(st.integers(1, 60))
        if change == "cut":
            text = text[:at]
        elif change == "drop":
            text = text[:at] + text[at + length :]
        elif change == "put":
            text = text[:at] + data.draw(JUNK) + text[at:]
        else:
            text = text[: at + length] + text[at:]
    checked(text, READ[name])
    with contextlib.suppress(Refused):
        read_octets(text.encode("utf-8", "surrogatepass"))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(FORMATS)), st.text(max_size=400) | st.lists(JUNK, max_size=60).map("".join))
def test_any_text_is_read_or_refused(format: str, text: str) -> None:
    checked(text, format)
    for one in FORMATS.values():
        assert one.looks(text) in (True, False)


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=200),
    st.sampled_from(
        [
            b"",
            b"\xd4\xc3\xb2\xa1",
            b"\x01\x80\xc2\x00\x00\x0e" + b"\0" * 6 + b"\x88\xcc",
            b"\x01\0\x0c\xcc\xcc\xcc" + b"\0" * 8 + b"\xaa\xaa\x03\0\0\x0c\x20\0",
        ]
    ),
)
def test_any_octets_are_read_or_refused(data: bytes, head: bytes) -> None:
    with contextlib.suppress(Refused):
        read_octets(head + data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda one: (
        st.lists(one, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "id",
                    "value",
                    "lldp",
                    "interface",
                    "via",
                    "chassis",
                    "Devices",
                    "devices",
                    "blockdevices",
                    "children",
                    "type",
                    "size",
                    "lscpu",
                    "field",
                    "data",
                    "class",
                    "wwn",
                    "temperature",
                    "critical_warning",
                    "lldp_raw",
                    "configuration",
                    "logicalname",
                    "model_name",
                    "smartctl",
                    "Subsystems",
                    "Controllers",
                    "ata_smart_attributes",
                    "table",
                    "vlan",
                    "port",
                ]
            ),
            one,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([name for name in FORMATS if "json" in name or name in ("lldp-raw", "lscpu")]), JSON)
def test_json_of_any_shape_is_read_or_refused(format: str, tree: Any) -> None:
    checked(json.dumps(tree), format)


def values(tree: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from values(value, name)
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from values(value, key)
    else:
        yield key, tree


LATER = {
    "ethtool-qsfp.txt": {"kind"},  # the identifier, until the type of the transceiver is told
    "ipmitool-sdr-elist.txt": {"name"},  # ambiguous once the second sensor of this name is told
    "lldpcli-keyvalue.txt": {"system_description"},  # several lines
    "lldpcli-plain.txt": {"system_description"},
    "lshw.txt": {"model", "memory"},  # the SKU that is cut off the model comes behind it
    "smartctl-ata-failing.txt": {"note"},
    "cardiff.txt": set(),
}
"""Fields that later lines of a report correct."""


@pytest.mark.parametrize("name", sorted(READ))
def test_a_cut_report_says_nothing_that_the_whole_does_not(name: str) -> None:
    text = TEXTS[name]
    whole = set(values(msgspec.to_builtins(read(text, READ[name]))))
    wrong = {}
    for at in range(0, len(text), max(1, len(text) // 200)):
        if (parts := checked(text[:at], READ[name])) is not None:
            said = {one for one in values(msgspec.to_builtins(parts)) if one[0] not in {"odd", "slots"} | LATER.get(name, set())}
            if said - whole:
                wrong[text[max(0, at - 30) : at]] = said - whole
    assert not wrong


LONG = 100_000
HOSTILE = {
    "blanks": " " * LONG,
    "lines": "\n" * LONG + "{",
    "brackets": "[" * LONG,
    "objects": '{"lldp":' * (LONG // 8),
    "quotes": '"' * LONG,
    "tuples": "('" * (LONG // 2),
    "bars": "| " * (LONG // 2),
    "pairs": 'NAME="x" ' * (LONG // 9),
    "elements": "<a>" * (LONG // 3),
    "digits": "1" * LONG,
    "handles": "Handle 0x1, DMI type 17, 9 bytes\nX\n\tSize: 1 GB\n" * (LONG // 48),
    "nodes": "  *-core\n" * (LONG // 9),
    "neighbours": "Interface:    e, via: LLDP\n" * (LONG // 27),
    "devices": "00:00.0 Host bridge: x\n" * (LONG // 23),
    "sensors": "a | 1 RPM | ok\n" * (LONG // 15),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_report_takes_time_linear_in_its_length(what: str) -> None:
    """The worst takes half a second here; a quadratic one takes minutes."""
    for format, one in FORMATS.items():
        start = time.process_time()
        one.looks(HOSTILE[what])
        checked(HOSTILE[what], format)
        assert time.process_time() - start < 10, format
