"""Readers of Redfish and BIOS tools against text that nobody would send: they raise nothing but `Refused`, and what they return is a
record with the types that it declares."""

from __future__ import annotations

import contextlib
import json
import re
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine.readers
from engine.parts import Parts
from engine.readers import redfish, redfish_tree
from engine.readers.redfish_formats import ROWS
from engine.readers.report import MOST_ITEMS, Refused

SOURCES = [path.read_text(encoding="utf-8") for path in sorted(Path(engine.readers.__file__).parent.glob("redfish*.py"))]
NAMES = sorted({name for source in SOURCES for name in re.findall(r'"([A-Za-z#@][A-Za-z0-9.@#]{1,40})"', source)})
PATHS = [
    "/redfish/v1",
    "/redfish/v1/Systems/1",
    "/redfish/v1/Systems/1/Storage/1/Drives/0",
    "/redfish/v1/Managers/1/EthernetInterfaces/1",
    "",
    "//",
    "#",
]
WORDS = [
    "OK",
    "Critical",
    "Enabled",
    "Absent",
    "RAID1",
    "Ethernet",
    "0x5000c500a1b2c3d4",
    "94:40:C9:37:D3:FC",
    "2020-01-01T00:00:00Z",
    "{}",
    "\ud800",
    "é\0",
]

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**17, max_value=10**40),
    st.floats(),
    st.sampled_from(PATHS + WORDS),
    st.text(max_size=20),
    st.builds(lambda path: {"@odata.id": path}, st.sampled_from(PATHS)),
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5), max_leaves=20
)
resources = st.builds(
    lambda kind, path, body: {**body, "@odata.type": f"#{kind}.v1_0_0.{kind}", "@odata.id": path},
    st.sampled_from(sorted(redfish.READERS)),
    st.sampled_from(PATHS),
    st.dictionaries(st.sampled_from(NAMES), values, max_size=12),
)


def checked(found: Parts) -> None:
    """Types and literals as declared, and no list longer than a record may have."""
    assert msgspec.convert(msgspec.to_builtins(found), Parts) == found
    assert all(len(value) <= MOST_ITEMS for name in found.__struct_fields__ if isinstance(value := getattr(found, name), tuple))


def attempt(name: str, said: str) -> None:
    row = ROWS[name]
    row[2](said)
    with contextlib.suppress(Refused):
        checked(row[1](said))


@given(resources)
def test_one_resource(body: dict[str, Any]) -> None:
    attempt("redfish", json.dumps(body))


@given(st.dictionaries(st.sampled_from(PATHS[:4]).map(lambda path: path + "/x"), resources | leaves, max_size=6))
def test_a_tree(tree: dict[str, Any]) -> None:
    attempt("redfish-tree", json.dumps(tree))


LINES = [
    "[Key=BIOS.Setup.1-1#X]", "#A=B (Pending Value=C)", "[InstanceID: DIMM.Socket.A1]", "Device Type = Memory", "Device Type = PhysicalDisk", "Size = 16384 MB",
    "SizeInBytes = 999999999999999999999 Bytes", "RemainingRatedWriteEndurance = 100 %", "MediaType = SSD", "[Job ID=JID_1]", "Status=Completed", "Percent Complete=[999]",
    "-----JOB QUEUE-----", "RAC Information:", "Firmware Version = 1", "Service Tag = A", "ERROR: RAC904: x", "Current Value : Enabled", "Possible Values", "Enabled : 01",
    "=====", "[BIOS::Main]", "Quiet Boot=1 ;Options: Disabled=0: Enabled=1", "<BiosCfg>", "<Menu name='a'>", "<Setting name='b' type='Numeric' numericValue='9'><Information/></Setting>",
    "</Menu>", "</BiosCfg>", "<!DOCTYPE x>", "&a;", "<Conrep>", "<Section name='q'>1</Section>", "</Conrep>", "iLOrest : RESTful Interface Tool", '{"Attributes": {"A": 1}}', "\x1b[0m", "\0",
]  # fmt: skip


@pytest.mark.parametrize("name", [name for name in ROWS if not name.startswith("redfish")])
@given(lines=st.lists(st.sampled_from(LINES) | st.text(max_size=30), max_size=14), end=st.sampled_from(["\n", "\r\n", "\r", ""]))
def test_a_tool(name: str, lines: list[str], end: str) -> None:
    attempt(name, end.join(lines))


@pytest.mark.parametrize("name", list(ROWS))
def test_long_and_deep(name: str) -> None:
    """Time grows with the length and not with its square: a mebibyte of the worst lines takes seconds at most."""
    began = time.monotonic()
    for said in (
        "[" * 200_000,
        "<BiosCfg>" + "<Menu name='x'>" * 50_000,
        "=" * 500_000,
        "a=" * 300_000,
        " " * 500_000 + "x",
        "x\n===\n" * 100_000,
        "[InstanceID: a]\n" * 60_000,
    ):
        attempt(name, said)
    assert time.monotonic() - began < 20


def test_collections_in_collections() -> None:
    """As deep as JSON may be, and deeper than a reader may go."""
    for depth in (1, 3, 5, 150, 300):
        said = '{"@odata.type": "#MemoryCollection.x", "Members": [' * depth + '{"DeviceLocator": "A1", "CapacityMiB": 1024}' + "]}" * depth
        attempt("redfish", said)
        attempt("redfish-tree", f'{{"/redfish/v1/a": {said}}}')


def test_a_tree_of_many_twins() -> None:
    one = {
        "@odata.type": "#NetworkAdapter.v1_0_0.NetworkAdapter",
        "Model": "M",
        "Manufacturer": "V",
        "SerialNumber": "S",
        "Controllers": [{"FirmwarePackageVersion": "1"}],
    }
    began = time.monotonic()
    found = redfish_tree.read_tree({f"/redfish/v1/Chassis/1/NetworkAdapters/{number}": dict(one) for number in range(6000)})
    assert len(found.cards) == 1
    assert time.monotonic() - began < 20
