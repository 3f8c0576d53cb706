"""One TFTP transfer, step by step."""

from __future__ import annotations

import random

import pytest
from tftp_packets import wire

from engine.wire import tftp
from engine.wire.tftp import Error, Oack, Read, decode, encode
from engine.wire.tftp_transfer import Fetch, Limits, Transfer, TransferState

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
    assert transfer.state is TransferState.DONE
    assert transfer.acked_octets == 2048


def test_the_time_out_follows_the_client_and_quick_repetitions_are_no_tries() -> None:
    """A loss costs a tenth of a second where the client answers at once; one that goes away is still waited for as long as any."""
    transfer = Transfer(Read(filename="f"), BODY, Limits(retries=2))
    transfer.start(0.0)
    assert transfer.timeout_s == 1.0
    transfer.receive(tftp.ack(1), 0.001)
    assert transfer.timeout_s == pytest.approx(0.05)
    now, times = 0.001, []
    while transfer.state is TransferState.RUNNING:
        now = transfer.deadline
        if transfer.tick(now):
            times.append(round(now, 3))
    assert times == [0.051, 0.151, 0.351, 0.751, 1.551, 3.151, 6.351]
    assert transfer.state is TransferState.TIMED_OUT
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
    assert transfer.state is TransferState.DONE


def test_silence_ends_a_transfer_after_a_bounded_number_of_tries() -> None:
    transfer = Transfer(Read(filename="f"), BODY, Limits(retries=3))
    sent, now, waits = len(transfer.start(0.0)), 0.0, []
    while transfer.state is TransferState.RUNNING:
        waits.append(transfer.deadline - now)
        now = transfer.deadline
        sent += len(transfer.tick(now))
    assert transfer.state is TransferState.TIMED_OUT
    assert sent == 4
    assert waits == [1.0, 2.0, 4.0, 4.0]
    assert transfer.receive(tftp.ack(1), now) == []


def test_an_error_of_the_client_ends_it() -> None:
    transfer = Transfer(Read(filename="f", tsize=0), BODY)
    transfer.start(0.0)
    assert transfer.receive(encode(Error(code=8, message="only the size\n")), 0.1) == []
    assert transfer.state is TransferState.ABORTED
    assert transfer.is_probe
    assert "8 'only the size?'" in transfer.message


def test_junk_changes_nothing() -> None:
    transfer = Transfer(Read(filename="f"), BODY)
    transfer.start(0.0)
    for junk in (b"", b"\0\4", b"\0\7ab", tftp.data(1, b"x"), encode(Read(filename="f")), b"\xff" * 50):
        assert transfer.receive(junk, 0.1) == []
    assert transfer.ignored == 6
    assert transfer.state is TransferState.RUNNING


def test_blocks_roll_over_past_65535() -> None:
    body = random.Random(1).randbytes(8 * 70_000 + 3)
    request = Read(filename="f", blksize=8, windowsize=64)
    wire(Transfer(request, body), fetch := Fetch(request))
    assert fetch.state is TransferState.DONE
    assert bytes(fetch.body) == body
    plain = Read(filename="f", blksize=8)
    wire(Transfer(plain, body), fetch := Fetch(plain))
    assert bytes(fetch.body) == body
