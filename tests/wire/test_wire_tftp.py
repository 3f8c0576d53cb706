"""TFTP packets: scapy as the referee, junk, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.tftp import TFTP, TFTP_OACK, TFTP_RRQ, TFTP_Option, TFTP_Options

from engine.wire import tftp
from engine.wire.faults import TFTP_LOST
from engine.wire.tftp import Ack, Data, Error, Malformed, Oack, Read, Write, decode, encode

REASONS = set(TFTP_LOST)
visible = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=100)
block = st.integers(0, 65535)
blksize = st.none() | st.integers(8, 65464)
timeout = st.none() | st.integers(1, 255)
tsize = st.none() | st.integers(0, 2**40)
windowsize = st.none() | st.integers(1, 65535)
mode = st.sampled_from(["octet", "netascii"])
packets = st.one_of(
    st.builds(Read, filename=visible, mode=mode, blksize=blksize, timeout_s=timeout, tsize=tsize, windowsize=windowsize),
    st.builds(Write, filename=visible, mode=mode),
    st.builds(Data, block=block, payload=st.binary(max_size=600)),
    st.builds(Ack, block=block),
    st.builds(Error, code=st.integers(0, 8), message=visible),
    st.builds(Oack, blksize=blksize, timeout_s=timeout, tsize=tsize, windowsize=windowsize).filter(lambda oack: oack != Oack()),
)


def reason(packet: bytes) -> str:
    """Why it is refused, "" where it is not; whatever else is raised is a failure."""
    try:
        decode(packet)
    except Malformed as refused:
        return refused.reason
    return ""


@given(packets)
@settings(deadline=None)
def test_packets_survive_the_round_trip(packet: tftp.Packet) -> None:
    assert decode(encode(packet)) == packet


@given(packets, st.data())
@settings(deadline=None, max_examples=300)
def test_mutations_raise_nothing_but_malformed(packet: tftp.Packet, data: st.DataObject) -> None:
    junk = bytearray(encode(packet))
    for _ in range(data.draw(st.integers(1, 4))):
        junk[data.draw(st.integers(0, len(junk) - 1))] = data.draw(st.integers(0, 255))
    assert reason(bytes(junk[: data.draw(st.integers(0, len(junk)))])) in REASONS | {""}


def test_scapy_and_we_agree_on_requests_and_answers() -> None:
    def option(name: str, value: str) -> TFTP_Option:
        return TFTP_Option(oname=name.encode(), value=value.encode())

    theirs = (
        TFTP(op=1)
        / TFTP_RRQ(filename=b"snponly.efi", mode=b"octet")
        / TFTP_Options(options=[option("BLKSIZE", "1468"), option("tsize", "0"), option("windowsize", "16")])
    )
    assert decode(bytes(theirs)) == Read(filename="snponly.efi", blksize=1468, tsize=0, windowsize=16)
    ours = TFTP(encode(Read(filename="snponly.efi", blksize=1468, timeout_s=3)))
    assert ours[TFTP_RRQ].filename == b"snponly.efi"
    assert [(o.oname, o.value) for o in ours[TFTP_Options].options] == [(b"blksize", b"1468"), (b"timeout", b"3")]
    oack = TFTP(encode(Oack(tsize=1_000_000)))
    assert TFTP_OACK in oack
    assert [(o.oname, o.value) for o in oack[TFTP_Options].options] == [(b"tsize", b"1000000")]
    assert TFTP(encode(Error(code=1, message="no such file"))).errormsg == b"no such file"
    assert (TFTP(tftp.data(65537, b"abc")).block, TFTP(tftp.ack(65536)).block) == (1, 0)


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (b"\0\4\0", "short"),
        (b"\0\0\0\0", "opcode"),
        (b"\0\7\0\0", "opcode"),
        (b"\0\1\0octet\0", "filename"),
        (b"\0\1file\0", "text"),
        (b"\0\1file", "text"),
        (b"\0\1file\0\0\0", "text"),
        (b"\0\1file\0binary\0", "mode"),
        (b"\0\1file\0oct\xe4t\0", "mode"),
        (b"\0\1" + b"a" * 520 + b"\0octet\0", "oversize"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_refused_and_why(packet: bytes, why: str) -> None:
    assert reason(packet) == why


@pytest.mark.parametrize(
    ("behind", "fields"),
    [
        (b"octet", {}),  # the last NUL is missing
        (b"\0octet\0", {}),
        (b"\0\0octet\0\0\0", {}),
        (b"OcTeT\0", {}),
        (b"octet\0blksize\0", {}),
        (b"octet\0blksize\0abc\0", {"blksize": None}),
        (b"octet\0blksize\0" + b"1468", {"blksize": 1468}),
        (b"octet\0tsize\0\0blksize\0001024\0", {"tsize": None, "blksize": 1024}),
        (b"octet\0tsize\0\0", {"tsize": None}),
        (b"octet\0blksize\0008\0BLKSIZE\0009\0", {"blksize": 8}),
        (b"octet\0bl\xffk\0x\0tsize\0000\0", {"tsize": 0}),
        (b"octet\0blksize\0\xb2\0", {"blksize": None}),  # a digit to Unicode and to nobody else
        (b"octet\0blksize\0-1468\0", {"blksize": None}),
        (b"octet\0x\0y\0z\0", {}),
    ],
)
def test_a_request_needs_a_name_and_a_mode_and_nothing_else(behind: bytes, fields: dict[str, int | None]) -> None:
    seen = decode(b"\0\1undionly.kpxe\0" + behind)
    assert isinstance(seen, Read)
    assert (seen.filename, seen.mode) == ("undionly.kpxe", "octet")
    assert {name: getattr(seen, name) for name in fields} == fields


@given(st.binary(min_size=1, max_size=60).filter(lambda name: b"\0" not in name))
def test_no_octet_of_a_stranger_is_kept_in_a_file_name(name: bytes) -> None:
    seen = decode(b"\0\1" + name + b"\0octet\0")
    assert isinstance(seen, Read)
    assert len(seen.filename) == len(name)
    assert all(c == tftp.UNREADABLE or (c.isascii() and c.isprintable()) for c in seen.filename)
    if tftp.UNREADABLE not in seen.filename:
        assert seen.filename.encode() == name


def test_an_error_of_an_unknown_code_is_an_error() -> None:
    assert decode(b"\0\5\0\x63no\0") == Error(code=0, message="no")


def test_options_out_of_range_or_unknown_are_as_if_not_given() -> None:
    packet = b"\0\1f\0OCTET\0blksize\0007\0timeout\000256\0windowsize\0000\0tsize\0-1\0multicast\0x\0utimeout\0009\0"
    assert decode(packet) == Read(filename="f")
    assert decode(b"\0\1f\0octet\0\0\0") == Read(filename="f"), "padding after the mode is not an option"
