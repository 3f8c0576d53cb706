"""The values of single options."""

from __future__ import annotations

import pytest
from dhcp_packets import raw

from engine.wire import dhcp_options
from engine.wire.dhcp import (
    DhcpKind,
    decode,
    decode_reply,
    swapped_uuid,
)


def test_overloaded_fields_and_split_options_are_one_value_in_order() -> None:
    packet = raw(b"\x34\x01\x03\x3c\x03PXE\x35\x01\x01\xff", file=b"\x00\x3c\x06Client\x0c\x02ab\xff", sname=b"\x3c\x02:A\xff")
    request = decode(packet)
    assert request.vendor_class == "PXEClient:A"
    assert request.hostname == "ab"
    reply = decode_reply(raw(b"\x34\x01\x01\x35\x01\x05\xff", file=b"\x43\x04a.ef\x43\x01i\xff", sname=b"srv", op=2))
    assert (reply.filename, reply.tftp_server) == ("a.efi", "srv")


def test_pads_and_a_missing_end_are_fine() -> None:
    assert decode(raw(b"\0\0\x35\x01\x03\0\0\0")).kind is DhcpKind.REQUEST
    assert decode(raw(b"\x35\x01\x03")).kind is DhcpKind.REQUEST


@pytest.mark.parametrize(
    ("value", "classes"),
    [
        (b"iPXE", ("iPXE",)),
        (b"\x04iPXE", ("iPXE",)),
        (b"\x04iPXE\x03lab", ("iPXE", "lab")),
        (b"\x00", ()),
        (b"\x04\xff\xfe\xfd\xfc", ()),
        (b"gPXE\x00", ("gPXE",)),
    ],
)
def test_both_forms_of_user_class(value: bytes, classes: tuple[str, ...]) -> None:
    assert decode(raw(b"\x35\x01\x01\x4d" + bytes([len(value)]) + value)).user_class == classes


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"node-1", "node-1"),
        (b"node-1\0", "node-1"),
        (b"a.b.example", "a.b.example"),
        (b"-node", ""),
        (b"no de", ""),
        (b"$(reboot)", ""),
        (b"n\n", ""),
        (b"\xc3\xa4", ""),
        (b"a" * 64, ""),
        (b"a..b", ""),
    ],
)
def test_host_names_are_typed_or_dropped(sent: bytes, kept: str) -> None:
    assert decode(raw(b"\x35\x01\x01\x0c" + bytes([len(sent)]) + sent)).hostname == kept


def test_uuid_is_in_smbios_order_and_the_other_order_is_at_hand() -> None:
    wire = bytes.fromhex("4c4c4544003653108033b8c04f4e3232")  # a Dell: "LLED" is DELL in the other order
    request = decode(raw(b"\x35\x01\x01\x61\x11\x00" + wire))
    assert request.uuid == "44454c4c-3600-1053-8033-b8c04f4e3232"
    assert swapped_uuid(request.uuid) == "4c4c4544-0036-5310-8033-b8c04f4e3232"
    assert swapped_uuid(swapped_uuid(request.uuid)) == request.uuid
    assert decode(raw(b"\x35\x01\x01\x61\x11\x01" + wire)).uuid is None
    assert decode(raw(b"\x35\x01\x01\x61\x10" + wire)).uuid is None
    with pytest.raises(ValueError, match="not a UUID"):
        dhcp_options.uuid_octets("abcd")


@pytest.mark.parametrize(("value", "arch"), [(b"\0\x07", 7), (b"\0\x10\0\x07", 16), (b"\7", None), (b"", None)])
def test_architecture_is_the_first_of_the_list(value: bytes, arch: int | None) -> None:
    assert decode(raw(b"\x35\x01\x01\x5d" + bytes([len(value)]) + value)).arch == arch
