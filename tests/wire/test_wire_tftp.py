"""TFTP packets against scapy, and transfers over a wire that loses, doubles and delays."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.tftp import TFTP, TFTP_OACK, TFTP_RRQ, TFTP_Option, TFTP_Options

from engine.wire import tftp
from engine.wire.tftp import Ack, Data, Error, Malformed, Oack, Read, Write, decode, encode
from engine.wire.tftp_transfer import Fetch, Limits, State, Transfer

REASONS = {"short", "oversize", "opcode", "text", "filename", "mode", "option", "code"}
visible = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=100)
block = st.integers(0, 65535)
blksize = st.none() | st.integers(8, 65464)
timeout = st.none() | st.integers(1, 255)
tsize = st.none() | st.integers(0, 2**40)
windowsize = st.none() | st.integers(1, 65535)
mode = st.sampled_from(["octet", "netascii"])
packets = st.one_of(
    st.builds(
        Read, filename=visible, mode=mode, blksize=blksize, timeout_s=timeout, tsize=tsize, windowsize=windowsize
    ),
    st.builds(Write, filename=visible, mode=mode),
    st.builds(Data, block=block, payload=st.binary(max_size=600)),
    st.builds(Ack, block=block),
    st.builds(Error, code=st.integers(0, 8), message=visible),
    st.builds(Oack, blksize=blksize, timeout_s=timeout, tsize=tsize, windowsize=windowsize).filter(
        lambda oack: oack != Oack()
    ),
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
        (b"\0\1file\0octet", "text"),
        (b"\0\1file\0", "text"),
        (b"\0\1fi\nle\0octet\0", "text"),
        (b"\0\1f\xc3\xa4\0octet\0", "text"),
        (b"\0\1file\0binary\0", "mode"),
        (b"\0\1file\0octet\0blksize\0", "option"),
        (b"\0\1file\0octet\0blksize\0008\0BLKSIZE\0009\0", "option"),
        (b"\0\1" + b"a" * 520 + b"\0octet\0", "oversize"),
        (b"\0\5\0\x63no\0", "code"),
    ],
)
def test_what_is_refused_and_why(packet: bytes, why: str) -> None:
    assert reason(packet) == why


def test_options_out_of_range_or_unknown_are_as_if_not_given() -> None:
    packet = b"\0\1f\0OCTET\0blksize\0007\0timeout\000256\0windowsize\0000\0tsize\0-1\0multicast\0x\0utimeout\0009\0"
    assert decode(packet) == Read(filename="f")
    assert decode(b"\0\1f\0octet\0\0\0") == Read(filename="f"), "padding after the mode is not an option"


BODY = bytes(range(256)) * 8  # 2048 octets: four blocks of 512 and an empty one


def test_a_plain_transfer_step_by_step() -> None:
    transfer = Transfer(Read(filename="f"), BODY)
    assert transfer.start(0.0) == [tftp.data(1, BODY[:512])]
    assert transfer.receive(tftp.ack(1), 0.1) == [tftp.data(2, BODY[512:1024])]
    assert transfer.receive(tftp.ack(1), 0.2) == [], "a duplicate ACK sends nothing"
    assert transfer.receive(tftp.ack(0), 0.2) == []
    assert transfer.receive(tftp.ack(3), 0.2) == [], "an ACK from the future sends nothing"
    assert transfer.tick(0.4) == []
    assert transfer.deadline == pytest.approx(0.5), "and does not put the time-out off, four times the first answer's"
    assert transfer.tick(0.6) == [tftp.data(2, BODY[512:1024])]
    for n in (2, 3):
        assert transfer.receive(tftp.ack(n), 2.0) == [tftp.data(n + 1, BODY[n * 512 : (n + 1) * 512])]
    assert transfer.receive(tftp.ack(4), 2.0) == [tftp.data(5, b"")], "an empty block ends an even file"
    assert transfer.receive(tftp.ack(5), 2.0) == []
    assert transfer.state is State.DONE
    assert transfer.acked_octets == 2048


def test_the_time_out_follows_the_client_and_quick_repetitions_are_no_tries() -> None:
    """A loss costs a tenth of a second where the client answers at once; one that goes away is still waited for as long as any."""
    transfer = Transfer(Read(filename="f"), BODY, Limits(retries=2))
    transfer.start(0.0)
    assert transfer.timeout_s == 1.0
    transfer.receive(tftp.ack(1), 0.001)
    assert transfer.timeout_s == pytest.approx(0.05)
    now, times = 0.001, []
    while transfer.state is State.RUNNING:
        now = transfer.deadline
        if transfer.tick(now):
            times.append(round(now, 3))
    assert times == [0.051, 0.151, 0.351, 0.751, 1.551, 3.151, 6.351]
    assert transfer.state is State.TIMED_OUT
    fixed = Transfer(Read(filename="f", timeout_s=3), BODY)
    fixed.start(0.0)
    fixed.receive(tftp.ack(0), 0.001)
    fixed.receive(tftp.ack(1), 0.002)
    assert fixed.timeout_s == 3.0, "what was negotiated holds"


def test_options_are_agreed_within_the_limits() -> None:
    request = Read(filename="f", blksize=9000, timeout_s=3, tsize=0, windowsize=200)
    transfer = Transfer(request, BODY, Limits(blksize=1024, windowsize=2))
    (oack,) = transfer.start(0.0)
    assert decode(oack) == Oack(blksize=1024, timeout_s=3, tsize=2048, windowsize=2)
    assert transfer.receive(tftp.ack(1), 0.0) == []
    assert transfer.tick(3.0) == [oack]
    assert transfer.is_probe
    assert transfer.receive(tftp.ack(0), 3.1) == [tftp.data(1, BODY[:1024]), tftp.data(2, BODY[1024:])]
    assert not transfer.is_probe
    assert transfer.receive(tftp.ack(1), 3.2) == [tftp.data(2, BODY[1024:]), tftp.data(3, b"")]
    assert transfer.receive(tftp.ack(1), 3.3) == []
    assert transfer.receive(tftp.ack(3), 3.4) == []
    assert transfer.state is State.DONE


def test_silence_ends_a_transfer_after_a_bounded_number_of_tries() -> None:
    transfer = Transfer(Read(filename="f"), BODY, Limits(retries=3))
    sent, now, waits = len(transfer.start(0.0)), 0.0, []
    while transfer.state is State.RUNNING:
        waits.append(transfer.deadline - now)
        now = transfer.deadline
        sent += len(transfer.tick(now))
    assert transfer.state is State.TIMED_OUT
    assert sent == 4
    assert waits == [1.0, 2.0, 4.0, 4.0]
    assert transfer.receive(tftp.ack(1), now) == []


def test_an_error_of_the_client_ends_it() -> None:
    transfer = Transfer(Read(filename="f", tsize=0), BODY)
    transfer.start(0.0)
    assert transfer.receive(encode(Error(code=8, message="only the size\n")), 0.1) == []
    assert transfer.state is State.ABORTED
    assert transfer.is_probe
    assert "8 'only the size?'" in transfer.message


def test_junk_changes_nothing() -> None:
    transfer = Transfer(Read(filename="f"), BODY)
    transfer.start(0.0)
    for junk in (b"", b"\0\4", b"\0\7ab", tftp.data(1, b"x"), encode(Read(filename="f")), b"\xff" * 50):
        assert transfer.receive(junk, 0.1) == []
    assert transfer.ignored == 6
    assert transfer.state is State.RUNNING


def test_blocks_roll_over_past_65535() -> None:
    body = random.Random(1).randbytes(8 * 70_000 + 3)
    request = Read(filename="f", blksize=8, windowsize=64)
    wire(Transfer(request, body), fetch := Fetch(request))
    assert fetch.state is State.DONE
    assert bytes(fetch.body) == body
    plain = Read(filename="f", blksize=8)
    wire(Transfer(plain, body), fetch := Fetch(plain))
    assert bytes(fetch.body) == body


def wire(transfer: Transfer, fetch: Fetch, fate: list[int] | None = None) -> tuple[int, int]:
    """Carry packets until both sides rest. `fate` tells of the first packets: 0 lost, 1 carried, 2 doubled, 3 swapped
    with the next. Returns how many packets each side sent."""
    fates = iter(fate or [])
    now, counts = 0.0, [0, 0]
    queues: tuple[list[bytes], list[bytes]] = ([], [])  # to fetch, to transfer

    def put(to: int, batch: list[bytes]) -> None:
        counts[to] += len(batch)
        for packet in batch:
            match next(fates, 1):
                case 1:
                    queues[to].append(packet)
                case 2:
                    queues[to].extend((packet, packet))
                case 3:
                    queues[to].insert(max(0, len(queues[to]) - 1), packet)

    put(0, transfer.start(now))
    fetch.start(now)
    while transfer.state is State.RUNNING or fetch.state is State.RUNNING:
        if queues[0]:
            put(1, fetch.receive(queues[0].pop(0), now))
        elif queues[1]:
            put(0, transfer.receive(queues[1].pop(0), now))
        else:
            now = min(m.deadline for m in (transfer, fetch) if m.state is State.RUNNING)
            put(0, transfer.tick(now))
            if fetch.state is State.RUNNING and fetch.body:  # before that it would ask again, at another port
                put(1, fetch.tick(now))
            elif now >= fetch.deadline:
                fetch.deadline = now + 1.0
    return counts[0], counts[1]


@given(
    size=st.integers(0, 3000),
    block_size=st.sampled_from([None, 8, 100, 512]),
    window=st.sampled_from([None, 1, 2, 5, 16]),
    fate=st.lists(st.sampled_from([0, 1, 1, 2, 3]), max_size=60),
)
@settings(deadline=None, max_examples=300)
def test_the_file_arrives_whole_whatever_happens_to_packets(
    size: int, block_size: int | None, window: int | None, fate: list[int]
) -> None:
    body = random.Random(size).randbytes(size)
    request = Read(filename="f", blksize=block_size, windowsize=window, tsize=0)
    transfer, fetch = Transfer(request, body, Limits(retries=100)), Fetch(request, retries=100)
    wire(transfer, fetch, fate)
    assert bytes(fetch.body) == body
    assert fetch.state is State.DONE
    assert transfer.state is State.DONE or (transfer.state is State.TIMED_OUT and fate)
    assert fetch.tsize == size


@pytest.mark.parametrize("window", [None, 8])
def test_doubled_packets_never_multiply(window: int | None) -> None:
    """Sorcerer's Apprentice: every packet of both sides doubled, and yet each block is sent once."""
    body = bytes(50_000)
    request = Read(filename="f", windowsize=window)
    data, _ = wire(Transfer(request, body), fetch := Fetch(request), [2] * 10_000)
    assert bytes(fetch.body) == body
    blocks = len(body) // 512 + 1
    assert data <= blocks + (1 if window else 0)  # and the OACK


def test_the_client_takes_no_more_than_it_agreed_to() -> None:
    fetch = Fetch(Read(filename="f", blksize=512))
    fetch.start(0.0)
    (refusal,) = fetch.receive(encode(Oack(blksize=1024)), 0.1)
    assert decode(refusal) == Error(code=8, message="more than was asked for")
    assert fetch.state is State.REFUSED
    small = Fetch(Read(filename="f"), max_octets=600)
    small.start(0.0)
    assert small.receive(tftp.data(1, bytes(512)), 0.1) == [tftp.ack(1)]
    (refusal,) = small.receive(tftp.data(2, bytes(512)), 0.1)
    assert decode(refusal) == Error(code=3, message="file too large")
    late = Fetch(Read(filename="f"))
    late.start(0.0)
    assert late.receive(tftp.data(1, b"end"), 0.1) == [tftp.ack(1)]
    assert late.receive(tftp.data(1, b"end"), 0.2) == [tftp.ack(1)], "a lost last ACK is given again"
