"""Invented reports, one for each form that a tool prints: the whole record is as its golden says."""

from __future__ import annotations

import json

import invented
import pytest

from engine.readers.formats import FORMATS, as_text, read, read_octets, recognise
from engine.readers.report import MOST_CHARACTERS, Refused

GOLDEN = json.loads(invented.GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", invented.names())
def test_a_report_says_what_its_golden_says(name: str) -> None:
    assert invented.said(name) == GOLDEN.get(name), "compare with the report, then run tests/readers/invented.py"


@pytest.mark.parametrize("name", invented.names())
def test_line_ends_change_nothing(name: str) -> None:
    data = (invented.EXAMPLES / name).read_bytes().replace(b"\r\n", b"\n")
    try:
        unix = read_octets(data)
    except Refused:
        return
    assert read_octets(data.replace(b"\n", b"\r\n")) == unix
    assert read_octets(b"\xef\xbb\xbf" + data) == unix
    assert read_octets(as_text(data).encode("utf-16")) == unix


@pytest.mark.parametrize("name", invented.names())
def test_one_format_claims_a_report(name: str) -> None:
    text = as_text((invented.EXAMPLES / name).read_bytes())
    assert len([one for one in FORMATS.values() if not one.octets and one.looks(text)]) == 1


TEXT_TOOLS = (
    "cardiff cpus dmidecode ethtool hdparm ipmi_sensors ipmitool lldpcli lldptool lsblk lshw lspci lsscsi nvme smart smart_text".split()
)


def test_each_format_of_these_readers_has_a_report() -> None:
    mine = {name for name, one in FORMATS.items() if one.read.__module__.rpartition(".")[2] in TEXT_TOOLS}
    assert mine - {one.get("format") for one in GOLDEN.values()} == set()
    assert len(mine) > 25


def test_no_secret_of_a_bmc_is_in_its_record() -> None:
    assert "s3cr3t" in (invented.EXAMPLES / "ipmitool-lan.txt").read_text(encoding="utf-8")
    assert "s3cr3t" not in invented.GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("format", "text", "why"),
    [
        ("dmidecode", "# dmidecode 3.3\n/dev/mem: Permission denied\n", "Permission denied"),
        ("dmidecode", "bash: dmidecode: command not found\n", "command not found"),
        ("lscpu", "Architektur:            x86_64\nCPU(s):         \xa04\n", "no number of sockets"),
        ("lscpu", "Architektur:            x86_64\nProzessoren:     4\n", "LC_ALL=C"),
        ("lsblk-json", '{"blockdevices": [{"name": "sda"', "no whole JSON"),
        ("lshw-xml", '<!DOCTYPE x [<!ENTITY a "b">]><node id="a"/>', "entities"),
        ("lshw-xml", "<list><node id='a' class='system'>", "no whole XML"),
        ("smartctl", "smartctl 7.3\nSmartctl open device: /dev/sdx failed: No such device\n", "No such device"),
        ("nvme", "No NVMe devices detected.\n", "No NVMe devices"),
        ("ethtool", "Settings for eth9:\n\tNo data available\n", "no settings"),
        ("ipmitool-lan", "Invalid channel: 9\n", "Invalid channel"),
        ("ipmitool-sdr", "Could not open device at /dev/ipmi0\n", "Could not open device"),
        ("lldpcli", "-----\nLLDP interfaces:\n-----\nInterface:    eth0\n", "own interfaces"),
        ("pcap", "\x0a\x0d\x0d\x0a more", "pcapng"),
        ("nothing", "x\n", "there is no format 'nothing'"),
        ("lspci", "", "the report is empty"),
        ("lspci", "x" * (MOST_CHARACTERS + 1), "at most"),
        ("dmidecode", "x\n" * 300_000, "at most 200000"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_was_seen(format: str, text: str, why: str) -> None:
    if why == "no number of sockets":
        assert any(why in one for one in read(text, format).odd)
        return
    with pytest.raises(Refused, match=why.replace(" ", r"\s")):
        read(text, format)


def test_an_unknown_text_is_refused_with_its_beginning() -> None:
    with pytest.raises(Refused, match="begins with: good morning"):
        recognise("\n\ngood morning\n")
    with pytest.raises(Refused, match="no format of the table"):
        read_octets(b"\x00\x01\x02\xff")


def test_an_empty_answer_is_not_a_refusal() -> None:
    for format, text in (
        ("nvme-json", '{"Devices": []}'),
        ("lldpcli-json", '{"lldp": {}}'),
        ("lldpcli", "-----\nLLDP neighbors:\n-----\n"),
        ("ipmitool-sel", "SEL has no entries\n"),
    ):
        assert read(text, format) == read('{"Devices": []}', "nvme-json"), format


def test_lscpu_speaks_english_even_if_some_words_are_not() -> None:
    with pytest.raises(Refused):
        read("Architektur: x86_64\n", "lscpu")
