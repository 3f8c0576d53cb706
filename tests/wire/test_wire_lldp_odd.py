"""LLDP: what is refused, and what costs only itself."""

from __future__ import annotations

import pytest
from lldp_units import HEAD, reason

from engine.wire.lldp import decode


@pytest.mark.parametrize(
    ("pdu", "why"),
    [
        (b"", "chassis_id"),
        (b"\0\0", "chassis_id"),
        (HEAD[:9], "port_id"),
        (HEAD[:12], "port_id"),
        (b"\x02\x01\x04" + HEAD[9:], "chassis_id"),
        (b"\x03\x01\x07" + b"a" * 256 + HEAD[9:], "chassis_id"),
        (HEAD[:9] + b"\x04\x01\x05" + HEAD[16:], "port_id"),
        (HEAD + bytes(1500), "oversize"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_refused_and_why(pdu: bytes, why: str) -> None:
    assert reason(pdu) == why


@pytest.mark.parametrize(
    ("pdu", "discarded"),
    [
        (HEAD[9:16] + HEAD[:9] + HEAD[16:], 2),  # port before chassis
        (b"\x0a\x01x" + HEAD, 3),
        (HEAD + HEAD[-4:], 1),
        (HEAD + HEAD[:9], 1),
        (HEAD + b"\x02\x05\x07evil", 1),
        (HEAD + b"\x0a\x09short", 1),
        (HEAD + b"\x0a", 1),
        (HEAD[:-4] + b"\x06\x01\x78", 1),
        (HEAD[:-4], 0),
        (HEAD[:-4] + b"\x06", 1),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
def test_one_bad_tlv_costs_itself(pdu: bytes, discarded: int) -> None:
    """Where the cable goes is known all the same, and the first of two ids counts."""
    good, seen = decode(HEAD), decode(pdu)
    assert (seen.chassis_id, seen.port_id) == (good.chassis_id, good.port_id)
    assert seen.discarded >= discarded
    assert seen.ttl_s in (good.ttl_s, 121)


@pytest.mark.parametrize(("subtype", "kind"), [(0, 7), (8, 7), (255, 7)])
def test_an_id_of_an_unknown_subtype_is_its_senders_own(subtype: int, kind: int) -> None:
    seen = decode(bytes([2, 3, subtype]) + b"ab" + bytes([4, 3, subtype]) + b"p1" + HEAD[-4:])
    assert (seen.chassis_kind, seen.chassis_id, seen.port_kind, seen.port_id) == (kind, "ab", kind, "p1")


def test_frames_that_are_not_lldp() -> None:
    assert reason(bytes(12), whole_frame=True) == "short"
    assert reason(bytes(12) + b"\x08\x00" + HEAD, whole_frame=True) == "ethertype"
    assert reason(bytes(12) + b"\x81\x00\0\5" * 3 + b"\x88\xcc" + HEAD, whole_frame=True) == "ethertype"


@pytest.mark.parametrize(
    ("tlv", "discarded"),
    [
        (b"\x10\x03\x05\x01\x0a", 1),  # management address cut short
        (b"\x10\x0c\x05\x01\x0a\0\0\2\2\0\0\0\1\x09", 1),  # object id longer than the TLV
        (b"\x10\x0c\x04\x01\x0a\0\0\2\0\0\0\0\1\0", 1),  # three octets of IPv4
        (b"\x10\x0c\xff\x01\x0a\0\0\2\2\0\0\0\1\0", 1),
        (b"\x0e\x02\0\4", 1),  # capabilities of two octets
        (b"\xfe\x02\x00\x80", 1),  # no room for an organisation
        (b"\xfe\x05\x00\x80\xc2\x01\x05", 1),  # one octet of VLAN
        (b"\xfe\x06\x00\x80\xc2\x01\xff\xff", 1),
        (b"\xfe\x06\x00\x80\xc2\x01\x00\x00", 0),  # no VLAN
        (b"\xfe\x04\x00\x12\x0f\x01", 0),  # 802.3 is not read
        (b"\x1e\x03abc", 0),  # reserved
    ],
)
def test_a_bad_optional_tlv_costs_itself_only(tlv: bytes, discarded: int) -> None:
    seen = decode(HEAD + tlv + b"\x0a\x04tor1\0\0")
    assert (seen.discarded, seen.system_name, seen.management, seen.vlan) == (discarded, "tor1", (), None)


def test_rendering() -> None:
    def port(kind: int, value: bytes) -> str:
        head = HEAD[:9] + (2 << 9 | len(value) + 1).to_bytes(2, "big") + bytes([kind]) + value + HEAD[16:]
        return decode(head).port_id

    assert port(5, b"Gi1/0/13\0\0") == "Gi1/0/13"
    assert port(7, b"\x00\x01\xff") == "00:01:ff"
    assert port(3, b"\xaa\xbb\xcc\xdd\xee\xff") == "aa:bb:cc:dd:ee:ff"
    assert port(4, b"\x02" + bytes(15) + b"\x01") == "::1"
    assert port(4, b"\x07\x01") == "07:01"
    assert port(1, "größe".encode()) == "größe"
    assert port(1, b"\x1b[31m") == "1b:5b:33:31:6d", "no escape sequences to a terminal"
    assert decode(HEAD + b"\x0c\x0bLinux\r\nbox\0" + b"\0\0").system_description == "Linux box"


def test_of_a_doubled_text_the_first_counts() -> None:
    assert decode(HEAD + b"\x0a\x01a\x0a\x01b").system_name == "a"


def test_management_addresses_are_bounded() -> None:
    tlvs = b"".join(b"\x10\x0c\x05\x01\x0a\0\0" + bytes([n]) + b"\1\0\0\0\0\0" for n in range(40))
    assert decode(HEAD + tlvs).management == tuple(f"10.0.0.{n}" for n in range(8))
